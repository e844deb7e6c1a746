"""What other tools print of an image, as data: each item with the place where `crplan inspect` shows it.

The tools are `crit x DIR ps|fds|mems|rss` of CRIU 4.2 and `checkpointctl inspect --all`. Their sources were read for the list,
and the output of both was compared with this page on the same dumps.
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from crplan_criu import messages_contents as contents

from planner.cli.main import main as cli
from tests.helpers import criu_dumps as dumps

CRIT = (
    ("ps: PID, name", "10 task-10", "tasks.0.pid | tasks.0.name"),
    ("ps: PGID, SID", "group 10, session 10", "tasks.0.group | tasks.0.session"),
    ("ps: tree", "    11 task-11", "tasks.1.parent"),
    ("fds: number and path", "0 file /var/log/server.log", "tasks.0.descriptors.0.number | files.2.path"),
    ("fds: pipe", "pipe 90", "files.7.facts.pipe"),
    ("fds: unix socket with inode, peer and name", "unix stream established @abstract inode 71  peer 72", "files.5.socket.peer"),
    ("fds: other sorts by name", "epoll", "files.8.kind"),
    ("fds: cwd and root", "cwd /   root /", "tasks.0.cwd | tasks.0.root"),
    ("mems: exe", "/usr/bin/server", "tasks.0.executable"),
    ("mems: addresses and permissions", "1000-3000 r-xp /usr/bin/server  8", "tasks.0.areas.0.start | tasks.0.areas.0.access"),
    ("mems: offset in a file", "10000-12000 rw-p /usr/bin/server  8.0 KiB, from 0x2000", "tasks.0.areas.1.offset"),
    ("mems: shared mapping of a file", "20000-21000 rw-s /var/log/server.log", "tasks.0.areas.2.access"),
    ("mems: shared memory", "30000-31000 rw-s shared memory  4.0 KiB, segment 7", "tasks.0.areas.3.segment"),
    ("mems: System V shared memory", "40000-41000 rw-s System V shared memory", "tasks.0.areas.4.kind"),
    ("mems: packet socket", "50000-51000 rw-s packet socket", "tasks.0.areas.5.kind"),
    ("mems: stack", "60000-61000 rw-p stack", "tasks.0.areas.6.kind"),
    ("mems: stack by its flag", "70000-71000 rw-p stack", "tasks.0.areas.7.kind"),
    ("mems: vdso", "80000-81000 r-xp vdso", "tasks.0.areas.8.kind"),
    ("mems: vsyscall, not dumped", "ffffffffff600000-ffffffffff601000 --xp vsyscall  4.0 KiB, made", "tasks.0.areas.10.dumped"),
    ("rss: runs of pages in an area", "1 page stored: 2000/1", "tasks.0.areas.0.pages.0.start"),
    ("rss: a run over two areas", "1 page stored: 10000/1, 1 page in the dump before: 11000/1", "tasks.0.areas.1.pages.0.count"),
)  # fmt: skip

CHECKPOINTCTL = (
    ("container name", "web", "facts.container"),
    ("image", "localhost/web:1", "facts.image"),
    ("ID", "abcdef", "facts.container_id"),
    ("runtime", "crun", "facts.runtime"),
    ("created", "2026-01-01T00:00:00Z", "facts.container_created"),
    ("checkpointed", "2026-01-02T00:00:00Z", "facts.checkpointed"),
    ("engine", "podman", "facts.engine"),
    ("network, interface, IP, MAC and gateway", "IP 10.88.0.9/16, gateway 10.88.0.1, MAC aa:bb:cc:dd:ee:ff",
     "properties.network podman interface eth0"),
    ("checkpoint size", "image files:", "sums.images.files"),
    ("size of memory pages", "pages 12.0 KiB", "sums.images.pages"),
    ("size of AMD GPU pages", "amdgpu-pages 3 bytes", "sums.images.amdgpu-pages"),
    ("size of the changed root", "changed files of the root (bytes)", "properties.changed files of the root (bytes)"),
    *((f"statistics: {name}", f"statistics {name}", f"properties.statistics {name}") for name in
      ("freezing_time", "frozen_time", "memdump_time", "memwrite_time", "pages_scanned", "pages_written")),
    ("pod name", "the-pod", "facts.pod"),
    ("Kubernetes namespace", "the-namespace", "facts.pod_namespace"),
    ("annotations", "annotation example", "properties.annotation example"),
    ("mounts: destination, type and source", "bind /srv/data", "properties.specified mount /data"),
    ("command line", "serve --port 80", "tasks.0.command"),
    ("state of a task that is dead", "(zombie)", "tasks.1.state"),
    ("environment with its values", "variable HOME=/root", "tasks.0.values.HOME"),
    ("sort and number of a descriptor", "0 file /var/log/server.log", "tasks.0.descriptors.0.number"),
    ("unix socket: type, state and address", "unix stream established @abstract", "files.5.socket.local"),
    ("inet socket: protocol, state, ends", "tcp listen 127.0.0.1:8080", "files.10.socket.state"),
    ("inet socket: buffers", "buffers 16.0 KiB to send, 128.0 KiB to receive", "files.10.socket.send_buffer"),
    ("packet socket: buffers", "packet raw 3  buffers 16.0 KiB", "files.11.socket.receive_buffer"),
    ("netlink socket: buffers", "netlink raw 0  buffers 16.0 KiB", "files.12.socket.send_buffer"),
)  # fmt: skip


def areas() -> list[bytes]:
    """Return an area of each sort that crit tells from the others."""
    given = (
        (0x1000, 0x3000, 0, 1, 5, 2, 1 | 1 << 6), (0x10000, 0x12000, 0x2000, 1, 3, 2, 1 | 1 << 6),
        (0x20000, 0x21000, 0, 3, 3, 1, 1 | 1 << 7), (0x30000, 0x31000, 0, 7, 3, 1, 1 | 1 << 8),
        (0x40000, 0x41000, 0, 8, 3, 1, 1 | 1 << 10), (0x50000, 0x51000, 0, 9, 3, 1, 1 | 1 << 11),
        (0x60000, 0x61000, 0, 0, 3, 2, 1 | 1 << 1), (0x70000, 0x71000, 0, 0, 3, 0x102, 1 | 1 << 9),
        (0x80000, 0x81000, 0, 0, 5, 2, 1 | 1 << 3), (0xA0000, 0xA1000, 0, 0, 3, 2, 1 | 1 << 9),
        (0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, 0, 0, 4, 2, 1 << 2),
    )  # fmt: skip
    names = ("start", "end", "pgoff", "shmid", "prot", "flags", "status")
    return [dumps.encoded(contents.VMA, dict(zip(names, each, strict=True))) for each in given]


def images() -> dict[str, bytes]:
    """Return a dump in which there is everything that the tools print."""
    runs = [(0x2000, 1, 4), (0x10000, 1, 4), (0x11000, 1, 1), (0xA0000, 1, 4)]
    pages = [dumps.encoded(contents.PAGEMAP, {"vaddr": at, "compat_nr_pages": many, "flags": how}) for at, many, how in runs]
    words, variables = b"serve\0--port\x0080\0", b"HOME=/root\0"
    said, ends = 0xA0000, 0xA0000 + len(words)
    memory = {"exe_file_id": 1, "vmas": areas(), "arg_start": said, "arg_end": ends}
    memory |= {"env_start": ends, "env_end": ends + len(variables)}
    options = dumps.encoded(contents.SOCKET_OPTIONS, {"so_sndbuf": 16 << 10, "so_rcvbuf": 128 << 10})
    listening = {"ino": 70, "family": 2, "type": 1, "proto": 6, "state": 10, "src_port": 8080, "src_addr": [0x0100007F]}
    sockets = [
        dumps.file(50, "isk", contents.INET_SOCKET, **listening, opts=options),
        dumps.file(51, "psk", contents.PACKET_SOCKET, type=3, protocol=3, opts=options),
        dumps.file(52, "nlsk", contents.NETLINK_SOCKET, ino=80, protocol=0, state=7, opts=options),
    ]
    files = dumps.every()
    return files | {
        "mm-10.img": dumps.image("mm", dumps.encoded(contents.MM, memory)),
        "pagemap-10.img": dumps.image("pagemap", dumps.encoded(contents.PAGEMAP_HEAD, {"pages_id": 2}), *pages),
        "pages-2.img": bytes(2 * 4096) + (words + variables).ljust(4096, b"\0"),
        "amdgpu-pages-1.img": b"gpu",
        "files.img": files["files.img"] + dumps.image("files", *sockets)[8:],
        "fdinfo-2.img": files["fdinfo-2.img"] + dumps.descriptors((20, 50), (21, 51), (22, 52))[8:],
        "core-11.img": dumps.core(11, task_state=6),
    }


CONFIGURATION = {
    "name": "web", "id": "abcdef", "rootfsImageName": "localhost/web:1", "runtime": "crun",
    "createdTime": "2026-01-01T00:00:00Z", "checkpointedTime": "2026-01-02T00:00:00Z",
}  # fmt: skip
SPECIFICATION = {
    "annotations": {
        "io.container.manager": "libpod", "io.kubernetes.pod.name": "the-pod", "io.kubernetes.pod.namespace": "the-namespace",
        "example": "value",
    },
    "mounts": [{"destination": "/data", "type": "bind", "source": "/srv/data"}],
}  # fmt: skip
NETWORK = {
    "podman": {
        "interfaces": {
            "eth0": {"mac_address": "aa:bb:cc:dd:ee:ff", "subnets": [{"ipnet": "10.88.0.9/16", "gateway": "10.88.0.1"}]}
        }
    }
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "web.tar"
    members = {f"checkpoint/{name}": data for name, data in images().items() if name != "stats-dump"}
    members["stats-dump"] = STATISTICS
    for name, given in (("config.dump", CONFIGURATION), ("spec.dump", SPECIFICATION), ("network.status", NETWORK)):
        members[name] = json.dumps(given).encode()
    members["rootfs-diff.tar"] = bytes(10240)
    with tarfile.open(path, "w") as packed:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return path


NUMBERS = ("freezing_time", "frozen_time", "memdump_time", "memwrite_time", "pages_scanned", "pages_written")
STATISTICS = dumps.image(
    "stats-dump",
    dumps.encoded(contents.STATISTICS, {"dump": dumps.encoded(contents.DUMP_STATISTICS, dict.fromkeys(NUMBERS, 7))}),
)


def shown(archive: Path, capsys: pytest.CaptureFixture[str], form: str) -> str:
    assert cli(["inspect", str(archive), "--areas", "--with-values", "--format", form]) == 0
    return capsys.readouterr().out


def test_the_page_shows_all_that_other_tools_print(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = shown(archive, capsys, "text")
    assert [item for item, words, _ in (*CRIT, *CHECKPOINTCTL) if words not in page] == [], page


def test_the_document_holds_all_that_other_tools_print(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(shown(archive, capsys, "json"))["images"][0]
    assert [
        item for item, _, places in (*CRIT, *CHECKPOINTCTL) for place in places.split(" | ") if not _there(entry, place)
    ] == []


def _there(value: Any, place: str) -> bool:
    """Say whether a document has something at a place, whose parts stand between full stops."""
    for part in place.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError):
            return False
    return value not in ("", None, [], {})
