"""The report of `crplan check`: everything that was asked of an image, what came of it, and what was not checked.

Every text in a report is printable and on one line: names and messages are escaped when it is built, so a format has to care for
its own syntax alone. Machine formats carry `format_version`; unknown fields are to be ignored within a version.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from planner.checks.ask import Asked
from planner.checks.verdicts import verdict, without_plan
from planner.contents.fold import content_id
from planner.errors import CANNOT_RESTART, Evidence, UsageError
from planner.findings.problems import Problem
from planner.findings.registry import Answer, Finding, Kind, Passed, Severity, Unknown
from planner.findings.report import FORMAT_VERSION, KIND, ImageReport, ManyReports, Question, Report, Reported, rank
from planner.findings.verdicts import BAD, ConsumerName, Invocation, Verdict
from planner.hookspecs import Artefact
from planner.host.facts import Host
from planner.identity import ProcessId
from planner.text import clause, escaped


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What counts: the least severity that fails, codes that are ignored, fingerprints that were known before."""

    fail_on: Severity = "error"
    fail_on_unknown: bool = False
    ignored: frozenset[str] = frozenset()
    baseline: frozenset[str] = frozenset()


class _Known(msgspec.Struct, frozen=True):
    fingerprint: str


class _KnownImage(msgspec.Struct, frozen=True):
    findings: tuple[_Known, ...] = ()


class _Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline needs of a report of any version: 1 has the findings at the top, 2 has them below each image."""

    kind: str
    format_version: int
    findings: tuple[_Known, ...] = ()
    images: tuple[_KnownImage, ...] = ()


def baseline_of(data: bytes) -> frozenset[str]:
    """Return the fingerprints of an earlier report in JSON; raises `UsageError` for what is none."""
    try:
        report = msgspec.json.decode(data, type=_Baseline)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"the baseline is no report of `crplan check --format json`: {clause(str(error))}") from None
    if report.kind != KIND or not 1 <= report.format_version <= FORMAT_VERSION:
        found = f"{report.kind!r} of format version {report.format_version}"
        raise UsageError(f"the baseline is a {found}, expected {KIND!r} 1 to {FORMAT_VERSION}")
    entries = (report.findings, *(image.findings for image in report.images))
    return frozenset(found.fingerprint for findings in entries for found in findings)


def image_report(
    *,
    image: str,
    artefact: Artefact | None,
    asked: Iterable[Asked],
    not_checked: Iterable[str],
    settings: Settings,
    invocations: Sequence[Invocation] = (),
    hosts: Mapping[str, Host] | None = None,
    error: Problem | None = None,
    path: str = "",
) -> ImageReport:
    """Return the entry of one image; `artefact` is None where no plan could be made, and `error` says why.

    `path` is how the image was named, for commands that are to be typed as they stand; `image` by itself where it is "".
    """
    asked = tuple(asked)
    judged: Mapping[str, Host | None] = dict(hosts or {}) or {"": None}
    raised = [_Raised("", (), (), found) for found in (artefact.findings if artefact else ())]
    if error is not None and error.exit_code == CANNOT_RESTART:
        raised.append(_Raised("", (), (), _of_problem(error)))
    raised += _merged(asked, "findings", len(judged))
    findings = _reported(raised, artefact, settings)
    unknown = tuple(_question(each) for each in _merged(asked, "unknown", len(judged)))
    verdicts = tuple(
        without_plan(invocation, host, error)
        if artefact is None
        else verdict(
            invocation,
            host,
            facts,
            artefact,
            findings,
            unknown,
            any(each.invocation == invocation and (each.findings or each.passed or each.unknown) for each in asked),
            escaped(path or image),
        )
        for invocation in (invocations if artefact or not error or error.exit_code == CANNOT_RESTART else ())
        for host, facts in judged.items()
    )
    findings = _failing(findings, verdicts, settings)
    report = ImageReport(
        image=escaped(image),
        image_format=escaped(artefact.forest.source) if artefact else "",
        image_id=escaped(artefact.plan.image_id) if artefact else "",
        content_id=content_id(artefact.events, artefact.plan.image_id) if artefact else "",
        plan_id=artefact.plan.plan_id if artefact else "",
        tasks=len(artefact.forest.tasks) if artefact else 0,
        verdicts=verdicts,
        findings=findings,
        passed=(*_proof(artefact), *(_question(each) for each in _merged(asked, "passed", len(judged)))),
        unknown=unknown,
        not_checked=tuple(escaped(sentence) for sentence in not_checked),
        error=_shown(error) if error else None,
    )
    return msgspec.structs.replace(report, exit_code=_exit_code(report, settings))


def gather(
    images: Sequence[ImageReport],
    *,
    kinds: Mapping[str, Kind],
    hosts: Iterable[str] = (),
    settings: Settings | None = None,
    error: Problem | None = None,
) -> Report:
    """Return the report of a command; its exit code is that of `error`, or the worst of the images'."""
    codes = [image.exit_code for image in images]
    return Report(
        hosts=tuple(escaped(host) for host in hosts),
        fail_on=(settings or Settings()).fail_on,
        exit_code=error.exit_code if error is not None else next((code for code in (1, 2, 3) if code in codes), 0),
        images=images if isinstance(images, ManyReports) else tuple(images),
        kinds=_documented(kinds, images),
        error=_shown(error) if error is not None else None,
    )


