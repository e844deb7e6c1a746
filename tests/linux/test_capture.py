"""Trees that run are read as they stand: small ones by hand, random histories, and rebuilt samples captured again."""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from crplan_proc import snapshot
from crplan_proc.capture import capture
from crplan_proc.recognise import number_of

from planner import read
from planner.errors import BadImage
from planner.events import log
from planner.events.records import (
    AnyEvent,
    FactRecorded,
    NamespaceRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
)
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.pipeline import sources
from tests.generators.histories import PROFILES, SPACES, TABLES, Historian, Standing, World
from tests.helpers.amounts import blocks
from tests.helpers.places import DATA
from tests.helpers.puppets import Arena, available

pytestmark = pytest.mark.root

SAMPLES = DATA / "criu"

ROUNDS = int(os.environ.get("CRPLAN_ROUNDS", "1"))
"""Random trees of every profile that are rebuilt."""

PRELUDE = """
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "call")
    return result
def unshare(flags):
    check(libc.unshare(flags))
def fork(does=None, flags=signal.SIGCHLD):
    "Fork by clone, whose flags say what is shared."
    pid = check(libc.syscall(CLONE, flags, 0, 0, 0, 0))
    if pid == 0:
        try:
            if does:
                does()
            while True:
                signal.pause()
        finally:
            os._exit(0)
    return pid
def ready():
    time.sleep(0.1)
    os.write(1, b"ready\\n")
    while True:
        signal.pause()
unshare(0x20000000)
init = os.fork()
if init:
    libc.prctl(1, signal.SIGKILL)
    os.write(1, b"%d\\n" % init)
    os.waitpid(init, 0)
    os._exit(0)
libc.prctl(1, signal.SIGKILL)
"""
CLONE = {"x86_64": 56, "aarch64": 220}
NEWPID, NEWNS, NEWUTS, NEWUSER = 0x20000000, 0x20000, 0x4000000, 0x10000000


@contextlib.contextmanager
def tree(code: str) -> Iterator[int]:
    """Run `code` as the init of a new pid namespace and give its number here; kill all at the end and see that they are gone."""
    program = f"CLONE = {CLONE.get(os.uname().machine, 0)}\n{PRELUDE}\n{code}\nready()\n"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        try:
            init = int(process.stdout.readline())
            namespace = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY)
            assert select.select([process.stdout], [], [], 60)[0]
            assert process.stdout.readline() == b"ready\n"
            yield init
        finally:
            os.kill(init, signal.SIGKILL)
            process.wait(60)
            assert gone(namespace)


def gone(namespace: int) -> bool:
    """Whether a pid namespace, given open so that no other one takes its number over, is empty within a few seconds."""
    try:
        number = os.fstat(namespace).st_ino
        for _ in range(200):
            if not any(number == namespace_of(name) for name in filter(str.isdigit, os.listdir("/proc"))):
                return True
            time.sleep(0.02)
        return False
    finally:
        os.close(namespace)


def namespace_of(process: str) -> int:
    """Return the number of a process's pid namespace, 0 where it has gone."""
    try:
        return os.stat(f"/proc/{process}/ns/pid").st_ino
    except OSError:
        return 0


def of(kind: type, events: list[AnyEvent]) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


def test_an_init_with_children_sessions_and_groups() -> None:
    code = """
fork(os.setsid)
def job():
    os.setpgid(0, 0)
    fork()
fork(job)
"""
    with tree(code) as init:
        forest = fold(capture(init))
    assert [(task.pids, task.parent, task.group, task.session) for task in forest.tasks.values()] == [
        ((1,), 0, 0, 0),
        ((2,), 1, 2, 2),
        ((3,), 1, 3, 0),
        ((4,), 3, 3, 0),
    ]


def test_zombies_say_how_they_ended() -> None:
    code = """
fork(lambda: os._exit(200))
fork(lambda: os.kill(os.getpid(), signal.SIGTERM))
fork(lambda: os.kill(os.getpid(), signal.SIGSTOP), flags=signal.SIGUSR1)
"""
    with tree(code) as init:
        states = of(TaskStateRecorded, capture(init))
    assert [(state.state, state.exit_status, state.exit_signal) for state in states] == [
        ("running", 0, signal.SIGCHLD),
        ("zombie", 200 << 8, signal.SIGCHLD),
        ("zombie", signal.SIGTERM, signal.SIGCHLD),
        ("stopped", 0, signal.SIGUSR1),
    ]


