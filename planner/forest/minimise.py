"""The smallest contradiction in the evidence of a refusal.

Planning refuses an image where it cannot go on, and names what led there. Some of these facts may contradict each other without
the rest, for a reason that is no step of planning. So the evidence of a refusal is looked at once more, by laws about few facts,
and where these find a contradiction among fewer of them the image is refused for that one. Only refusals pay for this.
"""

from collections.abc import Iterator

from planner.errors import Contradiction
from planner.forest.birth_order import Ages
from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE

MOST_ROWS = 48
"""Of larger evidence only parts are looked at: the laws weigh all pairs of tasks."""

MOST_LINES = 16
LINE = 8
"""The parts: how many session leaders, and how many tasks on the line upwards from each."""


def narrowed(forest: Forest, refusal: Contradiction) -> Contradiction:
    """Return the contradiction of the fewest facts among those of a refusal: the refusal itself where there is no smaller one."""
    facts = set(refusal.because)
    rows = [task for task in forest.tasks.values() if task.recorded in facts]
    smallest = refusal
    for part in [rows] if len(rows) <= MOST_ROWS else _lines(rows):
        if len(facts) > 1 and part:
            for found in (*_led_and_left(part), *Ages(forest, [task.pid for task in part]).contradictions()):
                if len(found.because) < len(set(smallest.because)):
                    smallest = found
    return smallest


def _lines(rows: list[Task]) -> Iterator[list[Task]]:
    """Yield the first session leaders, each with those above it."""
    known = {task.pid: task for task in rows}
    for leader in [task for task in rows if task.session == task.pid][:MOST_LINES]:
        line = [leader]
        while len(line) < LINE and line[-1].parent in known:
            line.append(known[line[-1].parent])
        yield line


def _led_and_left(rows: list[Task]) -> Iterator[Contradiction]:
    """Yield the traps of inits that led a group, which some task is still in, before they came into the one that they are in.

    Where the parent is outside the image and the session is not, no parent can have moved the init. So it went to that group by
    itself, and sees it: the group is led from inside the init's pid namespace.
    """
    followers: dict[int, Task] = {}
    for task in rows:
        if task.group != task.pid:
            followers.setdefault(task.group, task)
    for init in rows:
        follower = followers.get(init.pid)
        if follower is None or init.pids[-1] != 1 or init.group in (init.pid, OUTSIDE):
            continue
        if init.parent == OUTSIDE != init.session:
            yield Contradiction(
                "init-trap",
                f"task {init.pid} is the init of a pid namespace and has led the group that task {follower.pid} is still in; "
                f"into group {init.group} it has come later, and by itself, since no parent inside can have moved it: that group "
                f"is led from inside the namespace, so that the init could never finish dying",
                sorted((init.recorded, follower.recorded)),
                init.pid,
            )
