"""Refusals of forests of five tasks, drawn at random: no forest that is planned holds the facts which a refusal names.

Five tasks are too many to look at every forest, and it takes five before a leader can be demanded below two others. Sessions are
what contradicts itself here, so every task is in the group of its session's number and none has ended. Whether a fact is
superfluous is not asked: among so few forests of this size there need be none that shows it.
"""

from collections import defaultdict
from random import Random

import pytest

from tests.generators.exhaustive import NOBODY, Shape, Task, canonical, text_of
from tests.helpers.evidence import Facts, Pattern, held, is_held_with_one_more, pattern, profile, verdicts

TASKS = 5
DRAWN = 12_000
DRAWS = 5
"""How many forests of one task more are drawn for each pattern of evidence, each to hold it."""


def drawn(random: Random) -> Shape | None:
    """Draw a shape; None where it is none, as parents go in a circle."""
    leaders = [0, *(index for index in range(1, TASKS) if random.random() < 0.45)]
    labels = [*leaders, NOBODY, *(-2 - place for place in range(random.choice((0, 0, 1, 1, 2))))]
    root = random.choice((0, 0, 0, NOBODY))
    tasks = [Task(NOBODY, root, root, 0)]
    for index in range(1, TASKS):
        parent = random.choice([NOBODY, *(2 * [other for other in range(TASKS) if other != index])])
        session = index if index in leaders else random.choice(labels)
        tasks.append(Task(parent, session, session, 0))
    used = sorted({task.session for task in tasks if task.session < NOBODY}, reverse=True)
    named = {label: -2 - place for place, label in enumerate(used)}
    moved = [task._replace(session=named.get(task.session, task.session)) for task in tasks]
    whole = tuple(task._replace(group=task.session) for task in moved)
    if any(task.session >= 0 and whole[task.session].session != task.session for task in whole):
        return None
    if not all(_ends(whole, index) for index in range(TASKS)):
        return None
    tasks_again, dead = canonical(whole, tuple((3, 0) for _ in used))
    return tasks_again, tuple((entry[0], entry[1]) for entry in dead)


def _ends(tasks: tuple[Task, ...], index: int) -> bool:
    for _ in tasks:
        if index == NOBODY:
            return True
        index = tasks[index].parent
    return index == NOBODY


@pytest.mark.slow
def test_five_tasks_on_one_level() -> None:
    random = Random("five tasks")
    said = verdicts({shape for shape in (drawn(random) for _ in range(DRAWN)) if shape is not None})
    refused: dict[tuple[str, Pattern], tuple[Shape, Facts]] = {}
    sizes: dict[int, int] = defaultdict(int)
    for shape, (code, facts) in sorted(said.items()):
        assert not code.startswith("!"), f"{text_of(shape)}: {code}"
        if code:
            refused.setdefault((code, pattern(shape, facts)), (shape, facts))
            sizes[len(facts)] += 1
    known = held({shape for shape, (code, _) in said.items() if not code}, {profile(facts) for _, facts in refused.values()})
    wrong = [
        f"{text_of(shape)}: {code} {sorted(facts)}"
        for (code, evidence), (shape, facts) in refused.items()
        if evidence in known or is_held_with_one_more(shape, facts, DRAWS)
    ]
    print(f"\n{len(said)} forests, {len(refused)} patterns of evidence; sizes of evidence: {sorted(sizes.items())}")
    assert len(refused) > 100
    assert not wrong, "the facts do not contradict each other:\n" + "\n".join(wrong)
