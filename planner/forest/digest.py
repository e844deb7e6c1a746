"""The digest of an image: what two images that record the same facts have in common."""

import hashlib

import msgspec

from planner.forest.model import SHARED_KINDS, Forest
from planner.identity import ProcessId


def image_id(forest: Forest) -> str:
    """Return a digest of the facts, 16 hexadecimal digits, whatever places and sequence numbers they had.

    Images of different generations that record the same facts have the same id. So the numbers of shared objects and namespaces
    count only by who shares, the header and remarks on the reading do not count, and a dead leader counts where its numbers
    below level 0 are recorded (the one at level 0 is in its members' facts). What inference found does not count.
    """
    digest = hashlib.sha256()
    encoder = msgspec.json.Encoder()
    for task in forest.tasks.values():
        facts = (
            task.pids,
            task.parent,
            task.group,
            task.session,
            task.state,
            task.exit_status,
            task.exit_signal,
            task.name,
            task.subreaper,
            task.namespace if task.namespace > 0 and task.namespace_recorded >= 0 else 0,
        )
        digest.update(encoder.encode(facts))
    for group in sorted(forest.threads):
        for thread in forest.threads[group]:
            digest.update(encoder.encode(("thread", thread.pids, group, thread.state, thread.name)))
    for leader in sorted(leader.pids for leader in forest.leaders.values() if len(leader.pids) > 1):
        digest.update(encoder.encode(("leader", leader)))
    for line in _sharing_facts(forest):
        digest.update(encoder.encode(line))
    for pid, kinds in sorted(forest.other_namespaces.items()):
        if any(kinds.values()):
            apart = sorted((kind, number) for kind, number in kinds.items() if number)
            digest.update(encoder.encode(("namespaces", pid, apart)))
    for pid, number in sorted(forest.outer_numbers.items()):
        digest.update(encoder.encode(("outer number", pid, number)))
    for fact in sorted((fact.pid, fact.property, fact.value) for _, fact in forest.facts if fact.pid):
        digest.update(encoder.encode(("fact", fact)))
    return digest.hexdigest()[:16]


def _sharing_facts(forest: Forest) -> list[tuple[str, list[ProcessId]]]:
    """Return which tasks share what, without the numbers that the source gave the objects."""
    facts: list[tuple[str, list[ProcessId]]] = []
    for kind in SHARED_KINDS:
        first: dict[int, ProcessId] = {}
        sharers: dict[int, list[ProcessId]] = {}
        for pid, record in forest.sharing.items():
            number = getattr(record, kind)
            if number and first.setdefault(number, pid) != pid:
                sharers.setdefault(number, [first[number]]).append(pid)
        facts.extend(sorted((kind, sorted(pids)) for pids in sharers.values()))
    return facts
