"""The state of a rebuild is the fold of its run events."""

from planner.events.records import AnyEvent, RunEnded, RunReady, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber
from planner.plans.rebuild import fold_run

RUN: list[AnyEvent] = [
    RunStarted(plan_id="p", executor="c"),
    StepDone(step=StepNumber(1)),
    StepDone(step=StepNumber(3)),
    StepFailed(step=StepNumber(2), error="EEXIST"),
    StepFailed(step=StepNumber(0), error="killed"),
    RunEnded(code=1),
]


def test_a_log_without_a_run_has_no_state() -> None:
    assert fold_run([]) is None


def test_the_first_failure_counts() -> None:
    state = fold_run(RUN)
    assert state
    assert state.done == {1, 3}
    assert state.failed
    assert (state.failed.step, state.failed.error, state.code) == (2, "EEXIST", 1)


def test_every_beginning_of_a_run_is_a_state() -> None:
    ended = [state.code for cut in range(1, len(RUN)) if (state := fold_run(RUN[:cut]))]
    assert ended == [-1] * (len(RUN) - 1)


def test_the_last_run_counts() -> None:
    state = fold_run([*RUN, RunStarted(plan_id="q", executor="python"), RunReady(pid=77)])
    assert state
    assert (state.executor, state.done, state.failed, state.ready, state.code) == ("python", frozenset(), None, 77, -1)
