"""Builds an image's entry in the report: chooses the consumers, asks the checks for each host, and sums the verdicts."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from planner.checks.ask import ask
from planner.checks.consumers import consumers, invocations
from planner.checks.report import Settings, image_report
from planner.checks.verdicts import OWN
from planner.contents.fold import fold_contents
from planner.findings.problems import Problem
from planner.findings.report import ImageReport
from planner.findings.verdicts import ConsumerName, Invocation
from planner.hookspecs import Artefact
from planner.host.facts import Host
from planner.plugins import Registry

THIS_HOST: Final = "this host"
"""What a report calls the machine that it was made on."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of every image of a command.

    `wanted` is the consumer that the exit code follows, `engine` one whose verdict comes first, "" for the usual ones. `options`
    are CRIU's, None where they are not known. `into` is a process of the hosts in whose pid namespace the trees are to stand.
    `given` are the options of each check.
    """

    wanted: ConsumerName | None = None
    engine: ConsumerName | None = None
    options: tuple[str, ...] | None = None
    into: int = 0
    complete: bool = False
    given: Mapping[str, Mapping[str, str]] = {}


def judge(
    registry: Registry,
    image: str,
    artefact: Artefact | None,
    request: Request,
    settings: Settings,
    hosts: Mapping[str, Host] | None = None,
    error: Problem | None = None,
    path: str = "",
) -> ImageReport:
    """Return the entry of an image; `artefact` is None where no plan could be made. Raises `UsageError` for a check's option.

    `path` is how the image was named, where `image` is a shorter name.
    """
    if artefact is not None:
        artefact = msgspec.structs.replace(artefact, contents=fold_contents(artefact.events))
    chosen = _invocations(artefact, request)
    asked = ask(registry, artefact, chosen, hosts, request.given) if artefact is not None else ()
    return image_report(
        image=image,
        artefact=artefact,
        asked=asked,
        not_checked=_not_checked(artefact, hosts, registry, chosen),
        settings=settings,
        invocations=chosen,
        hosts=hosts,
        error=error,
        path=path,
    )


def _invocations(artefact: Artefact | None, request: Request) -> tuple[Invocation, ...]:
    forest = artefact.forest if artefact is not None else None
    names = consumers(forest, into=request.into, engine=request.engine or "", wanted=request.wanted or "")
    return invocations(names, options=request.options, into=request.into, complete=request.complete)


def _not_checked(
    artefact: Artefact | None, hosts: Mapping[str, Host] | None, registry: Registry, chosen: tuple[Invocation, ...]
) -> Iterable[str]:
    """Yield what nothing has looked at, and what `crplan run` leaves out where it is one of the consumers."""
    if artefact is None:
        yield "anything beyond what is reported above: without a plan no check can be asked"
        return
    if not hosts:
        yield "whether a machine has what this needs: no host was given (--here, --host FILE)"
    if not registry.checks:
        yield "everything that checks look at: none is installed"
    if any(invocation.consumer in OWN for invocation in chosen):
        yield from artefact.plan.uncovered
