"""Real dumps are read as /proc showed their trees just before: every task, every thread, every number."""

import json
from pathlib import Path
from typing import Any

import pytest
from crplan_criu.read import read
from crplan_criu.recognise import recognises

from planner.events.records import (
    AnyEvent,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    SharingRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.forest.fold import fold
from planner.pipeline import sources
from tests.helpers.places import DATA

SAMPLES = DATA / "criu"
STATES = {"S": "running", "R": "running", "D": "running", "T": "stopped", "Z": "zombie"}
KINDS = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")


def images(name: str) -> list[Path]:
    directory = SAMPLES / name
    return [directory / "img"] if (directory / "img").is_dir() else sorted(directory.glob("*.tar*"))


CASES = [
    pytest.param(name, path, id=f"{name}-{path.name}")
    for name in sorted(path.name for path in SAMPLES.iterdir())
    for path in images(name)
]


def events(path: Path) -> list[AnyEvent]:
    source = sources.from_path(str(path))
    assert recognises(source)
    return list(read(source))


def truth(name: str) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads((SAMPLES / name / "truth.json").read_text())["tasks"]
    return tasks


def partition(namespaces: dict[int, int]) -> set[frozenset[int]]:
    """Who is together, whatever the namespaces are called."""
    groups: dict[int, set[int]] = {}
    for pid, namespace in namespaces.items():
        groups.setdefault(namespace, set()).add(pid)
    return {frozenset(group) for group in groups.values()}


@pytest.mark.parametrize(("name", "path"), CASES)
def test_every_task_and_thread_is_as_proc_showed_it(name: str, path: Path) -> None:
    forest = fold(events(path))
    expected = {
        task["pid"][0]: (
            tuple(task["pid"]),
            task["ppid"][0] if task["ppid"] else 0,
            task["pgid"][0],
            task["sid"][0],
            STATES[task["state"]],
            task["exit_code"] if task["state"] == "Z" else 0,
            task["comm"],
        )
        for task in truth(name)
    }
    found = {
        int(pid): (task.pids, task.parent, task.group, task.session, task.state, task.exit_status, task.name)
        for pid, task in forest.tasks.items()
    }
    assert found == expected
    threads = {task["pid"][0]: task["threads"] for task in truth(name)}
    assert {pid: [list(thread.pids) for thread in forest.threads.get(pid, [])] for pid in forest.tasks} == {
        pid: [thread if isinstance(thread, list) else [thread] for thread in listed] for pid, listed in threads.items()
    }


@pytest.mark.parametrize(("name", "path"), CASES)
def test_tasks_are_together_in_namespaces_as_they_were(name: str, path: Path) -> None:
    forest = fold(events(path))
    for kind in KINDS:
        known = {
            int(pid): int(forest.tasks[pid].namespace if kind == "pid" else forest.other_namespaces[pid][kind])
            for pid in forest.tasks
            if kind == "pid" or kind in forest.other_namespaces.get(pid, {})
        }
        living = {task["pid"][0] for task in truth(name) if task["state"] != "Z"}
        assert living <= known.keys()
        recorded = {task["pid"][0]: task["ns"][kind] for task in truth(name) if (task["ns"] or {}).get(kind) is not None}
        both = known.keys() & recorded.keys()
        assert partition({pid: known[pid] for pid in both}) == partition({pid: recorded[pid] for pid in both}), kind
        assert known[forest.root] == 0


@pytest.mark.parametrize(("name", "path"), CASES)
def test_every_event_says_file_and_entry(name: str, path: Path) -> None:
    read = events(path)
    for event in read:
        file, mark, _ = str(getattr(event, "at")).partition("#")  # noqa: B009 - not every kind of event has a place
        assert mark, event
        assert file.endswith(".img"), event
    assert isinstance(read[0], ImageOpened)
    assert read[-1] == ImageClosed(tasks=len(truth(name)), complete=True, at=f"pstree.img#{len(truth(name))}")


def test_what_is_not_recorded_is_said() -> None:
    read = events(SAMPLES / "clone_exit_signal" / "img")
    assert {event.exit_signal for event in read if isinstance(event, TaskStateRecorded)} == {-1}
    assert {event.sysv_undo for event in read if isinstance(event, SharingRecorded)} == {0}


def test_the_thread_list_of_a_dead_task_is_garbage_and_not_read() -> None:
    read = events(SAMPLES / "zombie_child" / "img")
    assert [event for event in read if isinstance(event, ThreadRecorded)] == []
    assert sum(isinstance(event, TaskStateRecorded) and event.state == "zombie" for event in read) == 2


def test_shared_files_have_one_number_and_memory_has_two() -> None:
    one, other = (event for event in events(SAMPLES / "share_files" / "img") if isinstance(event, SharingRecorded))
    assert one.files == other.files != 0
    assert one.memory != other.memory
    assert one.fs != other.fs


def test_a_stopped_task_says_by_which_signal() -> None:
    facts = [event for event in events(SAMPLES / "stopped" / "img") if isinstance(event, FactRecorded)]
    assert [(fact.property, fact.value) for fact in facts if fact.property == "stop_signal"] == [("stop_signal", "19")]


def test_a_subreaper_is_marked() -> None:
    forest = fold(events(SAMPLES / "subreaper" / "img"))
    assert [task.subreaper for task in forest.tasks.values()].count(True) == 1


def test_nested_pid_namespaces_have_identity_and_parent() -> None:
    read = events(SAMPLES / "vz_ctr_nested_pidns_clean" / "img")
    pid_namespaces = [event for event in read if isinstance(event, NamespaceRecorded) and event.kind == "pid"]
    assert [(event.id, event.parent) for event in pid_namespaces] == [(0, -1), (2, 0)]
    forest = fold(read)
    assert {int(pid): (int(task.namespace), int(task.level)) for pid, task in forest.tasks.items()} == {
        1: (0, 0),
        2: (2, 1),
        3: (2, 1),
    }
    assert forest.namespaces[pid_namespaces[1].id].init == 2


def test_a_namespace_of_a_container_is_created_and_others_are_inherited() -> None:
    created = {
        event.kind: event.facts["created"]
        for event in events(SAMPLES / "container" / "img")
        if isinstance(event, NamespaceRecorded)
    }
    assert {kind for kind, answer in created.items() if answer == "yes"} >= {"pid", "net", "ipc", "uts", "mnt"}
    assert created["user"] == "no"


def test_an_archive_tells_of_its_container() -> None:
    for path in images("podman_container"):
        opened = events(path)[0]
        assert isinstance(opened, ImageOpened)
        assert opened.facts["engine"] == "podman"
        assert opened.facts["container"] == "pcontainer"
        assert opened.facts["image"] == "localhost/crp/cases:1"
        assert opened.facts["runtime"] == "/usr/sbin/runc"


def test_archive_and_directory_give_the_same_events(tmp_path: Path) -> None:
    import tarfile

    (path,) = images("container")
    archive = tmp_path / "archive"
    with tarfile.open(archive, "w") as packed:
        packed.add(path, "checkpoint")
    assert events(archive) == events(path)


def test_tasks_come_in_the_order_of_the_process_tree() -> None:
    (path,) = images("jobs")
    order = [event.pids[0] for event in events(path) if isinstance(event, TaskRecorded)]
    assert order[0] == fold(events(path)).root
    assert len(order) == len(set(order)) == len(truth("jobs"))
