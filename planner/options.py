"""Options of back ends and checks, as they are given: `--option NAME=VALUE`."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from planner.errors import UsageError


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option, given as `--option NAME=VALUE`; `choices` empty means any value of the kind."""

    name: str
    help: str
    kind: Literal["text", "number", "switch"] = "text"
    default: str | int | bool = ""
    choices: tuple[str, ...] = ()


Options = Mapping[str, str | int | bool]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


AnyNamed = TypeVar("AnyNamed", bound=_Named)


def chosen(records: Sequence[AnyNamed], name: str, word: str) -> AnyNamed:
    """Return the contribution of that name; raises `UsageError` with the list when there is none."""
    for record in records:
        if record.name == name:
            return record
    known = ", ".join(sorted(record.name for record in records)) or "none installed"
    raise UsageError(f"there is no {word} {name!r}; there is: {known}")


def split(given: Sequence[str]) -> dict[str, str]:
    """Split `NAME=VALUE` arguments, the last of a name counting; a name alone means `yes`."""
    pairs = (text.partition("=") for text in given)
    return {name: value if sign else "yes" for name, sign, value in pairs}


def filled(options: Sequence[Option], given: Mapping[str, str], owner: str) -> Options:
    """Return the options with their defaults filled in and their values of the right kind; raises `UsageError`."""
    values: dict[str, str | int | bool] = {option.name: option.default for option in options}
    known = {option.name: option for option in options}
    for name, text in given.items():
        if name not in known:
            listed = ", ".join(_described(option) for option in options) or "none"
            raise UsageError(f"{owner} has no option {name!r}; its options: {listed}")
        values[name] = _value(known[name], text, owner)
    return values


def as_given(options: Mapping[str, str | int | bool]) -> dict[str, str]:
    """Return option values as they would stand on the command line."""
    return {name: {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value) for name, value in options.items()}


def _described(option: Option) -> str:
    kind = "|".join(option.choices) if option.choices else {"text": "TEXT", "number": "NUMBER", "switch": "yes|no"}[option.kind]
    return f"{option.name}={kind} ({option.help})"


def _value(option: Option, text: str, owner: str) -> str | int | bool:
    if option.choices and text not in option.choices:
        raise UsageError(f"option {option.name} of {owner} is one of {', '.join(option.choices)}, not {text!r}")
    if option.kind == "switch":
        switches = {"yes": True, "on": True, "true": True, "1": True, "no": False, "off": False, "false": False, "0": False}
        if text.lower() not in switches:
            raise UsageError(f"option {option.name} of {owner} is yes or no, not {text!r}")
        return switches[text.lower()]
    if option.kind == "number":
        try:
            return int(text)
        except ValueError:
            raise UsageError(f"option {option.name} of {owner} is a whole number, not {text!r}") from None
    return text
