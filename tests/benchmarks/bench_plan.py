"""What planning costs: start-up against bare Python, a task among a million, and mixtures that could cost more than linear time.

Nothing is asserted on time. `python tests/benchmarks/bench_plan.py [startup] [stream] [mixtures] [profile KIND]` prints ratios;
without words it runs all but the profile. `CRPLAN_BENCHMARK_TASKS=1000000` adds a size to the streams.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from planner.events.records import (
    AnyEvent,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    PidRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
)
from planner.identity import NamespaceId, Number, ProcessId

ROUNDS = 15
SIZES = (10_000, 100_000, *map(int, filter(None, os.environ.get("CRPLAN_BENCHMARK_TASKS", "").split(","))))
MIXED_SIZES = (10_000, 50_000)

Row = tuple[tuple[int, ...], int, int, int]
"""Vector, parent, session, group."""


def wide(tasks: int) -> Iterator[Row]:
    """An init with children only."""
    yield (1,), 0, 1, 1
    for pid in range(2, tasks + 1):
        yield (pid,), 1, 1, 1


def chain(tasks: int) -> Iterator[Row]:
    """Each the child of the one before."""
    for pid in range(1, tasks + 1):
        yield (pid,), pid - 1, 1, 1


def chain_of_sessions(tasks: int) -> Iterator[Row]:
    """A chain of session leaders, each of which created its child before setsid."""
    for pid in range(1, tasks + 1):
        yield (pid,), pid - 1, pid, pid


def sessions(tasks: int) -> Iterator[Row]:
    """Leaders below the init, each with a child of the init's session, one of its own, and one of its neighbour's."""
    yield (1,), 0, 1, 1
    count = (tasks - 1) // 4
    for index in range(count):
        leader = 2 + 4 * index
        neighbour = 2 + 4 * (index - 1) if index else leader
        yield (leader,), 1, leader, leader
        yield (leader + 1,), leader, 1, 1
        yield (leader + 2,), leader, leader, leader
        yield (leader + 3,), leader, neighbour, neighbour


def ring_of_sessions(tasks: int) -> Iterator[Row]:
    """Leaders below the init, each with a child of the next one's session, the last with one of the first's."""
    yield (1,), 0, 1, 1
    count = (tasks - 1) // 2
    for index in range(count):
        leader, following = 2 + 2 * index, 2 + 2 * ((index + 1) % count)
        yield (leader,), 1, leader, leader
        yield (leader + 1,), leader, following, following


def groups(tasks: int) -> Iterator[Row]:
    """Pipelines of three, and leaders that have swapped groups in pairs."""
    yield (1,), 0, 1, 1
    for first in range(2, tasks - 3, 4):
        yield (first,), 1, 1, first + 1
        yield (first + 1,), 1, 1, first
        yield (first + 2,), 1, 1, first
        yield (first + 3,), first, 1, first + 1


def ring_of_groups(tasks: int) -> Iterator[Row]:
    """Group leaders, each in the next one's group."""
    yield (1,), 0, 1, 1
    for pid in range(2, tasks + 1):
        yield (pid,), 1, 1, pid + 1 if pid < tasks else 2


def levels(tasks: int) -> Iterator[Row]:
    """31 levels of pid namespaces, with equally many tasks in each."""
    depth = 31
    yield (1,), 0, 1, 1
    for level in range(1, depth):
        yield (*range(level + 1, 1, -1), 1), level, 1, 1
    count = (tasks - depth) // depth
    number = depth + 1
    for level in range(depth):
        for _ in range(count):
            yield (number,) * (level + 1), level + 1, 1, 1
            number += 1


def orphans(tasks: int) -> Iterator[Row]:
    """Daemons: orphans of the init in sessions whose leaders are dead, three in each."""
    yield (1,), 0, 1, 1
    for first in range(2, tasks - 2, 4):
        for pid in (first + 1, first + 2, first + 3):
            yield (pid,), 1, first, first


def orphans_of_subreapers(tasks: int) -> Iterator[Row]:
    """Services below subreapers, with orphans in sessions whose leaders are dead."""
    yield (1,), 0, 1, 1
    for first in range(2, tasks - 3, 5):
        yield (first,), 1, 1, 1
        for pid in (first + 2, first + 3, first + 4):
            yield (pid,), first, first + 1, first + 1


