"""Namespaces of other kinds than pid: which task makes each, which task joins it by which other one, and what cannot be restored.

All happens when every task has been born and adopted, so it does not matter which created which, but for what is there from the
start and inherited (`planner.planning.steps.entered_namespaces`).

A namespace is made by one of its members and joined by the others through a member that they can see. A user namespace comes
before what it owns: a task goes down the chain of user namespaces to its own, and makes or joins each other namespace at the
deepest one of the chain that the namespace's owner is or lies below, for there it has the capabilities (user_namespaces(7)).
"""

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeGuard

from planner.events.records import FindingRaised, NamespaceRecorded
from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.cast import Cast
from planner.planning.steps.entered_namespaces import KINDS, ROOT, USER, FromTheStart, Key, Make, NamespaceEntry
from planner.planning.steps.id_maps import MAP_NAMES, Maps, settle_maps
from planner.plans.fold import NOT_COVERED

MOST_USER_LEVELS: Final = 32
"""User namespaces nest no deeper: create_user_ns."""

UNSEEN: Final = "no process in it can be seen from the task's pid namespace"


class OtherNamespaces:
    """How a rebuild makes and joins namespaces other than pid; everything is empty where the image says nothing of them."""

    def __init__(self, cast: Cast, born: Iterable[ProcessId], share: dict[ProcessId, tuple[str, ...]]) -> None:
        """Decide for all processes, given the actors in order of birth and what each birth shares."""
        self.findings: list[FindingRaised] = []
        self.early: tuple[str, ...] = ()
        """Kinds that the root makes as soon as it is there."""
        self.moves: list[Make | NamespaceEntry] = []
        """What the tasks do later, in an order in which each namespace is made before it is joined."""
        self.holders: dict[Key, ProcessId] = {}
        """Who makes each namespace."""
        self.maps: dict[Key, Maps] = {}
        """The id maps of each user namespace that is made."""
        self._cast = cast
        forest = cast.forest
        self._records: dict[Key, NamespaceRecorded] = {
            (record.kind, record.id): record for record in forest.namespace_records if record.kind != "pid"
        }
        self._lost: set[tuple[ProcessId, str]] = set()
        self._members: dict[Key, list[ProcessId]] = {}
        self._visible: dict[Key, dict[NamespaceId, ProcessId]] = {}
        self._owners: dict[Key, NamespaceId] = {}
        self._chains: dict[NamespaceId, tuple[NamespaceId, ...]] = {ROOT: (ROOT,)}
        self._fs: set[ProcessId] = set()
        self._undo: set[ProcessId] = set()
        self._memory: set[ProcessId] = set()
        for pid, kinds in share.items():
            for kind, sharers in (("fs", self._fs), ("sysv_undo", self._undo), ("memory", self._memory)):
                if kind in kinds:
                    sharers.update((pid, cast.clones[pid].creator))
        self._decide_early()
        self._start = FromTheStart(cast, born, self.early)
        self.holders.update(self._start.holders)
        self.early_moves = self._start.moves
        """What other tasks than the root do as soon as they are there."""
        self._find_members()
        self._settle_users()
        self._find_holders()
        self._settle_maps()
        self._order()

    def enclosing(self, key: Key) -> Key:
        """Return the user namespace around one that is made, as far as it is made, too; else that of the rebuild, ROOT."""
        above = self._above(key[1])[1:]
        return USER, next((one for one in above if (USER, one) in self.holders), ROOT)

    def mapper(self, key: Key) -> ProcessId:
        """Return the process that writes the id maps of a user namespace: the maker of the one above, or the executor."""
        return OUTSIDE if key[1] == ROOT else self.holders.get(self.enclosing(key), OUTSIDE)

    def concerned(self) -> tuple[str, ...]:
        """Return the kinds that any step is about."""
        kinds = {kind for kind, _ in self.holders}
        return tuple(kind for kind in (USER, *KINDS) if kind in kinds)

    def held_with(self, pid: ProcessId) -> dict[str, ProcessId]:
        """Return for each kind that a step concerns who made the task's namespace, 0 where it is the executor's."""
        found: dict[str, ProcessId] = {}
        if self.holders and self._living(pid):
            recorded = self._cast.forest.other_namespaces.get(pid, {})
            for kind in self.concerned():
                identity = recorded.get(kind, NamespaceId(-1))
                if identity < 0 or (pid, kind) in self._lost:
                    continue
                holder = self.holders.get((kind, identity), OUTSIDE if identity == ROOT else None)
                if holder is not None:
                    found[kind] = holder
        return found

    # What there is.

    def _living(self, pid: ProcessId) -> bool:
        task = self._cast.forest.tasks.get(pid)
        return task is not None and not task.zombie

    def _decide_early(self) -> None:
        """Have the root make what its namespaces differ in from those of the process that took the image."""
        root = self._cast.forest.root
        own = self._cast.forest.other_namespaces.get(root, {})
        created = [
            kind
            for kind in (USER, *KINDS)
            if own.get(kind) == ROOT and (kind, ROOT) in self._records and self._records[kind, ROOT].facts.get("created") == "yes"
        ]
        if not self._living(root):
            return
        if USER in created and "mnt" not in created:
            # A proc instance of the new pid namespace can be made in a mount namespace of that user namespace only.
            created.append("mnt")
            if "mnt" in own:
                self._lose(root, "mnt", "with a user namespace of its own the root gets a mount namespace of its own")
        self.early = tuple(created)

    def _find_members(self) -> None:
        """Collect who must get into which namespace, in image order, and pass over what cannot be."""
        for pid, kinds in self._cast.forest.other_namespaces.items():
            for kind in (USER, *KINDS) if self._living(pid) else ():
                identity = kinds.get(kind, NamespaceId(-1))
                if identity < 0 or (identity == ROOT and kind not in self.early) or self._start.has(pid, (kind, identity)):
                    continue
                if why := self._why_not(pid, kind, identity):
                    self._lose(pid, kind, why)
                else:
                    self._members.setdefault((kind, identity), []).append(pid)

    def _why_not(self, pid: ProcessId, kind: str, identity: NamespaceId) -> str:
        """Say why a task cannot get into a namespace, "" where it can."""
        if USER in self.early and not self._start.has(pid, (USER, ROOT)):
            return "it is created outside the root's user namespace"
        if kind == USER and self._cast.forest.threads.get(pid):
            return "its threads must be created with their numbers, which no process in it may choose"
        if kind in (USER, "mnt") and pid in self._fs:
            return "it shares filesystem information, which ends when it enters one"
        if kind == "ipc" and pid in self._undo:
            return "it shares its semaphore undo list, which ends when it enters one"
        if kind == "time" and pid in self._memory:
            return "it shares memory, and only a task that shares none with another enters one"
        return self._why_not_made(identity) if kind == USER else ""

    def _why_not_made(self, identity: NamespaceId) -> str:
        """Say why no user namespace can be made there, "" where it can."""
        if self._has_no_ids(identity):
            return "no process can make a user namespace in one without id maps"
        if len(self._above(identity)) > MOST_USER_LEVELS:
            return f"user namespaces nest {MOST_USER_LEVELS} levels deep and no deeper"
        return ""

    def _user(self, pid: ProcessId) -> NamespaceId:
        """Return the user namespace that a task ends in, as far as it gets into it."""
        if (pid, USER) in self._lost:
            return ROOT
        return max(self._cast.forest.other_namespaces.get(pid, {}).get(USER, ROOT), ROOT)

    def _above(self, user: NamespaceId) -> list[NamespaceId]:
        """Return a user namespace and those above it below the root's; one more than there can be where there is no end."""
        path: list[NamespaceId] = []
        while user != ROOT and len(path) <= MOST_USER_LEVELS:
            path.append(user)
            record = self._records.get((USER, user))
            user = ROOT if record is None or record.parent < 0 else record.parent
        return path

    def _chain(self, user: NamespaceId) -> tuple[NamespaceId, ...]:
        """Return the user namespaces from the root's to `user`, only those that a task gets into."""
        found = self._chains.get(user)
        if found is None:
            inhabited = [above for above in self._above(user) if (USER, above) in self.holders]
            found = self._chains[user] = (ROOT, *inhabited[::-1])
        return found

    # Id maps.

    def _recorded_map(self, user: NamespaceId, name: str) -> str | None:
        record = self._records.get((USER, user))
        return None if record is None else record.facts.get(name)

    def _has_no_ids(self, user: NamespaceId) -> bool:
        """Tell whether the image says of a user namespace above `user` that a map of it is empty."""
        above = self._above(user)[1:] + [ROOT] * (USER in self.early)
        return any(self._recorded_map(one, name) == "" for one in above for name in MAP_NAMES)

    def _settle_maps(self) -> None:
        """Find what is to be written for each user namespace that is made, the outer ones first; tell what cannot be."""
        users = [number for kind, number in self.holders if kind == USER]
        users.sort(key=lambda user: (len(self._above(user)), user))
        texts = {user: {name: self._recorded_map(user, name) for name in MAP_NAMES} for user in users}
        around = {user: self.enclosing((USER, user))[1] for user in users if user != ROOT}
        maps, lost = settle_maps(texts, around)
        self.maps = {(USER, user): found for user, found in maps.items()}
        for user, (name, why) in lost.items():
            self._lose_map((USER, user), name, why)

    def _lose_map(self, key: Key, name: str, why: str) -> None:
        holder = self.holders[key]
        self.findings.append(
            FindingRaised(
                code="id-map-lost",
                pid=holder,
                property=name,
                detail=f"the {name} of task {holder}'s user namespace cannot be written: {why}; its root is the task's own user",
                because=self._cast.clones[holder].because,
            )
        )

    # Which task makes it, and which is seen by which.

    def _settle_users(self) -> None:
        """Decide who gets into which user namespace, the outer ones first: everything else goes by that."""
        actors = self._cast.clones
        keys = sorted((key for key in self._members if key[0] == USER), key=lambda key: (len(self._above(key[1])), key[1]))
        for key in keys:
            outer = [(USER, above) for above in self._above(key[1])[1:] if (USER, above) in self.holders]
            seen = [self._visible[above] for above in outer]
            members = self._members.pop(key)
            able = [pid for pid in members if all(actors[pid].namespace in spaces for spaces in seen)]
            if able:
                self.holders[key] = self._choose(key, able)
                self._show(self.holders[key], self._visible.setdefault(key, {}))
                able = [pid for pid in able if actors[pid].namespace in self._visible[key]]
                self._members[key] = able
            for pid in sorted(set(members).difference(able)):
                self._lose(pid, USER, UNSEEN)

    def _find_holders(self) -> None:
        for key, members in self._members.items():
            if key[0] != USER and key not in self.holders:
                self.holders[key] = self._choose(key, members)
        for key, holder in self.holders.items():
            if key in self._members:
                seen = self._visible[key] = {}
                self._show(holder, seen)
                for pid in self._cast.forest.tasks if key in self._start.holders else ():
                    if self._start.has(pid, key) and self._living(pid):
                        self._show(pid, seen)

    def _choose(self, key: Key, members: list[ProcessId]) -> ProcessId:
        """Choose who makes a namespace: one in its owner if there is one, of these one that most see, then in image order."""
        record = self._records.get(key)
        actors = self._cast.clones
        if record is not None and record.owner >= 0 and key[0] != USER:
            members = [pid for pid in members if self._user(pid) == record.owner] or members
        spaces = [actors[pid].namespace for pid in members]
        if len(set(spaces)) == 1:
            return members[0]
        counts: dict[NamespaceId, int] = {}
        for space in spaces:
            counts[space] = counts.get(space, 0) + 1
        seen_by = {space: sum(counts.get(outer, 0) for outer in self._cast.spaces.chain(space)) for space in counts}
        most = max(seen_by.values())
        return next(pid for pid, space in zip(members, spaces, strict=True) if seen_by[space] == most)

    def _show(self, pid: ProcessId, seen: dict[NamespaceId, ProcessId]) -> None:
        """Note that a task is visible in its own pid namespace and in those above."""
        for space in self._cast.spaces.chain(self._cast.clones[pid].namespace):
            seen.setdefault(space, pid)

    def _stage(self, key: Key, chain: tuple[NamespaceId, ...]) -> int:
        """Return how far down a chain of user namespaces a task has the rights over a namespace, and no further."""
        owner = self._owners.get(key)
        if owner is None:
            record = self._records.get(key)
            holder = self.holders[key]
            own = self._chain(self._user(holder))
            owner = own[-1] if record is None or record.owner < 0 else record.owner
            if holder == self._cast.forest.root and key[1] == ROOT:
                owner = ROOT
            elif owner not in own:
                above = self._chain(owner)
                owner = next(user for user in reversed(own) if user in above or user == ROOT)
            self._owners[key] = owner
        above = self._chain(owner)
        return max(index for index, user in enumerate(chain) if user in above or user == ROOT)

    # The order.

    def _moves_of(self, pid: ProcessId, keys: list[Key]) -> deque[Make | NamespaceEntry]:
        """Return what one task does: on each level of its chain what is made, then what is joined, then the next level."""
        chain = self._chain(self._user(pid))
        stages: list[list[Key]] = [[] for _ in chain]
        for key in keys:
            if key[0] != USER:
                stages[self._stage(key, chain)].append(key)
        moves: deque[Make | NamespaceEntry] = deque()
        for index, user in enumerate(chain):
            down = [(USER, user)] if index else []
            for batch in (down, stages[index]):
                made = tuple(key for key in batch if self.holders[key] == pid)
                if made:
                    moves.append(Make(pid, made))
                moves.extend(NamespaceEntry(pid, key, OUTSIDE) for key in batch if self.holders[key] != pid)
        return moves

    def _order(self) -> None:
        """Order all moves so that a namespace is made before it is joined; what waits for each other in a ring is lost."""
        wanted: dict[ProcessId, list[Key]] = {}
        for key, members in self._members.items():
            for pid in members:
                wanted.setdefault(pid, []).append(key)
        ranks = {kind: rank for rank, kind in enumerate((USER, *KINDS))}
        left = {
            pid: self._moves_of(pid, sorted(wanted[pid], key=lambda key: ranks[key[0]]))
            for pid in self._cast.forest.tasks
            if pid in wanted
        }
        made: set[Key] = set(self._start.holders)
        waiting: dict[Key, list[ProcessId]] = {}
        ready = deque(left)
        self._advance(left, made, waiting, ready)
        while any(left.values()):
            given_up = len(self.findings)
            for pid, own in left.items():
                waiting_for = own[0] if own else None
                if waiting_for is not None and self._may_give_up(waiting_for):
                    own.popleft()
                    self._lose(pid, waiting_for.key[0], "who makes it waits for this task to make another")
                    ready.append(pid)
                    self._advance(left, made, waiting, ready)
            assert len(self.findings) > given_up

    @staticmethod
    def _may_give_up(move: Make | NamespaceEntry) -> TypeGuard[NamespaceEntry]:
        """Tell whether a move that waits may be left out: everything else goes by who is in which user namespace.

        Makers of user namespaces wait for outer ones only, so whatever waits in a ring waits for another kind somewhere.
        """
        return isinstance(move, NamespaceEntry) and move.key[0] != USER

    def _advance(
        self,
        left: dict[ProcessId, deque[Make | NamespaceEntry]],
        made: set[Key],
        waiting: dict[Key, list[ProcessId]],
        ready: deque[ProcessId],
    ) -> None:
        """Let the tasks that are ready do what they can, and those that become ready by it."""
        while ready:
            moves = left[ready.popleft()]
            while moves and self._may_move(moves[0], made, waiting):
                move = moves.popleft()
                if isinstance(move, Make):
                    self.moves.append(move)
                    made.update(move.keys)
                    for key in move.keys:
                        ready.extend(waiting.pop(key, ()))
                    continue
                target = self._visible[move.key].get(self._cast.clones[move.pid].namespace)
                if target is None:
                    self._lose(move.pid, move.key[0], UNSEEN)
                else:
                    self.moves.append(NamespaceEntry(move.pid, move.key, target))

    def _may_move(self, move: Make | NamespaceEntry, made: set[Key], waiting: dict[Key, list[ProcessId]]) -> bool:
        """Tell whether a move can be done, and note what it waits for otherwise."""
        if isinstance(move, Make) or move.key in made:
            return True
        waiting.setdefault(move.key, []).append(move.pid)
        return False

    def _lose(self, pid: ProcessId, kind: str, why: str) -> None:
        self._lost.add((pid, kind))
        self.findings.append(
            FindingRaised(
                code=NOT_COVERED,
                pid=pid,
                property=kind,
                detail=f"task {pid} does not get into its {kind} namespace: {why}",
                because=self._cast.clones[pid].because,
            )
        )