def _exit_code(report: ImageReport, settings: Settings) -> int:
    """An image that cannot be planned stays so, whatever is ignored; else the first consumer's verdict and what fails decide."""
    if report.error is not None:
        return report.error.exit_code
    first = report.verdicts[0].consumer if report.verdicts else None
    outcomes = {each.verdict for each in report.verdicts if each.consumer == first}
    if outcomes & set(BAD) or any(found.fails for found in report.findings):
        return CANNOT_RESTART
    if not settings.fail_on_unknown:
        return 0
    left_open = any(not question.consumers or first in question.consumers for question in report.unknown)
    return CANNOT_RESTART if left_open or "unknown" in outcomes else 0


def _failing(findings: Iterable[Reported], verdicts: Sequence[Verdict], settings: Settings) -> tuple[Reported, ...]:
    """Mark what the check fails by: what is severe enough or decides a verdict, and concerns the first consumer or none."""
    first = verdicts[0].consumer if verdicts else None
    return tuple(
        msgspec.structs.replace(
            found,
            fails=not found.suppressed
            and (not found.consumers or first in found.consumers)
            and (rank(found.severity) <= rank(settings.fail_on) or found.outcome in BAD),
        )
        for found in findings
    )


class _Raised(msgspec.Struct, frozen=True):
    """An answer with the check that gave it, the consumers that it concerns, and the hosts that it depends on."""

    check: str
    consumers: tuple[ConsumerName, ...]
    hosts: tuple[str, ...]
    answer: Answer


def _merged(asked: Iterable[Asked], field: str, number_of_hosts: int) -> list[_Raised]:
    """Return the answers of one kind, those that a check gave alike for several consumers or hosts as one."""
    consumers: dict[tuple[str, Answer], dict[ConsumerName, None]] = {}
    hosts: dict[tuple[str, Answer], dict[str, None]] = {}
    counts: Counter[tuple[str, Answer]] = Counter()
    for each in asked:
        before: Counter[Answer] = Counter()
        for answer in getattr(each, field):
            before[answer] += 1
            key = (each.check, answer)
            counts[key] = max(counts[key], before[answer])
            named = consumers.setdefault(key, {})
            if each.invocation is not None:
                named[each.invocation.consumer] = None
            hosts.setdefault(key, {})[each.host] = None
    return [
        _Raised(key[0], tuple(names), () if len(hosts[key]) == number_of_hosts else tuple(hosts[key]), key[1])
        for key, names in consumers.items()
        for _ in range(counts[key])
    ]


