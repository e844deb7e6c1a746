"""Every exception that the library raises on purpose, and the exit codes of the command line."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Sequence_
from typing import Any

from planner.identity import ProcessId, Sequence

COULD_NOT = 1


USAGE = 2


CANNOT_RESTART = 3


class NotProved(Exception):
    """A plan does not end in the image's forest on the model kernel; `recorded` says that it came with the log or plan file.

    `rule` is the rule of the model by which a step was refused, "" where all were done.
    """

    def __init__(self, message: str, *, recorded: bool, rule: str = "") -> None:
        super().__init__(message)
        self.recorded = recorded
        self.rule = rule


class BadImage(Exception):
    """The bytes cannot be decoded into facts: exit code 1.

    `at` is a byte offset or `"file#entry"`, None for the whole input; the message says what was found, what was expected and, where possible, what to do.
    """

    def __init__(self, at: int | str | None, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


class SeveralImages(BadImage):
    """An input holds several checkpoints, and one was asked for: exit code 1 where nothing can take several.

    `names` select one each. `events(name)` yields the image events of one that was read already, so that an input which can be
    read only once is not read again; it raises `BadImage` for one that is not as it should be.
    """

    def __init__(self, names: Sequence_[str], events: Callable[[str], Iterator[Any]]) -> None:
        listed = ", ".join(name or "the top" for name in names[:10]) + (", ..." if len(names) > 10 else "")
        super().__init__(None, f"holds {len(names)} checkpoints: {listed}; name one of them as IMAGE::NAME")
        self.names = tuple(names)
        self.events = events


class CannotEmit(Exception):
    """A back end or executor cannot do this plan: exit code 3. The message names the task and the reason."""


class Contradiction(Exception):
    """Facts of the image exclude each other; `because` are the sequence numbers of the smallest set that does."""

    def __init__(self, code: str, message: str, because: Iterable[int] = (), pid: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.because = tuple(Sequence(seq) for seq in because)
        self.pid = ProcessId(pid)
        self.met_last: Contradiction | None = None
        """What a search met last that met this one first: how far it came."""


class UsageError(Exception):
    """The command was not asked rightly: exit code 2."""


class PluginFailed(Exception):
    """A reader, back end or executor of a plugin raised something that it must not: exit code 1."""


EXPECTED = (BadImage, Contradiction, CannotEmit, PluginFailed, NotProved)
"""What a job may end with; anything else is a defect of crplan."""
