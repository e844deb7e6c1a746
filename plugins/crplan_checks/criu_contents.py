"""What an image of CRIU lacks or holds beside its process tree by which a restore fails."""

from collections.abc import Callable, Iterator
from typing import Final

from crplan_checks import kinds_contents
from crplan_checks.kinds_restore import CRIU_PARENT_DEATH
from planner.events.records import FactRecorded
from planner.findings.registry import Answer, Unknown
from planner.findings.verdicts import ENGINES, Invocation
from planner.forest.model import Forest
from planner.identity import ProcessId

DETACHED: Final = ("--restore-detached", "--daemon")
"""Options by which criu ends while the tree runs on."""
KILL: Final = 9
IGNORED: Final = (17, 18, 23, 28)
"""Signals that a task does not notice unless it asks for them: SIGCHLD, SIGCONT, SIGURG, SIGWINCH."""


def answers(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is found in the facts of the image."""
    for _, fact in forest.facts:
        for beginning, about in ABOUT.items():
            if fact.property.startswith(beginning):
                yield from about(fact, forest, invocation)
    yield from _stopped(forest)
    yield from _external(forest, invocation)


def _missing(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    detail = f"{fact.value} is missing, and a restore needs it"
    yield kinds_contents.CRIU_FILE_MISSING.found(detail, property="file", recorded=fact.value, at=fact.at)


def _damaged(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    detail = f"an image is damaged: {fact.value}"
    yield kinds_contents.CRIU_FILE_DAMAGED.found(detail, property="file", recorded=fact.value, at=fact.at)


def _stripped(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    kind = kinds_contents.CRIU_INCOMPLETE if invocation.complete else kinds_contents.CRIU_STRIPPED
    yield kind.found(f"the copy holds no {fact.value} of any task", property="files", recorded=fact.value, at=fact.at)


def _plugin(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    detail = f"the dump requires the plugin {fact.value}"
    yield kinds_contents.CRIU_PLUGIN.found(detail, property="plugin", recorded=fact.value, at=fact.at)
    yield Unknown(code=kinds_contents.CRIU_PLUGIN.code, missing=f"whether criu has the plugin {fact.value}")


def _parent(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """An engine may bring the earlier dump of an archive; a link in a directory leads to it or nowhere."""
    state, _, path = fact.value.partition(": ")
    if state != "missing":
        return
    detail = f"the parent dump is not there: the link leads to {path}"
    if invocation.consumer in ENGINES or "container_id" in forest.image_facts or "engine" in forest.image_facts:
        yield Unknown(code=kinds_contents.CRIU_PARENT.code, missing=f"whether the parent dump at {path} is brought by an engine")
    else:
        yield kinds_contents.CRIU_PARENT.found(detail, property="parent", recorded=path, at=fact.at)


def _thread_file(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    detail = f"{fact.value} is open: a file of a thread, and threads are created after files"
    yield kinds_contents.CRIU_THREAD_FILE.found(detail, property="file", recorded=fact.value, at=fact.at)


def _mount(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    mountpoint = fact.property.rpartition(" ")[2]
    detail = f"the source of the mount at {mountpoint} is a symbolic link ({fact.value}): Can't remount with MS_PRIVATE"
    yield kinds_contents.CRIU_MOUNT_LINK.found(detail, property="mount", recorded=mountpoint, at=fact.at)


def _parent_death(fact: FactRecorded, forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """The parent of the root task is criu, or a program of the engine, which may end; any other's is in the image."""
    signal = int(fact.value)
    if fact.pid != forest.root or signal in IGNORED:
        return
    detail = f"the root task gets signal {signal} when its parent ends"
    if invocation.consumer in ENGINES:
        yield Unknown(code=CRIU_PARENT_DEATH.code, missing=f"whether the engine's program stays: {detail}", pid=fact.pid)
    elif invocation.options is None:
        yield Unknown(code=CRIU_PARENT_DEATH.code, missing=f"whether criu is given --restore-detached: {detail}", pid=fact.pid)
    elif not any(map(invocation.has, DETACHED)):
        return
    elif signal == KILL:
        yield CRIU_PARENT_DEATH.found(
            f"{detail}, and with --restore-detached criu ends",
            pid=fact.pid,
            property=fact.property,
            recorded=fact.value,
            at=fact.at,
        )
    else:
        yield Unknown(code=CRIU_PARENT_DEATH.code, missing=f"what the root task does then: {detail}", pid=fact.pid)


ABOUT: Final[dict[str, Callable[[FactRecorded, Forest, Invocation], Iterator[Answer]]]] = {
    "missing image": _missing,
    "damaged image": _damaged,
    "stripped of": _stripped,
    "required plugin": _plugin,
    "parent dump": _parent,
    "open file of a thread": _thread_file,
    "mount through a link": _mount,
    "parent_death_signal": _parent_death,
}
"""Beginning of a fact's property, and what follows from it."""


def _stopped(forest: Forest) -> Iterator[Answer]:
    """Without its session's leader only criu keeps the root's group from being an orphaned one."""
    root = forest.tasks[forest.root]
    if root.session == root.pid or root.session in forest.tasks:
        return
    for task in forest.tasks.values():
        if task.state == "stopped" and task.group == root.group:
            detail = f"task {task.pid} is stopped, and its group is orphaned when criu exits: the kernel sends SIGHUP and SIGCONT"
            yield kinds_contents.CRIU_STOPPED_JOB.found(detail, pid=task.pid, property="state", recorded="stopped")


def _external(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    created = {record.kind: record.facts.get("created", "") for record in forest.namespace_records if record.id == 0}
    if created.get("user") == "yes" and created.get("pid") == "no":
        yield kinds_contents.CRIU_USER_NAMESPACE.found(property="user namespace", recorded="own")
    key = external(forest)
    if not key:
        return
    detail = f"the pid namespace is external ({key}): a restore joins one that is there"
    yield kinds_contents.CRIU_EXTERNAL.found(detail, property="pid namespace", recorded=key)
    if not invocation.into:
        yield Unknown(
            code=kinds_contents.CRIU_EXTERNAL.code,
            missing="which pid namespace the tree joins (--into)",
            pid=ProcessId(0),
        )


def external(forest: Forest) -> str:
    """Return the key of the root task's pid namespace where it is external, else ""."""
    for record in forest.namespace_records:
        if record.kind == "pid" and record.id == 0:
            return record.facts.get("external", "")
    return ""
