"""Every text that a log, a plan document or a file name holds, one after the other in hostile form.

The fuzzer changes texts by chance; here each place of each type of event and of the plan has its turn.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from msgspec import inspect

from planner.events.records import AnyEvent
from tests.fuzz.seeds import Input, Seed

HOSTILE: Final = "\x1b]0;owned\x07\x9b31m\u202e\u2028\r\n::error::owned\\<script>&lt;`$(id)"
"""What moves a cursor, turns a line round, or ends a line, a comment or a quotation of some output."""


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
            if not seen.intersection(types()):
                # What no sample holds stands in front of the end of one.
                end = lines.pop()
                lines += [event for kind in get_args(AnyEvent) if (event := whole(kind))]
                lines = [line | {"seq": seq} for seq, line in enumerate((*lines, end))]
            for at, event in enumerate(lines):
                # Any event can have come from a place in an image, and be of a type that is unknown.
                placed = event | {"at": HOSTILE}
                for path in (*_new(_texts(placed), seen, event["type"]), *_new(iter([("type",)]), seen, "any")):
                    changed = [*lines[:at], _changed(placed if path == ("at",) else event, path), *lines[at + 1 :]]
                    yield Input("log", _place(event["type"], path), b"".join(_bytes(line) + b"\n" for line in changed))


def whole(kind: type) -> dict[str, Any]:
    """Return an event of a type with a value in every field, as it stands in a log; empty where it has no name of its own."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {"seq": 0, "type": info.tag, **_sample(info)} if kind.__name__ in types() else {}


def _sample(info: inspect.Type) -> Any:
    match info:
        case inspect.StructType():
            tag = {info.tag_field: info.tag} if info.tag_field else {}
            return tag | {field.encode_name: _sample(field.type) for field in info.fields}
        case inspect.DictType():
            return {"x": _sample(info.value_type)}
        case inspect.VarTupleType():
            return [_sample(info.item_type)]
        case inspect.TupleType():
            return [_sample(item) for item in info.item_types]
        case inspect.UnionType():
            # A place is a number or a text: the text is what is changed.
            kinds = sorted(info.types, key=lambda each: not isinstance(each, inspect.StrType))
            return _sample(kinds[0])
        case inspect.LiteralType():
            return info.values[0]
        case inspect.IntType():
            return 1
        case inspect.BoolType():
            return False
        case _:
            return "x"


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
