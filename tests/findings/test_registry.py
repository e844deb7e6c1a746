"""Findings: every code has one meaning for ever, and everything that can be raised is registered."""

import re

import pytest

from planner.checks.ask import known_kinds
from planner.findings import registry as findings
from planner.plugins import load
from tests.helpers.places import DATA, ROOT

LEDGER = DATA / "finding_codes.txt"
"""Every code that was ever published, with its severity. Lines are added, and never removed or changed."""


def test_no_code_has_vanished_or_changed_and_none_is_missing_from_the_ledger() -> None:
    now = {f"{kind.code} {kind.severity}" for kind in known_kinds(load(())).values()}
    known = set(LEDGER.read_text().splitlines())
    assert known <= now, "a code that was published has gone or changed; give the new meaning a new code"
    assert now <= known, f"add to {LEDGER.name}: {', '.join(sorted(now - known))}"


def test_no_code_stands_in_the_ledger_twice() -> None:
    codes = [line.partition(" ")[0] for line in LEDGER.read_text().splitlines()]
    assert len(codes) == len(set(codes))
    assert codes == sorted(codes)


def test_a_code_that_is_taken_cannot_be_registered_again() -> None:
    for code in ("two-inits", "bad-image"):
        with pytest.raises(ValueError, match=f"finding code {code} is taken"):
            findings.register(code, "note", "Another meaning.", "")


def test_no_check_brings_a_code_that_another_has() -> None:
    codes = [kind.code for check in load(()).checks for kind in check.kinds]
    assert len(codes) == len(set(codes))
    assert not set(codes) & (findings.KINDS.keys() | findings.PROBLEMS.keys())


def test_every_kind_says_what_it_means_in_one_sentence_and_what_to_do() -> None:
    for kind in known_kinds(load(())).values():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", kind.code)
        assert kind.sentence.endswith(".")
        assert ". " not in kind.sentence, kind.code
        assert kind.documentation, kind.code
        assert kind.hint or kind.code in findings.PROBLEMS, kind.code


def test_every_contradiction_that_the_planner_can_raise_is_registered() -> None:
    """The first argument of every `Contradiction` in the code, where it is a literal."""
    text = "\n".join(file.read_text() for part in ("planner", "plugins") for file in (ROOT / part).rglob("*.py"))
    raised = set(re.findall(r"Contradiction\(\s*\"([a-z-]+)\"", text)) | set(re.findall(r"_refuse\(\s*\"([a-z-]+)\"", text))
    assert len(raised) > 20
    assert raised <= findings.KINDS.keys(), raised - findings.KINDS.keys()


def test_a_finding_takes_its_words_from_its_kind() -> None:
    found = findings.finding("two-inits", pid=4, property="number", recorded="1")
    assert (found.severity, found.message) == ("error", "A pid namespace has two tasks with pid 1.")
    assert found.hint
    assert findings.KINDS["two-inits"].found("Twice.", pid=4).message == "Twice."
