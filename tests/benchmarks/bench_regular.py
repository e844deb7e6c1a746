"""How much of some images the planner decides without a search.

    python tests/benchmarks/bench_regular.py IMAGE|DIRECTORY...

Printed is for each image what decides it: "one pass" where `planner.planning.regular` does, "taken off" where nothing stays of it
for the search when its regular processes have been taken off, and else "search", with how many processes are entangled in each
component; behind it the processes for which the search is asked why their parents do not create them, and of how many it knows.
At the end stand the shares, by the first word of the images' names.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from planner.errors import CrplanError
from planner.forest.model import Forest
from planner.library.images import read
from planner.pipeline.resolve import resolve
from planner.planning.regular import plan_regular
from planner.planning.solver.births import solve
from planner.planning.solver.components import components
from planner.planning.solver.problem import read_problem
from planner.planning.solver.reduction import reduce_problem
from planner.planning.solver.solution import Solution

LINEAR = ("one pass", "taken off")


def images(place: Path) -> Iterator[Path]:
    """Yield the images at a place: the place itself, or what its folders hold."""
    if place.is_file() or any(place.glob("*.img")):
        yield place
        return
    for entry in sorted(place.iterdir()):
        if entry.is_dir():
            yield from images(entry)
        elif entry.suffix in (".tar", ".zst", ".ckpt", ".jsonl"):
            yield entry


def decided_by(forest: Forest) -> tuple[str, list[int]]:
    """Return what decides the births of a forest, and the sizes of the components that are searched."""
    if plan_regular(forest):
        return LINEAR[0], []
    problem = read_problem(forest)
    reduced = reduce_problem(problem)
    if len(reduced.core) == 1 and not reduced.demands and not reduced.hidden:
        return LINEAR[1], []
    return "search", [len(part.core) for part in components(problem, reduced)]


def named(image: Path, place: Path) -> str:
    """Return the name of an image: of the folder that it lies in, where that is a dump."""
    parts = [part for part in image.relative_to(place.parent).parts if part not in ("img", "checkpoint-gzip.tar")]
    return "/".join(parts[1:]) or image.name


def main() -> None:
    """Print a line for each image, and the shares."""
    counts: dict[str, Counter[str]] = {}
    for place in map(Path, sys.argv[1:]):
        for image in images(place):
            name = named(image, place)
            kind = name.partition("_")[0] if "_" in name else place.name
            try:
                forest = resolve(read(image)).forest
            except CrplanError as error:
                print(f"{name:45} refused: {type(error).__name__} {getattr(error, 'code', '')}")
                counts.setdefault(kind, Counter())["refused"] += 1
                continue
            what, sizes = decided_by(forest)
            counts.setdefault(kind, Counter())[what] += 1
            more = ""
            if what != LINEAR[0]:
                begin = time.process_time()
                answer = solve(forest)
                seconds = time.process_time() - begin
                if isinstance(answer, Solution):
                    asked = sum(birth.parent not in (None, birth.creator) for birth in answer.births)
                    more = f"{sizes}, other creators {asked}, explained {len(answer.excluded)}, {1000 * seconds:.1f} ms"
            print(f"{name:45} {len(forest.tasks):5} tasks  {what:10} {more}")
    for kind, said in counts.items():
        planned = sum(said.values()) - said["refused"]
        linear = sum(said[word] for word in LINEAR)
        print(f"{kind:12} {planned:4} planned, {linear} without a search ({100 * linear / max(1, planned):.0f} %): {dict(said)}")


if __name__ == "__main__":
    main()
