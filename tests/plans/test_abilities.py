"""What a plan asks of an executor, and which of several serves it."""

import msgspec
import pytest

from planner.plans.abilities import MANY, Ability, needed, serving
from planner.testing.plans import PLANS, wide


class Candidate(msgspec.Struct, frozen=True):
    """An executor as far as a choice needs it."""

    name: str
    abilities: tuple[Ability, ...] = ()


PLAIN = Candidate("plain", ("threads", "files", "namespaces", "into"))
WHOLE = Candidate("whole", (*PLAIN.abilities, "memory", "many"))


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        ("single", set()),
        ("threads", {"threads"}),
        ("shared_tables", {"files"}),
        ("shared_memory", {"memory", "files", "threads", "namespaces"}),
        ("other_namespaces", {"namespaces", "threads"}),
        ("mapped_user_namespaces", {"namespaces", "threads"}),
    ],
)
def test_a_plan_asks_for_what_its_steps_do(plan: str, asked: set[str]) -> None:
    assert needed(PLANS[plan]()) == asked


def test_a_namespace_that_is_there_and_many_processes_are_abilities_too() -> None:
    assert needed(PLANS["single"](), into=True) == {"into"}
    assert needed(wide(MANY)) == {"many"}
    assert needed(wide(MANY - 2)) == set()


@pytest.mark.parametrize(
    ("asked", "missing", "taken"),
    [
        ((), "", "plain"),
        (("threads", "into"), "", "plain"),
        (("memory",), "", "whole"),
        (("memory",), "whole", None),
        (("many",), "", "whole"),
        (("many", "files"), "whole", "plain"),
        (("many", "memory"), "plain", "whole"),
        ((), "plain", "whole"),
    ],
)
def test_the_first_that_can_and_serves_is_taken_and_a_slow_one_for_want_of_better(
    asked: tuple[Ability, ...], missing: str, taken: str | None
) -> None:
    found = serving(frozenset(asked), (PLAIN, WHOLE), lambda candidate: candidate.name != missing)
    assert (found.name if found else None) == taken


def test_what_costs_something_is_asked_of_none_that_cannot_or_comes_later() -> None:
    seen: list[str] = []

    def serves(candidate: Candidate) -> bool:
        seen.append(candidate.name)
        return True

    assert serving(frozenset(("memory",)), (PLAIN, WHOLE), serves) is WHOLE
    assert serving(frozenset(), (PLAIN, WHOLE), serves) is PLAIN
    assert seen == ["whole", "plain"]
