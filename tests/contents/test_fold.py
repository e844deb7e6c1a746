"""The fold of what processes hold: every record under its task or object, and records of one thing brought together."""

from planner.contents.fold import content_id, fold_contents
from planner.events.contents import (
    ContentsRecorded,
    DescriptorRecorded,
    FileRecorded,
    MemoryRecorded,
    TaskFilesRecorded,
)
from planner.identity import ProcessId

PID = ProcessId(7)


def test_directories_and_executable_come_from_two_images_in_any_order() -> None:
    both = [TaskFilesRecorded(pid=PID, cwd=2, root=3, umask=0, at="a"), TaskFilesRecorded(pid=PID, executable=4, at="b")]
    for order in (both, both[::-1]):
        held = fold_contents(order).task_files[PID]
        assert (held.cwd, held.root, held.executable, held.umask) == (2, 3, 4, 0)


def test_areas_and_pages_come_from_two_images_in_any_order() -> None:
    both = [MemoryRecorded(pid=PID, areas=2, mapped=8192, at="a"), MemoryRecorded(pid=PID, stored=4096, in_parent=4, at="b")]
    for order in (both, both[::-1]):
        memory = fold_contents(order).memory[PID]
        assert (memory.areas, memory.mapped, memory.stored, memory.in_parent) == (2, 8192, 4096, 4)


def test_a_terminal_has_the_path_of_the_file_that_it_names() -> None:
    terminal = FileRecorded(id=1, kind="terminal", facts={"file": "2"}, at="a")
    contents = fold_contents([terminal, FileRecorded(id=2, kind="device", path="/dev/pts/3", at="a")])
    assert [contents.path(number) for number in (1, 2, 3)] == ["/dev/pts/3", "/dev/pts/3", ""]


def test_the_digest_depends_on_every_record_and_on_no_place() -> None:
    events = [
        ContentsRecorded(images={"files": 1}, at="a"),
        FileRecorded(id=1, kind="file", path="/x", at="files.img#0"),
        DescriptorRecorded(table=2, number=3, file=1, at="fdinfo-2.img#0"),
    ]
    moved = [events[0], FileRecorded(id=1, kind="file", path="/x", at="files.img#9"), events[2]]
    assert content_id(events, "t") == content_id(moved, "t")
    assert len({content_id(events[:size], "t") for size in range(4)}) == 4
