"""The checks of an image, for the library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import msgspec

from planner.checks.ask import known_kinds, split_options
from planner.checks.criu_options import parse
from planner.checks.executors import with_executors
from planner.checks.judging import THIS_HOST, Request, judge
from planner.checks.report import Settings, baseline_of, gather
from planner.contents.fold import fold_contents
from planner.errors import EXPECTED, UsageError
from planner.events.records import AnyEvent
from planner.findings.problems import Problem, problem_of
from planner.findings.registry import Kind, Severity
from planner.findings.report import Report
from planner.findings.verdicts import ConsumerName
from planner.hookspecs import Artefact
from planner.host.answers import answers
from planner.host.facts import Host, decode, namespace_of
from planner.host.pid_limits import limit_of
from planner.host.questions import places, questions
from planner.library.inputs import Input, log_of
from planner.options import as_given
from planner.pipeline.beside import read_beside
from planner.pipeline.reading import default_registry
from planner.pipeline.resolve import resolve
from planner.plugins import Registry

File = str | os.PathLike[str] | bytes
"""A path, or the bytes of a file."""


def check(
    source: Input,
    *,
    host: Host | File | None = None,
    here: bool = False,
    into: int | None = None,
    consumer: ConsumerName | None = None,
    engine: ConsumerName | None = None,
    criu_options: str | tuple[str, ...] | None = None,
    complete: bool = False,
    options: Mapping[str, str | int | bool] | None = None,
    fail_on: Severity = "error",
    fail_on_unknown: bool = False,
    ignore: Iterable[str] = (),
    baseline: Report | File | None = None,
) -> Report:
    """Return the report on an image: verdicts, findings, unanswered questions; `exit_code` is 0, 1 or 3.

    The image is the one entry of `images`. `host` are the facts of a machine, or a file of `crplan host`; `here` takes them
    of this machine, and `into` names a process whose pid namespace is entered. `consumer` is the one whose verdict sets the
    exit code, `engine` a container engine whose verdict comes first. `criu_options` are the options that criu is given, as on
    its command line or by their long names, None where they are not known. With `complete` every file that a CRIU image lacks
    counts. `fail_on` is the least severe finding that fails, `ignore` are codes that do not count, and findings of
    `baseline`, an earlier report, do not count either. An image that cannot be read or planned gives an entry whose `error`
    says why. Raises `UsageError` for an unknown option or code, and for a host file or baseline that is none.
    """
    registry = default_registry()
    kinds = known_kinds(registry)
    settings = Settings(
        fail_on=fail_on,
        fail_on_unknown=fail_on_unknown,
        ignored=_codes(ignore, kinds),
        baseline=_fingerprints(baseline),
    )
    for_checks, _ = split_options(registry.checks, (), as_given(options or {}))
    hosts = _hosts(host, here, into)
    request = Request(
        wanted=consumer,
        engine=engine,
        options=parse(criu_options) if isinstance(criu_options, str) else criu_options,
        into=into or 0,
        complete=complete,
        given=for_checks,
    )
    artefact: Artefact | None = None
    error: Problem | None = None
    image, events = "", list[AnyEvent]()
    try:
        log = log_of(source, "check", detail="all")
        image, events = log.image, log
        artefact = resolve(events).artefact()
    except EXPECTED as failure:
        error = problem_of(failure, events)
        image = image or failure.image
    else:
        hosts = asked_here(hosts, request, artefact, registry)
    entry = judge(registry, image, artefact, request, settings, hosts, error)
    return gather((entry,), kinds=kinds, hosts=hosts, settings=settings)


def asked_here(hosts: Mapping[str, Host], request: Request, artefact: Artefact, registry: Registry) -> dict[str, Host]:
    """Return the hosts, this one with what the image asks of it: files, addresses, as many levels, the limit, an executor."""
    from planner.host.record import with_depth

    found = dict(hosts)
    here = found.get(THIS_HOST)
    if here is None:
        return found
    asked = questions(artefact.forest, fold_contents(artefact.events), places(request.options))
    here = with_depth(here, max((len(process.pids) for process in artefact.plan.processes), default=1))
    here = msgspec.structs.replace(here, answers=answers(asked))
    here = with_executors(here, registry, artefact.plan, here.target >= 0)
    found[THIS_HOST] = with_limit(here, request.into, artefact) if here.target >= 0 else here
    return found


def with_limit(host: Host, pid: int, artefact: Artefact) -> Host:
    """Return the facts with the limit of the pid namespace that is judged, the only one in which anything is tried."""
    limit = limit_of(host.namespaces, host.target, pid, {process.pid for process in artefact.plan.processes})
    spaces = tuple(
        msgspec.structs.replace(space, pid_max=limit) if space.id == host.target else space for space in host.namespaces
    )
    return msgspec.structs.replace(host, namespaces=spaces)


def _codes(codes: Iterable[str], kinds: Mapping[str, Kind]) -> frozenset[str]:
    given = frozenset((codes,) if isinstance(codes, str) else codes)
    for code in sorted(given - set(kinds)):
        raise UsageError(f"there is no finding {code!r}; there is: {', '.join(sorted(kinds))}")
    return given


def _fingerprints(baseline: Report | File | None) -> frozenset[str]:
    if baseline is None:
        return frozenset()
    if isinstance(baseline, Report):
        return frozenset(found.fingerprint for found in baseline.findings)
    return baseline_of(_bytes(baseline, "baseline"))


def _hosts(host: Host | File | None, here: bool, into: int | None) -> dict[str, Host]:
    """Return the facts of the host by its name in the report, nothing where none is given."""
    if here:
        from planner.host.record import record

        if host is not None:
            raise UsageError("give the facts of a host, or here=True, and not both")
        host = record(depth=1)
    if host is None:
        if into is not None:
            raise UsageError("`into` names a process of a host; give the facts of a host, or here=True, too")
        return {}
    facts = host if isinstance(host, Host) else decode(_bytes(host, "host file"))
    if into is not None:
        facts = msgspec.structs.replace(facts, target=namespace_of(into, facts))
    return {THIS_HOST if here else "host": facts}


def _bytes(file: File, word: str) -> bytes:
    return file if isinstance(file, bytes) else read_beside(file, word)
