"""The steps of a plan, phase by phase, each with its rule and what it waits for.

Births and first changes come as `planner.order` found them. Then every task moves to its final group; those that leave a group
which bears their own number go last. Then helpers end, in reverse order of their creation, which is a post-order of the tree of
births: whoever must adopt a helper's children is still its ancestor, and no other process bears a subreaper's flag. Then come
namespaces of other kinds than pid, threads, the final subreaper flags, and zombies. Nothing is left to chance between processes:
a step names the steps of others that it needs, and all else is the order of steps within one process.
"""

from planner.cast import ANY, Actor, Cast
from planner.entered_namespaces import USER, Key, Make
from planner.entered_namespaces import Enter as EnterOther
from planner.events import FindingRaised, StepPlanned
from planner.exit_signals import ExitSignals
from planner.forest import ROOT_NAMESPACE
from planner.groups import leads_group
from planner.identity import OUTSIDE, ProcessId, Sequence, StepNumber
from planner.order import Event
from planner.other_namespaces import OtherNamespaces
from planner.plans import (
    AnyStep,
    Create,
    CreateThread,
    Enter,
    Exit,
    Join,
    Kill,
    MapIds,
    Reap,
    SetGroup,
    SetSession,
    SetSubreaper,
    Unshare,
    Verify,
    Wait,
)
from planner.sharing import Sharing

Needs = list[tuple[int, str]]
"""Step numbers and the rules by which they come before; 0 is no step."""


