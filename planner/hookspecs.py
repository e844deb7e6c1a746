"""The whole plugin contract: five hooks and the records that they return. `plugins/README.md` explains the design.

A plugin is a module registered in the entry-point group `crplan`. It implements any of the hooks below with the decorator
`hookimpl`, returns frozen records, and imports its implementation only when that is called (the records hold functions that
import on use): `crplan --help` loads every plugin. Contributions are sorted by (priority, name), so the order of plugins
never shows. `api` is the version of this contract; a foreign major version is refused by name.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Literal

import msgspec
import pluggy

from planner.contents.model import Contents
from planner.events.records import AnyEvent
from planner.findings.problems import Problem
from planner.findings.registry import Answer, Finding, Kind
from planner.findings.report import Report
from planner.findings.verdicts import ConsumerName, Invocation, Verdict
from planner.forest.model import Forest
from planner.host.facts import Host
from planner.options import Option, Options
from planner.plans.model import Plan
from planner.plans.rebuild import Rebuild
from planner.plans.retarget import Retargeted
from planner.text import Terminal

API = "2.0"
"""Version of this contract; plugins state it in every record. 2.0 is not released yet: it may still grow."""

PROJECT = "crplan"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


MAX_WINDOW = 128 << 20
"""Bytes of memory that decompression may take where nothing else is said: those that zstd itself takes without an option."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image comes from, as a reader gets it.

    `name` is for messages only. `head` holds the first bytes (up to 4096) of a file or pipe and is empty for a directory.
    `open` returns the whole stream from its first byte, unseekable in general; it may be called once, or any number of times
    where the source is `repeatable`. `size` is the number of bytes, None where that is not known. `range` returns the bytes from
    an offset on, as many as were asked for or as there are; None where a source can only be read from its beginning.
    `directory` is the path of an image directory, "" for a stream. `max_window` are the bytes of memory that decompression may
    take (`--max-window`). `seen`, where it is given, is to be told the name and the content of every file that a reader takes
    from an archive or a directory. `inside`, where it is given, is asked of a file in an archive of which the reader knows
    nothing, by its name and its first bytes (up to 4096): it returns what reads the image events of such a file, None for no
    image.
    """

    name: str
    head: bytes
    open: Callable[[], BinaryIO]
    directory: str = ""
    max_window: int = MAX_WINDOW
    repeatable: bool = False
    size: int | None = None
    range: Callable[[int, int], bytes] | None = None
    seen: Callable[[str, bytes], None] | None = None
    inside: Callable[[str, bytes], Callable[[BinaryIO], Iterator[AnyEvent]] | None] | None = None


Detail = Literal["facts", "pod", "tree", "all", "commands", "values"]
"""How much a reader records: the process tree, or everything that the processes hold beside it; with "pod" no more than what says
with which other containers an image shares a pid namespace (`planner.pods.evidence`), up to the first task; with "facts" no more
than the event that opens an image, with what stands beside the process tree, for which no layer of an image layout is read.
"commands" is all, and where a source can be read twice the command lines and the names of variables too; with "values" their
values as well."""


class ReadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a reader: which checkpoint of an input that holds several ("" for the only one), and how much of it."""

    member: str = ""
    detail: Detail = "tree"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint inside an input: the name by which a request asks for it, and what it is, in one human-readable line.

    `format` is that of its image where it is another than the reader's own.
    """

    name: str
    help: str = ""
    format: str = ""


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Turns images of one kind into image events.

    `recognises` must be quick, must not raise, and looks at content, never at a name. `read` yields events without sequence
    numbers and raises `BadImage`, and `SeveralImages` for an input that holds several where the request names none. `members`
    lists the checkpoints of an input that may hold several; without it there is one.
    `advise` is asked of an input that no reader recognises: it returns one sentence that says what the input is and what to give
    instead, "" where it does not know. `containers` says that its images may be of containers, several of which `crplan A B`
    plans together when they share a pid namespace (`planner.pods.join`); the `format` of its images is then its name.
    `whole` says whether the directory of a path is one input by itself, without a look at what lies deeper: `crplan fleet` looks
    below every other directory.
    """

    name: str
    help: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, ReadRequest], Iterator[AnyEvent]]
    members: Callable[[Source], Iterator[Member]] | None = None
    whole: Callable[[str], bool] | None = None
    advise: Callable[[Source], str] | None = None
    containers: bool = False
    priority: int = 50
    api: str = API


class BackEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Turns a proved plan into an artefact: a pure function, the core writes the file.

    `emit` gets the plan, the forest and findings that it came from, the options with their defaults filled in, and what the
    terminal can show, which only human-readable outputs look at.
    `executable` marks a program: it gets mode +x with `-o` and is never written for a plan that is not proved. `forecasts` asks
    for `Artefact.verdicts`. `machine` marks a format that programs read; such a back end also has `problem`, which writes a valid
    document that holds the error, so that a program that reads standard output finds a document whatever the exit code.
    """

    name: str
    help: str
    emit: Callable[["Artefact", Options, Terminal], str | bytes]
    options: tuple[Option, ...] = ()
    executable: bool = False
    forecasts: bool = False
    machine: bool = False
    problem: Callable[[Problem, Options], str | bytes] | None = None
    priority: int = 50
    api: str = API


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """What a back end works from.

    `proved` is False for the beginning of a log (`--until`), whose plan may lack steps; then `cut_at` is the position where it
    ends. `rebuild` says how far a run came, where the log holds one. `events` is the log that plan and forest were folded from,
    for the evidence behind them; it is empty where only a plan is at hand. `contents` is what the processes hold,
    folded for checks alone: of an image that was read for its tree it has nothing and says so. `verdicts` are those that need no
    host, first that of the usual consumer; they are there for back ends that show forecasts.
    """

    plan: Plan
    forest: Forest
    findings: tuple[Finding, ...] = ()
    proved: bool = True
    cut_at: int | None = None
    rebuild: Rebuild | None = None
    events: Sequence[AnyEvent] = ()
    contents: Contents = msgspec.field(default_factory=Contents)
    verdicts: tuple[Verdict, ...] = ()


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a check is asked about.

    `invocation` is the consumer whose verdict is wanted, with what it is given; None for a check that speaks for none. `host` are
    the facts of the machine, None where none was given. `options` are the check's own, with their defaults filled in.
    """

    artefact: Artefact
    host: Host | None = None
    invocation: Invocation | None = None
    options: Options = {}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Answers questions about a plan, its image, and a host where the facts of one are given.

    It yields a `Finding` for each problem, `Passed` for a question that was asked with all its facts, and `Unknown` for one
    whose facts are missing; what it is silent on counts as not asked. `kinds` are the kinds that it adds to those of
    `planner.findings.registry`. `consumers` are those that the check speaks for: it is asked once for each of them whose verdict
    is wanted, and what it finds decides no other's. One that names none is asked once an image and host, and decides no verdict.
    """

    name: str
    help: str
    check: Callable[[CheckRequest], Iterator[Answer]]
    kinds: tuple[Kind, ...] = ()
    consumers: tuple[ConsumerName, ...] = ()
    options: tuple[Option, ...] = ()
    priority: int = 50
    api: str = API


class ReportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Writes the report of `crplan check`: a pure function, the core writes the file.

    Every text of a report is printable and on one line already; a format escapes what its own syntax gives a meaning to.
    `pieces` yields what `render` returns, for reports of so many images that they are not to be in memory as one text.
    `machine` marks a format that programs read: then the report of a usage error is written, too. Where the environment
    variable `summary_variable` names a file, what `summary` returns is appended to it.
    """

    name: str
    help: str
    render: Callable[[Report, Options, Terminal], str | bytes]
    pieces: Callable[[Report, Options, Terminal], Iterator[str | bytes]] | None = None
    machine: bool = False
    options: tuple[Option, ...] = ()
    summary_variable: str = ""
    summary: Callable[[Report, Options], str] | None = None
    priority: int = 50
    api: str = API


def _whole(plan: Plan, options: Options) -> Plan:
    return plan


def _nothing() -> str:
    return ""


Ability = Literal["threads", "files", "memory", "namespaces", "into"]
"""What an executor can do: threads with their numbers; shared tables other than memory; shared memory and signal handlers; other
namespaces than pid with their id maps; a pid namespace that is there already."""


class Executor(msgspec.Struct, frozen=True, kw_only=True):
    """Carries a plan out for real.

    `run` blocks until the tree has ended, gives every run event to `record` as it happens, calls `record(RunReady)` when all
    stands and is verified, and returns the exit code. `refuses` returns a sentence for what it cannot do, or "". `run_into` does
    what `run` does in a pid namespace that is there already; None where an executor always makes one. Where there are `options`,
    all get the plan as `concedes` returns it: without what the options let it leave out. `missing` says what this machine lacks
    for the executor, "" where nothing is. `abilities` are what it can do beyond processes, sessions and groups.
    """

    name: str
    help: str
    run: Callable[[Plan, Callable[[AnyEvent], None], float], int]
    refuses: Callable[[Plan], str]
    run_into: Callable[[Retargeted, Callable[[AnyEvent], None], float], int] | None = None
    options: tuple[Option, ...] = ()
    concedes: Callable[[Plan, Options], Plan] = _whole
    missing: Callable[[], str] = _nothing
    abilities: tuple[Ability, ...] = ()
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
