"""A tree is cut into parts by pid namespace, and each part hangs below one before it."""

from planner.checkpoint.parts import Part, deepest_first, number_in, parts_of
from planner.forest.model import Forest
from planner.pipeline.resolve import resolve
from planner.testing.forests import events


def parts(text: str) -> tuple[Part, ...]:
    return parts_of(forest(text))


def forest(text: str) -> Forest:
    return resolve(events(text)).forest


def test_a_tree_without_nested_namespaces_is_one_part() -> None:
    (only,) = parts("1 2:1 3:2")
    assert (only.name, only.root, only.tasks, only.enclosing) == ("part0", 1, (1, 2, 3), "")


def test_each_nested_namespace_is_a_part_below_that_of_its_parent() -> None:
    found = parts("1 2:1 3.1:2/3 4.2:3 5.3.1:4/5 6.1:1/6")
    assert [(part.name, part.root, part.parent, part.enclosing, part.tasks) for part in found] == [
        ("part0", 1, 0, "", (1, 2)),
        ("part1", 3, 2, "part0", (3, 4)),
        ("part2", 5, 4, "part1", (5,)),
        ("part3", 6, 1, "part0", (6,)),
    ]


def test_the_deepest_part_is_dumped_first() -> None:
    assert [part.name for part in deepest_first(parts("1 2.1:1/2 3.2.1:2/3 4.1:1/4"))] == ["part2", "part1", "part3", "part0"]


def test_a_task_above_a_part_has_no_number_in_it() -> None:
    _, inner = parts("1 2.1:1/2 3.2:2")
    assert [number_in(inner, task.pids) for task in forest("1 2.1:1/2 3.2:2").tasks.values()] == [0, 1, 2]
