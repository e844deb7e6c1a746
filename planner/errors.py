"""Every exception that crplan raises on purpose, and the exit codes of the command line.

All derive from `CrplanError`. The library raises them with the image's name, so that `str(error)` is a complete sentence; where a
command prints the name itself, it prints `error.message`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from planner.identity import EventNumber, ProcessId
from planner.text import escaped

COULD_NOT: Final = 1
"""The job could not be done."""

USAGE: Final = 2
"""Usage error."""

CANNOT_RESTART: Final = 3
"""The facts are there, and they cannot be restarted."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that a problem or an explanation rests on: its position in the log, its place in the image, and what it says."""

    seq: int
    at: int | str | None = None
    text: str


class CrplanError(Exception):
    """The base of all exceptions that crplan raises on purpose.

    `message` is one sentence. `at` is the place in the image: a byte offset, `"file#entry"`, or None where there is none. `image`
    is the name of the image that was worked on, `facts` are the events that the error rests on, and `hint` says what to do; the
    library fills them in, and they are empty before. `exit_code` is what the command line ends with.
    """

    exit_code: int = COULD_NOT

    def __init__(self, message: str, *, at: int | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.image = ""
        self.facts: tuple[Evidence, ...] = ()
        self.hint = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error pass between processes whatever its arguments were."""
        return _restored, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        """Return the message in one line, with the image in front where it is known, and the place where there is an image."""
        if not self.image:
            return self.message
        place = f"{words}: " if (words := place_words(self.at)) else ""
        return f"{escaped(self.image)}: {place}{escaped(self.message)}"


def _restored(kind: type[CrplanError], args: tuple[Any, ...], state: dict[str, Any]) -> CrplanError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class BadImage(CrplanError):
    """The bytes cannot be decoded into facts: exit code 1.

    `at` is a byte offset or `"file#entry"`, None for the whole input; the message says what was found, what was expected and,
    where possible, what to do.
    """

    def __init__(self, at: int | str | None, message: str) -> None:
        super().__init__(message, at=at)


class SeveralImages(BadImage):
    """An input holds several checkpoints, and one was asked for: exit code 1 where nothing can take several.

    `names` select one each. `events(name, detail)` yields the image events of one, as much of it as a request's detail says, from
    what was read already where the input can be read only once. It raises `BadImage` for one that is not as it should be, and
    `SeveralImages` for an archive of a directory that holds several itself, whose names begin with its own.
    """

    def __init__(self, names: Iterable[str], events: Callable[[str, Any], Iterator[Any]]) -> None:
        self.names = tuple(names)
        listed = ", ".join(name or "the top" for name in self.names[:10]) + (", ..." if len(self.names) > 10 else "")
        super().__init__(None, f"holds {len(self.names)} checkpoints: {listed}; name one of them as IMAGE::NAME")
        self.events = events

    def __reduce__(self) -> tuple[Any, ...]:
        """Pass between processes as what it is for those who take one image."""
        return BadImage, (self.at, self.message)


class Contradiction(CrplanError):
    """Facts of the image exclude each other, or no history of a kernel leads to them: exit code 3.

    `code` is a finding's code, `pid` the level-0 pid of the process involved (0 is the whole image). `because` are the sequence
    numbers of the smallest set of facts that was found to exclude each other.
    """

    exit_code = CANNOT_RESTART

    def __init__(self, code: str, message: str, because: Iterable[int] = (), pid: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.because = tuple(EventNumber(seq) for seq in because)
        self.pid = ProcessId(pid)


class NotProved(CrplanError):
    """A plan does not end in the image's forest on the model kernel.

    `recorded` says that the plan came with the log or plan file (exit code 3); otherwise crplan itself made it (exit code 1).
    `rule` is the rule of the model by which a step was refused, "" where all were done.
    """

    def __init__(self, message: str, *, recorded: bool, rule: str = "") -> None:
        super().__init__(message)
        self.recorded = recorded
        self.rule = rule
        self.exit_code = CANNOT_RESTART if recorded else COULD_NOT


class CannotEmit(CrplanError):
    """A back end or executor cannot do this plan: exit code 3. The message names the task and the reason."""

    exit_code = CANNOT_RESTART


class PluginFailed(CrplanError):
    """A reader, back end, report format or executor of a plugin raised something that it must not: exit code 1."""


class EngineLost(CrplanError):
    """The executor of a scan of many images takes no more work, or its cluster is gone: exit code 1. What was done is kept."""


class CheckpointFailed(CrplanError):
    """A checkpoint or a restore through CRIU failed while it ran, and what it had begun was undone: exit code 1."""


class UsageError(CrplanError):
    """An argument, option or name does not exist or does not fit the others: exit code 2."""

    exit_code = USAGE


EXPECTED: Final = (BadImage, Contradiction, CannotEmit, PluginFailed, NotProved, EngineLost, CheckpointFailed)
"""What a job may end with; anything else is a defect of crplan."""


def place_words(at: int | str | None) -> str:
    """Return a place in an image in words: `at offset 96`, or `at file#entry`, "" where there is none."""
    return "" if at is None else f"at offset {at}" if isinstance(at, int) else f"at {escaped(at)}"
