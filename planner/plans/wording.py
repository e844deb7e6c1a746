"""Steps and processes in words, the same in every preview, explanation and dry run."""

from collections.abc import Iterable, Iterator
from typing import Final

from planner import steps
from planner.identity import OUTSIDE, Pids, ProcessId
from planner.plans.model import Plan
from planner.text import escaped

EXECUTOR: Final = "executor"

Table = dict[ProcessId, steps.Process]


def vector(pids: Pids) -> str:
    """Return a pid vector, outermost first: `7/3/1`."""
    return "/".join(map(str, pids))


def actor_words(pid: ProcessId) -> str:
    """Return who does something."""
    return EXECUTOR if pid == OUTSIDE else str(pid)


def status_words(status: int) -> str:
    """Return a wait status: `exit 3`, `signal 9`, `signal 11 with core`."""
    signal = status & 0x7F
    if signal:
        return f"signal {signal}" + (" with core" if status & 0x80 else "")
    return f"exit {status >> 8 & 0xFF}"


def step_words(step: steps.AnyStep, table: Table) -> str:
    """Return what a step does, in one line without its number and rule."""
    if isinstance(step, steps.Verify):
        return f"verify {step.target}: {_verify_words(step)}"
    if isinstance(step, steps.Enter | steps.Unshare | steps.MapIds | steps.Join):
        deed = _namespace_words(step, table)
    elif isinstance(step, steps.Exit | steps.Kill | steps.Reap):
        deed = _end_words(step)
    else:
        deed = _process_words(step, table)
    return f"{actor_words(step.actor)} {deed}"


def _process_words(
    step: steps.Create | steps.CreateThread | steps.SetSession | steps.SetGroup | steps.SetSubreaper | steps.Stop, table: Table
) -> str:
    match step:
        case steps.Create():
            return f"creates {_child(step.child, table)}{_create_words(step)}"
        case steps.CreateThread():
            return f"creates thread {_child(step.child, table)}"
        case steps.SetSession():
            return "calls setsid"
        case steps.SetGroup():
            moved = "itself" if step.target == step.actor else str(step.target)
            group = "its own group" if step.group == OUTSIDE else f"group {step.group}"
            group = "a group of its own" if step.group == step.target else group
            return f"puts {moved} into {group}"
        case steps.SetSubreaper():
            return f"{'becomes' if step.on else 'stops being'} a subreaper"
        case steps.Stop():
            return f"stops {step.target}"


def _end_words(step: steps.Exit | steps.Kill | steps.Reap) -> str:
    match step:
        case steps.Exit():
            return f"ends{' its leading thread' if step.thread_only else ''} ({status_words(step.status)})"
        case steps.Kill():
            return f"kills {step.target} with signal {step.signal}"
        case steps.Reap():
            return f"reaps {step.child}"


def _namespace_words(step: steps.Enter | steps.Unshare | steps.MapIds | steps.Join, table: Table) -> str:
    match step:
        case steps.Enter():
            own = table[step.actor].namespace if step.actor in table else OUTSIDE
            if step.namespace == own:
                return "goes back to its own pid namespace"
            return f"enters the pid namespace of {step.namespace} for its next children"
        case steps.Unshare():
            kinds: list[str] = [escaped(kind) for kind in step.kinds]
            return f"makes {listed(kinds)} namespace{'s' if len(kinds) > 1 else ''} of its own"
        case steps.MapIds():
            return f"maps the ids of {step.target}'s user namespace{_map_words(step)}"
        case steps.Join():
            return f"enters the {escaped(step.kind)} namespace of {step.target}"


def _child(pid: ProcessId, table: Table) -> str:
    process = table.get(pid)
    if process is None:
        return str(pid)
    role = "" if process.role in {"task", "thread"} else f"{process.role} "
    numbers = vector(process.pids) if len(process.pids) > 1 else str(pid)
    return f"{role}{numbers}"


def listed(given: Iterable[str]) -> str:
    """Return words as a list in a sentence: `1, 2 and 3`, or `no` where there are none."""
    words = list(given)
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "no"


def _map_words(step: steps.MapIds) -> str:
    if step.own:
        return ": root is its own user and group"
    maps = (("users", step.uid_map), ("groups", step.gid_map))
    words = [f"{name} {', '.join(_extent_words(extent) for extent in extents[:3])}" for name, extents in maps if extents]
    return ": " + "; ".join(words)


def _extent_words(extent: steps.Extent) -> str:
    return f"{extent.inside}+{extent.count} from {extent.outside}"


def _create_words(step: steps.Create) -> str:
    words = []
    if step.new_namespace:
        words.append("in a new pid namespace")
    if step.new_user:
        words.append("in a new user namespace")
    if step.sibling:
        words.append("as its sibling")
    if step.share:
        words.append(f"sharing {', '.join(step.share)}")
    if not step.sibling and step.exit_signal != 17:
        words.append(f"with exit signal {step.exit_signal}")
    return f" {' '.join(words)}" if words else ""


def _verify_words(step: steps.Verify) -> str:
    words = [f"parent {step.parent or 'outside'}", f"session {step.session or 'outside'}", f"group {step.group or 'outside'}"]
    if step.zombie:
        words.append(f"zombie ({status_words(step.status)})")
    if step.exit_signal not in (-1, 17):
        words.append(f"exit signal {step.exit_signal}" if step.exit_signal else "no exit signal")
    if step.threads:
        words.append(f"threads {' '.join(map(str, sorted(step.threads)))}")
    if step.subreaper:
        words.append("subreaper")
    for kind, holder in step.namespaces.items():
        words.append(f"{escaped(kind)} namespace of {'its own' if holder == step.target else actor_words(holder)}")
    return ", ".join(words)


def wait_words(step: steps.AnyStep) -> str:
    """Return which steps of other processes come first: `after 3, 7`, "" where none must."""
    return "after " + ", ".join(str(wait.step) for wait in step.waits) if step.waits else ""


def step_line(step: steps.AnyStep, table: Table) -> str:
    """Return a step as every dry run prints it: its number, what it does, and its rule."""
    return f"{step.number:>5}  {step_words(step, table)}  [{escaped(step.rule)}]"


def step_lines(plan: Plan) -> Iterator[str]:
    """Yield the steps of a plan, numbered, with their rules: what every dry run prints."""
    table = plan.process_table()
    for step in plan.steps:
        yield step_line(step, table)
