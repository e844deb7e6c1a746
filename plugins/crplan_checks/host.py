"""What `crplan run` needs for this plan, and whether the host has it; a fact that the host file lacks is unknown."""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds
from planner.findings.registry import Answer, Kind, Passed, Unknown
from planner.hookspecs import Artefact
from planner.host.facts import Feature, Host
from planner.plans.abilities import Ability, needed, serving
from planner.plans.model import Plan
from planner.ranges import parse_ranges
from planner.steps import Create, CreateThread, Enter, SetSubreaper


def check(artefact: Artefact, host: Host | None) -> Iterator[Answer]:
    """Yield what is missing; nothing where no host was given."""
    if host is None:
        return
    for kind, answers in (
        (kinds.CAPABILITY_MISSING, _capabilities(host)),
        (kinds.FEATURE_MISSING, _features(artefact.plan, host)),
        (kinds.LIMIT_TOO_LOW, _limits(artefact, host)),
        (kinds.NUMBER_ABOVE_NEW, _numbers(artefact.plan, host)),
        *(((kinds.EXECUTOR_MISSING, _executors(artefact.plan, host)),) if host.executors else ()),
    ):
        given = list(answers)
        yield from given or (Passed(code=kind.code),)


DONE: Final[dict[Ability, str]] = {
    "threads": "threads",
    "files": "shared files",
    "memory": "shared memory",
    "namespaces": "other namespaces",
    "into": "a pid namespace that is there",
}
"""Abilities in words; `many` is none that a plan depends on."""


def _executors(plan: Plan, host: Host) -> Iterator[Answer]:
    """Yield what keeps each executor from doing the plan where all are kept from it."""
    asked = needed(plan, into=host.target >= 0)
    if serving(asked, host.executors, lambda executor: not executor.missing):
        return
    reasons = []
    for executor in host.executors:
        lacks = sorted(asked - {"many"} - set(executor.abilities))
        reasons.append(f"{executor.name} cannot do {' and '.join(DONE[each] for each in lacks)}" if lacks else executor.missing)
    yield kinds.EXECUTOR_MISSING.found(
        "no executor can do the plan: " + "; ".join(reasons),
        property="executor",
        recorded=", ".join(sorted(DONE[each] for each in asked - {"many"})),
        target="missing",
    )


def _capabilities(host: Host) -> Iterator[Answer]:
    """Root's way, or a user namespace of one's own, which has no rights over a pid namespace that is there already."""
    admin = host.can("sys_admin")
    if admin:
        return
    without = host.feature("set_tid_without_root") if host.target < 0 else Feature(state="no", detail="not with --into")
    if without.state == "yes":
        return
    if admin is None or without.state == "unknown":
        yield Unknown(code=kinds.CAPABILITY_MISSING.code, missing="the capabilities, or whether user namespaces are allowed")
        return
    yield kinds.CAPABILITY_MISSING.found(
        f"CAP_SYS_ADMIN is missing, and a user namespace does not make up for it ({without.detail})",
        property="capability",
        recorded="sys_admin",
        target="missing",
    )


def _made(plan: Plan, host: Host) -> list[Create]:
    """Return the steps that make a pid namespace; level 0 is made by none where the tree goes into one of the host's."""
    made = [step for step in plan.steps if isinstance(step, Create) and step.new_namespace]
    return made if host.target < 0 else made[1:]


def needed_features(plan: Plan, host: Host) -> dict[str, int]:
    """Return what the kernel must be able to do for a plan, each with the first step that needs it."""
    first = plan.steps[0].number if plan.steps else 0
    needs = {"set_tid": first, "pidfd": first}
    if made := _made(plan, host):
        needs["pid_namespaces"] = made[0].number
    for step in plan.steps:
        if isinstance(step, Enter):
            needs.setdefault("enter_by_pidfd", step.number)
        elif isinstance(step, SetSubreaper):
            needs.setdefault("subreaper", step.number)
    return needs


def _features(plan: Plan, host: Host) -> Iterator[Answer]:
    for name, step in needed_features(plan, host).items():
        found = host.feature(name)
        if found.state == "yes":
            continue
        if name in {"pid_namespaces", "set_tid"} and host.feature("set_tid_without_root").state == "yes":
            continue
        if found.state == "unknown":
            yield Unknown(code=kinds.FEATURE_MISSING.code, missing=f"whether the kernel has {name} ({found.detail})")
            continue
        yield kinds.FEATURE_MISSING.found(
            f"step {step} needs {name}, and the host has it not ({found.detail})",
            property=name,
            recorded="needed",
            target=found.detail or "no",
            hint=kinds.hint_of(found.detail),
        )


def _limits(artefact: Artefact, host: Host) -> Iterator[Answer]:
    plan, limits = artefact.plan, host.limits
    tasks = sum(process.role != "helper" for process in plan.processes) + 1
    own = host.namespace(0)
    free = None if own is None or own.pid_max is None or not own.taken else own.pid_max - 1 - len(parse_ranges(own.taken))
    levels = max((len(process.pids) for process in plan.processes), default=1) - (host.target >= 0)
    namespaces = len(_made(plan, host))
    wanted: list[tuple[str, int, int | None]] = [
        ("kernel.threads-max", tasks, _left(limits.threads_max, limits.tasks_in_use)),
        ("free pids of the host's pid namespace", tasks, free),
        ("levels of pid namespaces", levels, limits.levels_below),
        ("user.max_pid_namespaces", namespaces, limits.pid_namespaces),
    ]
    if limits.cgroup_tasks is not None:
        wanted.append(("pids.max of the cgroup", tasks, _left(limits.cgroup_tasks, limits.cgroup_tasks_in_use)))
    if not host.root:
        # The kernel does not hold root to RLIMIT_NPROC.
        wanted.append(("RLIMIT_NPROC", tasks, _left(limits.processes, limits.processes_in_use)))
    for name, need, has in wanted:
        if has is None:
            yield Unknown(code=kinds.LIMIT_TOO_LOW.code, missing=name)
        elif 0 <= has < need:
            yield kinds.LIMIT_TOO_LOW.found(
                f"the plan needs {need} of {name}, and the host has {has} left",
                property=name,
                recorded=str(need),
                target=str(has),
            )


UNLIMITED = -1


def _left(limit: int | None, in_use: int | None) -> int | None:
    """Return what is left below a limit, `UNLIMITED` where there is none, None where either is unknown."""
    if limit == UNLIMITED:
        return UNLIMITED
    return None if limit is None or in_use is None else max(limit - in_use, 0)


def _numbers(plan: Plan, host: Host) -> Iterator[Answer]:
    """Every level of a plan is a new pid namespace, but for level 0 where the tree goes into one of the host's."""
    limit = host.new_namespace_pid_max
    if not _made(plan, host):
        return
    if limit is None:
        yield _unknown(kinds.NUMBER_ABOVE_NEW, "the limit of a new pid namespace")
        return
    steps = {step.child: step.number for step in plan.steps if isinstance(step, Create | CreateThread)}
    for process in plan.processes:
        for level, number in enumerate(process.pids):
            if number >= limit and (level or host.target < 0):
                yield kinds.NUMBER_ABOVE_NEW.found(
                    f"step {steps.get(process.pid, 0)} creates {process.pid} with pid {number} at level {level}, and a new "
                    f"pid namespace of the host has the limit {limit}",
                    pid=process.pid,
                    property=f"number at level {level}",
                    recorded=str(number),
                    target=f"pid_max {limit}",
                )


def _unknown(kind: Kind, missing: str) -> Unknown:
    return Unknown(code=kind.code, missing=missing)
