"""What went wrong, as one record: for standard error, for a machine format on standard output, and for the log."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.errors import (
    BadImage,
    CannotEmit,
    CheckpointFailed,
    Contradiction,
    CrplanError,
    EngineLost,
    Evidence,
    NotProved,
    UsageError,
    place_words,
)
from planner.events.records import AnyEvent
from planner.findings.registry import KINDS
from planner.text import Shown, escaped, shortened, shown

MOST_FACTS: Final = 24
"""Facts of a refusal that are shown: more would not be read."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a job could not be done, in a form for every output.

    `exit_code` is what the command ends with; `code` is a finding's code, or "bad-image", "plugin-failed", "cannot-emit",
    "not-proved", "usage", "engine-lost", "checkpoint-failed". `at` is the place in the image, `because` are the facts that
    contradict each other.
    """

    exit_code: int
    code: str
    message: str
    at: int | str | None = None
    pid: int = 0
    because: tuple[Evidence, ...] = ()
    hint: str = ""


def problem_of(error: CrplanError, events: Sequence[AnyEvent] = ()) -> Problem:
    """Return the record of an expected exception; `events` is the log that its evidence points into."""
    return Problem(
        exit_code=error.exit_code,
        code=_code(error),
        message=shortened(error.message),
        at=error.at,
        pid=error.pid if isinstance(error, Contradiction) else 0,
        because=tuple(_told(events, error.because)) if isinstance(error, Contradiction) else (),
        hint=_hint(error),
    )


def _told(events: Sequence[AnyEvent], facts: Sequence[int]) -> Iterator[Evidence]:
    """Yield the facts of a refusal; in place of the last stands how many more there are where there are too many to read."""
    for seq in facts[: MOST_FACTS - 1] if len(facts) > MOST_FACTS else facts:
        yield evidence(events, seq)
    if len(facts) > MOST_FACTS:
        yield Evidence(seq=facts[MOST_FACTS - 1], text=f"and {len(facts) - MOST_FACTS} more events, which are left out here")


def described(error: CrplanError, image: str, events: Sequence[AnyEvent]) -> CrplanError:
    """Return the error with the image's name, the facts that it rests on and its hint filled in."""
    problem = problem_of(error, events)
    error.image, error.facts, error.hint = image, problem.because, problem.hint
    return error


def _code(error: CrplanError) -> str:
    match error:
        case Contradiction():
            return error.code
        case BadImage():
            return "bad-image"
        case CannotEmit():
            return "cannot-emit"
        case NotProved():
            return "not-proved"
        case UsageError():
            return "usage"
        case EngineLost():
            return "engine-lost"
        case CheckpointFailed():
            return "checkpoint-failed"
        case _:
            return "plugin-failed"


def _hint(error: CrplanError) -> str:
    if isinstance(error, Contradiction):
        return KINDS[error.code].hint if error.code in KINDS else ""
    if isinstance(error, EngineLost):
        return "What was done is kept; the same command with --resume goes on with it."
    if isinstance(error, NotProved) and not error.recorded:
        return "This is a defect of crplan; please report it with the output of `crplan log IMAGE`."
    return ""


def evidence(events: Sequence[AnyEvent], seq: int) -> Evidence:
    """Return what an event says, in words: its type and its fields, without its place."""
    if not 0 <= seq < len(events):
        return Evidence(seq=seq, text="an event that the log does not hold")
    event = events[seq]
    place = getattr(event, "at", None)
    return Evidence(seq=seq, at=place, text=shortened(f"{type(event).__name__} {_fields(event)}".strip()))


def _fields(event: AnyEvent) -> str:
    parts = []
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in {"at", "pids_at", "because"} or value in ("", None, {}, ()):
            continue
        parts.append(f"{name} {_value(value)}")
    return ", ".join(parts)


def _value(value: object) -> str:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, tuple):
        return "(" + " ".join(map(str, value)) + ")"
    if isinstance(value, dict):
        return " ".join(f"{escaped(str(key))}={escaped(str(item))}" for key, item in value.items())
    return escaped(str(value))


def lines(problem: Problem, image: str) -> list[Shown]:
    """Return the problem as lines for standard error, the first of them complete in itself."""
    where = f"{place_words(problem.at)}: " if problem.at is not None else ""
    code = "" if problem.code in {"bad-image", "plugin-failed"} else f" [{escaped(problem.code)}]"
    result = [shown(f"crplan: {escaped(image)}: {where}{shortened(escaped(problem.message))}{code}")]
    for fact in problem.because:
        place = shortened(place_words(fact.at))
        result.append(shown(f"  event {fact.seq}{', ' + place if place else ''}: {fact.text}"))
    if problem.hint:
        result.append(shown(f"  {problem.hint}"))
    return result
