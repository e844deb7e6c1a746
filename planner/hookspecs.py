"""The whole plugin contract: five hooks and the records that they return.

A plugin is a module registered in the entry-point group `crplan`. It implements any of the hooks below with the decorator
`hookimpl`, returns frozen records, and imports its implementation only when that is called (the records hold functions that
import on use): `crplan --help` loads every plugin. Contributions are sorted by (priority, name), so the order of plugins
never shows. `api` is the version of this contract; a foreign major version is refused by name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

import msgspec
import pluggy

from planner.events.records import AnyEvent
from planner.findings.problems import Problem
from planner.findings.registry import Answer, Finding, Kind
from planner.findings.report import Report
from planner.forest.model import Forest
from planner.options import Option, Options
from planner.plans.model import Plan
from planner.plans.rebuild import Rebuild
from planner.plans.retarget import Visit
from planner.text import Terminal

API = "1.0"
"""Version of this contract; plugins state it in every record."""

PROJECT = "crplan"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image comes from, as a reader gets it.

    `name` is for messages only. `head` holds the first bytes (up to 4096) of a file or pipe and is empty for a directory.
    `open` returns the whole stream from its first byte, unseekable in general; it may be called once. `directory` is the
    path of an image directory, "" for a stream.
    """

    name: str
    head: bytes
    open: Callable[[], BinaryIO]
    directory: str = ""


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Turns images of one kind into image events.

    `recognises` must be quick, must not raise, and looks at content, never at a name. `read` yields events without sequence
    numbers and raises `BadImage`. `containers` says that its images may be of containers, several of which `crplan A B` plans
    together when they share a pid namespace (`planner.pods.join`); the `format` of its images is then its name.
    """

    name: str
    help: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Iterator[AnyEvent]]
    containers: bool = False
    priority: int = 50
    api: str = API


class BackEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Turns a proved plan into an artefact: a pure function, the core writes the file.

    `emit` gets the plan, the forest and findings that it came from, and the options with their defaults filled in.
    `executable` marks a program: it gets mode +x with `-o` and is never written for a plan that is not proved. `machine` marks a
    format that programs read; such a back end also has `problem`, which writes a valid document that holds the error, so that
    whoever reads standard output finds a document whatever the exit code.
    """

    name: str
    help: str
    emit: Callable[["Artefact", Options], str | bytes]
    options: tuple[Option, ...] = ()
    executable: bool = False
    machine: bool = False
    problem: Callable[[Problem, Options], str | bytes] | None = None
    priority: int = 50
    api: str = API


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """What a back end works from.

    `proved` is False for the beginning of a log (`--until`), whose plan may lack steps; then `cut_at` is the position where it
    ends. `rebuild` says how far a run came, where the log holds one. `events` is the log that plan and forest were folded from,
    for the evidence behind them; it is empty where only a plan is at hand. `width`, `colour` and `unicode` say what the terminal
    can show; only outputs for people look at them, and their values here are those of a file.
    """

    plan: Plan
    forest: Forest
    findings: tuple[Finding, ...] = ()
    proved: bool = True
    cut_at: int | None = None
    rebuild: Rebuild | None = None
    events: Sequence[AnyEvent] = ()
    width: int = 100
    colour: bool = False
    unicode: bool = True


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Answers questions about a plan on a host; `host` is the decoded host file (`planner.host.facts`), or empty.

    It yields a `Finding` for what is amiss, `Passed` for a question that was asked with all its facts, and `Unknown` for one
    whose facts are missing; what it is silent on counts as not asked. `kinds` are the kinds that it adds to those of
    `planner.findings.registry`. `forecasts` names the program whose outcome the check predicts, "" for none: refused or wrong
    by the kinds that it finds, unknown where an answer is, else as recorded.
    """

    name: str
    help: str
    check: Callable[["Artefact", Mapping[str, object], Options], Iterator[Answer]]
    kinds: tuple[Kind, ...] = ()
    forecasts: str = ""
    options: tuple[Option, ...] = ()
    priority: int = 50
    api: str = API


class ReportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Writes the report of `crplan check`: a pure function, the core writes the file.

    Every text of a report is printable and on one line already; a format escapes what its own syntax gives a meaning to.
    `machine` marks a format that programs read: then the report of a command that was not asked rightly is written, too. Where
    the environment variable `summary_variable` names a file, what `summary` returns is appended to it.
    """

    name: str
    help: str
    render: Callable[[Report, Options, Terminal], str | bytes]
    machine: bool = False
    options: tuple[Option, ...] = ()
    summary_variable: str = ""
    summary: Callable[[Report, Options], str] | None = None
    priority: int = 50
    api: str = API


def _whole(plan: Plan, options: Options) -> Plan:
    return plan


class Executor(msgspec.Struct, frozen=True, kw_only=True):
    """Carries a plan out for real.

    `run` blocks until the tree has ended, gives every run event to `record` as it happens, calls `record(RunReady)` when all
    stands and is verified, and returns the exit code. `refuses` returns a sentence for what it cannot do, or "". `run_into` does
    what `run` does in a pid namespace that is there already; None where an executor always makes one. Where there are `options`,
    all get the plan as `concedes` returns it: without what the options let it leave out.
    """

    name: str
    help: str
    run: Callable[[Plan, Callable[[AnyEvent], None], float], int]
    refuses: Callable[[Plan], str]
    run_into: "Callable[[Visit, Callable[[AnyEvent], None], float], int] | None" = None
    options: tuple[Option, ...] = ()
    concedes: Callable[[Plan, Options], Plan] = _whole
    priority: int = 50
    api: str = API


@hookspec
def crplan_readers() -> tuple[Reader, ...]:
    """Return the image readers that the plugin provides."""
    return ()


@hookspec
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back ends that the plugin provides."""
    return ()


@hookspec
def crplan_checks() -> tuple[Check, ...]:
    """Return the checks that the plugin provides."""
    return ()


@hookspec
def crplan_reports() -> tuple[ReportFormat, ...]:
    """Return the formats that the plugin provides for the report of `crplan check`."""
    return ()


@hookspec
def crplan_executors() -> tuple[Executor, ...]:
    """Return the executors that `crplan run` may use."""
    return ()
