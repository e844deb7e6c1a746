"""The listing of calls: its notation, both dialects, and what no call can do."""

import msgspec
import pytest
from crplan_syscalls.listing import emit_listing
from crplan_syscalls.names import flags_text, plain_text, signal_text
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import CannotEmit
from planner.identity import ProcessId
from planner.plans.model import Plan
from planner.steps import Create, Enter, Exit, Join, MapIds, SetGroup, Stop, Unshare, Verify
from planner.testing.drafts import Draft, with_init
from planner.testing.plans import PLANS
from tests.helpers.places import GOLDEN


@pytest.mark.parametrize("abi", ["clone3", "eclone"])
def test_the_listing_is_the_golden_one(abi: str) -> None:
    listing = emit_listing(PLANS["entered_and_adopted"](), abi)
    assert listing == GOLDEN.joinpath(f"entered_and_adopted.{abi}.txt").read_text()


@pytest.mark.parametrize("name", PLANS)
def test_every_step_but_verify_is_one_call_and_an_entry_or_a_stop_two(name: str) -> None:
    plan = PLANS[name]()
    entries = sum(isinstance(step, Enter | Join | Stop) for step in plan.steps)
    entries += sum(2 * ("time" in step.kinds) for step in plan.steps if isinstance(step, Unshare))
    calls = [line for line in emit_listing(plan).splitlines() if line and not line.startswith("#")]
    assert len(calls) == sum(not isinstance(step, MapIds | Verify) for step in plan.steps) + entries
    notes = [line for line in emit_listing(plan).splitlines() if line.startswith("# no call of its own: the id maps")]
    assert len(notes) == sum(isinstance(step, MapIds) for step in plan.steps)


def test_actors_stand_in_plan_order() -> None:
    plan = PLANS["crossed_groups"]()
    heads = [line.split()[2] for line in emit_listing(plan).splitlines() if line.startswith(("# task", "# helper"))]
    assert heads == list(dict.fromkeys(str(step.actor) for step in plan.steps if step.actor))


def test_clone3_takes_numbers_innermost_first_and_eclone_outermost_first() -> None:
    plan = PLANS["nested_namespaces"]()
    assert "set_tid=[2, 8, 12, 31], set_tid_size=4" in emit_listing(plan)
    assert "nr_pids=4}, 48, [31, 12, 8, 2])" in emit_listing(plan, "eclone")


def test_eclone_leaves_the_1_of_a_new_namespace_out() -> None:
    first, *_ = (line for line in emit_listing(PLANS["nested_namespaces"](), "eclone").splitlines() if "NEWPID" in line)
    assert first == "eclone(CLONE_NEWPID|SIGCHLD, {clone_flags_high=0, child_stack=NULL, nr_pids=0}, 48, []) = ?"
    assert "eclone(CLONE_NEWPID|SIGCHLD, {clone_flags_high=0, child_stack=NULL, nr_pids=2}, 48, [20, 5]) = 5" in emit_listing(
        PLANS["nested_namespaces"](), "eclone"
    )


def test_an_unknown_dialect_is_an_error() -> None:
    with pytest.raises(ValueError, match="fork"):
        emit_listing(PLANS["single"](), "fork")


def test_flags_and_signals_have_the_names_that_strace_gives_them() -> None:
    assert flags_text(frozenset({"CLONE_NEWPID", "CLONE_PARENT", "CLONE_FILES"})) == "CLONE_FILES|CLONE_PARENT|CLONE_NEWPID"
    assert flags_text(frozenset()) == "0"
    assert [signal_text(number) for number in (1, 9, 17, 31, 32, 34, 64, 65)] == [
        "SIGHUP",
        "SIGKILL",
        "SIGCHLD",
        "SIGSYS",
        "SIGRT_0",
        "SIGRT_2",
        "SIGRT_32",
        "65",
    ]


def test_calls_that_the_kernel_would_take_for_something_else_are_refused() -> None:
    hidden = with_init("group that cannot be seen")
    hidden.create(1, 10, 1, new_namespace=True)
    hidden.create(10, 11, 2)
    hidden.setpgid(11, 11, 1)
    with pytest.raises(CannotEmit, match="task 11 would be put into group 1, which task 11 cannot see"):
        emit_listing(hidden.plan(1))


def test_what_a_process_cannot_do_to_itself_is_refused_with_its_number() -> None:
    init = with_init("init by a signal")
    init.create(1, 10, 1, new_namespace=True)
    init.exit(10, 15)
    with pytest.raises(CannotEmit, match="task 10 is an init"):
        emit_listing(init.plan(1))

    alone = with_init("leader by a signal")
    alone.create(1, 2)
    alone.thread(2, 3)
    alone.exit(2, 9, thread_only=True)
    with pytest.raises(CannotEmit, match="task 2 would end alone by signal 9"):
        emit_listing(alone.plan(1))


