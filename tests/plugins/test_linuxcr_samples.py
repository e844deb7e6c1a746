"""Every sample image is read as the description beside it says, and the builder writes every sample byte for byte."""

import io
import json
from typing import Any

import pytest
from crplan_linuxcr.read import read
from crplan_linuxcr.recognise import recognises

from planner.errors import Contradiction
from planner.events.records import (
    AnyEvent,
    CheckpointFailed,
    DefectRecorded,
    FactRecorded,
    ImageClosed,
    ImageOpened,
    TaskStateRecorded,
)
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.hookspecs import ReadRequest, Source
from tests.helpers.linuxcr import GENERATIONS, build, entries
from tests.helpers.places import DATA

SAMPLES = DATA / "linux-cr"
TREES = sorted(path.stem for path in SAMPLES.glob("*.json"))
SUFFIXES = {"b": "B", "seed": "S", "v23": "P3"}
VARIANTS: dict[str, dict[str, Any]] = {
    **{generation: {"generation": generation} for generation in GENERATIONS},
    "P3_be_s390x": {"byte_order": "big", "machine": "s390x"},
    "P3_error": {"error": "[err -16] unfrozen task"},
    "P3_notail": {"tail": False},
    "P3_offset7": {"first_tag": 7},
    "P3_offset7_ppidindex": {"first_tag": 7, "parents": "indices"},
}
SAME_TREE = "02_parent_child"


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return loaded


def events(name: str) -> list[AnyEvent]:
    return list(read(io.BytesIO((SAMPLES / f"{name}.ckpt").read_bytes())))


def check_against(forest: Forest, described: dict[str, Any], generation: str) -> None:
    """Compare a forest with a description, written without the builder's idea of the defaults."""
    tasks, threads, dead = {}, {}, {}
    for index, task in enumerate(task for task in described["tasks"] if not task.get("dead")):
        number = task["pids"][0]
        process = task.get("tgid", number)
        session = task["sid"]
        group = task.get("pgid", number if process == number else process)
        state = ("zombie", task["exit_code"]) if task.get("zombie") else ("running", 0)
        if process == number:
            tasks[number] = (tuple(task["pids"]), task["ppid"], group, session, *state, f"task{index}")
        else:
            threads[number] = (tuple(task["pids"]), process)
    for task in described["tasks"]:
        if task.get("dead"):
            dead[task["pids"][0]] = tuple(task["pids"])
    assert {
        pid: (task.pids, task.parent, task.group, task.session, task.state, task.exit_status, task.name)
        for pid, task in forest.tasks.items()
    } == tasks
    assert {
        thread.pids[0]: (thread.pids, thread.thread_group) for group in forest.threads.values() for thread in group
    } == threads
    if generation.startswith("P"):
        assert {pid: leader.pids for pid, leader in forest.leaders.items()} == dead
        assert all(leader.complete for leader in forest.leaders.values())
    else:
        assert {pid: leader.pids for pid, leader in forest.leaders.items()} == {pid: pids[:1] for pid, pids in dead.items()}
        assert not any(leader.complete for leader in forest.leaders.values())
    assert list(forest.tasks) == list(tasks)
    assert forest.complete


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", TREES)
def test_a_sample_says_what_its_description_says(name: str, suffix: str) -> None:
    log = events(f"{name}.{suffix}")
    opened = log[0]
    assert isinstance(opened, ImageOpened)
    assert (opened.format, opened.generation) == ("linux-cr", SUFFIXES[suffix])
    assert not [event for event in log if isinstance(event, DefectRecorded | FactRecorded)]
    check_against(fold(log), document(name), SUFFIXES[suffix])


@pytest.mark.parametrize("name", TREES)
def test_the_same_tree_in_three_generations_has_one_image_id(name: str) -> None:
    assert len({image_id(fold(events(f"{name}.{suffix}"))) for suffix in SUFFIXES}) == 1


