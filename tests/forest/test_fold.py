"""Folding events: what adds up to a forest, what is passed over, and what cannot be true together."""

import msgspec
import pytest

from planner.errors import Contradiction
from planner.events.records import (
    AnyEvent,
    BirthDecided,
    CheckpointFailed,
    DefectRecorded,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    LogOpened,
    NamespaceInferred,
    NamespaceRecorded,
    OuterNumberRecorded,
    PidRecorded,
    SharingRecorded,
    StepDone,
    TaskNamespacesRecorded,
    TaskPlaced,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
    UnknownEvent,
)
from planner.findings.registry import KINDS
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.identity import NamespaceId, Number, ProcessId
from planner.testing.forests import events, forest


def task(*pids: int, parent: int = 0, group: int = 1, session: int = 1, at: int = 0) -> TaskRecorded:
    return TaskRecorded(
        pids=tuple(map(Number, pids)), parent=ProcessId(parent), group=ProcessId(group), session=ProcessId(session), at=at
    )


def state(pid: int, word: str = "running") -> TaskStateRecorded:
    return TaskStateRecorded(pid=ProcessId(pid), state=word, name=f"name{pid}", at=0)  # type: ignore[arg-type]


OPEN = ImageOpened(format="linux-cr", generation="P3", facts={"kernel": "2.6.37"}, at=0)
CLOSE = ImageClosed(tasks=1, complete=True, at=9)


def test_tasks_keep_the_sequence_numbers_of_their_facts() -> None:
    tree = fold([LogOpened(format_version=1), OPEN, task(1), task(5, parent=1), state(5, "stopped"), state(1), CLOSE])
    assert [(pid, one.recorded, one.state_recorded) for pid, one in tree.tasks.items()] == [(1, 2, 5), (5, 3, 4)]
    assert (tree.tasks[ProcessId(5)].state, tree.tasks[ProcessId(5)].name) == ("stopped", "name5")
    assert (tree.format, tree.generation, tree.image_facts) == ("linux-cr", "P3", {"kernel": "2.6.37"})
    assert tree.root == 1
    assert tree.children() == {0: [1], 1: [5]}


def test_the_order_of_events_does_not_matter() -> None:
    thread = ThreadRecorded(pids=(Number(6),), thread_group=ProcessId(5), at=0)
    tree = fold([OPEN, state(6), state(5), thread, task(5, parent=1), task(1), state(1), CLOSE])
    assert tree.tasks[ProcessId(5)].name == "name5"
    assert tree.threads[ProcessId(5)][0].name == "name6"
    assert tree.tasks[ProcessId(5)].state_recorded == 2


def test_a_log_without_an_end_is_not_complete() -> None:
    assert not fold([OPEN, task(1), state(1)]).complete
    assert not fold([OPEN, task(1), state(1), ImageClosed(tasks=1, complete=False, at=0)]).complete
    assert fold([OPEN, task(1), state(1), CLOSE]).complete


def test_further_facts_are_kept() -> None:
    sharing = SharingRecorded(pid=ProcessId(1), memory=3, at=0)
    fact = FactRecorded(property="seccomp", value="on", at=0)
    defect = DefectRecorded(code="tail-missing", detail="cut", at=0)
    outer = OuterNumberRecorded(pid=ProcessId(1), number=Number(77), at=0)
    leader = PidRecorded(numbers=(Number(9),), complete=False, at=0)
    tree = fold([task(1), state(1), sharing, fact, defect, outer, leader, CLOSE])
    assert tree.sharing == {1: sharing}
    assert tree.facts == [(3, fact)]
    assert tree.defects == [(4, defect)]
    assert tree.outer_numbers == {1: 77}
    assert (tree.leaders[ProcessId(9)].pids, tree.leaders[ProcessId(9)].complete) == ((9,), False)


def test_a_task_without_a_state_is_a_defect_and_runs() -> None:
    tree = fold([task(1), CLOSE])
    assert [(seq, defect.code, defect.pid) for seq, defect in tree.defects] == [(0, "state-missing", 1)]
    assert tree.tasks[ProcessId(1)].state == "running"


