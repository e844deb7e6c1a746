"""What `criu dump` would refuse of a running tree, by the capture of it.

Source: CRIU 4.2, `criu/namespaces.c` and `criu/kcmp-ids.c` (what may differ below the root and what tasks may share),
`criu/seize.c` and `criu/proc_parse.c` (dead and stopped tasks), `criu/cr-dump.c` (sessions).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from crplan_checks import kinds_dump as kinds
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.forest.model import Forest
from planner.identity import OUTSIDE, ProcessId

FORMAT: Final = "capture"
MAY_DIFFER: Final = frozenset({"mnt", "net"})
"""Kinds of namespace that CRIU dumps below the root task, where the root has its own."""
ALONE: Final = {"memory": "VM", "fs": "FS", "signal_handlers": "IO"}
"""What no two processes may share, and what CRIU calls it."""


def check(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is refused, and for every question that found nothing that it passed; nothing for what is no capture."""
    if forest.format != FORMAT:
        return
    asked = {kind.code for kind in kinds.DUMP}
    for answer in _answers(forest, invocation):
        asked.discard(answer.code)
        yield answer
    for kind in kinds.DUMP:
        if kind.code in asked:
            yield Passed(code=kind.code)


def _answers(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    for task in forest.tasks.values():
        if not task.zombie and task.namespace >= 0 and task.namespace != forest.tasks[forest.root].namespace:
            yield kinds.DUMP_NESTED.found(
                f"task {task.pid} is in another pid namespace than the root task: criu dump refuses it "
                "(Can't dump nested pid namespace)",
                pid=task.pid,
                property="pid namespace",
                recorded=str(task.namespace),
                hint="Use `crplan checkpoint PID -o DIRECTORY`, which has criu dump each pid namespace by itself.",
            )
    yield from within(forest, forest.root, tuple(forest.tasks))
    yield from shares(forest)
    yield from sessions(forest, invocation)
    yield from zombies(forest)


def created(forest: Forest, kind: str, identifier: int = 0) -> bool:
    """Whether a namespace is another than that of the process which captured the tree, that of the root by default."""
    return any(
        record.kind == kind and record.id == identifier and record.facts.get("created") == "yes"
        for record in forest.namespace_records
    )


def within(forest: Forest, root: ProcessId, tasks: Sequence[ProcessId]) -> Iterator[Answer]:
    """Yield the namespaces that tasks of one dump have of their own and that are not taken; `root` is the root of the dump."""
    own = forest.other_namespaces.get(root, {})
    for pid in tasks:
        if forest.tasks[pid].zombie or pid == root:
            continue
        for kind, identifier in forest.other_namespaces.get(pid, {}).items():
            if identifier == own.get(kind, identifier) or (kind in MAY_DIFFER and created(forest, kind, own[kind])):
                continue
            yield kinds.DUMP_NESTED.found(
                f"task {pid} has a {kind} namespace of its own: criu dump refuses it (Can't dump nested {kind} namespace)",
                pid=pid,
                property=f"{kind} namespace",
                recorded=str(identifier),
            )
    if root == forest.root and created(forest, "pid") and root != 1:
        yield kinds.DUMP_NO_INIT.found(pid=root, property="root", recorded=str(root), target="1")


def shares(forest: Forest) -> Iterator[Answer]:
    """Yield what processes share and may not: a table of descriptors passes from parent to child alone."""
    first: dict[tuple[str, int], ProcessId] = {}
    for task in forest.tasks.values():
        mine, parents = forest.sharing.get(task.pid), forest.sharing.get(task.parent)
        if mine is None:
            continue
        for word in (*ALONE, "files"):
            number = getattr(mine, word)
            other = first.setdefault((word, number), task.pid) if number else task.pid
            if other == task.pid or (word == "files" and parents is not None and parents.files == number):
                continue
            name = ALONE.get(word, "FILES")
            yield kinds.DUMP_SHARED.found(
                f"task {task.pid} shares its {word.replace('_', ' ')} with task {other}: criu dump refuses it "
                f"(Can't make {name} id)",
                pid=task.pid,
                property=word,
                recorded=str(number),
            )


def sessions(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """Yield the sessions that are led from outside, and whether the root needs --shell-job."""
    root = forest.tasks[forest.root]
    for task in forest.tasks.values():
        if task.session == OUTSIDE and task.parent != OUTSIDE:
            detail = f"the leader of task {task.pid}'s session is outside of its pid namespace: criu dump refuses it"
            yield kinds.DUMP_SESSION.found(detail, pid=task.pid, property="session", recorded="outside")
    if root.session == root.pid:
        return
    detail = f"the root task {root.pid} is in session {root.session or 'outside'}, which it does not lead"
    if root.session == OUTSIDE:
        yield kinds.DUMP_SESSION.found(f"{detail}: criu dump refuses it", pid=root.pid, property="session", recorded="outside")
    elif invocation.options is None:
        yield Unknown(
            code=kinds.DUMP_SHELL_JOB.code, missing="whether criu dump is given --shell-job", pid=root.pid, needs=("--shell-job",)
        )
    elif not invocation.has("--shell-job"):
        yield kinds.DUMP_SHELL_JOB.found(f"{detail}, and --shell-job is not given", pid=root.pid, needs=("--shell-job",))


def zombies(forest: Forest) -> Iterator[Answer]:
    """Yield the tasks that are dead in a way that criu dump does not take."""
    root = forest.tasks[forest.root]
    if root.zombie:
        yield kinds.DUMP_ZOMBIE.found("the root task is dead: criu dump refuses it", pid=root.pid, property="state")
    for task in forest.tasks.values():
        if task.zombie and forest.threads.get(task.pid):
            detail = f"the leading thread of task {task.pid} has ended, others live: criu dump refuses it (Zombies with threads)"
            yield kinds.DUMP_ZOMBIE.found(detail, pid=task.pid, property="threads", recorded=str(len(forest.threads[task.pid])))
