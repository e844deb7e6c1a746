"""Namespaces of other kinds than pid on the model kernel: who may make and join them, and what a plan must prove."""

import pytest

from planner.kernel.rules import KERNEL_RULES
from planner.kernel.simulation import ModelRefusal, simulate
from planner.testing.drafts import Draft, with_init
from planner.testing.plans import PLANS


def refused(draft: Draft) -> str:
    """Return the rule by which the last step of a draft is refused; all others must work."""
    plan = draft.plan(1)
    with pytest.raises(ModelRefusal) as refusal:
        simulate(plan)
    assert refusal.value.step == len(plan.steps)
    return refusal.value.rule


def family() -> Draft:
    draft = with_init("family")
    for task in (2, 3, 4):
        draft.create(1, task)
    return draft


def test_a_namespace_is_inherited_and_its_maker_is_known() -> None:
    draft = family()
    draft.unshare(2, "uts", "net")
    draft.create(2, 5)
    for task, holder in ((1, 0), (2, 2), (3, 0), (4, 0), (5, 2)):
        draft.verify(task, {1: 0, 5: 2}.get(task, 1), 1, 1, namespaces={"uts": holder, "net": holder, "ipc": 0})
    simulate(draft.plan(1))


@pytest.mark.parametrize("namespaces", [{"uts": 0}, {"uts": 3}, {"net": 2}, {"moon": 0}, {"uts": 99}])
def test_a_verify_step_that_says_otherwise_is_refused(namespaces: dict[str, int]) -> None:
    draft = family()
    draft.unshare(2, "uts")
    draft.unshare(3, "uts")
    draft.verify(2, 1, 1, 1, namespaces=namespaces)
    assert refused(draft) == "plan-verify"


def test_who_is_said_to_have_made_a_namespace_must_not_be_in_the_executors() -> None:
    draft = family()
    draft.verify(2, 1, 1, 1, namespaces={"uts": 2})
    assert refused(draft) == "plan-verify"


def test_rights_over_the_outer_namespaces_end_with_a_user_namespace_of_ones_own() -> None:
    draft = family()
    made = draft.unshare(2, "uts")
    draft.unshare(3, "user")
    draft.join(3, "uts", 2, after=(made,))
    assert refused(draft) == "join-rights"
    assert KERNEL_RULES["join-rights"].errno == "EPERM"


def test_a_user_namespace_owns_what_is_made_in_it_and_the_outer_one_may_enter_that() -> None:
    draft = family()
    draft.unshare(2, "user")
    made = draft.unshare(2, "net")
    draft.join(3, "net", 2, after=(made,))
    draft.join(3, "user", 2, after=(made,))
    simulate(draft.plan(1))
    draft.unshare(4, "user")
    draft.join(4, "net", 2, after=(made,))
    assert refused(draft) == "join-rights"


def test_the_user_namespace_that_one_is_in_is_not_joined_again() -> None:
    draft = family()
    draft.join(3, "user", 2)
    assert refused(draft) == "join-own-user"


@pytest.mark.parametrize("thread", [False, True])
def test_in_a_user_namespace_of_its_own_nobody_chooses_numbers(thread: bool) -> None:
    draft = family()
    draft.unshare(2, "user")
    if thread:
        draft.thread(2, 5)
    else:
        draft.create(2, 5)
    assert refused(draft) == "numbers-need-rights"


@pytest.mark.parametrize("kind", ["user", "net"])
def test_threads_come_after_the_namespaces_of_their_process(kind: str) -> None:
    draft = family()
    made = draft.unshare(3, kind)
    draft.thread(2, 5)
    draft.join(2, kind, 3, after=(made,))
    assert refused(draft) == "namespace-threads"
    other = family()
    other.thread(2, 5)
    other.unshare(2, kind)
    assert refused(other) == "namespace-threads"


