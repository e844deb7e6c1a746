"""How many tasks `criu restore` makes, and how many the host allows.

Source: fork(2), cgroups(7) and CRIU 4.2, `criu/cgroup.c`: a task whose set of cgroups is that of criu is not moved.
"""

from collections.abc import Iterator

from crplan_checks.kinds_restore import CRIU_LIMIT
from planner.findings.registry import Answer, Unknown
from planner.findings.verdicts import ENGINES, Invocation
from planner.forest.model import Forest
from planner.host.facts import Host


def answers(forest: Forest, host: Host, invocation: Invocation) -> Iterator[Answer]:
    """Yield the limits that are too low; an engine's cgroup is not known here, so only criu's own is judged."""
    limits = host.limits
    tasks = len(forest.tasks) + sum(map(len, forest.threads.values()))
    moved = {fact.pid for _, fact in forest.facts if fact.property == "cgroup_set" and fact.pid}
    wanted = [("kernel.threads-max", tasks, limits.threads_max, limits.tasks_in_use)]
    if invocation.consumer not in ENGINES and limits.cgroup_tasks is not None:
        stay = tasks - sum(1 + len(forest.threads.get(pid, ())) for pid in forest.tasks if pid in moved)
        wanted.append(("pids.max of the cgroup", stay, limits.cgroup_tasks, limits.cgroup_tasks_in_use))
    if not host.root:
        wanted.append(("RLIMIT_NPROC", tasks, limits.processes, limits.processes_in_use))
    for name, need, limit, in_use in wanted:
        if limit is None or (limit >= 0 and in_use is None):
            yield Unknown(code=CRIU_LIMIT.code, missing=f"{name} of the host")
        elif limit >= 0 and need > (left := max(limit - (in_use or 0), 0)):
            yield CRIU_LIMIT.found(
                f"the restore makes {need} tasks, and {name} leaves {left}: Resource temporarily unavailable",
                property=name,
                recorded=str(need),
                target=str(left),
            )
