"""`crplan log IMAGE`: the event log of an image, with the decisions and the proof of the plan."""

import argparse
from collections.abc import Iterable, Iterator

from planner.cli.image_job import Job, add_detail_argument, add_image_arguments, groups_of, worst
from planner.cli.progress import each
from planner.cli.several import files_of
from planner.cli.streams import Output
from planner.cli.terminal import STANDARD_OUTPUT, write_artefact
from planner.contents.redact import redacted
from planner.errors import EXPECTED, UsageError
from planner.events import log
from planner.events.records import FORMAT_VERSION, AnyEvent, LogOpened
from planner.pipeline.resolve import resolve
from planner.plugins import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_image_arguments(parser)
    parser.add_argument("--facts", action="store_true", help="only what the image says; reads and writes in a stream")
    add_detail_argument(parser)
    parser.add_argument(
        "--redact",
        action="store_true",
        help="replace names, paths and addresses, each always by the same word, so that the log is fit for a bug report; only"
        " what the image says is in it",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write the log; what could not be done is in it, too. Returns the exit code."""
    if args.facts and args.until is not None and args.until.step:
        raise UsageError("--until step:N is for a plan, and --facts leaves the plan out")
    placed = list(files_of(groups_of(args, registry), args.output, "jsonl", "logs"))
    return worst([_one(args, Job(args, registry, group), file) for group, file in each("reading", placed)])


def _one(args: argparse.Namespace, job: Job, file: str | None) -> int:
    """Write the log of one group; returns the exit code."""
    code = 0
    to_file = file is not None and file != STANDARD_OUTPUT
    events: Iterable[AnyEvent] = job.history
    try:
        if args.facts and not to_file and not args.redact:
            return _stream(job)
        job.read()
        if not (args.facts or args.redact):
            resolve(job.history, replan=args.replan)
    except EXPECTED as error:
        code = job.refuse(error).exit_code
        if not isinstance(job.history[0], LogOpened):
            job.history.insert(0, LogOpened(format_version=FORMAT_VERSION))
    if args.until is not None:
        events = log.until(events, job.end())
    if args.redact:
        events = redacted(events)
    if to_file:
        write_artefact(b"".join(log.lines(events)), file)
    else:
        log.write(events, Output())
    return code


def _stream(job: Job) -> int:
    """Write what the image says as it is read; the last line holds what went wrong."""
    read = job.events()
    if job.until is not None:
        read = log.until(read, job.until.number)
    code = 0
    written = 0

    def counted() -> Iterator[AnyEvent]:
        nonlocal written
        for event in read:
            written += 1
            yield event

    try:
        log.write(counted(), Output())
    except EXPECTED as error:
        code = job.refuse(error).exit_code
        if written == 0:
            job.history.insert(0, LogOpened(format_version=FORMAT_VERSION))
        log.write(job.history, Output(), written)
    return code
