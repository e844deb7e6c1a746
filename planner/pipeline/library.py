"""The functions of the library, which `planner` offers under its own name."""

from collections.abc import Iterable, Mapping

from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.pipeline.reading import AnySource, default_registry, pod_events, source_of, stream_events
from planner.pipeline.resolve import _prove, emit_with, resolve
from planner.plans.fold import fold_findings
from planner.plans.model import Plan
from planner.plans.rebuild import fold_run


def read(source: AnySource, *others: AnySource) -> list[AnyEvent]:
    """Read an image, an event log or a plan document and return its log, `LogOpened` first.

    Several are the containers of one pod, whose log is one. Raises `BadImage` with the place where the bytes cannot be decoded
    into facts.
    """
    if others:
        return list(pod_events([source_of(one) for one in (source, *others)], default_registry()))
    return list(stream_events(source_of(source), default_registry()))


def plan(log: Iterable[AnyEvent], *, replan: bool = False) -> Plan:
    """Plan the restart of a log's image and prove it on the model kernel; decisions in the log are kept unless `replan`.

    Raises `Contradiction` for an image that cannot be restarted, and `NotProved`.
    """
    return resolve(list(log), replan=replan).plan


def simulate(plan: Plan) -> Forest:
    """Run a plan on the model kernel and return the forest that stands at its end.

    Raises `NotProved` with the step, the rule and the errno where the model refuses a step.
    """
    from planner.plans.document import forest_of

    forest = forest_of(plan)
    _prove(plan, forest, (), recorded=True)
    return forest


def emit(
    plan: Plan, name: str, *, log: Iterable[AnyEvent] | None = None, options: Mapping[str, str] | None = None
) -> str | bytes:
    """Return the artefact that the back end `name` makes of a plan.

    Programs depend on the plan alone. `log` is the log that the plan came from; a preview shows what it says beyond the plan.
    Raises `UsageError` for an unknown back end or option, `CannotEmit` and `PluginFailed`.
    """
    from planner.options import chosen
    from planner.plans.document import forest_of

    registry = default_registry()
    if log is None:
        artefact = Artefact(plan=plan, forest=forest_of(plan))
    else:
        events = list(log)
        forest = fold(events)
        artefact = Artefact(
            plan=plan, forest=forest, findings=fold_findings(events, forest), rebuild=fold_run(events), events=events
        )
    return emit_with(chosen(registry.backends, name, "back end"), artefact, options or {}, registry)
