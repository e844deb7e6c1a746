"""Any forest, written in any generation and byte order, reads back as the same facts."""

import io
from typing import Literal

from crplan_linuxcr.read import read
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.events.records import ImageOpened
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from tests.helpers.linuxcr import GENERATIONS, NESTING_GENERATIONS, Entry, build

Order = Literal["little", "big"]


@st.composite
def trees(draw: st.DrawFn, nested: bool) -> list[Entry]:
    """A tree as forks leave it, with sessions, groups, threads, zombies, dead leaders and, where `nested`, namespaces."""
    size = draw(st.integers(1, 12))
    numbers = draw(st.lists(st.integers(2, 4_000_000), min_size=2 * size, max_size=2 * size, unique=True))
    processes = [Entry(pids=(1,), session=1, group=1)]
    entries = list(processes)
    for number, spare in zip(numbers[:size], numbers[size:], strict=True):
        living = [process for process in processes if not process.zombie]
        parent = draw(st.sampled_from(living))
        session, group = parent.session, parent.group
        match draw(st.sampled_from(("inherit", "session", "group", "dead session", "dead group", "outside"))):
            case "session":
                session = group = number
            case "group":
                group = number
            case "dead session":
                session = group = spare
            case "dead group":
                group = spare
            case "outside":
                session = group = 0
        deeper = draw(st.integers(0, 2)) if nested else 0
        pids = (number, *(parent.pids[1:] and (number, *parent.pids[2:])), *[1] * deeper)
        state = draw(st.sampled_from(("running", "stopped", "zombie")))
        process = Entry(
            pids=pids,
            parent=parent.pids[0],
            session=session,
            group=group,
            name=draw(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=5)),
            stopped=state == "stopped",
            zombie=state == "zombie",
            exit_status=draw(st.sampled_from((0, 9, 0x8B, 0x300, 0xFF00))) if state == "zombie" else 0,
            exit_signal=draw(st.sampled_from((0, 17, 34))),
            memory=draw(st.integers(0, 2)),
        )
        processes.append(process)
        entries.append(process)
        if spare not in (session, group) and draw(st.booleans()) and not process.zombie:
            entries.append(
                Entry(
                    pids=(spare, *pids[1:]),
                    parent=process.parent,
                    thread_group=number,
                    session=session,
                    group=group,
                    name="thread",
                    exit_signal=-1,
                )
            )
    return entries


def read_back(entries: list[Entry], generation: str, order: Order, objects: bool) -> Forest:
    log = list(read(io.BytesIO(build(entries, generation, order, objects=objects, first_tag=3))))
    opened = log[0]
    assert isinstance(opened, ImageOpened)
    assert opened.facts["byte order"] == order
    return fold(log)


def check(forest: Forest, entries: list[Entry]) -> None:
    processes = {entry.pids[0]: entry for entry in entries if entry.thread_group is None}
    assert list(forest.tasks) == list(processes)
    for pid, task in forest.tasks.items():
        entry = processes[pid]
        assert (task.pids, task.parent, task.session, task.group) == (entry.pids, entry.parent, entry.session, entry.group)
        assert task.state == ("zombie" if entry.zombie else "stopped" if entry.stopped else "running")
        assert (task.exit_status, task.exit_signal) == (entry.exit_status, -1 if entry.zombie else entry.exit_signal)
    threads = [(thread.pids, group) for group, threads in forest.threads.items() for thread in threads]
    assert threads == [(entry.pids, entry.thread_group) for entry in entries if entry.thread_group is not None]
    leaders = {number for entry in entries for number in (entry.session, entry.group)} - {0, *processes}
    assert set(forest.leaders) == leaders


@settings(max_examples=40, deadline=None)
@given(trees(nested=False), st.sampled_from(("little", "big")), st.booleans())
def test_a_flat_forest_is_the_same_in_every_generation(entries: list[Entry], order: Order, objects: bool) -> None:
    ids = set()
    for generation in GENERATIONS:
        forest = read_back(entries, generation, order, objects)
        check(forest, entries)
        ids.add(image_id(forest))
    assert len(ids) == 1


@settings(max_examples=40, deadline=None)
@given(trees(nested=True), st.sampled_from(("little", "big")), st.booleans())
def test_a_nested_forest_is_the_same_in_every_generation_that_holds_namespaces(
    entries: list[Entry], order: Order, objects: bool
) -> None:
    ids = set()
    for generation in NESTING_GENERATIONS:
        forest = read_back(entries, generation, order, objects)
        check(forest, entries)
        ids.add(image_id(forest))
    assert len(ids) == 1