def test_different_trees_have_different_image_ids() -> None:
    assert len({image_id(fold(events(f"{name}.b"))) for name in TREES}) == len(TREES)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_tells_its_generation_and_the_same_tree(variant: str) -> None:
    log = events(f"gen_{variant}")
    opened = log[0]
    assert isinstance(opened, ImageOpened)
    generation = variant.split("_")[0]
    # P2 and P3 differ in ARM's architecture number alone, and this image is none of ARM's.
    assert opened.generation == {"P2": "P3"}.get(generation, generation)
    if variant == "P3_error":
        assert [event.message for event in log if isinstance(event, CheckpointFailed)] == ["[err -16] unfrozen task"]
        with pytest.raises(Contradiction, match="unfrozen task") as refused:
            fold(log)
        assert refused.value.code == "checkpoint-failed"
        assert isinstance(log[refused.value.because[0]], CheckpointFailed)
        return
    forest = fold(log)
    assert image_id(forest) == image_id(fold(events(f"{SAME_TREE}.v23")))
    closed = log[-1]
    assert isinstance(closed, ImageClosed)
    assert closed.complete == (variant != "P3_notail")
    assert [defect.code for _, defect in forest.defects] == (["tail-missing"] if variant == "P3_notail" else [])


def test_the_reading_of_parents_is_recorded_where_the_first_tag_is_not_one() -> None:
    for variant, reading in (("P3_offset7", "tags"), ("P3_offset7_ppidindex", "indices")):
        facts = [event for event in events(f"gen_{variant}") if isinstance(event, FactRecorded)]
        assert [(fact.property, fact.value) for fact in facts] == [("parents", reading)]


def test_the_header_is_told_as_facts() -> None:
    opened = events("gen_P3_be_s390x")[0]
    assert isinstance(opened, ImageOpened)
    assert opened.facts == {
        "kernel": "2.6.37-cr",
        "kernel version": "#1 SMP synthetic",
        "linux": "2.6.37",
        "machine": "s390x",
        "architecture": "s390x",
        "byte order": "big",
        "revision": "6",
        "time": "1269302406",
        "flags": "",
        "security module": "lsm_none",
    }
    oldest = events("gen_A3")[0]
    assert isinstance(oldest, ImageOpened)
    assert "security module" not in oldest.facts


def test_facts_say_where_they_stand() -> None:
    image = (SAMPLES / f"{SAME_TREE}.v23.ckpt").read_bytes()
    for event in events(f"{SAME_TREE}.v23"):
        if isinstance(event, TaskStateRecorded):
            assert isinstance(event.at, int)
            assert image[event.at : event.at + 8] == (103).to_bytes(4, "little") + (80).to_bytes(4, "little")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", TREES)
def test_the_builder_writes_the_samples_byte_for_byte(name: str, suffix: str) -> None:
    kernel = (2, 6, 37) if suffix == "v23" else (2, 6, 33)
    assert build(entries(document(name)), SUFFIXES[suffix], kernel=kernel) == (SAMPLES / f"{name}.{suffix}.ckpt").read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_builder_writes_the_variants_byte_for_byte(variant: str) -> None:
    assert build(entries(document(SAME_TREE)), **VARIANTS[variant]) == (SAMPLES / f"gen_{variant}.ckpt").read_bytes()


def test_the_plugin_offers_one_reader_that_knows_its_images_by_content() -> None:
    from crplan_linuxcr import crplan_readers

    (reader,) = crplan_readers()
    image = (SAMPLES / f"{SAME_TREE}.v23.ckpt").read_bytes()
    source = Source(name="image.tar", head=image[:4096], open=lambda: io.BytesIO(image))
    assert reader.recognises(source)
    assert list(reader.read(source, ReadRequest())) == events(f"{SAME_TREE}.v23")
    for other in (b"", b"\1", b'{"type":"LogOpened","format_version":1}\n', b"\x1f\x8b\x08", bytes(4096)):
        assert not recognises(other)
