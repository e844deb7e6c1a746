"""The sum of all answers that concern one consumer on one host: refused before hangs, wrong, unknown and ok."""

from collections.abc import Iterable, Sequence

from planner.checks.commands import command
from planner.checks.consumers import engine_of
from planner.checks.executors import executor_of
from planner.findings.problems import Problem
from planner.findings.report import Question, Reported
from planner.findings.verdicts import BAD, CRIU_NS, JUDGED_AS, ORDER, ConsumerName, Invocation, Outcome, Verdict
from planner.hookspecs import Artefact
from planner.host.facts import Host
from planner.text import escaped

OWN: tuple[ConsumerName, ...] = ("run", "run-into")
"""Consumers for which a proved plan is an answer by itself."""


def verdict(
    invocation: Invocation,
    host: str,
    facts: Host | None,
    artefact: Artefact,
    findings: Iterable[Reported],
    questions: Iterable[Question],
    answered: bool,
    image: str,
) -> Verdict:
    """Return what all answers come to; `answered` says that a check has spoken for the consumer at all."""
    mine = [found for found in findings if _concerns(found, invocation.consumer, host)]
    open_questions = [question for question in questions if _concerns(question, invocation.consumer, host)]
    by_outcome: dict[Outcome, list[Reported | Question]] = {}
    for found in mine:
        if found.outcome and not found.suppressed:
            by_outcome.setdefault(found.outcome, []).append(found)
        elif found.code == "check-failed" and not found.suppressed:
            by_outcome.setdefault("unknown", []).append(found)
    by_outcome["unknown"] = [
        *by_outcome.get("unknown", ()),
        *open_questions,
    ]
    outcome: Outcome = next((each for each in ORDER if by_outcome.get(each)), "ok")
    deciding = by_outcome.get(outcome, [])
    reason = _reason(deciding)
    if outcome == "ok" and not answered and invocation.consumer not in OWN:
        outcome, reason = "unknown", "no check that is installed speaks for it"
    ignored = {found.code for found in mine if found.outcome and found.suppressed}
    needs = tuple(dict.fromkeys(option for each in deciding for option in each.needs))
    stay = [each for name in (*BAD, "unknown") for each in by_outcome.get(name, ()) if not each.needs]
    every_need = tuple(option for name in BAD for each in by_outcome.get(name, ()) for option in each.needs)
    besides = tuple(option for found in mine if not found.outcome for option in found.needs)
    if outcome == "ok" and besides:
        reason = f"given {' '.join(dict.fromkeys(besides))}"
        needs = tuple(dict.fromkeys(besides))
    works = (
        ""
        if stay or (outcome == "unknown" and not needs)
        else _command(invocation, image, artefact, (*every_need, *needs, *besides))
    )
    return Verdict(
        consumer=invocation.consumer,
        verdict=outcome,
        codes=tuple(sorted({each.code for each in deciding})),
        namespace=_namespace(invocation, facts, artefact),
        host=host,
        options=invocation.options,
        reason=reason,
        needs=needs,
        command=works,
        ignored=tuple(sorted(ignored)),
        executor=executor_of(invocation, facts, artefact),
        judged_as=next((found.target for found in mine if found.property == JUDGED_AS), ""),
    )


def _command(invocation: Invocation, image: str, artefact: Artefact, needs: tuple[str, ...]) -> str:
    """Return the command that would work; criu itself cannot be given an archive, and podman no plain directory."""
    packed = bool(engine_of(artefact.forest))
    if (invocation.consumer == "criu-restore" and packed) or (invocation.consumer == "podman" and not packed):
        return ""
    return command(invocation, image, tuple(dict.fromkeys(needs)))


def without_plan(invocation: Invocation, host: str, error: Problem | None) -> Verdict:
    """Return the verdict where no plan could be made: crplan refuses, and for the others nothing was asked."""
    refuses = invocation.consumer in OWN and error is not None
    return Verdict(
        consumer=invocation.consumer,
        verdict="refused" if refuses else "unknown",
        codes=(escaped(error.code),) if error is not None else (),
        host=host,
        options=invocation.options,
        reason=escaped(error.message) if refuses and error is not None else "no plan could be made",
    )


def _concerns(each: Reported | Question, consumer: ConsumerName, host: str) -> bool:
    return (not each.consumers or consumer in each.consumers) and (not each.hosts or host in each.hosts)


def _reason(deciding: Sequence[Reported | Question]) -> str:
    """Say the first of the answers that decide, and how many others there are; options that are missing are all named."""
    options = list(dict.fromkeys(option for each in deciding if isinstance(each, Question) for option in each.needs))
    if options and all(each.needs for each in deciding):
        return f"depends on {' '.join(options)}"
    if not deciding:
        return ""
    first = deciding[0]
    words = first.message if isinstance(first, Reported) else first.missing
    others = len({(each.code, getattr(each, "message", ""), getattr(each, "missing", "")) for each in deciding}) - 1
    if words[1:2].islower():
        # A kind's own sentence begins a line elsewhere; here it stands within one.
        words = words[0].lower() + words[1:]
    return words.removesuffix(".") + (f", and {others} more" if others > 0 else "")


def _namespace(invocation: Invocation, host: Host | None, artefact: Artefact) -> str:
    if host is not None and host.target >= 0:
        return f"host {host.target}"
    if invocation.consumer in (*OWN, "podman", "cri-o", "containerd") or invocation.has(CRIU_NS):
        return "new"
    if invocation.consumer in ("criu-dump", "checkpoint"):
        return ""
    for record in artefact.forest.namespace_records:
        if record.kind == "pid" and record.id == 0:
            return {"yes": "new", "no": "host 0"}.get(record.facts.get("created", ""), "")
    return ""
