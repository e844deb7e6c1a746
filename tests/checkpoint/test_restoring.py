"""What a restore in parts runs: the library's tables, the scripts of inner parts, and how a restored tree is compared."""

import re

import msgspec
import pytest

from planner.checkpoint.manifest import Manifest, PartRecord
from planner.checkpoint.parts import parts_of
from planner.checkpoint.restoring import Places, differences, files, helper_number, outermost, refuse, refuse_plain, version
from planner.errors import CannotEmit
from planner.events.records import AnyEvent, NamespaceRecorded, TaskNamespacesRecorded
from planner.forest.model import Forest
from planner.identity import NamespaceId, ProcessId
from planner.pipeline.resolve import resolve
from planner.testing.forests import events

PLACES = Places(
    work="/work",
    image="/image",
    cgroup="/cgroup",
    outside="/own",
    freeze_file="cgroup.freeze",
    freeze_word="1",
    criu="/criu",
    options=("--tcp-established",),
)
TEXT = "1 2:1 3.1:2/3 4.2:3 5.3.1:4/5 6.4.2:5"


def forest(text: str = TEXT, extra: tuple[AnyEvent, ...] = ()) -> Forest:
    said = list(events(text))
    return resolve([*said[:-1], *extra, said[-1]]).forest


def manifest(tree: Forest, **changes: object) -> Manifest:
    records = [
        PartRecord(
            name=part.name,
            root=tuple(map(int, tree.tasks[part.root].pids)),
            level=part.level,
            tasks=len(part.tasks),
            digest="",
            size=0,
            parent=int(part.parent),
            enclosing=part.enclosing,
        )
        for part in parts_of(tree)
    ]
    known = Manifest(
        crplan="0",
        criu="4.2",
        kernel="6.18",
        architecture="x86_64",
        log_digest="",
        frozen_milliseconds=1,
        parts=tuple(records),
    )
    return msgspec.structs.replace(known, **changes)


def test_the_table_of_a_part_has_each_task_innermost_first_and_the_births_in_it() -> None:
    found = files(forest(), PLACES)
    assert found["part0.table"] == "birth 2 /work/part1.sh 106\n"
    assert found["part1.table"] == "pid 1 1 3\npid 2 2 4\nbirth 2 /work/part2.sh 206 206\n"
    assert found["part2.table"] == "pid 1 1 3 5\npid 2 2 4 6\n"


def test_threads_of_inner_parts_get_a_helper_that_gives_them_their_numbers_at_every_level() -> None:
    found = files(forest("1 2.1:1/2+3.2+4.3 5.4:2/2 6.5.1:5/6+7.6.2"), PLACES)
    assert found["part0.table"].splitlines()[0] == "threads 1 /work/part1.threads /work/part1.born 2 108"
    assert found["part1.threads"] == "2 2 3\n2 3 4\n"
    assert found["part2.threads"] == "5 2 6 7\n"
    assert "CRPLAN_LATE=1" in found["part1.sh"]


def test_a_helper_has_a_number_that_nothing_of_the_tree_has() -> None:
    tree = forest("1 2.1:1/2+90.2 5:1")
    assert helper_number(tree, 1) > 90
    assert helper_number(tree, 2) > helper_number(tree, 1) + 1


def test_an_inner_part_is_restored_as_a_sibling_and_frozen_before_it_runs() -> None:
    found = files(forest(), PLACES)
    assert "restore --images-dir /image/part1" in found["part1.sh"]
    assert "--restore-sibling" in found["part1.sh"]
    assert "--tcp-established" in found["part1.sh"]
    assert "echo 1 > /cgroup/part1/cgroup.freeze" in found["part1.action"]
    assert found["part1.sh"].index("/cgroup/part1/cgroup.procs") < found["part1.sh"].index("restore --images-dir")
    assert "--restore-sibling" not in outermost(PLACES, mounts=True)[-1]


def test_plain_images_are_restored_without_the_library_and_where_criu_would_restore_them() -> None:
    plain = msgspec.structs.replace(PLACES, plain=True)
    words = outermost(plain, mounts=False)
    assert words[:4] == ("/criu", "restore", "--images-dir", "/image")
    assert "--root" not in words
    assert "LD_PRELOAD" not in " ".join(outermost(plain, mounts=True))
    assert outermost(plain, mounts=True)[-1].count("--root /work/root") == 1
    given = msgspec.structs.replace(plain, options=("--root", "/rootfs"))
    assert "--root /work/root" not in outermost(given, mounts=True)[-1]


def test_plain_images_with_nested_namespaces_are_refused() -> None:
    refuse_plain(forest("1 2:1"))
    with pytest.raises(CannotEmit, match="no manifest"):
        refuse_plain(forest())


def test_a_session_that_is_led_from_outside_may_be_another_after_a_restore() -> None:
    assert differences(forest("5:0/3/3 6:5/3/3"), forest("5:0/9/9 6:5/9/9")) == []
    assert differences(forest("5:0/3/3 6:5/3/6"), forest("5:0/9/9 6:5/9/9")) != []


@pytest.mark.parametrize("kind", ["mnt"])
def test_a_part_without_mounts_of_its_own_is_refused(kind: str) -> None:
    space = NamespaceRecorded(
        kind=kind, id=NamespaceId(0), parent=NamespaceId(-1), owner=NamespaceId(-1), facts={"created": "yes"}, at="/proc"
    )
    shared = tuple(
        TaskNamespacesRecorded(pid=ProcessId(pid), namespaces={kind: NamespaceId(0)}, at="/proc") for pid in range(1, 7)
    )
    with pytest.raises(CannotEmit, match="no mount namespace of its own"):
        refuse(manifest(forest()), forest(extra=(space, *shared)))
    refuse(manifest(forest()), forest())


def test_a_shared_namespace_and_an_old_criu_are_refused() -> None:
    tree = forest()
    known = manifest(tree)
    entered = (known.parts[0], msgspec.structs.replace(known.parts[1], entered=("net",)), known.parts[2])
    with pytest.raises(CannotEmit, match=r"not the host's \(net\)"):
        refuse(manifest(tree, parts=entered), tree)
    with pytest.raises(CannotEmit, match="or later"):
        refuse(manifest(tree, criu="3.13"), tree)


@pytest.mark.parametrize(("text", "numbers"), [("4.2", (4, 2)), ("3.17.1", (3, 17, 1)), ("", ()), ("v4", ())])
def test_versions_are_compared_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("1 2:1 3.1:2/3 4.2:3 5.3.1:4/5", "task 6 is missing"),
        (f"{TEXT} 7:1", "task 7 is none of the image"),
        ("1 2:1 3.1:2/3 4.3:3 5.4.1:4/5 6.5.2:5", r"task 4: pids \(4, 3\), expected \(4, 2\)"),
        ("1 2:1 3.1:1/3 4.2:3 5.3.1:4/5 6.4.2:5", "task 3: parent 1, expected 2"),
        (f"{TEXT}z", "task 6: state True, expected False"),
        (f"{TEXT}+9.6.3", "task 6: threads"),
    ],
)
def test_every_difference_is_told(other: str, words: str) -> None:
    assert differences(forest(), forest()) == []
    assert any(re.search(words, line) for line in differences(forest(), forest(other)))
