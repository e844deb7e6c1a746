"""`crplan host`: what this machine can do, as JSON, for `crplan check --host` anywhere."""

import argparse

import msgspec

from planner.checks.criu_options import parse
from planner.cli.image_job import Job, groups_of, worst
from planner.cli.streams import say
from planner.cli.terminal import write_artefact
from planner.contents.fold import fold_contents
from planner.errors import EXPECTED
from planner.findings.problems import lines, problem_of
from planner.forest.fold import fold
from planner.host.answers import answers
from planner.host.facts import encode
from planner.host.questions import Questions, places, questions
from planner.host.record import record
from planner.plugins import Registry
from planner.text import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="*",
        default=[],
        help="record what this machine has of what these images ask for, too: their files and addresses",
    )
    parser.add_argument(
        "--criu-options",
        metavar="OPTIONS",
        default="",
        help="the options that criu restore will be given, as one word: --root and --external say where files are",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")
    parser.set_defaults(detail="all", apart=True, replan=False, until=None)
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being tried")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Record and write; what cannot be found out is unknown in the file. Returns 0, or 1 where an image cannot be read."""
    given = places(parse(args.criu_options))
    asked = Questions()
    codes = []
    for group in groups_of(args, registry) if args.images else ():
        job = Job(args, registry, group)
        try:
            job.read()
            asked = asked.joined(questions(fold(job.history), fold_contents(job.history), given))
        except EXPECTED as error:
            problem = problem_of(error, job.history)
            say(*lines(problem, job.image))
            codes.append(problem.exit_code)
    host = record(_say if args.verbose else lambda words: None)
    write_artefact(encode(msgspec.structs.replace(host, answers=answers(asked))), args.output)
    return worst(codes)


def _say(words: str) -> None:
    say(shown(words))
