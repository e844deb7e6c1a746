"""`crplan fleet SOURCE... -o DIR`: look at many images and keep tables of them; `crplan fleet report DIR` reads those."""

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final

from planner.cli.fleet_progress import FleetProgress
from planner.cli.streams import say
from planner.cli.terminal import open_image, write_artefact
from planner.errors import UsageError
from planner.fleet.dataset import Dataset, created, resumed, there
from planner.fleet.examining import host_rows
from planner.fleet.scanning import examinations, host_bytes
from planner.fleet.sources import Done, inputs, lines
from planner.fleet.work import BESIDE, MEMORY, SECONDS, Examined, Request
from planner.plugins import Registry
from planner.text import escaped, shown

LIST: Final = "-"
REPORT: Final = "report"

PART_INPUTS: Final = 5_000
PART_SECONDS: Final = 15.0
"""A part is written when so many inputs are done, or so many seconds have passed: what a crash can lose."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="files, directories, patterns, URLs (s3://, gs://, http://), event logs; - reads a list of them from standard input,"
        " one a line. `report DIR` reports on the tables in DIR instead",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="directory of the tables; of a report, its file")
    scan = parser.add_argument_group("for a scan")
    scan.add_argument(
        "--host",
        metavar="FILE",
        action="append",
        default=[],
        help="check against a machine whose facts `crplan host` wrote to FILE; may be repeated",
    )
    scan.add_argument(
        "--resume",
        action="store_true",
        help="go on with an earlier scan: what it has done is not done again, but for what has changed since",
    )
    scan.add_argument("--workers", metavar="N", type=int, help="processes that look at images (default: one a core)")
    scan.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a scheduler of Dask whose workers look at images; `local` starts a cluster of --workers processes",
    )
    scan.add_argument("--in-flight", metavar="N", type=int, help="images that are handed out at a time at most")
    scan.add_argument(
        "--write-logs",
        metavar="PLACE",
        default="",
        help="keep the event log of each image in the directory PLACE, or beside it where PLACE is `beside`; a later scan reads"
        " those in place of the images",
    )
    scan.add_argument("--criu-options", metavar="OPTIONS", help="the options that criu is given, as for `crplan check`")
    scan.add_argument("--seconds", metavar="N", type=float, default=SECONDS, help="time for an image (default: %(default)g)")
    scan.add_argument(
        "--memory", metavar="MIB", type=int, default=MEMORY >> 20, help="memory of a process, in MiB (default: %(default)d)"
    )
    report = parser.add_argument_group("for `report DIR`")
    report.add_argument("--format", choices=("text", "json", "markdown", "html"), default="text", help="form of the report")
    report.add_argument("--sql", metavar="QUERY", default="", help="report what a query returns; see planner/fleet/README.md")
    report.add_argument(
        "--fail-on",
        choices=("refused", "wrong", "hangs", "unknown", "nowhere", "unreadable", "drift"),
        action="append",
        default=[],
        help="exit with 3 where there is such a verdict or image; may be repeated",
    )


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Scan and keep the tables, or report on them; returns the exit code. Bad images are rows, and no reason to fail."""
    if args.sources[0] == REPORT and len(args.sources) == 2:
        return _report(args)
    return _scan(args)


def _report(args: argparse.Namespace) -> int:
    from planner.fleet.rendering import FORMATS
    from planner.fleet.report import report

    found = report(there(args.sources[1]), args.sql, tuple(args.fail_on))
    write_artefact(FORMATS[args.format](found), args.output)
    return found.exit_code


def _scan(args: argparse.Namespace) -> int:
    if args.output is None:
        raise UsageError("give the directory of the tables: -o DIR")
    for name in ("workers", "in_flight", "seconds", "memory"):
        if (value := getattr(args, name)) is not None and value <= 0:
            raise UsageError(f"--{name.replace('_', '-')} is a number above 0, not {value:g}")
    files = tuple((name, host_bytes(file)) for name, file in _hosts(args.host))
    hosts = list(host_rows(files))
    request = Request(
        hosts=files,
        seconds=args.seconds,
        logs=args.write_logs if args.write_logs == BESIDE or not args.write_logs else os.path.abspath(args.write_logs),
        third_party=not args.no_plugins,
        criu_options=args.criu_options,
    )
    if args.resume:
        dataset = resumed(args.output, hosts)
        done = Done(dataset.done())
    else:
        dataset = created(args.output, hosts, request.logs)
        done = Done()
    before = len(done)
    workers = args.workers or os.cpu_count() or 1
    works = done.once(inputs(_sources(args.sources)))
    with contextlib.ExitStack() as stack:
        executor, note = None, ""
        if args.scheduler:
            from planner.fleet.clusters import cluster

            engine = stack.enter_context(cluster(args.scheduler, workers, args.memory << 20))
            executor, workers, note = engine.executor, engine.workers, engine.dashboard
        progress = stack.enter_context(FleetProgress(note))
        examined = examinations(progress.found(works), request, executor, workers, args.in_flight, args.memory << 20)
        _keep(dataset, stack.enter_context(contextlib.closing(examined)), progress, done.changed)
    say(shown(f"crplan: {progress.summary()}{f', {before} were done before' if before else ''}"))
    say(shown(f"crplan: the tables are in {escaped(args.output)}; `crplan fleet report {escaped(args.output)}` reports on them"))
    return 0


def _keep(dataset: Dataset, examined: Iterator[Examined], progress: FleetProgress, changed: set[str]) -> None:
    """Write the rows in parts, in place of those that inputs had which have changed.

    What has come before an interrupt or an error is kept.
    """
    part: list[Examined] = []
    begun = time.monotonic()
    try:
        for one in examined:
            part.append(one)
            progress.add(one)
            if len(part) >= PART_INPUTS or time.monotonic() - begun > PART_SECONDS:
                full, part = part, []
                _write(dataset, full, changed)
                begun = time.monotonic()
    finally:
        if part:
            _write(dataset, part, changed)


def _write(dataset: Dataset, part: list[Examined], changed: set[str]) -> None:
    again = {one.input for one in part} & changed
    dataset.drop(again)
    dataset.write(part)
    changed -= again


def _hosts(files: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the host files by the names of the hosts: that of the file."""
    seen = set()
    for file in files:
        name = os.path.basename(file).removesuffix(".json")
        if name in seen:
            raise UsageError(f"two hosts are called {escaped(name)}")
        seen.add(name)
        yield name, file


def _sources(given: list[str]) -> Iterator[str]:
    for source in given:
        if source == LIST:
            with open_image(LIST).open() as stream:
                yield from lines(stream)
        else:
            yield source