def entered(tasks: int) -> Iterator[Row]:
    """Containers of ten tasks: an init, and tasks that entered from outside or from the root namespace."""
    yield (1,), 0, 1, 1
    for first in range(2, tasks - 9, 10):
        yield (first, 1), 1, first, first
        for inner in range(2, 11):
            pid = first + inner - 1
            parent, session = ((first, first), (1, 1), (0, 0))[inner % 3]
            yield (pid, inner), parent, session, session


def passing(tasks: int) -> Iterator[Row]:
    """Pairs of inits that are moved to each other's group, each with a child in the one that it has left."""
    yield (1,), 0, 1, 1
    for first in range(2, tasks - 3, 4):
        yield (first, 1), 1, 1, first + 1
        yield (first + 2, 2), first, 1, first + 1
        yield (first + 1, 1), 1, 1, first + 1
        yield (first + 3, 2), first + 1, 1, first


def everything(tasks: int) -> Iterator[Row]:
    """31 levels, and at each in turn leaders with each other's children, swapped groups, orphans, and a namespace entered."""
    depth = 31
    yield (1,), 0, 1, 1
    for level in range(1, depth):
        yield (*range(level + 1, 1, -1), 1), level, 1, 1
    for block, first in enumerate(range(depth + 1, tasks - 13, 14)):
        level = block % (depth - 1)
        init, one, other = level + 1, first, first + 1
        rows = [
            (init, one, one),
            (init, other, other),
            (one, other, other),
            (other, one, one),
            (init, 1, first + 5),
            (init, 1, first + 4),
            (init, first + 12, first + 12),
            (init, first + 12, first + 12),
            (one, one, first + 13),
            (one, one, first + 13),
        ]
        for place, (parent, session, group) in enumerate(rows):
            yield (first + place,) * (level + 1), parent, session, group
        yield (*[first + 10] * (level + 1), 1), init, 1, 1
        yield (first + 11,) * (level + 2), 1, 1, 1


KINDS: dict[str, Callable[[int], Iterator[Row]]] = {
    kind.__name__: kind
    for kind in (
        wide,
        chain,
        chain_of_sessions,
        sessions,
        ring_of_sessions,
        groups,
        ring_of_groups,
        levels,
        orphans,
        orphans_of_subreapers,
        entered,
        passing,
        everything,
    )
}


def image(rows: Iterator[Row]) -> list[AnyEvent]:
    """Return the image events of a forest, its pid namespaces recorded by the inits' order."""
    log: list[AnyEvent] = [ImageOpened(format="benchmark", generation="", at=0)]
    spaces: dict[int, int] = {1: 0}
    by_parent: dict[int, int] = {}
    borne: set[int] = set()
    led: dict[int, bool] = {}
    for at, (pids, parent, session, group) in enumerate(rows):
        first = pids[0]
        if pids[-1] == 1 and len(pids) > 1:
            spaces[first] = len(spaces)
            log.append(
                NamespaceRecorded(kind="pid", id=NamespaceId(spaces[first]), parent=NamespaceId(by_parent.get(parent, 0)), at=at)
            )
            inside = spaces[first]
            latest = inside
        else:
            inside = by_parent.get(parent, 0) if len(pids) == 1 or by_parent.get(parent, 0) else latest
        by_parent[first] = inside
        borne.add(first)
        led[session] = True
        led.setdefault(group, False)
        log.append(
            TaskRecorded(
                pids=tuple(map(Number, pids)),
                parent=ProcessId(parent),
                group=ProcessId(group),
                session=ProcessId(session),
                at=at,
            )
        )
        log.append(TaskStateRecorded(pid=ProcessId(first), state="running", exit_status=0, at=at))
        log.append(TaskNamespacesRecorded(pid=ProcessId(first), namespaces={"pid": NamespaceId(inside)}, at=at))
    for number, whole in led.items():
        if number and number not in borne:
            log.append(PidRecorded(numbers=(Number(number),), complete=whole, at=len(log)))
    log.append(ImageClosed(tasks=len(borne), complete=True, at=len(log)))
    return log


