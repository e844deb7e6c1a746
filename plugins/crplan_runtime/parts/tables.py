"""The plan as the program reads it: two tables of plain words."""

from __future__ import annotations

from collections.abc import Iterator

KINDS = ("user", "mnt", "uts", "ipc", "net", "cgroup", "time")
"""Kinds of namespace, other than pid, that a check may name."""


class Process:
    """A process or thread of the plan.

    `pids` has a number for each level, outermost first. `name` has a character for each byte.
    """

    __slots__ = ("name", "pid", "pids", "role")

    def __init__(self, line: str) -> None:
        vector, self.role, name = line.split()
        self.pids = tuple(int(number) for number in vector.split("/"))
        self.pid = self.pids[0]
        first, *rest = name[1:].split("%")
        self.name = first + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest)

    @property
    def level(self) -> int:
        """The level of its namespace."""
        return len(self.pids) - 1


class Step:
    """One step: `actor` does `op`; `target` is the process that it is about, the actor where it names no other.

    A line says the same as a sentence, with the rule behind it; that of a check does not.
    """

    __slots__ = ("actor", "number", "op", "rule", "said", "target", "words")

    def __init__(self, line: str) -> None:
        body, _, comment = line.partition(" # ")
        self.said, _, rule = comment.rpartition(" [")
        number, actor, op, *words = body.split()
        self.number = int(number)
        self.actor = int(actor)
        self.op = op
        self.words = words
        self.rule = rule.rstrip("]") or "verify"
        self.target = (
            int(words[0]) if op in ("create", "thread", "setpgid", "kill", "reap", "map", "verify", "stop") else self.actor
        )

    def sentence(self) -> str:
        """Return what the step does, as every dry run prints it."""
        return self.said or f"verify {self.target}: {', '.join(self.compared())}"

    def compared(self) -> Iterator[str]:
        """Yield what a check compares."""
        for name in ("parent", "session", "group"):
            yield f"{name} {self.value(name) or 'outside'}"
        if "zombie" in self.words:
            yield f"zombie ({status_words(self.value('status'))})"
        exit_signal = self.value("exit_signal", 17)
        if exit_signal != 17:
            yield f"exit signal {exit_signal}" if exit_signal else "no exit signal"
        if self.has("threads"):
            yield f"threads {' '.join(map(str, sorted(self.numbers('threads'))))}"
        if "subreaper" in self.words:
            yield "subreaper"
        for word in self.words:
            kind, _, holder = word.partition("=")
            if kind in KINDS:
                owner = {str(self.target): "its own", "0": "executor"}.get(holder, holder)
                yield f"{kind} namespace of {owner}"

    @property
    def ends_actor(self) -> bool:
        """Whether the actor does nothing after this step."""
        return self.op == "exit"

    def has(self, name: str) -> bool:
        """Tell whether there is a word `name=`."""
        return any(word.startswith(name + "=") for word in self.words)

    def value(self, name: str, default: int = 0) -> int:
        """Return the number behind `name=`."""
        for word in self.words:
            if word.startswith(name + "="):
                return int(word[len(name) + 1 :])
        return default

    def extents(self, name: str) -> list[list[int]]:
        """Return the lines of the id map behind `name=`."""
        for word in self.words:
            if word.startswith(name + "="):
                return [[int(number) for number in line.split(":")] for line in word[len(name) + 1 :].split(",")]
        return []

    def numbers(self, name: str) -> list[int]:
        """Return the list of numbers behind `name=`."""
        for word in self.words:
            if word.startswith(name + "="):
                return [int(number) for number in word[len(name) + 1 :].split(",")]
        return []


class Plan:
    """All processes by level-0 number, all steps, and the index of the last step of every actor."""

    def __init__(self, root: int, processes: str, steps: str) -> None:
        self.root = root
        self.processes = {process.pid: process for process in map(Process, processes.splitlines())}
        self.steps = list(map(Step, steps.splitlines()))
        self.last_step = {step.actor: index for index, step in enumerate(self.steps)}
        self.has_threads = any(process.role == "thread" for process in self.processes.values())
        self.shares_files = any(step.op == "create" and "files" in step.words for step in self.steps)
        self.returns_to_own_group = any(step.op == "setpgid" and step.words[1] == "0" for step in self.steps)
        """Whether the executor puts a child back into its own group."""
        self.exit_signals = {step.value("signal", 17) for step in self.steps if step.op == "create"} - {0, 17}

    def number(self, pid: int, level: int) -> int:
        """Return the number by which `level` knows `pid`; raises ProcessLookupError where it cannot be seen."""
        process = self.processes.get(pid)
        pids = process.pids if process else (pid,)
        if not 0 <= level < len(pids):
            raise ProcessLookupError(3, f"task {pid} has no number at level {level}")
        return pids[level]


def status_words(status: int) -> str:
    """Return a wait status in words."""
    number = status & 0x7F
    if number:
        return f"signal {number}" + (" with core" if status & 0x80 else "")
    return f"exit {status >> 8 & 0xFF}"