def test_a_dead_leader_is_known_by_its_number() -> None:
    code = """
def leader():
    os.setsid()
    fork()
    os._exit(0)
pid = fork(leader)
os.waitpid(pid, 0)
"""
    with tree(code) as init:
        events = capture(init)
    assert [(event.numbers, event.complete) for event in of(PidRecorded, events)] == [((2,), False)]
    assert [(task.pids, task.parent, task.session) for task in fold(events).tasks.values()] == [((1,), 0, 0), ((3,), 1, 2)]


def test_nested_namespaces_have_parents_and_vectors() -> None:
    code = f"""
def inner():
    unshare({NEWPID})
    fork(lambda: fork())
def outer():
    fork(inner)
unshare({NEWPID})
fork(outer)
"""
    with tree(code) as init:
        events = capture(init)
    forest = fold(events)
    assert [task.pids for task in forest.tasks.values()] == [(1,), (2, 1), (3, 2), (4, 3, 1), (5, 4, 2)]
    assert [(event.id, event.parent) for event in of(NamespaceRecorded, events) if event.kind == "pid"] == [
        (0, -1),
        (2, 0),
        (4, 2),
    ]
    assert [task.namespace for task in forest.tasks.values()] == [0, 2, 2, 4, 4]
    told = {fact.pid: fact.value for fact in of(FactRecorded, events) if fact.property == "pid_for_children"}
    assert told == {1: "2", 3: "4"}


def test_a_subtree_begins_at_the_level_of_its_root() -> None:
    code = f"""
def nest():
    fork(os.setsid)
unshare({NEWPID})
fork(nest)
"""
    with tree(code) as init:
        hosts = {event.pids: int(str(event.at).split("/")[2]) for event in of(TaskRecorded, capture(init))}
        inner = fold(capture(hosts[(2, 1)]))
        leaf = fold(capture(hosts[(3, 2)]))
    assert [task.pids for task in inner.tasks.values()] == [(1,), (2,)]
    assert [(task.pids, task.parent) for task in leaf.tasks.values()] == [((2,), 0)]


def test_who_entered_a_namespace_belongs_to_it_and_has_its_parent_outside() -> None:
    with tree("fork()") as init:
        outside = entered(init)
        try:
            forest = fold(capture(init))
        finally:
            os.kill(outside, signal.SIGKILL)
            os.waitpid(outside, 0)
    assert [(task.pids, task.parent) for task in forest.tasks.values()] == [((1,), 0), ((2,), 1), ((3,), 0)]


def entered(init: int) -> int:
    """Start a process of ours in the namespace of `init`, as `nsenter` would."""
    libc = ctypes.CDLL(None, use_errno=True)
    read_end, write_end = os.pipe()
    helper = os.fork()
    if helper == 0:
        namespace = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY)
        libc.prctl(36, 1, 0, 0, 0)
        if libc.setns(namespace, NEWPID) != 0:
            os._exit(1)
        child = os.fork()
        if child == 0:
            libc.prctl(1, signal.SIGKILL)
            os.write(write_end, b"x")
            while True:
                signal.pause()
        os.waitpid(child, 0)
        os._exit(0)
    os.close(write_end)
    assert os.read(read_end, 1) == b"x"
    os.close(read_end)
    return helper


def test_threads_have_numbers_and_a_leader_may_end_before_them() -> None:
    code = """
def threads():
    for _ in range(2):
        threading.Thread(target=signal.pause).start()
    libc.syscall(EXIT, 0)
fork(threads)
""".replace("EXIT", "60" if os.uname().machine == "x86_64" else "93")
    with tree(code) as init:
        forest = fold(capture(init))
    process = forest.tasks[list(forest.tasks)[1]]
    assert process.zombie
    assert [thread.pids for thread in forest.threads[process.pid]] == [(3,), (4,)]


