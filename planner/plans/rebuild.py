"""The state of a rebuild: the fold of the run events of a log."""

from collections.abc import Iterable

import msgspec

from planner.events.records import AnyEvent, RunEnded, RunEvent, RunReady, RunStarted, StepDone, StepFailed
from planner.identity import StepNumber

_RUN = frozenset(RunEvent.__args__)


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last run of a log came.

    `ready` is the root's number as the caller saw it, 0 before all stood; `code` is the exit code, -1 while nothing was recorded
    of the end: then the run was still going on, or the executor itself was killed.
    """

    executor: str
    plan_id: str
    done: frozenset[StepNumber] = frozenset()
    failed: StepFailed | None = None
    ready: int = 0
    code: int = -1


def fold_run(events: Iterable[AnyEvent]) -> Rebuild | None:
    """Return the state of the last run, None when the events hold no run."""
    started: RunStarted | None = None
    done: set[StepNumber] = set()
    failed: StepFailed | None = None
    ready, code = 0, -1
    for event in events:
        if type(event) not in _RUN:
            continue
        match event:
            case RunStarted():
                started, done, failed, ready, code = event, set(), None, 0, -1
            case StepDone():
                done.add(event.step)
            case StepFailed():
                failed = failed or event
            case RunReady():
                ready = event.pid
            case RunEnded():
                code = event.code
    if started is None:
        return None
    return Rebuild(
        executor=started.executor, plan_id=started.plan_id, done=frozenset(done), failed=failed, ready=ready, code=code
    )
