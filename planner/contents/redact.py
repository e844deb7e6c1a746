"""A log that is fit for a bug report: numbers and structure stay, and names, paths and addresses are replaced everywhere alike.

What is kept is listed, so that a word or a field that is added later is replaced until it is looked at.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from planner.contents.fold import CONTENTS_EVENTS
from planner.contents.vocabulary import IMAGE_FILES, PATH_PARTS, WORDS
from planner.events.contents import CommandRecorded
from planner.events.records import AnyEvent, ImageEvent, LogOpened

KEPT_EVENTS: Final = (LogOpened, *ImageEvent.__args__, *CONTENTS_EVENTS)
"""Events that say what the image says; decisions hold digests of what is replaced, and are left out."""

KEPT_FIELDS: Final = {
    "format": "the name of an image format, which the reader gives",
    "generation": "the name of a version of an image format, which the reader gives",
    "kind": "a kind of namespace, open file, socket or area, which the reader gives",
    "state": "a state of a task or socket, which the reader gives",
    "family": "a family of sockets, which the reader gives",
    "protocol": "a protocol of sockets, which the reader gives",
    "file_system": "a kind of file system, by the kernel's name",
    "access": "permissions of an area of memory",
    "kept": "where pages are, which the reader says",
    "remap": "how a file comes back, which the reader says",
    "code": "the code of a defect, which the reader gives",
    "build_id": "the identity of a program, which tells its version",
}
"""Fields of text that are left as they are, with the reason."""

KEPT_FACTS: Final = {
    "kernel": "the version of the kernel",
    "host_kernel": "the same",
    "linux": "the same",
    "criu_version": "the version of CRIU",
    "engine_version": "the version of an engine",
    "runtime_version": "the version of a runtime",
    "distribution_version": "the version of a distribution",
    "revision": "the revision of an image format",
    "checkpointed": "a time",
    "container_created": "a time",
}
"""Facts of headers whose values are left as they are, with the reason."""

PATHS: Final = frozenset(("path", "mountpoint", "root", "source", "local", "remote"))
"""Fields that hold a path or an address."""

PLAIN: Final = re.compile(r"[0-9+-]*|0x[0-9a-f]+|[0-9a-f]{8}|[0-9a-f]{16}|[0-9]+\.[0-9]{9}")
"""Words that are numbers or sets of bits."""

SEPARATORS: Final = re.compile(r"([ ,;=\[\]()<>\"'#]+|:(?=[ /]|$)|(?<=[a-z]):(?=[0-9]))")
"""What stands between words of a value."""

IMAGE_FILE: Final = re.compile(r"(.+?)((?:-[0-9]+)*)(\.img)?")
FRAGMENTS: Final = frozenset(("NSpid", "NSpgid", "NSsid"))
"""What stands behind `#` in a place, beside numbers."""


def redacted(events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
    """Yield what the image says, with the same word for the same name everywhere; decisions and unknown events are left out."""
    names = _Names()
    for event in events:
        if isinstance(event, KEPT_EVENTS):
            yield names.event(event)


class _Names:
    """The names that were given instead."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def event(self, event: AnyEvent) -> AnyEvent:
        """Return an event with its texts replaced; values of the environment are left out."""
        if isinstance(event, CommandRecorded):
            event = msgspec.structs.replace(event, values={})
        result: AnyEvent = self._record(event)
        return result

    def _record(self, record: Any) -> Any:
        changed = {}
        for field in record.__struct_fields__:
            value = getattr(record, field)
            if field not in KEPT_FIELDS and not isinstance(value, (int, float)):
                new = self._value(field, value)
                if new != value:
                    changed[field] = new
        return msgspec.structs.replace(record, **changed) if changed else record

    def _value(self, field: str, value: Any) -> Any:
        """Return a value of a field with every text in it replaced."""
        if isinstance(value, str):
            return self._text(field, value)
        if isinstance(value, dict):
            return {self._words(name): self._fact(name, each) for name, each in value.items()}
        if isinstance(value, tuple):
            return tuple(map(partial(self._value, field), value))
        return self._record(value) if isinstance(value, msgspec.Struct) else value

    def _text(self, field: str, value: str) -> str:
        if field in ("at", "pids_at"):
            return self._place(value)
        if field in PATHS:
            return self.path(value)
        if field in ("name", "arguments", "variables", "secrets"):
            return value and self._named(value)
        return self._words(value)

    def _fact(self, name: str, value: Any) -> Any:
        if name in KEPT_FACTS or not isinstance(value, str):
            return value
        return self._words(value)

    def _words(self, value: str) -> str:
        """Return a sentence with every word replaced that is neither a number nor known."""
        return "".join(part if SEPARATORS.fullmatch(part) else self._word(part) for part in SEPARATORS.split(value))

    def _word(self, word: str) -> str:
        if not word or PLAIN.fullmatch(word) or word in WORDS or _is_image(word):
            return word
        if "/" in word:
            return self.path(word)
        if all(part in WORDS for part in re.split("[_.-]", word)):
            return word
        return self._address(word)

    def _place(self, value: str) -> str:
        """Return a place in an image: names of its files and numbers are kept, directories and other files are not."""
        file, sign, behind = value.partition("#")
        if behind and not behind.isdecimal() and behind not in FRAGMENTS:
            behind = self._named(behind)
        return self.path(file) + sign + behind

    def path(self, value: str) -> str:
        """Return a path with its depth and the directories that it shares with others, or an address of the same family."""
        if "/" not in value:
            return value if _is_image(value) else self._address(value)
        return "/".join(map(self._part, value.split("/")))

    def _part(self, part: str) -> str:
        kept = not part or part in PATH_PARTS or part.isdecimal() or _is_image(part)
        return part if kept else self._named(part)

    def _address(self, value: str) -> str:
        if value in ("0.0.0.0", "127.0.0.1", "::", "::1", ""):
            return value
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value):
            return f"192.0.2.{self._number(value) % 250 + 1}"
        if re.fullmatch(r"[0-9a-fA-F:.]+", value) and value.count(":") > 1:
            return f"2001:db8::{self._number(value):x}"
        return ("@" if value.startswith("@") else "") + self._named(value.removeprefix("@"))

    def _named(self, value: str) -> str:
        return self._given.setdefault(value, f"word-{len(self._given) + 1}")

    def _number(self, value: str) -> int:
        return int(self._named(value).rpartition("-")[2])


def _is_image(name: str) -> bool:
    """Say whether a name is that of an image file or of a document beside it."""
    found = IMAGE_FILE.fullmatch(name)
    return found is not None and found[1] in IMAGE_FILES
