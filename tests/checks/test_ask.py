"""Checks: they are asked in order, a check that raises costs only its own answers, and what is unknown is no pass."""

from collections.abc import Iterator

import pytest

from planner.checks.ask import ask, known_kinds, split_options
from planner.errors import UsageError
from planner.findings.registry import Answer, Kind, Passed
from planner.findings.verdicts import ConsumerName, Invocation
from planner.hookspecs import Artefact, Check, CheckRequest
from planner.host.facts import Host
from planner.options import Option
from planner.pipeline import resolve as pipeline
from planner.plugins import Registry
from planner.testing.forests import events

REFUSED = Kind(code="some-refusal", severity="error", sentence="It is refused.", hint="", outcome="refused")
WRONG = Kind(code="some-error", severity="warning", sentence="It comes out wrong.", hint="", outcome="wrong")
HARMLESS = Kind(code="some-note", severity="note", sentence="It is there.", hint="")
KINDS = (REFUSED, WRONG, HARMLESS)


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return pipeline.resolve(events("1 2:1/2 3:1")).artefact()


CRIU = Invocation(consumer="criu-restore")
RUN = Invocation(consumer="run")


def check(*answers: Answer, name: str = "some", consumers: tuple[ConsumerName, ...] = ("criu-restore",)) -> Check:
    return Check(name=name, help="Asks.", check=lambda request: iter(answers), kinds=KINDS, consumers=consumers)


def test_a_check_is_asked_once_for_each_consumer_that_it_speaks_for_and_each_host(artefact: Artefact) -> None:
    registry = Registry(checks=(check(Passed(code="some-note")), check(HARMLESS.found(), name="other", consumers=())))
    asked = ask(registry, artefact, (CRIU, RUN), {"a": Host(), "b": Host()})
    assert [(each.check, each.invocation, each.host) for each in asked] == [
        ("some", CRIU, "a"), ("some", CRIU, "b"), ("other", None, "a"), ("other", None, "b"),
    ]  # fmt: skip
    assert ask(registry, artefact, (RUN,))[0].check == "other"


def test_a_check_knows_the_consumer_and_its_options(artefact: Artefact) -> None:
    def echo(request: CheckRequest) -> Iterator[Answer]:
        assert request.invocation is not None
        yield HARMLESS.found(f"{request.invocation.consumer} {request.invocation.has('--shell-job')}")

    echoing = Check(name="echo", help="Echoes.", check=echo, consumers=("criu-restore", "run"))
    given = Invocation(consumer="criu-restore", options=("--shell-job",))
    asked = ask(Registry(checks=(echoing,)), artefact, (given, RUN))
    assert [each.findings[0].message for each in asked] == ["criu-restore True", "run False"]


def test_a_check_that_raises_becomes_a_finding_and_its_questions_unknown(artefact: Artefact) -> None:
    def raises(request: CheckRequest) -> Iterator[Answer]:
        yield Passed(code="some-refusal")
        raise ZeroDivisionError("a\nb")

    bad = Check(name="bad", help="Raises.", check=raises, kinds=KINDS)
    first, second = ask(Registry(checks=(bad, check(HARMLESS.found(), name="good"))), artefact, (CRIU,))
    assert [found.code for found in first.findings] == ["check-failed"]
    assert first.findings[0].message == "check bad of plugin unknown failed: ZeroDivisionError: a b"
    assert first.passed == ()
    assert [answer.code for answer in first.unknown] == [kind.code for kind in KINDS]
    assert [found.code for found in second.findings] == ["some-note"]


def test_what_is_no_answer_is_a_failure_of_the_check(artefact: Artefact) -> None:
    (asked,) = ask(Registry(checks=(check("fine"),)), artefact, (CRIU,))  # type: ignore[arg-type]
    assert asked.findings[0].code == "check-failed"
    assert "yielded str" in asked.findings[0].message


def test_checks_get_the_host_and_their_options(artefact: Artefact) -> None:
    def echo(request: CheckRequest) -> Iterator[Answer]:
        assert request.host is not None
        yield HARMLESS.found(f"{request.host.machine} {request.options['depth']} of {len(request.artefact.forest.tasks)}")

    echoing = Check(
        name="echo", help="Echoes.", check=echo, kinds=KINDS, options=(Option(name="depth", help="d", kind="number", default=3),)
    )
    given, rest = split_options((echoing,), (Option(name="indent", help="i"),), {"depth": "5", "indent": "0"})
    assert rest == {"indent": "0"}
    (asked,) = ask(Registry(checks=(echoing,)), artefact, (), {"m": Host(machine="m68k")}, given)
    assert asked.findings[0].message == "m68k 5 of 3"


def test_an_option_that_nobody_has_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="option 'moon'; there is: indent"):
        split_options((), (Option(name="indent", help="i"),), {"moon": "1"})


def test_the_kinds_of_checks_join_the_registry_and_never_replace_it() -> None:
    thief = Kind(code="two-inits", severity="note", sentence="Harmless.", hint="")
    kinds = known_kinds(Registry(checks=(Check(name="t", help="T.", check=lambda request: iter(()), kinds=(thief, HARMLESS)),)))
    assert kinds["two-inits"].severity == "error"
    assert kinds["some-note"] == HARMLESS
