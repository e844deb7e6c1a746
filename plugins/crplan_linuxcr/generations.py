"""The generations of the stream, as tables: what is numbered how, and where things stand.

Source: every revision of user-cr's headers, sizes and offsets as compiled. `rev` in the header says less than one would think:
seven generations have the number 6.
"""

from typing import Final

import msgspec

HEADER, HEADER_ARCH, CONTAINER, BUFFER, STRING, OBJREF, LSM_INFO = 1, 2, 3, 4, 5, 6, 7
PIDS: Final = 101
TAIL: Final = 9001
ERROR: Final = 9999
VPIDS: Final = 118

SECTION_NAMES: Final = {
    1: "HEADER",
    2: "HEADER_ARCH",
    3: "CONTAINER",
    4: "BUFFER",
    5: "STRING",
    6: "OBJREF",
    7: "LSM_INFO",
    8: "SECURITY",
    TAIL: "TAIL",
    ERROR: "ERROR",
}
OBJECT_NAMES: Final = {
    **dict(enumerate(("CPU_FPU", "MM_CONTEXT_LDT"), 201)),
    **dict(
        enumerate(("FILE_TABLE", "FILE_DESC", "FILE_NAME", "FILE", "PIPE_BUF", "TTY", "TTY_LDISC", "EPOLL_ITEMS"), 301),
    ),
    **dict(enumerate(("MM", "VMA", "PGARR", "MM_CONTEXT or HPAGE", "MM_CONTEXT"), 401)),
    451: "FS",
    **dict(enumerate(("IPC", "IPC_SHM", "IPC_MSG", "IPC_MSG_MSG", "IPC_SEM", "TASK_SEM_UNDO_LIST", "TASK_SEM_UNDO"), 501)),
    **dict(enumerate(("SIGHAND", "SIGNAL", "SIGNAL_TASK", "SIGPENDING"), 601)),
    **dict(
        enumerate(
            (
                *("SOCKET", "SOCKET_QUEUE", "SOCKET_BUFFER", "SOCKET_FRAG", "SOCKET_UNIX", "SOCKET_INET"),
                *("NET_NS", "NETDEV", "NETDEV_ADDR"),
            ),
            701,
        )
    ),
}
TASK_NAMES: Final = (
    *("TREE", "TASK", "TASK_NS", "TASK_OBJS", "RESTART_BLOCK", "THREAD", "CPU", "NS", "UTS_NS", "IPC_NS", "MNT_NS"),
    *("CAPABILITIES", "USER_NS", "CRED", "USER", "GROUPINFO", "TASK_CREDS"),
)
BEFORE_PIDS: Final = {**SECTION_NAMES, 101: "TREE or PIDS"}
"""Names while the generation is not yet known."""

_ARCHITECTURES_A3 = {1: "x86", 2: "s390x", 3: "powerpc", 4: "powerpc64"}
_ARCHITECTURES_A5 = {1: "x86", 2: "x86_64", 3: "s390x", 4: "powerpc", 5: "powerpc64"}
_ARCHITECTURES_P = {1: "x86", 2: "x86_64", 3: "s390x"}

_SHARED_A3 = ("files", "memory", "signal_handlers")
_SHARED_A5 = ("files", "memory", "fs", "signal_handlers")
_SHARED_B2 = ("files", "memory", "fs", "sysv_undo", "signal_handlers")


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One layout of the stream.

    `task_lengths` are lengths of a TASK record that it may have (natural alignment made two of them before a fix), `state_at`
    the offset of the task's state in it. `shared` are the first objrefs of TASK_OBJS, in order. `first_tag` is what is added to
    the offset field of PIDS to get the first tag.
    """

    name: str
    revision: int
    task_lengths: tuple[int, ...]
    shared: tuple[str, ...]
    namespace_object: int
    architectures: dict[int, str]
    state_at: int = 8
    tree: int = 101
    first_tag: int = 0
    mount_namespaces: bool = True
    net_namespaces: bool = False

    @property
    def task(self) -> int:
        """Type of TASK."""
        return self.tree + 1

    @property
    def task_ns(self) -> int:
        """Type of TASK_NS."""
        return self.tree + 2

    @property
    def task_objs(self) -> int:
        """Type of TASK_OBJS."""
        return self.tree + 3

    @property
    def ns(self) -> int:
        """Type of NS, the set of a task's namespaces."""
        return self.tree + 7

    def names(self) -> dict[int, str]:
        """Return the name of every record type."""
        middle = [name for name in TASK_NAMES if name != "MNT_NS" or self.mount_namespaces]
        return {
            **SECTION_NAMES,
            **OBJECT_NAMES,
            **dict(enumerate(middle, self.tree)),
            **({PIDS: "PIDS"} if self.tree > PIDS else {}),
        }


GENERATIONS: Final = {
    generation.name: generation
    for generation in (
        Generation(
            name="A3",
            revision=3,
            task_lengths=(72, 64),
            shared=_SHARED_A3,
            namespace_object=7,
            architectures=_ARCHITECTURES_A3,
            mount_namespaces=False,
        ),
        Generation(
            name="A4",
            revision=4,
            task_lengths=(72, 64),
            shared=_SHARED_A3,
            namespace_object=7,
            architectures=_ARCHITECTURES_A3,
            mount_namespaces=False,
        ),
        Generation(
            name="A4b",
            revision=4,
            task_lengths=(72, 64),
            shared=_SHARED_A3,
            namespace_object=7,
            architectures={**_ARCHITECTURES_A3, 5: "x86_64"},
            mount_namespaces=False,
        ),
        Generation(
            name="A5",
            revision=5,
            task_lengths=(72, 64),
            shared=_SHARED_A5,
            namespace_object=8,
            architectures=_ARCHITECTURES_A5,
        ),
        Generation(
            name="S", revision=6, task_lengths=(64,), shared=_SHARED_A5, namespace_object=8, architectures=_ARCHITECTURES_A5
        ),
        Generation(
            name="St",
            revision=6,
            task_lengths=(64,),
            shared=_SHARED_A5,
            namespace_object=8,
            architectures=_ARCHITECTURES_A5,
            net_namespaces=True,
        ),
        Generation(
            name="B",
            revision=6,
            task_lengths=(64,),
            shared=_SHARED_A5,
            namespace_object=8,
            architectures=_ARCHITECTURES_A5,
            net_namespaces=True,
        ),
        Generation(
            name="B2",
            revision=6,
            task_lengths=(80,),
            shared=_SHARED_B2,
            namespace_object=8,
            architectures=_ARCHITECTURES_A5,
            net_namespaces=True,
        ),
        Generation(
            name="P",
            revision=6,
            task_lengths=(80,),
            shared=_SHARED_B2,
            namespace_object=9,
            architectures=_ARCHITECTURES_P,
            tree=102,
            first_tag=1,
            net_namespaces=True,
        ),
        Generation(
            name="P2",
            revision=6,
            task_lengths=(80,),
            shared=_SHARED_B2,
            namespace_object=9,
            architectures=_ARCHITECTURES_P,
            state_at=12,
            tree=102,
            net_namespaces=True,
        ),
        Generation(
            name="P3",
            revision=6,
            task_lengths=(80,),
            shared=_SHARED_B2,
            namespace_object=9,
            architectures={**_ARCHITECTURES_P, 4: "arm"},
            state_at=12,
            tree=102,
            net_namespaces=True,
        ),
    )
}
