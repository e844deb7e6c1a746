"""What a run costs, in ratios: start-up against Python itself, and a task among many against a task among few.

Nothing is asserted on time. Run with `pytest -n 0 -s --part slow tests/benchmarks`; CRPLAN_BENCHMARK_TASKS adds a size.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.linuxcr import Entry, build

pytestmark = pytest.mark.slow

ROUNDS = 11
SIZES = [10_000, 100_000, *map(int, filter(None, os.environ.get("CRPLAN_BENCHMARK_TASKS", "").split(",")))]


def wide(tasks: int) -> bytes:
    """Return the image of an init with children only."""
    entries = [Entry(pids=(1,))]
    entries += [Entry(pids=(pid,), parent=1, group=1, session=1) for pid in range(2, tasks + 1)]
    return build(entries)


def seconds(command: list[str]) -> float:
    before = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


def test_start_up_against_bare_python(tmp_path: Path) -> None:
    """`crplan IMAGE --emit shell` on 20 tasks against `python -c pass`, interleaved, the same interpreter."""
    image = tmp_path / "image"
    image.write_bytes(wide(20))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "crplan --version": [sys.executable, "-m", "planner", "--version"],
        "crplan IMAGE --emit shell": [sys.executable, "-m", "planner", str(image), "--emit", "shell"],
        "crplan IMAGE": [sys.executable, "-m", "planner", str(image)],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(seconds(command))
    bare = statistics.median(times["python -c pass"])
    print()
    for name, median in ((name, statistics.median(measured)) for name, measured in times.items()):
        print(f"{name:28} {median * 1000:7.1f} ms  {median / bare:5.1f} times python -c pass")


COST = """
import gc, sys, time
gc.disable()
import planner
from planner import pipeline
from planner.pipeline import default_registry, resolve, source_of, stream_events
import crplan_linuxcr.read, planner.planning.decide, planner.forest.pid_namespaces.infer, planner.kernel.proof

def peak():
    # VmHWM begins anew with a program; ru_maxrss would start at that of whoever started it.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

registry = default_registry()
empty = peak()
before = time.perf_counter()
outcome = resolve(list(stream_events(source_of(sys.argv[1]), registry)))
print(time.perf_counter() - before, peak() - empty)
"""


@pytest.mark.parametrize("tasks", SIZES)
def test_reading_planning_and_proof_a_task(tmp_path: Path, tasks: int) -> None:
    """Microseconds and KiB a task, from the stream to the proved plan, in a fresh process."""
    image = tmp_path / "image"
    image.write_bytes(wide(tasks))
    run = subprocess.run([sys.executable, "-c", COST, str(image)], capture_output=True, text=True, check=True)
    taken, memory = map(float, run.stdout.split())
    print(f"\n{tasks:9} tasks: {taken / tasks * 1e6:6.1f} us and {memory / tasks:5.2f} KiB a task")
