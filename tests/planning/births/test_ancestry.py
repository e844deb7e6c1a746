"""Who is born below whom, while births change: the same answers as walking up gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.identity import OUTSIDE, ProcessId
from planner.planning.births.ancestry import Ancestry


def walk(above: dict[int, int], pid: int) -> list[int]:
    """Return `pid` and everybody above it, the plain way."""
    path = [pid]
    while path[-1] != OUTSIDE:
        path.append(above[path[-1]])
    return path


@given(st.data())
def test_answers_are_those_of_walking_up_whoever_moves(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    above = {pid: data.draw(st.integers(0, pid - 1)) for pid in range(1, count + 1)}
    tree = Ancestry(lambda pid: ProcessId(above[pid]))
    for _ in range(data.draw(st.integers(1, 12))):
        one, other = (ProcessId(data.draw(st.integers(1, count))) for _ in range(2))
        assert tree.is_below(one, other) == (other in walk(above, one))
        assert tree.is_above(one, other) == (one in walk(above, other))
        if other in walk(above, one)[1:]:
            assert tree.branch(one, other) == walk(above, one)[walk(above, one).index(other) - 1]
        mover = data.draw(st.integers(1, count))
        target = data.draw(st.integers(0, count))
        if target == 0 or mover not in walk(above, target):
            above[mover] = target
            tree.moved(ProcessId(mover))


def test_a_circle_is_told() -> None:
    above = {1: 2, 2: 3, 3: 1}
    with pytest.raises(ValueError, match="below itself"):
        Ancestry(lambda pid: ProcessId(above[pid])).is_below(ProcessId(1), ProcessId(9))


def test_a_long_chain_is_climbed_in_few_steps() -> None:
    asked: list[int] = []

    def above(pid: ProcessId) -> ProcessId:
        asked.append(pid)
        return ProcessId(pid - 1)

    tree = Ancestry(above)
    assert tree.is_above(ProcessId(1), ProcessId(100_000))
    asked.clear()
    assert all(tree.is_below(ProcessId(100_000), ProcessId(pid)) for pid in range(1, 100_000, 1000))
    assert len(asked) < 100 * 40