def test_sharing_is_found_and_telling_apart_is_too() -> None:
    code = """
fork(flags=0x400 | signal.SIGCHLD)
fork(flags=0x200 | signal.SIGCHLD)
fork()
"""
    with tree(code) as init:
        shared = of(SharingRecorded, capture(init))
    if not shared:
        pytest.skip("this kernel has no kcmp")
    assert [event.files for event in shared] == [1, 1, 2, 3]
    assert [event.fs for event in shared] == [1, 2, 1, 3]
    assert [event.memory for event in shared] == [1, 2, 3, 4]
    assert [event.sysv_undo for event in shared] == [0, 0, 0, 0]


def test_namespaces_of_every_kind_are_told_apart() -> None:
    code = f"""
fork(lambda: unshare({NEWUTS}))
fork(lambda: unshare({NEWNS}))
fork(lambda: unshare({NEWUSER}))
"""
    with tree(code) as init:
        events = capture(init)
    rows = [
        (event.namespaces["uts"], event.namespaces["mnt"], event.namespaces["user"])
        for event in of(TaskNamespacesRecorded, events)
    ]
    assert rows == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    (user,) = [event for event in of(NamespaceRecorded, events) if event.kind == "user" and event.id == 1]
    assert user.parent == 0


def test_an_adopter_that_is_no_init_was_a_subreaper() -> None:
    code = """
def adopter():
    libc.prctl(36, 1, 0, 0, 0)
    def leader():
        os.setsid()
        fork()
        os._exit(0)
    os.waitpid(fork(leader), 0)
fork(adopter)
"""
    with tree(code) as init:
        facts = of(FactRecorded, capture(init))
    assert [(fact.pid, fact.value) for fact in facts if fact.property == "subreaper"] == [
        (2, "was one when it adopted 4"),
        (0, "not shown by /proc"),
    ]


def test_a_change_while_reading_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = snapshot._read
    readings = []

    def disturbed(root: int) -> snapshot.Snapshot:
        seen = honest(root)
        readings.append(seen)
        if len(readings) == 1:
            (child,) = (number for number in seen.processes if number != root)
            os.kill(child, signal.SIGTERM)
            while Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.001)
        return seen

    monkeypatch.setattr(snapshot, "_read", disturbed)
    with tree("fork()") as init:
        states = of(TaskStateRecorded, capture(init))
    assert [(state.state, state.exit_status) for state in states] == [("running", 0), ("zombie", signal.SIGTERM)]
    assert len(readings) == 3


def test_a_tree_that_keeps_changing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = iter(range(100, 200))
    honest = snapshot._read

    def moving(root: int) -> snapshot.Snapshot:
        seen = honest(root)
        return snapshot.Snapshot(
            root=root,
            processes=seen.processes,
            parents=seen.parents,
            owners=seen.owners,
            shared={"files": {root: next(groups)}},
            living=seen.living,
        )

    monkeypatch.setattr(snapshot, "_read", moving)
    monkeypatch.setattr(snapshot, "PAUSE", 0)
    with pytest.raises(BadImage, match="what is shared changed"):
        capture(os.getpid())


def test_what_is_no_process_is_refused() -> None:
    with pytest.raises(BadImage, match="no such process"):
        capture(2**22)
    with tree("threading.Thread(target=signal.pause).start()") as init:
        thread = max(map(int, os.listdir(f"/proc/{init}/task")))
        with pytest.raises(BadImage, match="is a thread"):
            capture(thread)


