"""`crplan capture PID`: a running tree of processes as an event log."""

import argparse

from planner.cli.image_job import add_detail_argument, detail_of
from planner.cli.streams import Output, say
from planner.cli.terminal import STANDARD_OUTPUT, write_artefact
from planner.errors import EXPECTED
from planner.events import log
from planner.findings.problems import lines, problem_of
from planner.library.images import captured
from planner.plugins import Registry


def process_number(text: str) -> int:
    """Read a process number, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("pid", metavar="PID", type=process_number, help="the process whose tree is read, as `ps` shows it")
    add_detail_argument(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write what /proc says of the tree; returns the exit code. Nothing is written when it cannot be read."""
    directory = f"/proc/{args.pid}"
    try:
        events = list(captured(args.pid, registry, detail_of(args)))
    except EXPECTED as error:
        problem = problem_of(error)
        say(*lines(problem, directory))
        return problem.exit_code
    if args.output is None or args.output == STANDARD_OUTPUT:
        log.write(events, Output())
    else:
        write_artefact(b"".join(log.lines(events)), args.output)
    return 0
