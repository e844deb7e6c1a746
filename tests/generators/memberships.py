"""Random histories of nested process trees, with the pid namespaces that their tasks really were in.

A small simulation of clone, CLONE_NEWPID, CLONE_PARENT, setns, setsid, setpgid, exit, adoption and reaping. It knows only what
inference needs: who is where. It is not the model kernel, and a history here is no plan.
"""

from random import Random
from typing import Final

import msgspec

from planner.identity import Number, Pids

INIT: Final = 1


class Space(msgspec.Struct):
    """A pid namespace: its own number, the one around it, its init and the next number that it gives."""

    number: int
    parent: "Space | None"
    level: int
    init: int = 0
    next_number: int = 1
    given: set[int] = set()

    def line(self) -> "list[Space]":
        """Return the namespaces from level 0 down to this one."""
        line: list[Space] = []
        here: Space | None = self
        while here is not None:
            line.append(here)
            here = here.parent
        return line[::-1]


class Member(msgspec.Struct):
    """A task of the history."""

    pids: Pids
    space: Space
    parent: int
    session: int
    group: int
    threads: list[Pids] = []
    zombie: bool = False
    subreaper: bool = False


class History:
    """A tree that grows and dies at random; equal seeds give equal trees."""

    def __init__(self, seed: int, depth: int = 4, highest: int = 0) -> None:
        """Begin with the init of level 0; `highest` asks for random nested numbers up to about it instead of rising ones."""
        self.random = Random(seed)
        self.depth = depth
        self.highest = highest
        self.root = Space(number=0, parent=None, level=0)
        self.spaces = [self.root]
        self.members: dict[int, Member] = {}
        self.numbers: dict[int, tuple[Pids, Space]] = {}
        """Every vector that was ever given, with its namespace."""
        self._add(self.root, parent=0, session=0, group=0, sets_session=True)
        self.root.init = INIT

    def run(self, wanted: int, steps: int) -> None:
        """Do random things until `wanted` tasks stand, but no more than `steps`."""
        for _ in range(steps):
            if len(self.members) >= wanted:
                break
            actor = self.random.choice([pid for pid, member in self.members.items() if not member.zombie])
            chance = self.random.random()
            if chance < 0.32:
                self.clone(actor, self.members[actor].space)
            elif chance < 0.44:
                self.clone(actor, None)
            elif chance < 0.62:
                self.clone(actor, self.random.choice(self.below(actor)))
            elif chance < 0.70:
                self.set_session(actor)
            elif chance < 0.82:
                self.set_group(actor)
            elif chance < 0.85:
                self.members[actor].subreaper = True
            elif chance < 0.88:
                member = self.members[actor]
                member.threads.append(self._allocate(member.space))
            else:
                self.exit(actor)

    def below(self, pid: int) -> list[Space]:
        """Return the namespaces that a task may enter, its own included; they have a living init."""
        own = self.members[pid].space
        living = [space for space in self.spaces if space.init in self.members and not self.members[space.init].zombie]
        return [space for space in living if own in space.line()]

    def clone(self, actor: int, space: Space | None) -> None:
        """Create a child, in a new namespace when `space` is None, now and then as a sibling."""
        creator = self.members[actor]
        made = space is None
        if space is None:
            if creator.space.level >= self.depth:
                return
            space = Space(number=len(self.spaces), parent=creator.space, level=creator.space.level + 1)
            self.spaces.append(space)
        sibling = creator.space.init != actor and creator.parent != 0 and self.random.random() < 0.15
        pid = self._add(space, creator.parent if sibling else actor, creator.session, creator.group, False)
        if made:
            space.init = pid

    def _allocate(self, space: Space) -> Pids:
        """Give the next numbers, now and then after some tasks that came and went."""
        line = space.line()
        passed = self.random.randrange(4) if space.next_number > 1 and self.random.random() < 0.3 else 0
        vector = []
        for level in line:
            level.next_number += passed
            number = level.next_number
            if self.highest and level.given and level.level:
                free = [number for number in range(2, self.highest + 1) if number not in level.given]
                number = self.random.choice(free or [max(level.given) + 1])
            vector.append(Number(number))
            level.given.add(number)
            level.next_number += 1
        return tuple(vector)

    def _add(self, space: Space, parent: int, session: int, group: int, sets_session: bool) -> int:
        pids = self._allocate(space)
        pid = pids[0]
        if sets_session:
            session = group = pid
        self.members[pid] = Member(pids=pids, space=space, parent=parent, session=session, group=group)
        self.numbers[pid] = (pids, space)
        return pid

    def set_session(self, pid: int) -> None:
        """Let a task lead a session, unless a group with its number lives."""
        if not any(member.group == pid for member in self.members.values()):
            self.members[pid].session = self.members[pid].group = pid

    def set_group(self, actor: int) -> None:
        """Put a task or its child into a group of its session that the actor sees, or into its own."""
        own = self.members[actor]
        targets = [actor, *(pid for pid, member in self.members.items() if member.parent == actor and not member.zombie)]
        target = self.random.choice(targets)
        member = self.members[target]
        if member.session == target or member.session != own.session:
            return
        groups = {other.group for other in self.members.values() if other.session == own.session}
        seen = sorted(group for group in groups if own.space in self.numbers[group][1].line())
        self.random.shuffle(seen)
        member.group = self.random.choice([target, *seen[:2]])

    def exit(self, pid: int) -> None:
        """Let a task end; its children are adopted, its zombie may be reaped; an init takes its namespace with it."""
        member = self.members[pid]
        if pid == INIT:
            return
        if member.space.init == pid:
            inside = [other for other, fellow in self.members.items() if member.space in fellow.space.line() and other != pid]
            pinned = {fellow.group for other, fellow in self.members.items() if other not in inside}
            if any(member.space in self.numbers[group][1].line() and group != pid for group in pinned):
                return
            if any(
                self.members[fellow.parent].space.level < member.space.level
                for other, fellow in self.members.items()
                if other in inside
            ):
                return
            for other in inside:
                del self.members[other]
        else:
            reaper = self._reaper(pid)
            for child in self.members.values():
                if child.parent == pid:
                    child.parent = reaper
        member.threads.clear()
        member.zombie = True
        if self.random.random() < 0.7:
            del self.members[pid]

    def _reaper(self, pid: int) -> int:
        space = self.members[pid].space
        here = self.members[pid].parent
        while here and self.members[here].space is space:
            if self.members[here].subreaper:
                return here
            here = self.members[here].parent
        return space.init

    def notation(self, *, dead_leaders: bool = True) -> str:
        """Write what stands in the notation of `planner.testing.forests`, with dead leaders' vectors or without."""
        words = []
        if dead_leaders:
            named = {number for member in self.members.values() for number in (member.session, member.group)}
            words = ["!" + ".".join(map(str, self.numbers[number][0])) for number in sorted(named - self.members.keys())]
        for member in self.members.values():
            words.append(".".join(map(str, member.pids)) + f":{member.parent}/{member.session}/{member.group}")
            words[-1] += ("z" if member.zombie else "") + "".join("+" + ".".join(map(str, pids)) for pids in member.threads)
        return " ".join(words)

    def truth(self) -> dict[int, int]:
        """Return the number of every task's namespace."""
        return {pid: member.space.number for pid, member in self.members.items()}
