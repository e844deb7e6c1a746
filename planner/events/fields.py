"""The event log in a table: every type of event with its fields, made from the records."""

import inspect
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NewType, Union, get_args, get_origin

import msgspec

from planner.events import contents, records
from planner.steps import AnyStep

BEGIN: Final = "<!-- fields: begin -->"
END: Final = "<!-- fields: end -->"
"""The table stands between these in `planner/events/README.md`."""

FAMILIES: Final = (
    ("What opens a log", (records.LogOpened,)),
    ("What the image says", get_args(records.ImageEvent)),
    ("What the processes hold beside their tree (`--detail all`)", get_args(contents.ContentsEvent)),
    ("What the planner decided", get_args(records.DecisionEvent)),
    ("What a run did", get_args(records.RunEvent)),
    ("The steps of `StepPlanned`", get_args(AnyStep)),
)


def tables() -> str:
    """Return the Markdown of all tables, one for each family of events."""
    return "\n".join(line for family in FAMILIES for line in _family(*family))


def _family(title: str, kinds: tuple[type[msgspec.Struct], ...]) -> Iterator[str]:
    yield f"### {title}\n"
    for kind in kinds:
        sentence, *rest = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
        yield f"`{kind.__name__}`: {_line(sentence)}\n"
        if rest:
            yield f"{_line(' '.join(rest))}\n"
        fields = msgspec.structs.fields(kind)
        if not fields:
            continue
        yield "| field | type | where it is left out |"
        yield "| --- | --- | --- |"
        yield from (f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} |" for field in fields)
        yield ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _default(field: msgspec.structs.FieldInfo) -> str:
    """Return what a field means that a line does not have, "" for one that every line has."""
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{msgspec.json.encode(field.default_factory()).decode()}`"
    return "" if field.default is msgspec.NODEFAULT else f"`{msgspec.json.encode(field.default).decode()}`"


def _type(kind: Any) -> str:
    """Return a type as it is in JSON; a number that means something by itself is named by its meaning."""
    if isinstance(kind, NewType):
        return f"{kind.__name__} ({_type(kind.__supertype__)})"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{msgspec.json.encode(value).decode()}`" for value in arguments)
    if origin is tuple:
        return f"array of {_type(arguments[0])}"
    if origin is dict:
        return f"object of {_type(arguments[1])}"
    if origin in (Union, types.UnionType):
        if all(isinstance(each, type) and issubclass(each, msgspec.Struct) for each in arguments):
            return "one of the steps below"
        return " or ".join(_type(each) for each in arguments)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"{kind.__name__}: {{{', '.join(field.encode_name for field in msgspec.structs.fields(kind))}}}"
    return {int: "number", str: "string", bool: "true or false", type(None): "null"}.get(
        kind, getattr(kind, "__name__", str(kind))
    )
