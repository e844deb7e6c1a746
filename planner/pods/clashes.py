"""Conflicts between containers of one pid namespace: a number that two images give to different tasks, sessions or groups.

A number is used once in a pid namespace for as long as a task, a session or a group uses it. What is wrong within one image is
not looked for here; `planner.forest.laws` does. The cost is linear in tasks.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from planner.errors import Contradiction
from planner.events.records import AnyEvent, DefectRecorded, ImageOpened, TaskRecorded, ThreadRecorded
from planner.pods.evidence import APART, TWICE

CODE: Final = "containers-clash"

MOST_SHOWN: Final = 20
"""Clashes that are named; a container given twice under two names clashes in every number."""


class PidConflict(msgspec.Struct, frozen=True):
    """A number with two meanings: what each image says, and the positions of the two events in the log."""

    words: str
    because: tuple[int, int]


class _Said(msgspec.Struct, frozen=True, gc=False):
    """What one image says of a number, and where in the log."""

    image: str
    event: TaskRecorded | ThreadRecorded
    seq: int


def refuse_clashes(events: Sequence[AnyEvent]) -> None:
    """Raise `Contradiction` that names the clashes between the images of a log.

    A log of one image has none, and neither do images that are not of one namespace, or are of one container: the fold of the
    log says so.
    """
    if sum(isinstance(event, ImageOpened) for event in events) < 2:
        return
    if any(isinstance(event, DefectRecorded) and event.code in {TWICE, APART} for event in events):
        return
    found = list(clashes(events))
    if not found:
        return
    shown = found[:MOST_SHOWN]
    more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    head = f"containers of one pid namespace clash in {len(found)} place{'s' if len(found) > 1 else ''}"
    words = "; ".join(clash.words for clash in shown)
    raise Contradiction(CODE, f"{head}: {words}{more}", (seq for clash in shown for seq in clash.because))


def clashes(events: Iterable[AnyEvent]) -> Iterator[PidConflict]:
    """Yield every clash between images, in the order of the log: of numbers first, then of parents, of sessions, of groups."""
    said = _by_image(events)
    holders: dict[int, _Said] = {}
    twice: set[int] = set()
    for one in said:
        number = one.event.pids[0] if one.event.pids else 0
        other = holders.setdefault(number, one)
        if other.image != one.image:
            twice.add(number)
            yield PidConflict(f"pid {number} is {_what(other)} and {_what(one)}", (other.seq, one.seq))
    yield from _parents(said, holders, twice)
    yield from _sessions(said, holders, twice)
    yield from _groups(said, holders, twice)


def _by_image(events: Iterable[AnyEvent]) -> list[_Said]:
    image = ""
    said: list[_Said] = []
    for seq, event in enumerate(events):
        if isinstance(event, ImageOpened):
            image = event.image
        elif isinstance(event, (TaskRecorded, ThreadRecorded)):
            said.append(_Said(image, event, seq))
    return said


def _what(said: _Said) -> str:
    if isinstance(said.event, ThreadRecorded):
        return f"a thread of {said.event.thread_group} in {said.image}"
    return f"a task in {said.image}"


def _parents(said: list[_Said], holders: dict[int, _Said], twice: set[int]) -> Iterator[PidConflict]:
    """A task whose parent is of another image: a dump holds whole trees, so what is no parent in it is outside."""
    for one in said:
        parent = one.event.parent if isinstance(one.event, TaskRecorded) else 0
        holder = holders.get(parent)
        if holder is not None and holder.image != one.image and parent not in twice:
            words = f"the parent of task {one.event.pids[0]} in {one.image} is {parent}, which is {_what(holder)}"
            yield PidConflict(words, (one.seq, holder.seq))


def _sessions(said: list[_Said], holders: dict[int, _Said], twice: set[int]) -> Iterator[PidConflict]:
    """A session of one image whose number another image gives to a process that does not lead it."""
    met: set[tuple[int, str]] = set()
    for one in said:
        session = one.event.session if isinstance(one.event, TaskRecorded) else 0
        holder = holders.get(session)
        if holder is None or holder.image == one.image or session in twice or (session, one.image) in met:
            continue
        met.add((session, one.image))
        if isinstance(holder.event, ThreadRecorded):
            yield PidConflict(f"{session} is a session in {one.image} and {_what(holder)}", (one.seq, holder.seq))
        elif holder.event.session != session:
            words = f"{session} is a session in {one.image} and a task of session {holder.event.session} in {holder.image}"
            yield PidConflict(words, (one.seq, holder.seq))


def _groups(said: list[_Said], holders: dict[int, _Said], twice: set[int]) -> Iterator[PidConflict]:
    """A group that is of different sessions in two images, by its members or by the process that has its number."""
    first: dict[int, _Said] = {}
    met: set[tuple[int, str]] = set()
    for one in said:
        group = one.event.group if isinstance(one.event, TaskRecorded) else 0
        if not group or group in twice or (group, one.image) in met:
            continue
        met.add((group, one.image))
        assert isinstance(one.event, TaskRecorded)
        other = holders.get(group)
        if other is None or other.image == one.image:
            other = first.setdefault(group, one)
        if other.image == one.image:
            continue
        if isinstance(other.event, ThreadRecorded):
            yield PidConflict(f"{group} is a group in {one.image} and {_what(other)}", (one.seq, other.seq))
        elif other.event.session != one.event.session:
            words = f"group {group} is of session {one.event.session} in {one.image} and of session {other.event.session}"
            yield PidConflict(f"{words} in {other.image}", (one.seq, other.seq))
