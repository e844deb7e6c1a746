"""`crplan diff A B`: what changed between two images, logs or plans, and what that changes in the plan."""

import argparse
import sys

from planner.cli.image_job import Job
from planner.cli.streams import say, shows_unicode
from planner.cli.terminal import STANDARD_OUTPUT, wants_colour, write_artefact
from planner.comparison.document import DiffDocument, encoded, markdown, text
from planner.errors import EXPECTED, UsageError
from planner.findings.problems import lines
from planner.library.comparing import ComparedSide, compared, side_of
from planner.plugins import Registry

DIFFERS = 4
"""Exit code with `--exit-code` where there is a difference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    for name in ("A", "B"):
        word = "first" if name == "A" else "second"
        parser.add_argument(f"image_{name.lower()}", metavar=name, help=f"the {word} image, log or plan; - reads standard input")
    parser.add_argument(
        "--format", choices=("text", "json", "markdown"), default="text", help="format of the comparison (default: text)"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 4 where they differ")
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Compare and write; an image without a plan is compared all the same, one without a forest cannot be."""
    if args.image_a == args.image_b == STANDARD_OUTPUT:
        raise UsageError("only one of the two can be read from standard input")
    sides = []
    for image in (args.image_a, args.image_b):
        job = _job(args, image, registry)
        try:
            sides.append(_side(job))
        except EXPECTED as error:
            problem = job.refuse(error)
            if args.format == "json":
                write_artefact(encoded(DiffDocument(error=problem)), args.output)
            return problem.exit_code
    comparison = compared(*sides)
    write_artefact(_written(comparison, args), args.output)
    return DIFFERS if args.exit_code and comparison.differs else 0


def _job(args: argparse.Namespace, image: str, registry: Registry) -> Job:
    return Job(argparse.Namespace(images=[image], replan=args.replan, until=None, color=args.color, detail="all"), registry)


def _side(job: Job) -> ComparedSide:
    """Read one side, and say why it has no plan where that is so."""
    job.read()
    side = side_of(job.history, replan=job.replan)
    if side.problem is not None:
        say(*lines(side.problem, job.image))
    return side


def _written(comparison: DiffDocument, args: argparse.Namespace) -> str | bytes:
    if args.format == "json":
        return encoded(comparison)
    if args.format == "markdown":
        return markdown(comparison)
    stdout = None if args.output not in {None, STANDARD_OUTPUT} else sys.stdout
    return text(comparison, colour=wants_colour(args.color, stdout), unicode=shows_unicode(stdout))
