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
        case steps.Create():
            words = _created(step)
        case steps.Verify():
            words = _compared(step)
        case steps.MapIds():
            maps = (("uid", step.uid_map), ("gid", step.gid_map))
            words = ["map", str(step.target), *["own"] * step.own, *(f"{name}={_extents(map_)}" for name, map_ in maps if map_)]
        case steps.SetSubreaper():
            words = ["subreaper", "on" if step.on else "off"]
        case steps.Exit():
            words = ["exit", str(step.status), *["thread_only"] * step.thread_only]
        case steps.Unshare():
            words = ["unshare", *step.kinds]
        case _:
            word, fields = PLAIN_WORDS[type(step)]
            words = [word, *(str(getattr(step, field)) for field in fields)]
    return " ".join((str(step.actor), *words))


PLAIN_WORDS: Final[dict[type[steps.AnyStep], tuple[str, tuple[str, ...]]]] = {
    steps.CreateThread: ("thread", ("child",)),
    steps.SetSession: ("setsid", ()),
    steps.SetGroup: ("setpgid", ("target", "group")),
    steps.Enter: ("enter", ("namespace",)),
    steps.Kill: ("kill", ("target", "signal")),
    steps.Reap: ("reap", ("child",)),
    steps.Stop: ("stop", ("target",)),
    steps.Join: ("join", ("target", "kind")),
}
"""The steps of which every argument is written: the word, and the arguments in their order."""


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


def _created(step: steps.Create) -> list[str]:
    exit_signal = 0 if step.sibling else step.exit_signal
    words = ["new_namespace"] * step.new_namespace + ["new_user"] * step.new_user + ["sibling"] * step.sibling
    words += [f"signal={exit_signal}"] * (exit_signal != SIGCHLD)
    return ["create", str(step.child), *words, *sorted(step.share)]


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
