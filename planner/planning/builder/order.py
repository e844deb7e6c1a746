"""The order of a rebuild's births, and of the changes of session and group that stand between them.

A process goes through stages: as it was born, then in one group after the other, then with its own session or group. It leaves a
stage when all that are cloned in it are there. Births and changes come in this order, ties broken by image order. Where nothing
can go on, the births of the solution tell what can: the first process of it that is not there yet has a creator that could clone
it, were it not held back at an earlier stage. That stage is left to a keeper, a helper that stays in its session and group and
clones the others later. So the order is always found, as the births of a solution are in an order of events.
"""

import heapq
from collections.abc import Iterable

import msgspec

from planner.identity import OUTSIDE, ProcessId
from planner.planning.builder.changes import birth_parent, changes_of
from planner.planning.cast import Change, Event
from planner.planning.clones import AS_BORN, LAST, Clone
from planner.planning.solver.solution import Solution
from planner.planning.spaces import Spaces


class Unordered(Exception):
    """The births of a solution could not be brought into an order: a rule of the search or of the builder is wrong."""


class CannotBeMoved(Exception):
    """A process would have to be moved to a group before its parent leaves the session, and the group cannot be there by then."""

    def __init__(self, pid: ProcessId) -> None:
        super().__init__(pid)
        self.pid = pid


