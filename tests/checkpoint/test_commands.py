"""The commands of a checkpoint: what is hidden from criu, and which dumps are run in which order."""

import pytest

from planner.checkpoint.commands import Criu, Mask, dumps, masks, numbers_of, script
from planner.checkpoint.freezer import Freezer
from planner.checkpoint.parts import parts_of
from planner.errors import BadImage
from planner.events.records import TaskRecorded
from planner.identity import Number, ProcessId
from planner.pipeline.resolve import resolve
from planner.testing.forests import events

FOREST = resolve(events("1 2:1 3.1:2/3 4.2:3 5.1:2/5")).forest
PARTS = parts_of(FOREST)
NUMBERS = {pid: 100 + pid for pid in FOREST.tasks}


def recorded(at: str | int) -> TaskRecorded:
    return TaskRecorded(pids=(Number(1),), parent=ProcessId(0), group=ProcessId(1), session=ProcessId(1), at=at)


def test_the_numbers_of_the_host_are_read_from_the_places() -> None:
    assert numbers_of([recorded("/proc/4711/status#NSpid")]) == {1: 4711}


@pytest.mark.parametrize("at", [96, "core-1.img", "pod/proc/7"])
def test_a_log_that_is_no_capture_has_none(at: str | int) -> None:
    with pytest.raises(BadImage, match="none of a running tree"):
        numbers_of([recorded(at)])


def test_a_mask_hides_the_inits_of_other_parts_and_nothing_else() -> None:
    found = masks(PARTS, NUMBERS, {(102, 102): "103 105 140 ", (102, 150): "150 "})
    assert found == (Mask(process=102, thread=102, hidden=(103, 105)),)
    assert found[0].content("103 105 140 ") == "140 "
    assert found[0].file == "/proc/102/task/102/children"


def test_each_dump_names_its_root_its_directory_and_the_cgroup_and_leaves_the_tree() -> None:
    planned = dumps(FOREST, PARTS, NUMBERS, "/images", "/cgroup", Criu(program="/criu", options=("--tcp-established",)))
    assert [(dump.part, dump.argv[3], dump.argv[5]) for dump in planned] == [
        ("part1", "103", "/images/part1"),
        ("part2", "105", "/images/part2"),
        ("part0", "101", "/images/part0"),
    ]
    for dump in planned:
        assert {"--leave-running", "--manage-cgroups=ignore", "--tcp-established"} <= set(dump.argv)
        assert dump.argv[dump.argv.index("--freeze-cgroup") + 1] == "/cgroup"


@pytest.mark.parametrize("leave_running", [False, True])
def test_a_dry_run_freezes_first_and_thaws_last(leave_running: bool) -> None:
    freezer = Freezer(path="/cgroup", version=2, created=True)
    planned = dumps(FOREST, PARTS, NUMBERS, "/images", "/cgroup", Criu())
    hidden = masks(PARTS, NUMBERS, {(102, 102): "103 105 "})
    lines = script(hidden, planned, freezer.commands([101, 102]), [101, 102], leave_running=leave_running)
    assert lines[:4] == [
        "mkdir /cgroup",
        "echo 101 > /cgroup/cgroup.procs",
        "echo 102 > /cgroup/cgroup.procs",
        "echo 1 > /cgroup/cgroup.freeze",
    ]
    assert lines[-1] == "echo 0 > /cgroup/cgroup.freeze"
    assert ("kill -KILL 101 102" in lines) is not leave_running
    assert lines.index("umount /proc/102/task/102/children") == 8
