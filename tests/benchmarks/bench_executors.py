"""How long `crplan run` takes from its first step to `ready`, by executor, against the emitted C program from its start.

    python tests/benchmarks/bench_executors.py [ROUNDS [EXECUTOR...]]

Prints the medians of interleaved runs for 1,000 and 3,000 processes side by side, and each one's ratio to the program. The first
step is counted from RunStarted, with which an executor begins. Needs root.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from crplan_syscalls.program import emit_program

from planner.events.records import AnyEvent, RunReady, RunStarted
from planner.hookspecs import Executor
from planner.pipeline.reading import default_registry
from planner.plans.model import Plan
from planner.testing.plans import wide
from tests.benchmarks.bench_c import compiled, seconds_to_ready


def seconds(executor: Executor, plan: Plan) -> float:
    """Carry a plan out, end it, and return the seconds from its first event to `ready`."""
    at: dict[type, float] = {}

    def record(event: AnyEvent) -> None:
        at.setdefault(type(event), time.perf_counter())
        if isinstance(event, RunReady):
            os.kill(os.getpid(), signal.SIGTERM)

    assert executor.run(plan, record, 120) == 0
    return at[RunReady] - at[RunStarted]


def main() -> None:
    """Compare the executors."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    executors = [each for each in default_registry().executors if each.name in (sys.argv[2:] or [each.name])]
    for executor in executors:
        assert not executor.missing(), executor.missing()
    with tempfile.TemporaryDirectory() as name:
        for tasks in (1000, 3000):
            plan = wide(tasks)
            program = compiled(emit_program(plan), Path(name), f"wide-{tasks}")
            found: dict[str, list[float]] = {}
            for _ in range(rounds):
                found.setdefault("emitted", []).append(seconds_to_ready([program]))
                for executor in executors:
                    found.setdefault(executor.name, []).append(seconds(executor, plan))
            least = statistics.median(found["emitted"])
            for who, times in found.items():
                print(f"wide {tasks}: {who} {statistics.median(times):.3f} s, ratio {statistics.median(times) / least:.2f}")


if __name__ == "__main__":
    main()
