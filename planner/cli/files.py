"""The files that a command writes, safe in directories that others may write to.

Root writes into `/tmp`, too. What lies there under the given name may have been put there by another user to be written to, to
be followed, or to lend its mode. So a link or file of another user in such a directory is refused (the kernel's own rule, see
`fs.protected_symlinks` and `fs.protected_regular` in proc(5), kept where the kernel does not keep it), a new file takes over a
mode only from a file of the same user, and no file is ever written with a set-id or sticky bit.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from planner.errors import UsageError

MOST_LINKS: Final = 40
"""Links that are followed from one name, as in the kernel (path_resolution(7))."""

_KEPT: Final = 0o775
"""The bits of a mode that are taken over from the file that is replaced: nothing is left writable for all users."""

_SHARED: Final = stat.S_ISVTX | stat.S_IWOTH
"""A directory with one of these bits is one that other users put files into."""


def replace(file: str, data: Iterable[bytes], *, executable: bool = False) -> None:
    """Write the pieces `data` to a temporary file that then takes the name `file`, so that the file is whole or not there.

    A device or pipe of that name is written to instead. Raises `UsageError` for an empty name and OSError with the name that was
    given.
    """
    with _named(file):
        place = _place(file)
        found = _lstat(place)
        if found is not None and not stat.S_ISREG(found.st_mode):
            with open(place, "wb") as special:
                special.writelines(data)
            return
        _write_beside(place, data, found, executable)


def _write_beside(place: str, data: Iterable[bytes], old: os.stat_result | None, executable: bool) -> None:
    from tempfile import mkstemp

    descriptor, temporary = mkstemp(prefix=".crplan-", dir=os.path.dirname(place))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(data)
            stream.flush()
            _set_mode(descriptor, old, executable)
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def open_to_write(file: str, *, append: bool = False) -> BinaryIO:
    """Return `file` opened to be written in place, as things happen; raises as `replace` does."""
    with _named(file):
        place = _place(file)
        found = _lstat(place)
        stream = open(place, "ab" if append else "wb")  # noqa: SIM115 - the caller closes it
        if found is not None and stat.S_ISREG(found.st_mode) and found.st_mode & 0o7000 and hasattr(os, "fchmod"):
            os.fchmod(stream.fileno(), found.st_mode & 0o777)
        return stream


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Make an OSError speak of the name that was given, and not of a temporary file or of where a link leads."""
    if not file:
        raise UsageError("the name of the file to write is empty")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), file) from None


def _place(file: str) -> str:
    """Return the place that a name stands for: links are followed, but none that another user may have planted.

    Links below /proc are left as they are: `/dev/stdout` leads to one, and what it shows need not have a name.
    """
    for _ in range(MOST_LINKS):
        directory, name = os.path.split(file)
        if name in {"", ".", ".."}:
            raise OSError(*_error(errno.EISDIR if os.path.isdir(file) else errno.ENOENT))
        directory = os.path.realpath(directory or os.curdir, strict=True)
        place = os.path.join(directory, name)
        found = _lstat(place)
        if found is None:
            return place
        _refuse_planted(directory, found)
        if not stat.S_ISLNK(found.st_mode) or directory.startswith("/proc/"):
            return place
        file = os.path.join(directory, os.readlink(place))
    raise OSError(*_error(errno.ELOOP))


def _error(number: int) -> tuple[int, str]:
    return number, os.strerror(number)


def _lstat(place: str) -> os.stat_result | None:
    try:
        return os.lstat(place)
    except FileNotFoundError:
        return None


def _refuse_planted(directory: str, found: os.stat_result) -> None:
    """Raise PermissionError for what another user put into a directory that is open to others."""
    if not hasattr(os, "geteuid"):  # there are no such directories
        return
    around = os.stat(directory)
    if around.st_mode & _SHARED and found.st_uid not in {os.geteuid(), around.st_uid}:
        raise PermissionError(
            errno.EACCES,
            f"is there already and belongs to user {found.st_uid}, in a directory that other users write to; give another name",
        )


def _set_mode(descriptor: int, old: os.stat_result | None, executable: bool) -> None:
    """Give a new file the mode that the process's mask leaves, or that of the file of the same user which it replaces."""
    if not hasattr(os, "fchmod"):
        return
    mask = os.umask(0)
    os.umask(mask)
    mode = (0o777 if executable else 0o666) & ~mask
    if old is not None and old.st_uid == os.geteuid():
        mode = old.st_mode & _KEPT
        mode |= (mode & 0o444) >> 2 if executable else 0
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except OSError:  # the bits of the group were meant for another group
            mode &= ~0o070
    os.fchmod(descriptor, mode)