def test_decisions_and_run_events_are_passed_over_and_unknown_ones_counted() -> None:
    other: list[AnyEvent] = [
        BirthDecided(pid=ProcessId(1), creator=ProcessId(0), rule="first"),
        StepDone(step=1),  # type: ignore[arg-type]
        UnknownEvent(name="FromTheFuture", raw=b"{}"),
    ]
    tree = fold([task(1), state(1), *other, CLOSE])
    assert tree.unknown_events == 1
    assert image_id(tree) == image_id(fold([task(1), state(1), CLOSE]))


def test_the_beginning_of_a_log_is_a_forest_too() -> None:
    log = events("1 5:1/5 9:5 7:1+8")
    for length in range(len(log) + 1):
        part = fold(log[:length], partial=True)
        assert len(part.tasks) == len([event for event in log[:length] if isinstance(event, TaskRecorded)])
    incomplete = [OPEN, task(5, parent=9)]
    assert list(fold(incomplete, partial=True).tasks) == [5]
    with pytest.raises(Contradiction):
        fold(incomplete)


def test_a_task_with_one_number_is_in_the_root_namespace_and_others_wait_to_be_placed() -> None:
    tree = forest("1 5:1 6.1:1/6")
    assert [one.namespace for one in tree.tasks.values()] == [0, 0, -1]
    assert list(tree.namespaces) == [0]
    assert (tree.namespaces[NamespaceId(0)].init, tree.namespaces[NamespaceId(0)].level) == (1, 0)
    assert forest("20 21:20").namespaces[NamespaceId(0)].init == 0


def test_namespaces_that_the_image_names_have_level_and_init_from_their_tasks() -> None:
    tree = forest("@3:0 @7:3 @8:7 1 6.1:1/6@3 9.2.1:6/9@7 10.3:6@3")
    assert [one.namespace for one in tree.tasks.values()] == [0, 3, 7, 3]
    assert [(space.id, space.parent, space.level, space.init) for space in tree.namespaces.values()] == [
        (3, 0, 1, 6),
        (7, 3, 2, 9),
        (8, 7, 3, 0),
        (0, -1, 0, 1),
    ]


def test_inferred_namespaces_are_placed_by_decisions() -> None:
    log = events("1 6.1:1/6 7.2:6")
    nested = NamespaceId(1)
    decisions: list[AnyEvent] = [
        NamespaceInferred(id=nested, parent=NamespaceId(0), init=ProcessId(6), rule="init"),
        TaskPlaced(pid=ProcessId(6), namespace=nested, rule="init"),
        TaskPlaced(pid=ProcessId(7), namespace=nested, rule="parent"),
    ]
    tree = fold([*log, *decisions])
    assert [one.namespace for one in tree.tasks.values()] == [0, 1, 1]
    assert (tree.namespaces[nested].level, tree.namespaces[nested].init, tree.namespaces[nested].inferred) == (1, 6, True)
    assert image_id(tree) == image_id(fold(log))


def test_rings_of_namespaces_end() -> None:
    ring = [NamespaceRecorded(kind="pid", id=NamespaceId(n), parent=NamespaceId(n % 50 + 1), at=0) for n in range(1, 51)]
    with pytest.raises(Contradiction, match="recorded inside each other: 1 below 2 below 3") as caught:
        fold([*ring, task(1), state(1), CLOSE])
    assert (caught.value.code, len(caught.value.because)) == ("namespace-cycle", 50)
    tree = fold([*ring, task(1)], partial=True)
    assert {space.level for space in tree.namespaces.values()} == {0, -1}


