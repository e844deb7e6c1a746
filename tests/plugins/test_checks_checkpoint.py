"""What keeps a running tree from being dumped in parts: each question with a tree that passes and one that does not."""

from collections.abc import Iterable, Sequence

import msgspec
import pytest
from crplan_checks import kinds_checkpoint, kinds_dump
from crplan_checks.checkpoint import CROSSES, check

from planner.events.records import AnyEvent, FactRecorded, ImageOpened, NamespaceRecorded, TaskNamespacesRecorded
from planner.findings.registry import Finding, Passed
from planner.findings.verdicts import Invocation
from planner.identity import NamespaceId, ProcessId
from planner.pipeline.resolve import resolve
from planner.testing.forests import events

INVOCATION = Invocation(consumer="checkpoint", options=())
GOOD = "1 2:1 3.1:2/3 4.2:3"


def captured(text: str, extra: Iterable[AnyEvent] = ()) -> list[AnyEvent]:
    """Return the events of a forest as a capture has them, `extra` before the last."""
    found: list[AnyEvent] = []
    for event in events(text):
        found.append(msgspec.structs.replace(event, format="capture") if isinstance(event, ImageOpened) else event)
    return [*found[:-1], *extra, found[-1]]


def answers(text: str, extra: Iterable[AnyEvent] = ()) -> tuple[dict[str, Finding], set[str]]:
    found = list(check(resolve(captured(text, extra)).forest, INVOCATION))
    return {a.code: a for a in found if isinstance(a, Finding)}, {a.code for a in found if isinstance(a, Passed)}


def space(kind: str, identifier: int, created: str = "yes") -> NamespaceRecorded:
    facts = {"created": created}
    return NamespaceRecorded(
        kind=kind, id=NamespaceId(identifier), parent=NamespaceId(-1), owner=NamespaceId(-1), facts=facts, at="/proc"
    )


def placed(pid: int, kind: str, identifier: int) -> TaskNamespacesRecorded:
    return TaskNamespacesRecorded(pid=ProcessId(pid), namespaces={kind: NamespaceId(identifier)}, at=f"/proc/{pid}/ns")


def spaces(kind: str, outer: int, inner: int, created: str = "yes") -> list[AnyEvent]:
    """Return that tasks 1 and 2 are in one namespace of a kind, and 3 and 4 in another or the same."""
    known = [space(kind, identifier, created) for identifier in sorted({outer, inner})]
    return [*known, *(placed(pid, kind, outer) for pid in (1, 2)), *(placed(pid, kind, inner) for pid in (3, 4))]


def test_a_tree_that_can_be_dumped_passes_every_question() -> None:
    found, passed = answers(GOOD)
    assert found == {}
    assert passed == {kind.code for kind in (*kinds_checkpoint.CHECKPOINT, *kinds_dump.DUMP)}


BAD: dict[str, tuple[str, Sequence[AnyEvent]]] = {
    "checkpoint-crossing": (
        GOOD,
        [FactRecorded(pid=ProcessId(2), property=CROSSES, value="pipe:[7] is held by 2, 3", at="/proc")],
    ),
    "checkpoint-entered": ("1 2:1 3.1:2/3 4.2:1/4@3", ()),
    "checkpoint-leader-outside": ("1 2:1 3.1:2/1", ()),
    "checkpoint-without-init": ("1 2:1 3.1:2/3z", ()),
    "checkpoint-zombie-number": ("1 2:1 3.1:2/3 4:2z", ()),
    "checkpoint-user-namespace": (GOOD, spaces("user", 0, 1)),
    "checkpoint-shared-mounts": (GOOD, spaces("mnt", 0, 0)),
    "checkpoint-mounts-split": (
        GOOD,
        [space("mnt", 0), space("mnt", 1), placed(1, "mnt", 0), *(placed(pid, "mnt", 1) for pid in (2, 3, 4))],
    ),
    "checkpoint-shared-namespace": (GOOD, spaces("net", 0, 0)),
    "checkpoint-thread-numbers": ("1 2:1 3.1:2/3+5.2+9.3", ()),
    "checkpoint-pending-namespace": (GOOD, [FactRecorded(pid=ProcessId(2), property="pid_for_children", value="9", at="/proc")]),
}


@pytest.mark.parametrize("code", BAD)
def test_each_tree_that_cannot_is_told_by_its_code(code: str) -> None:
    found, passed = answers(*BAD[code])
    assert code in found
    assert code not in passed
    assert found[code].hint


def test_every_kind_has_such_a_tree() -> None:
    assert set(BAD) == {kind.code for kind in kinds_checkpoint.CHECKPOINT}


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("checkpoint-user-namespace", spaces("user", 0, 0)),
        ("checkpoint-shared-mounts", spaces("mnt", 0, 1)),
        ("checkpoint-shared-mounts", spaces("mnt", 0, 0, created="no")),
        ("checkpoint-shared-namespace", spaces("net", 0, 0, created="no")),
    ],
)
def test_a_namespace_of_its_own_or_of_the_host_passes(code: str, extra: list[AnyEvent]) -> None:
    assert code in answers(GOOD, extra)[1]


def test_a_dead_child_older_than_the_nested_init_passes() -> None:
    assert "checkpoint-zombie-number" in answers("1 2:1 3:2z 4.1:2/4")[1]
    assert "checkpoint-zombie-number" in answers("1 2:1 3.1:2/3 4.2:3z")[1]


def test_threads_with_consecutive_numbers_pass() -> None:
    assert "checkpoint-thread-numbers" in answers("1 2:1 3.1:2/3+5.2+6.3")[1]


def test_a_namespace_that_differs_within_a_part_is_refused_as_by_criu_dump() -> None:
    extra = [space("uts", 0), space("uts", 1), *(placed(pid, "uts", 0) for pid in (1, 2, 3)), placed(4, "uts", 1)]
    assert "criu-dump-nested-namespace" in answers(GOOD, extra)[0]


def test_an_image_that_is_no_capture_is_not_asked_about() -> None:
    assert list(check(resolve(events(GOOD)).forest, INVOCATION)) == []
