"""What may be wrong around an executor, and what must come of it whatever the executor is written in.

An executor stands its tree and ends with 0 when it is asked to, or it leaves nothing and says in one line why. Nothing between.
"""

import platform
import re
from typing import Final

import msgspec

SYSCALLS: Final = {
    "x86_64": {"waitid": 247, "unshare": 272, "clone3": 435, "pidfd_open": 434},
    "aarch64": {"waitid": 95, "unshare": 97, "clone3": 435, "pidfd_open": 434},
}.get(platform.machine(), {})

OUTPUT: Final = "the ready line cannot be written to standard output: "


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """One condition: the options of the sandbox, and what comes of it.

    `error` matches the end of the one line that says what failed, "" where the tree must stand. `either` allows both. `silent`
    says that no reader is left, and `for_shells` whether a shell can begin at all.
    """

    name: str
    options: tuple[str, ...]
    error: str = ""
    either: bool = False
    silent: bool = False
    for_shells: bool = True

    @property
    def line(self) -> re.Pattern[str]:
        """What standard error must hold after a failure."""
        return re.compile("" if self.silent else f"crplan: [^\\n]*{self.error}\\n")


def _streams() -> tuple[Surroundings, ...]:
    found = [
        Surroundings(
            name=f"closed {' '.join(map(str, closed))}",
            options=tuple(f"closed={number}" for number in closed),
            error=f"{OUTPUT}EBADF" if 1 in closed else "",
            silent=1 in closed and 2 in closed,
        )
        for closed in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    ]
    for state, error in (("full", "ENOSPC"), ("gone", "EPIPE"), ("stuck", "ETIMEDOUT")):
        found += [
            Surroundings(name=f"output {state}", options=(f"{state}=1",), error=f"{OUTPUT}{error}"),
            Surroundings(name=f"errors {state}", options=(f"{state}=2",)),
            Surroundings(name=f"both {state}", options=(f"{state}=1", f"{state}=2"), error=error, silent=True),
        ]
    return tuple(found)


CONDITIONS: Final = (
    *_streams(),
    Surroundings(name="few descriptors", options=("descriptors=16",), error="EMFILE", either=True),
    # A shell itself needs a descriptor from 10 on.
    *(
        Surroundings(name=f"{number} descriptors", options=(f"descriptors={number}",), error=error, either=True, for_shells=False)
        for number, error in ((10, "EMFILE"), (6, "(EMFILE|Too many open files)"))
    ),
    Surroundings(name="few processes", options=("proc", "uid=65534", "processes=6"), error="[A-Za-z0-9)]"),
    Surroundings(name="no waitid", options=(f"forbid={SYSCALLS['waitid']}",)),
    Surroundings(name="no clone3", options=(f"forbid={SYSCALLS['clone3']}",), error="(EPERM|permitted[^\\n]*)"),
    Surroundings(name="no pidfd_open", options=(f"forbid={SYSCALLS['pidfd_open']}",), error="EPERM", either=True),
    Surroundings(name="no user namespace", options=("uid=65534", f"forbid={SYSCALLS['unshare']}"), error="EPERM"),
    Surroundings(name="root without capabilities", options=("proc", "bare")),
    Surroundings(name="nobody", options=("proc", "uid=65534")),
    Surroundings(name="nobody, and the host's proc", options=("uid=65534",)),
)
"""Every row of the table; each has the same meaning in every column."""