@pytest.mark.parametrize(
    ("tree", "code", "pid"),
    [
        ("5:6 6:5 1", "parent-cycle", 5),
        ("1 5:1z65", "impossible-status", 5),
        ("1 5:1z511", "impossible-status", 5),
        ("5:5 1", "parent-cycle", 5),
        ("1:5 5:1", "init-with-parent", 1),
        ("1 5:9", "parent-unknown", 5),
        ("1+4 5:4/1/1", "parent-is-thread", 5),
        ("1 5.1:1/5 6:5/1/1", "parent-below-child", 6),
        ("1 5.1:1/5+6", "thread-level", 6),
        ("1 5:1//6 6:1/6", "group-in-two-sessions", 5),
        ("1 5:1/1/9 6:1/7/9", "group-in-two-sessions", 6),
        ("1 5:1/0/0 6:1/7/0", "group-of-outer-session", 6),
        ("5:0/0/1 6:5/7/1", "group-of-outer-session", 6),
        ("1 5:1/0/9 6:1/7/9", "group-in-two-sessions", 6),
        ("1 5:1/9 6:1/1/9", "group-in-two-sessions", 6),
        ("@1:0 @2:0 1 5.1:1/5@1 6.1:5/6@2", "namespace-recorded-apart", 6),
        ("@1:0 @2:0 1 5.1:1/5@1 6.1:1/5@2", "namespace-recorded-apart", 6),
        ("1 5:1/5/1", "session-leader-group", 5),
        ("1 5:1/1 6:5/5", "session-leader-elsewhere", 6),
        ("1 5.1:1/5 6:1/5", "session-leader-below", 6),
        ("1 5:1+6 7:1/6", "leader-is-thread", 7),
        ("1 5:1+6 7:1//6", "leader-is-thread", 7),
        ("1 5:1z 6:5", "zombie-with-child", 6),
        ("1 5:1z+7z 6:5", "zombie-with-child", 6),
        ("1z 5:0/5", "zombie-init", 5),
        ("@1:0 1 5.1:1/5z@1 6.2:1/1@1", "zombie-init", 6),
        ("@1:0 1 5.1:1/5@1 6.1:5@1", "two-inits", 6),
        ("@1:0 1 5.1:1/5@1 6.2:5@1 7.2:5@1", "duplicate-number", 7),
        ("@1:0 1 5.1:1/5@1 6.2:5@1 7.3:5@1+8.2", "duplicate-number", 8),
        ("@1:0 @2:1 1 5.1:1/5@1 6.2.1:5@2 7.2.2:6@2", "duplicate-number", 7),
        ("@1:0 @2:1 1 5.1:1/5@1 6.2:5@2", "namespace-level", 6),
        ("@1:0 1 5:1@1", "namespace-level", 5),
        ("1 !5 5:1", "duplicate-number", 5),
        ("1 5:1+5", "duplicate-number", 5),
        ("1 0:1", "impossible-number", 0),
        (f"1 5{'.1' * 32}:1/5", "too-deep", 5),
        ("1 4194304:1", "number-too-high", 4194304),
        ("1 5:1/4194304", "number-too-high", 5),
    ],
)
def test_facts_that_exclude_each_other_are_named_with_their_evidence(tree: str, code: str, pid: int) -> None:
    log = events(tree)
    with pytest.raises(Contradiction) as refused:
        fold(log)
    assert refused.value.code == code
    assert KINDS[code].severity == "error"
    assert refused.value.pid == pid
    assert refused.value.because
    for seq in refused.value.because:
        assert not isinstance(log[seq], ImageOpened | ImageClosed)
    # The facts named are enough: nothing else need be in the log, but the tasks that they speak of.
    assert str(refused.value) == refused.value.message


@pytest.mark.parametrize(
    "tree",
    [
        "1 5:1z+7 6:5",
        "1 5:1/0/0 6:1/7/7",
        "1 5:1/5 6.1:5/5 7.2:6/7",
        "20:0/0/0 21:20 22:0/0/0",
        "@1:0 @2:0 1 5.1:1/5@1 6.1:1/6@2",
        "1 5:1//9 6:1//9 7:6/30 8:7",
        "1 5.1:1/5z",
        "1z",
    ],
)
def test_odd_but_possible_forests_are_accepted(tree: str) -> None:
    assert forest(tree).complete


def test_there_must_be_a_task_and_a_state_needs_one() -> None:
    with pytest.raises(Contradiction) as empty:
        fold([OPEN, CLOSE])
    assert empty.value.code == "no-task"
    with pytest.raises(Contradiction) as stray:
        fold([task(1), state(1), state(2)])
    assert (stray.value.code, stray.value.because) == ("task-unknown", (2,))
    with pytest.raises(Contradiction) as homeless:
        fold([task(1), state(1), ThreadRecorded(pids=(Number(6),), thread_group=ProcessId(5), at=0)])
    assert (homeless.value.code, homeless.value.because) == ("thread-group-unknown", (2,))


def test_numbers_borne_twice_name_both_places() -> None:
    with pytest.raises(Contradiction) as refused:
        fold([OPEN, task(1), task(5, parent=1), task(7, parent=1), task(5, parent=7)])
    assert (refused.value.code, refused.value.because, refused.value.pid) == ("duplicate-number", (2, 4), 5)


