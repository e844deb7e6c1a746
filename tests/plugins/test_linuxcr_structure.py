"""What real streams hold beyond the plain tree, and streams whose header says something else than their structure."""

import io
import struct
from typing import Any

import pytest
from crplan_linuxcr.read import read

from planner.errors import BadImage, Contradiction
from planner.events.records import (
    AnyEvent,
    CheckpointFailed,
    DefectRecorded,
    FactRecorded,
    ImageOpened,
    NamespaceRecorded,
    OuterNumberRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.forest.digest import image_id
from planner.forest.fold import fold
from tests.helpers.linuxcr import GENERATIONS, NESTING_GENERATIONS, Entry, build

INIT = Entry(pids=(1,))
TREE = [
    INIT,
    Entry(pids=(5,), parent=1, session=1, group=1),
    Entry(pids=(7,), parent=5),
    Entry(pids=(8,), parent=5, session=7, group=7, zombie=True, exit_status=0x300, name="gone"),
]
NESTED = [
    INIT,
    Entry(pids=(70, 1), parent=1),
    Entry(pids=(71, 2), parent=70, session=70, group=71),
    Entry(pids=(80, 3, 1), parent=71, session=90, group=90),
    Entry(pids=(90, 4), dead=True),
]


def events(tasks: list[Entry], generation: str = "P3", **options: Any) -> list[AnyEvent]:
    return list(read(io.BytesIO(build(tasks, generation, **options))))


def opened(log: list[AnyEvent]) -> ImageOpened:
    assert isinstance(log[0], ImageOpened)
    return log[0]


def defects(log: list[AnyEvent]) -> list[str]:
    return [event.code for event in log if isinstance(event, DefectRecorded)]


@pytest.mark.parametrize("revision", [0, 1, 2, 3, 4, 5, 6, 7, 65535])
@pytest.mark.parametrize("generation", [*NESTING_GENERATIONS])
def test_a_revision_that_lies_is_a_remark_and_the_structure_wins(generation: str, revision: int) -> None:
    tree = NESTED if generation in NESTING_GENERATIONS else TREE
    log = events(tree, generation, revision=revision)
    assert opened(log).generation == {"P2": "P3"}.get(generation, generation)
    assert defects(log) == ([] if revision == 6 else ["revision-disagrees"])
    assert image_id(fold(log)) == image_id(fold(events(tree, generation)))


@pytest.mark.parametrize("generation", ["A3", "A4", "A5"])
@pytest.mark.parametrize("task_length", [72, 64])
@pytest.mark.parametrize("revision", [3, 4, 5, 6, 9])
def test_the_oldest_generations_read_the_same_whatever_they_call_themselves(
    generation: str, task_length: int, revision: int
) -> None:
    log = events(TREE, generation, revision=revision, task_length=task_length)
    assert image_id(fold(log)) == image_id(fold(events(TREE, "P3")))


@pytest.mark.parametrize("revision", [0, 1, 2])
def test_streams_from_before_the_first_known_generation_are_refused(revision: int) -> None:
    with pytest.raises(BadImage, match=f"revision {revision}, expected 3 to 6") as refused:
        events(TREE, "A3", revision=revision)
    assert refused.value.at == 24


@pytest.mark.parametrize("head", [(1, 64), (1, 56), (0x00480001, 0), (1, 71), (2, 72)])
def test_a_header_of_another_layout_with_the_magic_in_it_is_named_as_what_it_may_be(head: tuple[int, int]) -> None:
    image = struct.pack("<II", *head) + build(TREE)[8:]
    with pytest.raises(BadImage, match="before October 2009") as refused:
        list(read(io.BytesIO(image)))
    assert refused.value.at == 0


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("generation", ["P", "P2", "P3"])
@pytest.mark.parametrize("first_tag", [1, 2, 7, 1000])
@pytest.mark.parametrize("parents", ["tags", "indices"])
def test_tags_may_begin_anywhere(order: str, generation: str, first_tag: int, parents: str) -> None:
    log = events(NESTED, generation, byte_order=order, first_tag=first_tag, parents=parents)
    assert image_id(fold(log)) == image_id(fold(events(NESTED)))
    facts = [(event.property, event.value) for event in log if isinstance(event, FactRecorded)]
    assert len(facts) == (first_tag != 1)
    if first_tag == 1000:
        assert facts == [("parents", parents)]


def test_what_the_root_has_and_null_pids_are_special_values() -> None:
    subtree = [Entry(pids=(20,), session=0, group=0), Entry(pids=(21,), parent=20, session=-4097, group=-4096)]
    forest = fold(events(subtree))
    assert (forest.tasks[21].session, forest.tasks[21].group) == (0, 0)
    assert forest.root == 20
    rooted = [Entry(pids=(20,), session=5, group=5), Entry(pids=(21,), parent=20, session=-4097, group=-4097)]
    tasks = [event for event in events(rooted) if isinstance(event, TaskRecorded)]
    assert (tasks[1].session, tasks[1].group) == (5, 5)
    old = [Entry(pids=(20,), session=-1, group=0), Entry(pids=(21,), parent=20, session=-1, group=-1)]
    assert [(task.session, task.group) for task in fold(events(old, "B")).tasks.values()] == [(0, 0), (0, 0)]


def test_entry_0_is_the_root_and_an_init_beside_it_is_none() -> None:
    """Restart begins with entry 0, which then is a subtree's root; one that has entered stands behind the init."""
    entered = Entry(pids=(37,))
    assert defects(events([INIT, entered])) == []
    with pytest.raises(Contradiction) as caught:
        fold(events([entered, INIT]))
    assert (caught.value.code, caught.value.pid) == ("reaper-taken", 37)


@pytest.mark.parametrize("generation", NESTING_GENERATIONS)
def test_vectors_are_outermost_first(generation: str) -> None:
    log = events(NESTED, generation)
    assert [event.pids for event in log if isinstance(event, TaskRecorded)] == [(1,), (70, 1), (71, 2), (80, 3, 1)]
    leaders = [(event.numbers, event.complete) for event in log if isinstance(event, PidRecorded)]
    # Only pid objects know a dead leader's number in its own namespace.
    assert leaders == ([((90, 4), True)] if generation.startswith("P") else [((90,), False)])


def test_the_place_of_a_vector_is_that_of_its_numbers() -> None:
    for generation, words in (("S", (1,)), ("B", (1,)), ("P3", (1, 70, 1))):
        image = build(NESTED, generation)
        recorded = [event for event in read(io.BytesIO(image)) if isinstance(event, TaskRecorded)][1]
        assert isinstance(recorded.pids_at, int)
        assert struct.unpack_from(f"<{len(words)}i", image, recorded.pids_at) == words


def test_the_number_outside_is_kept_where_the_image_has_it() -> None:
    tree = [Entry(pids=(1,), outer=4711), Entry(pids=(2,), parent=1, outer=0)]
    log = events(tree, "S")
    assert [(event.pid, event.number) for event in log if isinstance(event, OuterNumberRecorded)] == [(1, 4711)]
    assert fold(log).outer_numbers == {1: 4711}
    assert fold(events(tree, "B")).outer_numbers == {}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_states_names_and_exits(generation: str) -> None:
    tree = [*TREE, Entry(pids=(9,), parent=5, stopped=True, exit_signal=10, name=b"a\xff\x1b[0m\0tail")]
    states = {event.pid: event for event in events(tree, generation) if isinstance(event, TaskStateRecorded)}
    assert (states[8].state, states[8].exit_status, states[8].exit_signal, states[8].name) == ("zombie", 0x300, -1, "gone")
    assert (states[9].state, states[9].exit_signal, states[9].name) == ("stopped", 10, "a\\xff\x1b[0m")
    assert (states[7].state, states[7].exit_signal, states[7].name) == ("running", 17, "task2")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("order", ["little", "big"])
def test_shared_objects_and_namespaces_are_found_among_other_records(generation: str, order: str) -> None:
    tree = [
        Entry(pids=(1,), memory=1),
        Entry(pids=(2,), parent=1, memory=2, files=3, fs=4, sysv_undo=5, signal_handlers=6),
        Entry(pids=(3,), parent=2, memory=2, files=3, fs=4, sysv_undo=5, signal_handlers=6, namespaces=8),
        Entry(pids=(4,), parent=2, zombie=True),
        Entry(pids=(5,), parent=1, memory=9, namespaces=8),
    ]
    log = events(tree, generation, byte_order=order, objects=True, payload=1 << 20)
    shared = {event.pid: event for event in log if isinstance(event, SharingRecorded)}
    assert list(shared) == [1, 2, 3, 5]
    kinds = {"memory", "files", "signal_handlers"}
    kinds |= {"fs"} if generation not in ("A3", "A4", "A4b") else set()
    kinds |= {"sysv_undo"} if generation in ("B2", "P", "P2", "P3") else set()
    for kind in ("memory", "files", "fs", "sysv_undo", "signal_handlers"):
        assert (getattr(shared[2], kind) == getattr(shared[3], kind) > 0) == (kind in kinds)
        assert kind not in kinds or getattr(shared[1], kind) != getattr(shared[2], kind) != getattr(shared[5], kind)
    namespaces = {event.pid: event.namespaces for event in log if isinstance(event, TaskNamespacesRecorded)}
    expected = ("uts", "ipc", "net") if generation in ("St", "B", "B2", "P", "P2", "P3") else ("uts", "ipc")
    assert namespaces[1] == namespaces[2] == dict.fromkeys(expected, 0)
    assert namespaces[3] == namespaces[5] == dict.fromkeys(expected, 1)
    assert 4 not in namespaces
    assert len([event for event in log if isinstance(event, NamespaceRecorded)]) == 2 * len(expected)
    assert defects(log) == []


def test_the_numbers_of_shared_objects_do_not_show_in_the_image_id() -> None:
    def tree(one: int, other: int) -> list[Entry]:
        return [INIT, Entry(pids=(2,), parent=1, files=one), Entry(pids=(3,), parent=1, files=other)]

    sharing, again, apart = (image_id(fold(events(tree(*numbers), objects=True))) for numbers in ((4, 4), (6, 6), (4, 6)))
    assert sharing == again != apart == image_id(fold(events(tree(0, 0))))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_threads_belong_to_their_process_and_must_agree_with_it(generation: str) -> None:
    def tree(**thread: int) -> list[Entry]:
        fields = {"parent": 1, "thread_group": 5, "group": 5, "session": 5, **thread}
        return [INIT, Entry(pids=(5,), parent=1), Entry(pids=(6,), **fields)]  # type: ignore[arg-type]

    log = events(tree(), generation)
    assert [(event.pids, event.thread_group) for event in log if isinstance(event, ThreadRecorded)] == [((6,), 5)]
    assert [thread.name for thread in fold(log).threads[5]] == ["task2"]  # type: ignore[index]
    for field in ("parent", "group", "session"):
        with pytest.raises(Contradiction, match=f"thread 6 has {field}") as refused:
            fold(events(tree(**{field: 5 if field == "parent" else 1}), generation))
        assert refused.value.code == "thread-disagrees"


@pytest.mark.parametrize("inline", [True, False])
def test_an_error_record_says_that_the_checkpoint_failed_wherever_it_stands(inline: bool) -> None:
    image = build(TREE, error="out of memory", error_inline=inline)
    record = build(TREE, error="out of memory", error_inline=inline)[len(build(TREE, tail=False)) :]
    places = [72, 72 + 73, 307]
    offset = 0
    while offset < len(build(TREE, tail=False)):
        offset += struct.unpack_from("<II", image, offset)[1]
        places.append(offset)
    for place in sorted(set(places)):
        log = list(read(io.BytesIO(image[:place] + record)))
        assert [event.message for event in log if isinstance(event, CheckpointFailed)] == ["out of memory"]
        with pytest.raises(Contradiction, match="out of memory"):
            fold(log)


def test_a_depth_that_is_not_that_of_the_pid_object_is_a_remark() -> None:
    image = bytearray(build(NESTED))
    recorded = [event for event in read(io.BytesIO(bytes(image))) if isinstance(event, TaskRecorded)][1]
    assert isinstance(recorded.at, int)
    struct.pack_into("<i", image, recorded.at + 20, 3)
    log = list(read(io.BytesIO(bytes(image))))
    assert defects(log) == ["depth-disagrees"]
    assert image_id(fold(log)) == image_id(fold(events(NESTED)))


def test_strange_records_are_passed_over_with_a_remark_and_only_so_many() -> None:
    whole, open_ended = build(TREE), build(TREE, tail=False)
    tail = whole[len(open_ended) :]
    strange = [struct.pack("<II", 5000 + kind, 8 + 100) + bytes(100) for kind in range(9)]
    log = list(read(io.BytesIO(open_ended + b"".join(strange[:8]) * 2 + tail)))
    assert defects(log) == ["unknown-record"] * 8
    with pytest.raises(BadImage, match="more than 8 unknown types"):
        list(read(io.BytesIO(open_ended + b"".join(strange) + tail)))


def test_bytes_after_the_tail_are_not_read_and_reported() -> None:
    log = list(read(io.BytesIO(build(TREE) + b"x")))
    assert defects(log) == ["bytes-after-tail"]
    assert fold(log).complete


def test_the_facts_contradict_each_other_and_are_read_all_the_same() -> None:
    for generation in GENERATIONS:
        for tree, code in (
            ([INIT, Entry(pids=(5,), parent=1), Entry(pids=(5,), parent=1)], "duplicate-number"),
            ([INIT, Entry(pids=(1,))], "duplicate-number"),
            ([INIT, Entry(pids=(5,), parent=6), Entry(pids=(6,), parent=5)], "parent-cycle"),
            ([INIT, Entry(pids=(5,), parent=1, zombie=True), Entry(pids=(6,), parent=5)], "zombie-with-child"),
        ):
            log = events(tree, generation)
            with pytest.raises(Contradiction) as refused:
                fold(log)
            assert refused.value.code == code
            assert {type(log[seq]) for seq in refused.value.because} <= {TaskRecorded, TaskStateRecorded}
