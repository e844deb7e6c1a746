"""What /proc says: through an instance of the new namespace's own, whose numbers are level-0 numbers, or the host's."""

from __future__ import annotations

import os

from crplan_shell.agent.kernel import Refused, name_of


class Proc:
    """Reads processes through the descriptor `top`; where that is the host's, `hosts` translates."""

    def __init__(self, top: int, hosts: dict[int, int] | None = None) -> None:
        self.top = top
        self.hosts = hosts
        self.levels_above = 0
        if hosts:
            init, host = next(iter(hosts.items()))
            self.levels_above = len(self.status(str(host), init)["NSpid"]) - 1

    def name(self, task: int) -> str:
        """Return the name under which a process is listed."""
        return str(task if self.hosts is None else self.hosts.get(task, 0))

    def parent(self, status: dict[str, list[str]]) -> int:
        """Return the level-0 number of the parent, 0 for outside."""
        number = int(status["PPid"][0])
        if self.hosts is None:
            return number
        return (self.vector(str(number), 0) or [0])[0] if number else 0

    def vector(self, path: str, task: int) -> list[int]:
        """Return the numbers of a process or thread from level 0 on."""
        return self.inside(self.status(path, task)["NSpid"])

    def status(self, path: str, task: int) -> dict[str, list[str]]:
        """Return the words of a status file, by field."""
        lines = self.read(f"{path}/status", task).splitlines()
        return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def read(self, path: str, task: int) -> str:
        """Read a file of the opened proc."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.top)
            with open(descriptor, "rb") as file:
                return file.read().decode("ascii", "replace")
        except OSError as error:
            raise Refused(task, "is not in /proc", name_of(error)) from None

    def place(self, path: str, kind: str, task: int) -> tuple[int, int]:
        """Return what tells a process's namespace of a kind from all others."""
        try:
            status = os.stat(f"{path}/ns/{kind}", dir_fd=self.top)
        except OSError as error:
            raise Refused(task, f"its {kind} namespace is not in /proc", name_of(error)) from None
        return status.st_dev, status.st_ino

    def numbers_under(self, path: str, task: int) -> list[int]:
        """Return the numbers that a directory of the opened proc lists."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.top)
        except OSError as error:
            raise Refused(task, "is not in /proc", name_of(error)) from None
        try:
            return [int(entry) for entry in os.listdir(descriptor) if entry.isdigit()]
        finally:
            os.close(descriptor)

    def inside(self, words: list[str]) -> list[int]:
        """Return the numbers from level 0 on."""
        return [int(word) for word in words[self.levels_above :]]

    def shown(self, task: int) -> dict[str, str]:
        """Return what is shown of a process, in the words of a verify step."""
        path = self.name(task)
        status = self.status(path, task)
        zombie = status["State"][0] in "ZX"
        others = [thread for thread in self.numbers_under(f"{path}/task", task) if str(thread) != path]
        stat = self.read(f"{path}/stat", task).rpartition(")")[2].split()
        vectors = sorted(self.vector(f"{path}/task/{thread}", task) for thread in others)
        return {
            "as": slashed(self.inside(status["NSpid"])),
            "parent": str(self.parent(status)),
            "group": str((self.inside(status["NSpgid"]) or [0])[0]),
            "session": str((self.inside(status["NSsid"]) or [0])[0]),
            "state": "zombie" if zombie else "alive",
            "status": stat[49] if zombie else "0",
            "signal": stat[35],
            "threads": ",".join(slashed(vector) for vector in vectors),
        }

    def is_stopped(self, task: int) -> bool:
        """Tell whether a process is stopped."""
        return self.status(self.name(task), task)["State"][0] == "T"

    def present(self) -> list[int]:
        """Return the level-0 numbers of everybody who is there."""
        return self.numbers_under(".", 0) if self.hosts is None else self.descendants()

    def descendants(self) -> list[int]:
        """Return the level-0 numbers of everything below this process, for a machine whose own /proc must do."""
        children: dict[int, list[int]] = {}
        for number in self.numbers_under(".", 0):
            try:
                children.setdefault(int(self.status(str(number), 0)["PPid"][0]), []).append(number)
            except Refused:
                continue
        found, queue = [], list(children.get(os.getpid(), []))
        while queue:
            number = queue.pop()
            queue += children.get(number, [])
            found += self.inside(self.status(str(number), 0)["NSpid"])[:1]
        return found


def numbers_in(word: str) -> list[int]:
    """Return the numbers of a vector that is written with slashes."""
    return [int(number) for number in word.split("/")]


def slashed(vector: list[int]) -> str:
    """Write a vector as the script does."""
    return "/".join(map(str, vector))


def bytes_of(word: str) -> bytes:
    """Return the bytes of a name, in which the script writes odd ones as hexadecimal escapes."""
    return word.encode("ascii").decode("unicode_escape").encode("latin-1")
