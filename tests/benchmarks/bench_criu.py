"""What a CRIU dump of a thousand processes costs from the archive to the proved plan, alone and as a container of a pod.

Nothing is asserted on time. `python -m tests.benchmarks.bench_criu` prints milliseconds.
"""

import statistics
import time
from collections.abc import Callable

from planner import read
from planner.pipeline.resolve import resolve
from tests.helpers.containers import POD_NAMESPACES, Dump, cri_o
from tests.helpers.places import DATA

SAMPLE = DATA / "criu" / "wide1000" / "wide1000.tar.zst"
ROUNDS = 7
TASKS = 1000


def median(what: Callable[[], object]) -> float:
    """Milliseconds, the first round left out."""
    times = []
    for _ in range(ROUNDS + 1):
        before = time.perf_counter()
        what()
        times.append(time.perf_counter() - before)
    return statistics.median(times[1:]) * 1000


def container(root: int, name: str) -> bytes:
    dump = Dump().task(root)
    for pid in range(root + 1, root + TASKS):
        dump.task(pid, root, session=root)
    return dump.archive(*cri_o(name, **POD_NAMESPACES))


def main() -> None:
    """Print what reading costs, and planning with the proof; Python's own start is not in it."""
    log = read(SAMPLE)
    reading, planning = median(lambda: read(SAMPLE)), median(lambda: resolve(list(log)))
    print(f"one dump     read {reading:6.1f} ms  planned and proved {planning:6.1f} ms")
    one, other = container(2000, "one"), container(20_000, "other")
    joined = read(one, other)
    alone = median(lambda: read(one)), median(lambda: resolve(read(one)))
    both = median(lambda: read(one, other)), median(lambda: resolve(list(joined)))
    print(f"a container  read {alone[0]:6.1f} ms  planned and proved {alone[1] - alone[0]:6.1f} ms")
    print(f"a pod of two read {both[0]:6.1f} ms  planned and proved {both[1]:6.1f} ms")


if __name__ == "__main__":
    main()
