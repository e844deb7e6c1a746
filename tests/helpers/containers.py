"""Checkpoints of containers in the making: CRIU images and an engine's files beside them, packed as engines pack them."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from crplan_criu import images, messages
from crplan_criu.wire import Message

POD = {"pid": 7, "net": 8, "ipc": 9, "uts": 10, "mnt": 11, "user": 6, "cgroup": 12, "time": 13}
"""Ids of the namespaces that a container's tasks are in."""
HOST = {"pid": 1, "net": 2, "ipc": 3, "uts": 4, "mnt": 5, "user": 6, "cgroup": 14, "time": 13}
"""Those of the dumping process; in user and time namespace a container is with it."""

STATES = {"running": 1, "zombie": 2, "stopped": 3}


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def encode(message: Message, **values: Any) -> bytes:
    """A protobuf message with these fields; bytes are strings and messages, lists are repeated fields."""
    numbers = {field.name: number for number, field in message.fields.items()}
    out = b""
    for name, value in values.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, bytes):
                out += varint(numbers[name] << 3 | 2) + varint(len(one)) + one
            else:
                out += varint(numbers[name] << 3) + varint(one)
    return out


def image(kind: str, *entries: bytes) -> bytes:
    """An image file of entries."""
    if kind == "inventory":
        head = images.INVENTORY_MAGIC.to_bytes(4, "little")
    else:
        head = images.IMG_COMMON.to_bytes(4, "little") + images.COMMON_TYPES[kind].to_bytes(4, "little")
    return head + b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)


class Dump:
    """A dump in the making; the first task is the root. `external` is the key of a pid namespace that was joined."""

    def __init__(self, *, run: str = "", external: str = "extRootPidNS", ids: Mapping[str, int] = POD) -> None:
        self.ids = dict(ids)
        self.entries: list[bytes] = []
        fields = {"dump_criu_run_id": run.encode()} if run else {}
        ids_of_dumper = encode(messages.KOBJ_IDS, vm=1, files=1, fs=1, sighand=1, **HOST)
        self.files = {
            "inventory.img": image(
                "inventory", encode(messages.INVENTORY, img_version=2, fdinfo_per_id=1, root_ids=ids_of_dumper, **fields)
            )
        }
        if external:
            self.files[f"pidns-{self.ids['pid']}.img"] = image("pidns", encode(messages.PIDNS, ext_key=external.encode()))

    def task(
        self,
        pid: int,
        parent: int = 0,
        *,
        session: int = 0,
        group: int = 0,
        name: str = "",
        state: str = "running",
        threads: tuple[int, ...] = (),
        files: int = 0,
        **namespaces: int,
    ) -> "Dump":
        """Add a task; it leads its session where none is named."""
        session, group = session or pid, group or session or pid
        self.entries.append(encode(messages.PSTREE, pid=pid, ppid=parent, pgid=group, sid=session, threads=[pid, *threads]))
        task = encode(messages.TASK_CORE, task_state=STATES[state], exit_code=0, comm=(name or f"task-{pid}").encode())
        core = encode(messages.CORE, mtype=1, tc=task, thread_core=encode(messages.THREAD_CORE, pdeath_sig=0))
        self.files[f"core-{pid}.img"] = image("core", core)
        for thread in threads:
            core = encode(messages.CORE, mtype=1, thread_core=encode(messages.THREAD_CORE, comm=f"thread-{thread}".encode()))
            self.files[f"core-{thread}.img"] = image("core", core)
        if state != "zombie":
            place = 10 * len(self.entries)
            own = encode(
                messages.KOBJ_IDS, vm=place, files=files or place + 1, fs=place + 2, sighand=place + 3, **self.ids | namespaces
            )
            self.files[f"ids-{pid}.img"] = image("ids", own)
        return self

    def images(self) -> dict[str, bytes]:
        """The files of the image directory."""
        return self.files | {"pstree.img": image("pstree", *self.entries)}

    def archive(self, config: Mapping[str, Any] | None = None, spec: Mapping[str, Any] | None = None) -> bytes:
        """The archive that an engine writes: the images below `checkpoint`, its own files beside it."""
        members = {f"checkpoint/{name}": content for name, content in self.images().items()}
        for name, document in (("config.dump", config), ("spec.dump", spec)):
            if document is not None:
                members[name] = json.dumps(document).encode()
        return packed(members)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A gzip archive; equal members give equal bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def cri_o(
    name: str, *, pod: str = "ab12", path: str = "/var/run/pidns/ab12", **namespaces: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What CRI-O writes of a container of a pod with a shared pid namespace: config.dump and spec.dump.

    `path` is what it was to join as pid namespace, "" for one of its own; further namespaces are joined by their paths, too.
    """
    listed: list[dict[str, str]] = [{"type": "pid"} | ({"path": path} if path else {}), {"type": "mount"}, {"type": "cgroup"}]
    listed += [{"type": kind, "path": where} for kind, where in namespaces.items()]
    annotations = {
        "io.container.manager": "cri-o",
        "io.kubernetes.container.name": name,
        "io.kubernetes.pod.name": "shop",
        "io.kubernetes.cri-o.SandboxID": pod,
    }
    config = {"id": f"id-of-{name}", "name": f"k8s_{name}_shop", "runtime": "runc"}
    return config, {"annotations": annotations, "process": {"args": [f"/bin/{name}"]}, "linux": {"namespaces": listed}}


POD_NAMESPACES = {"network": "/var/run/netns/ab12", "ipc": "/var/run/ipcns/ab12", "uts": "/var/run/utsns/ab12"}


def web() -> bytes:
    """A server with two workers, one of them with a thread: `examples/images/pod/web.tar`."""
    dump = Dump(run="0d4b5c1e-web").task(7, name="nginx").task(12, 7, session=7, name="nginx")
    dump.task(13, 7, session=7, name="nginx", threads=(14,))
    return dump.archive(*cri_o("web", **POD_NAMESPACES))


def shipper() -> bytes:
    """A shell with a job in a group of its own and a zombie: `examples/images/pod/shipper.tar`."""
    dump = Dump(run="0d4b5c1e-shipper").task(21, name="sh").task(25, 21, session=21, group=25, name="tail")
    dump.task(26, 21, session=21, name="grep", state="zombie")
    return dump.archive(*cri_o("shipper", **POD_NAMESPACES))
