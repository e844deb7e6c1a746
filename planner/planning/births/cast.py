"""The cast of a rebuild: everybody who takes part, with what each must be in the end.

Tasks of the image, stand-ins for dead leaders, the init of a subtree image and helpers are all actors. An actor has a pid
namespace, a session and a group, and the births that `planner.planning.births.births` decides: a creator, a parent at birth,
and the session and group that the creator is in at that moment. The executor is actor 0: it stands at level -1, above
everything.
"""

from planner.errors import Contradiction
from planner.forest.model import Forest, Namespace
from planner.identity import OUTSIDE, Level, NamespaceId, Number, Pids, ProcessId, Sequence
from planner.steps import Role

EXECUTOR_SPACE = NamespaceId(-1)
"""The executor's own pid namespace, which encloses the container's root namespace."""

FIRST_HELPER_NUMBER = 301
"""Helpers take the lowest free number from here on; the kernel itself hands out no lower number a second time (RESERVED_PIDS)."""

ANY = ProcessId(-1)
"""No demand: any session or group will do."""


SIGCHLD = 17
"""The exit signal of whoever has no other on record."""


class Actor:
    """Somebody who takes part in the rebuild: what it must be in the end, and how it is born."""

    __slots__ = (
        "adopter",
        "because",
        "birth_group",
        "birth_session",
        "creator",
        "early",
        "exit_signal",
        "group",
        "level",
        "mortal",
        "order",
        "parent",
        "pid",
        "pids",
        "role",
        "rule",
        "session",
        "sibling",
        "space",
        "stage",
        "zombie",
    )

    def __init__(self, pid: ProcessId, pids: Pids, space: NamespaceId, parent: ProcessId, session: ProcessId, group: ProcessId):
        """Make an actor that its parent creates; `group` is the final one, ANY where it does not matter."""
        self.pid = pid
        self.pids = pids
        self.space = space
        self.level = len(pids) - 1
        self.parent = parent
        self.session = session
        self.group = group
        self.role: Role = "task"
        self.zombie = False
        self.mortal = False
        """Whether the plan ends this actor again: a helper."""
        self.order = 0
        """Place among the others when nothing else decides: image order."""
        self.creator = parent
        self.birth_session = session
        """The session that the creator is in; ANY for a leader of which nothing is demanded."""
        self.birth_group = ANY
        """The group that the creator must be in; ANY where the group is set later."""
        self.early = False
        """Whether it is born before its creator changes session or group."""
        self.stage = ANY
        """The group that its creator has just come into when it is born; ANY and not `early` is: after all changes."""
        self.sibling = False
        """Whether it is born with CLONE_PARENT."""
        self.adopter = ANY
        """Who adopts the children of an actor that ends; ANY where it leaves none."""
        self.exit_signal = SIGCHLD
        self.rule = "parent-creates"
        self.because: tuple[Sequence, ...] = ()

    def leads_session(self) -> bool:
        """Tell whether this is a session leader."""
        return self.session == self.pid


