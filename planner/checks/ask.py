"""Run the installed checks and gather what they answer; a check that raises becomes a finding, and its questions unknown."""

from collections.abc import Mapping, Sequence

import msgspec

from planner.errors import UsageError
from planner.findings.registry import KINDS, PROBLEMS, Finding, Kind, Passed, Unknown
from planner.findings.report import Forecast
from planner.hookspecs import Artefact, Check, CheckRequest
from planner.host.facts import Host
from planner.options import Option, filled
from planner.plugins import Registry


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A check with all its answers."""

    check: str
    findings: tuple[Finding, ...] = ()
    passed: tuple[Passed, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    forecast: Forecast | None = None


def known_kinds(registry: Registry) -> dict[str, Kind]:
    """Return the whole registry of kinds, those of the installed checks included; on a clash the first by plugin order stays."""
    kinds = KINDS | PROBLEMS
    for check in registry.checks:
        for kind in check.kinds:
            kinds.setdefault(kind.code, kind)
    return kinds


def split_options(
    checks: Sequence[Check], others: Sequence[Option], given: Mapping[str, str]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Give every check the options that it declares, and return them with those that `others` declares; raises `UsageError`."""
    declared = {option.name for check in checks for option in check.options} | {option.name for option in others}
    for name in given:
        if name not in declared:
            raise UsageError(
                f"no check and not the format has an option {name!r}; there is: {', '.join(sorted(declared)) or 'none'}"
            )
    own = {option.name for option in others}
    return (
        {
            check.name: {name: value for name, value in given.items() if name in {option.name for option in check.options}}
            for check in checks
        },
        {name: value for name, value in given.items() if name in own},
    )


def ask(registry: Registry, artefact: Artefact, host: Host | None, given: Mapping[str, Mapping[str, str]]) -> tuple[Asked, ...]:
    """Ask every installed check, in the order of the registry; raises `UsageError` for an option's bad value."""
    return tuple(_ask(registry, check, artefact, host, given.get(check.name, {})) for check in registry.checks)


def _ask(registry: Registry, check: Check, artefact: Artefact, host: Host | None, given: Mapping[str, str]) -> Asked:
    options = filled(check.options, given, f"check {check.name}")
    findings: list[Finding] = []
    passed: list[Passed] = []
    unknown: list[Unknown] = []
    try:
        for answer in check.check(CheckRequest(artefact=artefact, host=host, options=options)):
            match answer:
                case Finding():
                    findings.append(answer)
                case Passed():
                    passed.append(answer)
                case Unknown():
                    unknown.append(answer)
                case _:
                    raise TypeError(f"yielded {type(answer).__name__}, expected Finding, Passed or Unknown")
    except Exception as error:  # whatever a plugin raises, the others are still asked
        plugin = registry.provider("check", check.name)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        findings.append(PROBLEMS["check-failed"].found(f"check {check.name} of plugin {plugin} failed: {text}"))
        passed, unknown = [], [Unknown(code=kind.code, missing=f"check {check.name} failed") for kind in check.kinds]
    return Asked(
        check=check.name,
        findings=tuple(findings),
        passed=tuple(passed),
        unknown=tuple(unknown),
        forecast=_forecast(check, findings, unknown, bool(findings or passed or unknown)),
    )


def _forecast(check: Check, findings: Sequence[Finding], unknown: Sequence[Unknown], answered: bool) -> Forecast | None:
    """Return what the answers say of the program whose outcome the check predicts; a check that was silent predicts nothing."""
    if not check.forecasts or not answered:
        return None
    outcome_of = {kind.code: kind.outcome for kind in check.kinds}
    codes = {"refused": set[str](), "wrong": set[str]()}
    for found in findings:
        outcome = outcome_of.get(found.code, "")
        if outcome:
            codes[outcome].add(found.code)
    failed = {found.code for found in findings if found.code == "check-failed"}
    if codes["refused"]:
        return Forecast(of=check.forecasts, outcome="refused", because=tuple(sorted(codes["refused"])))
    if codes["wrong"]:
        return Forecast(of=check.forecasts, outcome="wrong", because=tuple(sorted(codes["wrong"])))
    if unknown or failed:
        return Forecast(
            of=check.forecasts, outcome="unknown", because=tuple(sorted({answer.code for answer in unknown} | failed))
        )
    return Forecast(of=check.forecasts, outcome="ok")
