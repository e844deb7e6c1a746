"""Trees with nested pid namespaces that count, for checkpoints: started from a few letters, read from /proc, ended for sure."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import msgspec

SOURCE = Path(__file__).with_name("nested.c")
PATIENCE = 10.0
RECORDER = Path(__file__).with_name("recording_criu.py")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A process as /proc shows it, with numbers from the tree's own pid namespace inwards; `parent` is a name, "" outside."""

    pids: tuple[int, ...]
    groups: tuple[int, ...]
    sessions: tuple[int, ...]
    parent: tuple[int, ...]
    state: str
    threads: tuple[tuple[int, ...], ...]


def missing() -> str:
    """Return what this machine lacks for such trees, "" where nothing is."""
    lacking = [tool for tool in ("cc", "unshare", "setsid") if shutil.which(tool) is None]
    return f"lacks {', '.join(lacking)}" if lacking else ""


def criu() -> str:
    """Return a criu that works here, "" where there is none: CRPLAN_CRIU, or the one on PATH."""
    program = shutil.which(os.environ.get("CRPLAN_CRIU", "criu"))
    if program is None or os.geteuid():
        return ""
    return program if subprocess.run([program, "check"], capture_output=True, check=False).returncode == 0 else ""


def recorder(directory: Path) -> str:
    """Return a program to be called in criu's place, which checks what it is given."""
    program = directory / "recording-criu"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {RECORDER} "$@"\n')
    program.chmod(0o755)
    return str(program)


def compiled(directory: Path) -> Path:
    """Return the program that trees are of, compiled."""
    program = directory / "nested"
    if not program.exists():
        subprocess.run(["cc", "-O1", "-pthread", "-o", program, SOURCE], check=True)
    return program


class Tree:
    """A tree in a pid namespace of its own, for the body of a `with`; `root` is the number of its init here."""

    def __init__(self, directory: Path, tree: str) -> None:
        self.directory = directory / "counters"
        self.directory.mkdir()
        self._program = compiled(directory)
        self._tree = tree
        self.root = 0

    def __enter__(self) -> "Tree":
        command = ["unshare", "-pfm", "--mount-proc", "setsid", self._program, self.directory, "r", self._tree]
        quiet = subprocess.DEVNULL
        self._above = subprocess.Popen(command, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
        wanted = 1 + len(re.findall(r"[(\[](?!Z)", self._tree))
        end = time.monotonic() + PATIENCE
        while len([file for file in self.directory.iterdir() if file.stat().st_size]) < wanted:
            assert time.monotonic() < end, "the tree does not stand"
            time.sleep(0.01)
        (self.root,) = map(int, Path(f"/proc/{self._above.pid}/task/{self._above.pid}/children").read_text().split())
        while sum(task.state == "zombie" for task in below(self.root).values()) < self._tree.count("(Z"):
            assert time.monotonic() < end, "the zombies have not ended"
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.root and self.runs():
            os.kill(self.root, signal.SIGKILL)
        self._above.kill()
        self._above.wait()

    def runs(self) -> bool:
        """Whether the root is there."""
        return Path(f"/proc/{self.root}/status").exists() and "State:\tZ" not in Path(f"/proc/{self.root}/status").read_text()

    def counters(self) -> dict[str, int]:
        """Return what every process has counted."""
        return {file.name: int(file.read_text()) for file in sorted(self.directory.iterdir())}

    def counts_on(self) -> bool:
        """Whether every process counts within a short time."""
        before, end = self.counters(), time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if all(now > before[name] for name, now in self.counters().items()):
                return True
            time.sleep(0.01)
        return False


def running(directory: Path) -> list[int]:
    """Return the roots of trees that run in a directory, by their program."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else []
        except OSError:
            continue
        if (
            words[:1] == [bytes(directory / "nested")]
            and words[2:3] == [b"r"]
            and _status(int(entry.name))["NSpid"].endswith("\t1")
        ):
            found.append(int(entry.name))
    return found


def below(root: int) -> dict[tuple[int, ...], Standing]:
    """Return the processes at and below a root by their numbers from the root's own pid namespace inwards."""
    level = len(_status(root)["NSpid"].split()) - 1
    found, waiting, vectors = {}, [root], {}
    while waiting:
        number = waiting.pop()
        status = _status(number)
        vector = _vector(status["NSpid"], level)
        vectors[number] = vector
        children: list[int] = []
        threads = []
        for thread in sorted(Path(f"/proc/{number}/task").iterdir(), key=lambda path: int(path.name)):
            children += map(int, (thread / "children").read_text().split())
            if int(thread.name) != number:
                threads.append(_vector(_lines(thread / "status")["NSpid"], level))
        found[vector] = Standing(
            pids=vector,
            groups=_vector(status["NSpgid"], level),
            sessions=_vector(status["NSsid"], level),
            parent=vectors.get(int(status["PPid"]), ()),
            state="zombie" if status["State"].startswith("Z") else "alive",
            threads=tuple(threads),
        )
        waiting += children
    return found


def _status(number: int) -> dict[str, str]:
    return _lines(Path(f"/proc/{number}/status"))


def _lines(file: Path) -> dict[str, str]:
    return dict(line.partition(":\t")[::2] for line in file.read_text().splitlines())


def _vector(line: str, level: int) -> tuple[int, ...]:
    return tuple(map(int, line.split()))[level:]
