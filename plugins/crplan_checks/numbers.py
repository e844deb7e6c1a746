"""Numbers that are taken, or above the limit, in the pid namespace of the host that level 0 of the image is to become.

`crplan run` and a container's restore make a new pid namespace, in which every number is free. `crplan run --into PID` does not,
nor does `criu restore` without a container: a tree that CRIU dumped in the pid namespace of the dumping process goes back into
that of the restoring one. `--into PID` names the namespace. Deeper levels of an image are always new. The numbers of dead session
and group leaders are needed, too: helpers take them. A rebuild fails at the first of the steps that are named.
"""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds
from crplan_checks.criu import FORMAT, created
from crplan_checks.criu_contents import external
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import BY_CRIU, CRIU_NS, Invocation
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host.facts import Host, PidNamespace
from planner.identity import ProcessId
from planner.plans.retarget import refuses
from planner.ranges import parse_ranges
from planner.steps import Create, CreateThread

OF_CRIU_NS: Final = (1, 2)
"""Numbers that criu-ns and criu have in the new pid namespace."""


def check(artefact: Artefact, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    """Yield every number that clashes; nothing where no host was given."""
    if invocation.has(CRIU_NS) and invocation.consumer in BY_CRIU and created(artefact.forest, "pid") is False:
        yield from _below_criu_ns(artefact, invocation)
        return
    if host is None:
        return
    target = _target(artefact.forest, host, invocation)
    if target is None:
        for kind in kinds.NUMBERS:
            yield Unknown(code=kind.code, missing="which pid namespace the tree goes to")
        return
    if target < 0:
        yield Passed(code=kinds.NUMBER_TAKEN.code, detail="level 0 is a new pid namespace, in which every pid is free")
        return
    reason, step = refuses(artefact.plan)
    if step is not None:
        yield kinds.NEW_NAMESPACE_NEEDED.found(reason, pid=step.child, property="parent", recorded="outside")
    else:
        yield Passed(code=kinds.NEW_NAMESPACE_NEEDED.code)
    namespace = host.namespace(target)
    if namespace is None or not namespace.taken:
        yield Unknown(code=kinds.NUMBER_TAKEN.code, missing=f"the numbers that are taken in pid namespace {target} of the host")
    else:
        yield from _taken(artefact, namespace, invocation)
    if namespace is None or namespace.pid_max is None:
        yield Unknown(code=kinds.NUMBER_ABOVE_LIMIT.code, missing=f"pid_max of pid namespace {target} of the host")
    else:
        yield from _above(artefact, namespace.id, namespace.pid_max, invocation, bool(host.root))


def _below_criu_ns(artefact: Artefact, invocation: Invocation) -> Iterator[Answer]:
    """criu-ns makes a pid namespace of which it is pid 1 and criu pid 2; all other numbers are free in it."""
    taken = [(number, words) for number, words in _words(artefact, invocation) if number in OF_CRIU_NS]
    for number, words in taken:
        detail = f"{words} is taken by criu-ns in its new pid namespace"
        yield kinds.NUMBER_TAKEN.found(detail, pid=number, property=f"number {number}", recorded="needed", target="taken")
    if not taken:
        yield Passed(code=kinds.NUMBER_TAKEN.code, detail="every pid but 1 and 2 is free in the new pid namespace of criu-ns")


def _target(forest: Forest, host: Host, invocation: Invocation) -> int | None:
    """Return the host's namespace that level 0 is to become, -1 for a new one, None where that is unknown."""
    if host.target >= 0:
        return host.target
    if forest.format != FORMAT or invocation.consumer not in BY_CRIU:
        return -1
    if external(forest):
        return None
    own = created(forest, "pid")
    return None if own is None else -1 if own else 0


def _words(artefact: Artefact, invocation: Invocation) -> Iterator[tuple[ProcessId, str]]:
    """Yield every number at level 0 that a restore needs, with what has it and the step that creates that."""
    steps = {step.child: step.number for step in artefact.plan.steps if isinstance(step, Create | CreateThread)}
    replaced = _replaced(artefact.forest, invocation)
    for number, word in needed(artefact.forest):
        if number in replaced:
            continue
        yield number, f"pid {number}, of a {word} that step {steps.get(number, 0)} creates,"


def needed(forest: Forest) -> Iterator[tuple[ProcessId, str]]:
    """Yield every number at level 0 that the image asks for, with what has it."""
    seen: set[ProcessId] = set()
    for task in forest.tasks.values():
        seen.add(task.pid)
        yield task.pid, "task"
    for threads in forest.threads.values():
        for thread in threads:
            number = ProcessId(thread.pids[0])
            seen.add(number)
            yield number, "thread"
    for task in forest.tasks.values():
        for number, word in ((task.session, "session"), (task.group, "group")):
            if number and number not in seen:
                seen.add(number)
                yield number, f"dead leader of {word}"


def _replaced(forest: Forest, invocation: Invocation) -> frozenset[int]:
    """Return the numbers that --shell-job replaces by those of criu; without it such an image is not restored at all."""
    root = forest.tasks[forest.root]
    if invocation.consumer not in BY_CRIU or root.session == root.pid:
        return frozenset()
    return frozenset(number for number in (root.session, root.group) if number not in forest.tasks)


def _taken(artefact: Artefact, namespace: PidNamespace, invocation: Invocation) -> Iterator[Answer]:
    taken = parse_ranges(namespace.taken)
    found = False
    for number, words in _words(artefact, invocation):
        if number in taken:
            found = True
            yield kinds.NUMBER_TAKEN.found(
                f"{words} is taken in pid namespace {namespace.id} of the host",
                pid=number,
                property=f"number {number}",
                recorded="needed",
                target="taken",
            )
    if not found:
        yield Passed(code=kinds.NUMBER_TAKEN.code, detail=f"every pid is free in pid namespace {namespace.id} of the host")


def _above(artefact: Artefact, identifier: int, limit: int, invocation: Invocation, root: bool) -> Iterator[Answer]:
    """CRIU raises the limit by itself where it is root; `crplan run` does not."""
    raised = root and invocation.consumer in BY_CRIU
    kind = kinds.PID_MAX_RAISED if raised else kinds.NUMBER_ABOVE_LIMIT
    found = False
    for number, words in _words(artefact, invocation):
        if number >= limit:
            found = True
            yield kind.found(
                f"{words} is not below the limit of pid namespace {identifier} of the host",
                pid=number,
                property=f"number {number}",
                recorded="needed",
                target=f"pid_max {limit}",
            )
    if not found:
        yield Passed(code=kinds.NUMBER_ABOVE_LIMIT.code, detail=f"every pid is below {limit}")