class Sorting:
    """Births and changes as they are put into order."""

    def __init__(self, spaces: Spaces, solution: Solution, clones: dict[ProcessId, Clone]) -> None:
        """Prepare for the processes of a solution; `run` does the work, and adds keepers to `clones`."""
        self.clones = clones
        self.events: list[Event] = []
        self._spaces = spaces
        self._solution = solution
        self._left = changes_of(spaces, solution, clones)
        """The changes that each process has yet to make; the last one is the final one."""
        self._unborn: dict[tuple[ProcessId, ProcessId], dict[ProcessId, None]] = {}
        """Those that are not there yet, by creator and stage."""
        self._stages: dict[ProcessId, ProcessId] = {OUTSIDE: AS_BORN}
        """The stage of every process that is there."""
        self._made: set[ProcessId] = {OUTSIDE}
        """The groups that are there."""
        self._moving: dict[ProcessId, set[ProcessId]] = {}
        """Children that a process must move before it has its own session."""
        self._for_space: dict[ProcessId, list[ProcessId]] = {}
        """Those that wait for the init of a namespace."""
        self._for_group: dict[ProcessId, list[ProcessId]] = {}
        """Those that wait for a group to be made."""
        self._heap: list[tuple[int, int, ProcessId, Change | None]] = []
        self._queued: set[tuple[ProcessId, Change | None]] = set()
        for clone in clones.values():
            self._unborn.setdefault((clone.creator, clone.stage), {})[clone.pid] = None
            if any(change.kind == "moved" for change in self._left.get(clone.pid, ())):
                parent = birth_parent(clones, clone)
                if parent in clones and clones[parent].leads_session and clone.birth_session != parent:
                    self._moving.setdefault(parent, set()).add(clone.pid)

    def run(self) -> list[Event]:
        """Return all births and changes in order; raises Unordered and CannotBeMoved."""
        self._offer(OUTSIDE)
        while True:
            while self._heap:
                _, _, pid, change = heapq.heappop(self._heap)
                self._queued.discard((pid, change))
                if change is None:
                    self._bear(pid)
                elif change in self._left.get(pid, ()):
                    self._change(pid, change)
            if not self._unblock_first():
                return self.events

    def _push(self, pid: ProcessId, change: Change | None) -> None:
        if (pid, change) not in self._queued:
            self._queued.add((pid, change))
            heapq.heappush(self._heap, (self.clones[pid].order, len(self.events), pid, change))

    def _waiting(self, pid: ProcessId) -> list[ProcessId]:
        """Return those that a process must clone before it goes on."""
        last = () if self._left.get(pid) else self._unborn.get((pid, LAST), ())
        return [*self._unborn.get((pid, self._stages[pid]), ()), *last]

    def _offer(self, pid: ProcessId) -> None:
        """Have a process clone what it can at its stage, and go on where that is nothing."""
        for child in self._waiting(pid):
            self._offer_birth(child)
        self._advance(pid)

    def _offer_birth(self, pid: ProcessId) -> None:
        clone = self.clones[pid]
        space = clone.namespace
        init = self._spaces.init(space)
        if init == pid:
            init = self._spaces.init(self._spaces.outside(space))
        if init in self._stages:
            self._push(pid, None)
        else:
            self._for_space.setdefault(init, []).append(pid)

    def _advance(self, pid: ProcessId) -> None:
        """Have a process make its next change, if nothing holds it back."""
        left = self._left.get(pid)
        if not left or self._unborn.get((pid, self._stages[pid])):
            return
        for change in left:
            if change.group != pid and change.group not in self._made:
                self._for_group.setdefault(change.group, []).append(pid)
            elif change is not left[-1] or (len(left) == 1 and not (change.kind == "setsid" and self._moving.get(pid))):
                self._push(pid, change)
                return

    def _bear(self, pid: ProcessId) -> None:
        """Note that a process is there."""
        clone = self.clones[pid]
        creator = self.clones.get(clone.creator)
        init = self._spaces.init(clone.namespace)
        enters = pid not in (1, init) and (creator is None or creator.namespace != clone.namespace)
        self.events.append(Event(pid, None, ((init, "init-before-entry"),) if enters else ()))
        del self._unborn[clone.creator, clone.stage][pid]
        self._stages[pid] = AS_BORN
        for other in self._for_space.pop(pid, ()):
            if self.clones[other].creator in self._stages and other in self._waiting(self.clones[other].creator):
                self._push(other, None)
        self._offer(pid)
        self._advance(clone.creator)

    def _change(self, pid: ProcessId, change: Change) -> None:
        """Note that a process has come into another group or session."""
        self.events.append(Event(pid, change))
        self._left[pid].remove(change)
        self._stages[pid] = change.group
        if change.group == pid:
            self._made.add(pid)
            for other in self._for_group.pop(pid, ()):
                self._advance(other)
        if change.kind == "moved" and not any(change.kind == "moved" for change in self._left[pid]):
            parent = birth_parent(self.clones, self.clones[pid])
            if parent in self._moving:
                self._moving[parent].discard(pid)
                self._advance(parent)
        self._offer(pid)

    # Where nothing can go on.

    def _unblock_first(self) -> bool:
        """Have the creator of the first process that is not there yet go on; tell whether any process is not there."""
        for birth in self._solution.births:
            if birth.pid not in self._stages:
                pid = birth.pid
                while self.clones[pid].creator not in self._stages:
                    pid = self.clones[pid].creator
                self._unblock(self.clones[pid].creator, set())
                return True
        for pid, left in self._left.items():
            if left:
                self._unblock(pid, set())
                return True
        return False

    def _unblock(self, pid: ProcessId, met: set[ProcessId]) -> None:
        """Have a process leave its stage, or the process that it waits for."""
        met.add(pid)
        if waiting := self._waiting(pid):
            self._keep(pid, waiting)
            self._advance(pid)
            return
        change = next((change for change in self._left[pid] if change.group != pid and change.group not in self._made), None)
        if change is not None:
            if change.group in self._stages and change.group not in met:
                self._unblock(change.group, met)
            else:
                self._give_up(pid, change)
            return
        moving = next((child for child in self._moving.get(pid, ()) if child not in met), None)
        if moving is None:
            raise Unordered(f"{pid} cannot go on from stage {self._stages[pid]}")
        if moving not in self._stages:
            raise CannotBeMoved(moving)
        self._unblock(moving, met)

    def _give_up(self, pid: ProcessId, change: Change) -> None:
        """Have a keeper join a group in place of a process that would wait too long for it."""
        if change.kind == "moved":
            self._make_first(pid)
            return
        self._left[pid].remove(change)
        self._keep(pid, list(self._unborn.get((pid, change.group), ())), change.group)
        self._offer(pid)

    def _make_first(self, pid: ProcessId) -> None:
        """Have a process make its own group before it is moved to one that is not there yet, and leave a helper in its own."""
        left, make = self._left[pid], Change("make", pid)
        if left[-1] != make or len(left) == 1:
            raise CannotBeMoved(pid)
        left.insert(0, left.pop())
        groups = {birth.pid: birth.group for birth in self._solution.births}
        for child in list(self._unborn.get((pid, LAST), ())):
            if groups.get(child) == pid:
                del self._unborn[pid, LAST][child]
                self.clones[child] = msgspec.structs.replace(self.clones[child], stage=pid)
                self._unborn.setdefault((pid, pid), {})[child] = None
        leader = self.clones[pid]
        pids = self._spaces.free_pids(leader.namespace)
        anchor = Clone(
            pid=ProcessId(pids[0]),
            pids=pids,
            namespace=leader.namespace,
            parent=None,
            session=leader.session,
            group=None,
            role="helper",
            order=leader.order + 1,
            creator=pid,
            birth_session=leader.session,
            stage=pid,
            keeps=pid,
            rule="group-anchor",
            because=leader.because,
        )
        self.clones[anchor.pid] = anchor
        self._unborn.setdefault((pid, pid), {})[anchor.pid] = None
        self._advance(pid)

    def _keep(self, pid: ProcessId, children: Iterable[ProcessId], joined: ProcessId | None = None) -> None:
        """Leave children to helpers in the session and group that their creator is in now, or that then join a group."""
        keepers: dict[bool, ProcessId] = {}
        for child in children:
            clone = self.clones[child]
            if clone.sibling not in keepers:
                keepers[clone.sibling] = self._keeper(self.clones[pid], clone, joined)
            del self._unborn[clone.creator, clone.stage][child]
            moved = msgspec.structs.replace(clone, creator=keepers[clone.sibling], stage=LAST, sibling=True)
            self.clones[child] = moved
            self._unborn.setdefault((moved.creator, LAST), {})[child] = None
        for keeper in keepers.values():
            self._push(keeper, None)

    def _keeper(self, creator: Clone, served: Clone, joined: ProcessId | None) -> ProcessId:
        pids = self._spaces.free_pids(creator.namespace)
        pid = ProcessId(pids[0])
        session = creator.session if self._stages[creator.pid] == creator.pid else creator.birth_session
        stage = self._stages[creator.pid]
        self.clones[pid] = Clone(
            pid=pid,
            pids=pids,
            namespace=creator.namespace,
            parent=None,
            session=session,
            group=joined,
            role="helper",
            order=served.order - 1,
            creator=creator.pid,
            birth_session=session,
            stage=stage,
            sibling=served.sibling,
            rule="window-helper" if joined is None else "group-helper",
            because=served.because,
        )
        self._unborn.setdefault((creator.pid, stage), {})[pid] = None
        if joined is not None:
            self._left[pid] = [Change("join", joined)]
        return pid
