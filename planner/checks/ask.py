"""Run the installed checks and gather what they answer; a check that raises becomes a finding, and its questions unknown."""

from collections.abc import Mapping, Sequence

import msgspec

from planner.errors import UsageError
from planner.findings.registry import KINDS, PROBLEMS, Finding, Kind, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.hookspecs import Artefact, Check, CheckRequest
from planner.host.facts import Host
from planner.options import Option, filled
from planner.plugins import Registry


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A check with all its answers about one consumer on one host; `invocation` is None where it speaks for no consumer."""

    check: str
    invocation: Invocation | None = None
    host: str = ""
    findings: tuple[Finding, ...] = ()
    passed: tuple[Passed, ...] = ()
    unknown: tuple[Unknown, ...] = ()


def known_kinds(registry: Registry) -> dict[str, Kind]:
    """Return all kinds of finding, also those of the installed checks; of two with one code the first by plugin order stays."""
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


def ask(
    registry: Registry,
    artefact: Artefact,
    invocations: Sequence[Invocation] = (),
    hosts: Mapping[str, Host] | None = None,
    given: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[Asked, ...]:
    """Ask every installed check about every consumer on every host; raises `UsageError` for an option's bad value.

    The order is that of the registry, then of the consumers, then of the hosts. `hosts` maps the name of each host to its facts;
    without one the image alone is judged. `given` are the options of each check by its name.
    """
    judged: Sequence[tuple[str, Host | None]] = tuple((hosts or {}).items()) or (("", None),)
    asked = []
    for check in registry.checks:
        options = filled(check.options, (given or {}).get(check.name, {}), f"check {check.name}")
        about = [each for each in invocations if each.consumer in check.consumers] if check.consumers else [None]
        for invocation in about:
            for name, host in judged:
                request = CheckRequest(artefact=artefact, host=host, invocation=invocation, options=options)
                asked.append(_ask(registry, check, request, name))
    return tuple(asked)


def _ask(registry: Registry, check: Check, request: CheckRequest, host: str) -> Asked:
    findings: list[Finding] = []
    passed: list[Passed] = []
    unknown: list[Unknown] = []
    try:
        for answer in check.check(request):
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
        invocation=request.invocation,
        host=host,
        findings=tuple(findings),
        passed=tuple(passed),
        unknown=tuple(unknown),
    )
