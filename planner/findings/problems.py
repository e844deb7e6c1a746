"""What went wrong, as one record: for people, for a machine format on standard output, and for the log."""

from collections.abc import Sequence

import msgspec

from planner.errors import CANNOT_RESTART, COULD_NOT, BadImage, CannotEmit, Contradiction, NotProved
from planner.events.records import AnyEvent
from planner.text import escaped


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that a problem or an explanation rests on: its position in the log, its place in the image, and what it says."""

    seq: int
    at: int | str | None = None
    text: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a job could not be done, in a form for every output.

    `exit_code` is what the command ends with; `code` is a finding's code, or "bad-image", "plugin-failed", "cannot-emit",
    "not-proved". `at` is the place in the image, `because` are the facts that contradict each other.
    """

    exit_code: int
    code: str
    message: str
    at: int | str | None = None
    pid: int = 0
    because: tuple[Evidence, ...] = ()
    hint: str = ""


def problem_of(error: Exception, events: Sequence[AnyEvent] = ()) -> Problem:
    """Return the record of an expected exception; `events` is the log that its evidence points into."""
    match error:
        case BadImage():
            return Problem(exit_code=COULD_NOT, code="bad-image", message=error.message, at=error.at)
        case Contradiction():
            return Problem(
                exit_code=CANNOT_RESTART,
                code=error.code,
                message=error.message,
                pid=error.pid,
                because=tuple(evidence(events, seq) for seq in error.because),
                hint=_hint(error.code),
            )
        case CannotEmit():
            return Problem(exit_code=CANNOT_RESTART, code="cannot-emit", message=str(error))
        case NotProved(recorded=True):
            return Problem(exit_code=CANNOT_RESTART, code="not-proved", message=str(error))
        case NotProved():
            return Problem(
                exit_code=COULD_NOT,
                code="not-proved",
                message=str(error),
                hint="This is a defect of crplan; please report it with the output of `crplan log IMAGE`.",
            )
        case _:
            return Problem(exit_code=COULD_NOT, code="plugin-failed", message=str(error))


def _hint(code: str) -> str:
    from planner.findings.registry import KINDS

    return KINDS[code].hint if code in KINDS else ""


def evidence(events: Sequence[AnyEvent], seq: int) -> Evidence:
    """Return what an event says, for people: its type and its fields, without its place."""
    if not 0 <= seq < len(events):
        return Evidence(seq=seq, text="an event that the log does not hold")
    event = events[seq]
    place = getattr(event, "at", None)
    return Evidence(seq=seq, at=place, text=f"{type(event).__name__} {_fields(event)}".strip())


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


def place_words(at: int | str | None) -> str:
    """Return a place in an image for people: `at offset 96`, or `at file#entry`, "" where there is none."""
    return "" if at is None else f"at offset {at}" if isinstance(at, int) else f"at {escaped(at)}"


def lines(problem: Problem, image: str) -> list[str]:
    """Return the problem as lines for standard error, the first of them complete in itself."""
    where = f"{place_words(problem.at)}: " if problem.at is not None else ""
    code = "" if problem.code in {"bad-image", "plugin-failed"} else f" [{problem.code}]"
    result = [f"crplan: {escaped(image)}: {where}{escaped(problem.message)}{code}"]
    for fact in problem.because:
        place = place_words(fact.at)
        result.append(f"  event {fact.seq}{', ' + place if place else ''}: {fact.text}")
    if problem.hint:
        result.append(f"  {problem.hint}")
    return result
