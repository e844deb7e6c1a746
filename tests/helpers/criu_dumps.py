"""Small CRIU dumps with contents, written message by message from the tables that the reader reads them by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crplan_criu import messages, messages_contents
from crplan_criu.images import COMMON_TYPES, DETAIL_TYPES, IMG_COMMON, IMG_SERVICE, INVENTORY_MAGIC
from crplan_criu.wire import Message

MACHINE_X86 = 1


def varint(value: int) -> bytes:
    """Return a number as the wire format has it; a negative one as two's complement of 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encoded(message: Message, fields: Mapping[str, Any]) -> bytes:
    """Return a message; its fields are given by name, nested messages as bytes. Raises KeyError for a name that it lacks."""
    numbers = {field.name: (number, field) for number, field in message.fields.items()}
    out = b""
    for name, given in fields.items():
        number, field = numbers[name]
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str):
                value = value.encode()
            if isinstance(value, bytes):
                out += varint(number << 3 | 2) + varint(len(value)) + value
            else:
                zigzag = value << 1 ^ value >> 63 if field.kind == "s32" else int(value)
                out += varint(number << 3) + varint(zigzag)
    return out


def image(kind: str, *entries: bytes) -> bytes:
    """Return an image file of a kind with its entries."""
    if kind == "inventory":
        head = INVENTORY_MAGIC.to_bytes(4, "little")
    else:
        magic = COMMON_TYPES.get(kind) or DETAIL_TYPES[kind]
        first = IMG_SERVICE if kind == "stats-dump" else IMG_COMMON
        head = first.to_bytes(4, "little") + magic.to_bytes(4, "little")
    return head + b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)


def tree(pids: Sequence[int] = (10,), shared: bool = False, own: Sequence[str] = (), **inventory: Any) -> dict[str, bytes]:
    """Return the images of a flat tree: the first task is the parent of all others; with `shared` they have one table.

    `own` are the kinds of namespace that are the tree's own; others are those of the dumping process.
    """
    outside = dict.fromkeys(("pid", "net", "ipc", "uts", "mnt", "user"), 1)
    root = encoded(messages.KOBJ_IDS, dict.fromkeys(("vm", "files", "fs", "sighand"), 1) | outside)
    given = {"img_version": 2, "fdinfo_per_id": 1, "root_ids": root, **inventory}
    entries = [
        encoded(messages.PSTREE, {"pid": pid, "ppid": 0 if pid == pids[0] else pids[0], "pgid": pids[0], "sid": pids[0]})
        for pid in pids
    ]
    files = {
        "inventory.img": image("inventory", encoded(messages.INVENTORY, given)),
        "pstree.img": image("pstree", *entries),
    }
    for place, pid in enumerate(pids):
        ids = {"vm": 2 + place, "files": 2 if shared else 2 + place, "fs": 2 + place, "sighand": 2 + place}
        ids |= outside | dict.fromkeys(own, 2)
        files[f"ids-{pid}.img"] = image("ids", encoded(messages.KOBJ_IDS, ids))
        files[f"core-{pid}.img"] = core(pid)
    return files


def core(pid: int, state: int = 0b11, limits: Sequence[tuple[int, int]] = (), keys: int = 0, task_state: int = 1) -> bytes:
    """Return the core image of a task, living by its `task_state`, with an extended state and resource limits."""
    xsave = encoded(messages_contents.EXTENDED_STATE, {"xstate_bv": state, "pkru": [keys, 0]})
    registers = encoded(messages_contents.THREAD_INFO, {"fpregs": encoded(messages_contents.FLOATING_POINT, {"xsave": xsave})})
    task = encoded(messages.TASK_CORE, {"task_state": task_state, "exit_code": 0, "comm": f"task-{pid}"})
    listed = [encoded(messages_contents.LIMIT, {"cur": soft, "max": hard}) for soft, hard in limits]
    if listed:
        task += encoded(messages_contents.TASK_CORE, {"rlimits": encoded(messages_contents.TASK_LIMITS, {"rlimits": listed})})
    thread = encoded(messages.THREAD_CORE, {"creds": encoded(messages.CREDS, {"uid": 0, "gid": 0})})
    clear = encoded(messages.THREAD_INFO, {"clear_tid_addr": 4096})
    return image(
        "core",
        encoded(messages.CORE, {"mtype": MACHINE_X86, "thread_info_2": clear + registers, "tc": task, "thread_core": thread}),
    )


def file(number: int, kind: str, message: Message, **fields: Any) -> bytes:
    """Return an entry of files.img; `kind` is its field's name in that message."""
    return encoded(messages_contents.FILE, {"type": 1, "id": number, kind: encoded(message, {"id": number, **fields})})


def regular(number: int, path: str | bytes, size: int = 0, mode: int = 0o100644, **fields: Any) -> bytes:
    """Return a regular file, or what its mode says, as an entry of files.img."""
    given = {"flags": 0, "pos": 0, "name": path, "size": size, "mode": mode} | fields
    return file(number, "reg", messages_contents.REGULAR_FILE, **given)


