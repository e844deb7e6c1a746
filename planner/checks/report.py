"""The report of `crplan check`: everything that was asked of an image, what came of it, and what was not checked.

Every text in a report is printable and on one line: names and messages are escaped when it is built, so a format has to care for
its own syntax alone. Machine formats carry `format_version`; unknown fields are to be ignored within a version.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from planner.checks.ask import Asked
from planner.errors import CANNOT_RESTART, Evidence, UsageError
from planner.findings.problems import Problem
from planner.findings.registry import Finding, Kind, Severity
from planner.findings.report import FORMAT_VERSION, KIND, HostSource, Question, Report, Reported, _rank
from planner.hookspecs import Artefact
from planner.identity import ProcessId
from planner.plugins import Registry
from planner.text import escaped


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What counts: the lightest severity that fails, codes that are ignored, fingerprints that were known before."""

    fail_on: Severity = "error"
    fail_on_unknown: bool = False
    ignored: frozenset[str] = frozenset()
    baseline: frozenset[str] = frozenset()


class _Known(msgspec.Struct, frozen=True):
    fingerprint: str


class _Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline needs of a report of any version."""

    kind: str
    format_version: int
    findings: tuple[_Known, ...] = ()


def baseline_of(data: bytes) -> frozenset[str]:
    """Return the fingerprints of an earlier report in JSON; raises `UsageError` for what is none."""
    try:
        report = msgspec.json.decode(data, type=_Baseline)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"the baseline is no report of `crplan check --format json`: {error}") from None
    if report.kind != KIND or not 1 <= report.format_version <= FORMAT_VERSION:
        found = f"{report.kind!r} of format version {report.format_version}"
        raise UsageError(f"the baseline is a {found}, expected {KIND!r} 1 to {FORMAT_VERSION}")
    return frozenset(found.fingerprint for found in report.findings)


def build(
    *,
    image: str,
    artefact: Artefact | None,
    asked: Iterable[Asked],
    not_checked: Iterable[str],
    kinds: Mapping[str, Kind],
    host: HostSource,
    settings: Settings,
    error: Problem | None = None,
) -> Report:
    """Return the report; `artefact` is None where no plan could be made, and `error` says why."""
    asked = tuple(asked)
    raised = [("", found) for found in (artefact.findings if artefact else ())]
    raised += [(each.check, found) for each in asked for found in each.findings]
    if error is not None and error.exit_code == CANNOT_RESTART:
        raised.append(("", _of_problem(error)))
    findings = _reported(raised, artefact, settings)
    questions = [
        Question(code=answer.code, check=each.check, missing=escaped(answer.missing), pid=answer.pid)
        for each in asked
        for answer in each.unknown
    ]
    report = Report(
        image=escaped(image),
        image_format=escaped(artefact.forest.source) if artefact else "",
        image_id=escaped(artefact.plan.image_id) if artefact else "",
        plan_id=artefact.plan.plan_id if artefact else "",
        tasks=len(artefact.forest.tasks) if artefact else 0,
        host=host,
        fail_on=settings.fail_on,
        findings=findings,
        passed=tuple(
            Question(code=answer.code, check=each.check, detail=escaped(answer.detail))
            for each in asked
            for answer in each.passed
        ),
        unknown=tuple(questions),
        forecasts=tuple(each.forecast for each in asked if each.forecast is not None),
        not_checked=tuple(escaped(sentence) for sentence in not_checked),
        kinds=_documented(kinds, findings, asked),
        error=_shown(error) if error else None,
    )
    return msgspec.structs.replace(report, exit_code=_exit_code(report, settings))


def not_checked(artefact: Artefact | None, source: HostSource, registry: Registry) -> Iterator[str]:
    """Yield sentences on what no check looked at."""
    if artefact is None:
        yield "anything beyond what is reported above: without a plan no check can be asked"
        return
    if source == "none":
        yield "whether a machine has what this needs: no host was given (--here, --host FILE)"
    if not registry.checks:
        yield "everything that checks look at: none is installed"
    yield from artefact.plan.uncovered


def _exit_code(report: Report, settings: Settings) -> int:
    """An image that cannot be planned stays so, whatever is ignored."""
    if report.error is not None:
        return report.error.exit_code
    if any(report.fails(found) for found in report.findings) or (settings.fail_on_unknown and report.unknown):
        return CANNOT_RESTART
    return 0


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


def _reported(raised: Iterable[tuple[str, Finding]], artefact: Artefact | None, settings: Settings) -> tuple[Reported, ...]:
    """Order the findings, the gravest first, and give each its subject and fingerprint."""
    forest = artefact.forest if artefact else None
    ordered = sorted(
        raised, key=lambda each: (_rank(each[1].severity), each[1].pid, each[1].code, each[1].property, each[1].message)
    )
    seen: Counter[tuple[str, ...]] = Counter()
    result = []
    for check, found in ordered:
        key = (found.code, str(found.pid), found.property, found.recorded)
        seen[key] += 1
        fingerprint = hashlib.sha256("\0".join((*key, str(seen[key]))).encode("utf-8", "backslashreplace")).hexdigest()[:32]
        task = forest.tasks.get(found.pid) if forest else None
        result.append(
            Reported(
                code=escaped(found.code),
                severity=found.severity,
                message=escaped(found.message),
                check=check,
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


def _documented(kinds: Mapping[str, Kind], findings: Iterable[Reported], asked: Iterable[Asked]) -> tuple[Kind, ...]:
    """Return the kinds of everything that was found or asked, by code; one that nobody registered is described by its finding."""
    used = {answer.code for each in asked for answer in each.passed} | {answer.code for each in asked for answer in each.unknown}
    result = {code: kinds[code] for code in used if code in kinds}
    for found in findings:
        if found.code not in result:
            result[found.code] = kinds.get(found.code) or Kind(
                code=found.code, severity=found.severity, sentence=found.message, hint=found.hint
            )
    return tuple(result[code] for code in sorted(result))
