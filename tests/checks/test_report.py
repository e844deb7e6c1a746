"""Reports: what counts, what does not and why, and fingerprints that outlive a change of words."""

import msgspec
import pytest

from planner.checks.ask import Asked, known_kinds
from planner.checks.report import Settings, baseline_of, gather, image_report
from planner.errors import UsageError
from planner.findings.problems import Problem
from planner.findings.registry import Finding, Passed, Unknown
from planner.findings.report import ImageReport
from planner.hookspecs import Artefact
from planner.identity import ProcessId
from planner.pipeline import resolve as pipeline
from planner.plugins import Registry
from planner.testing.forests import events


def finding(code: str = "some-code", severity: str = "warning", **fields: object) -> Finding:
    values: dict[str, object] = {"message": "It is so."} | fields
    return Finding(code=code, severity=severity, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return pipeline.resolve(events("1 2:1/2 3:1")).artefact()


def report(
    *findings: Finding, artefact: Artefact | None = None, settings: Settings | None = None, **fields: object
) -> ImageReport:
    asked = Asked(check="some", findings=findings, **fields)  # type: ignore[arg-type]
    return image_report(
        image="some.img", artefact=artefact, asked=(asked,), not_checked=("the weather",), settings=settings or Settings()
    )


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [("error", "error", 3), ("warning", "error", 0), ("warning", "warning", 3), ("note", "warning", 0), ("note", "note", 3)],
)
def test_what_fails_is_what_is_at_least_as_grave_as_asked(severity: str, fail_on: str, code: int) -> None:
    assert report(finding(severity=severity), settings=Settings(fail_on=fail_on)).exit_code == code  # type: ignore[arg-type]


def test_the_gravest_come_first_and_then_by_task() -> None:
    shuffled = [finding("b", "note"), finding("c", "error", pid=9), finding("a", "error", pid=3), finding("d", "warning")]
    assert [found.code for found in report(*shuffled).findings] == ["a", "c", "d", "b"]
    assert report(*shuffled).findings == report(*reversed(shuffled)).findings


def test_what_is_ignored_or_known_is_told_and_does_not_count() -> None:
    first = report(finding("a", "error"), finding("b", "error"))
    assert first.exit_code == 3
    assert report(finding("a", "error"), settings=Settings(ignored=frozenset({"a"}))).exit_code == 0
    known = baseline_of(msgspec.json.encode(gather([first], kinds={})))
    again = report(finding("a", "error"), finding("b", "error"), finding("c", "error"), settings=Settings(baseline=known))
    assert [found.suppressed for found in again.findings] == ["baseline", "baseline", ""]
    assert [found.code for found in again.counting()] == ["c"]
    assert again.exit_code == 3


def test_a_fingerprint_survives_other_words_and_another_target_and_tells_twins_apart() -> None:
    one, other = (report(finding(message=words, target=words)).findings[0].fingerprint for words in ("Old.", "New."))
    assert one == other
    twins = [found.fingerprint for found in report(finding(), finding()).findings]
    assert len(set(twins)) == 2
    assert twins[0] == one
    for changed in ({"pid": 3}, {"property": "p"}, {"recorded": "r"}, {"code": "c"}):
        assert report(finding(**changed)).findings[0].fingerprint != one  # type: ignore[arg-type]


def test_what_is_unknown_is_no_pass_and_fails_only_when_asked() -> None:
    questions = {"unknown": (Unknown(code="some-code", missing="a fact", pid=ProcessId(2)),), "passed": (Passed(code="other"),)}
    lenient = report(**questions)  # type: ignore[arg-type]
    assert lenient.exit_code == 0
    assert [(question.code, question.missing, question.pid) for question in lenient.unknown] == [("some-code", "a fact", 2)]
    assert [question.code for question in lenient.passed] == ["other"]
    assert report(settings=Settings(fail_on_unknown=True), **questions).exit_code == 3  # type: ignore[arg-type]


def test_an_image_that_cannot_be_planned_stays_so_whatever_is_ignored() -> None:
    problem = Problem(exit_code=3, code="two-inits", message="Two.", pid=4, at=96)
    told = image_report(
        image="i",
        artefact=None,
        asked=(),
        not_checked=(),
        settings=Settings(ignored=frozenset({"two-inits"})),
        error=problem,
    )
    assert told.exit_code == 3
    assert [(found.code, found.pid, found.at) for found in told.findings] == [("two-inits", 4, 96)]
    whole = gather([told], kinds=known_kinds(Registry()))
    assert (whole.exit_code, [kind.code for kind in whole.kinds]) == (3, ["two-inits"])


def test_a_baseline_of_version_1_has_its_findings_at_the_top() -> None:
    old = b'{"kind":"crplan-check","format_version":1,"image":"i","findings":[{"fingerprint":"f"}]}'
    assert baseline_of(old) == {"f"}


def test_the_exit_code_of_several_images_is_that_of_the_worst() -> None:
    fine, failing = report(), report(finding(severity="error"))
    broken = msgspec.structs.replace(fine, exit_code=1)
    assert [gather(images, kinds={}).exit_code for images in ([fine, fine], [fine, failing], [failing, broken])] == [0, 3, 1]


def test_every_text_is_printable_and_on_one_line(artefact: Artefact) -> None:
    hostile = "a\nb\x1b[31m\u202e\ud800"
    told = report(
        finding(message=hostile, property=hostile, recorded=hostile, target=hostile, hint=hostile, at=hostile, code=hostile),
        artefact=artefact,
    )
    (found,) = told.findings
    for text in (found.message, found.property, found.recorded, found.target, found.hint, found.at, found.code):
        assert isinstance(text, str)
        assert text.isprintable()
    msgspec.json.encode(told)


def test_the_subject_has_its_whole_vector_and_name() -> None:
    nested = pipeline.resolve(events("1 7.1:1")).artefact()
    (found,) = report(finding(pid=7), artefact=nested).findings
    assert found.pids == (7, 1)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"kind":"moon","image":"i"}', b"\xff", b"[" * 100_000])
def test_a_baseline_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="baseline"):
        baseline_of(data)
