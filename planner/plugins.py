"""Loading plugins: what is installed becomes one frozen registry, and what cannot be used is reported by name.

The loop over entry points is our own, because one plugin must not take the tool down with it: a plugin that does not import, that
implements a hook that is unknown, that was made for another major version of the contract, or whose contribution has a name that
is taken, is left out and says why. A blocked plugin is not even imported. Contributions are sorted by priority and name, so
neither the order of installation nor that of the file system shows in any output.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any, Final, Literal, cast

import msgspec
import pluggy

from planner import hookspecs
from planner.entry_points import Entry, installed
from planner.hookspecs import API, PROJECT, BackEnd, Check, Executor, Reader, ReportFormat

DISABLE_VARIABLE: Final = "CRPLAN_DISABLE_PLUGINS"
"""Environment variable with the names of plugins that are not to be imported, separated by commas."""

Status = Literal["active", "blocked", "broken"]
Contribution = Reader | BackEnd | Check | ReportFormat | Executor

_HOOKS: Final[tuple[tuple[str, type[Any], str], ...]] = (
    ("crplan_readers", Reader, "reader"),
    ("crplan_backends", BackEnd, "back end"),
    ("crplan_checks", Check, "check"),
    ("crplan_reports", ReportFormat, "report format"),
    ("crplan_executors", Executor, "executor"),
)


class PluginReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an installed plugin; `reason` says why where it is not active."""

    name: str
    module: str
    distribution: str
    version: str
    built_in: bool
    status: Status
    provides: tuple[str, ...] = ()
    reason: str = ""


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """All that plugins contribute, sorted by priority and name, and what became of each plugin."""

    readers: tuple[Reader, ...] = ()
    backends: tuple[BackEnd, ...] = ()
    checks: tuple[Check, ...] = ()
    reports: tuple[ReportFormat, ...] = ()
    executors: tuple[Executor, ...] = ()
    plugins: tuple[PluginReport, ...] = ()

    def broken(self) -> tuple[PluginReport, ...]:
        """Return the plugins that could not be loaded, or only in part."""
        return tuple(report for report in self.plugins if report.status == "broken")

    def provider(self, kind: str, name: str) -> str:
        """Return the plugin that a contribution came from, for messages: `NAME (DISTRIBUTION VERSION)`."""
        for report in self.plugins:
            if f"{kind} {name}" in report.provides:
                return f"{report.name} ({report.distribution} {report.version})"
        return "unknown"


def load(
    blocked: Iterable[str] | None = None,
    *,
    third_party: bool = True,
    entries: Sequence[Entry] | None = None,
    importer: Callable[[str], object] | None = None,
) -> Registry:
    """Import the installed plugins and return what they contribute; never raises because of a plugin.

    `blocked` names plugins that are not to be imported (None: those of the environment variable CRPLAN_DISABLE_PLUGINS);
    without `third_party` only those that are part of this crplan are. `entries` and `importer` are for tests.
    """
    names = os.environ.get(DISABLE_VARIABLE, "").split(",") if blocked is None else blocked
    loading = _Loading({_plain(name) for name in names}, third_party, importer)
    # Our own plugins come first, so that in a clash of names they stay.
    with _heeding_interrupts() as loading.interrupted:
        for entry in sorted(installed(PROJECT) if entries is None else entries, key=lambda entry: (not entry.own, entry)):
            loading.add(entry)
        return loading.finish()


