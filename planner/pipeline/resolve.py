"""From a source to a proved plan and an artefact: the one path that the library and the command line share.

A log that already holds decisions is folded and proved again, never planned again, so that what was reviewed is what is carried
out; everything else about a log is the same as of the image that it was written from.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from planner.errors import BadImage, CannotEmit, Contradiction, NotProved, PluginFailed
from planner.events import log
from planner.events.records import AnyEvent, DefectRecorded, FindingRaised, PlanProved, RunEvent
from planner.findings.registry import KINDS, Finding
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.laws_processes import undecided
from planner.forest.model import Forest
from planner.forest.pid_namespaces.infer import MOST_SOLUTIONS, Decision, solutions
from planner.hookspecs import Artefact, BackEnd
from planner.identity import EventNumber, ProcessId
from planner.kernel.proof import ProofFailed, prove
from planner.kernel.simulation import ModelRefusal
from planner.options import filled
from planner.planning.decide import decide
from planner.plans.fold import DECISIONS, fold_findings, fold_plan, lost_properties, recorded_id
from planner.plans.model import Plan
from planner.plans.rebuild import fold_run
from planner.plugins import Registry
from planner.pods.clashes import refuse_clashes
from planner.text import FILE, Terminal

MOST_PLACED = 1_000_000
"""How many tasks are placed and planned anew before the refusal of an image stands: large ones get fewer placings."""

MOST_SEARCHED = 4
"""How many placings the exact search decides over where components are large: it may take seconds for each."""

BAD_IMAGE = "bad-image"
"""Code of the defect by which a log says that its image could not be read to the end."""


class Resolved(msgspec.Struct, kw_only=True):
    """What a log comes to: its events with the decisions, and their folds."""

    events: list[AnyEvent]
    forest: Forest
    plan: Plan
    findings: tuple[Finding, ...]

    def artefact(self) -> Artefact:
        """Return what a back end works from."""
        return Artefact(
            plan=self.plan, forest=self.forest, findings=self.findings, rebuild=fold_run(self.events), events=self.events
        )


def resolve(events: Iterable[AnyEvent], *, replan: bool = False) -> Resolved:
    """Fold a log, decide what it leaves open, and prove the plan on the model kernel.

    Raises `Contradiction` for facts that cannot be or cannot be restarted, `BadImage` for a log that was cut or does not hold
    together, and `NotProved`. When it raises, `events` (if it is a list) holds the log as far as it came.
    """
    history = events if isinstance(events, list) else list(events)
    _refuse_unreadable(history)
    if replan:
        history[:] = [event for event in history if not isinstance(event, (*DECISIONS, *_RUN))]
    if any(type(event) in _DECISIONS for event in history):
        return _replay(history)
    return _plan(history)


_RUN = RunEvent.__args__
_DECISIONS = frozenset(DECISIONS)


def _refuse_unreadable(history: Sequence[AnyEvent]) -> None:
    """Raise again what the reader raised, when the log is that of an image which could not be read."""
    for event in history:
        if type(event) is DefectRecorded and event.code == BAD_IMAGE:
            raise BadImage(event.at, event.detail)


def _plan(history: list[AnyEvent]) -> Resolved:
    """Plan a log of image events; `history` grows by the decisions."""
    try:
        refuse_clashes(history)
        forest, decisions = decide_placed(history)
    except Contradiction as error:
        history.append(FindingRaised(code=error.code, pid=error.pid, detail=error.message, because=error.because))
        raise
    identity = image_id(forest)
    try:
        plan = _proved_plan(forest, decisions, identity)
    except NotProved as error:
        forest, decisions, plan = _planned_otherwise(history, identity, error)
    history += decisions
    history.append(PlanProved(image_id=identity, plan_id=plan.plan_id))
    return Resolved(events=history, forest=forest, plan=plan, findings=fold_findings(history, forest))


def _proved_plan(forest: Forest, decisions: list[AnyEvent], identity: str) -> Plan:
    plan = fold_plan(decisions, forest, identity)
    prove_plan(plan, forest, decisions, recorded=False)
    return plan


def _planned_otherwise(history: list[AnyEvent], identity: str, first: NotProved) -> tuple[Forest, list[AnyEvent], Plan]:
    """Plan with more helpers, where a plan does not prove: it came into a trap on the way, by a group that an init visited.

    Raises `first`, whatever it was, where that leads nowhere.
    """
    try:
        forest, decisions = decide_placed(history, thrift=False)
        return forest, decisions, _proved_plan(forest, decisions, identity)
    except (Contradiction, NotProved):
        raise first from None


def decide_placed(history: list[AnyEvent], *, thrift: bool = True) -> tuple[Forest, list[AnyEvent]]:
    """Place the tasks in namespaces and plan; where the likeliest placing cannot be planned, the next one is tried.

    Where none is planned, the exact search decides over large components, too, in the first `MOST_SEARCHED` placings. Raises the
    refusal of the first placing.
    """
    forest = fold(history)
    most = max(2, min(MOST_SOLUTIONS, MOST_PLACED // max(1, len(forest.tasks))))
    answers = solutions(forest, most)
    tried: list[list[Decision]] = []
    refused: list[Contradiction] = []
    likeliest = forest
    placed = next(answers)
    while True:
        whole = fold(chain(history, placed)) if placed else forest
        try:
            return whole, [*placed, *decide(whole, EventNumber(len(history) + len(placed)), thrift=thrift)]
        except Contradiction as error:
            likeliest = likeliest if refused else whole
            tried.append(placed)
            refused.append(error)
            try:
                placed = answers.send(_doubted(forest, error))
            except StopIteration:
                break
    for number, placed in enumerate(tried[:MOST_SEARCHED]):
        if refused[number].code == "plan-undecided":
            whole = fold(chain(history, placed)) if placed else forest
            after = EventNumber(len(history) + len(placed))
            try:
                return whole, [*placed, *decide(whole, after, thrift=thrift, exactly=True)]
            except Contradiction as error:
                refused[number] = error
    first = next((error for error in refused if error.code == "plan-undecided"), refused[0])
    from planner.forest.minimise import narrowed
    from planner.planning.refusals import told  # the search is loaded for refusals alone

    law = told(likeliest, first)
    smallest = narrowed(forest, law)
    if smallest is law and len(refused) >= most and first.code != "plan-undecided":
        smallest = undecided(law, "placing in pid namespaces")
    raise smallest


def _doubted(forest: Forest, refusal: Contradiction) -> list[ProcessId]:
    """Return the tasks that a refusal is about and their children, with the leaders of their sessions and groups.

    Where such a leader is dead, all its members say where it can have lived.
    """
    facts = set(refusal.because)
    named = {task.pid for task in forest.tasks.values() if task.recorded in facts}
    doubted: dict[ProcessId, None] = {}
    for task in forest.tasks.values():
        if task.pid in named:
            doubted.update(dict.fromkeys((task.pid, task.parent, task.session, task.group)))
    for task in forest.tasks.values():
        if task.parent in named:
            doubted.update(dict.fromkeys((task.pid, task.session, task.group)))
    dead = {pid for pid in doubted if pid and pid not in forest.tasks}
    if dead:
        doubted.update((task.pid, None) for task in forest.tasks.values() if task.session in dead or task.group in dead)
    return list(doubted)


def _replay(history: list[AnyEvent]) -> Resolved:
    """Fold a log that holds decisions, and prove its plan again."""
    proved = [event for event in history if type(event) is PlanProved]
    if not proved:
        _refuse_again(history)
        raise BadImage(
            f"event {len(history) - 1}",
            "the log holds decisions and does not come to a proved plan, so it was cut; give --replan, or --until to look at it",
        )
    forest = fold(history)
    identity = image_id(forest)
    plan = fold_plan(history, forest, recorded_id(forest) or identity)
    prove_plan(plan, forest, history, recorded=True)
    if proved[-1].plan_id != plan.plan_id:
        raise NotProved(
            f"the steps are not those that were proved: plan {plan.plan_id}, recorded {proved[-1].plan_id}", recorded=True
        )
    return Resolved(events=history, forest=forest, plan=plan, findings=fold_findings(history, forest))


def _refuse_again(history: Sequence[AnyEvent]) -> None:
    """Raise the contradiction that ended the planning of this log, if that is how it ended."""
    refuse_clashes(history)
    fold(history)
    last = history[-1]
    if isinstance(last, FindingRaised) and (last.code not in KINDS or KINDS[last.code].severity == "error"):
        raise Contradiction(last.code, last.detail, last.because, last.pid)


def prove_plan(plan: Plan, forest: Forest, history: Iterable[AnyEvent], *, recorded: bool) -> None:
    """Prove on the model kernel that a plan ends in `forest`, but for what the findings in `history` say is lost.

    Raises `NotProved` with the step, the rule and the errno; `recorded` says that the plan came with a log or plan file.
    """
    try:
        prove(plan, forest, lost=lost_properties(history))
    except (ModelRefusal, ProofFailed) as error:
        rule = error.rule if isinstance(error, ModelRefusal) else ""
        raise NotProved(f"the plan does not prove on the model: {error}", recorded=recorded, rule=rule) from None


def as_it_stood(history: Sequence[AnyEvent], seq: int) -> Artefact:
    """Return forest, plan and rebuild as they stood at position `seq` of a log.

    A plan of which the log says that it was proved is proved again, and counts as not proved where that fails.
    """
    cut = list(log.until(history, seq))
    forest = fold(cut, partial=True)
    plan = fold_plan(cut, forest, recorded_id(forest) or image_id(forest))
    proved = any(type(event) is PlanProved for event in cut)
    if proved:
        try:
            prove_plan(plan, forest, cut, recorded=True)
        except NotProved:
            proved = False
    return Artefact(
        plan=plan,
        forest=forest,
        findings=fold_findings(cut, forest),
        proved=proved,
        cut_at=len(cut) - 1,
        rebuild=fold_run(cut),
        events=cut,
    )


def emit_with(
    back_end: BackEnd, artefact: Artefact, given: Mapping[str, str], registry: Registry, terminal: Terminal = FILE
) -> str | bytes:
    """Run a back end with its options filled in.

    Raises `UsageError` for an option that it does not have, `CannotEmit` when it cannot do this plan, and `PluginFailed`.
    """
    options = filled(back_end.options, given, f"back end {back_end.name}")
    try:
        return back_end.emit(artefact, options, terminal)
    except CannotEmit:
        raise
    except Exception as error:  # whatever a plugin raises, the user is told which plugin
        plugin = registry.provider("back end", back_end.name)
        raise PluginFailed(f"back end {back_end.name} of plugin {plugin} failed: {type(error).__name__}: {error}") from error