@pytest.mark.parametrize("status", [17, 19, 23, 65, 0x80, 0x80 | 15])
def test_a_status_that_no_process_ends_with_is_refused(status: int) -> None:
    draft = with_init("status")
    draft.create(1, 2)
    draft.exit(2, status)
    with pytest.raises(CannotEmit, match=f"task 2 has the wait status {status:#x}"):
        emit_listing(draft.plan(1))


def test_the_executor_shares_nothing_and_an_unknown_share_is_refused() -> None:
    draft = Draft("shared with the executor")
    draft.create(0, 1, new_namespace=True, share=("files",))
    with pytest.raises(CannotEmit, match="task 1 would share files with the executor"):
        emit_listing(draft.plan(1))
    plan = with_share("keyrings")
    with pytest.raises(CannotEmit, match="task 2 would share 'keyrings'"):
        emit_listing(plan)


def test_more_levels_than_the_kernel_has_are_refused() -> None:
    draft = with_init("deep")
    draft.create(1, *range(2, 40))
    with pytest.raises(CannotEmit, match="task 2 has 38 levels"):
        emit_listing(draft.plan(1))


def test_signal_handlers_bring_memory_along() -> None:
    listing = emit_listing(with_share("signal_handlers"))
    assert "clone3({flags=CLONE_VM|CLONE_SIGHAND, exit_signal=SIGCHLD, stack=NULL" in listing


@given(st.text(), st.text())
def test_no_name_and_no_rule_adds_a_line_to_the_listing(name: str, rule: str) -> None:
    plan = PLANS["parent_and_child"]()
    renamed = msgspec.structs.replace(
        plan,
        processes=tuple(msgspec.structs.replace(process, name=name) for process in plan.processes),
        steps=tuple(msgspec.structs.replace(step, rule=rule) for step in plan.steps),
    )
    listing = emit_listing(renamed)
    assert len(listing.splitlines()) == len(emit_listing(plan).splitlines())
    assert listing.isascii()


@given(st.text())
def test_a_comment_cannot_be_left_or_spliced(text: str) -> None:
    comment = plain_text(text)
    assert not set('/\\?"%') & set(comment) and comment.isprintable() and comment.isascii() and len(comment) <= 64


def with_share(what: str) -> Plan:
    """Return a plan whose task 2 shares something with the init."""
    draft = with_init("share")
    draft.create(1, 2, share=(what,))
    draft.exit(2)
    plan = draft.plan(1)
    assert any(isinstance(step, Create) and step.share for step in plan.steps)
    assert isinstance(plan.steps[-1], Exit) and plan.steps[-1].actor == ProcessId(2)
    return plan


# The restart of linux-cr to its end.


def eclone_calls(plan: Plan, generation: str = "P3") -> list[str]:
    return [line for line in emit_listing(plan, "eclone", generation).splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", PLANS)
def test_every_process_restarts_and_the_coordinator_last(name: str) -> None:
    plan = PLANS[name]()
    lines = eclone_calls(plan)
    restarts = [line for line in lines if line.startswith("restart(")]
    assert len(restarts) == sum(process.role != "reaper" for process in plan.processes) + 1
    assert lines[-1] == restarts[-1] == "restart(?, 3, 0, -1) = ?"
    ghosts = [line for line in restarts if "RESTART_GHOST" in line]
    assert len(ghosts) == sum(process.role == "helper" for process in plan.processes)


@pytest.mark.parametrize("name", PLANS)
def test_the_kernel_makes_groups_and_zombies_from_v20_on(name: str) -> None:
    plan = PLANS[name]()
    assert not any(line.startswith(("setpgid", "exit", "kill", "wait4")) for line in eclone_calls(plan, "S"))
    before = eclone_calls(plan, "A5")
    assert sum(line.startswith("setpgid") for line in before) == sum(isinstance(step, SetGroup) for step in plan.steps)
    assert sum(line.startswith("setsid") for line in before) == sum(
        line.startswith("setsid") for line in eclone_calls(plan, "P3")
    )


def test_a_process_that_has_ended_does_not_restart_on_older_kernels() -> None:
    plan = PLANS["zombies"]()
    zombies = sum(isinstance(step, Verify) and step.zombie for step in plan.steps)
    assert zombies
    assert sum(line.startswith("restart(0,") for line in eclone_calls(plan, "A5")) == len(plan.processes) - zombies


def test_what_the_kernel_does_is_said_at_the_top() -> None:
    listing = emit_listing(PLANS["entered_and_adopted"](), "eclone", "P3")
    assert "# In restart the kernel takes ghosts away: 70, 71." in listing
    assert "is older than v20" in emit_listing(PLANS["zombies"](), "eclone", "A4")


def test_who_stands_above_the_root_of_an_image_calls_no_restart() -> None:
    listing = emit_listing(PLANS["subtree"](), "eclone")
    reaper = listing.partition("# reaper 1 ")[2].partition("\n\n")[0]
    assert "eclone(" in reaper and "restart(" not in reaper
    assert "# The image does not have 1, which stands above its root and calls no restart.\n" in listing