@contextmanager
def _heeding_interrupts() -> Iterator[Callable[[], bool]]:
    """Tell in the block whether a KeyboardInterrupt is the user's: a plugin may raise one by itself, which takes nothing down."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield lambda: callable(before)
        return
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # signals come to the main thread, and this is another one
        yield lambda: False
        return
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


class _Refused(Exception):
    """Why a plugin, or a part of it, is left out."""


class _Loading:
    """One pass over the entry points."""

    def __init__(self, blocked: set[str], third_party: bool, importer: Callable[[str], object] | None) -> None:
        self.blocked = blocked
        self.third_party = third_party
        self.importer = importer or _import
        self.interrupted: Callable[[], bool] = lambda: True
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.entries: dict[str, Entry] = {}
        self.reports: list[PluginReport] = []

    def report(self, entry: Entry, status: Status, reason: str = "", provides: tuple[str, ...] = ()) -> None:
        self.reports.append(
            PluginReport(
                name=entry.name,
                module=entry.module,
                distribution=entry.distribution,
                version=entry.version,
                built_in=entry.own,
                status=status,
                provides=provides,
                reason=reason,
            )
        )

    def add(self, entry: Entry) -> None:
        """Import one plugin and register its hooks, unless it is blocked."""
        if _plain(entry.name) in self.blocked:
            self.report(entry, "blocked", "blocked by name")
        elif not self.third_party and not entry.own:
            self.report(entry, "blocked", "only built-in plugins were asked for")
        elif entry.name in self.entries:
            self.report(entry, "broken", f"the name {entry.name} is taken by {_origin(self.entries[entry.name])}")
        else:
            try:
                self.manager.register(self.importer(entry.module), name=entry.name)
            except BaseException as error:  # no plugin may take the tool down
                self.refuse_interrupt(error)
                self.report(entry, "broken", _sentence(error))
            else:
                self.entries[entry.name] = entry

    def refuse_interrupt(self, error: BaseException) -> None:
        """Raise a KeyboardInterrupt on, if it is the user's."""
        if isinstance(error, KeyboardInterrupt) and self.interrupted():
            raise error

    def drop_pending(self) -> None:
        """Leave out every plugin with a hook that no specification knows, usually a name that was misspelt."""
        while True:
            try:
                self.manager.check_pending()
            except pluggy.PluginValidationError as error:
                name = self.manager.get_name(error.plugin)
                assert name is not None
                self.manager.unregister(name=name)
                self.report(self.entries.pop(name), "broken", _sentence(error))
            else:
                return

    def finish(self) -> Registry:
        """Ask every plugin for its contributions, and sort them."""
        self.drop_pending()
        provides: dict[str, list[str]] = {name: [] for name in self.entries}
        reasons: dict[str, list[str]] = {name: [] for name in self.entries}
        gathered: list[list[Any]] = []
        for hook, kind, word in _HOOKS:
            taken: dict[str, Entry] = {}
            records: list[Any] = []
            implementations = {impl.plugin_name: impl for impl in getattr(self.manager.hook, hook).get_hookimpls()}
            for name, entry in self.entries.items():
                if name not in implementations:
                    continue
                try:
                    offered = _offered(implementations[name], kind, word)
                except BaseException as error:  # as above
                    self.refuse_interrupt(error)
                    reasons[name].append(f"{hook}: {_sentence(error)}")
                    continue
                for record in offered:
                    try:
                        _check_record(record, entry, word, taken)
                    except _Refused as error:
                        reasons[name].append(str(error))
                        continue
                    taken[record.name] = entry
                    records.append(record)
                    provides[name].append(f"{word} {record.name}")
            gathered.append(sorted(records, key=_priority_and_name))
        for name, entry in self.entries.items():
            self.report(entry, "broken" if reasons[name] else "active", "; ".join(reasons[name]), tuple(provides[name]))
        readers, backends, checks, reports, executors = map(tuple, gathered)
        return Registry(
            readers=readers,
            backends=backends,
            checks=checks,
            reports=reports,
            executors=executors,
            plugins=tuple(sorted(self.reports, key=lambda report: (report.name, report.distribution))),
        )


def _import(place: str) -> object:
    """Return the object that an entry point names: `module` or `module:attribute`."""
    module, _, attribute = place.partition(":")
    found: object = import_module(module)
    for name in filter(None, attribute.split(".")):
        found = getattr(found, name)
    return found


def _offered(implementation: pluggy.HookImpl, kind: type[Any], word: str) -> list[Any]:
    """Call one hook of one plugin and return its records, if they are such."""
    if implementation.wrapper or implementation.hookwrapper:
        raise _Refused("a wrapper around other plugins is not supported")
    offered = list(cast("Iterable[Any]", implementation.function()))
    for record in offered:
        if not isinstance(record, kind):
            raise _Refused(f"returned {type(record).__name__}, expected {kind.__name__} records for a {word}")
    return offered


def _check_record(record: Contribution, entry: Entry, word: str, taken: dict[str, Entry]) -> None:
    """Raise `_Refused` for a record of another contract, or one whose name is unfit or taken."""
    if str(record.api).partition(".")[0] != API.partition(".")[0]:
        raise _Refused(
            f"{word} {record.name} of plugin {entry.name} ({_origin(entry)}) is made for plugin API {record.api}, "
            f"this crplan has {API}"
        )
    if not isinstance(record.name, str) or not record.name.replace("-", "").replace("_", "").isalnum():
        raise _Refused(f"{word} {record.name!r} has a name that is not of letters, digits, - and _")
    if record.name in taken:
        raise _Refused(
            f"{word} {record.name} of {_origin(entry)} clashes with that of {_origin(taken[record.name])}, which is used; "
            f"block one of the plugins by {DISABLE_VARIABLE}"
        )


def _priority_and_name(record: Contribution) -> tuple[int, str]:
    return (record.priority, record.name)


def _origin(entry: Entry) -> str:
    return f"{entry.distribution} {entry.version}"


def _sentence(error: BaseException) -> str:
    """Return an exception in one line, with its type unless it is our own."""
    text = " ".join(str(error).split())
    return text if isinstance(error, _Refused) else f"{type(error).__name__}: {text}" if text else type(error).__name__