@lru_cache(maxsize=4096)
def _question(raised: _Raised) -> Question:
    """Return an answer as it is reported; the same of many images is one record."""
    answer = raised.answer
    assert isinstance(answer, Passed | Unknown)
    return Question(
        code=answer.code,
        check=raised.check,
        consumers=raised.consumers,
        hosts=raised.hosts,
        needs=answer.needs if isinstance(answer, Unknown) else (),
        detail=escaped(answer.detail) if isinstance(answer, Passed) else "",
        missing=escaped(answer.missing) if isinstance(answer, Unknown) else "",
        pid=answer.pid if isinstance(answer, Unknown) else 0,
    )


def _proof(artefact: Artefact | None) -> tuple[Question, ...]:
    """Return the question that the planner itself has answered: whether the plan ends in the image's forest."""
    if artefact is None or not artefact.proved:
        return ()
    return (Question(code="not-proved", check="proof", detail="the plan ends in exactly the image's tree on the model kernel"),)


def _of_problem(error: Problem) -> Finding:
    at = error.at if error.at is not None else next((fact.at for fact in error.because if fact.at is not None), None)
    return Finding(code=error.code, severity="error", message=error.message, pid=ProcessId(error.pid), at=at, hint=error.hint)


def _shown(error: Problem) -> Problem:
    """Return a problem whose texts are fit to show."""
    return msgspec.structs.replace(
        error,
        code=escaped(error.code),
        message=escaped(error.message),
        at=_place(error.at),
        because=tuple(Evidence(seq=fact.seq, at=_place(fact.at), text=escaped(fact.text)) for fact in error.because),
        hint=escaped(error.hint),
    )


def _place(at: int | str | None) -> int | str | None:
    return escaped(at) if isinstance(at, str) else at


def _reported(raised: Iterable[_Raised], artefact: Artefact | None, settings: Settings) -> tuple[Reported, ...]:
    """Order the findings, the most severe first, and give each its subject and fingerprint."""
    forest = artefact.forest if artefact else None
    found_by = [(each, each.answer) for each in raised if isinstance(each.answer, Finding)]
    ordered = sorted(
        found_by, key=lambda each: (rank(each[1].severity), each[1].pid, each[1].code, each[1].property, each[1].message)
    )
    seen: Counter[tuple[str, ...]] = Counter()
    result = []
    for each, found in ordered:
        key = (found.code, str(found.pid), found.property, found.recorded)
        seen[key] += 1
        fingerprint = hashlib.sha256("\0".join((*key, str(seen[key]))).encode("utf-8", "backslashreplace")).hexdigest()[:32]
        task = forest.tasks.get(found.pid) if forest else None
        result.append(
            Reported(
                code=escaped(found.code),
                severity=found.severity,
                message=escaped(found.message),
                check=each.check,
                consumers=each.consumers,
                hosts=each.hosts,
                outcome=found.outcome,
                needs=found.needs,
                pid=found.pid,
                pids=tuple(task.pids) if task else (),
                name=escaped(task.name) if task else "",
                property=escaped(found.property),
                recorded=escaped(found.recorded),
                target=escaped(found.target),
                at=_place(found.at),
                hint=escaped(found.hint),
                fingerprint=fingerprint,
                suppressed="ignored"
                if found.code in settings.ignored
                else "baseline"
                if fingerprint in settings.baseline
                else "",
            )
        )
    return tuple(result)


def _documented(kinds: Mapping[str, Kind], images: Iterable[ImageReport]) -> tuple[Kind, ...]:
    """Return the kinds of everything that was found or asked, by code; one that is not registered is described by its finding."""
    result: dict[str, Kind] = {}
    for image in images:
        for question in (*image.passed, *image.unknown):
            if question.code in kinds:
                result[question.code] = kinds[question.code]
        for found in image.findings:
            if found.code not in result:
                result[found.code] = kinds.get(found.code) or Kind(
                    code=found.code, severity=found.severity, sentence=found.message, hint=found.hint
                )
    return tuple(result[code] for code in sorted(result))
