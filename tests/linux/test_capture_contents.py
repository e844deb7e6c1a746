"""What running tasks hold is read from /proc, and says the same as a dump of them by CRIU, as far as both tell it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crplan_proc.capture import capture

from planner.cli.main import main as cli
from planner.contents.fold import content_id, fold_contents
from planner.contents.model import Contents
from planner.events.records import AnyEvent
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.hookspecs import ReadRequest
from planner.identity import ProcessId
from planner.pipeline import sources
from planner.pipeline.reading import default_registry, stream_events

pytestmark = pytest.mark.root

CRIU = os.environ.get("CRPLAN_CRIU", "")

PROGRAM = """
import ctypes, mmap, os, resource, select, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1]); os.umask(0o27)
held = [open("data", "w+b"), open("gone", "w+b"), open("linked", "w+b"), open("append", "ab")]
for each in held:
    each.write(b"hello"); each.flush()
os.unlink("gone"); os.link("linked", "other"); os.unlink("linked")
os.mkfifo("fifo"); fifo = os.open("fifo", os.O_RDWR)
top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
pipe = os.pipe()
event = libc.eventfd(7, 0)
epoll = select.epoll(); epoll.register(event, 1); epoll.register(pipe[0], 1)
timer = libc.timerfd_create(1, 0)
libc.timerfd_settime(timer, 0, (ctypes.c_long * 4)(3600, 0, 7200, 0), None)
signals = libc.signalfd(-1, (ctypes.c_ulong * 16)(1 << 11), 0)
watch = libc.inotify_init(); libc.inotify_add_watch(watch, b".", 2)
process = os.pidfd_open(os.getpid())
memory = os.memfd_create("in memory"); os.ftruncate(memory, 8192); mapped = mmap.mmap(memory, 8192)
shared = mmap.mmap(held[0].fileno(), 5, prot=mmap.PROT_READ)
listening = socket.socket(); listening.bind(("127.0.0.1", 0)); listening.listen(5)
unbound = socket.socket()
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); datagrams.bind(("::1", 0))
named = socket.socket(socket.AF_UNIX); named.bind(sys.argv[1] + "/socket"); named.listen(3)
abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); abstract.bind(b"\\0crplan-%d" % os.getpid())
pair = socket.socketpair()
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); netlink.bind((0, 0))
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
master, slave = os.openpty()
space = os.open("/proc/self/ns/uts", os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
if os.fork() == 0:
    again, own = os.dup(held[0].fileno()), open("data", "rb")
    os.write(1, b"ready\\n")
    while True:
        signal.pause()
while True:
    signal.pause()
"""

UNTOLD = {
    "send_buffer": "sizes of buffers have no file in /proc",
    "receive_buffer": "as above",
    "backlog": "as above",
    "options": "as above",
    "unread": "CRIU keeps queues in images of their own",
    "unsent": "as above",
    "namespace": "each side numbers namespaces by itself",
    "file": "each side numbers open files by itself",
    "at": "places",
}
"""Fields of a socket that one side does not tell, with the reason."""

OTHERWISE = {
    "fifo": "CRIU keeps the flags with the path, which is a file of its own",
    "terminal": "CRIU numbers terminals by itself",
    "namespace": "each side numbers namespaces by itself",
    "memfd": "each side numbers them by itself",
    "timerfd": "its time goes on",
    "inotify": "CRIU finds the path",
    "pidfd": "CRIU keeps other flags",
    "netlink socket": "CRIU keeps no flags",
}
"""Kinds of open file whose flags and facts differ between both, with the reason."""


@contextlib.contextmanager
def running(directory: Path) -> Iterator[int]:
    """Run the program in a session of its own, and end it and its child."""
    directory.mkdir()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def held(forest: Forest, contents: Contents) -> dict[tuple[int, int], dict[str, Any]]:
    """Return what is known of every descriptor, by its task and number."""
    found = {}
    for pid, sharing in forest.sharing.items():
        for each in contents.tables[sharing.files]:
            file, socket = contents.files[each.file], contents.sockets.get(each.file)
            said = {"kind": file.kind, "path": contents.path(each.file), "close_on_exec": each.close_on_exec, "mode": file.mode}
            said["deleted"] = contents.deleted[each.file].remap if each.file in contents.deleted else ""
            if file.kind not in OTHERWISE:
                said |= {"flags": file.flags, "position": file.position, "facts": file.facts}
            if socket is not None:
                told = {name: value for name, value in msgspec.structs.asdict(socket).items() if name not in UNTOLD}
                # CRIU does not record the inode of a packet socket.
                said["socket"] = told | ({"inode": 0} if file.kind == "packet socket" else {})
            found[pid, each.number] = said
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, list[AnyEvent]]]:
    directory = tmp_path_factory.mktemp("live") / "held"
    with running(directory) as pid:
        yield pid, directory, capture(pid, "commands")


def test_every_kind_of_open_file_is_told(live: tuple[int, Path, list[AnyEvent]]) -> None:
    pid, directory, events = live
    contents = fold_contents(events)
    by_kind = {said["kind"]: said for (owner, _), said in held(fold(events), contents).items() if owner == pid}
    assert {*by_kind} == {
        "file", "directory", "device", "pipe", "fifo", "eventfd", "epoll", "timerfd", "signalfd", "inotify", "pidfd", "memfd",
        "inet socket", "unix socket", "netlink socket", "packet socket", "terminal", "namespace",
    }  # fmt: skip
    files = {file.kind: file for file in contents.files.values()}
    assert files["eventfd"].facts == {"counter": "7"}
    assert files["signalfd"].facts == {"signals": "0000000000000800"}
    assert files["timerfd"].facts["interval"] == "3600" and files["pidfd"].facts == {"process": str(pid)}
    assert files["inotify"].facts == {"watches": "1"} and len(files["epoll"].facts["descriptors"].split()) == 2
    assert ("memfd 1", "in memory (8192 bytes)") in {(each.property, each.value) for each in contents.properties}
    deleted = {Path(contents.path(number)).name: each.remap for number, each in contents.deleted.items()}
    assert deleted == {"gone": "ghost", "linked": "link"}
    sockets = {(each.family, each.kind, each.state) for each in contents.sockets.values()}
    assert sockets >= {("inet", "stream", "listen"), ("inet", "stream", "close"), ("unix", "stream", "established")}
    ends = {each.inode: each.peer for each in contents.sockets.values() if each.state == "established"}
    assert all(ends[peer] == inode for inode, peer in ends.items()) and len(ends) == 2
    assert str(directory / "socket") in {each.local for each in contents.sockets.values()}


def test_an_open_file_that_tasks_share_stands_once(live: tuple[int, Path, list[AnyEvent]]) -> None:
    pid, directory, events = live
    contents, forest = fold_contents(events), fold(events)
    child = next(each for each in forest.tasks if each != pid)
    tables = [contents.tables[forest.sharing[ProcessId(each)].files] for each in (pid, child)]
    data = [[each.file for each in table if contents.path(each.file) == str(directory / "data")] for table in tables]
    assert len({*data[0]}) == 1 and {*data[0]} < {*data[1]} and len({*data[1]}) == 2


def test_tasks_have_directories_limits_memory_and_command_lines(live: tuple[int, Path, list[AnyEvent]]) -> None:
    pid, directory, events = live
    contents = fold_contents(events)
    number = ProcessId(pid)
    task = contents.task_files[number]
    assert (contents.path(task.cwd), contents.path(task.root), task.umask) == (str(directory), "/", 0o27)
    assert contents.path(task.executable) == os.path.realpath(sys.executable)
    assert contents.limits[number].limits["nofile"] == (100, 200)
    assert contents.commands[number].arguments[1:4] == ("-I", "-S", "-c") and contents.commands[number].values == {}
    kinds = {area.kind for area in contents.areas[number]}
    assert {"stack", "heap"} <= kinds and contents.memory[number].areas == len(contents.areas[number])
    assert any(contents.path(each.file) == str(directory / "data") and each.shared for each in contents.mapped[number])
    assert any(mount.mountpoint == "/" for mount in contents.mounts)


def test_the_tree_is_the_same_whatever_was_read_of_it(live: tuple[int, Path, list[AnyEvent]]) -> None:
    pid, _, events = live
    tree = capture(pid)
    assert image_id(fold(tree)) == image_id(fold(events)) and content_id(tree, "") == "" != content_id(events, "")


def test_a_capture_is_inspected_by_its_directory_and_as_a_log(
    live: tuple[int, Path, list[AnyEvent]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid, directory, _ = live
    assert cli(["capture", str(pid), "--detail", "all", "-o", str(tmp_path / "log.jsonl")]) == 0
    pages = []
    for image in (f"/proc/{pid}", str(tmp_path / "log.jsonl")):
        assert cli(["inspect", image, "--who-holds", str(directory / "data")]) == 0
        pages.append(capsys.readouterr().out)
        assert f"{directory}/data" in pages[-1] and "shared with" in pages[-1]
        assert "memory pages" in pages[-1].partition("Not recorded")[2]


@pytest.mark.slow
@pytest.mark.skipif(not CRIU, reason="CRPLAN_CRIU names no criu")
def test_a_dump_says_the_same(live: tuple[int, Path, list[AnyEvent]], tmp_path: Path) -> None:
    pid, _, events = live
    command = [CRIU, "dump", "-t", str(pid), "-D", str(tmp_path), "-o", "log", "--ext-unix-sk", "--link-remap", "--leave-running"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, (tmp_path / "log").read_text()[-2000:]
    source = sources.from_path(str(tmp_path))
    dumped = list(stream_events(source, default_registry(), ReadRequest(detail="all")))
    ours, theirs = ((fold(each), fold_contents(each)) for each in (events, dumped))
    assert held(*ours) == held(*theirs)
    for task in ours[0].tasks:
        for field in ("cwd", "root", "executable"):
            paths = {side.path(getattr(side.task_files[task], field)) for _, side in (ours, theirs)}
            assert len(paths) == 1, (task, field, paths)
        assert ours[1].task_files[task].umask == theirs[1].task_files[task].umask
        assert ours[1].limits[task].limits == theirs[1].limits[task].limits
        areas = [{(each.start, each.access) for each in side.areas[task] if each.kind != "vvar"} for _, side in (ours, theirs)]
        # The kernel shows the clocks behind vvar as an area of their own.
        assert areas[1] <= areas[0] and len(areas[0] - areas[1]) <= 2