def test_without_permission_an_init_is_refused_and_a_child_is_read() -> None:
    with tree("fork()") as init:
        host = next(int(str(event.at).split("/")[2]) for event in of(TaskRecorded, capture(init)) if event.pids == (2,))
        program = (
            "import os\n"
            "import crplan_proc.kernel, crplan_proc.snapshot\n"
            "from crplan_proc.capture import capture\n"
            "from planner.errors import BadImage\n"
            "os.setresuid(65534, 65534, 65534)\n"
            f"print([type(event).__name__ for event in capture({host}) if 'Task' in type(event).__name__])\n"
            f"try: capture({init})\n"
            "except BadImage as error: print(error.message)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    recorded, refused = done.stdout.splitlines()
    assert recorded == "['TaskRecorded', 'TaskStateRecorded']"
    assert "capture as root" in refused


def test_a_process_directory_is_an_image() -> None:
    assert number_of(f"/proc/{os.getpid()}") == os.getpid()
    assert number_of("/proc/self") == os.getpid()
    assert number_of("/proc") == number_of("/tmp") == number_of("") == 0
    with tree("fork()") as init:
        assert fold(read(f"/proc/{init}")).tasks.keys() == {1, 2}


def test_two_captures_of_one_tree_are_equal() -> None:
    with tree(f"fork(os.setsid); unshare({NEWPID}); fork(lambda: fork())") as init:
        assert capture(init) == capture(init)
        assert image_id(fold(capture(init))) == image_id(fold(capture(init)))


# Random histories, played on this kernel by puppets that tell what stands in their own words.


def world_of(forest: Forest) -> World:
    world = {}
    for pid, task in forest.tasks.items():
        threads = tuple(sorted(tuple(map(int, thread.pids)) for thread in forest.threads.get(pid, [])))
        leading = not (task.zombie and threads)
        world[int(pid)] = Standing(
            pids=tuple(map(int, task.pids)),
            parent=task.parent,
            group=task.group,
            session=task.session,
            state="zombie" if task.zombie and leading else "living",
            leading=leading,
            status=task.exit_status,
            threads=threads,
            exit_signal=task.exit_signal,
        )
    return world


Together = dict[str, set[frozenset[int]]]
"""For each kind of table and namespace, who have the same."""


def stand_together(world: World) -> Together:
    """Say it as the puppets see it: nothing is said of a table of one's own, nor of the namespaces that all begin with."""
    living = {number: dict(standing.common) for number, standing in world.items() if _lives(standing)}
    return {
        **{kind: _parts({number: common.get(kind, number) for number, common in living.items()}) for kind in TABLES},
        **{kind: _parts({number: common.get(kind, 0) for number, common in living.items()}) for kind in SPACES},
    }


def together(forest: Forest, world: World) -> Together:
    """Say it of the same tasks as the capture sees it."""
    living = [ProcessId(number) for number, standing in world.items() if _lives(standing)]
    records = {pid: forest.sharing.get(pid, SharingRecorded(pid=pid, at=0)) for pid in living}
    spaces = {pid: forest.other_namespaces.get(pid, {}) for pid in living}
    return {
        **{kind: _parts({pid: getattr(record, kind) or -pid for pid, record in records.items()}) for kind in TABLES},
        **{kind: _parts({pid: spaces[pid].get(kind, 0) for pid in living}) for kind in SPACES},
    }


def _lives(standing: Standing) -> bool:
    return standing.state == "living" and standing.leading


def _parts(names: dict[int, int] | dict[ProcessId, int]) -> set[frozenset[int]]:
    return {frozenset(number for number, name in names.items() if name == one) for one in set(names.values())}


def host_number(arena: Arena) -> int:
    """The number here of the container's init, which the arena's second process has created."""
    status = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{name}/status").read_text().splitlines() if ":\t" in line)
            status[int(name)] = (int(lines["PPid"]), lines["NSpid"].split())
    for number, (parent, vector) in status.items():
        if len(vector) == 3 and vector[2] == "1" and parent in status and status[parent][0] == arena.arena:
            return number
    return 0


@pytest.mark.skipif(bool(available()), reason=available())
@pytest.mark.parametrize("seeds", blocks(4, 1, 3))
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_random_history_is_captured_as_it_stands(profile: str, seeds: range) -> None:
    captured = 0
    for seed in seeds:
        with Arena() as arena:
            historian = Historian(Random(f"capture {profile} {seed}"), profile, arena)
            for _ in range(3):
                historian.run(len(historian.history) + 12)
                world = arena.world()
                init = host_number(arena)
                if not init or 1 not in world:
                    break
                if any(standing.state == "dying" for standing in world.values()):
                    with pytest.raises(BadImage, match="ending and held up"):
                        capture(init)
                    break
                forest = fold(capture(init))
                bare = {number: msgspec.structs.replace(standing, common=()) for number, standing in world.items()}
                assert world_of(forest) == bare, (profile, seed)
                assert together(forest, world) == stand_together(world), (profile, seed)
                captured += 1
    assert captured or len(seeds) == 1


# What is rebuilt from an image is captured as that image.


@contextlib.contextmanager
def rebuilt(image: Path | str) -> Iterator[int]:
    # Interpreters cannot share memory; test_captured_and_rebuilt.py has C programs that do.
    command = [sys.executable, "-m", "planner", "run", "--option", "sharing=possible", str(image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        namespace = -1
        try:
            assert select.select([process.stdout], [], [], 60)[0]
            line = process.stdout.readline().split()
            assert line[:1] == [b"ready"], process.stderr.read()
            root = int(line[1])
            namespace = os.open(f"/proc/{root}/ns/pid", os.O_RDONLY)
            yield root
        finally:
            process.terminate()
            process.wait(60)
            assert namespace < 0 or gone(namespace)


def topology(forest: Forest, *, signals: bool = False) -> dict[ProcessId, tuple[object, ...]]:
    """All that a rebuild restores: numbers, parents, sessions, groups, threads, ends."""
    return {
        pid: (
            task.pids,
            task.parent,
            task.group,
            task.session,
            task.zombie,
            task.exit_status,
            # A child that was cloned without a signal is planned with SIGCHLD.
            (task.exit_signal or signal.SIGCHLD) if signals else 0,
            sorted(thread.pids for thread in forest.threads.get(pid, [])),
            [other for other in forest.tasks if forest.tasks[other].namespace == task.namespace],
        )
        for pid, task in sorted(forest.tasks.items())
    }


def samples() -> list[str]:
    return sorted(path.name for path in SAMPLES.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", samples())
def test_a_rebuilt_dump_is_captured_as_the_dump(name: str) -> None:
    image = SAMPLES / name / "img" if (SAMPLES / name / "img").is_dir() else sorted((SAMPLES / name).glob("*.tar*"))[0]
    dump = fold(read(sources.from_path(str(image))))
    if len(dump.tasks) > 200:
        pytest.skip("more processes than a test may make")
    with rebuilt(image) as root:
        again = fold(capture(root))
    assert topology(again) == topology(dump)


HISTORIES = {
    "session and zombie": "fork(os.setsid)\nfork(lambda: os._exit(3))",
    "nested": f"fork(os.setsid)\nunshare({NEWPID})\nfork(lambda: (fork(os.setsid), fork(lambda: os._exit(9))))",
    "dead group leader": """
def job():
    os.setpgid(0, 0)
    fork()
    os._exit(0)
os.waitpid(fork(job), 0)
""",
}


@pytest.mark.parametrize("history", sorted(HISTORIES))
def test_a_tree_is_captured_rebuilt_and_captured_again(history: str, tmp_path: Path) -> None:
    file = tmp_path / "tree.log"
    with tree(f"os.setsid()\n{HISTORIES[history]}") as init:
        before = fold(read(f"/proc/{init}"))
        command = [sys.executable, "-m", "planner", "capture", str(init), "-o", str(file)]
        subprocess.run(command, check=True, timeout=30)
    assert topology(fold(read(file)), signals=True) == topology(before, signals=True)
    with rebuilt(file) as root:
        again = fold(capture(root))
    assert topology(again, signals=True) == topology(before, signals=True)


@pytest.mark.skipif(bool(available()), reason=available())
@pytest.mark.slow
@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_random_history_is_captured_rebuilt_and_captured_again(profile: str, seed: int, tmp_path: Path) -> None:
    file = tmp_path / "tree.log"
    with Arena() as arena:
        Historian(Random(f"again {profile} {seed}"), profile, arena, most=30).run(60)
        init = host_number(arena)
        standing = arena.world().get(1)
        if not init or standing is None or standing.state != "living":
            pytest.skip("this container has ended")
        try:
            events = read(f"/proc/{init}")
        except BadImage as error:
            assert "ending and held up" in error.message
            return
    file.write_bytes(b"".join(log.lines(events)))
    with rebuilt(file) as root:
        again = fold(capture(root))
    assert topology(again, signals=True) == topology(fold(events), signals=True)
