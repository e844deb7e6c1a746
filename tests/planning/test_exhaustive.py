"""Every small forest: planned where the model kernel reaches it, refused where it does not.

The search knows nothing of the planner (`tests.generators.exhaustive`). A forest that is planned although the search did not
reach it was proved on the model, so the search's bound on helpers was too small for it; these are counted. A forest that is
refused although it was reached is a defect, without exception: at no moment of the search is there an init that could never
finish dying (`planner.kernel.deadlocks`).
"""

import multiprocessing
from collections import Counter

import pytest

from tests.generators.exhaustive import Part, Shape, candidates_of, canonical, parts, reached, text_of
from tests.helpers.amounts import FULL, amount
from tests.helpers.counts import columns, count
from tests.helpers.evidence import Verdict, all_verdicts, is_trap, verdict

pytestmark = pytest.mark.xdist_group("exhaustive")


def without_groups(shape: Shape) -> Shape:
    """Return the shape in which every task is in the group that its session's leader has."""
    tasks, dead = shape
    kept = [number for number in range(len(dead)) if any(task.session == -2 - number for task in tasks)]
    label = {-2 - number: -2 - place for place, number in enumerate(kept)}
    bare = tuple(
        task._replace(session=label.get(task.session, task.session), group=label.get(task.session, task.session))
        for task in tasks
    )
    moved, gone = canonical(bare, tuple(dead[number] for number in kept))
    return moved, tuple((entry[0], entry[1]) for entry in gone)


def judge(name: str, verdicts: dict[Shape, Verdict], found: set[Shape]) -> dict[Shape, str]:
    """Compare and print the counts; fail for a shape that is reached and refused, or for which the planner breaks.

    Returns the verdicts.
    """
    said = {shape: verdict.code for shape, verdict in verdicts.items()}
    shapes = set(said)
    assert found <= shapes, [text_of(shape) for shape in sorted(found - shapes)[:5]]
    planned = {shape for shape, word in said.items() if not word}
    refused = sorted(found - planned)
    broken = [shape for shape, word in sorted(said.items()) if word.startswith("!")]
    trapped = [shape for shape in sorted(planned) if is_trap(shape, surely=True)]
    count(
        f"{name}: {len(shapes)} candidates, {len(found)} reached by the search, {len(planned)} planned, "
        f"{len(shapes) - len(planned)} refused; {len(planned - found)} were planned beyond the search's bound"
    )
    for words, wrong in (("reached and refused", refused), ("not planned and not refused", broken), ("a trap", trapped)):
        assert not wrong, f"{len(wrong)} {words}:\n" + "\n".join(f"{text_of(shape)}   {said[shape]}" for shape in wrong[:10])
    return said


@pytest.mark.slow
def test_up_to_3_tasks_on_one_level() -> None:
    """Here the bound is enough: what is planned is exactly what is reached."""
    found = reached(3, 1, 1)
    groupless = reached(3, 1, 1, groups=False)
    for tasks in (1, 2, 3):
        said = judge(f"{tasks} tasks on one level", all_verdicts(tasks, 1), {shape for shape in found if len(shape[0]) == tasks})
        for shape, word in said.items():
            assert word or shape in found, text_of(shape)
            assert (shape in found) == (without_groups(shape) in groupless and groups_are_led(shape)), text_of(shape)


def groups_are_led(shape: Shape) -> bool:
    """Tell whether, on one level, every task can have come by its group.

    All numbers are visible to all, so that groups can be made and joined last. What is left: a task in the group outside has
    never left it, and so has made no group, or its parent outside has put it back; and an init that is in a group of its own
    namespace is a trap.
    """
    tasks, _ = shape
    leaders = [tasks[task.group] for task in tasks if task.group >= 0]
    return tasks[0].group in (0, -1) and all(leader.group != -1 or leader.parent == leader.session == -1 for leader in leaders)


FOUR_BEYOND = 44
"""Forests of 4 tasks on one level, in their sessions' groups, that take two helpers; `tests/benchmarks` reaches them."""


