"""Report formats: valid by their schemas, deterministic, and not to be broken by any name."""

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import jsonschema
import msgspec
import pytest
from crplan_ci import json_format, markdown_format
from crplan_ci.json_format import schema
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from planner.checks.ask import Asked
from planner.checks.report import Settings, gather, image_report
from planner.errors import Evidence
from planner.findings.problems import Problem
from planner.findings.registry import Finding, Kind, Passed, Unknown
from planner.findings.report import ImageReport, ManyReports, Report
from planner.findings.verdicts import Invocation
from planner.hookspecs import ReportFormat
from planner.identity import ProcessId
from planner.options import filled
from planner.pipeline import reading
from planner.text import Terminal, json_document
from tests.helpers.places import DATA, ROOT
from tests.helpers.schemas import meaning

SCHEMAS = DATA / "schemas"
PUBLISHED = ROOT / "plugins" / "crplan_ci" / "report.schema.json"
FORMATS = {form.name: form for form in reading.default_registry().reports}

HOSTILE = (
    "::error title=pwned::owned",
    "\n::set-output name=x::y\r\n::add-mask::a%0A::stop-commands::t",
    "%0A%0D%25 ##[group]x",
    "</testsuite>]]><script>alert(1)</script>&lt;",
    '"><img src=x onerror=1>" \' `',
    "| a | b\\| [x](javascript:1) @team #1 **b** $x$ :tada: www.evil.example ![i](u)",
    "\x00\x1b[2J\x07\u202e\u2028\ufffe\ud800",
    "{}{0}%s%n",
    "",
)


CRIU = Invocation(consumer="criu-restore", options=("--shell-job",))


def written(form: ReportFormat, report: Report, terminal: Terminal | None = None) -> str:
    out = form.render(report, filled(form.options, {}, ""), terminal or Terminal())
    return out.decode() if isinstance(out, bytes) else out


def report(
    text: str = "It is so.",
    *,
    image: str = "some.img",
    error: Problem | None = None,
    count: int = 1,
    settings: Settings | None = None,
    code: str = "some-code",
) -> Report:
    """A report with something of everything, and `text` wherever an image may put words."""
    findings = [
        Finding(
            code=code if severity == "error" else f"some-{severity}",
            severity=severity,  # type: ignore[arg-type]
            message=text,
            pid=ProcessId(number),
            property=text,
            recorded=text,
            target=text,
            at=text if number % 2 else 96,
            hint=text,
            outcome="refused" if severity == "error" else "",
        )
        for severity in ("error", "warning", "note")
        for number in range(count)
    ]
    asked = Asked(
        check="some",
        invocation=CRIU,
        findings=tuple(findings),
        passed=(Passed(code="asked-and-fine", detail=text),),
        unknown=(Unknown(code="asked-in-vain", missing=text, pid=ProcessId(3)),),
    )
    kinds = {
        code: Kind(code=code, severity="error", sentence="It is so.", hint="Do this.", documentation="Because.")
        for code in ("some-code", "asked-and-fine", "asked-in-vain")
    }
    one = image_report(
        image=image,
        artefact=None,
        asked=(asked,),
        not_checked=(text, "the weather"),
        settings=settings or Settings(),
        invocations=(CRIU,),
        error=error,
    )
    return gather([one], kinds=kinds)


BROKEN = Problem(exit_code=1, code="bad-image", message="cut short", at=4)

REPORTS = {
    "plain": report(),
    "suppressed": report(settings=Settings(ignored=frozenset({"some-code"}))),
    "contradiction": report(
        error=Problem(
            exit_code=3, code="two-inits", message="Two.", at=96, because=(Evidence(seq=3, at=96, text="TaskRecorded"),)
        )
    ),
    "broken": report(error=BROKEN),
    "usage": gather((), kinds={}, error=Problem(exit_code=2, code="usage", message="no such option")),
    "several": gather([*report().images, *report(image="other.img").images, *report(error=BROKEN).images], kinds={}),
    "empty": gather([ImageReport(image="-")], kinds={}),
}


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return document


SARIF = jsonschema.Draft4Validator(load("sarif-2.1.0-rtm.5.json"))
CODE_QUALITY = jsonschema.Draft202012Validator(load("codequality.json"))
OWN = jsonschema.Draft202012Validator(json.loads(schema()))

