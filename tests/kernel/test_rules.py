"""The kernel's rules, each told as a story with two ends: what is allowed, and what is refused.

Every story is told twice, to the model kernel and to the running one (as root, by puppets). Seats are processes and threads:
seat 0 stands outside, seat 1 is the container's init, and here a seat's number at level 0 is its seat number.
"""

from collections.abc import Callable, Iterator

import pytest

from planner.kernel.rules import KERNEL_RULES
from tests.generators.histories import SPACES, TABLES, Answer, Operation, Player, Standing, bits
from tests.generators.histories_model import ModelPlayer
from tests.helpers.puppets import Arena, available

TOLD: set[str] = set()
"""The rules that have a story."""

STORIES: list[Callable[["Story"], None]] = []
"""The stories that are the same on every machine."""


class Story:
    """One container, and what is done in it."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.do("clone", 0, 1, (1,), 1, 0, 17)

    def play(self, *operation: object) -> Answer:
        """Do something and return the answer."""
        done: Operation = operation  # type: ignore[assignment]
        return self.player.play(done)

    def do(self, *operation: object) -> int:
        """Do something that must succeed."""
        answer = self.play(*operation)
        assert isinstance(answer, int), f"{operation}: {answer}"
        return answer

    def refused(self, rule: str, *operation: object) -> None:
        """Do something that a rule forbids."""
        answer = self.play(*operation)
        assert answer == KERNEL_RULES[rule].errno, operation
        if isinstance(self.player, ModelPlayer):
            assert self.player.met.get(rule), f"{operation} was refused by another rule: {self.player.met}"

    def clone(self, actor: int, *pids: int, sibling: bool = False) -> None:
        """Create a process, whose seat is its number at level 0."""
        self.do("clone", actor, pids[0], pids, 0, int(sibling), 0 if sibling else 17)

    def nest(self, actor: int, *pids: int, sibling: bool = False) -> None:
        """Create a process in a new pid namespace."""
        self.do("clone", actor, pids[0], pids, 1, int(sibling), 0 if sibling else 17)

    def __getitem__(self, number: int) -> Standing:
        return self.player.world()[number]

    def __contains__(self, number: int) -> bool:
        return number in self.player.world()


@pytest.fixture(params=["model", pytest.param("kernel", marks=pytest.mark.root)])
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    """A story told to the model, and the same told to the running kernel."""
    if request.param == "model":
        yield Story(ModelPlayer())
        return
    if missing := available():
        pytest.skip(missing)
    with Arena() as arena:
        yield Story(arena)


def tells(*rules: str) -> Callable[[Callable[[Story], None]], Callable[[Story], None]]:
    """Mark a story with the rules that it tells."""
    assert set(rules) <= KERNEL_RULES.keys()
    TOLD.update(rules)

    def keep(test: Callable[[Story], None]) -> Callable[[Story], None]:
        if not {"level-limit", "init-trap"} & set(rules):
            STORIES.append(test)
        return test

    return keep


# Births.


@tells("birth")
def test_a_child_is_born_in_its_creators_session_and_group(story: Story) -> None:
    story.clone(1, 2)
    story.do("setsid", 2)
    story.clone(2, 3)
    story.do("setpgid", 3, 0, 0)
    story.clone(3, 4)
    story.clone(3, 5, sibling=True)
    assert (story[4].parent, story[4].session, story[4].group) == (3, 2, 3)
    assert (story[5].parent, story[5].session, story[5].group) == (2, 2, 3)


@tells("sibling-signal")
def test_a_sibling_takes_no_exit_signal(story: Story) -> None:
    story.clone(1, 2)
    story.refused("sibling-signal", "clone", 2, 3, (3,), 0, 1, 17)
    story.do("clone", 2, 3, (3,), 0, 1, 0)


@tells("exit-signal-range")
def test_an_exit_signal_is_a_signal_or_none(story: Story) -> None:
    story.refused("exit-signal-range", "clone", 1, 2, (2,), 0, 0, 65)
    story.refused("exit-signal-range", "clone", 1, 2, (2,), 0, 0, -1)
    story.do("clone", 1, 2, (2,), 0, 0, 64)
    story.do("clone", 1, 3, (3,), 0, 0, 0)


@tells("sibling-of-init")
def test_an_init_has_no_siblings(story: Story) -> None:
    story.nest(1, 2, 1)
    story.refused("sibling-of-init", "clone", 1, 3, (3,), 0, 1, 0)
    story.refused("sibling-of-init", "clone", 2, 3, (3, 3), 0, 1, 0)
    story.clone(2, 4, 4)
    story.nest(4, 5, 5, 1, sibling=True)
    assert story[5].parent == 2


@tells("own-namespace-nests")
def test_a_namespace_is_made_one_level_below_its_creator(story: Story) -> None:
    story.nest(1, 2, 1)
    story.do("enter", 1, 2)
    story.refused("own-namespace-nests", "clone", 1, 3, (3, 3, 1), 1, 0, 17)
    story.do("enter", 1, 0)
    story.nest(1, 4, 1)


@tells("level-limit")
def test_namespaces_nest_so_deep_and_no_deeper(story: Story) -> None:
    # The arena, and whatever else stands between the machine and the container, takes levels away from the real kernel.
    for level in range(1, 40):
        seat = level + 1
        pids = (*(seat + 7 * above for above in range(level)), 1) if level > 1 else (seat, 1)
        answer = story.play("clone", level, seat, pids, 1, 0, 17)
        if answer == "ENOSPC":
            break
    else:
        pytest.fail("no limit")
    assert level == 32 if isinstance(story.player, ModelPlayer) else 20 < level <= 32
    assert len(story[level].pids) == level


@tells("vector-length")
def test_a_vector_has_no_more_numbers_than_the_child_has_levels(story: Story) -> None:
    story.refused("vector-length", "clone", 1, 2, tuple(range(2, 34)), 0, 0, 17)
    story.clone(1, 2)


@tells("number-range")
def test_numbers_start_at_one_and_end_below_the_limit(story: Story) -> None:
    for number in (0, -1, 4194304):
        story.refused("number-range", "clone", 1, 2, (number,), 0, 0, 17)
    story.do("clone", 1, 2, (4194303,), 0, 0, 17)


@tells("init-first")
def test_the_first_task_of_a_namespace_is_number_one(story: Story) -> None:
    story.refused("init-first", "clone", 1, 2, (2, 7), 1, 0, 17)
    story.nest(1, 2, 1)
    story.do("enter", 1, 2)
    story.clone(1, 3, 7)


@tells("number-taken")
def test_a_number_is_taken_while_anything_bears_it(story: Story) -> None:
    story.clone(1, 2)
    story.do("setsid", 2)
    story.clone(2, 3)
    story.clone(2, 4)
    story.do("setpgid", 4, 0, 0)
    story.do("setpgid", 3, 0, 4)
    for last, number in ((4, 4), (2, 2)):
        story.do("exit", last, 0)
        story.do("wait", 2 if last == 4 else 1, last)
        assert number not in story
        story.refused("number-taken", "clone", 1, 9, (number,), 0, 0, 17)
    story.do("setpgid", 3, 0, 0)
    story.clone(1, 4)
    story.do("exit", 3, 0)
    story.do("wait", 1, 3)
    story.clone(1, 2)


@tells("number-taken")
def test_a_number_is_taken_at_every_level(story: Story) -> None:
    story.nest(1, 2, 1)
    story.nest(1, 3, 1)
    story.clone(2, 4, 7)
    story.refused("number-taken", "clone", 2, 5, (5, 7), 0, 0, 17)
    story.refused("number-taken", "clone", 2, 5, (4, 8), 0, 0, 17)
    story.clone(3, 5, 7)


@tells("namespace-closed")
def test_nothing_is_born_in_a_dead_namespace(story: Story) -> None:
    story.nest(1, 2, 1)
    story.do("enter", 1, 2)
    story.clone(1, 3, 3)
    story.do("kill", 1, 2, 9)
    story.refused("namespace-closed", "clone", 1, 4, (4, 4), 0, 0, 17)
    story.do("enter", 1, 0)
    story.clone(1, 4)


@tells("thread-own-namespace")
def test_threads_are_created_at_home(story: Story) -> None:
    story.nest(1, 2, 1)
    story.do("enter", 1, 2)
    story.refused("thread-own-namespace", "thread", 1, 3, (3,))
    story.do("enter", 1, 0)
    story.do("thread", 1, 3, (3,))
    assert story[1].threads == ((3,),)


# Sessions and groups.


@tells("setsid-leader")
def test_a_leader_makes_no_second_session(story: Story) -> None:
    story.clone(1, 2)
    story.do("setsid", 2)
    assert (story[2].session, story[2].group) == (2, 2)
    story.refused("setsid-leader", "setsid", 2)


@tells("setsid-group", "zombie-pins")
def test_setsid_waits_for_the_last_member_of_ones_group(story: Story) -> None:
    story.clone(1, 2)
    story.clone(1, 4)
    story.do("setpgid", 2, 0, 0)
    story.refused("setsid-group", "setsid", 2)
    story.clone(2, 3)
    story.do("setpgid", 4, 0, 0)
    story.do("setpgid", 2, 0, 4)
    story.refused("setsid-group", "setsid", 2)
    story.do("exit", 3, 0)
    assert story[3].group == 2
    story.refused("setsid-group", "setsid", 2)
    story.do("wait", 2, 3)
    story.do("setsid", 2)


@tells("setpgid-negative", "setpgid-gone", "setpgid-thread", "setpgid-stranger")
def test_setpgid_moves_oneself_or_ones_child(story: Story) -> None:
    story.clone(1, 2)
    story.clone(2, 3)
    story.do("thread", 2, 4, (4,))
    story.refused("setpgid-negative", "setpgid", 2, 0, -1)
    story.refused("setpgid-gone", "setpgid", 2, 77, 0)
    story.refused("setpgid-thread", "setpgid", 2, 4, 0)
    story.refused("setpgid-stranger", "setpgid", 1, 3, 0)
    story.refused("setpgid-stranger", "setpgid", 3, 2, 0)
    story.do("setpgid", 2, 3, 0)
    story.do("setpgid", 2, 0, 3)
    assert (story[2].group, story[3].group) == (3, 3)


@tells("setpgid-child-session", "setpgid-leader")
def test_setpgid_moves_no_leader_and_nobody_in_another_session(story: Story) -> None:
    story.clone(1, 2)
    story.clone(2, 3)
    story.do("setsid", 2)
    story.refused("setpgid-child-session", "setpgid", 2, 3, 0)
    story.refused("setpgid-leader", "setpgid", 2, 0, 0)
    story.do("setpgid", 3, 0, 0)


@tells("setpgid-child-ran")
def test_setpgid_moves_no_child_that_ran_another_program(story: Story) -> None:
    story.clone(1, 2)
    story.clone(1, 3)
    story.do("exec", 3)
    story.do("setpgid", 1, 2, 0)
    story.refused("setpgid-child-ran", "setpgid", 1, 3, 0)
    story.do("setpgid", 3, 0, 0)


@tells("setpgid-group")
def test_a_group_to_join_has_a_member_in_ones_session(story: Story) -> None:
    story.clone(1, 2)
    story.clone(1, 3)
    story.clone(1, 4)
    story.do("setpgid", 2, 0, 0)
    story.do("setsid", 3)
    story.refused("setpgid-group", "setpgid", 4, 0, 77)
    story.refused("setpgid-group", "setpgid", 4, 0, 3)
    story.refused("setpgid-group", "setpgid", 4, 0, 1)
    story.do("exit", 2, 0)
    story.do("setpgid", 4, 0, 2)
    story.do("wait", 1, 2)
    story.clone(1, 5)
    story.do("setpgid", 5, 0, 2)
    assert story[5].group == 2


@tells("setpgid-group")
def test_group_numbers_are_those_of_the_callers_namespace(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 7)
    story.do("setpgid", 3, 0, 0)
    story.clone(1, 4)
    story.refused("setpgid-group", "setpgid", 4, 0, 7)
    story.do("setpgid", 4, 0, 3)
    story.clone(1, 5)
    story.do("setpgid", 5, 0, 0)
    story.refused("setpgid-group", "setpgid", 3, 0, 5)
    story.do("setpgid", 1, 2, 5)
    assert (story[4].group, story[2].group) == (3, 5)


@tells("setsid-group", "number-taken")
def test_setsid_gives_up_the_old_session_and_group(story: Story) -> None:
    story.clone(1, 2)
    story.do("setsid", 2)
    story.clone(2, 3)
    story.do("exit", 2, 0)
    story.do("wait", 1, 2)
    story.refused("number-taken", "clone", 1, 2, (2,), 0, 0, 17)
    story.do("setsid", 3)
    story.clone(1, 2)


@tells("number-taken", "zombie-pins")
def test_a_session_lives_as_long_as_its_last_member(story: Story) -> None:
    story.clone(1, 2)
    story.do("setsid", 2)
    story.clone(2, 3)
    story.do("setpgid", 3, 0, 0)
    story.do("exit", 2, 0)
    story.do("wait", 1, 2)
    story.do("exit", 3, 0)
    story.refused("number-taken", "clone", 1, 2, (2,), 0, 0, 17)
    story.do("wait", 1, 3)
    story.clone(1, 2)


@tells("setpgid-gone", "setpgid-group", "enter-gone", "kill-gone", "reap-stranger")
def test_a_number_without_a_task_is_nobody(story: Story) -> None:
    story.clone(1, 2)
    story.clone(2, 3)
    story.do("setpgid", 2, 3, 0)
    story.do("setpgid", 2, 0, 3)
    story.do("exit", 3, 0)
    story.do("wait", 2, 3)
    story.refused("setpgid-gone", "setpgid", 2, 3, 0)
    story.refused("enter-gone", "enter", 2, 3)
    story.refused("kill-gone", "kill", 2, 3, 9)
    story.refused("reap-stranger", "wait", 2, 3)
    story.clone(1, 4)
    story.do("setpgid", 4, 0, 3)


@tells("setpgid-group")
def test_a_group_that_all_have_left_is_no_group(story: Story) -> None:
    for child in (2, 3, 4):
        story.clone(1, child)
    story.do("setpgid", 2, 0, 0)
    story.do("setpgid", 3, 0, 0)
    story.do("setpgid", 2, 0, 3)
    story.refused("setpgid-group", "setpgid", 4, 0, 2)
    story.do("setpgid", 2, 0, 0)
    story.do("setpgid", 4, 0, 2)


# Entering.


@tells("enter-gone", "enter-thread", "enter-upwards")
def test_one_enters_below_by_a_living_process(story: Story) -> None:
    story.nest(1, 2, 1)
    story.nest(2, 3, 3, 1)
    story.nest(1, 4, 1)
    story.do("thread", 2, 5, (5, 5))
    story.refused("enter-gone", "enter", 1, 77)
    story.refused("enter-thread", "enter", 1, 5)
    story.refused("enter-upwards", "enter-root", 3)
    story.do("enter", 1, 3)
    story.clone(1, 6, 6, 6)
    assert (story[6].parent, story[6].pids) == (1, (6, 6, 6))
    story.do("kill", 1, 4, 9)
    story.refused("enter-gone", "enter", 1, 4)


@tells("enter-gone")
def test_one_enters_by_a_process_whose_leading_thread_lives(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.do("thread", 3, 4, (4, 4))
    story.do("enter", 1, 3)
    story.do("end", 3, 0)
    story.refused("enter-gone", "enter", 1, 3)


# Ends.


@tells("reap-stranger", "reap-living", "zombie-pins")
def test_a_parent_waits_for_its_child(story: Story) -> None:
    story.clone(1, 2)
    story.clone(2, 3)
    story.refused("reap-stranger", "wait", 1, 3)
    story.refused("reap-living", "wait", 2, 3)
    story.do("exit", 3, 7)
    assert (story[3].state, story[3].parent, story[3].status) == ("zombie", 2, 7 << 8)
    assert story.do("wait", 2, 3) == 7 << 8
    assert 3 not in story
    story.refused("reap-stranger", "wait", 2, 3)


@tells("reap-stranger")
def test_a_thread_is_not_waited_for(story: Story) -> None:
    story.clone(1, 2)
    story.do("thread", 2, 3, (3,))
    story.refused("reap-stranger", "wait", 1, 3)


@tells("adoption-init", "birth")
def test_siblings_get_the_creators_exit_signal_and_orphans_sigchld(story: Story) -> None:
    story.do("clone", 1, 2, (2,), 0, 0, 0)
    story.clone(2, 3, sibling=True)
    story.do("clone", 2, 4, (4,), 0, 0, 0)
    assert (story[3].exit_signal, story[4].exit_signal) == (0, 0)
    story.do("exit", 2, 0)
    assert (story[3].exit_signal, story[4].exit_signal) == (0, 17)
    story.do("exec", 3)
    assert story[3].exit_signal == 17


@tells("kill-gone", "kill-signal", "init-shield")
def test_an_init_is_killed_from_above_alone(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.clone(1, 4)
    story.clone(1, 5)
    story.refused("kill-gone", "kill", 3, 77, 9)
    story.refused("kill-signal", "kill", 3, 1, 65)
    for actor, target, signal in ((3, 1, 9), (2, 1, 9), (2, 1, 15), (1, 2, 15), (1, 1, 9)):
        story.do("kill", actor, target, signal)
    assert {story[1].state, story[2].state} == {"living"}
    story.do("kill", 4, 4, 15)
    story.do("kill", 5, 5, 64)
    story.do("kill", 1, 2, 9)
    assert (story[4].status, story[5].status, story[2].status) == (15, 64, 9)


@tells("adoption-init")
def test_an_orphan_goes_to_the_init_of_the_dead_tasks_namespace(story: Story) -> None:
    story.clone(1, 2)
    story.nest(2, 3, 1)
    story.clone(3, 4, 4)
    story.clone(4, 5, 5)
    story.do("exit", 4, 0)
    story.do("exit", 2, 0)
    assert (story[5].parent, story[3].parent) == (3, 1)


@tells("adoption-subreaper", "subreaper-reach")
def test_an_orphan_goes_to_the_nearest_subreaper(story: Story) -> None:
    for child in range(2, 8):
        story.clone(child - 1, child)
    story.do("subreaper", 2, 1)
    story.do("subreaper", 4, 1)
    story.do("exit", 6, 0)
    assert (story[7].parent, story[6].parent) == (4, 5)
    story.do("subreaper", 4, 0)
    story.do("exit", 5, 0)
    assert (story[6].parent, story[5].parent) == (2, 4)
    story.do("exit", 2, 0)
    assert (story[3].parent, story[6].parent) == (1, 1)


@tells("adoption-subreaper", "adoption-init", "subreaper-reach")
def test_the_search_for_a_subreaper_stays_at_its_level(story: Story) -> None:
    story.do("subreaper", 1, 1)
    story.clone(1, 2)
    story.do("subreaper", 2, 1)
    story.nest(2, 3, 1)
    story.do("enter", 2, 3)
    story.clone(2, 4, 4)
    story.clone(4, 5, 5)
    story.do("enter", 4, 0)
    story.do("exit", 4, 0)
    assert story[5].parent == 3
    story.do("enter", 2, 3)
    story.clone(2, 6, 6)
    story.do("enter", 2, 0)
    story.clone(2, 7)
    story.do("enter", 7, 3)
    story.clone(7, 8, 8)
    story.do("exit", 7, 0)
    assert story[8].parent == 2


@tells("adoption-thread", "leading-thread")
def test_children_stay_while_a_thread_lives(story: Story) -> None:
    story.clone(1, 2)
    story.do("thread", 2, 3, (3,))
    story.do("thread", 2, 4, (4,))
    story.clone(2, 5)
    story.do("end", 2, 7)
    assert (story[2].state, story[2].leading, story[2].status) == ("living", False, 7 << 8)
    assert story[5].parent == 2
    story.refused("reap-living", "wait", 1, 2)
    story.do("end", 4, 0)
    assert (story[2].threads, story[5].parent) == (((3,),), 2)
    story.do("end", 3, 9)
    assert (story[2].state, story[2].status, story[5].parent) == ("zombie", 9 << 8, 1)


@tells("namespace-death")
def test_a_namespace_dies_with_its_init(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.nest(3, 4, 4, 1)
    story.clone(4, 5, 5, 5)
    story.do("kill", 1, 2, 9)
    assert story[2].state == "zombie"
    assert not {3, 4, 5} & story.player.world().keys()


@tells("namespace-death", "init-waits")
def test_an_init_waits_for_a_zombie_whose_parent_stands_outside(story: Story) -> None:
    story.nest(1, 2, 1)
    story.do("enter", 1, 2)
    story.clone(1, 3, 3)
    story.do("kill", 1, 2, 9)
    assert (story[2].state, story[3].state) == ("dying", "zombie")
    story.refused("reap-living", "wait", 1, 2)
    assert story.do("wait", 1, 3) == 9
    assert story[2].state == "zombie"


@tells("namespace-death", "zombie-pins")
def test_what_was_reaped_is_not_met_again(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.do("setsid", 3)
    story.clone(3, 4, 4)
    story.clone(3, 5, 5)
    story.do("exit", 4, 0)
    story.do("wait", 3, 4)
    story.do("exit", 3, 0)
    assert story[5].parent == 2
    story.do("kill", 1, 2, 9)
    assert story[2].state == "zombie"
    story.do("wait", 1, 2)
    for child in (2, 3, 4, 5):
        story.clone(1, child)


@tells("init-waits")
def test_setsid_can_let_an_init_end(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.do("setpgid", 3, 0, 0)
    story.clone(1, 4)
    story.clone(1, 5)
    story.do("setpgid", 4, 0, 3)
    story.do("setpgid", 5, 0, 3)
    story.do("kill", 1, 2, 9)
    story.do("setsid", 4)
    assert story[2].state == "dying"
    story.do("setsid", 5)
    assert story[2].state == "zombie"


@tells("init-waits")
def test_a_dying_init_may_wait_for_a_dying_init(story: Story) -> None:
    story.nest(1, 2, 1)
    story.nest(2, 3, 3, 1)
    story.do("enter", 1, 3)
    story.clone(1, 4, 4, 4)
    story.do("kill", 1, 2, 9)
    assert (story[2].state, story[3].state, story[4].state) == ("dying", "dying", "zombie")
    story.do("wait", 1, 4)
    assert story[2].state == "zombie"
    assert 3 not in story


@tells("init-waits")
def test_an_init_waits_for_a_group_that_is_led_from_its_namespace(story: Story) -> None:
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.do("setpgid", 3, 0, 0)
    story.clone(1, 4)
    story.do("setpgid", 4, 0, 3)
    story.do("kill", 1, 2, 9)
    assert (story[2].state, 3 in story, story[4].group) == ("dying", False, 3)
    story.do("setpgid", 4, 0, 0)
    assert story[2].state == "zombie"


# Tables that are shared, and namespaces of other kinds than pid.


def tables(*kinds: str) -> int:
    return bits(TABLES, kinds)


def spaces(*kinds: str) -> int:
    return bits(SPACES, kinds)


@tells("handlers-with-memory")
def test_handlers_are_shared_with_memory_only(story: Story) -> None:
    story.refused("handlers-with-memory", "clone", 1, 2, (2,), 0, 0, 17, tables("signal_handlers"))
    story.do("clone", 1, 2, (2,), 0, 0, 17, tables("signal_handlers", "memory"))
    assert story[2].common == (("memory", 1), ("signal_handlers", 1))


@tells("namespace-sharing")
def test_new_namespaces_and_execve_end_sharing(story: Story) -> None:
    story.do("clone", 1, 2, (2,), 0, 0, 17, tables("files", "fs", "sysv_undo"))
    story.do("clone", 2, 3, (3,), 0, 0, 17, tables("files", "fs", "sysv_undo"))
    story.do("unshare", 2, spaces("ipc"))
    assert story[2].common == (("files", 1), ("fs", 1), ("ipc", 2))
    story.do("unshare", 2, spaces("mnt"))
    assert story[2].common == (("files", 1), ("mnt", 2), ("ipc", 2))
    story.do("exec", 2)
    assert story[2].common == (("mnt", 2), ("ipc", 2))
    assert story[3].common == (("files", 1), ("fs", 1), ("sysv_undo", 1))
    story.do("join", 3, 2, spaces("ipc"))
    assert story[3].common == (("files", 1), ("fs", 1), ("ipc", 2))
    story.do("split", 3, tables("fs"))
    assert story[3].common == (("files", 1), ("ipc", 2))


@tells("join-fs")
def test_who_shares_filesystem_information_joins_no_mounts(story: Story) -> None:
    story.clone(1, 2)
    story.do("unshare", 2, spaces("mnt"))
    story.do("clone", 1, 3, (3,), 0, 0, 17, tables("fs"))
    story.do("clone", 3, 4, (4,), 0, 0, 17)
    story.refused("join-fs", "join", 3, 2, spaces("mnt"))
    story.do("join", 4, 2, spaces("mnt"))
    story.do("exit", 3, 0)
    story.do("join", 1, 2, spaces("mnt"))
    story.do("clone", 1, 5, (5, 1), 1, 0, 17, tables("fs"))
    story.refused("join-fs", "join", 1, 2, spaces("mnt"))
    story.do("exit", 5, 0)
    story.do("join", 1, 2, spaces("mnt"))


@tells("time-alone")
def test_who_shares_memory_enters_no_time(story: Story) -> None:
    story.clone(1, 2)
    story.do("unshare", 2, spaces("time"))
    story.do("clone", 1, 3, (3,), 0, 0, 17, tables("memory"))
    story.refused("time-alone", "join", 3, 2, spaces("time"))
    story.do("exec", 3)
    story.do("join", 3, 2, spaces("time"))
    assert story[3].common == (("time", 2),)


@tells("join-own-user", "join-rights", "join-gone")
def test_rights_go_down_the_user_namespaces(story: Story) -> None:
    story.clone(1, 2)
    story.clone(1, 3)
    story.do("unshare", 2, spaces("user"))
    story.do("unshare", 2, spaces("net"))
    story.do("unshare", 3, spaces("uts"))
    story.refused("join-rights", "join", 2, 1, spaces("user"))
    story.refused("join-rights", "join", 2, 3, spaces("uts"))
    story.refused("join-own-user", "join", 2, 2, spaces("user"))
    story.do("join", 3, 2, spaces("net"))
    story.refused("join-rights", "join", 2, 3, spaces("net"))
    story.do("join", 3, 2, spaces("user"))
    story.do("exit", 2, 0)
    story.refused("join-gone", "join", 3, 2, spaces("net"))
    story.refused("join-gone", "join", 3, 99, spaces("net"))
    story.clone(1, 4)
    story.do("setpgid", 4, 0, 0)
    story.clone(4, 5)
    story.do("exit", 4, 0)
    story.do("wait", 1, 4)
    story.refused("join-gone", "join", 1, 4, spaces("net"))
    story.do("thread", 5, 6, (6,))
    story.refused("enter-thread", "join", 1, 6, spaces("net"))
    story.do("end", 5, 0)
    story.refused("join-gone", "join", 1, 5, spaces("net"))


@tells("numbers-need-rights", "enter-rights")
def test_in_a_user_namespace_nobody_chooses_numbers_or_enters(story: Story) -> None:
    story.clone(1, 2)
    story.nest(2, 3, 1)
    story.do("unshare", 2, spaces("user"))
    story.refused("numbers-need-rights", "clone", 2, 4, (4,), 0, 0, 17)
    story.refused("numbers-need-rights", "clone", 2, 4, (4, 1), 1, 0, 17)
    story.refused("numbers-need-rights", "clone", 2, 4, (3,), 0, 0, 17)
    story.refused("init-first", "clone", 2, 4, (4, 2), 1, 0, 17)
    story.refused("number-range", "clone", 2, 4, (-1, 1), 1, 0, 17)
    story.clone(1, 5)
    story.do("exit", 5, 0)
    story.refused("enter-rights", "enter", 2, 5)
    story.refused("enter-rights", "enter", 2, 3)
    story.refused("enter-rights", "enter", 2, 0)
    story.do("enter", 1, 3)
    story.clone(1, 4, 4)


@tells("namespace-threads")
def test_a_process_with_threads_gets_no_user_namespace(story: Story) -> None:
    story.clone(1, 2)
    story.clone(1, 3)
    story.do("thread", 2, 4, (4,))
    story.do("unshare", 3, spaces("user"))
    story.refused("namespace-threads", "unshare", 2, spaces("user"))
    story.refused("namespace-threads", "join", 2, 3, spaces("user"))
    story.do("end", 4, 0)
    story.do("join", 2, 3, spaces("user"))


@tells("init-ignores")
def test_a_dying_init_takes_the_zombies_of_those_who_share_its_handlers(story: Story) -> None:
    story.clone(1, 2)
    story.do("subreaper", 2, 1)
    story.clone(2, 8)
    story.clone(8, 9)
    story.clone(8, 10)
    story.do("exit", 9, 0)
    story.do("clone", 2, 3, (3, 1), 1, 0, 17, tables("memory", "signal_handlers"))
    story.clone(2, 4)
    story.do("exit", 4, 0)
    assert story[4].state == "zombie"
    story.do("exit", 3, 0)
    assert 3 not in story
    assert story[9].state == "zombie"
    story.do("exit", 8, 0)
    assert (8 in story, 9 in story, story[10].parent) == (False, False, 2)
    story.clone(2, 5)
    story.do("clone", 2, 11, (11,), 0, 0, 17, tables("memory", "signal_handlers"))
    assert story[11].common == (("memory", 2), ("signal_handlers", 2))
    story.clone(5, 6)
    story.do("exit", 6, 0)
    assert 6 not in story
    story.do("clone", 2, 7, (7,), 0, 0, 0)
    story.do("exit", 7, 0)
    assert story[7].state == "zombie"
    story.do("exec", 2)
    story.do("exit", 5, 0)
    assert 5 not in story


@tells("birth", "setpgid-child-session")
def test_there_may_be_several_sessions_outside(story: Story) -> None:
    story.do("outsider", 0, 50, 1)
    story.do("enter", 0, 1)
    story.do("enter", 50, 1)
    story.do("clone", 0, 2, (2,), 0, 0, 17)
    story.do("clone", 50, 3, (3,), 0, 0, 17)
    story.do("setpgid", 0, 2, 2)
    assert (story[2].session, story[2].group, story[3].session, story[3].group) == (0, 2, 0, 0)
    story.refused("setpgid-group", "setpgid", 50, 3, 2)
    story.do("enter", 0, 0)
    story.do("outsider", 0, 51, 2)
    story.do("setpgid", 51, 0, 2)
    story.do("enter", 51, 1)
    story.do("clone", 51, 4, (4,), 0, 0, 17)
    assert (story[4].session, story[4].group) == (0, 2)
    story.do("setsid", 4)
    story.refused("setpgid-child-session", "setpgid", 51, 4, 2)
    story.do("exit", 51, 0)
    assert story[4].parent == 0


def test_every_rule_has_a_story() -> None:
    """The rules that are said to be compared with the running kernel are told here too."""
    compared = {rule.name for rule in KERNEL_RULES.values() if "compared" in rule.verified}
    assert compared <= TOLD


@tells("init-trap")
def test_an_init_in_a_group_led_from_below_never_finishes_dying() -> None:
    # Never told to the running kernel: it would leave a process behind until the machine is started anew.
    story = Story(ModelPlayer())
    story.nest(1, 2, 1)
    story.clone(2, 3, 3)
    story.do("setpgid", 3, 0, 0)
    story.do("setpgid", 2, 0, 3)
    story.do("kill", 1, 2, 9)
    assert story[2].state == "dying"