def four_in_their_sessions_groups() -> dict[Shape, str]:
    """Return the verdicts on all forests of 4 tasks on one level whose groups are those of their sessions."""
    found = reached(4, 1, 1, groups=False)
    name = "4 tasks on one level, in their sessions' groups"
    return judge(name, all_verdicts(4, 1, groups=False), {shape for shape in found if len(shape[0]) == 4})


@pytest.mark.slow
def test_4_tasks_on_one_level_whatever_their_sessions() -> None:
    said = four_in_their_sessions_groups()
    found = reached(4, 1, 1, groups=False)
    assert sum(not word and shape not in found for shape, word in said.items()) == FOUR_BEYOND


@pytest.mark.slow
def test_4_tasks_on_one_level() -> None:
    """With all groups there are 827,842 forests: what is planned is what is planned with other groups, if the groups are led.

    That groups come last on one level is what the search shows of up to 3 tasks (above). All are tried with CRPLAN_FULL=1.
    """
    planned = {shape for shape, word in four_in_their_sessions_groups().items() if not word}
    tried = sorted(parts(4, 1), key=lambda part: len(set(part[1])))[:: amount("CRPLAN_PARTS", 1, 10)]
    with multiprocessing.get_context("fork").Pool(2, _know, (planned,)) as pool:
        results = list(pool.imap_unordered(_judge_part, tried))
    counts = Counter[str]()
    wrong: list[str] = []
    for counted, said in results:
        counts += counted
        wrong += said
    count(f"4 tasks on one level: {counts.total()} candidates, {counts['']} planned, {counts.total() - counts['']} refused")
    count(columns(f"{number:7} {code}" for code, number in counts.most_common() if code))
    assert counts.total() == 827_842 or not FULL
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:10])


_planned: set[Shape] = set()


def _know(planned: set[Shape]) -> None:
    _planned.update(planned)


def _judge_part(part: Part) -> tuple[Counter[str], list[str]]:
    """Plan all forests that have one tree; return the counts, and which are planned and should not be, or the other way round."""
    counts = Counter[str]()
    wrong: list[str] = []
    for shape in sorted(candidates_of(part)):
        code = verdict(shape).code
        counts[code] += 1
        can_be = groups_are_led(shape) and without_groups(shape) in _planned
        if code.startswith("!") or (not code) != can_be:
            wrong.append(f"{text_of(shape)}   {code or 'planned'}")
    return counts, wrong


def test_up_to_2_tasks_on_two_levels() -> None:
    found = reached(2, 2, 1)
    judge("2 tasks on two levels", all_verdicts(2, 2), {shape for shape in found if len(shape[0]) == 2})


@pytest.mark.slow
def test_3_tasks_on_two_levels() -> None:
    """The search has groups without a helper, and a helper without groups; what is planned beyond that was proved.

    A tree without a trap that a search reaches through one can be reached without one, with a helper.
    """
    found = reached(3, 2, 0) | reached(3, 2, 1, groups=False)
    said = judge("3 tasks on two levels", all_verdicts(3, 2), {shape for shape in found if len(shape[0]) == 3})
    trapped = {shape for shape in reached(3, 2, 0, traps=True) - found if len(shape[0]) == 3}
    left = sorted(shape for shape in trapped if not is_trap(shape, surely=False))
    count(f"{len(trapped)} more are reached through a trap, {len(left)} of which are none themselves")
    assert not [text_of(shape) for shape in left if said[shape]]
    count(columns(f"{number:7} {code}" for code, number in Counter(said.values()).most_common() if code))


@pytest.mark.parametrize(("tasks", "levels", "helpers"), [(1, 1, 1), (1, 2, 1), (2, 1, 0)])
def test_the_search_leaves_nothing_out(tasks: int, levels: int, helpers: int) -> None:
    """The reduced search reaches what a plain one does, which has flags, entered namespaces and zombies in its states."""
    assert reached(tasks, levels, helpers) == reached(tasks, levels, helpers, plain=True)
