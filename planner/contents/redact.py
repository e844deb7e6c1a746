"""A log that is fit for a bug report: numbers and structure stay, and names, paths and addresses are replaced everywhere alike.

What is kept is listed, so that a field that is added later is replaced until it is looked at.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from planner.contents.fold import CONTENTS_EVENTS
from planner.events.contents import CommandRecorded, PropertyRecorded
from planner.events.records import AnyEvent, ImageEvent, LogOpened

KEPT_EVENTS: Final = (LogOpened, *ImageEvent.__args__, *CONTENTS_EVENTS)
"""Events that say what the image says; decisions hold digests of what is replaced, and are left out."""

KEPT_FIELDS: Final = frozenset(
    ("type", "format", "generation", "kind", "state", "family", "protocol", "file_system", "code", "property", "at",
     "pids_at", "remap")
)  # fmt: skip
"""Fields of text whose values are words of formats and of the kernel."""

PATHS: Final = frozenset(("path", "mountpoint", "root", "source", "local", "remote"))
"""Fields that hold a path or an address."""

KEPT_PARTS: Final = frozenset(
    " ".join(
        (
            ". .. bin dev etc fd home lib lib64 libexec local mnt ns null opt proc ptmx pts root run sbin self shm srv",
            "sys task tmp tty urandom random usr var zero x86_64-linux-gnu libc.so.6 ld-linux-x86-64.so.2",
        )
    ).split()
)
"""Parts of paths that every machine has."""

PLAIN: Final = re.compile(
    r"[0-9 ,+-]*|0x[0-9a-f]+|[0-9a-f]{16}|[0-9]+\.[0-9]{9}|[0-9]+ us|yes|no|none|off|strict|filter|recorded of living tasks"
    r"|not recorded"
)
"""Values that are numbers, sets of bits or words of this project: nothing of their owner is in them."""

KEPT_FACTS: Final = frozenset(
    ("architecture", "image_version", "security_module", "engine", "runtime", "criu_version", "host_kernel", "created", "image")
)
"""Facts of headers and namespaces whose values are words of the software."""


def redacted(events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
    """Yield what the image says, with the same word for the same name everywhere; decisions and unknown events are left out."""
    names = _Names()
    for event in events:
        if isinstance(event, KEPT_EVENTS):
            yield names.event(event)


class _Names:
    """The names that were given instead."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}

    def event(self, event: AnyEvent) -> AnyEvent:
        """Return an event with its texts replaced."""
        changed: dict[str, object] = {}
        for field in event.__struct_fields__:
            value = getattr(event, field)
            if field in KEPT_FIELDS:
                continue
            if isinstance(value, str) and value:
                changed[field] = self._text(field, value)
            elif isinstance(value, dict) and field == "facts":
                changed[field] = {fact: self._fact(fact, text) for fact, text in value.items()}
        if isinstance(event, PropertyRecorded):
            changed["property"] = self._property(event.property)
        if isinstance(event, CommandRecorded):
            changed |= self._command(event)
        return msgspec.structs.replace(event, **changed) if changed else event

    def _command(self, event: CommandRecorded) -> dict[str, object]:
        """Return the words of a command line and the names of variables, replaced; values are left out."""
        return {
            "arguments": tuple(self._text("argument", each) for each in event.arguments),
            "variables": event.variables and tuple(self._named("variable", each) for each in event.variables),
            "values": {},
            "secrets": tuple(self._named("variable", each) for each in event.secrets),
        }

    def _text(self, field: str, value: str) -> str:
        if field in PATHS:
            return self.path(value)
        if field == "name":
            return self._named("name", value)
        if PLAIN.fullmatch(value):
            return value
        return self.path(value) if value.startswith("/") else self._named("text", value)

    def _fact(self, fact: str, value: str) -> str:
        if fact in KEPT_FACTS or PLAIN.fullmatch(value):
            return value
        return self.path(value) if value.startswith("/") else self._named("value", value)

    def _property(self, name: str) -> str:
        """Return a property with every word replaced that is neither letters nor a number."""
        words = name.split(" ")
        return " ".join(word if PLAIN.fullmatch(word) or word.isalpha() else self._named("name", word) for word in words)

    def path(self, value: str) -> str:
        """Return a path with its depth and the directories that it shares with others, or an address of the same family."""
        if "/" not in value:
            return self._address(value)
        return "/".join(
            part if part in KEPT_PARTS or not part or part.isdecimal() else self._named("part", part) for part in value.split("/")
        )

    def _address(self, value: str) -> str:
        if value in ("0.0.0.0", "127.0.0.1", "::", "::1", ""):
            return value
        if re.fullmatch(r"[0-9.]+", value):
            return f"192.0.2.{self._number('address', value) % 250 + 1}"
        if re.fullmatch(r"[0-9a-fA-F:.]+", value) and ":" in value:
            return f"2001:db8::{self._number('address', value):x}"
        return ("@" if value.startswith("@") else "") + self._named("name", value)

    def _named(self, kind: str, value: str) -> str:
        return self._given.setdefault((kind, value), f"{kind}-{len(self._given) + 1}")

    def _number(self, kind: str, value: str) -> int:
        return int(self._named(kind, value).rpartition("-")[2])
