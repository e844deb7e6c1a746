"""Exit signals: which signal each birth asks for, so that every task finally has the one that the image records.

A task tells its parent of its end by the signal that it was cloned with; 0 is none, and then the parent waits with __WALL or
__WCLONE (wait(2)). A sibling (CLONE_PARENT) gets its creator's signal, adoption makes it SIGCHLD (reparent_leader), and so does
execve (begin_new_exec), which no executor calls. So a task that is adopted has SIGCHLD, all siblings that one creator leads to
have one signal, and every other recorded signal is reported in a finding. Where the image says nothing, the signal is SIGCHLD.
"""

from typing import Final

from planner.events.records import FindingRaised
from planner.identity import OUTSIDE, ProcessId
from planner.planning.cast import Cast
from planner.planning.clones import SIGCHLD, Clone

CODE: Final = "exit-signal-lost"
"""Code of the finding that a task does not get its exit signal; its property is PROPERTY."""

PROPERTY: Final = "exit_signal"
HIGHEST_SIGNAL: Final = 64
UNSTOPPABLE: Final = frozenset({9, 19})
"""SIGKILL and SIGSTOP, which no process can block or ignore."""


class ExitSignals:
    """What each birth asks for, what each recorded signal becomes, and what cannot be had."""

    def __init__(self, cast: Cast, born: list[ProcessId]) -> None:
        """Decide for a cast, given all actors in order of birth."""
        self.asked: dict[ProcessId, int] = {}
        """The exit signal that each actor has at its birth."""
        self.final: dict[ProcessId, int] = {}
        """The exit signal that each task has finally, where the image records one."""
        self.findings: list[FindingRaised] = []
        self._cast = cast
        self._recorded = {pid: task.exit_signal for pid, task in cast.forest.tasks.items() if task.exit_signal >= 0}
        """The exit signals that the image records."""
        self._sources: dict[ProcessId, Clone] = {}
        """Who was cloned with the signal that an actor has: itself, or for a sibling the process that its creators lead up to."""
        self._parents: dict[ProcessId, ProcessId] = {}
        """The parent at birth."""
        for pid in born:
            actor = cast.clones[pid]
            self._sources[pid] = self._sources[actor.creator] if actor.sibling else actor
            self._parents[pid] = self._parents[actor.creator] if actor.sibling else actor.creator
        self._choose_for_siblings(born)
        for pid in born:
            source = self._sources[pid]
            self.asked[pid] = self.asked.setdefault(source.pid, self._own(source))
            if pid in self._recorded:
                self._settle(cast.clones[pid])

    def _choose_for_siblings(self, born: list[ProcessId]) -> None:
        """Give a source that may have any signal the one that its first sibling wants."""
        for pid in born:
            source = self._sources[pid]
            if source.pid != pid and pid in self._recorded and not self._adopted(pid) and not self._why_not(pid):
                free = source.ends or source.pid not in self._recorded or self._adopted(source.pid)
                if free:
                    self.asked.setdefault(source.pid, self._recorded[pid])

    def _adopted(self, pid: ProcessId) -> bool:
        return self._parents[pid] != self._cast.clones[pid].parent

    def _own(self, actor: Clone) -> int:
        """Return the signal that an actor is cloned with when no sibling's matters."""
        return SIGCHLD if self._why_not(actor.pid) else self._recorded.get(actor.pid, SIGCHLD)

    def _why_not(self, pid: ProcessId) -> str:
        """Say why no clone may ask for the recorded signal, "" where it may."""
        recorded = self._recorded.get(pid, SIGCHLD)
        if recorded > HIGHEST_SIGNAL:
            return f"signals end at {HIGHEST_SIGNAL}"
        if recorded in UNSTOPPABLE and self._parents[pid] == OUTSIDE:
            return "the process that rebuilds it could not outlive it"
        if recorded in UNSTOPPABLE and self._cast.clones[pid].zombie:
            return "its end would have ended or stopped its parent"
        return ""

    def _settle(self, actor: Clone) -> None:
        """Note what a recorded signal becomes, and why it becomes another."""
        pid, recorded = actor.pid, self._recorded[actor.pid]
        final = self.final[pid] = SIGCHLD if self._adopted(pid) else self.asked[pid]
        if final == recorded:
            return
        why = self._why_not(pid)
        if self._adopted(pid):
            why = "its parent adopts it, which makes it SIGCHLD"
        elif actor.sibling and not why:
            why = f"it is created as a sibling by task {actor.creator}, and gets that one's"
        self.findings.append(
            FindingRaised(
                code=CODE,
                pid=pid,
                property=PROPERTY,
                recorded=str(recorded),
                target=str(final),
                detail=f"task {pid} has the exit signal {recorded}, and in a rebuild {final}: {why}",
                because=actor.because,
            )
        )
