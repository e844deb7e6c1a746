"""Steps that make and join namespaces of other kinds than pid."""

from planner.planning.clones import Clone
from planner.planning.steps.draft import Book, Needs
from planner.planning.steps.entered_namespaces import USER, Key, Make, NamespaceEntry
from planner.steps import Join, MapIds, Unshare


def other_namespaces(book: Book) -> None:
    """Have every task make or join its namespaces."""
    for move in book.others.moves:
        change_namespaces(book, move)


def change_namespaces(book: Book, move: Make | NamespaceEntry) -> None:
    """Have a task make namespaces, or join one where a task that is in it already shows it."""
    actor = book.cast.clones[move.pid]
    if isinstance(move, Make):
        if move.keys[0][0] == USER:
            _make_user(book, actor, move.keys[0])
        else:
            unshare(book, actor, move.keys, "namespace-made")
        return
    made = book.made[move.key]
    came = made if book.actors_of[made] == move.target else book.created[move.target]
    step = Join(
        number=book.next(),
        actor=move.pid,
        rule="namespace-joined",
        waits=book.waits(move.pid, [(came, "namespace-before-joined")]),
        kind=move.key[0],
        target=move.target,
    )
    book.add(step, actor.because)


def unshare(book: Book, actor: Clone, keys: tuple[Key, ...], rule: str, needs: Needs | None = None) -> None:
    """Have a task make namespaces for itself, by `rule`."""
    waits = book.waits(actor.pid, needs or [])
    step = Unshare(number=book.next(), actor=actor.pid, rule=rule, waits=waits, kinds=tuple(kind for kind, _ in keys))
    book.made.update(dict.fromkeys(keys, book.add(step, actor.because)))


def _make_user(book: Book, actor: Clone, key: Key) -> None:
    """Have a task make a user namespace, in one that has its maps, and have its own maps written."""
    above = book.mapped.get(book.others.enclosing(key), 0)
    unshare(book, actor, (key,), "user-namespace-made", [(above, "maps-before-below")])
    map_ids(book, actor, key)


def map_ids(book: Book, actor: Clone, key: Key) -> None:
    """Have the maps of a user namespace written, where they are known, by a task that may."""
    maps = book.others.maps[key]
    if not (maps.own or maps.uid_map or maps.gid_map):
        return
    mapper = book.others.mapper(key)
    step = MapIds(
        number=book.next(),
        actor=mapper,
        rule="ids-mapped",
        waits=book.waits(mapper, [(book.made[key], "namespace-before-joined")]),
        target=actor.pid,
        own=maps.own,
        uid_map=maps.uid_map,
        gid_map=maps.gid_map,
    )
    book.mapped[key] = book.add(step, actor.because)