def test_a_cycle_names_its_members_only() -> None:
    with pytest.raises(Contradiction) as refused:
        fold([task(1), task(4, parent=5), task(5, parent=6), task(6, parent=7), task(7, parent=5)])
    assert sorted(refused.value.because) == [2, 3, 4]
    long = [task(1), *(task(number, parent=number + 1) for number in range(2, 5000)), task(5000, parent=2)]
    with pytest.raises(Contradiction) as refused:
        fold(long)
    assert len(refused.value.because) == 4999
    assert "(4989 more)" in refused.value.message
    assert len(refused.value.message) < 200


def test_a_failed_checkpoint_and_defects_that_are_errors_are_refused() -> None:
    with pytest.raises(Contradiction, match="no memory") as failed:
        fold([task(1), CheckpointFailed(message="no memory", at=7)])
    assert (failed.value.code, failed.value.because) == ("checkpoint-failed", (1,))
    with pytest.raises(Contradiction, match="another session") as disagrees:
        fold([task(1), DefectRecorded(code="thread-disagrees", detail="another session", pid=ProcessId(4), at=7)])
    assert (disagrees.value.code, disagrees.value.because, disagrees.value.pid) == ("thread-disagrees", (1,), 4)


def test_the_image_id_is_of_the_facts_and_not_of_their_places() -> None:
    plain = [task(1, at=5), task(5, parent=1), state(1), state(5), CLOSE]
    moved = [OPEN, task(1, at=99), state(1), task(5, parent=1), state(5), DefectRecorded(code="tail-missing", detail="", at=0)]
    assert image_id(fold(plain)) == image_id(fold(moved))
    unlike: list[list[AnyEvent]] = [
        [task(1), task(5, parent=1), state(1), state(5, "stopped"), CLOSE],
        [task(1), task(5, parent=1, group=5), state(1), state(5), CLOSE],
        [task(1), task(6, parent=1), state(1), state(6), CLOSE],
        [*plain, ThreadRecorded(pids=(Number(6),), thread_group=ProcessId(5), at=0)],
        [*plain, OuterNumberRecorded(pid=ProcessId(5), number=Number(9), at=0)],
        [*plain, PidRecorded(numbers=(Number(9), Number(2)), complete=True, at=0)],
        [*plain, *(SharingRecorded(pid=ProcessId(pid), fs=3, at=0) for pid in (1, 5))],
        [*plain, TaskNamespacesRecorded(pid=ProcessId(5), namespaces={"net": NamespaceId(1)}, at=0)],
        [*plain, FactRecorded(pid=ProcessId(5), property="seccomp", value="on", at=0)],
    ]
    ids = {image_id(fold(log)) for log in (plain, *unlike)}
    assert len(ids) == 1 + len(unlike)


def test_what_is_no_further_fact_leaves_the_image_id_alone() -> None:
    plain = [task(1), task(5, parent=1, group=9), state(1), state(5), CLOSE]
    more: list[AnyEvent] = [
        PidRecorded(numbers=(Number(9),), complete=True, at=0),
        *(SharingRecorded(pid=ProcessId(pid), fs=pid, at=0) for pid in (1, 5)),
        *(TaskNamespacesRecorded(pid=ProcessId(pid), namespaces={"net": NamespaceId(0)}, at=0) for pid in (1, 5)),
        FactRecorded(property="parents", value="tags", at=0),
    ]
    assert image_id(fold(plain)) == image_id(fold([*plain, *more]))


@pytest.mark.parametrize(
    "tree", ["1 5:1z64", "1 5:1z139", "1 5:1z65280", "1 5.1:1z9", "1 5.1:1z139", "1z256", "1 5:1x64", "1 5:1x0"]
)
def test_statuses_and_exit_signals_that_there_are(tree: str) -> None:
    assert forest(tree).tasks


@pytest.mark.parametrize("name", ["parent", "session", "group"])
def test_no_number_is_below_0(name: str) -> None:
    row = msgspec.structs.replace(task(5), **{name: ProcessId(-1)})
    with pytest.raises(Contradiction) as refusal:
        fold([task(1), state(1), row, state(5), CLOSE])
    assert (refusal.value.code, refusal.value.because) == ("impossible-number", (2,))