def descriptors(*pairs: tuple[int, int]) -> bytes:
    """Return a table of descriptors, given as (descriptor, file)."""
    listed = [{"id": number, "flags": 0, "type": 1, "fd": descriptor} for descriptor, number in pairs]
    return image("fdinfo", *(encoded(messages_contents.FDINFO, fields) for fields in listed))


def area(number: int, size: int, status: int = 1 << 6, prot: int = 1) -> bytes:
    """Return an area of memory that a file is mapped in."""
    return encoded(
        messages_contents.VMA,
        {"start": 4096, "end": 4096 + size, "pgoff": 0, "shmid": number, "prot": prot, "flags": 2, "status": status},
    )


def memory(executable: int, *areas: bytes) -> bytes:
    """Return the memory image of a task."""
    return image("mm", encoded(messages_contents.MM, {"exe_file_id": executable, "vmas": list(areas)}))


def directories(cwd: int, root: int) -> bytes:
    """Return the image of a task's directories."""
    return image("fs", encoded(messages_contents.FS, {"cwd_id": cwd, "root_id": root, "umask": 0o22}))


def pages(*runs: tuple[int, int]) -> bytes:
    """Return a pagemap, given as (pages, flags)."""
    head = encoded(messages_contents.PAGEMAP_HEAD, {"pages_id": 1})
    return image(
        "pagemap",
        head,
        *(encoded(messages_contents.PAGEMAP, {"vaddr": 4096, "compat_nr_pages": count, "flags": flags}) for count, flags in runs),
    )


def write(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write the images into a directory and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def small() -> dict[str, bytes]:
    """Return the images of two tasks that share a file, with one of every usual kind of open file."""
    contents = messages_contents
    files = tree((10, 11))
    files["files.img"] = image(
        "files",
        regular(1, "/usr/bin/server", 5000, 0o100755, build_id=[0x04030201]),
        regular(2, "/", 0, 0o40755),
        regular(3, "/var/log/server.log", 120, pos=120),
        regular(4, "/tmp/gone", 7),
        file(5, "isk", contents.INET_SOCKET, ino=70, family=2, type=1, proto=6, state=10, src_port=8080, dst_port=0,
             backlog=16, src_addr=[0x0100007F], dst_addr=[0], opts=b""),
        file(6, "usk", contents.UNIX_SOCKET, ino=71, type=1, state=1, peer=72, name=b"\0abstract", opts=b""),
        file(7, "usk", contents.UNIX_SOCKET, ino=72, type=1, state=1, peer=71, name=b"", opts=b""),
        file(8, "pipe", contents.PIPE, pipe_id=90, flags=1),
        file(9, "epfd", contents.EPOLL, flags=2, tfd=[encoded(contents.EPOLL_TARGET, {"id": 9, "tfd": 4})]),
        file(10, "nsf", contents.NAMESPACE_FILE, ns_id=3, ns_cflag=0x20000000, flags=0),
    )  # fmt: skip
    files["fdinfo-2.img"] = descriptors((0, 3), (3, 4), (4, 5), (5, 6), (6, 8), (7, 9))
    files["fdinfo-3.img"] = descriptors((0, 3), (5, 7), (9, 10))
    files["remap-fpath.img"] = image("remap-fpath", encoded(contents.REMAP, {"orig_id": 4, "remap_id": 1, "remap_type": 1}))
    for place, pid in enumerate((10, 11)):
        files[f"mm-{pid}.img"] = memory(1, area(1, 8192, prot=5), area(1, 4096), area(0, 4096, 1 << 9))
        files[f"fs-{pid}.img"] = directories(2, 2)
        files[f"pagemap-{pid}.img"] = pages((3 + place, 4), (2, 1))
    return files


def every() -> dict[str, bytes]:
    """Return the small dump with an image of each other kind that is read for what the processes hold."""
    contents = messages_contents
    listed = {
        "cpuinfo": (
            contents.CPUINFO,
            {"x86_entry": [encoded(contents.PROCESSOR, {"vendor_id": 1, "capability": [7], "model_id": "x"})]},
        ),
        "netdev-2": (contents.NET_DEVICE, {"type": 2, "mtu": 1500, "name": "eth0\0", "address": b"\1\2\3\4\5\6"}),
        "netns-2": (contents.NETWORK, {"ext_key": "key"}),
        "mountpoints-2": (
            contents.MOUNT,
            {"fstype": 5, "mnt_id": 1, "mountpoint": "/", "root": "/", "source": "none", "ext_key": "a"},
        ),
        "filelocks": (contents.FILE_LOCK, {"flag": 1, "pid": 10, "fd": 3}),
        "memfd": (contents.MEMFD_INODE, {"name": "m", "size": 9, "inode_id": 1}),
    }
    files = {f"{name}.img": image(name.partition("-")[0], encoded(*given)) for name, given in listed.items()}
    files["stats-dump"] = image(
        "stats-dump", encoded(contents.STATISTICS, {"dump": encoded(contents.DUMP_STATISTICS, {"frozen_time": 5})})
    )
    return small() | files
