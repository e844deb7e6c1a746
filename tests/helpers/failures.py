"""Restores that fail, made for real: a program is dumped by criu, something is spoilt, and criu restore does what it does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.helpers.criu_dumps import varint

PATIENCE: Final = 20.0

Area = Literal["files", "mounts", "sockets", "CPU", "cgroup and security", "options"]
Made = Literal["real", "image"]
"""How a failure is made: on this machine, or by a change of the image that another machine would have written."""

HELD: Final = """
import os, socket, signal, sys, time
D = sys.argv[1]
{code}
open(D + "/ready", "w").close()
while True:
    signal.pause()
"""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a program holds, what is spoilt after its dump, and what comes of a restore: codes of findings, words of criu's log.

    `criu` is "" where it restores; `verdict` is what crplan is to say. `lost` says that criu restores and loses something.
    """

    area: Area
    what: str
    holds: str = ""
    dumped: tuple[str, ...] = ()
    spoil: Callable[["Place"], None] | None = None
    keep: Callable[["Place"], object] | None = None
    restored: tuple[str, ...] = ()
    caller: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    criu: str = ""
    lost: bool = False
    made: Made = "real"

    @property
    def verdict(self) -> str:
        """The verdict that the restore deserves."""
        return "refused" if self.criu else "wrong" if self.lost else "ok"


class Place(msgspec.Struct, frozen=True):
    """The directory of a trial, which has the program's files, and that of its image."""

    directory: Path
    image: Path


def without(*names: str) -> tuple[str, ...]:
    """Return words that run a command as a caller whose bounding set lacks capabilities, given by their numbers."""
    code = f"import ctypes, os, sys\nl = ctypes.CDLL(None)\nfor c in ({', '.join(names)},): assert l.prctl(24, c, 0, 0, 0) == 0\n"
    return (sys.executable, "-S", "-I", "-c", code + "os.execv(sys.argv[1], sys.argv[1:])")


def limited(soft: int, hard: int) -> tuple[str, ...]:
    """Return words that run a command as a caller with a limit of open files."""
    code = f"import os, resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
    return (sys.executable, "-S", "-I", "-c", code + "os.execv(sys.argv[1], sys.argv[1:])")


def changed(data: bytes, path: tuple[int, ...], value: int | bytes, nth: int = 0) -> bytes:
    """Return a message with a field changed, by its number and those of the messages that it is in; `nth` is of a repeated one.

    A field that is not there is added.
    """
    out, place, seen, done = b"", 0, -1, False
    while place < len(data):
        start = place
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        size = 0
        if wire == 0:
            _, place = _varint(data, place)
        elif wire == 2:
            size, place = _varint(data, place)
            place += size
        else:
            place += 8 if wire == 1 else 4
        seen += number == path[0]
        if number != path[0] or done or (len(path) == 1 and seen != nth):
            out += data[start:place]
            continue
        done = True
        inner = changed(data[place - size : place], path[1:], value, nth) if len(path) > 1 else value
        out += _field(number, inner)
    return out if done else out + _field(path[0], value)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place


def edit(pattern: str, path: tuple[int, ...], value: int | bytes, nth: int = 0) -> Callable[[Place], None]:
    """Return what changes a field of the first entry of an image."""

    def spoil(place: Place) -> None:
        (file,) = place.image.glob(pattern)
        data = file.read_bytes()
        head = 8 if not pattern.startswith("inventory") else 4
        size = int.from_bytes(data[head : head + 4], "little")
        entry = changed(data[head + 4 : head + 4 + size], path, value, nth)
        file.write_bytes(data[:head] + len(entry).to_bytes(4, "little") + entry + data[head + 4 + size :])

    return spoil


@contextmanager
def dumped(failure: Failure, directory: Path, criu: str) -> Iterator[Place]:
    """Run the program of a failure, dump it and spoil what is to be spoilt; `keep` holds on for the body of the `with`."""
    place = Place(directory, directory / "image")
    place.image.mkdir()
    program = directory / "program.py"
    program.write_text(HELD.format(code=failure.holds))
    quiet = subprocess.DEVNULL
    command = [os.path.realpath(sys.executable), "-S", "-I", str(program), str(directory)]
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/")
    try:
        end = time.monotonic() + PATIENCE
        while not (directory / "ready").exists():
            assert process.poll() is None and time.monotonic() < end, "the program does not stand"
            time.sleep(0.01)
        dump = [criu, "dump", "-t", str(process.pid), "-D", str(place.image), "-o", "dump.log", "-v2", *failure.dumped]
        done = subprocess.run(dump, capture_output=True, timeout=PATIENCE * 3, check=False)
        assert done.returncode == 0, (place.image / "dump.log").read_text()
    finally:
        process.kill()
        process.wait()
    if failure.spoil is not None:
        failure.spoil(place)
    kept = failure.keep(place) if failure.keep is not None else None
    try:
        yield place
    finally:
        if hasattr(kept, "close"):
            kept.close()


def judged(failure: Failure, place: Place, criu: str) -> tuple[str, set[str]]:
    """Return the verdict of `crplan check --here` on `criu restore` with the codes that decide, run as the caller is."""
    command = [*failure.caller, sys.executable, "-m", "planner", "check", str(place.image), "--here", "--for", "criu-restore",
               "--format", "json", f"--criu-options={' '.join(options(failure, place))}"]  # fmt: skip
    found = os.environ | {"PATH": f"{Path(criu).parent}:{os.environ['PATH']}"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 3, check=False, env=found)
    assert run.returncode in (0, 3), run.stderr
    (report,) = msgspec.json.decode(run.stdout)["images"]
    (verdict,) = [each for each in report["verdicts"] if each["consumer"] == "criu-restore"]
    return verdict["verdict"], set(verdict["codes"])


def restored(failure: Failure, place: Place, criu: str) -> str:
    """Return what criu's log says of a restore that failed, "" for one that came back."""
    pid = place.directory / "pid"
    command = [*failure.caller, criu, "restore", "-D", str(place.image), "-o", "restore.log", "-v2", "-d", "--pidfile", str(pid)]
    run = subprocess.run([*command, *options(failure, place)], capture_output=True, text=True, timeout=PATIENCE * 3, check=False)
    if run.returncode:
        log = place.image / "restore.log"
        return f"{run.stderr}{log.read_text(errors='replace') if log.exists() else ''}" or "failed"
    number = int(pid.read_text())
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    while Path(f"/proc/{number}/exe").exists():
        time.sleep(0.01)
    return ""


def options(failure: Failure, place: Place) -> tuple[str, ...]:
    """Return the options of the restore, with the directory of the trial in place of DIRECTORY."""
    return tuple(option.replace("DIRECTORY", str(place.directory)) for option in failure.restored)
