"""A conformance suite for checks: one line in a plugin author's test, `conforms(check)`."""

from collections.abc import Mapping

import msgspec

from planner.findings.registry import KINDS, Answer, Finding, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.hookspecs import Check, CheckRequest
from planner.options import filled
from planner.testing.backends import artefact, hostile
from planner.testing.contracts import assert_record
from planner.testing.plans import PLANS


def conforms(check: Check, options: Mapping[str, str] | None = None) -> None:
    """Assert that a check keeps the contract; raises AssertionError that says what it broke.

    For every plan, without a host and for each consumer that it speaks for, it yields findings, passed and unknown questions of
    kinds that it or crplan has, twice the same, and does not change what it was given.
    """
    assert_record(check, check.check)
    known = KINDS.keys() | {kind.code for kind in check.kinds}
    for kind in check.kinds:
        assert kind.code not in KINDS, f"{kind.code} is a code of crplan's own"
        assert kind.sentence, f"{kind.code} has no sentence"
        assert kind.hint, f"{kind.code} says nothing on what to do"
    settings = filled(check.options, options or {}, f"check {check.name}")
    invocations: list[Invocation | None] = [Invocation(consumer=consumer) for consumer in check.consumers]
    for name, make in PLANS.items():
        for plan in (make(), hostile(make())):
            for invocation in invocations or [None]:
                request = CheckRequest(artefact=artefact(plan), invocation=invocation, options=settings)
                before = msgspec.json.encode(request.artefact.plan)
                answers = list(check.check(request))
                assert list(check.check(request)) == answers, f"{name}: two calls, two answers"
                assert msgspec.json.encode(request.artefact.plan) == before, f"{name}: the plan was changed"
                for answer in answers:
                    _check_answer(answer, known, name)


def _check_answer(answer: Answer, known: set[str], name: str) -> None:
    assert isinstance(answer, Finding | Passed | Unknown), f"{name}: an answer is a {type(answer).__name__}"
    assert answer.code in known, f"{name}: no kind has the code {answer.code}"
    if isinstance(answer, Finding):
        assert answer.message, f"{name}: a finding of {answer.code} says nothing"
    elif isinstance(answer, Unknown):
        assert answer.missing, f"{name}: {answer.code} does not say which fact is missing"
