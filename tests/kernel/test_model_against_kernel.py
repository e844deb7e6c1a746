"""The same random histories on the model kernel and on the running one: every answer and every state must be the same.

Where they differ, the kernel is right. A difference is made small before it is shown. `CRPLAN_HISTORIES=N` plays N histories of
each profile, `CRPLAN_HISTORIES_FROM=SEED` begins elsewhere.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

import pytest

from planner.kernel_rules import KERNEL_RULES
from tests.kernel.histories import PROFILES, Historian, Operation
from tests.kernel.histories_model import ModelPlayer
from tests.kernel.histories_transcripts import changes
from tests.kernel.puppets import Arena, available

pytestmark = pytest.mark.skipif(bool(available()), reason=available())

STEPS = 150
HISTORIES = int(os.environ.get("CRPLAN_HISTORIES", "4"))
FIRST = int(os.environ.get("CRPLAN_HISTORIES_FROM", "1"))
SETTLING = ("exit", "end", "kill", "wait")
"""After these the worlds are compared; other differences show at the next of them, or at the end."""


def difference(operations: Sequence[Operation], model: ModelPlayer | None = None) -> str:
    """Play operations on both; return what differs first, "" where nothing does. Whoever does not live does nothing."""
    model = model or ModelPlayer()
    with Arena() as arena:
        for number, operation in enumerate(operations):
            if not _can_act(model, operation):
                continue
            expected, found = model.play(operation), arena.play(operation)
            if expected != found:
                return f"operation {number}, {operation}: the kernel answers {found}, the model {expected}"
            if operation[0] in SETTLING or number == len(operations) - 1:
                differs = changes(model.world(), arena.world())
                if differs:
                    return f"operation {number}, {operation}: the kernel has {differs}"
    return ""


def shrink(operations: list[Operation]) -> list[Operation]:
    """Leave out what is not needed for a difference."""
    size = len(operations) // 2
    while size:
        start = 0
        while start < len(operations):
            fewer = operations[:start] + operations[start + size :]
            if fewer and difference(fewer):
                operations = fewer
            else:
                start += size
        size //= 2
    return operations


def history(profile: str, seed: int) -> tuple[list[Operation], ModelPlayer]:
    """Make a history up on the model; every operation that a rule refused is counted in it."""
    model = ModelPlayer()
    historian = Historian(Random(f"{profile} {seed}"), profile, model)
    return [operation for operation, _ in historian.run(STEPS)], model


@pytest.mark.parametrize("seed", range(FIRST, FIRST + HISTORIES))
@pytest.mark.parametrize("profile", PROFILES)
def test_model_and_kernel_agree(profile: str, seed: int, met: Counter[str]) -> None:
    operations, model = history(profile, seed)
    found = difference(operations)
    if found:
        small = shrink(operations)
        pytest.fail(f"{found}\n{difference(small) or 'it does not come back'}\n" + "\n".join(map(repr, small)))
    met.update(model.met)
    met.update(f"{operation[0]}, played" for operation in operations)


@pytest.fixture(scope="module")
def met() -> Iterator[Counter[str]]:
    """How often each rule refused something, and how often each operation was played; printed at the end (pytest -s)."""
    counted: Counter[str] = Counter()
    yield counted
    for name, times in sorted(counted.items(), key=lambda item: -item[1]):
        rule = KERNEL_RULES.get(name)
        print(f"{times:8} {name}{f' ({rule.errno})' if rule else ''}")


def test_every_refusal_was_met(met: Counter[str]) -> None:
    """The histories meet every rule that refuses something, but for what a small tree cannot meet."""
    if not met:
        pytest.skip("no history was played")
    refusals = {name for name, rule in KERNEL_RULES.items() if rule.errno and "compared" in rule.verified}
    assert refusals - met.keys() <= {"level-limit"}


def test_a_difference_is_found_and_made_small() -> None:
    operations, _ = history("mixture", FIRST)
    assert difference(operations[:40]) == ""
    blind = ModelPlayer()
    blind.kernel.set_subreaper = lambda caller, on: None  # type: ignore[method-assign]
    deaths: list[Operation] = [
        ("clone", 0, 1, (1,), 1, 0, 17),
        ("clone", 1, 2, (2,), 0, 0, 17),
        ("clone", 2, 3, (3,), 0, 0, 17),
        ("clone", 3, 4, (4,), 0, 0, 17),
        ("subreaper", 2, 1),
        ("exit", 3, 0),
    ]
    assert "4:2/0/0 living" in difference(deaths, blind)


def _can_act(model: ModelPlayer, operation: Operation) -> bool:
    actor = operation[1]
    assert isinstance(actor, int)
    process = model.processes.get(actor)
    if process is None or process.state != "living":
        return False
    thread = model.threads.get(actor)
    return not process.main_ended if thread is None else thread.owner is not None
