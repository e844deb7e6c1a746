"""One step as one line of shell: what it does as a sentence, and the words for the agent, quoted.

Numbers are level-0 numbers and vectors are written outermost first, as in the plan; the agent translates.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from planner import steps
from planner.identity import Pids, ProcessId
from planner.plans import wording

SIGCHLD: Final = 17
_BARE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,@%+:-")
_BARE_WORD: Final = re.compile(r"[A-Za-z0-9_./,@%+:-]+")
NAME_BYTES: Final = 15
"""Bytes of a task's name that the kernel keeps."""

CHECK_COLUMNS: Final = ["process", "pids", "parent", "session", "group", "state", "signal", "more"]
"""What stands in a row of the table of checks."""


def quoted(text: str) -> str:
    """Quote a text as one word of shell: printable ASCII on one line, without blanks, whatever the text was.

    Words are joined by blanks on their way to the agent, so a blank inside a word is escaped like any odd character.
    """
    return _in_quotes(escaped(text).replace(" ", r"\x20"))


def _in_quotes(word: str) -> str:
    return word if _BARE_WORD.fullmatch(word) else "'" + word.replace("'", r"'\''") + "'"


def escaped(text: str) -> str:
    """Write a text in printable ASCII on one line; every other character, and the backslash, as its UTF-8 bytes in hex."""
    return "".join(
        character
        if " " <= character <= "~" and character != "\\"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in text
    )


def sentence(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> str:
    """Return what a step does as a sentence in printable ASCII, the same that every dry run prints."""
    return escaped(wording.step_words(step, processes))


def step_words(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> list[str]:
    """Return a step's quoted words for the agent: what is done to which process, how, and by which rule."""
    words = [quoted(word) for word in (*_deed(step, processes), "rule", step.rule)]
    if isinstance(step, steps.Create) and processes[step.child].name:
        words[-2:-2] = ["named", _in_quotes(_kept(processes[step.child].name))]
    return words


def check_words(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> list[str]:
    """Return the words of a verify step as the table of checks has them: first those of CHECK_COLUMNS, without their names."""
    _, task, *named = _deed(step, processes)
    values = dict(zip(named[::2], named[1::2], strict=True))
    columns = [values.pop(name, "any") for name in ("as", "parent", "session", "group", "state", "signal")]
    return [quoted(word) for word in (task, *columns, *(word for pair in values.items() for word in pair))]


def _deed(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> list[str]:
    subject = _subject(step)
    word, arguments = DEEDS[type(step)]
    return [word, str(subject), *arguments(step, processes)]


def _create(step: steps.Create, processes: dict[ProcessId, steps.Process]) -> list[str]:
    child = processes[step.child]
    flags = ["newpid"] * step.new_namespace + ["newuser"] * step.new_user + ["parent"] * step.sibling
    exit_signal = 0 if step.sibling else step.exit_signal
    words = ["as", _slashed(child.pids), "by", str(step.actor)]
    words += ["flags", ",".join(flags)] * bool(flags)
    words += ["share", ",".join(sorted(step.share))] * bool(step.share)
    words += ["signal", str(exit_signal)] * (exit_signal != SIGCHLD)
    return words + ["role", "reaper"] * (child.role == "reaper")


def _enter(step: steps.Enter, processes: dict[ProcessId, steps.Process]) -> list[str]:
    actor = processes.get(step.actor)
    home = actor.namespace if actor else ProcessId(0)
    return ["namespace", "own" if step.namespace == home else str(step.namespace)]


def _map_ids(step: steps.MapIds, _: dict[ProcessId, steps.Process]) -> list[str]:
    words = ["by", str(step.actor)] + ["own", "yes"] * step.own
    return words + ["uid", _extents(step.uid_map)] * bool(step.uid_map) + ["gid", _extents(step.gid_map)] * bool(step.gid_map)


def _verify(step: steps.Verify, processes: dict[ProcessId, steps.Process]) -> list[str]:
    words = ["as", _slashed(processes[step.target].pids), "parent", str(step.parent)]
    words += ["group", str(step.group), "session", str(step.session), "state", "zombie" if step.zombie else "alive"]
    words += ["status", str(step.status)] * bool(step.zombie and step.status)
    vectors = sorted(processes[thread].pids for thread in step.threads)
    words += ["threads", ",".join(_slashed(vector) for vector in vectors)] * bool(vectors)
    words += ["subreaper", "on"] * (step.subreaper and not step.zombie)
    words += ["signal", str(step.exit_signal)] * (step.exit_signal >= 0)
    places = [f"{kind}:{holder}" for kind, holder in step.namespaces.items()]
    return words + ["namespaces", ",".join(places)] * bool(places)


DEEDS: Final[dict[type[steps.AnyStep], tuple[str, Callable[[Any, dict[ProcessId, steps.Process]], list[str]]]]] = {
    steps.Create: ("create", _create),
    steps.CreateThread: ("thread", lambda step, table: ["as", _slashed(table[step.child].pids), "by", str(step.actor)]),
    steps.SetSession: ("setsid", lambda step, _: []),
    steps.SetGroup: ("setpgid", lambda step, _: ["to", str(step.group), "by", str(step.actor)]),
    steps.SetSubreaper: ("subreaper", lambda step, _: ["turn", "on" if step.on else "off"]),
    steps.Enter: ("enter", _enter),
    steps.Exit: ("exit", lambda step, _: ["status", str(step.status)] + ["only", "leader"] * step.thread_only),
    steps.Kill: ("kill", lambda step, _: ["signal", str(step.signal), "by", str(step.actor)]),
    steps.Reap: ("reap", lambda step, _: ["by", str(step.actor)]),
    steps.Stop: ("stop", lambda step, _: []),
    steps.Unshare: ("unshare", lambda step, _: ["kinds", ",".join(step.kinds)]),
    steps.MapIds: ("map", _map_ids),
    steps.Join: ("join", lambda step, _: ["kind", step.kind, "of", str(step.target)]),
    steps.Verify: ("verify", _verify),
}
"""Each kind of step: the agent's word for it, and what writes the arguments behind the process that it is about."""


def _subject(step: steps.AnyStep) -> ProcessId:
    match step:
        case steps.Create() | steps.CreateThread() | steps.Reap():
            return step.child
        case steps.SetGroup() | steps.Kill() | steps.MapIds() | steps.Verify() | steps.Stop():
            return step.target
        case _:
            return step.actor


def _extents(extents: tuple[steps.Extent, ...]) -> str:
    return ",".join(f"{extent.inside}:{extent.outside}:{extent.count}" for extent in extents)


def _kept(name: str) -> str:
    """Return as much of a name as the kernel keeps, each odd byte as a hexadecimal escape."""
    kept = name.encode("utf-8", "surrogatepass")[:NAME_BYTES]
    return "".join(chr(byte) if chr(byte) in _BARE else f"\\x{byte:02x}" for byte in kept)


def _slashed(pids: Pids) -> str:
    return "/".join(str(number) for number in pids)
