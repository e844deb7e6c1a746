"""`crplan inspect IMAGE`: what the processes of an image hold, by process and in sum."""

import argparse
import sys

from planner.cli.image_job import Job, add_values_argument, groups_of, worst
from planner.cli.streams import say, shows_unicode
from planner.cli.terminal import STANDARD_OUTPUT, wants_colour, write_artefact
from planner.errors import EXPECTED
from planner.findings.problems import lines, problem_of
from planner.inspection.build import inspected
from planner.inspection.document import InspectDocument, InspectedImage, encoded
from planner.inspection.select import Selection, selected
from planner.inspection.text import text
from planner.plugins import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a checkpoint image of any kind or an event log; - reads standard input"
    )
    parser.add_argument("--pid", metavar="PID", type=int, action="append", default=[], help="only this task; may be repeated")
    parser.add_argument("--path", metavar="GLOB", action="append", default=[], help="only files whose path matches")
    parser.add_argument("--port", metavar="N", type=int, action="append", default=[], help="only sockets of this port")
    parser.add_argument(
        "--who-holds", metavar="PATH", action="append", default=[], help="only what is at this path or below it, and its holders"
    )
    add_values_argument(parser)
    parser.add_argument("--mapped", action="store_true", help="list mapped files, too")
    parser.add_argument(
        "--areas", action="store_true", help="list every area of memory, with its permissions and the pages that are kept of it"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")
    parser.set_defaults(detail="all", apart=True, replan=False, until=None)


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Read every image by itself and write what they hold; one that cannot be read is an entry with its error."""
    wanted = Selection(pids=tuple(args.pid), paths=tuple(args.path), ports=tuple(args.port), holds=tuple(args.who_holds))
    images, codes = [], []
    for group in groups_of(args, registry):
        entry, code = _one(Job(args, registry, group), wanted)
        images.append(entry)
        codes.append(code)
    document = InspectDocument(images=tuple(images))
    write_artefact(encoded(document) if args.format == "json" else _page(document, args, wanted), args.output)
    return worst(codes)


def _one(job: Job, wanted: Selection) -> tuple[InspectedImage, int]:
    try:
        job.read()
        return selected(inspected(job.image, job.history, areas=job.args.areas), wanted), 0
    except EXPECTED as error:
        problem = problem_of(error, job.history)
        say(*lines(problem, job.image))
        return InspectedImage(image=job.image, error=problem), problem.exit_code


def _page(document: InspectDocument, args: argparse.Namespace, wanted: Selection) -> str:
    stdout = None if args.output not in {None, STANDARD_OUTPUT} else sys.stdout
    return text(
        document,
        colour=wants_colour(args.color, stdout),
        unicode=shows_unicode(stdout),
        mapped=args.mapped or wanted.of_files,
        asked=bool(wanted.pids or wanted.of_files),
    )
