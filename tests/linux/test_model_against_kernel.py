"""The same random histories on the model kernel and on the running one: every answer and every state must be the same.

Where they differ, the kernel is right. A difference is made small before it is shown. `CRPLAN_HISTORIES=N` plays N histories of
each profile, `CRPLAN_HISTORIES_FROM=SEED` begins elsewhere.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from planner.kernel.deadlocks import trapped
from planner.kernel.rules import KERNEL_RULES
from tests.generators.histories import OPERATIONS, OUTER_PARENTS, Operation
from tests.generators.histories_model import ModelPlayer
from tests.generators.histories_transcripts import DIRECTORY, changes, read, replay
from tests.helpers.amounts import blocks
from tests.helpers.counting_kernel import CountingKernel
from tests.helpers.counts import columns, count
from tests.helpers.puppets import Arena, available
from tests.helpers.trials import ALL_PROFILES, can_act, random_history

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(available()), reason=available())]

STEPS = 150
HISTORIES = int(os.environ.get("CRPLAN_HISTORIES", "4"))
FIRST = int(os.environ.get("CRPLAN_HISTORIES_FROM", "1"))
SETTLING = ("exit", "end", "kill", "wait", "split", "unshare", "join")
"""After these the worlds are compared; other differences show at the next of them, or at the end."""


def difference(operations: Sequence[Operation], model: ModelPlayer | None = None) -> str:
    """Play operations on both; return what differs first, "" where nothing does. An ended process does nothing.

    A history of which something was left out may come into a trap that the whole one avoids: the kernel does not play that.
    """
    model = model or ModelPlayer()
    with Arena() as arena:
        for number, operation in enumerate(operations):
            if not can_act(model, operation):
                continue
            expected = model.play(operation)
            if trapped(model.kernel.processes()):
                return ""
            found = arena.play(operation)
            if expected != found:
                return f"operation {number}, {operation}: the kernel answers {found}, the model {expected}"
            if operation[0] in SETTLING or number == len(operations) - 1:
                differs = changes(model.world(), arena.world())
                if differs:
                    return f"operation {number}, {operation}: the kernel has {differs}"
    return ""


def shrink(operations: list[Operation]) -> list[Operation]:
    """Leave out what is not needed for a difference of the same kind at the same operation."""

    def kind(found: str) -> str:
        return found.partition(", ")[2]

    wanted = kind(difference(operations))
    size = len(operations) // 2
    while size:
        start = 1
        while start < len(operations):
            fewer = operations[:start] + operations[start + size :]
            if kind(difference(fewer)) == wanted:
                operations = fewer
            else:
                start += size
        size //= 2
    return operations


def nested(level: int) -> Operation:
    """Return the creation of an init below that of the level above."""
    return ("clone", level - 1, level, (*(100 * level + above for above in range(level - 1)), 1), 1, 0, 17)


SIGNALS: list[Operation] = [("clone", 0, 1, (1,), 1, 0, 17), *(("clone", 1, 2, (2,), 0, 0, signal) for signal in (-1, 65, 64))]
"""Creations with exit signals that there are not, and the last one that there is."""


def history(profile: str, seed: int) -> tuple[list[Operation], Counter[str]]:
    """Make a history up and play it on the model; count the operations, their errnos, and the rules that decided something."""
    operations = random_history(seed, profile, STEPS)
    model = ModelPlayer(kernel=CountingKernel)
    counted: Counter[str] = Counter()
    for operation in operations:
        answer = model.play(operation)
        counted[f"{operation[0]}: {answer if isinstance(answer, str) else 'done'}"] += 1
    assert isinstance(model.kernel, CountingKernel)
    return operations, counted + Counter(model.met) + model.kernel.met


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FIRST, FIRST + HISTORIES))
@pytest.mark.parametrize("profile", [*ALL_PROFILES, *OUTER_PARENTS])
def test_model_and_kernel_agree(profile: str, seed: int, met: Counter[str]) -> None:
    operations, counted = history(profile, seed)
    found = difference(operations)
    if found:
        small = shrink(operations)
        pytest.fail(f"{found}\n{difference(small) or 'it does not come back'}\n" + "\n".join(map(repr, small)))
    met.update(counted)


@pytest.fixture(scope="module")
def met() -> Iterator[Counter[str]]:
    """How often each rule decided something, and each operation had which end; shown at the end of the run."""
    counted: Counter[str] = Counter()
    yield counted
    rules = sorted(((name, times) for name, times in counted.items() if name in KERNEL_RULES), key=lambda item: -item[1])
    ends = sorted(((name, times) for name, times in counted.items() if name not in KERNEL_RULES), key=lambda item: -item[1])
    count("rules that decided something, on the running kernel as on the model:")
    count(columns(f"{times:7} {name} {KERNEL_RULES[name].errno}" for name, times in rules))
    count("ends of operations:")
    count(columns(f"{times:7} {name}" for name, times in ends))


@pytest.mark.slow
def test_model_and_kernel_agree_on_how_deep_namespaces_nest(met: Counter[str]) -> None:
    """No small tree has so many levels. What stands between the machine and the container takes some from the real kernel."""
    with Arena() as arena:
        limit = next(level for level in range(1, 40) if arena.play(nested(level)) == "ENOSPC") - 1
    model = ModelPlayer(limit, kernel=CountingKernel)
    assert difference([nested(level) for level in range(1, limit + 2)], model) == ""
    met.update(model.met)


@pytest.mark.slow
def test_model_and_kernel_agree_on_signals_that_there_are_not(met: Counter[str]) -> None:
    model = ModelPlayer(kernel=CountingKernel)
    assert difference(SIGNALS, model) == ""
    met.update(model.met)


@pytest.mark.slow
def test_every_rule_was_met() -> None:
    """The histories meet every rule that is said to be compared, each of its errnos, and each operation that there is.

    They are played on the model once more: which of the tests above have run in this process before does not matter.
    """
    met: Counter[str] = Counter()
    for profile in [*ALL_PROFILES, *OUTER_PARENTS]:
        for seed in range(FIRST, FIRST + HISTORIES):
            met.update(history(profile, seed)[1])
    for operations in ([nested(level) for level in range(1, 7)], SIGNALS):
        model = ModelPlayer(5, kernel=CountingKernel)
        for operation in operations:
            model.play(operation)
        met.update(model.met)
    compared = {name for name, rule in KERNEL_RULES.items() if "compared" in rule.verified}
    assert not compared - met.keys()
    assert {word for word in OPERATIONS if not met[f"{word}: done"]} == set()


@pytest.mark.parametrize("place", blocks(4, 1, 1))
@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.jsonl")), ids=lambda path: path.stem)
def test_transcripts_are_what_the_running_kernel_answers(path: Path, place: range) -> None:
    """So what is held against transcripts (`tests/kernel/test_mutations.py`) is held against this kernel."""
    for lines in read(path)[place.start :: 4]:
        with Arena() as arena:
            assert replay(lines, arena) == ""


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
