"""A plan that is told a line at a time, as the plan of a shell script is.

`step NUMBER ACTOR OP WORDS rule=RULE` is a step as the tables have it. With a creation come the child's `as=PIDS` and, if it
has one, its `named=NAME`. `ready after STEPS root TASK` ends the plan: before it nothing is done, so of a script that breaks off
nothing comes. A line that cannot be is refused where it stands.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable

from crplan_runtime.parts.actor import DEEDS
from crplan_runtime.parts.program import DEFAULT_TIMEOUT, main
from crplan_runtime.parts.streams import complain, fill_standard_streams
from crplan_runtime.parts.tables import Plan

LINES = 3
"""The descriptor from which the lines come."""

CREATIONS = ("create", "thread")

ABOUT_ONE = (*CREATIONS, "setpgid", "enter", "kill", "reap", "stop", "map", "join", "verify")
"""What names the task that it is about behind the op, 0 being the executor."""


class Refused(Exception):
    """A line that cannot be: the number of the step, its rule, the task, what is wrong and the errno's name."""

    def __init__(self, number: int, rule: str, task: int, what: str, error: str) -> None:
        super().__init__(f"step {number} ({rule}): task {task}: {what}: {error}")


class Listener:
    """Turns lines into the tables of a plan, and refuses what does not follow from those before."""

    def __init__(self) -> None:
        self.known = {0}
        self.processes: list[str] = []
        self.steps: list[str] = []

    def plan(self, lines: Iterable[str]) -> Plan:
        """Return the plan when all of it is told; raises Refused, and EOFError where its end is missing."""
        for line in lines:
            verb, *words = line.split()
            if verb == "ready":
                return self.whole(int(words[1]), int(words[3]))
            self.step(words)
        raise EOFError

    def step(self, words: list[str]) -> None:
        """Take one step; raises Refused."""
        place, *deed = words
        number, rule = int(place), deed.pop().partition("=")[2]
        actor, op, *rest = deed
        tasks = [int(word) for word in understood(actor, op, rest)]
        task = tasks[-1] if tasks else int(actor) if actor.isdigit() else 0
        if number != len(self.steps) + 1:
            raise Refused(number, rule, task, f"step {len(self.steps) + 1} was to come", "EINVAL")
        if not tasks:
            raise Refused(number, rule, task, f"the line is not understood: {' '.join(deed)}", "EINVAL")
        if op in CREATIONS:
            self.processes.append(self.process(number, rule, op, task, rest))
            self.known.add(task)
        for each in tasks:
            if each not in self.known:
                raise Refused(number, rule, task, f"{op}: task {each} was not created", "ESRCH")
        self.steps.append(f"{number} {actor} {op} {' '.join(rest)} #  [{rule}]")

    def process(self, number: int, rule: str, op: str, task: int, words: list[str]) -> str:
        """Return a child as a line of the table; raises Refused."""
        options = dict(word.split("=", 1) for word in words if "=" in word)
        if task in self.known:
            raise Refused(number, rule, task, "the number is used twice", "EEXIST")
        if options.get("as", "").split("/")[0] != str(task):
            raise Refused(number, rule, task, "its numbers are not told", "EINVAL")
        role = "thread" if op == "thread" else options.get("role", "task")
        return f"{options['as']} {role} ={options.get('named', '')}"

    def whole(self, count: int, root: int) -> Plan:
        """Return the plan whose last step was told; raises Refused."""
        if count != len(self.steps):
            raise Refused(count, "verify", root, f"step {len(self.steps) + 1} of {count} is missing", "EINVAL")
        if root not in self.known:
            raise Refused(count, "verify", root, "the root was not created", "ESRCH")
        return Plan(root, "\n".join(self.processes), "\n".join(self.steps))


def understood(actor: str, op: str, words: list[str]) -> list[str]:
    """Return who does it, and the task that it is about; nothing where the words of a step are not understood."""
    tasks = [actor, *words[: op in ABOUT_ONE]]
    given = [*tasks, *words[1:2]] if op == "setpgid" else tasks
    wanted = 1 + (op in ABOUT_ONE) + (op == "setpgid")
    known = op in DEEDS or op in CREATIONS
    return tasks if known and len(given) == wanted and all(word.isdigit() for word in given) else []


def reap_the_writers() -> None:
    """Reap the processes by which some shells hand over a text, if there are any: they are done by now."""
    for _ in range(1000):
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.001)
        except ChildProcessError:
            return


def main_told() -> int:
    """Carry out the plan that is told; returns the exit code."""
    fill_standard_streams()
    try:
        with open(LINES, encoding="ascii", errors="replace") as lines:
            plan = Listener().plan(lines)
    except Refused as refused:
        complain(str(refused), DEFAULT_TIMEOUT)
        return 1
    except (EOFError, OSError, ValueError, IndexError) as error:
        name = errno.errorcode.get(getattr(error, "errno", 0) or 0, "")
        complain("the script ended before it was ready" + (f": {name}" if name else ""), DEFAULT_TIMEOUT)
        return 1
    reap_the_writers()
    return main(plan)
