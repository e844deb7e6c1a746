"""What the containers of a pod hold stays apart in one log: files, tables and mounts that both dumps count by themselves."""

from pathlib import Path

from crplan_criu import messages_contents as contents

import planner
from planner.cli.main import main
from planner.contents.fold import fold_contents
from planner.events.records import AnyEvent
from planner.forest.fold import fold
from planner.hookspecs import ReadRequest
from planner.identity import ProcessId
from planner.inspection.build import inspected
from planner.pipeline import sources
from planner.pipeline.reading import default_registry, stream_events
from planner.pods.renumber import Renumbering
from tests.helpers import criu_dumps as dumps
from tests.helpers.places import ROOT


def container(directory: Path, pids: tuple[int, ...], name: str, inode: int, peer: int) -> list[AnyEvent]:
    """Return the log of tasks that share a table, with a file, a directory, a mapping, a mount and one end of a socket."""
    files = dumps.tree(pids, shared=True)
    socket = dumps.file(3, "usk", contents.UNIX_SOCKET, ino=inode, peer=peer, type=1, state=1, name=b"", opts=b"")
    files["files.img"] = dumps.image("files", dumps.regular(1, f"/{name}"), dumps.regular(2, f"/{name}.d", 0, 0o40755), socket)
    files["fdinfo-2.img"] = dumps.descriptors((0, 1), (1, 3))
    files["mountpoints-13.img"] = dumps.image(
        "mountpoints", dumps.encoded(contents.MOUNT, {"fstype": 5, "mnt_id": 1, "mountpoint": f"/mnt/{name}"})
    )
    for pid in pids:
        files[f"mm-{pid}.img"] = dumps.memory(1, dumps.area(1, 4096, prot=5))
        files[f"fs-{pid}.img"] = dumps.directories(2, 2)
    source = sources.from_path(str(dumps.write(directory, files)))
    return list(stream_events(source, default_registry(), ReadRequest(detail="all")))[1:]


def joined(tmp_path: Path) -> list[AnyEvent]:
    """Return the events of two containers with their numbers told apart, in one log without what only one image may say."""
    numbers, found = Renumbering(), list[AnyEvent]()
    for events in (
        container(tmp_path / "a", (10, 11), "first", 70, 71),
        container(tmp_path / "b", (20, 21), "second", 71, 70),
    ):
        numbers.next_image(events)
        found += [new for event in events if (new := numbers.event(event)) is not None]
    return found


def test_each_task_holds_the_files_of_its_own_container(tmp_path: Path) -> None:
    events = joined(tmp_path)
    forest, held = fold(events), fold_contents(events)
    for pid, name in ((10, "first"), (11, "first"), (20, "second"), (21, "second")):
        number = ProcessId(pid)
        table = held.tables[forest.sharing[number].files]
        assert [held.path(each.file) for each in table] == [f"/{name}", ""]
        task = held.task_files[number]
        assert [held.path(file) for file in (task.cwd, task.root, task.executable)] == [f"/{name}.d", f"/{name}.d", f"/{name}"]
        assert [held.path(each.file) for each in (*held.mapped[number], *held.areas[number])] == [f"/{name}"] * 2
    assert len({mount.namespace for mount in held.mounts}) == 2


def test_a_log_of_a_pod_has_what_each_container_holds(tmp_path: Path) -> None:
    log = tmp_path / "pod.jsonl"
    pod = ROOT / "examples/images/pod"
    assert main(["log", str(pod), "--detail", "all", "-o", str(log)]) == 0
    entry = planner.inspect(log)
    assert entry.sums.images == {
        kind: sum(planner.inspect(each).sums.images[kind] for each in pod.glob("*.tar")) for kind in entry.sums.images
    }
    assert "core" in entry.sums.images and entry.content_id


def test_the_inspection_of_a_pod_shows_who_shares_what_and_both_ends_of_a_socket(tmp_path: Path) -> None:
    entry = inspected("pod", joined(tmp_path))
    assert [(task.pid, task.descriptors_of) for task in entry.tasks] == [(10, 0), (11, 10), (20, 0), (21, 20)]
    assert {file.path: file.held_by for file in entry.files if file.path.endswith(("first", "second"))} == {
        "/first": (10, 11),
        "/second": (20, 21),
    }
    ends = {file.id: file.socket.peer_file for file in entry.files if file.socket is not None}
    assert all(ends[peer] == file for file, peer in ends.items()) and len(ends) == 2
    assert entry.sums.descriptors == 4 and entry.sums.files == {"directory": 2, "file": 2, "unix socket": 2}
