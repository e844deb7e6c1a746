"""Steps that end processes: helpers and zombies whose children are adopted, and all other zombies, which come last."""

from planner.planning.clones import Clone
from planner.planning.steps.draft import Book, Needs
from planner.steps import Exit, Kill, Reap, SetSubreaper


def end_helpers(book: Book) -> None:
    """End every helper, and every zombie that leaves children, the last created first, and have the children adopted."""
    cast = book.cast
    mortals = [actor for actor in cast.clones.values() if actor.ends or _is_left(actor)]
    mortals.sort(key=lambda actor: -book.created[actor.pid])
    for actor in mortals:
        _end_helper(book, actor)


def _is_left(actor: Clone) -> bool:
    """Tell whether a zombie has created children that others adopt."""
    return actor.zombie and actor.adopter is not None


def _end_helper(book: Book, actor: Clone) -> None:
    cast = book.cast
    parent = book.parents[actor.pid]
    needs: Needs = [(number, "served-before-ending") for number in book.siblings.get(actor.pid, ())]
    needs += [(number, "member-before-leaving") for number in book.joins.get(actor.pid, ())]
    if actor.keeps is not None:
        needs += [(number, "member-before-leaving") for number in book.joins.get(actor.keeps, ())]
    if cast.init(actor) == actor.pid:
        needs += [(number, "served-before-ending") for number in book.reaps.get(actor.pid, ())]
    init = cast.init(actor)
    adopter = actor.adopter
    if adopter is not None:
        needs.append((book.adoption, "adoptions-in-order"))
    if adopter is not None and adopter != init:
        waits = book.waits(adopter, [(book.adoption, "adoptions-in-order")])
        flag = SetSubreaper(number=book.next(), actor=adopter, rule="adopter", waits=waits, on=True)
        needs.append((book.add(flag, actor.because), "flag-before-adoption"))
    if actor.ends:
        end = Exit(number=book.next(), actor=actor.pid, rule="helper-ends", waits=book.waits(actor.pid, needs))
        ended = book.add(end, actor.because)
        waits = book.waits(parent, [(ended, "ended-before-reaped")])
        last = book.add(Reap(number=book.next(), actor=parent, rule="helper-reaped", waits=waits, child=actor.pid), actor.because)
        book.reaps.setdefault(init, []).append(last)
    else:
        needs.append((book.moved.get(actor.pid, 0), "served-before-ending"))
        last = _end_zombie(book, actor, "zombie-leaves-children", needs)
    if adopter is not None and adopter != init:
        waits = book.waits(adopter, [(last, "reaped-before-flag-off")])
        step = SetSubreaper(number=book.next(), actor=adopter, rule="adopter-done", waits=waits, on=False)
        last = book.add(step, actor.because)
    if adopter is not None:
        book.adoption = last


def end_zombies(book: Book) -> None:
    """End the zombies: first the inits that their parents must kill, as a parent may be a zombie too."""
    cast = book.cast
    tasks = cast.forest.tasks
    zombies = [actor for actor in cast.clones.values() if actor.zombie and not _is_left(actor)]
    killed = [actor for actor in zombies if _is_killed(book, actor)]
    for actor in (*killed, *(actor for actor in zombies if not _is_killed(book, actor))):
        task = tasks[actor.pid]
        init = cast.init(actor) == actor.pid
        needs: Needs = [(number, "served-before-ending") for number in book.siblings.get(actor.pid, ())]
        needs.append((book.adoption, "adoptions-in-order"))
        if init:
            needs += [(number, "served-before-ending") for number in book.reaps.get(actor.pid, ())]
            needs += [(number, "entry-before-ending") for number in book.entries.get(actor.pid, ())]
        if _is_killed(book, actor):
            parent = book.parents[actor.pid] if actor.parent is None else actor.parent
            needs.append((book.created[actor.pid], "served-before-ending"))
            needs.append((book.last.get(actor.pid, 0), "served-before-ending"))
            waits = book.waits(parent, needs)
            book.add(
                Kill(
                    number=book.next(),
                    actor=parent,
                    rule="init-killed",
                    waits=waits,
                    target=actor.pid,
                    signal=task.exit_status & 0x7F,
                ),
                actor.because,
            )
            continue
        _end_zombie(book, actor, "zombie-last", needs)


def _end_zombie(book: Book, actor: Clone, rule: str, needs: Needs) -> int:
    """Have a zombie end by itself, with the status that the image records; returns the step."""
    forest = book.cast.forest
    task = forest.tasks[actor.pid]
    step = Exit(
        number=book.next(),
        actor=actor.pid,
        rule=rule,
        waits=book.waits(actor.pid, needs),
        status=task.exit_status,
        thread_only=bool(forest.threads.get(actor.pid)),
    )
    return book.add(step, (*actor.because, task.state_recorded) if task.state_recorded >= 0 else actor.because)


def _is_killed(book: Book, actor: Clone) -> bool:
    """Tell whether a zombie is an init that was ended by a signal, which only its parent can send."""
    init = book.cast.init(actor) == actor.pid
    return init and bool(book.cast.forest.tasks[actor.pid].exit_status & 0x7F)
