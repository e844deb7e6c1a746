"""Options of CRIU that an image needs: exactly those that are given count, and where none are known the verdict depends on them.

Source: CRIU 4.2, `criu/tty.c`, `criu/sk-inet.c`, `criu/image.c`, `criu/pstree.c`.
"""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds, kinds_contents
from planner.findings.registry import Answer, Unknown
from planner.findings.verdicts import ENGINES, Invocation
from planner.forest.model import Forest
from planner.identity import ProcessId

SHELL_JOB: Final = "--shell-job"
OF_INVENTORY: Final = {"tcp_close": "--tcp-close", "allow_uprobes": "--allow-uprobes"}
"""Facts of the inventory, and the option that a restore must be given because the dump was."""
FOR_TERMINALS: Final = (SHELL_JOB, "--inherit-fd", "--orphan-pts-master")
"""Options each of which gives a slave without its master to the restored tree."""
FOR_SOCKETS: Final = ("--tcp-established", "--tcp-close")
OF_ENGINES: Final = ("--orphan-pts-master", "--manage-cgroups", "--root")
"""Options that runc and crun always give."""


def answers(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is missing, what the verdict depends on, and what is given in vain."""
    needed: set[str] = set()
    root = forest.tasks[forest.root]
    if root.session != root.pid:
        needed.add(SHELL_JOB)
        detail = f"the root task is in session {root.session or 'outside'}, which it does not lead"
        yield kinds.CRIU_SHELL_JOB.found(detail, pid=root.pid, property="session", recorded=str(root.session))
        yield from need(invocation, (SHELL_JOB,), kinds.CRIU_SHELL_JOB.code, detail, root.pid)
    for fact, option in OF_INVENTORY.items():
        if fact in forest.image_facts:
            needed.add(option)
            detail = f"the dump was taken with {option}, and a restore without it is refused"
            yield kinds_contents.CRIU_OPTION.found(detail, property=fact, recorded=forest.image_facts[fact])
            yield from need(invocation, (option,), kinds_contents.CRIU_OPTION.code, detail)
    for answer in (*_terminals(forest, invocation), *_sockets(forest, invocation)):
        needed.update(getattr(answer, "needs", ()))
        yield answer
    needed.update(FOR_SOCKETS if "--tcp-established" in needed else ())
    for option in (SHELL_JOB, "--tcp-established", *OF_INVENTORY.values()):
        if invocation.has(option) and not _useful(forest, option, needed):
            yield kinds_contents.CRIU_OPTION_IN_VAIN.found(f"{option} is given, and this image does not need it", recorded=option)


def need(
    invocation: Invocation, options: tuple[str, ...], code: str, because: str, pid: int = 0, at: int | str | None = None
) -> Iterator[Answer]:
    """Yield nothing where one of the options is given, a refusal where it is known that none is, else an open question."""
    engine = invocation.consumer in ENGINES
    if any(invocation.has(option) or (engine and option in OF_ENGINES) for option in options):
        return
    if invocation.options is None:
        yield Unknown(code=code, missing=f"whether criu restore is given {options[0]}", pid=ProcessId(pid), needs=options[:1])
    else:
        yield kinds_contents.CRIU_OPTION_MISSING.found(
            f"{because}: {options[0]} is needed and not given", pid=pid, recorded=options[0], at=at, needs=options[:1]
        )


def _useful(forest: Forest, option: str, needed: set[str]) -> bool:
    sockets = any(fact.property == "connected TCP sockets" for _, fact in forest.facts)
    terminals = any(fact.property.startswith("terminal ") for _, fact in forest.facts)
    return option in needed or (option in FOR_SOCKETS and sockets) or (option == SHELL_JOB and terminals)


def _terminals(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    """A slave whose master is outside goes to the terminal that criu has; a master goes back to the leader of its session."""
    found = [fact for _, fact in forest.facts if fact.property.startswith(("terminal master ", "terminal slave "))]
    masters = {fact.property.rpartition(" ")[2] for fact in found if fact.property.startswith("terminal master ")}
    for fact in found:
        _, role, index = fact.property.split(" ")
        session = int(fact.value.split(" ")[1])
        led = ProcessId(session) in forest.tasks
        if role == "master" and session and not led:
            detail = f"the master of terminal {index} belongs to session {session}, which no task leads: No task found with sid"
            yield kinds_contents.CRIU_TERMINAL_FOREIGN.found(
                detail, property="terminal's session", recorded=str(session), at=fact.at
            )
        elif role == "slave" and index not in masters:
            of = f"of session {session}" if session else "without a session"
            detail = f"a task holds terminal {index} {of}, and its master is outside of the image"
            yield kinds.CRIU_TERMINAL.found(detail, property="terminal's session", recorded=str(session), at=fact.at)
            yield from need(invocation, FOR_TERMINALS, kinds.CRIU_TERMINAL.code, detail, at=fact.at)


def _sockets(forest: Forest, invocation: Invocation) -> Iterator[Answer]:
    for _, fact in forest.facts:
        if fact.property == "connected TCP sockets":
            detail = f"the image has {fact.value} connected TCP sockets"
            yield kinds_contents.CRIU_TCP.found(detail, property="sockets", recorded=fact.value, at=fact.at)
            if "tcp_close" in forest.image_facts:
                continue  # what the dump was taken with serves for these, too
            yield from need(invocation, FOR_SOCKETS, kinds_contents.CRIU_TCP.code, detail, at=fact.at)
