"""Functions of the library on plans: deciding, running on the model kernel, and writing artefacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from planner.checks.forecast import with_forecasts
from planner.display import register
from planner.errors import CannotEmit, CrplanError
from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.library.inputs import Input, log_of, naming, resolved
from planner.options import as_given, chosen
from planner.pipeline.reading import default_registry
from planner.pipeline.resolve import emit_with, prove_plan
from planner.plans.document import forest_of
from planner.plans.fold import fold_findings
from planner.plans.model import Plan
from planner.plans.rebuild import fold_run


def plan(source: Input, *, replan: bool = False) -> Plan:
    """Return the restart plan of an image, proved on the model kernel.

    What a log or a plan has decided is proved again and kept, unless `replan`. Raises `Contradiction` for an image that cannot
    be restarted, `BadImage` for one that cannot be read, and `NotProved`.
    """
    return resolved(source, "plan", replan=replan).plan


def simulate(source: Input) -> Forest:
    """Return the forest that stands on the model kernel when a plan has run, or the plan of an image.

    Raises `NotProved` with the step, the rule and the errno where the model refuses a step, and for an image as `plan` does.
    """
    if not isinstance(source, Plan):
        return forest_of(resolved(source, "simulate").plan)
    with naming(f"plan {source.plan_id}"):
        forest = forest_of(source)
        prove_plan(source, forest, (), recorded=True)
    return forest


def emit(
    source: Input,
    name: str,
    *,
    log: Iterable[AnyEvent] | None = None,
    options: Mapping[str, str | int | bool] | None = None,
) -> str | bytes:
    """Return the artefact that the back end `name` makes of a plan, or of the plan of an image.

    Programs depend on the plan alone. `log` is the log that a plan came from; a preview shows what it says beyond the plan.
    Raises `UsageError` for an unknown back end or option, `CannotEmit` for what the back end cannot do, `PluginFailed`, and for
    an image as `plan` does.
    """
    registry = default_registry()
    back_end = chosen(registry.backends, name, "back end")
    artefact = _artefact(source, log)
    errors = [found for found in artefact.findings if found.severity == "error"]
    with naming(f"plan {artefact.plan.plan_id}"):
        if errors and back_end.executable:
            raise CannotEmit(f"the image cannot be restarted as it is: {errors[0].message}")
        return emit_with(back_end, with_forecasts(artefact, back_end, registry), as_given(options or {}), registry)


def _artefact(source: Input, log: Iterable[AnyEvent] | None) -> Artefact:
    """Return what a back end works from."""
    if not isinstance(source, Plan):
        return resolved(source, "emit").artefact()
    if log is None:
        return Artefact(plan=source, forest=forest_of(source))
    events = log_of(log, "emit")
    forest = fold(events)
    return Artefact(plan=source, forest=forest, findings=fold_findings(events, forest), rebuild=fold_run(events), events=events)


def _as_html(plan: Plan) -> str | None:
    """Return the preview of a plan as preformatted text, None where no back end makes one."""
    text = _shown(plan, "text")
    return None if text is None else f"<pre>{escape(text)}</pre>"


def _as_svg(plan: Plan) -> str | None:
    """Return the picture of a plan's process tree, None where no back end draws one."""
    return _shown(plan, "svg")


def _shown(plan: Plan, name: str) -> str | None:
    try:
        data = emit(plan, name)
    except CrplanError:
        return None
    return data if isinstance(data, str) else data.decode()


register(Plan, "html", _as_html)
register(Plan, "svg", _as_svg)