class Cast:
    """All actors of one rebuild by number, and the pid namespaces that they live in."""

    def __init__(self, forest: Forest) -> None:
        """Take the image's tasks, and a reaper above a root that is not number 1; raises Contradiction for outer facts."""
        self.forest = forest
        self.places: dict[ProcessId, int] = {}
        """How many pid namespaces each dead group leader could have lived in."""
        self.spaces: dict[NamespaceId, Namespace] = dict(forest.namespaces)
        self.actors: dict[ProcessId, Actor] = {}
        self.root = forest.root
        self.leader_spaces: dict[ProcessId, NamespaceId] = {}
        self.moves: dict[ProcessId, list[ProcessId]] = {}
        """Groups that a process is in for its children, one after the other, before its own changes.

        It joins those that it sees, and its outer parent puts it into the others.
        """
        self.joining: set[ProcessId] = set()
        """Tasks that join their group before they create children that must inherit it."""
        self.asked: dict[tuple[ProcessId, ProcessId], Actor] = {}
        """For a process and a group that it must be in for a child, the first such child."""
        self.asked_by: dict[ProcessId, Actor] = {}
        """For a leader with a birth session, the child that it must create in it."""
        self._spans: dict[ProcessId, tuple[int, int]] | None = None
        self._used: dict[NamespaceId, set[int]] | None = None
        self._next: dict[NamespaceId, int] = {}
        actors = self.actors
        order = 64
        for pid, task in forest.tasks.items():
            actor = Actor(pid, task.pids, task.namespace, task.parent, task.session, task.group)
            order += 64
            actor.order = order
            actor.zombie = task.state == "zombie"
            if task.exit_signal >= 0:
                actor.exit_signal = task.exit_signal
            actor.because = (task.recorded,)
            actors[pid] = actor
        if self.root != 1:
            self._add_reaper()
        root = self.actors[ProcessId(1)]
        root.birth_session = root.birth_group = OUTSIDE
        root.rule = "root-first" if self.root == 1 else "reaper-for-subtree"

    def _add_reaper(self) -> None:
        """Put an init above a root that is not number 1; it leads session or group 1 where the image names them."""
        one = ProcessId(1)
        tasks = self.forest.tasks
        if one in tasks:
            raise Contradiction(
                "reaper-taken",
                f"the root is {self.root}, and number 1 is another task: no init is left to be its reaper",
                (tasks[self.root].recorded, tasks[one].recorded),
                self.root,
            )
        session = group = OUTSIDE
        for task in tasks.values():
            if task.session == one:
                session = group = one
                break
            if task.group == one:
                group = one
        reaper = Actor(one, (Number(1),), NamespaceId(0), OUTSIDE, session, group)
        reaper.role = "reaper"
        self.actors = {one: reaper, **self.actors}
        bottom = self.spaces[NamespaceId(0)]
        self.spaces[NamespaceId(0)] = Namespace(
            id=bottom.id, parent=bottom.parent, level=bottom.level, init=one, recorded=bottom.recorded
        )
        self.actors[self.root].parent = one
        self.actors[self.root].creator = one

    def covers(self, outer: NamespaceId, inner: NamespaceId) -> bool:
        """Tell whether a task in `outer` can see tasks of `inner`: it is the same namespace or an ancestor of it."""
        if outer in (inner, EXECUTOR_SPACE):
            return True
        if inner == EXECUTOR_SPACE:
            return False
        level = self.spaces[outer].level
        space = self.spaces[inner]
        while space.level > level:
            space = self.spaces[space.parent]
        return space.id == outer

    def sees(self, actor: Actor, group: ProcessId) -> bool:
        """Tell whether a group has a number in an actor's namespace."""
        return group != OUTSIDE and self.covers(actor.space, self.space_of(group))

    def is_ancestor(self, pid: ProcessId, other: ProcessId) -> bool:
        """Tell whether `pid` is a proper ancestor of `other` in the image's tree, which is walked once."""
        if self._spans is None:
            self._spans = self._walk()
        above, below = self._spans.get(pid), self._spans.get(other)
        return above is not None and below is not None and above[0] < below[0] < above[1]

    def _walk(self) -> dict[ProcessId, tuple[int, int]]:
        """Return for every task the span of places that its subtree takes in a walk from the top."""
        children: dict[ProcessId, list[ProcessId]] = {}
        for actor in self.actors.values():
            if actor.parent != ANY:
                children.setdefault(actor.parent, []).append(actor.pid)
        spans: dict[ProcessId, tuple[int, int]] = {}
        place = 0
        stack = [(pid, False) for pid in children.get(OUTSIDE, ())]
        while stack:
            pid, done = stack.pop()
            place += 1
            if done:
                spans[pid] = (spans[pid][0], place)
            else:
                spans[pid] = (place, place)
                stack.append((pid, True))
                stack += [(child, False) for child in children.get(pid, ())]
        return spans

    def space_at(self, space: NamespaceId, level: int) -> NamespaceId:
        """Return the ancestor of `space` (or itself) at `level`."""
        record = self.spaces[space]
        while record.level > level:
            record = self.spaces[record.parent]
        return record.id

    def space_of(self, leader: ProcessId) -> NamespaceId:
        """Return the pid namespace of a session or group leader; the executor's for 0."""
        if leader == OUTSIDE:
            return EXECUTOR_SPACE
        actor = self.actors.get(leader)
        return self.leader_spaces[leader] if actor is None else actor.space

    def facts(self, number: ProcessId) -> tuple[Sequence, ...]:
        """Return the event that says what is known of a task or of a dead leader; none for those whom no event names."""
        task = self.forest.tasks.get(number) or self.forest.leaders.get(number)
        return () if task is None else (task.recorded,)

    def whereabouts(self, leader: ProcessId) -> tuple[Sequence, ...]:
        """Return the event that says where a session or group is led; none for number 1 and outside, which is known."""
        return () if leader in (OUTSIDE, 1) else self.facts(leader)

    def is_init(self, actor: Actor) -> bool:
        """Tell whether an actor is the init of its pid namespace."""
        return self.spaces[actor.space].init == actor.pid

    def has_ended(self, actor: Actor) -> bool:
        """Tell whether an actor ends as a zombie with no thread left; an init that has takes its namespace with it."""
        return actor.zombie and not any(thread.state != "zombie" for thread in self.forest.threads.get(actor.pid, ()))

    def birth_parent(self, actor: Actor) -> ProcessId:
        """Return the parent at birth: the creator, or for a sibling the creator's own parent."""
        while actor.sibling:
            actor = self.actors[actor.creator]
        return actor.creator

    def signal_of(self, actor: Actor) -> int:
        """Return the exit signal that an actor is cloned with: a sibling gets its creator's."""
        while actor.sibling:
            actor = self.actors[actor.creator]
        return actor.exit_signal

    def can_be_moved(self, actor: Actor, group_space: NamespaceId, by_helper: bool = False) -> bool:
        """Tell whether the parent at birth can put `actor` into a group led in `group_space`.

        It must stand above the actor's pid namespace, in the same session, and see the group. With `by_helper` a helper in the
        session may do it, which the parent creates as it would have created the actor.
        """
        parent = self.actors.get(self.birth_parent(actor))
        if parent is None:
            return actor.session == OUTSIDE
        if not self.stands_above(parent, actor) or not self.covers(parent.space, group_space):
            return False
        return parent.session == actor.session or (by_helper and actor.creator == actor.parent and not actor.sibling)

    def stands_above(self, parent: Actor, actor: Actor) -> bool:
        """Tell whether `parent` lives in a pid namespace that encloses that of `actor`, and is not the same."""
        return parent.space != actor.space and self.covers(parent.space, actor.space)

    def chain(self, space: NamespaceId) -> list[NamespaceId]:
        """Return the namespaces from level 0 down to `space`."""
        chain = [space]
        while self.spaces[chain[-1]].level > 0:
            chain.append(self.spaces[chain[-1]].parent)
        return chain[::-1]

    def free_pids(self, space: NamespaceId, known: Pids = ()) -> Pids:
        """Return a vector for a new actor in `space`: `known` as its beginning, free numbers for the rest."""
        used = self._used_numbers()
        numbers = list(known)
        for level, here in enumerate(self.chain(space)):
            taken = used.setdefault(here, set())
            if level >= len(numbers):
                number = self._next.get(here, FIRST_HELPER_NUMBER)
                while number in taken:
                    number += 1
                self._next[here] = number + 1
                numbers.append(Number(number))
            taken.add(numbers[level])
        return tuple(numbers)

    def is_free(self, space: NamespaceId, pids: Pids) -> bool:
        """Tell whether nobody else bears the numbers of a vector that ends in `space`."""
        used = self._used_numbers()
        return all(number not in used.get(here, ()) for here, number in zip(self.chain(space)[1:], pids[1:], strict=False))

    def _used_numbers(self) -> dict[NamespaceId, set[int]]:
        """Collect the numbers that the image uses in each namespace, once."""
        if self._used is None:
            used: dict[NamespaceId, set[int]] = {space: set() for space in self.spaces}
            forest = self.forest
            bottom = used[NamespaceId(0)]
            bottom.add(1)
            for actor in self.actors.values():
                bottom.add(actor.pid)
                bottom.add(actor.session)
                bottom.add(actor.group)
                if actor.level > 0:
                    for here, number in zip(self.chain(actor.space), actor.pids, strict=True):
                        used[here].add(number)
            for threads in forest.threads.values():
                for thread in threads:
                    bottom.add(thread.pids[0])
                    if len(thread.pids) > 1:
                        chain = self.chain(self.actors[thread.thread_group].space)
                        for here, number in zip(chain, thread.pids, strict=True):
                            used[here].add(number)
            bottom.update(forest.leaders)
            self._used = used
        return self._used

    def add_helper(
        self, creator: ProcessId, space: NamespaceId, session: ProcessId, rule: str, served: Actor, known: Pids = ()
    ) -> Actor:
        """Add a mortal actor in `space`, a child of `creator`, that serves the actor `served` and stands before it."""
        pids = self.free_pids(space, known)
        helper = Actor(ProcessId(pids[0]), pids, space, creator, session, ANY)
        helper.parent = ANY
        helper.role = "helper"
        helper.mortal = True
        helper.order = served.order - 1
        helper.rule = rule
        helper.because = served.because
        self.actors[helper.pid] = helper
        return helper

    def take_place(self, helper: Actor, actor: Actor) -> None:
        """Have `helper` be born when `actor` would have been, which becomes the child or sibling of the helper."""
        helper.early, helper.stage, helper.sibling = actor.early, actor.stage, actor.sibling
        helper.creator, actor.creator = actor.creator, helper.pid
        actor.early, actor.stage = False, ANY

    def add_twin(self, helper: Actor, served: Actor) -> Actor:
        """Add a second helper like `helper`, with the same creator and adopter, for `served`; groups are left open."""
        twin = self.add_helper(helper.creator, helper.space, helper.session, helper.rule, served)
        twin.adopter, twin.early, twin.stage, twin.sibling = helper.adopter, helper.early, helper.stage, helper.sibling
        return twin

    def add_lost_space(self, parent: NamespaceId, init: ProcessId) -> NamespaceId:
        """Add a pid namespace that the image has lost; its init was a dead leader, whose stand-in comes next."""
        space = NamespaceId(max(self.spaces) + 1)
        level = Level(self.spaces[parent].level + 1)
        self.spaces[space] = Namespace(id=space, parent=parent, level=level, init=init, recorded=Sequence(-1))
        return space
