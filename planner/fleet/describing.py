"""What a row says of an image: the facts of its headers under one name each, the size of its tree, and its digests."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from planner.contents.fold import content_id
from planner.events.contents import RegistersRecorded
from planner.events.records import AnyEvent, ImageEvent, ImageOpened, TaskRecorded, TaskStateRecorded, ThreadRecorded
from planner.fleet.opening import moment
from planner.fleet.rows import ImageRow
from planner.hookspecs import Artefact

FACTS: Final = {
    "engine": ("engine", "runtime"),
    "pod_namespace": ("pod_namespace",),
    "pod": ("pod",),
    "container": ("container",),
    "image_reference": ("image",),
    "architecture": ("architecture", "host_architecture", "machine"),
    "kernel": ("host_kernel", "kernel"),
    "criu_version": ("criu_version",),
}
"""Columns, and the facts of an image that they come from; the first that there is counts."""

POD_HASH: Final = re.compile(
    r"-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$|-[bcdfghjklmnpqrstvwxz2456789]{5}$|-\d{1,5}$"
)
"""What Kubernetes appends to a workload's name: the hashes of a Deployment's pod, that of a DaemonSet's or a Job's, the number of
a StatefulSet's. Source: `SafeEncodeString` of apimachinery `pkg/util/rand`."""

_KINDS: Final = frozenset(ImageEvent.__args__)
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def described(row: ImageRow, events: Iterable[AnyEvent], artefact: Artefact | None) -> ImageRow:
    """Return the row with all that the events, and the plan where there is one, say of the image."""
    events = list(events)
    opened = [event for event in events if isinstance(event, ImageOpened)]
    facts: dict[str, str] = {}
    for event in opened:
        facts = event.facts | facts
    found: dict[str, str | int | None] = {
        column: next((facts[name] for name in names if facts.get(name)), "") for column, names in FACTS.items()
    }
    found["captured"] = _captured(facts)
    found["workload"] = workload(facts)
    if opened:
        found["format"], found["generation"] = opened[0].format, opened[0].generation
    found |= _counts(events) if opened else {}
    states = (event.state for event in events if isinstance(event, RegistersRecorded))
    found["cpu"] = " ".join(sorted({state for used in states for state in used}))
    if artefact is not None:
        counts = artefact.plan.counts()
        inhabited = artefact.forest.inhabited_namespaces()
        found |= {
            "format": artefact.forest.format,
            "namespaces": len(inhabited),
            "depth": max(task.level for task in artefact.forest.tasks.values()) + 1,
            "helpers": counts.helpers,
            "waits": counts.waiting,
            "steps": counts.steps,
            "image_id": artefact.plan.image_id,
            "content_id": content_id(events, artefact.plan.image_id) or recorded_id(events),
            "plan_id": artefact.plan.plan_id,
        }
    return msgspec.structs.replace(row, **found)


def _counts(events: Iterable[AnyEvent]) -> dict[str, str | int | None]:
    tasks = threads = zombies = 0
    for event in events:
        kind = type(event)
        tasks += kind is TaskRecorded
        threads += kind is ThreadRecorded
        zombies += isinstance(event, TaskStateRecorded) and event.state == "zombie"
    return {"tasks": tasks, "threads": threads, "zombies": zombies}


def _captured(facts: Mapping[str, str]) -> str:
    """Return when the checkpoint was taken: an engine says it as a time, linux-cr in seconds since 1970."""
    if time := facts.get("checkpointed", ""):
        return moment(time)
    seconds = facts.get("time", "")
    return moment(int(seconds)) if seconds.isascii() and seconds.isdigit() and len(seconds) < 12 else ""


def workload(facts: Mapping[str, str]) -> str:
    """Return what all checkpoints of one container of a deployment have in common, "" where no container is named."""
    pod = POD_HASH.sub("", facts.get("pod", ""))
    container = facts.get("container", "")
    if container.startswith("k8s_"):
        # The name that a kubelet gives: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT.
        container = container.split("_")[1]
    return "/".join(part for part in (facts.get("pod_namespace", ""), pod, container) if part)


def recorded_id(events: Iterable[AnyEvent]) -> str:
    """Return a digest of all that the image says, 16 hexadecimal digits: two copies of one image have the same.

    It stands for `content_id` where an image records nothing of what its tasks hold. Places do not count, nor does what was
    decided.
    """
    digest = hashlib.sha256()
    for event in events:
        if type(event) in _KINDS:
            fields = {"at": 0, "pids_at": 0} if isinstance(event, (TaskRecorded, ThreadRecorded)) else {"at": 0}
            digest.update(_encode(msgspec.structs.replace(event, **fields)))
    return digest.hexdigest()[:16]
