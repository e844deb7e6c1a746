"""Compiles the program of the executor `c` once, into a directory that no other user can write to.

The directory is `crplan` in XDG_CACHE_HOME, in `.cache` of HOME, or in `.cache` of the user's own home: the first whose parents
only root or the user can change. A program has the digest of its text in its name, and comes into its place by a rename: so two
runs that compile at the same time do not meet, and one that was cut short leaves nothing that is used. Where files of the
directory may not be executed, a copy in memory is.
"""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from crplan_syscalls.program import executor_program

MACHINES: Final = ("x86_64", "aarch64")
"""Machines for which `runtime/kernel.c` is written."""

COMPILERS: Final = ("cc", "gcc", "clang")
OPTIONS: Final = ("-O0", "-std=gnu11", "-x", "c", "-o", "rebuild", "-")
"""Nearly all of its time goes into system calls: -O2 makes it no faster, and takes five times as long to compile."""

PATIENCE: Final = 120
"""Seconds that a compiler may take."""


class CannotBuild(OSError):
    """Why this machine has no program, as one sentence."""


def missing() -> str:
    """Return what this machine lacks for the program, "" where it is there or could be compiled."""
    try:
        program()
    except CannotBuild as error:
        return str(error)
    return ""


def program() -> Path:
    """Return the compiled program; raises CannotBuild."""
    machine = os.uname().machine
    if machine not in MACHINES:
        raise CannotBuild(f"the C program is written for {' and '.join(MACHINES)}, not for {machine}")
    text = executor_program().encode()
    name = f"rebuild-{sha256(text + machine.encode()).hexdigest()[:32]}"
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    reasons: list[str] = []
    for cache in _caches():
        try:
            _own_directory(cache)
        except OSError as error:
            reasons.append(f"{cache}: {error.strerror or error}")
            continue
        if _is_own_file(cache / name):
            return cache / name
        if compiler is None:
            raise CannotBuild("no C compiler is on PATH (cc, gcc or clang)")
        return _compiled(compiler, text, cache / name)
    raise CannotBuild(f"no directory is fit for the compiled C program ({'; '.join(reasons) or 'no home directory'})")


def _caches() -> Iterator[Path]:
    """Yield the directories that may serve, best first."""
    found: list[Path] = []
    given, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if given.startswith("/"):
        found.append(Path(given))
    if home.startswith("/"):
        found.append(Path(home, ".cache"))
    with contextlib.suppress(KeyError):
        found.append(Path(pwd.getpwuid(os.geteuid()).pw_dir, ".cache"))
    yield from (place / "crplan" for place in dict.fromkeys(found))


def _own_directory(directory: Path) -> None:
    """Make a directory with mode 0700 where it is not there; raises OSError where another user could write to it."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(1, "it is not a directory of this user's own with mode 0700")
    for parent in directory.resolve().parents:
        status = parent.stat()
        if status.st_uid not in {0, os.geteuid()} or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
            raise PermissionError(1, f"others can change {parent}")
    if not os.access(directory, os.W_OK):
        raise PermissionError(30, "it cannot be written to")


def _is_own_file(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022 and status.st_size > 0


def _compiled(compiler: str, text: bytes, target: Path) -> Path:
    """Compile the program and put it into its place; raises CannotBuild."""
    try:
        with tempfile.TemporaryDirectory(prefix="making-", dir=target.parent) as directory:
            run = subprocess.run(
                [compiler, *OPTIONS],
                input=text,
                cwd=directory,
                env={**os.environ, "TMPDIR": directory, "LC_ALL": "C"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                check=False,
            )
            if run.returncode:
                first = next((line for line in run.stderr.decode("ascii", "replace").splitlines() if "error" in line), "")
                raise CannotBuild(f"{compiler} cannot compile the C program{first and ': '}{first[:200]}")
            made = Path(directory, "rebuild")
            made.chmod(0o700)
            made.rename(target)
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"{compiler} did not compile the C program within {PATIENCE} seconds") from None
    except CannotBuild:
        raise
    except OSError as error:
        raise CannotBuild(f"the C program cannot be compiled in {target.parent}: {error.strerror or error}") from None
    return target


@contextlib.contextmanager
def executable(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the name by which a program can be executed, and the descriptors that this takes; raises OSError."""
    if not os.statvfs(path).f_flag & os.ST_NOEXEC:
        yield str(path), ()
        return
    copy = os.memfd_create("rebuild", os.MFD_CLOEXEC)
    try:
        with open(copy, "wb", closefd=False) as stream:
            stream.write(path.read_bytes())
        # A file that is open for writing cannot be executed.
        reader = os.open(f"/proc/self/fd/{copy}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(copy)
    try:
        yield f"/proc/self/fd/{reader}", (reader,)
    finally:
        os.close(reader)
