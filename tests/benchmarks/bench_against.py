"""Two checkouts side by side on one machine: start-up, and trees large and small to a JSON plan.

Nothing is asserted on time. `python -m tests.benchmarks.bench_against OTHER_CHECKOUT` prints ratios of processor time. Rounds
alternate between the two, so that what else the machine does falls on both. Modules are compiled in a round that does not count,
whatever PYTHONDONTWRITEBYTECODE says: an installation has them compiled.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_plan import Row, chain, orphans, sessions, wide
from tests.helpers.linuxcr import Entry, build
from tests.helpers.places import ROOT

ROUNDS = int(os.environ.get("CRPLAN_BENCHMARK_ROUNDS", "5"))

KINDS = {
    "20 tasks, to shell": (wide, 20, "shell"),
    "100,000 mixed tasks": (sessions, 100_000, "json"),
    "a chain of 50,000": (chain, 50_000, "json"),
    "200 orphaned daemons": (orphans, 200, "json"),
}


def image(rows: list[Row]) -> bytes:
    """Return a linux-cr image of these tasks."""
    return build([Entry(pids=pids, parent=parent, session=session, group=group) for pids, parent, session, group in rows])


def seconds(checkout: Path, path: Path, back_end: str) -> float:
    """Return the processor time of one whole process that plans an image."""
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(path.parent / "compiled")}
    environment = {**os.environ, **compiled, "PYTHONPATH": f"{checkout}:{checkout / 'plugins'}"}
    command = [sys.executable, "-m", "planner", str(path), "--emit", back_end]
    before = processor_time()
    subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
    return processor_time() - before


def bare() -> float:
    """Return the processor time of an interpreter that does nothing."""
    before = processor_time()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return processor_time() - before


def processor_time() -> float:
    """Return the processor time that ended children have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
