"""The verdicts on an image that need no host, for back ends that show them beside the plan."""

import msgspec

from planner.findings.verdicts import Verdict
from planner.hookspecs import Artefact, BackEnd
from planner.plugins import Registry


def forecasts(artefact: Artefact, registry: Registry) -> tuple[Verdict, ...]:
    """Return the verdicts by the image alone, first that of the usual consumer; none for a plan without its log.

    CRIU's options are not known here: a verdict that depends on one is unknown and names it. A plan that is not proved, as of a
    part of a log, has no verdicts.
    """
    if not artefact.events or not artefact.proved:
        return ()
    # Programs and JSON ask no checks, and so they need not load what asks them.
    from planner.checks.ask import ask
    from planner.checks.consumers import consumers, invocations
    from planner.checks.report import Settings, image_report

    chosen = invocations(consumers(artefact.forest), options=None)
    source = artefact.forest.source
    asked = ask(registry, artefact, chosen)
    return image_report(
        image=source, artefact=artefact, asked=asked, not_checked=(), settings=Settings(), invocations=chosen
    ).verdicts


def with_forecasts(artefact: Artefact, back_end: BackEnd, registry: Registry) -> Artefact:
    """Return the artefact with its verdicts where the back end shows them, else as it is: programs and JSON ask no checks."""
    if not back_end.forecasts:
        return artefact
    return msgspec.structs.replace(artefact, verdicts=forecasts(artefact, registry))
