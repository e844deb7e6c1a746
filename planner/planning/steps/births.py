"""Steps that create processes, in the order of births, with the changes of session and group that stand between births."""

from planner.forest.model import ROOT_NAMESPACE
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.planning.cast import Event
from planner.planning.clones import Clone
from planner.planning.steps.draft import Book, Needs
from planner.planning.steps.entered_namespaces import USER
from planner.planning.steps.groups import group_made, set_group, set_group_by_parent
from planner.planning.steps.namespaces import change_namespaces, map_ids, unshare
from planner.steps import Create, Enter, SetSession


def births(book: Book, order: list[Event]) -> None:
    """Create all processes, and have leaders change session and group, as ordered."""
    actors = book.cast.clones
    for event in order:
        actor = actors[event.pid]
        change = event.change
        if change is None:
            _create(book, actor, event)
        elif change.kind == "setsid":
            waits = book.waits(actor.pid, [(book.moved.get(actor.pid, 0), "group-before-member")])
            step = SetSession(number=book.next(), actor=actor.pid, rule="session-leader", waits=waits)
            book.changed[actor.pid] = book.add(step, actor.because)
            book.groups[actor.pid] = actor.pid
        elif change.kind == "make":
            set_group(book, actor, actor.pid, "group-leader", [])
            book.changed[actor.pid] = len(book.planned)
        elif change.kind == "moved":
            set_group_by_parent(book, actor, change.group, group_made(book, change.group))
        elif change.kind == "visit":
            set_group(book, actor, change.group, "group-visitor", group_made(book, change.group))
        elif book.groups[actor.pid] != change.group:
            rule = actor.rule if actor.ends else "group-member"
            set_group(book, actor, change.group, rule, group_made(book, change.group))


def _create(book: Book, actor: Clone, event: Event) -> None:
    cast = book.cast
    creator = cast.clones.get(actor.creator)
    init = cast.init(actor)
    is_init = init == actor.pid
    nested = is_init and actor.pid != 1
    where = cast.spaces.init(cast.spaces.outside(actor.namespace)) if is_init else init
    own = OUTSIDE if creator is None else cast.init(creator)
    if book.inside.get(actor.creator, own) != where:
        _enter(book, actor, where, [] if where == own else [(book.created[where], "init-before-entry")])
    rule = actor.rule
    if rule == "parent-creates" and nested:
        rule = "nested-init-first"
    elif rule == "parent-creates" and where != own and not is_init:
        rule = "entered"
    needs: Needs = [(book.created[pid], rule) for pid, rule in event.after]
    if actor.creator in book.moved:
        needs.append((book.moved[actor.creator], "group-before-member"))
    step = Create(
        number=book.next(),
        actor=actor.creator,
        rule=rule,
        waits=book.waits(actor.creator, needs) if needs else (),
        child=actor.pid,
        new_namespace=is_init,
        new_user=actor.pid == 1 and USER in book.others.early,
        sibling=actor.sibling,
        share=book.share.get(actor.pid, ()),
        exit_signal=0 if actor.sibling else book.exit_signals.asked[actor.pid],
    )
    book.created[actor.pid] = book.add(step, actor.because)
    if where != own:
        book.entries.setdefault(where, []).append(step.number)
    book.groups[actor.pid] = book.groups.get(actor.creator, OUTSIDE)
    if actor.sibling:
        book.parents[actor.pid] = book.parents[actor.creator]
        book.siblings.setdefault(book.parents[actor.pid], []).append(step.number)
    else:
        book.parents[actor.pid] = actor.creator
    _give_namespaces(book, actor, step.number)


def _enter(book: Book, actor: Clone, where: ProcessId, needs: Needs) -> None:
    """Have an actor's creator enter the namespace that the actor is born in."""
    waits = book.waits(actor.creator, needs)
    book.add(Enter(number=book.next(), actor=actor.creator, rule="entered", waits=waits, namespace=where), actor.because)
    book.inside[actor.creator] = where


def _give_namespaces(book: Book, actor: Clone, created: StepNumber) -> None:
    """Have a process that has just been created make and enter the namespaces of other kinds that it has from its birth on."""
    others = book.others
    if actor.pid == 1 and USER in others.early:
        book.made[USER, ROOT_NAMESPACE] = created
        map_ids(book, actor, (USER, ROOT_NAMESPACE))
    keys = tuple((kind, ROOT_NAMESPACE) for kind in others.early if kind != USER)
    if keys and actor.pid == book.cast.forest.root:
        unshare(book, actor, keys, "namespaces-of-root")
    for move in others.early_moves.get(actor.pid, ()):
        change_namespaces(book, move)