MESSAGE = (set(), {"type", "message"}, set())
JUNIT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "testcase", "properties", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"classname", "time", "group"},
        {
            "skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out",
            "system-err",
        },
    ),
    "skipped": MESSAGE,
    "error": MESSAGE,
    "failure": MESSAGE,
    "system-out": (set(), set(), set()),
}  # fmt: skip
"""What each element must have, may have, and may hold, by Jenkins' junit-10.xsd; there children come in any order."""


def check_junit(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        required, optional, children = JUNIT[element.tag]
        assert required <= set(element.attrib) <= required | optional
        assert {child.tag for child in element} <= children
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
        # GitLab shows the first of the cases with one name alone, and of what it shows the content alone.
        assert len({(case.attrib["classname"], case.attrib["name"]) for case in cases}) == len(cases)
        assert all(outcome.text for case in cases for outcome in case)
    return root


COMMAND = re.compile(r"::(error|warning|notice) (file=[^,]*,)?title=crplan [^:,]*::[^\r\n]*")


def check_github(text: str) -> list[str]:
    """Every line is one of our commands, as the runner parses them, or holds no command at all."""
    commands = []
    for line in text.split("\n"):
        if line.lstrip().startswith("::"):
            assert COMMAND.fullmatch(line), line
            commands.append(line)
        else:
            assert "::" not in line
            assert "##[" not in line
    return commands


def check_all(told: Report) -> None:
    for form in FORMATS.values():
        text = written(form, told)
        assert text.endswith("\n")
        assert "\x1b" not in text
        assert "\r" not in text
        match form.name:
            case "json":
                OWN.validate(json.loads(text))
            case "sarif":
                SARIF.validate(json.loads(text))
            case "gitlab":
                CODE_QUALITY.validate(json.loads(text))
                prints = [entry["fingerprint"] for entry in json.loads(text)]
                assert len(set(prints)) == len(prints)
            case "junit":
                check_junit(text)
            case "github":
                check_github(text)


@pytest.mark.parametrize("name", REPORTS)
def test_every_format_is_valid(name: str) -> None:
    check_all(REPORTS[name])


@pytest.mark.parametrize("text", HOSTILE)
def test_names_that_were_made_to_break_a_format_break_none(text: str) -> None:
    check_all(report(text, image=text or "i", count=3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=60), image=st.text(min_size=1, max_size=20))
@example(text="]]>", image="::")
def test_no_name_breaks_a_format(text: str, image: str) -> None:
    check_all(report(text, image=image))


def test_the_schema_changes_only_with_the_format_version() -> None:
    assert meaning(PUBLISHED.read_bytes()) == meaning(schema())


def test_json_says_what_it_is_first_of_all() -> None:
    document = json.loads(written(FORMATS["json"], REPORTS["plain"]))
    assert (document["kind"], document["format_version"], document["exit_code"]) == ("crplan-check", 2, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_packed_entries_and_pieces_make_the_same_document(name: str) -> None:
    told = msgspec.structs.replace(report(), images=report().images * 3)
    packed = msgspec.structs.replace(told, images=ManyReports(told.images))
    assert tuple(packed.images) == packed.images[:] == told.images
    form = FORMATS[name]
    options = filled(form.options, {}, "")
    text = form.render(told, options, Terminal())
    assert form.render(packed, options, Terminal()) == text
    if form.pieces is not None:
        assert text[:0].join(form.pieces(packed, options, Terminal())) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("indent", [0, 1, 2, 7])
def test_json_is_one_document_in_any_number_of_pieces(indent: int) -> None:
    for told in (
        report(),
        msgspec.structs.replace(report(), images=()),
        msgspec.structs.replace(report(), images=report().images * 2),
    ):
        assert b"".join(json_format.pieces(told, {"indent": indent}, Terminal())) == json_document(told, indent)


def test_github_shows_the_gravest_and_counts_the_rest() -> None:
    commands = check_github(written(FORMATS["github"], report(count=30)))
    assert len(commands) == 10
    assert all(command.startswith("::error ") for command in commands[:9])
    assert commands[-1].startswith("::notice ")
    assert "82 more" in commands[-1]


def test_github_decodes_what_was_encoded() -> None:
    (command, *_) = check_github(written(FORMATS["github"], report("100% a,b:c", image="a,b:c.img")))
    head, _, message = command[2:].partition("::")
    assert "file=a%2Cb%3Ac.img" in head
    assert message.startswith("100%25 a,b:c")


def test_the_summary_is_the_markdown_report_and_stays_below_its_limit() -> None:
    form = FORMATS["github"]
    assert form.summary_variable == "GITHUB_STEP_SUMMARY"
    assert form.summary is not None
    told = report("<" * 5000, count=400)
    text = form.summary(told, {})
    assert text == markdown_format.render(told, {}, Terminal())
    assert len(text.encode()) < 1 << 20 or "more" in text
    assert "and 1000 more" in text


def test_markdown_shows_names_as_they_are_and_never_as_marks() -> None:
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    for text in HOSTILE:
        shown = parser.render(written(FORMATS["markdown"], report(text)))
        assert not re.search(r"<(?!/?(h3|p|strong|table|thead|tbody|tr|th|td|ul|li)\b)[^>]*>", shown), shown


def test_junit_skips_what_is_unknown_and_passes_what_is_below_the_mark() -> None:
    root = check_junit(written(FORMATS["junit"], REPORTS["plain"]))
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert cases["asked-in-vain: task 3"].find("skipped") is not None
    assert list(cases["asked-and-fine"]) == []
    assert cases["some-code"].find("failure") is not None
    assert cases["some-warning"].find("failure") is None
    assert "warning" in (cases["some-warning"].findtext("system-out") or "")


def test_gitlab_finds_no_two_cases_of_one_name_and_a_reason_in_each() -> None:
    again = report(count=1)
    (one,) = again.images
    more = msgspec.structs.replace(one, findings=one.findings * 2, unknown=one.unknown * 3)
    twice = msgspec.structs.replace(again, images=(more,))
    names = [case.attrib["name"] for case in check_junit(written(FORMATS["junit"], twice)).iter("testcase")]
    assert {"some-code", "some-code (2)", "asked-in-vain: task 3", "asked-in-vain: task 3 (3)"} <= set(names)
    assert names[-1] == "not-checked"


def test_sarif_has_a_rule_for_every_result_and_stable_fingerprints() -> None:
    (run,) = json.loads(written(FORMATS["sarif"], REPORTS["suppressed"]))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    kinds = {result["ruleId"]: result.get("kind") for result in run["results"]}
    assert (kinds["asked-in-vain"], kinds["asked-and-fine"], kinds["some-code"]) == ("open", "pass", None)
    (suppressed,) = [result for result in run["results"] if "suppressions" in result]
    assert suppressed["ruleId"] == "some-code"
    assert re.fullmatch("[0-9a-f]{32}", suppressed["partialFingerprints"]["crplan/v1"])


def test_every_output_ends_with_what_was_not_checked() -> None:
    for name, form in FORMATS.items():
        text = written(form, REPORTS["plain"])
        assert "the weather" in text, name
    assert written(FORMATS["text"], REPORTS["plain"]).endswith("  the weather\n")
    assert written(FORMATS["markdown"], REPORTS["plain"]).endswith("- the weather\n")
    assert written(FORMATS["github"], REPORTS["plain"]).endswith("not checked: the weather\n")


def test_text_for_people_says_everything_without_colour_and_fits_the_terminal() -> None:
    plain = written(FORMATS["text"], REPORTS["plain"], Terminal(width=60))
    coloured = written(FORMATS["text"], REPORTS["plain"], Terminal(width=60, colour=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()
    assert coloured != plain
    assert max(map(len, plain.splitlines())) <= 60
    assert written(FORMATS["text"], report("ä → b"), Terminal(unicode=False)).isascii()


def test_of_many_findings_that_are_alike_a_few_are_shown_with_one_hint() -> None:
    shown = written(FORMATS["text"], report("It is so.", count=6))
    assert shown.count("[some-warning]") == 6
    few = written(FORMATS["text"], report("It is so.", count=30))
    assert few.count("[some-warning]") == 6  # five, and one that counts the rest
    assert "and 25 more of [some-warning]" in few
    for text in (shown, few):
        warnings = text[text.index("\n  warning") : text.index("\n  note")].splitlines()
        assert [line.strip() for line in warnings].count("It is so.") == 1
