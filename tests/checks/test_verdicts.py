"""Verdicts: the heaviest answer decides, answers of one consumer decide no other's, and what is ignored decides nothing."""

import pytest

from planner.checks.ask import Asked
from planner.checks.consumers import consumers
from planner.checks.report import Settings, image_report
from planner.findings.registry import Answer, Finding, Kind, Passed, Unknown
from planner.findings.verdicts import Consequence, ConsumerName, Invocation, Verdict
from planner.forest.fold import fold
from planner.hookspecs import Artefact
from planner.pipeline import resolve as pipeline
from planner.testing.forests import events
from tests.helpers.criu_images import criu_image

CRIU = Invocation(consumer="criu-restore", options=("--file-locks",))
RUN = Invocation(consumer="run")


def kind(outcome: Consequence) -> Kind:
    return Kind(code=f"is-{outcome or 'nothing'}", severity="warning", sentence=f"It is {outcome}.", hint="", outcome=outcome)


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return pipeline.resolve(events("1 2:1/2 3:1")).artefact()


def verdicts(
    artefact: Artefact, *answers: Answer, about: Invocation = CRIU, ignored: frozenset[str] = frozenset()
) -> list[Verdict]:
    asked = Asked(
        check="some",
        invocation=about,
        findings=tuple(each for each in answers if isinstance(each, Finding)),
        passed=tuple(each for each in answers if isinstance(each, Passed)),
        unknown=tuple(each for each in answers if isinstance(each, Unknown)),
    )
    settings = Settings(ignored=ignored)
    told = image_report(
        image="images", artefact=artefact, asked=(asked,), not_checked=(), settings=settings, invocations=(CRIU, RUN)
    )
    return list(told.verdicts)


OPEN = Unknown(code="is-open", missing="a fact")
FINE = Passed(code="is-fine")


@pytest.mark.parametrize(
    ("answers", "outcome", "codes"),
    [
        ((FINE,), "ok", ()),
        ((FINE, kind("").found()), "ok", ()),
        ((FINE, OPEN), "unknown", ("is-open",)),
        ((OPEN, kind("wrong").found()), "wrong", ("is-wrong",)),
        ((OPEN, kind("wrong").found(), kind("hangs").found()), "hangs", ("is-hangs",)),
        ((kind("hangs").found(), kind("refused").found(), OPEN), "refused", ("is-refused",)),
        ((), "unknown", ()),
    ],
)
def test_the_heaviest_answer_decides(
    artefact: Artefact, answers: tuple[Answer, ...], outcome: str, codes: tuple[str, ...]
) -> None:
    criu, run = verdicts(artefact, *answers)
    assert (criu.verdict, criu.codes) == (outcome, codes)
    assert run.verdict == "ok"


def test_what_one_consumer_meets_is_no_matter_of_another(artefact: Artefact) -> None:
    criu, run = verdicts(artefact, kind("refused").found(), about=RUN)
    assert (criu.verdict, run.verdict) == ("unknown", "refused")


def test_what_is_ignored_decides_nothing_and_is_named(artefact: Artefact) -> None:
    ignored = frozenset({"is-refused", "is-open"})
    criu, _ = verdicts(artefact, kind("refused").found(), FINE, ignored=ignored)
    assert (criu.verdict, criu.ignored) == ("ok", ("is-refused",))


def test_a_question_that_is_open_stays_open_whatever_is_ignored(artefact: Artefact) -> None:
    assert verdicts(artefact, OPEN, FINE, ignored=frozenset({"is-open"}))[0].verdict == "unknown"


def test_options_that_are_missing_are_named_with_the_command_that_would_work(artefact: Artefact) -> None:
    depends = Unknown(code="is-open", missing="whether it is given", needs=("--shell-job",))
    criu, _ = verdicts(artefact, depends, FINE)
    assert (criu.verdict, criu.reason, criu.needs) == ("unknown", "depends on --shell-job", ("--shell-job",))
    assert criu.command == "criu restore --images-dir images --file-locks --shell-job"
    criu, _ = verdicts(artefact, kind("refused").found(needs=("--shell-job",)))
    assert (criu.verdict, criu.command.rpartition(" ")[2]) == ("refused", "--shell-job")
    criu, _ = verdicts(artefact, kind("refused").found(), depends)
    assert criu.command == ""


def test_the_consumers_follow_the_kind_of_image() -> None:
    def of(history: list[object], **wanted: object) -> tuple[ConsumerName, ...]:
        return consumers(fold(history), **wanted)  # type: ignore[arg-type]

    assert of(events("1 2:1")) == ("run",)  # type: ignore[arg-type]
    image = criu_image("1 2:1")
    assert of(image) == ("criu-restore",)  # type: ignore[arg-type]
    assert of(image, engine="podman") == ("podman", "criu-restore")  # type: ignore[arg-type]
    assert of(image, wanted="run") == ("run", "criu-restore")  # type: ignore[arg-type]
    assert of(image, into=7) == ("criu-restore", "run-into")  # type: ignore[arg-type]
    assert consumers(None) == ("run",)
