"""Why a step is there and which process creates which: a look-up of decisions, their rules and their evidence.

Nothing is decided here. What an explanation says stands in the log, and each piece of evidence comes with its place in the image.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from planner import steps
from planner.errors import Evidence, place_words
from planner.events.records import (
    AnyEvent,
    BirthDecided,
    FindingRaised,
    NamespaceInferred,
    PidRecorded,
    StepPlanned,
    TaskPlaced,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.findings.problems import evidence
from planner.forest.pid_namespaces.rules import RULES as PLACING_RULES
from planner.identity import OUTSIDE, ProcessId, StepNumber
from planner.kernel.rules import KERNEL_RULES
from planner.plans.graph import IMPLIED, predecessors
from planner.plans.model import Plan
from planner.plans.rules import RETIRED, RULES
from planner.plans.wording import actor_words, listed, step_words, vector, wait_words
from planner.text import escaped

FORMAT_VERSION: Final = 1

MOST_EVIDENCE: Final = 12
"""Pieces of evidence that are printed for one reason; the JSON form has all."""


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision: what was decided, by which rule, and because of which facts."""

    text: str
    rule: str = ""
    sentence: str = ""
    source: str = ""
    because: tuple[Evidence, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a process or a step is what it is; `subject` is `process N` or `step N`."""

    subject: str
    headline: str
    reasons: tuple[Reason, ...]

    def __repr__(self) -> str:
        return f"<Explanation of {self.headline}: {len(self.reasons)} reasons>"


def rule_words(name: str) -> tuple[str, str]:
    """Return a rule's sentence and its source; both are "" for a rule that this version does not know."""
    rule = RULES.get(name) or RETIRED.get(name)
    if rule is not None:
        return rule.sentence, rule.source
    if name in KERNEL_RULES:
        return KERNEL_RULES[name].sentence, ""
    return PLACING_RULES.get(name, ""), ""


class Explainer:
    """Answers questions on one log; the log is indexed once."""

    def __init__(self, events: Sequence[AnyEvent], plan: Plan) -> None:
        self.events = events
        self.plan = plan
        self.table = plan.process_table()
        self.steps: dict[StepNumber, steps.AnyStep] = {step.number: step for step in plan.steps}

    def step(self, number: int) -> Explanation | None:
        """Explain a step of the plan, None where there is no such step."""
        step = self.steps.get(StepNumber(number))
        if step is None:
            return None
        planned = next((event for event in self.events if isinstance(event, StepPlanned) and event.step.number == number), None)
        because = planned.because if planned else ()
        reasons = [self._reason("reason", step.rule, because)]
        reasons += [
            self._reason(f"it comes after step {wait.step}: {step_words(self.steps[wait.step], self.table)}", wait.rule, ())
            for wait in step.waits
            if wait.step in self.steps
        ]
        if isinstance(step, steps.Verify):
            reasons.append(Reason(text="it comes after every other step, because it looks at what they made"))
        elif isinstance(step, steps.Stop):
            reasons.append(Reason(text="it comes after every other step, because no process may end any more"))
        else:
            reasons += self._implied(step)
        for pid in _created(step):
            reasons += self._births(pid)
        return Explanation(
            subject=f"step {number}", headline=f"step {number}: {step_words(step, self.table)}", reasons=tuple(reasons)
        )

    def _implied(self, step: steps.AnyStep) -> Iterator[Reason]:
        """Yield what comes before a step without a wait that says so."""
        for before in predecessors(self.plan, step):
            if before.rule in IMPLIED:
                words = step_words(self.steps[before.step], self.table)
                text = f"it comes after step {before.step}: {words}"
                yield Reason(text=text, rule=before.rule, sentence=IMPLIED[before.rule])

    def process(self, pid: int) -> Explanation | None:
        """Explain a process, thread or dead leader by its number at level 0, None where there is none."""
        subject = ProcessId(pid)
        facts = [seq for seq, event in enumerate(self.events) if _is_fact_on(event, subject)]
        process = self.table.get(subject)
        if process is None and not facts:
            return None
        reasons = []
        if facts:
            reasons.append(Reason(text="the image says", because=tuple(evidence(self.events, seq) for seq in facts)))
        for event in self.events:
            if isinstance(event, TaskPlaced) and event.pid == subject:
                choices = f", one of {event.choices} that fit" if event.choices > 1 else ""
                text = f"it is in pid namespace {self._namespace_of(subject, event.namespace)}{choices}"
                reasons.append(self._reason(text, event.rule, event.because))
            elif isinstance(event, NamespaceInferred) and event.init == subject:
                text = f"it is the init of pid namespace {event.id}, inside namespace {event.parent}"
                reasons.append(self._reason(text, event.rule, event.because))
            elif isinstance(event, FindingRaised) and event.pid == subject:
                reasons.append(
                    Reason(
                        text=f"finding {event.code}: {event.detail}",
                        because=tuple(evidence(self.events, seq) for seq in event.because),
                    )
                )
        reasons += self._births(subject)
        for step in self.plan.steps:
            if step.actor == subject or subject in _touched(step):
                waits = f" ({words})" if (words := wait_words(step)) else ""
                reasons.append(Reason(text=f"step {step.number}: {step_words(step, self.table)}{waits}", rule=step.rule))
        return Explanation(subject=f"process {pid}", headline=self._headline(subject), reasons=tuple(reasons))

    def _namespace_of(self, pid: ProcessId, recorded: int) -> int:
        """Return the id of a process's pid namespace: its init's level-0 pid, as far as the plan says; `recorded` elsewhere."""
        process = self.table.get(pid)
        if process is None or recorded == 0:
            return recorded
        return process.namespace or recorded

    def _headline(self, pid: ProcessId) -> str:
        process = self.table.get(pid)
        if process is None:
            return f"process {pid}: only named by the image"
        name = f" {escaped(process.name)}" if process.name else ""
        return f"process {pid}: {process.role}{name}, pids {vector(process.pids)} (outermost first)"

    def _births(self, pid: ProcessId) -> Iterator[Reason]:
        for event in self.events:
            if isinstance(event, BirthDecided) and event.pid == pid:
                yield self._reason(f"{pid} is created by {self._creator_words(event)}", event.rule, event.because)
                if event.instead_of is not None:
                    yield self._not_by_parent(event, event.instead_of)

    def _creator_words(self, event: BirthDecided) -> str:
        """Return the words for who creates a process; of a helper also whose helper it is, and the parent where it is another."""
        creator = event.creator
        words = "the executor" if creator == OUTSIDE else actor_words(creator)
        if event.instead_of is None:
            return words
        line = {birth.pid: birth.creator for birth in self.events if isinstance(birth, BirthDecided)}
        while creator in self.table and self.table[creator].role == "helper" and creator in line:
            creator = line[creator]
        helper = f", a helper of {actor_words(creator)}," if creator not in (event.creator, OUTSIDE) else ""
        return f"{words}{helper or ','} and not by its parent {actor_words(event.instead_of)}"

    def _not_by_parent(self, event: BirthDecided, parent: ProcessId) -> Reason:
        """Return what excludes a parent as the creator, as it was kept when the plan was made."""
        text = f"{actor_words(parent)} cannot create it: {_excluding(event)} that"
        return self._reason(text, "", event.because_not)

    def _reason(self, text: str, rule: str, because: Iterable[int]) -> Reason:
        sentence, source = rule_words(rule)
        return Reason(
            text=text, rule=rule, sentence=sentence, source=source, because=tuple(evidence(self.events, seq) for seq in because)
        )


def _excluding(event: BirthDecided) -> str:
    """Return what excludes the parent as the creator of a process, with the verb: facts, births decided before, or both."""
    facts = "these facts" if event.because_not else ""
    births = ""
    if event.given:
        many = len(event.given) > 1
        births = f"the birth{'s' * many} of {listed(map(str, event.given))}, which {'were' if many else 'was'} decided before,"
    verb = "exclude" if facts or len(event.given) > 1 else "excludes"
    return f"{' and '.join(filter(None, (facts, births)))} {verb}"


def _created(step: steps.AnyStep) -> tuple[ProcessId, ...]:
    return (step.child,) if isinstance(step, (steps.Create, steps.CreateThread)) else ()


def _touched(step: steps.AnyStep) -> tuple[ProcessId, ...]:
    """Return the processes that a step is about, besides its actor."""
    match step:
        case steps.Create() | steps.CreateThread() | steps.Reap():
            return (step.child,)
        case steps.SetGroup():
            return (step.target, step.group)
        case steps.Kill() | steps.Verify() | steps.Stop():
            return (step.target,)
        case steps.Enter():
            return (step.namespace,)
        case _:
            return ()


def _is_fact_on(event: AnyEvent, pid: ProcessId) -> bool:
    match event:
        case TaskRecorded() | ThreadRecorded():
            return bool(event.pids) and event.pids[0] == int(pid)
        case PidRecorded():
            return bool(event.numbers) and event.numbers[0] == int(pid)
        case TaskStateRecorded():
            return event.pid == pid
        case _:
            return False


def lines(*explanations: Explanation) -> Iterator[str]:
    """Yield explanations as human-readable lines, a blank one between them; what was said once is not said again."""
    shown: set[int | str] = set()
    for place, explanation in enumerate(explanations):
        yield from [""] * bool(place)
        yield explanation.headline
        for reason in explanation.reasons:
            yield from _reason(reason, shown)


def _reason(reason: Reason, shown: set[int | str]) -> Iterator[str]:
    rule = f" [{escaped(reason.rule)}]" if reason.rule else ""
    yield f"  {escaped(reason.text)}{rule}"
    if reason.sentence and reason.sentence not in shown:
        shown.add(reason.sentence)
        source = f" ({reason.source})" if reason.source else ""
        yield f"      {reason.sentence}{source}"
    yield from _evidence(reason.because, shown)


def _evidence(because: Sequence[Evidence], shown: set[int | str]) -> Iterator[str]:
    """Yield the facts behind a reason, those that stand above already by their number alone."""
    above = [fact.seq for fact in because if fact.seq in shown]
    new = [fact for fact in because if fact.seq not in shown]
    if above:
        more = f" and {len(above) - MOST_EVIDENCE} more" if len(above) > MOST_EVIDENCE else ""
        yield f"      event{'s' * (len(above) > 1)} {', '.join(map(str, above[:MOST_EVIDENCE]))}{more}, above"
    for fact in new[:MOST_EVIDENCE]:
        shown.add(fact.seq)
        place = f", {words}" if (words := place_words(fact.at)) else ""
        yield f"      event {fact.seq}{place}: {fact.text}"
    if len(new) > MOST_EVIDENCE:
        yield f"      and {len(new) - MOST_EVIDENCE} more"
