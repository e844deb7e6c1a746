"""`crplan check IMAGE`: the problems of an image, on this host or another, human-readable or for pipelines."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from planner.checks.ask import known_kinds, split_options
from planner.checks.criu_options import parse
from planner.checks.judging import THIS_HOST, Request, judge
from planner.checks.report import Settings, baseline_of, gather
from planner.cli.files import open_to_write
from planner.cli.image_job import Job, add_image_arguments, groups_of, image_words, terminal_of
from planner.cli.progress import each
from planner.cli.subjects import subjects
from planner.cli.terminal import write_artefact, write_pieces
from planner.errors import EXPECTED, BadImage, PluginFailed, UsageError
from planner.findings.problems import Problem, problem_of
from planner.findings.registry import SEVERITIES, Kind
from planner.findings.report import ImageReport, ManyReports, Report, Subject
from planner.findings.verdicts import ENGINES, WORDS, ConsumerName
from planner.hookspecs import Artefact, ReportFormat
from planner.host.facts import Host, decode, namespace_of
from planner.library.checking import asked_here
from planner.options import Options, chosen, filled, split
from planner.pipeline.beside import read_beside
from planner.pipeline.inputs import Group
from planner.pipeline.sources import REMOTE
from planner.plugins import Registry
from planner.text import Terminal, escaped

PEOPLE = "text"
"""The format that is used where none is named."""

MANY = 64
"""Images whose entries and whose report are not in memory as a whole."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_image_arguments(parser)
    parser.add_argument(
        "--host",
        metavar="FILE",
        action="append",
        default=[],
        help="check against a machine whose facts `crplan host` wrote to FILE; may be repeated",
    )
    parser.add_argument("--here", action="store_true", help="check against this machine")
    parser.add_argument(
        "--into",
        "--namespace",
        dest="namespace",
        metavar="PID",
        type=int,
        help="with --host or --here: into the pid namespace that process PID is in",
    )
    parser.add_argument(
        "--for",
        dest="consumer",
        choices=tuple(WORDS),
        help="whose verdict sets the exit code; by default that of `criu restore` for images of CRIU, of `criu dump` for running"
        " trees, of `crplan run` for others",
    )
    parser.add_argument(
        "--untrusted",
        dest="consumer",
        action="store_const",
        const="trust",
        help="the archive is a stranger's: report what a restore would have this machine do (the same as --for trust)",
    )
    parser.add_argument("--engine", choices=ENGINES, help="the container engine that restores the image; its verdict comes first")
    parser.add_argument(
        "--criu-options",
        metavar="OPTIONS",
        help="the options that criu is given, as one word: --criu-options='--shell-job --tcp-established'; without it they are"
        " not known, and with an empty word there are none",
    )
    parser.add_argument("--complete", action="store_true", help="every file that a CRIU image lacks counts")
    parser.add_argument("--format", metavar="NAME", default=PEOPLE, help="format of the report (see `crplan plugins`)")
    parser.add_argument(
        "--fail-on", choices=SEVERITIES, default="error", help="the least severe finding that fails (default error)"
    )
    parser.add_argument("--fail-on-unknown", action="store_true", help="fail when a question cannot be answered, too")
    parser.add_argument(
        "--ignore", metavar="CODE", action="append", default=[], help="a code that does not count; may be repeated"
    )
    parser.add_argument("--baseline", metavar="FILE", help="findings of FILE, an earlier report as json, do not count")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an option of a check or of the format; may be repeated",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")
    parser.set_defaults(detail="all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Check and report; returns 0, 3 for what counts, or 1 when the image could not be read."""
    form = chosen(registry.reports, args.format, "report format")
    kinds = known_kinds(registry)
    try:
        settings = _settings(args, kinds)
        for_checks, given = split_options(registry.checks, form.options, split(args.option))
        options = filled(form.options, given, f"report format {form.name}")
        if args.until is not None:
            raise UsageError("--until is for looking; a check needs the whole plan")
        request = _request(args, for_checks)
        hosts = _hosts(args)
        groups = groups_of(args, registry)
    except UsageError as error:
        if form.machine:
            report = gather((), kinds=kinds, error=problem_of(error))
            write_artefact(_rendered(form, report, filled(form.options, {}, ""), Terminal(), registry), args.output)
        raise
    entries = (_checked(Job(args, registry, group), form, request, settings, hosts) for group in each("checking", groups))
    images = ManyReports(entries) if len(groups) > MANY else tuple(entries)
    report = gather(images, kinds=kinds, hosts=hosts, settings=settings)
    if len(groups) > MANY and form.pieces is not None:
        write_pieces(_in_pieces(form, report, options, terminal_of(args), registry), args.output)
    else:
        files = _files(groups) if form.attest is not None else {}
        write_artefact(_rendered(form, report, options, terminal_of(args), registry, files), args.output)
    _append_summary(form, report, options, registry)
    return report.exit_code


def _checked(job: Job, form: ReportFormat, request: Request, settings: Settings, hosts: Mapping[str, Host]) -> ImageReport:
    """Return the report of one group of images; one that cannot be read is an entry as well."""
    artefact: Artefact | None = None
    problem: Problem | None = None
    try:
        artefact = job.artefact()
    except EXPECTED as failure:
        problem = job.refuse(failure) if form.machine else problem_of(failure, job.history)
    else:
        hosts = asked_here(hosts, request, artefact, job.registry)
    name = image_words([_image_name(each) for each in job.images])
    typed = job.images[0] if len(job.images) == 1 else name
    return judge(job.registry, name, artefact, request, settings, hosts, problem, typed)


def _request(args: argparse.Namespace, given: Mapping[str, Mapping[str, str]]) -> Request:
    consumer: ConsumerName | None = args.consumer
    if consumer == "run-into" and args.namespace is None:
        raise UsageError("the consumer run-into needs the process that --into names")
    return Request(
        wanted=consumer,
        engine=args.engine,
        options=None if args.criu_options is None else parse(args.criu_options),
        into=args.namespace or 0,
        complete=args.complete,
        given=given,
    )


def _files(groups: Sequence[Group]) -> dict[str, tuple[Subject, ...]]:
    """Return the files of each image by its name in the report; one that cannot be read has its error there."""
    found: dict[str, tuple[Subject, ...]] = {}
    for group in groups:
        names = [image.name for image in group.images]
        with suppress(BadImage):
            # Images of one name are told apart by their subjects alone.
            called = image_words([_image_name(name) for name in names])
            found[called] = (*found.get(called, ()), *subjects(names))
    return found


def _settings(args: argparse.Namespace, kinds: Mapping[str, Kind]) -> Settings:
    for code in args.ignore:
        if code not in kinds:
            raise UsageError(f"there is no finding {code!r}; there is: {', '.join(sorted(kinds))}")
    return Settings(
        fail_on=args.fail_on,
        fail_on_unknown=args.fail_on_unknown,
        ignored=frozenset(args.ignore),
        baseline=baseline_of(read_beside(args.baseline, "baseline")) if args.baseline else frozenset(),
    )


def _hosts(args: argparse.Namespace) -> dict[str, Host]:
    """Return the facts of each host that the command names, by the host's name in the report."""
    hosts: dict[str, Host] = {}
    if args.here:
        from planner.host.record import record

        hosts[THIS_HOST] = record(depth=1)
    for file in args.host:
        name = escaped(_image_name(file))
        if name in hosts:
            raise UsageError(f"two hosts are called {name}")
        hosts[name] = decode(read_beside(file, "host file"))
    if args.namespace is not None:
        if not hosts:
            raise UsageError("--into names a process of a host; give --here or --host FILE, too")
        hosts = {name: msgspec.structs.replace(host, target=namespace_of(args.namespace, host)) for name, host in hosts.items()}
    return hosts


def _image_name(image: str) -> str:
    """Return the image's name for a report: relative where it can be, so that a report says nothing of the machine.

    CI systems compare it with the paths of a repository, which have no `./` in front.
    """
    if not os.path.isabs(image):
        return os.path.normpath(image) if image and not REMOTE.match(image) else image
    below = os.path.relpath(image)
    return os.path.basename(os.path.normpath(image)) if below.startswith(os.pardir) else below


def _rendered(
    form: ReportFormat,
    report: Report,
    options: Options,
    terminal: Terminal,
    registry: Registry,
    files: Mapping[str, Sequence[Subject]] | None = None,
) -> str | bytes:
    try:
        if form.attest is not None:
            return form.attest(report, files or {})
        return form.render(report, options, terminal)
    except Exception as error:  # whatever a plugin raises, the user is told which plugin
        raise _failed(form, error, registry) from error


def _in_pieces(
    form: ReportFormat, report: Report, options: Options, terminal: Terminal, registry: Registry
) -> Iterator[str | bytes]:
    assert form.pieces is not None
    try:
        yield from form.pieces(report, options, terminal)
    except (GeneratorExit, OSError):
        raise
    except Exception as error:  # as above
        raise _failed(form, error, registry) from error


def _append_summary(form: ReportFormat, report: Report, options: Options, registry: Registry) -> None:
    """Append the summary to the file that the format's environment variable names."""
    file = os.environ.get(form.summary_variable, "") if form.summary_variable else ""
    if not file or form.summary is None:
        return
    try:
        text = form.summary(report, options)
    except Exception as error:  # as above
        raise _failed(form, error, registry) from error
    with open_to_write(file, append=True) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def _failed(form: ReportFormat, error: Exception, registry: Registry) -> PluginFailed:
    plugin = registry.provider("report format", form.name)
    return PluginFailed(f"report format {form.name} of plugin {plugin} failed: {type(error).__name__}: {error}")