class Steps:
    """Writes the steps of one cast, given its births in order."""

    def __init__(self, cast: Cast) -> None:
        """Prepare for one cast; `write` does the work."""
        self.cast = cast
        self.planned: list[StepPlanned] = []
        self.share: dict[ProcessId, tuple[str, ...]] = {}
        self.findings: list[FindingRaised] = []
        self.actors_of: list[ProcessId] = [OUTSIDE]
        """The actor of each step, by number."""
        self.created: dict[ProcessId, int] = {}
        self.changed: dict[ProcessId, int] = {}
        self.groups: dict[ProcessId, ProcessId] = {}
        """The group that each process is in."""
        self.parents: dict[ProcessId, ProcessId] = {}
        """The parent at birth."""
        self.inside: dict[ProcessId, ProcessId] = {}
        """The namespace, by its init, that an actor's children are born in, where it is not its own."""
        self.siblings: dict[ProcessId, list[int]] = {}
        """Steps of others that gave a process a child."""
        self.moved: dict[ProcessId, int] = {}
        """The last step by which an outer parent moved a process."""
        self.last: dict[ProcessId, int] = {}
        """The last step of each process so far."""
        self.entries: dict[ProcessId, list[int]] = {}
        """Steps that created a process in a namespace from outside it, by the namespace's init."""
        self.joins: dict[ProcessId, list[int]] = {}
        """Steps that joined a group."""
        self.reaps: dict[ProcessId, list[int]] = {}
        """Steps that reaped a helper of a namespace, by its init."""
        self.made: dict[Key, int] = {}
        """The step that made each namespace of another kind than pid."""
        self.mapped: dict[Key, int] = {}
        """The step that wrote the id maps of each user namespace."""
        self.others: OtherNamespaces
        self.exit_signals: ExitSignals
        self.adoption = 0
        """The last step of the last adoption."""

    def write(self, order: list[Event]) -> list[StepPlanned]:
        """Return all steps, numbered from 1."""
        born = [event.pid for event in order if event.change is None]
        sharing = Sharing(self.cast, born)
        self.share = sharing.flags
        self.others = OtherNamespaces(self.cast, born, self.share)
        self.exit_signals = ExitSignals(self.cast, born)
        self.findings = sharing.findings + self.exit_signals.findings + self.others.findings
        self._births(order)
        self._final_groups()
        self._end_helpers()
        self._other_namespaces()
        self._threads()
        self._subreapers()
        self._zombies()
        self._verify()
        return self.planned

    def _next(self) -> StepNumber:
        return StepNumber(len(self.actors_of))

    def _add(self, step: AnyStep, because: tuple[Sequence, ...]) -> int:
        self.actors_of.append(step.actor)
        self.last[step.actor] = step.number
        self.planned.append(StepPlanned(step=step, because=because))
        return step.number

    def _waits(self, actor: ProcessId, needs: Needs) -> tuple[Wait, ...]:
        """Keep of `needs` what other processes do, the first rule for each step, in step order."""
        others: dict[int, str] = {}
        for number, rule in needs:
            if number and self.actors_of[number] != actor:
                others.setdefault(number, rule)
        return tuple(Wait(StepNumber(number), others[number]) for number in sorted(others)) if others else ()

    # Births.

    def _births(self, order: list[Event]) -> None:
        actors = self.cast.actors
        for event in order:
            actor = actors[event.pid]
            change = event.change
            if change is None:
                self._create(actor, event)
            elif change.kind == "setsid":
                waits = self._waits(actor.pid, [(self.moved.get(actor.pid, 0), "group-before-member")])
                step = SetSession(number=self._next(), actor=actor.pid, rule="session-leader", waits=waits)
                self.changed[actor.pid] = self._add(step, actor.because)
                self.groups[actor.pid] = actor.pid
            elif change.kind == "make":
                self._set_group(actor, actor.pid, "group-leader", [])
                self.changed[actor.pid] = len(self.planned)
            elif change.kind == "moved":
                self._set_group_by_parent(actor, change.group, self._made(change.group))
            elif self.groups[actor.pid] != change.group:
                rule = actor.rule if actor.mortal else "group-member"
                self._set_group(actor, change.group, rule, self._made(change.group))

    def _made(self, group: ProcessId) -> Needs:
        """Return the step that made a group, as what joining it needs."""
        return [(self.changed.get(group, 0) or self.created.get(group, 0), "group-before-member")]

    def _set_group(self, actor: Actor, group: ProcessId, rule: str, needs: Needs) -> None:
        """Have `actor` move itself to a group that it can see."""
        if actor.pid in self.moved:
            needs = [*needs, (self.moved[actor.pid], "group-before-member")]
        waits = self._waits(actor.pid, needs)
        number = self._next()
        self._add(SetGroup(number=number, actor=actor.pid, rule=rule, waits=waits, target=actor.pid, group=group), actor.because)
        self.groups[actor.pid] = group
        if group != actor.pid:
            self.joins.setdefault(group, []).append(number)

    def _create(self, actor: Actor, event: Event) -> None:
        cast = self.cast
        creator = cast.actors.get(actor.creator)
        init = cast.spaces[actor.space].init
        is_init = init == actor.pid
        nested = is_init and actor.pid != 1
        where = cast.spaces[cast.spaces[actor.space].parent].init if nested else OUTSIDE if is_init else init
        own = OUTSIDE if creator is None else cast.spaces[creator.space].init
        if self.inside.get(actor.creator, own) != where:
            needs: Needs = [] if where == own else [(self.created[where], "init-before-entry")]
            enter = Enter(
                number=self._next(), actor=actor.creator, rule="entered", waits=self._waits(actor.creator, needs), namespace=where
            )
            self._add(enter, actor.because)
            self.inside[actor.creator] = where
        rule = actor.rule
        if rule == "parent-creates" and nested:
            rule = "nested-init-first"
        elif rule == "parent-creates" and where != own and not is_init:
            rule = "entered"
        needs = [(self.created[pid], rule) for pid, rule in event.after]
        if actor.creator in self.moved:
            needs.append((self.moved[actor.creator], "group-before-member"))
        step = Create(
            number=self._next(),
            actor=actor.creator,
            rule=rule,
            waits=self._waits(actor.creator, needs) if needs else (),
            child=actor.pid,
            new_namespace=is_init,
            new_user=actor.pid == 1 and USER in self.others.early,
            sibling=actor.sibling,
            share=self.share.get(actor.pid, ()),
            exit_signal=0 if actor.sibling else self.exit_signals.asked[actor.pid],
        )
        self.created[actor.pid] = self._add(step, actor.because)
        if where != own:
            self.entries.setdefault(where, []).append(step.number)
        self.groups[actor.pid] = self.groups.get(actor.creator, OUTSIDE)
        if actor.sibling:
            self.parents[actor.pid] = self.parents[actor.creator]
            self.siblings.setdefault(self.parents[actor.pid], []).append(step.number)
        else:
            self.parents[actor.pid] = actor.creator
        if actor.pid == 1 and USER in self.others.early:
            self.made[USER, ROOT_NAMESPACE] = step.number
            self._map_ids(actor, (USER, ROOT_NAMESPACE))
        if actor.pid == cast.root and self.others.early:
            keys = tuple((kind, ROOT_NAMESPACE) for kind in self.others.early if kind != USER)
            if keys:
                self._unshare(actor, keys, "namespaces-of-root")
        for move in self.others.early_moves.get(actor.pid, ()):
            self._change_namespaces(move)

    # Final groups.

    def _final_groups(self) -> None:
        """Leave the births: everybody back in its own namespace, and in its final group."""
        cast = self.cast
        for pid, where in self.inside.items():
            actor = cast.actors.get(pid)
            own = OUTSIDE if actor is None else cast.spaces[actor.space].init
            if where != own and (actor is None or not actor.mortal):
                because = () if actor is None else actor.because
                self._add(Enter(number=self._next(), actor=pid, rule="entered", namespace=own), because)
        leaving: list[Actor] = []
        makers = leads_group(cast)
        for actor in cast.actors.values():
            if actor.mortal or actor.group == self.groups[actor.pid] or actor.session == actor.pid:
                continue
            if actor.pid in makers:
                leaving.append(actor)
            else:
                self._move(actor, [])
        for actor in self._leavers(leaving):
            self._move(actor, [(number, "member-before-leaving") for number in self.joins.get(actor.pid, ())])

    def _move(self, actor: Actor, needs: Needs) -> None:
        """Move a task to its final group, by itself or by its outer parent."""
        cast = self.cast
        group = actor.group
        needs += self._made(group)
        if group != OUTSIDE and cast.covers(actor.space, cast.space_of(group)):
            self._set_group(actor, group, "group-member", needs)
            return
        needs.append((self.changed.get(actor.pid, 0), "group-before-member"))
        self._set_group_by_parent(actor, group, needs)

    def _set_group_by_parent(self, actor: Actor, group: ProcessId, needs: Needs) -> None:
        """Have the outer parent move `actor` to a group that has no number in its pid namespace."""
        parent = self.parents[actor.pid]
        needs = [*needs, (self.created[actor.pid], "child-before-leaving"), (self.last.get(actor.pid, 0), "child-before-leaving")]
        number = self._next()
        step = SetGroup(
            number=number,
            actor=parent,
            rule="group-by-parent",
            waits=self._waits(parent, needs),
            target=actor.pid,
            group=group,
        )
        self._add(step, actor.because)
        self.moved[actor.pid] = number
        self.joins.setdefault(group, []).append(number)
        self.groups[actor.pid] = group

    def _leavers(self, leaving: list[Actor]) -> list[Actor]:
        """Order those that leave the group they made: who joins another leaver's group goes before that one leaves.

        Rings have an anchor (`cast_anchors`): the group of the anchored one outlives its leaving.
        """
        anchored = {actor.creator for actor in self.cast.actors.values() if actor.rule == "group-anchor"}
        by_pid = {actor.pid: actor for actor in leaving}
        joiners = dict.fromkeys(by_pid, 0)
        for actor in leaving:
            if actor.group in joiners and actor.group not in anchored:
                joiners[actor.group] += 1
        free = [pid for pid, count in joiners.items() if count == 0]
        ordered: list[Actor] = []
        for pid in free:
            ordered.append(by_pid[pid])
            group = by_pid[pid].group
            if group in joiners and group not in anchored:
                joiners[group] -= 1
                if joiners[group] == 0:
                    free.append(group)
        return ordered

    # Ends.

    def _end_helpers(self) -> None:
        """End every helper, the last created first, and have its children adopted."""
        cast = self.cast
        mortals = [actor for actor in cast.actors.values() if actor.mortal]
        mortals.sort(key=lambda actor: -self.created[actor.pid])
        for actor in mortals:
            self._end_helper(actor)

    def _end_helper(self, actor: Actor) -> None:
        cast = self.cast
        parent = self.parents[actor.pid]
        needs: Needs = [(number, "served-before-ending") for number in self.siblings.get(actor.pid, ())]
        needs += [(number, "member-before-leaving") for number in self.joins.get(actor.pid, ())]
        if actor.rule == "group-anchor":
            needs += [(number, "member-before-leaving") for number in self.joins.get(actor.creator, ())]
        if cast.spaces[actor.space].init == actor.pid:
            needs += [(number, "served-before-ending") for number in self.reaps.get(actor.pid, ())]
        init = cast.spaces[actor.space].init
        flagged = actor.adopter not in (ANY, init)
        if actor.adopter != ANY:
            needs.append((self.adoption, "adoptions-in-order"))
        if flagged:
            waits = self._waits(actor.adopter, [(self.adoption, "adoptions-in-order")])
            flag = SetSubreaper(number=self._next(), actor=actor.adopter, rule="adopter", waits=waits, on=True)
            needs.append((self._add(flag, actor.because), "flag-before-adoption"))
        end = Exit(number=self._next(), actor=actor.pid, rule="helper-ends", waits=self._waits(actor.pid, needs))
        ended = self._add(end, actor.because)
        waits = self._waits(parent, [(ended, "ended-before-reaped")])
        last = self._add(
            Reap(number=self._next(), actor=parent, rule="helper-reaped", waits=waits, child=actor.pid), actor.because
        )
        self.reaps.setdefault(init, []).append(last)
        if flagged:
            waits = self._waits(actor.adopter, [(last, "reaped-before-flag-off")])
            step = SetSubreaper(number=self._next(), actor=actor.adopter, rule="adopter-done", waits=waits, on=False)
            last = self._add(step, actor.because)
        if actor.adopter != ANY:
            self.adoption = last

    # Namespaces of other kinds than pid.

    def _other_namespaces(self) -> None:
        """Have every task make or join its namespaces."""
        for move in self.others.moves:
            self._change_namespaces(move)

    def _change_namespaces(self, move: Make | EnterOther) -> None:
        actor = self.cast.actors[move.pid]
        if isinstance(move, Make):
            if move.keys[0][0] == USER:
                self._make_user(actor, move.keys[0])
            else:
                self._unshare(actor, move.keys, "namespace-made")
            return
        made = self.made[move.key]
        came = made if self.actors_of[made] == move.target else self.created[move.target]
        step = Join(
            number=self._next(),
            actor=move.pid,
            rule="namespace-joined",
            waits=self._waits(move.pid, [(came, "namespace-before-joined")]),
            kind=move.key[0],
            target=move.target,
        )
        self._add(step, actor.because)

    def _unshare(self, actor: Actor, keys: tuple[Key, ...], rule: str, needs: Needs | None = None) -> None:
        waits = self._waits(actor.pid, needs or [])
        step = Unshare(number=self._next(), actor=actor.pid, rule=rule, waits=waits, kinds=tuple(kind for kind, _ in keys))
        self.made.update(dict.fromkeys(keys, self._add(step, actor.because)))

    def _make_user(self, actor: Actor, key: Key) -> None:
        """Have a task make a user namespace, in one that has its maps, and have its own maps written."""
        above = self.mapped.get(self.others.enclosing(key), 0)
        self._unshare(actor, (key,), "user-namespace-made", [(above, "maps-before-below")])
        self._map_ids(actor, key)

    def _map_ids(self, actor: Actor, key: Key) -> None:
        maps = self.others.maps[key]
        if not (maps.own or maps.uid_map or maps.gid_map):
            return
        mapper = self.others.mapper(key)
        step = MapIds(
            number=self._next(),
            actor=mapper,
            rule="ids-mapped",
            waits=self._waits(mapper, [(self.made[key], "namespace-before-joined")]),
            target=actor.pid,
            own=maps.own,
            uid_map=maps.uid_map,
            gid_map=maps.gid_map,
        )
        self.mapped[key] = self._add(step, actor.because)

    def _threads(self) -> None:
        for group, threads in self.cast.forest.threads.items():
            for thread in threads:
                step = CreateThread(number=self._next(), actor=group, rule="thread-of-process", child=ProcessId(thread.pids[0]))
                self._add(step, (thread.recorded,))

    def _subreapers(self) -> None:
        waits_for: Needs = [(self.adoption, "adoptions-in-order")]
        for task in self.cast.forest.tasks.values():
            if task.subreaper:
                waits = self._waits(task.pid, waits_for)
                step = SetSubreaper(number=self._next(), actor=task.pid, rule="final-subreaper", waits=waits, on=True)
                self._add(step, (task.recorded,))

    def _zombies(self) -> None:
        """End the zombies: first the inits that their parents must kill, as a parent may be a zombie too."""
        cast = self.cast
        tasks = cast.forest.tasks
        zombies = [actor for actor in cast.actors.values() if actor.zombie]
        killed = [actor for actor in zombies if self._is_killed(actor)]
        for actor in (*killed, *(actor for actor in zombies if not self._is_killed(actor))):
            task = tasks[actor.pid]
            init = cast.spaces[actor.space].init == actor.pid
            needs: Needs = [(number, "served-before-ending") for number in self.siblings.get(actor.pid, ())]
            needs.append((self.adoption, "adoptions-in-order"))
            if init:
                needs += [(number, "served-before-ending") for number in self.reaps.get(actor.pid, ())]
                needs += [(number, "entry-before-ending") for number in self.entries.get(actor.pid, ())]
            if self._is_killed(actor):
                parent = self.parents[actor.pid] if actor.parent == ANY else actor.parent
                needs.append((self.created[actor.pid], "served-before-ending"))
                needs.append((self.last.get(actor.pid, 0), "served-before-ending"))
                waits = self._waits(parent, needs)
                self._add(
                    Kill(
                        number=self._next(),
                        actor=parent,
                        rule="init-killed",
                        waits=waits,
                        target=actor.pid,
                        signal=task.exit_status & 0x7F,
                    ),
                    actor.because,
                )
                continue
            step = Exit(
                number=self._next(),
                actor=actor.pid,
                rule="zombie-last",
                waits=self._waits(actor.pid, needs),
                status=task.exit_status,
                thread_only=bool(cast.forest.threads.get(actor.pid)),
            )
            self._add(step, (*actor.because, task.state_recorded) if task.state_recorded >= 0 else actor.because)

    def _is_killed(self, actor: Actor) -> bool:
        """Tell whether a zombie is an init that was ended by a signal, which only its parent can send."""
        init = self.cast.spaces[actor.space].init == actor.pid
        return init and bool(self.cast.forest.tasks[actor.pid].exit_status & 0x7F)

    def _verify(self) -> None:
        forest = self.cast.forest
        actors = self.cast.actors
        threads = forest.threads
        for pid, task in forest.tasks.items():
            step = Verify(
                number=self._next(),
                actor=OUTSIDE,
                rule="verify",
                target=pid,
                parent=actors[pid].parent,
                group=task.group,
                session=task.session,
                zombie=task.state == "zombie",
                status=task.exit_status,
                threads=tuple(ProcessId(thread.pids[0]) for thread in threads.get(pid, ())),
                subreaper=task.subreaper,
                exit_signal=self.exit_signals.final.get(pid, -1),
                namespaces=self.others.held_with(pid),
            )
            self._add(step, (task.recorded,))
