"""Plans written by hand, one for each ability that a plan can need of an executor.

They need neither an image nor the planner: a test of an executor, a back end or the model kernel takes `PLANS` and has every
kind of step in small trees. Each says in its first line what is in it.
"""

from collections.abc import Callable
from typing import Final

from planner.plans.model import Plan
from planner.testing.drafts import with_init
from planner.testing.plans_births import (
    adopted_by_init,
    adopted_by_subreaper,
    crossed_groups,
    entered_and_adopted,
    entered_from_inside,
    entered_from_outside,
    fork_before_setsid,
    moved_back,
    moved_from_outside,
    nested_namespaces,
    parent_and_child,
    process_groups,
    siblings,
    single,
    sparse_numbers,
)
from planner.testing.plans_states import (
    exit_signals,
    mapped_user_namespaces,
    other_namespaces,
    shared_memory,
    shared_tables,
    stopped,
    subtree,
    threads,
    user_namespaces,
    zombie_inits,
    zombie_leader,
    zombie_with_threads,
    zombies,
)


def wide(count: int = 50) -> Plan:
    """An init with many children."""
    draft = with_init(f"wide {count}")
    for number in range(2, count + 2):
        draft.create(1, number)
    draft.verify(1, 0, 1, 1)
    for number in range(2, count + 2):
        draft.verify(number, 1, 1, 1)
    return draft.plan(1)


def chain(count: int = 30) -> Plan:
    """A chain in which every task is the child of the last; every fifth leads a session."""
    draft = with_init(f"chain {count}")
    session = {1: 1}
    for number in range(2, count + 2):
        draft.create(number - 1, number)
        session[number] = session[number - 1]
        if number % 5 == 0:
            draft.setsid(number)
            session[number] = number
    draft.verify(1, 0, 1, 1)
    for number in range(2, count + 2):
        draft.verify(number, number - 1, session[number], session[number])
    return draft.plan(1)


def taken_number() -> Plan:
    """Two tasks that want number 5 of a nested namespace."""
    draft = with_init("taken number")
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(10, 11, 5)
    draft.create(10, 12, 5)
    return draft.plan(1)


def setsid_of_a_leader() -> Plan:
    """A session leader that asks for a session again."""
    draft = with_init("setsid of a leader")
    draft.create(1, 2)
    draft.setsid(2)
    draft.setsid(2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    return draft.plan(1)


def group_without_members() -> Plan:
    """A task that joins a group without a leader."""
    draft = with_init("group without members")
    draft.create(1, 2)
    draft.setpgid(2, 2, 77)
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def reap_of_the_living() -> Plan:
    """A parent that waits for a child which never ends: only the timeout helps."""
    draft = with_init("reap of the living")
    draft.create(1, 2)
    draft.reap(1, 2)
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def wrong_namespace() -> Plan:
    """Every step works, and a task that should be in another's namespace is in its own."""
    draft = with_init("wrong namespace")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.unshare(2, "uts")
    draft.unshare(3, "uts")
    draft.verify(1, 0, 1, 1, namespaces={"uts": 0})
    draft.verify(2, 1, 1, 1, namespaces={"uts": 2})
    draft.verify(3, 1, 1, 1, namespaces={"uts": 2})
    return draft.plan(1)


def join_from_below() -> Plan:
    """A task that would enter, from a user namespace of its own, a namespace that the outer one owns."""
    draft = with_init("join from below")
    draft.create(1, 2)
    draft.create(1, 3)
    made = draft.unshare(2, "uts")
    draft.unshare(3, "user")
    draft.join(3, "uts", 2, after=(made,))
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def wrong_session() -> Plan:
    """Every step works, and the tree is another than the one that was promised."""
    draft = with_init("wrong session")
    draft.create(1, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 2)
    return draft.plan(1)


def forgotten_helper() -> Plan:
    """A helper that the plan never ends."""
    draft = with_init("forgotten helper")
    draft.create(1, 2, role="helper")
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


PLANS: Final[dict[str, Callable[[], Plan]]] = {
    function.__name__: function
    for function in (
        single,
        parent_and_child,
        sparse_numbers,
        fork_before_setsid,
        process_groups,
        crossed_groups,
        nested_namespaces,
        entered_from_outside,
        moved_from_outside,
        moved_back,
        entered_from_inside,
        siblings,
        adopted_by_init,
        adopted_by_subreaper,
        entered_and_adopted,
        zombies,
        zombie_inits,
        exit_signals,
        stopped,
        threads,
        zombie_leader,
        zombie_with_threads,
        subtree,
        shared_tables,
        shared_memory,
        other_namespaces,
        user_namespaces,
        mapped_user_namespaces,
        wide,
        chain,
    )
}
"""Plans that every executor either carries out exactly or refuses before its first step."""

FAILURES: Final[dict[str, tuple[Callable[[], Plan], int, str]]] = {
    function.__name__: (function, step, error)
    for function, step, error in (
        (taken_number, 5, "EEXIST"),
        (setsid_of_a_leader, 5, "EPERM"),
        (group_without_members, 4, "EPERM"),
        (reap_of_the_living, 4, "ETIMEDOUT"),
        (wrong_session, 5, ""),
        (wrong_namespace, 9, ""),
        (join_from_below, 7, "EPERM"),
        (forgotten_helper, 0, ""),
    )
}
"""Plans that must fail: the step that does, 0 for any, and the errno's name, empty where the kernel returned none."""
