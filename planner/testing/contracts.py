"""Rules that the records of every hook must keep."""

from collections.abc import Callable
from typing import Any, Protocol

from planner.hookspecs import API


class Record(Protocol):
    """What all contributions have."""

    @property
    def name(self) -> str:
        """What it is asked for by."""

    @property
    def help(self) -> str:
        """One sentence."""

    @property
    def api(self) -> str:
        """The version of the contract that it was made for."""


def assert_record(record: Record, work: Callable[..., Any]) -> None:
    """Assert that a record has a fit name, a sentence of help, a function, and was made for this version of the contract."""
    assert record.name.replace("-", "").replace("_", "").isalnum(), f"{record.name!r} is no name"
    assert record.help, "a record has a sentence of help"
    assert record.help.count("\n") == 0, "the help is one line"
    assert record.api.partition(".")[0] == API.partition(".")[0], f"made for API {record.api}, tested with {API}"
    assert callable(work)


def assert_text(data: str | bytes, what: str) -> bytes:
    """Assert that a document is text or bytes without an escape sequence of a name, whose last line ends; return its bytes."""
    assert isinstance(data, (str, bytes)), f"{what}: returned {type(data).__name__}, expected text or bytes"
    raw = data.encode() if isinstance(data, str) else data
    assert b"\x1b" not in raw, f"{what}: an escape sequence of a task's name came through"
    assert raw.endswith(b"\n") or not raw, f"{what}: the last line has no end"
    return raw
