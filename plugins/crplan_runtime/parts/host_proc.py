"""The machine's own /proc, where no proc instance can be made: it numbers tasks otherwise, and every look translates."""

from __future__ import annotations

import os

from crplan_runtime.parts.proc import Proc


class HostProc(Proc):
    """Finds a task among what descends from the executor, as everything in the new namespace does.

    `executor` is the executor's number in this /proc, and `above` how many levels it has above level 0.
    """

    def __init__(self, outside: bool) -> None:
        super().__init__(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        me = self.fields("self")
        if "NSpid" not in me:
            raise ProcessLookupError(3, "/proc shows other processes")
        self.executor = int(me["Pid" if outside else "PPid"][0])
        self.above = len(me["NSpid"]) - (not outside)
        self.hosts: dict[int, str] = {}

    def fields(self, path: str) -> dict[str, list[str]]:
        """Return the fields of a status file as they are, none where the task is gone."""
        try:
            descriptor = os.open(path + "/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.top)
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                return {name: rest.split() for name, _, rest in (line.partition(":") for line in file)}
        except (FileNotFoundError, ProcessLookupError):
            return {}

    def level_0(self, path: str) -> int:
        """Return the level-0 number of the task with this directory; 0 for one outside, or gone."""
        return int((self.fields(path).get("NSpid", [])[self.above :] or ["0"])[0])

    def names(self, path: str) -> list[str]:
        """Return the numbers that a directory lists, as this /proc has them; raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.top)
        try:
            return [name for name in os.listdir(descriptor) if name.isdigit()]
        finally:
            os.close(descriptor)

    def descendants(self) -> list[str]:
        """Return what descends from the executor, as this /proc has it."""
        children: dict[str, list[str]] = {}
        for name in self.names("."):
            children.setdefault(self.fields(name).get("PPid", ["0"])[0], []).append(name)
        found = list(children.get(str(self.executor), []))
        for name in found:
            found += children.get(name, [])
        return found

    def host(self, pid: int) -> str:
        """Return the directory of a task; raises FileNotFoundError."""
        if self.level_0(self.hosts.get(pid, "0")) != pid:
            self.hosts = {self.level_0(name): name for name in self.descendants()}
        if pid not in self.hosts:
            raise FileNotFoundError(2, f"task {pid} is not in /proc")
        return self.hosts[pid]

    def path(self, path: str) -> str:
        """Return where the file of a task, or of a thread of one, is; raises OSError."""
        first, *rest = path.split("/")
        if first.isdigit():
            first = self.host(int(first))
            if rest[:1] == ["task"] and rest[1:]:
                threads = (name for name in self.names(f"{first}/task") if self.level_0(f"{first}/task/{name}") == int(rest[1]))
                rest[1] = next(threads, "0")
        return "/".join((first, *rest))

    def status(self, path: str) -> dict[str, list[str]]:
        """Return the fields of a status file, with level-0 numbers; raises OSError."""
        status = super().status(path)
        for name in ("NSpid", "NSpgid", "NSsid"):
            status[name] = status[name][self.above :]
        for name in ("Tgid", "PPid"):
            status[name] = [str(self.level_0(status[name][0]))]
        return status

    def list(self, path: str) -> set[int]:
        """Return the level-0 numbers in the directory of all tasks, or of one task's threads; raises OSError."""
        if path == ".":
            return {self.level_0(name) for name in self.descendants()} - {0}
        folder = self.path(path)
        return {self.level_0(f"{folder}/{name}") for name in self.names(folder)} - {0}
