"""From the pid sections of generation P, where entries hold tags of pid objects, to events.

A pid object is a depth and then a number for each level, outermost first; objects are packed without padding, and an object
exists for everything that an entry names, dead leaders included. Object i has the tag `first_tag + i`.

Two things are open in the sources, and are read off the entries: whether a parent is a tag or the index of an object, counted
from 1, where the first tag is not 1 (user-cr's restart forgets to subtract there); and -4097, which user-cr writes for
"whatever the root task has".
"""

from array import array
from collections.abc import Iterator
from typing import Final

import msgspec

from crplan_linuxcr.generations import Generation
from crplan_linuxcr.members import Roll, Row, as_pids, enrol
from crplan_linuxcr.sections import WORD, Sections
from planner.errors import BadImage
from planner.events.records import AnyEvent, DefectRecorded, FactRecorded, PidRecorded
from planner.identity import ProcessId

NULL: Final = -4096
ROOTS: Final = -4097

PID, PARENT, THREAD_GROUP, GROUP, SESSION, DEPTH = range(6)
FIELDS = ("pid", "ppid", "tgid", "pgid", "sid")


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """The pid objects: their vectors and offsets in tag order, and the first tag."""

    first_tag: int
    vectors: list[tuple[int, ...]]
    places: list[int]


def read_objects(sections: Sections, generation: Generation, roll: Roll) -> Iterator[AnyEvent]:
    """Yield tasks and threads in entry order, then pid objects that no task has; raises `BadImage`."""
    objects = _unpack(sections, sections.offset_field + generation.first_tag)
    for field in (PID, THREAD_GROUP, GROUP, SESSION):
        _check_tags(sections, objects, field, sections.column(field))
    parents = sections.column(PARENT)
    if objects.first_tag != 1:
        as_tags = _parents_are_tags(sections, objects)
        if not as_tags:
            shift = objects.first_tag - 1
            parents = array("i", (parent + shift if parent > 0 else parent for parent in parents))
        yield FactRecorded(property="parents", value="tags" if as_tags else "indices", at=sections.tree_at)
    _check_tags(sections, objects, PARENT, parents)
    yield from enrol(lambda: _rows(sections, objects, parents), roll)
    yield from _depth_defects(sections, objects)
    held = set(sections.column(PID))
    if len(held) < len(objects.vectors):
        for tag, (vector, at) in enumerate(zip(objects.vectors, objects.places, strict=True), objects.first_tag):
            if tag not in held:
                yield PidRecorded(numbers=as_pids(vector), complete=True, at=at)


def _unpack(sections: Sections, first_tag: int) -> Objects:
    words, start = sections.numbers, sections.numbers_at
    vectors: list[tuple[int, ...]] = []
    places: list[int] = []
    total, index = len(words), 0
    for number in range(sections.objects):
        at = start + index * WORD
        depth = words[index] if index < total else 0
        end = index + depth + 2
        if depth < 0 or end > total:
            left = max(total - index - 2, 0)
            raise BadImage(at, f"PIDS: object {number} has depth {depth}, expected at most {left}, the words that are left")
        vector = (words[index + 1],) if depth == 0 else tuple(words[index + 1 : end])
        if min(vector) < 1:
            raise BadImage(at, f"PIDS: object {number} has the number {min(vector)}, expected 1 or more")
        vectors.append(vector)
        places.append(at)
        index = end
    if index != total:
        raise BadImage(
            start + index * WORD, f"PIDS: {total - index} words are left after {sections.objects} objects, expected none"
        )
    return Objects(first_tag=first_tag, vectors=vectors, places=places)


def _check_tags(sections: Sections, objects: Objects, field: int, tags: "array[int]") -> None:
    """Refuse what is neither the tag of an object nor, where that may be, a special value."""
    first, last = objects.first_tag, objects.first_tag + len(objects.vectors) - 1
    if first > 0 and min(tags) >= first and max(tags) <= last:
        return
    special = () if field in (PID, THREAD_GROUP) else (0, NULL, ROOTS)
    for index, tag in enumerate(tags):
        if not 0 < first <= tag <= last and tag not in special:
            raise BadImage(
                sections.entry_at(index) + field * WORD,
                f"TREE: entry {index} has {FIELDS[field]} {tag}, expected a tag from {first} to {last}"
                + (f" or one of {', '.join(map(str, special))}" if special else ""),
            )


def _parents_are_tags(sections: Sections, objects: Objects) -> bool:
    """Tell whether the entries' parents are tags; otherwise they are indices of objects, from 1."""
    parents = {parent for parent in sections.column(PARENT) if parent > 0}
    if parents <= set(sections.column(PID)):
        return True
    if parents and max(parents) <= len(objects.vectors):
        return False
    last = objects.first_tag + len(objects.vectors) - 1
    return all(objects.first_tag <= parent <= last for parent in parents)


def _rows(sections: Sections, objects: Objects, parents: "array[int]") -> Iterator[Row]:
    vectors, places, first = objects.vectors, objects.places, objects.first_tag

    def number(tag: int, of_root: int) -> int:
        """Return the level-0 number behind a tag; 0 is outside."""
        if tag > 0:
            return vectors[tag - first][0]
        return of_root if tag == ROOTS else 0

    root_parent, root_group, root_session = (
        number(column[0], 0) for column in (parents, sections.column(GROUP), sections.column(SESSION))
    )
    at, stride = sections.entries_at, sections.width * WORD
    columns = (sections.column(PID), parents, *(sections.column(field) for field in (THREAD_GROUP, GROUP, SESSION)))
    for pid, parent, thread_group, group, session in zip(*columns, strict=True):
        yield (
            vectors[pid - first],
            vectors[parent - first][0] if parent > 0 else number(parent, root_parent),
            vectors[thread_group - first][0],
            vectors[group - first][0] if group > 0 else number(group, root_group),
            vectors[session - first][0] if session > 0 else number(session, root_session),
            at,
            places[pid - first],
        )
        at += stride


def _depth_defects(sections: Sections, objects: Objects) -> Iterator[DefectRecorded]:
    """Yield the entries whose depth is not that of their pid object, which is believed."""
    first = objects.first_tag
    for index, (tag, depth) in enumerate(zip(sections.column(PID), sections.column(DEPTH), strict=True)):
        vector = objects.vectors[tag - first]
        if len(vector) != depth + 1:
            yield DefectRecorded(
                code="depth-disagrees",
                detail=f"entry {index} has depth {depth}, and its pid object {len(vector) - 1}; the object is believed",
                pid=ProcessId(vector[0]),
                at=sections.entry_at(index) + DEPTH * WORD,
            )