def test_a_namespace_is_not_joined_through_a_process_out_of_sight() -> None:
    draft = family()
    draft.create(1, 10, 1, new_namespace=True)
    made = draft.unshare(2, "uts")
    draft.join(10, "uts", 2, after=(made,))
    assert refused(draft) == "join-gone"
    gone = family()
    gone.unshare(2, "uts")
    ended = gone.exit(2)
    gone.join(3, "uts", 2, after=(ended,))
    assert refused(gone) == "join-gone"


@pytest.mark.parametrize(("share", "kind"), [("fs", "mnt"), ("fs", "user"), ("sysv_undo", "ipc")])
def test_what_ends_sharing_is_refused_on_both_sides(share: str, kind: str) -> None:
    for actor in (2, 5):
        draft = family()
        draft.create(2, 5, share=(share,))
        draft.unshare(actor, kind)
        assert refused(draft) == "namespace-sharing"
    draft = family()
    draft.create(2, 5, share=("files",))
    draft.unshare(5, kind)
    simulate(draft.plan(1))


@pytest.mark.parametrize("kinds", [(), ("moon",), ("pid",), ("uts", "uts")])
def test_a_kind_that_there_is_not_is_refused(kinds: tuple[str, ...]) -> None:
    draft = family()
    draft.unshare(2, *kinds)
    assert refused(draft) == "namespace-kind"


@pytest.mark.parametrize("name", ["other_namespaces", "user_namespaces"])
def test_every_place_that_a_plan_by_hand_states_matters(name: str) -> None:
    """Whatever holder is named instead, the model refuses the plan."""
    import msgspec

    from planner.steps import Verify

    plan = PLANS[name]()
    for index, step in enumerate(plan.steps):
        for kind, holder in step.namespaces.items() if isinstance(step, Verify) else ():
            other = 0 if holder else 2
            assert isinstance(step, Verify)
            wrong = msgspec.structs.replace(step, namespaces={**step.namespaces, kind: other})
            with pytest.raises(ModelRefusal):
                simulate(msgspec.structs.replace(plan, steps=(*plan.steps[:index], wrong, *plan.steps[index + 1 :])))


def user_of(draft: Draft, task: int) -> int:
    """Have a task make a user namespace and the executor map its ids; return the last step."""
    made = draft.unshare(task, "user")
    return draft.map_ids(0, task, after=(made,))


def test_id_maps_are_written_once_and_from_above() -> None:
    draft = family()
    mapped = user_of(draft, 2)
    draft.map_ids(0, 2, after=(mapped,))
    assert refused(draft) == "map-once"
    own = family()
    made = own.unshare(2, "user")
    own.map_ids(2, 2, after=(made,))
    assert refused(own) == "map-from-above"
    below = family()
    mapped = user_of(below, 2)
    made = below.unshare(2, "user", after=(mapped,))
    below.map_ids(0, 2, after=(made,))
    assert refused(below) == "map-from-above"


def test_a_map_needs_a_living_target() -> None:
    draft = family()
    draft.unshare(2, "user")
    ended = draft.exit(2)
    reaped = draft.reap(1, 2, after=(ended,))
    draft.map_ids(0, 2, after=(reaped,))
    assert refused(draft) == "map-gone"


@pytest.mark.parametrize("maps", [{"uid": ((0, 0, 1),)}, {"gid": ((0, 0, 1),)}, None])
def test_a_user_namespace_without_ids_has_none_below(maps: dict[str, tuple[tuple[int, int, int], ...]] | None) -> None:
    draft = family()
    made = draft.unshare(2, "user")
    if maps:
        made = draft.map_ids(0, 2, uid=maps.get("uid", ()), gid=maps.get("gid", ()), after=(made,))
    draft.unshare(2, "user", after=(made,))
    assert refused(draft) == "user-unmapped"


def test_in_a_user_namespace_that_owns_the_pid_namespace_numbers_can_be_chosen() -> None:
    draft = Draft("owned")
    draft.create(0, 1, new_namespace=True, new_user=True)
    draft.create(1, 2)
    draft.thread(2, 3)
    draft.verify(1, 0, 0, 0, namespaces={"user": 1})
    draft.verify(2, 1, 0, 0, threads=(3,), namespaces={"user": 1})
    simulate(draft.plan(1))
