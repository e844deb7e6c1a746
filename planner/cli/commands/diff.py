"""`crplan diff A B`: what changed between two images, logs or plans, and what that changes in the plan."""

import argparse
import sys

import msgspec

from planner.cli.image_job import Job
from planner.cli.terminal import STANDARD_OUTPUT, say, shows_unicode, wants_colour, write_artefact
from planner.comparison.document import DiffDocument, Side, document, encoded, markdown, text
from planner.comparison.forests import compare, matches
from planner.comparison.plans import compare_plans
from planner.errors import EXPECTED, Contradiction, NotProved, UsageError
from planner.findings.problems import Problem, lines, problem_of
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.pipeline.resolve import resolve
from planner.plans.model import Plan
from planner.plugins import Registry

DIFFERS = 4
"""Exit code with `--exit-code` where there is a difference."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    for name in ("A", "B"):
        word = "first" if name == "A" else "second"
        parser.add_argument(f"image_{name.lower()}", metavar=name, help=f"the {word} image, log or plan; - reads standard input")
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="for whom (default: text)")
    parser.add_argument("--exit-code", action="store_true", help="exit with 4 where they differ")
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Compare and write; an image without a plan is compared all the same, one without a forest cannot be."""
    if args.image_a == args.image_b == STANDARD_OUTPUT:
        raise UsageError("only one of the two can be read from standard input")
    read = []
    for image in (args.image_a, args.image_b):
        job = _job(args, image, registry)
        try:
            read.append(_Read(job))
        except EXPECTED as error:
            problem = job.refuse(error)
            if args.format == "json":
                write_artefact(encoded(DiffDocument(error=problem)), args.output)
            return problem.exit_code
    before, after = read
    same = matches(before.forest, after.forest)
    plan = compare_plans(before.plan, after.plan, same) if before.plan and after.plan else None
    compared = document(before.side(), after.side(), compare(before.forest, after.forest, same), plan)
    write_artefact(_written(compared, args), args.output)
    return DIFFERS if args.exit_code and compared.differs else 0


def _job(args: argparse.Namespace, image: str, registry: Registry) -> Job:
    return Job(argparse.Namespace(images=[image], replan=args.replan, until=None, color=args.color), registry)


class _Read:
    """One side: its forest, and its plan or the problem that keeps it from being planned."""

    def __init__(self, job: Job) -> None:
        job.read()
        self.plan: Plan | None = None
        self.problem: Problem | None = None
        self.forest: Forest
        try:
            outcome = resolve(job.history, replan=job.replan)
        except (Contradiction, NotProved) as error:
            # Facts that contradict each other raise here again; what merely cannot be planned is compared.
            self.forest = fold(job.history)
            self.problem = problem_of(error, job.history)
            say(*lines(self.problem, job.image))
        else:
            self.forest, self.plan = outcome.forest, outcome.plan

    def side(self) -> Side:
        return Side(
            image_id=self.plan.image_id if self.plan else image_id(self.forest),
            tasks=len(self.forest.tasks),
            plan_id=self.plan.plan_id if self.plan else "",
            problem=self.problem or msgspec.UNSET,
        )


def _written(compared: DiffDocument, args: argparse.Namespace) -> str | bytes:
    if args.format == "json":
        return encoded(compared)
    if args.format == "markdown":
        return markdown(compared)
    stdout = None if args.output not in {None, STANDARD_OUTPUT} else sys.stdout
    return text(compared, colour=wants_colour(args.color, stdout), unicode=shows_unicode(stdout))
