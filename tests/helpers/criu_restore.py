"""What `criu restore` does with a tree of one pid namespace, carried out step by step; nothing here looks at crplan's checks.

It follows CRIU 4.2: the passes of `prepare_pstree_ids`, which insert helpers and say who was born in which session, then `fork`,
`restore_sid` and `restore_pgid` of every task, the end of the helpers, and who adopts their children then.
"""

from typing import Literal

import msgspec

from planner.forest.model import Forest
from planner.identity import ProcessId

FIRST_FREE = 300


class Item(msgspec.Struct):
    """A task or helper of CRIU's tree: what the image says, and behind that what it comes to."""

    pid: int
    parent: "Item | None"
    session: int
    group: int
    helper: bool = False
    born_session: int = -1
    now_session: int = -1
    now_group: int = -1
    now_parent: int = 0
    children: "list[Item]" = []


class Refused(Exception):
    """CRIU gives up."""


def outcome(forest: Forest) -> Literal["ok", "refused", "wrong"]:
    """Return what comes of a restore."""
    try:
        items = restored(forest)
    except Refused:
        return "refused"
    for pid, task in forest.tasks.items():
        item = items[pid]
        if (item.now_parent, item.now_session, item.now_group) != (task.parent, task.session, task.group):
            return "wrong"
        if task.zombie and not task.exit_status & 0x7F and task.exit_status >> 8 > 0x7F:
            return "wrong"
    return "ok"


def restored(forest: Forest) -> dict[int, Item]:
    """Carry the restore out; raises Refused."""
    items: dict[int, Item] = {}
    for task in forest.tasks.values():
        above = items.get(task.parent)
        item = items[task.pid] = Item(task.pid, above, task.session, task.group)
        if above is not None:
            # Children are pushed at the head of their parent's list.
            above.children.insert(0, item)
    root = items[forest.root]
    below_helpers(items, root)
    births(items, root)
    group_helpers(items)
    fork(root, session=0, group=0)
    groups(items)
    for item in items.values():
        if item.parent is None:
            item.now_parent = 0
        elif item.parent.helper:
            # No task is a subreaper yet when helpers end.
            item.now_parent = root.pid if root.pid == 1 else 0
        else:
            item.now_parent = item.parent.pid
    return items


def add_helper(items: dict[int, Item], pid: int, parent: Item, session: int, group: int) -> Item:
    helper = items[pid] = Item(pid, parent, session, group, helper=True)
    parent.children.insert(0, helper)
    return helper


def move(item: Item, below: Item) -> None:
    assert item.parent is not None
    item.parent.children.remove(item)
    item.parent = below
    below.children.insert(0, item)


def below_helpers(items: dict[int, Item], root: Item) -> None:
    """Put children of the root that are in foreign sessions below a helper in that session."""
    for item in list(root.children):
        if item.parent is not root or item.session in (root.session, item.pid):
            continue
        leader = items.get(item.session)
        if leader is None:
            helper = add_helper(items, item.session, root, item.session, item.session)
        else:
            used = items.keys() | {one.session for one in items.values()} | {one.group for one in items.values()}
            free = next(number for number in range(FIRST_FREE + 1, 1 << 22) if number not in used)
            helper = add_helper(items, free, leader, item.session, leader.group)
        for other in [one for one in root.children if one.session == item.session and one is not helper]:
            if other.pid != other.session:
                move(other, helper)


def births(items: dict[int, Item], root: Item) -> None:
    """Say for every task between a task and its session's leader in which session it was born."""
    for item in list(items.values()):
        if item is root or item.session == item.pid or (item.parent is not None and item.session == item.parent.session):
            continue
        above = item.parent
        while above is not None and above.pid != item.session:
            if above.born_session not in (-1, item.session):
                raise Refused(f"can't figure out which sid {above.pid} was born with")
            above.born_session = item.session
            above = above.parent
        if above is None:
            raise Refused(f"can't find a session leader for {item.session}")


def group_helpers(items: dict[int, Item]) -> None:
    """Put a helper that leads below the first member of a group without a leader."""
    for item in list(items.values()):
        if item.group and item.group != item.pid and item.group not in items:
            add_helper(items, item.group, item, item.session, item.group)


def fork(item: Item, session: int, group: int) -> None:
    """Be born, fork those that were born before setsid, call it, and fork the others."""
    item.now_session, item.now_group = session, group
    before = [
        child
        for child in item.children
        if (child.session if child.born_session == -1 else child.born_session) == item.born_session
    ]
    for child in before:
        fork(child, item.now_session, item.now_group)
    if item.session == item.pid:
        item.now_session = item.now_group = item.pid
    elif item.now_session != item.session:
        raise Refused(f"requested sid {item.session} doesn't match inherited {item.now_session}")
    for child in item.children:
        if child not in before:
            fork(child, item.now_session, item.now_group)


def groups(items: dict[int, Item]) -> None:
    """Let leaders make their groups, and then members join; a member of a group that its leader does not make waits for ever."""
    made: dict[int, int] = {}
    for item in items.values():
        if item.group == item.pid:
            if item.now_group != item.pid and item.now_session == item.pid:
                raise Refused("a session leader keeps its group")
            item.now_group = item.pid
            made[item.pid] = item.now_session
    for item in items.values():
        if item.now_group == item.group:
            continue
        if made.get(item.group) != item.now_session:
            raise Refused(f"can't restore pgid {item.group} of {item.pid}")
        item.now_group = item.group


def fits(forest: Forest) -> bool:
    """Tell whether this knows the tree: one pid namespace, nothing led from outside, and a root that leads its session."""
    root = forest.tasks[ProcessId(forest.root)]
    return root.session == root.pid and all(len(task.pids) == 1 and task.session and task.group for task in forest.tasks.values())
