"""Every text that a log, a plan document or a file name holds, one after the other in hostile form.

The fuzzer changes texts by chance; here each place of each type of event and of the plan has its turn.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from planner.events.records import (
    AnyEvent,
    FindingRaised,
    OuterNumberRecorded,
    RunEnded,
    RunReady,
    RunStarted,
    StepDone,
    StepFailed,
)
from planner.identity import EventNumber, ProcessId, StepNumber
from tests.fuzz.seeds import Input, Seed

HOSTILE: Final = "\x1b]0;owned\x07\x9b31m\u202e\u2028\r\n::error::owned\\<script>&lt;`$(id)"
"""What moves a cursor, turns a line round, or ends a line, a comment or a quotation of some output."""

_MORE: Final[tuple[AnyEvent, ...]] = (
    FindingRaised(code="session-leader-dead", pid=ProcessId(1), detail="x", because=(EventNumber(1),)),
    OuterNumberRecorded(pid=ProcessId(1), number=7, at=96),
    RunStarted(plan_id="0" * 16, executor="python"),
    StepDone(step=StepNumber(1)),
    StepFailed(step=StepNumber(2), error="EPERM", detail="create"),
    RunReady(pid=100),
    RunEnded(code=1),
)


def inputs(found: list[Seed]) -> Iterator[Input]:
    """Yield logs and plan documents in which one text is hostile; the input's name says which."""
    seen: set[str] = set()
    for seed in found:
        if seed.kind == "plan":
            plan = json.loads(seed.data)
            for path in _new(_texts(plan), seen, "plan"):
                yield Input("plan", _place("plan", path), _bytes(_changed(plan, path)))
        elif seed.kind == "log":
            lines = [json.loads(line) for line in seed.data.splitlines()]
            lines += [json.loads(msgspec.json.encode(event)) | {"seq": len(lines) + at} for at, event in enumerate(_MORE)]
            for at, event in enumerate(lines):
                # Any event can have come from a place in an image, and be of a type that is unknown.
                placed = event | {"at": HOSTILE}
                for path in (*_new(_texts(placed), seen, event["type"]), *_new(iter([("type",)]), seen, "any")):
                    changed = [*lines[:at], _changed(placed if path == ("at",) else event, path), *lines[at + 1 :]]
                    yield Input("log", _place(event["type"], path), b"".join(_bytes(line) + b"\n" for line in changed))


def types() -> set[str]:
    """Return the names of the types of events."""
    return {kind.__name__ for kind in get_args(AnyEvent)} - {"UnknownEvent"}


def named(place: Path, data: bytes) -> Path:
    """Write bytes to a file whose name is hostile and return its path."""
    path = place / (HOSTILE.replace("/", "").replace("\0", "") + ".jsonl")
    path.write_bytes(data)
    return path


def _place(what: str, path: tuple[str | int, ...]) -> str:
    return ".".join((what, *("*" if isinstance(part, int) else part for part in path)))


def _new(paths: Iterator[tuple[str | int, ...]], seen: set[str], what: str) -> Iterator[tuple[str | int, ...]]:
    for path in paths:
        if (place := _place(what, path)) not in seen:
            seen.add(place)
            yield path


def _texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of all texts in a document, but for the names of types."""
    if isinstance(value, str):
        if path[-1:] not in {("type",), ("kind",)}:
            yield path
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, (*path, key))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from _texts(part, (*path, at))


def _changed(value: Any, path: tuple[str | int, ...]) -> Any:
    if not path:
        return HOSTILE
    if isinstance(value, dict):
        return value | {path[0]: _changed(value[path[0]], path[1:])}
    at = int(path[0])
    return [*value[:at], _changed(value[at], path[1:]), *value[at + 1 :]]


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
