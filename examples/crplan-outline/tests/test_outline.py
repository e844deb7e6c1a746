"""The outline keeps crplan's contract, and says what it should."""

import crplan_outline

import planner
from planner.testing.backends import conforms, digest, digest_in_new_process
from planner.testing.plans import PLANS


def test_conforms() -> None:
    conforms(*crplan_outline.crplan_backends())


def test_it_is_found_through_its_entry_point_and_does_not_depend_on_the_hash_seed() -> None:
    expected = digest(planner.emit(PLANS["threads"](), "outline"))
    assert {digest_in_new_process("outline", "threads", seed) for seed in ("1", "2")} == {expected}


def test_an_outline_follows_the_creators() -> None:
    (back_end,) = crplan_outline.crplan_backends()
    lines = planner.emit(PLANS["adopted_by_init"](), back_end.name, options={"rules": "no"}).splitlines()
    assert lines[0] == "1. 1"
    assert any(line.startswith("   ") and "helper" in line for line in lines)
    assert len(lines) == len(PLANS["adopted_by_init"]().processes)


def test_a_long_chain_is_indented_no_further_than_twenty_times() -> None:
    lines = planner.emit(PLANS["chain"](), "outline").splitlines()
    assert max(len(line) - len(line.lstrip()) for line in lines) == 60
