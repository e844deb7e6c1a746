"""Every forest of a given size, for sizes that take too long for CI.

    python tests/benchmarks/bench_exhaustive.py TASKS LEVELS HELPERS [nogroups] [living] [reached]

prints how many candidates there are, how many the model kernel reaches with so many helpers, how many are planned and refused and
with which codes. With `nogroups` every task is in its session's group, with `living` none has ended, and with `reached` only
what the search reaches is planned, which says nothing about refusals. It ends with 1 when something is reached and refused, or
breaks the planner. What it has printed stands in `exhaustive.md`.
"""

import sys
import time
from collections import Counter

from tests.generators.exhaustive import candidates, reached
from tests.helpers.evidence import verdicts
from tests.planning.test_exhaustive import judge


def main(words: list[str]) -> None:
    """Judge all forests of one size."""
    tasks, levels, helpers = map(int, words[:3])
    groups, zombies = "nogroups" not in words, "living" not in words
    began = time.perf_counter()
    shapes = set() if "reached" in words else candidates(tasks, levels, groups=groups, zombies=zombies)
    print(f"{len(shapes)} candidates after {time.perf_counter() - began:.0f} s", flush=True)
    found = reached(tasks, levels, helpers, groups=groups)
    print(f"search done after {time.perf_counter() - began:.0f} s", flush=True)
    found = {shape for shape in found if len(shape[0]) == tasks and (zombies or not any(task.zombie for task in shape[0]))}
    said = judge(f"{tasks} tasks on {levels} levels", verdicts(shapes or found), found)
    for code, count in Counter(said.values()).most_common():
        print(f"{count:9} {code or 'planned'}")
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main(sys.argv[1:])
