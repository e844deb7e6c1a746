"""`crplan diff A B`: what changed between two images, logs or plans, and what that changes in the plan."""

import argparse
import sys
from collections.abc import Mapping

from planner.cli.image_job import Job, add_window_argument, groups_of
from planner.cli.progress import each
from planner.cli.streams import say, shows_unicode
from planner.cli.terminal import STANDARD_OUTPUT, wants_colour, write_artefact
from planner.comparison.document import DiffDocument, Paired, encoded, markdown, of_several, text
from planner.errors import EXPECTED, UsageError
from planner.findings.problems import Problem, lines
from planner.library.comparing import ComparedSide, compared, side_of
from planner.pipeline.inputs import SEPARATOR, Group, located
from planner.plugins import Registry
from planner.text import escaped

DIFFERS = 4
"""Exit code with `--exit-code` where there is a difference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    for name in ("A", "B"):
        word = "first" if name == "A" else "second"
        parser.add_argument(
            f"image_{name.lower()}",
            metavar=name,
            help=f"the {word} image, log or plan; - reads standard input. Several checkpoints in it are paired by name",
        )
    parser.add_argument(
        "--format", choices=("text", "json", "markdown"), default="text", help="format of the comparison (default: text)"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 4 where they differ")
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    add_window_argument(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Compare and write; an image without a plan is compared all the same, one without a forest cannot be."""
    if args.image_a == args.image_b == STANDARD_OUTPUT:
        raise UsageError("only one of the two can be read from standard input")
    before, after = (_groups(args, image, registry) for image in (args.image_a, args.image_b))
    if len(before) == len(after) == 1:
        comparison = _compared(args, (*before.values(), *after.values()), registry)
    else:
        for image, own, other in ((args.image_a, before, after), (args.image_b, after, before)):
            if list(own) == [""]:
                raise UsageError(
                    f"{escaped(image)} is one checkpoint, and the other side holds {_several(other)}; name one of them"
                )
        comparison = of_several(_paired(args, before, after, registry))
    if args.format == "json" or not isinstance(comparison.error, Problem):
        write_artefact(_written(comparison, args), args.output)
    if (code := _worst(comparison)) != 0:
        return code
    return DIFFERS if args.exit_code and comparison.differs else 0


def _groups(args: argparse.Namespace, image: str, registry: Registry) -> dict[str, Group]:
    """Return the groups of one side by their names inside of it; the only one of an image has the name ""."""
    path, _ = located(image)
    groups = groups_of(argparse.Namespace(**(vars(args) | {"images": [image], "detail": "all"})), registry)
    inside = [" + ".join(_inside(path, one.name) for one in group.images) for group in groups]
    return dict(zip(inside, groups, strict=True))


def _inside(path: str, name: str) -> str:
    return name.removeprefix(f"{path}{SEPARATOR}") if name != path else ""


def _several(groups: Mapping[str, Group]) -> str:
    names = list(map(escaped, groups))
    return f"{len(names)}: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"


def _paired(
    args: argparse.Namespace, before: dict[str, Group], after: dict[str, Group], registry: Registry
) -> tuple[Paired, ...]:
    """Return the comparison of every name, in their order; where a name is on one side alone, that side."""
    pairs = []
    for name in each("comparing", sorted(before.keys() | after.keys())):
        if name in before and name in after:
            pairs.append(Paired(name=name, comparison=_compared(args, (before[name], after[name]), registry)))
        else:
            pairs.append(Paired(name=name, only="before" if name in before else "after"))
    return tuple(pairs)


def _compared(args: argparse.Namespace, groups: tuple[Group, ...], registry: Registry) -> DiffDocument:
    """Return the comparison of two groups, or the problem that there is instead."""
    sides = []
    for group in groups:
        job = Job(argparse.Namespace(replan=args.replan, until=None, color=args.color, detail="all"), registry, group)
        try:
            sides.append(_side(job))
        except EXPECTED as error:
            return DiffDocument(error=job.refuse(error))
    return compared(*sides)


def _side(job: Job) -> ComparedSide:
    """Read one side, and say why it has no plan where that is so."""
    job.read()
    side = side_of(job.history, replan=job.replan)
    if side.problem is not None:
        say(*lines(side.problem, job.image))
    return side


def _worst(comparison: DiffDocument) -> int:
    """Return the exit code of what could not be compared, 0 where all could."""
    paired = comparison.images if isinstance(comparison.images, tuple) else ()
    documents = [comparison, *(one.comparison for one in paired if isinstance(one.comparison, DiffDocument))]
    return min((one.error.exit_code for one in documents if isinstance(one.error, Problem)), default=0)


def _written(comparison: DiffDocument, args: argparse.Namespace) -> str | bytes:
    if args.format == "json":
        return encoded(comparison)
    if args.format == "markdown":
        return markdown(comparison)
    stdout = None if args.output not in {None, STANDARD_OUTPUT} else sys.stdout
    return text(comparison, colour=wants_colour(args.color, stdout), unicode=shows_unicode(stdout))
