"""Two checkouts side by side on one machine: start-up, and trees large and small to a JSON plan.

Nothing is asserted on time. `python -m tests.benchmarks.bench_against OTHER_CHECKOUT` prints ratios. Rounds alternate between the
two, so that what else the machine does falls on both.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_plan import Row, chain, sessions, wide
from tests.helpers.linuxcr import Entry, build
from tests.helpers.places import ROOT

ROUNDS = int(os.environ.get("CRPLAN_BENCHMARK_ROUNDS", "5"))

KINDS = {
    "20 tasks, to shell": (wide, 20, "shell"),
    "100,000 mixed tasks": (sessions, 100_000, "json"),
    "a chain of 50,000": (chain, 50_000, "json"),
}


def image(rows: list[Row]) -> bytes:
    """Return a linux-cr image of these tasks."""
    return build([Entry(pids=pids, parent=parent, session=session, group=group) for pids, parent, session, group in rows])


def seconds(checkout: Path, path: Path, back_end: str) -> float:
    """Return the wall time of one whole process that plans an image."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}:{checkout / 'plugins'}"}
    command = [sys.executable, "-m", "planner", str(path), "--emit", back_end]
    before = time.perf_counter()
    subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


def bare() -> float:
    """Return the wall time of an interpreter that does nothing."""
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - before


def main(other: Path) -> None:
    """Print for each kind of tree the medians of both checkouts, and their ratio."""
    with tempfile.TemporaryDirectory() as directory:
        for kind, (shape, tasks, back_end) in KINDS.items():
            path = Path(directory, "image")
            path.write_bytes(image(list(shape(tasks))))
            times = [(seconds(ROOT, path, back_end), seconds(other, path, back_end), bare()) for _ in range(ROUNDS + 1)][1:]
            ours, theirs, empty = map(statistics.median, zip(*times, strict=True))
            print(f"{kind:22} {ours:7.3f} s  {ours / theirs:5.2f} of the other's time  {ours / empty:6.1f} times python -c pass")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