def startup() -> None:
    """`crplan IMAGE --emit shell` on 20 tasks against `python -c pass`: fresh processes, interleaved, one interpreter."""
    from tests.helpers.linuxcr import Entry, build

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "image")
        path.write_bytes(build([Entry(pids=(1,)), *(Entry(pids=(pid,), parent=1, group=1, session=1) for pid in range(2, 21))]))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "crplan IMAGE --emit shell": [sys.executable, "-m", "planner", str(path), "--emit", "shell"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                before = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                times[name].append(time.perf_counter() - before)
        bare = statistics.median(times["python -c pass"])
        for name, measured in times.items():
            median = statistics.median(measured)
            print(f"{name:28} {median * 1000:7.1f} ms {median / bare:6.1f} times python -c pass")


STREAM = """
import gc, resource, sys, time
from planner.pipeline.reading import default_registry, source_of, stream_events
from planner.pipeline.resolve import resolve
import crplan_linuxcr.read, planner.planning.decide, planner.forest.pid_namespaces.infer, planner.kernel.proof
import planner.planning.solver.births, planner.planning.steps.phases
registry = default_registry()
gc.disable()
empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
marks = [time.perf_counter()]
log = list(stream_events(source_of(sys.argv[1]), registry))
marks.append(time.perf_counter())
resolve(log)
marks.append(time.perf_counter())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - empty
print(marks[1] - marks[0], marks[2] - marks[1], peak)
"""


def stream() -> None:
    """Microseconds and KiB a task from the stream to the proved plan, the median of three fresh processes."""
    from tests.helpers.linuxcr import Entry, build

    first = 0.0
    for size in SIZES:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "image")
            path.write_bytes(build([Entry(pids=pids, parent=p, session=s, group=g) for pids, p, s, g in wide(size)]))
            runs = [
                tuple(
                    map(
                        float,
                        subprocess.run(
                            [sys.executable, "-c", STREAM, str(path)], stdout=subprocess.PIPE, check=True
                        ).stdout.split(),
                    )
                )
                for _ in range(3)
            ]
        reading, planning, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        whole = (reading + planning) / size * 1e6
        first = first or whole
        print(
            f"{size:9} tasks: {whole:6.1f} us a task (reading {reading / size * 1e6:.1f}, planning and proof "
            f"{planning / size * 1e6:.1f}), {memory / size:5.2f} KiB a task, {whole / first:4.2f} times that at {SIZES[0]}"
        )


MIXTURE = """
import gc, sys, time
sys.path.insert(0, sys.argv[1])
from bench_plan import KINDS, image
from planner.pipeline.resolve import resolve
log = image(KINDS[sys.argv[2]](int(sys.argv[3])))
tasks = log[-1].tasks
gc.collect(); gc.disable()
before = time.perf_counter()
outcome = resolve(log)
print((time.perf_counter() - before) / tasks * 1e6, len(outcome.plan.steps) / tasks, len(outcome.plan.processes) - tasks)
"""


def mixtures() -> None:
    """Microseconds a task for forests of several kinds at two sizes: linear where the ratio is near 1."""
    here = str(Path(__file__).parent)
    for kind in KINDS:
        costs: list[float] = []
        words = ""
        for size in MIXED_SIZES:
            command = [sys.executable, "-c", MIXTURE, here, kind, str(size)]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                words = f"more than 120 s at {size} tasks"
                break
            if run.returncode:
                words = f"at {size}: {run.stderr.strip().splitlines()[-1]}"
                break
            cost, steps, helpers = map(float, run.stdout.split())
            costs.append(cost)
            words = f"{steps:4.1f} steps a task, {helpers:.0f} helpers"
        told = " ".join(f"{cost:8.1f}" for cost in costs)
        ratio = f"ratio {costs[-1] / costs[0]:5.2f}" if len(costs) == len(MIXED_SIZES) else ""
        print(f"{kind:22} us a task at {' '.join(map(str, MIXED_SIZES))}: {told} {ratio}  {words}", flush=True)


def profile(kind: str, size: int = 20_000) -> None:
    """Print where the time of one kind of forest goes, in microseconds a task."""
    import cProfile
    import pstats

    from planner.pipeline.resolve import resolve

    log = image(KINDS[kind](size))
    profiler = cProfile.Profile()
    profiler.runcall(resolve, log)
    rows = sorted(pstats.Stats(profiler).stats.items(), key=lambda item: -item[1][2])[:20]  # type: ignore[attr-defined]
    for (file, line, name), (_, calls, own, total, _) in rows:
        print(
            f"{own / size * 1e6:7.2f} own {total / size * 1e6:7.2f} us {calls / size:6.2f} calls  {Path(file).name}:{line} {name}"
        )


def main(words: list[str]) -> None:
    """Run the benchmarks that are named, all but the profile by default."""
    if words[:1] == ["profile"]:
        profile(*words[1:2])
        return
    for part in (startup, stream, mixtures):
        if not words or part.__name__ in words:
            part()


if __name__ == "__main__":
    main(sys.argv[1:])
