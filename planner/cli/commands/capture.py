"""`crplan capture PID`: a running tree of processes as an event log."""

import argparse
import sys
from collections.abc import Iterator

from planner.cli.terminal import STANDARD_OUTPUT, say, write_artefact
from planner.errors import EXPECTED, BadImage
from planner.events import log
from planner.events.records import AnyEvent
from planner.findings.problems import lines, problem_of
from planner.pipeline.reading import stream_events
from planner.pipeline.sources import from_path
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
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write what /proc says of the tree; returns the exit code. Nothing is written when it cannot be read."""
    directory = f"/proc/{args.pid}"
    try:
        events = list(_events(directory, registry))
    except EXPECTED as error:
        problem = problem_of(error)
        say(*lines(problem, directory))
        return problem.exit_code
    if args.output is None or args.output == STANDARD_OUTPUT:
        log.write(events, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        write_artefact(b"".join(log.lines(events)), args.output)
    return 0


def _events(directory: str, registry: Registry) -> Iterator[AnyEvent]:
    """Read the tree as the image that it is; raises BadImage where there is no such process, or no reader for it."""
    source = from_path(directory)
    if not source.directory:
        raise BadImage(directory, "there is no such process")
    yield from stream_events(source, registry)
