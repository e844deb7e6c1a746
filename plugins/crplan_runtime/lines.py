"""A plan in the words that the runtime reads: a step is `ACTOR OP WORDS`, a process `PIDS ROLE =NAME`.

Numbers are level-0 numbers, and the numbers of a process at each level are written outermost first with slashes, as everywhere.
"""

from typing import Final

from planner import steps

NAME_BYTES: Final = 15
"""Bytes of a task's name that the kernel keeps."""

SIGCHLD: Final = 17


def step_words(step: steps.AnyStep) -> str:
    """Return who does what, as words of letters, digits and harmless marks."""
    match step:
        case steps.Verify():
            words = _compared(step)
        case steps.MapIds() | steps.Unshare() | steps.Join() | steps.Enter():
            words = _spaces(step)
        case _:
            words = _lives(step)
    return " ".join((str(step.actor), *words))


def process_line(process: steps.Process) -> str:
    """Return a process as a line of the table of processes."""
    return f"{slashed(process.pids)} {process.role} ={name_word(process)}"


def name_word(process: steps.Process) -> str:
    """Return as much of a name as the kernel keeps, as one word."""
    return escaped_bytes(process.name.encode("utf-8", "surrogatepass")[:NAME_BYTES])


def slashed(pids: tuple[int, ...]) -> str:
    """Return the numbers of a process, outermost first."""
    return "/".join(str(number) for number in pids)


def escaped(text: str) -> str:
    """Return a text as one word of letters, digits and harmless marks; other bytes as %XX."""
    return escaped_bytes(text.encode("utf-8", "surrogatepass"))


def escaped_bytes(data: bytes) -> str:
    """Return bytes as one word of letters, digits and harmless marks; others as %XX."""
    return "".join(chr(byte) if byte in _HARMLESS else f"%{byte:02X}" for byte in data)


_HARMLESS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+@")


def _lives(step: steps.AnyStep) -> list[str]:
    match step:
        case steps.Create():
            words = ["new_namespace"] * step.new_namespace + ["new_user"] * step.new_user + ["sibling"] * step.sibling
            exit_signal = 0 if step.sibling else step.exit_signal
            words += [f"signal={exit_signal}"] * (exit_signal != SIGCHLD)
            return ["create", str(step.child), *words, *sorted(step.share)]
        case steps.CreateThread():
            return ["thread", str(step.child)]
        case steps.SetSession():
            return ["setsid"]
        case steps.SetGroup():
            return ["setpgid", str(step.target), str(step.group)]
        case steps.SetSubreaper():
            return ["subreaper", "on" if step.on else "off"]
        case steps.Exit():
            return ["exit", str(step.status), *["thread_only"] * step.thread_only]
        case steps.Kill():
            return ["kill", str(step.target), str(step.signal)]
        case steps.Reap():
            return ["reap", str(step.child)]
        case steps.Stop():
            return ["stop", str(step.target)]
    raise TypeError(type(step).__name__)


def _spaces(step: steps.MapIds | steps.Unshare | steps.Join | steps.Enter) -> list[str]:
    match step:
        case steps.Enter():
            return ["enter", str(step.namespace)]
        case steps.Unshare():
            return ["unshare", *step.kinds]
        case steps.Join():
            return ["join", str(step.target), step.kind]
        case steps.MapIds():
            maps = [f"{name}={_extents(map_)}" for name, map_ in (("uid", step.uid_map), ("gid", step.gid_map)) if map_]
            return ["map", str(step.target), *["own"] * step.own, *maps]


def _compared(step: steps.Verify) -> list[str]:
    words = [f"parent={step.parent}", f"group={step.group}", f"session={step.session}"]
    words += ["zombie", f"status={step.status}"] * step.zombie
    words += [f"exit_signal={step.exit_signal}"] * (step.exit_signal >= 0)
    words += [f"threads={','.join(map(str, sorted(step.threads)))}"] * bool(step.threads)
    words += ["subreaper"] * step.subreaper
    words += [f"{kind}={holder}" for kind, holder in step.namespaces.items()]
    return ["verify", str(step.target), *words]


def _extents(extents: tuple[steps.Extent, ...]) -> str:
    return ",".join(f"{extent.inside}:{extent.outside}:{extent.count}" for extent in extents)
