"""Steps that put processes into groups, during the births and after them."""

from planner.identity import OUTSIDE, ProcessId
from planner.planning.clones import Clone, makers_of
from planner.planning.steps.draft import Book, Needs
from planner.steps import Enter, SetGroup


def group_made(book: Book, group: ProcessId) -> Needs:
    """Return the step that made a group, as what joining it needs."""
    return [(book.changed.get(group, 0) or book.created.get(group, 0), "group-before-member")]


def set_group(book: Book, actor: Clone, group: ProcessId, rule: str, needs: Needs) -> None:
    """Have `actor` move itself to a group that it can see."""
    if actor.pid in book.moved:
        needs = [*needs, (book.moved[actor.pid], "group-before-member")]
    waits = book.waits(actor.pid, needs)
    number = book.next()
    book.add(SetGroup(number=number, actor=actor.pid, rule=rule, waits=waits, target=actor.pid, group=group), actor.because)
    book.groups[actor.pid] = group
    if group != actor.pid:
        book.joins.setdefault(group, []).append(number)


def set_group_by_parent(book: Book, actor: Clone, group: ProcessId, needs: Needs) -> None:
    """Have the outer parent move `actor` to a group that has no number in its pid namespace."""
    parent = book.parents[actor.pid]
    needs = [*needs, (book.created[actor.pid], "child-before-leaving"), (book.last.get(actor.pid, 0), "child-before-leaving")]
    number = book.next()
    step = SetGroup(
        number=number,
        actor=parent,
        rule="group-by-parent",
        waits=book.waits(parent, needs),
        target=actor.pid,
        group=group,
    )
    book.add(step, actor.because)
    book.moved[actor.pid] = number
    book.joins.setdefault(group, []).append(number)
    book.groups[actor.pid] = group


def final_groups(book: Book) -> None:
    """Leave the births: each process back in its own namespace, and in its final group."""
    cast = book.cast
    for pid, where in book.inside.items():
        actor = cast.clones.get(pid)
        own = OUTSIDE if actor is None else cast.init(actor)
        if where != own and (actor is None or not actor.ends):
            because = () if actor is None else actor.because
            book.add(Enter(number=book.next(), actor=pid, rule="entered", namespace=own), because)
    leaving: list[Clone] = []
    makers = makers_of(cast.clones)
    for actor in cast.clones.values():
        if actor.ends or actor.group == book.groups[actor.pid] or actor.session == actor.pid:
            continue
        if actor.pid in makers:
            leaving.append(actor)
        else:
            _move(book, actor, [])
    for actor in _leavers(book, leaving):
        _move(book, actor, [(number, "member-before-leaving") for number in book.joins.get(actor.pid, ())])


def _move(book: Book, actor: Clone, needs: Needs) -> None:
    """Move a task to its final group, by itself or by its outer parent."""
    cast = book.cast
    group = actor.group
    assert group is not None, "a task has a group"
    needs += group_made(book, group)
    if group != OUTSIDE and cast.spaces.covers(actor.namespace, cast.clones[group].namespace):
        set_group(book, actor, group, "group-member", needs)
        return
    needs.append((book.changed.get(actor.pid, 0), "group-before-member"))
    set_group_by_parent(book, actor, group, needs)


def _leavers(book: Book, leaving: list[Clone]) -> list[Clone]:
    """Order those that leave the group they made: who joins another leaver's group goes before that one leaves.

    Rings have an anchor (`cast_anchors`): the group of the anchored one outlives its leaving.
    """
    anchored = {actor.keeps for actor in book.cast.clones.values()}
    by_pid = {actor.pid: actor for actor in leaving}
    joiners = dict.fromkeys(by_pid, 0)
    for actor in leaving:
        if actor.group in joiners and actor.group not in anchored:
            joiners[actor.group] += 1
    free = [pid for pid, count in joiners.items() if count == 0]
    ordered: list[Clone] = []
    for pid in free:
        ordered.append(by_pid[pid])
        group = by_pid[pid].group
        if group in joiners and group not in anchored:
            joiners[group] -= 1
            if joiners[group] == 0:
                free.append(group)
    return ordered
