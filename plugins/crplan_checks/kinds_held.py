"""Kinds of finding about what the processes hold and a host lacks: files, addresses, the processor."""

from typing import Final

from crplan_checks.kinds_contents import kind

_RECORD: Final = "Bring the file as it was at the dump, or restore where it is."

CRIU_PATH_MISSING: Final = kind(
    "criu-path-missing",
    "error",
    "refused",
    "A file that a task holds is not on the host.",
    _RECORD,
    "`Can't open file ... on restore: No such file or directory`: CRIU opens files by their names. A file whose name was gone "
    "at the dump comes back from the image and is not asked for.",
)
CRIU_DIRECTORY_MISSING: Final = kind(
    "criu-directory-missing",
    "error",
    "refused",
    "A directory that a task is in, or that a socket is bound in, is not on the host.",
    "Make the directory with the mode that it had, or restore where it is.",
    "CRIU opens working and root directories by their names, and binds unix sockets to their paths again.",
)
CRIU_EXECUTABLE_MISSING: Final = kind(
    "criu-executable-missing",
    "error",
    "refused",
    "An executable or a library of a task is not on the host.",
    "Install the same version of the program or the library.",
    "CRIU maps files by their names; their code is not in the image.",
)
CRIU_EXECUTABLE_CHANGED: Final = kind(
    "criu-executable-changed",
    "error",
    "refused",
    "An executable or a library of a task has another size on the host than at the dump.",
    "Install the same version of the program or the library.",
    "`File ... has bad size`: CRIU compares the size of every file that is mapped or open for reading alone.",
)
CRIU_FILE_SIZE: Final = kind(
    "criu-file-size",
    "error",
    "refused",
    "A file that a task has open for reading has another size on the host than at the dump.",
    _RECORD,
    "`File ... has bad size`. Files that are open for writing may have grown: CRIU does not compare them.",
)
CRIU_FILE_MODE: Final = kind(
    "criu-file-mode",
    "error",
    "refused",
    "A file that a task holds has other permissions on the host than at the dump.",
    "Give the file the mode that it had, or give --skip-file-rwx-check to criu restore.",
    "`File ... has bad mode`. With --skip-file-rwx-check the permissions are not compared.",
)
CRIU_FILE_KIND: Final = kind(
    "criu-file-kind",
    "error",
    "refused",
    "Something of another kind stands on the host where a task holds a file.",
    _RECORD,
    "`File ... has bad mode`: the type is a part of the mode, and --skip-file-rwx-check leaves it. At a fifo, which has "
    "no other end, CRIU waits.",
)
CRIU_READ_ONLY: Final = kind(
    "criu-file-read-only",
    "error",
    "refused",
    "A file that a task has open for writing is on a mount of the host that is read-only.",
    "Mount the file system for writing (mount -o remount,rw).",
    "`Can't open file ... on restore: Read-only file system`.",
)
CRIU_NO_CODE: Final = kind(
    "criu-mount-noexec",
    "error",
    "refused",
    "Code of a task is in a file on a mount of the host that allows no code.",
    "Mount the file system with exec (mount -o remount,exec).",
    "`Can't restore ... mapping`: the kernel maps no code from a mount with noexec.",
)
CRIU_ADDRESS_TAKEN: Final = kind(
    "criu-address-taken",
    "error",
    "refused",
    "A port that a task is bound to is in use on the host.",
    "Stop what uses the port, or restore in a network namespace of its own.",
    "`Can't bind inet socket: Address already in use`. CRIU sets SO_REUSEADDR and SO_REUSEPORT before it binds.",
)
CRIU_ADDRESS_MISSING: Final = kind(
    "criu-address-missing",
    "error",
    "refused",
    "An address that a task is bound to is none of the host's.",
    "Give the host the address, or restore on a host that has it.",
    "`Can't bind inet socket: Cannot assign requested address`.",
)
CRIU_INTERFACE_MISSING: Final = kind(
    "criu-interface-missing",
    "error",
    "refused",
    "A network interface that a socket is bound to is not on the host.",
    "Make the interface, or restore on a host that has it.",
    "`couldn't find ifindex`.",
)
CRIU_REGISTERS_LOST: Final = kind(
    "criu-registers-lost",
    "error",
    "wrong",
    "A thread has values in registers that the host's processor does not have, and a restore loses them.",
    "Restore on a processor that has the registers.",
    "CRIU 4.2 leaves such state out and reports success (`assign_xsave`); its own comparison needs cpuinfo.img, which no dump "
    "writes by default. The program goes on with other values.",
)
CRIU_PEER: Final = kind(
    "criu-unix-peer",
    "error",
    "refused",
    "A unix socket is connected to one outside of the image, and nothing receives there on the host.",
    "Start the program that the socket was connected to.",
    "`Can't connect ... socket`: with --ext-unix-sk CRIU connects the socket again. A file alone does not do.",
)
CRIU_EXTERNAL_MOUNT: Final = kind(
    "criu-external-mount",
    "error",
    "refused",
    "A mount of the tree is external, and criu restore is not told its source.",
    "Give --external mnt[KEY]:SOURCE to criu restore.",
    "`No mapping for ... mountpoint`. Container engines give the option themselves.",
)
CRIU_EXTERNAL_SOURCE: Final = kind(
    "criu-external-source",
    "note",
    "",
    "The tree has external mounts, whose sources are paths of the host that restores.",
    "Put the path in place of each SOURCE in the command; with --here or --host the path is checked, too.",
    "Without the option CRIU stops with `No mapping for ... mountpoint`. A verdict on the image only is that of a restore which "
    "is given them.",
)
CRIU_MOUNT_SOURCE: Final = kind(
    "criu-mount-source",
    "error",
    "refused",
    "The source of an external mount is not on the host.",
    "Make the source, or give another with --external mnt[KEY]:SOURCE.",
    "`Failed to open_tree`.",
)
CRIU_MOUNTPOINT: Final = kind(
    "criu-mountpoint",
    "error",
    "refused",
    "A directory or file on which something is mounted in the tree is not in the root directory.",
    "Make the mountpoint below the directory that --root names.",
    "`Can't stat mountpoint`.",
)
HELD: Final = (
    CRIU_PEER,
    CRIU_EXTERNAL_MOUNT,
    CRIU_EXTERNAL_SOURCE,
    CRIU_MOUNT_SOURCE,
    CRIU_MOUNTPOINT,
    CRIU_PATH_MISSING,
    CRIU_DIRECTORY_MISSING,
    CRIU_EXECUTABLE_MISSING,
    CRIU_EXECUTABLE_CHANGED,
    CRIU_FILE_SIZE,
    CRIU_FILE_MODE,
    CRIU_FILE_KIND,
    CRIU_READ_ONLY,
    CRIU_NO_CODE,
    CRIU_ADDRESS_TAKEN,
    CRIU_ADDRESS_MISSING,
    CRIU_INTERFACE_MISSING,
    CRIU_REGISTERS_LOST,
)
