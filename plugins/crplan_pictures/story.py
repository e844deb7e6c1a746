"""What the page tells: one record of plain lists, with every name made safe to show and every sentence looked up."""

from collections.abc import Iterable
from typing import Any, Final

from crplan_pictures.scene import namespaces
from crplan_pictures.states import Growth
from crplan_pictures.timing import run_spans, timing
from planner import steps
from planner.errors import place_words
from planner.events.records import (
    AnyEvent,
    BirthDecided,
    NamespaceInferred,
    PidRecorded,
    StepPlanned,
    TaskPlaced,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.explanation.lookup import MOST_EVIDENCE, rule_words
from planner.findings.problems import evidence
from planner.findings.verdicts import verdict_line
from planner.hookspecs import Artefact
from planner.identity import OUTSIDE, ProcessId
from planner.plans.wording import step_words, vector
from planner.text import escaped

Record = dict[str, Any]

MOST_FACTS: Final = 4
"""Facts of the image that are told of one process."""


def story(artefact: Artefact) -> Record:
    """Return all that the page shows of a plan, its forest and the log behind them."""
    return _Story(artefact).record()


class _Story:
    """One pass over a plan and its log; evidence is told once, however often it is used."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self.plan = artefact.plan
        self.table = self.plan.process_table()
        self.rules: dict[str, tuple[str, str]] = {}
        self.evidence: dict[int, tuple[str, str]] = {}
        self.births: dict[ProcessId, list[Any]] = {}
        self.reasons: dict[ProcessId, list[list[Any]]] = {}
        self.facts: dict[ProcessId, list[int]] = {}
        self.because: dict[int, list[int]] = {}
        for seq, event in enumerate(artefact.events):
            self._event(seq, event)

    def _event(self, seq: int, event: AnyEvent) -> None:
        match event:
            case TaskRecorded() | ThreadRecorded() if event.pids:
                self._fact(ProcessId(event.pids[0]), seq)
            case PidRecorded() if event.numbers:
                self._fact(ProcessId(event.numbers[0]), seq)
            case TaskStateRecorded():
                self._fact(event.pid, seq)
            case BirthDecided():
                self.births[event.pid] = [event.creator, self._rule(event.rule), self._because(event.because)]
            case TaskPlaced():
                choices = f", one of {event.choices} that fit" if event.choices > 1 else ""
                text = f"it is in pid namespace {event.namespace}{choices}"
                self._reason(event.pid, text, event.rule, event.because)
            case NamespaceInferred():
                text = f"it is the init of pid namespace {event.id}, inside namespace {event.parent}"
                self._reason(event.init, text, event.rule, event.because)
            case StepPlanned():
                self.because[event.step.number] = self._because(event.because)

    def _fact(self, pid: ProcessId, seq: int) -> None:
        known = self.facts.setdefault(pid, [])
        if pid in self.table and len(known) < MOST_FACTS:
            known += self._because((seq,))

    def _reason(self, pid: ProcessId, text: str, rule: str, because: Iterable[int]) -> None:
        self.reasons.setdefault(pid, []).append([text, self._rule(rule), self._because(because)])

    def _rule(self, name: str) -> str:
        """Look a rule up, and return its name as it is shown."""
        shown = escaped(name)
        if shown not in self.rules:
            sentence, source = rule_words(name)
            self.rules[shown] = (escaped(sentence), escaped(source))
        return shown

    def _because(self, seqs: Iterable[int]) -> list[int]:
        """Look evidence up, and return its numbers; of very many only the first."""
        told = list(dict.fromkeys(seqs))[:MOST_EVIDENCE]
        for seq in told:
            if seq not in self.evidence:
                found = evidence(self.artefact.events, seq)
                self.evidence[seq] = (place_words(found.at), escaped(found.text))
        return told

    def record(self) -> Record:
        forest, plan = self.artefact.forest, self.plan
        growth = Growth(plan)
        refused = growth.refused
        title = forest.source or "plan"
        facts = [[key, value] for key, value in sorted(forest.image_facts.items()) if value and key != "image_id"]
        return {
            "title": escaped(title),
            "facts": [[escaped(key), escaped(value)] for key, value in facts],
            "plan": plan.plan_id,
            "image": escaped(plan.image_id),
            "proved": self.artefact.proved,
            "cut": self.artefact.cut_at,
            "processes": [
                [p.pid, vector(p.pids), p.role, escaped(p.name or self._image_name(p.pid)), p.namespace, p.thread_group]
                for p in plan.processes
            ],
            "namespaces": [[space.init, space.around, space.level, space.words] for space in namespaces(plan)],
            "steps": [self._step(step) for step in plan.steps],
            "deltas": growth.deltas,
            "refused": None if refused is None else [refused.step, escaped(str(refused))],
            "births": [[pid, *birth] for pid, birth in self.births.items()],
            "reasons": [[pid, found] for pid, found in self.reasons.items()],
            "told": [[pid, found] for pid, found in self.facts.items() if found],
            "findings": [
                [
                    found.severity,
                    escaped(found.code),
                    escaped(found.message),
                    found.pid,
                    place_words(found.at),
                    escaped(found.hint),
                    _values(escaped(found.property), escaped(found.recorded), escaped(found.target)),
                ]
                for found in self.artefact.findings
            ],
            "uncovered": [escaped(sentence) for sentence in plan.uncovered],
            "rebuild": self._rebuild(),
            "timeline": self._timeline(),
            "verdicts": [[verdict.verdict, verdict_line(verdict)] for verdict in self.artefact.verdicts],
            "rules": [[name, *words] for name, words in self.rules.items()],
            "evidence": [[seq, *words] for seq, words in sorted(self.evidence.items())],
        }

    def _image_name(self, pid: ProcessId) -> str:
        task = self.artefact.forest.tasks.get(pid)
        return task.name if task is not None else ""

    def _step(self, step: steps.AnyStep) -> list[Any]:
        """Return words, rule, processes that the step is about, waits with their rules, and evidence."""
        about = [pid for pid in dict.fromkeys((*_subjects(step), step.actor)) if pid != OUTSIDE]
        waits = [[wait.step, self._rule(wait.rule)] for wait in step.waits]
        words = escaped(step_words(step, self.table))
        return [words, self._rule(step.rule), about, waits, self.because.get(step.number, [])]

    def _timeline(self) -> Record:
        """Return actors of steps, their earliest begins (-1 for checks), the longest chain, spans of a run in microseconds."""
        found = timing(self.plan, checks=False)
        run = run_spans(self.artefact.events)
        clock = [[begin // 1000, end // 1000] for begin, end in (run.get(step.number, (0, 0)) for step in self.plan.steps)]
        return {
            "actors": [step.actor for step in self.plan.steps],
            "begins": [found.begins.get(step.number, -1) for step in self.plan.steps],
            "longest": found.longest,
            "widest": found.widest,
            "clock": clock if run else [],
        }

    def _rebuild(self) -> list[str]:
        rebuild = self.artefact.rebuild
        if rebuild is None:
            return []
        lines = [f"executor {escaped(rebuild.executor)}: {len(rebuild.done)} of {len(self.plan.steps)} steps done"]
        if rebuild.failed is not None:
            detail = f": {escaped(rebuild.failed.detail)}" if rebuild.failed.detail else ""
            where = f"step {rebuild.failed.step}" if rebuild.failed.step else "the executor itself"
            lines.append(f"{where} failed: {escaped(rebuild.failed.error)}{detail}")
        if rebuild.ready:
            lines.append(f"ready, the root was {rebuild.ready} where it was started")
        if rebuild.code >= 0:
            lines.append(f"ended with exit code {rebuild.code}")
        return lines


def _values(name: str, recorded: str, target: str) -> str:
    """Return a finding's property with the values that it compares."""
    words = [f"recorded {recorded}"] if recorded else []
    words += [f"on the target {target}"] if target else []
    return f"{name}: {', '.join(words)}" if name and words else name


def _subjects(step: steps.AnyStep) -> tuple[ProcessId, ...]:
    """Return the processes that a step is about, besides its actor."""
    if isinstance(step, (steps.SetGroup, steps.Kill, steps.Verify, steps.Stop)):
        return (step.target,)
    return (step.child,) if isinstance(step, (steps.Create, steps.CreateThread, steps.Reap)) else ()
