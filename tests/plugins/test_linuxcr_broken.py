"""Streams that end early or lie end in one clear line, never in a traceback, and cost what they hold, not what they claim."""

import io
import os
import random
import struct
import threading
import tracemalloc
from typing import BinaryIO

import pytest
from crplan_linuxcr.read import read

from planner.errors import BadImage, Contradiction
from planner.events.records import AnyEvent, DefectRecorded, ImageClosed, TaskStateRecorded
from planner.forest.fold import fold
from tests.helpers.linuxcr import GENERATIONS, Entry, build

TREE = [
    Entry(pids=(1,)),
    Entry(pids=(5,), parent=1),
    Entry(pids=(6,), parent=1, thread_group=5, group=5, session=5),
    Entry(pids=(7,), parent=5, session=30, group=30, zombie=True, exit_status=9),
]
NESTED = [Entry(pids=(1,)), Entry(pids=(5, 1), parent=1), Entry(pids=(6, 2), parent=5, session=5, group=5)]
BELOW = [Entry(pids=(40, 1), parent=1), Entry(pids=(41, 2), parent=40, session=40, group=40)]


def tree_for(generation: str) -> list[Entry]:
    return TREE if generation.startswith("A") else [*TREE, *BELOW]


def events(image: bytes) -> list[AnyEvent]:
    return list(read(io.BytesIO(image)))


class Dribble(io.RawIOBase):
    """A stream that cannot seek and gives a few bytes at a time."""

    def __init__(self, image: bytes, at_most: int) -> None:
        self.image, self.at_most, self.position = image, at_most, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = self.image[self.position : self.position + min(self.at_most, max(size, 0))]
        self.position += len(part)
        return part


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("objects", [False, True])
def test_at_every_length_a_stream_is_refused_or_lacks_only_its_tail(generation: str, objects: bool) -> None:
    image = build(tree_for(generation), generation, objects=objects)
    boundaries = set()
    offset = 0
    while offset < len(image):
        boundaries.add(offset)
        offset += struct.unpack_from("<II", image, offset)[1]
    whole = len(events(image))
    accepted = []
    for length in range(len(image)):
        try:
            log = events(image[:length])
        except BadImage as refused:
            assert isinstance(refused.at, int)
            assert 0 <= refused.at <= length
            assert "\n" not in refused.message
            assert "end" in refused.message
        else:
            accepted.append(length)
            assert [event.code for event in log if isinstance(event, DefectRecorded)] == ["tail-missing"]
            assert isinstance(log[-1], ImageClosed)
            assert not log[-1].complete
            assert len([event for event in log if isinstance(event, TaskStateRecorded)]) == len(tree_for(generation))
    assert set(accepted) <= boundaries
    assert max(accepted) == len(image) - 16
    assert len(events(image[: max(accepted)])) == whole + 1


@pytest.mark.parametrize("at_most", [1, 7, 4096])
@pytest.mark.parametrize("generation", ["A3", "S", "P3"])
def test_a_pipe_gives_the_same_events_as_a_file(generation: str, at_most: int) -> None:
    image = build(tree_for(generation), generation, objects=True, payload=5000)
    assert list(read(Dribble(image, at_most))) == events(image)  # type: ignore[arg-type]


def test_a_real_pipe_is_read_to_its_end() -> None:
    image = build(TREE, payload=1 << 20)
    reading, writing = os.pipe()

    def feed() -> None:
        with open(writing, "wb") as sink:
            sink.write(image)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(reading, "rb", buffering=0) as source:
        stream: BinaryIO = source  # type: ignore[assignment]
        assert list(read(stream)) == events(image)
    feeder.join()


def patched(image: bytes, offset: int, layout: str, *values: int) -> bytes:
    changed = bytearray(image)
    struct.pack_into("<" + layout, changed, offset, *values)
    return bytes(changed)


P3, S, B = build(TREE), build(NESTED, "S"), build(NESTED, "B")
PIDS_AT, TREE_AT = 347, 347


@pytest.mark.parametrize(
    ("image", "at", "words"),
    [
        (patched(P3, 8, "Q", 1), 8, "HEADER: magic number 0x0000000000000001, expected 0x00feed0cc0a2d200"),
        (patched(P3, 76, "I", 72), 72, r"BUFFER \(release\): length 72, expected 73"),
        (patched(P3, 76, "I", 7), 72, "BUFFER: length 7, expected at least 8"),
        (patched(P3, 76, "I", 0xFFFFFFFF), 72, r"BUFFER \(release\): length 4294967295, expected 73"),
        (patched(P3, 291, "I", 3), 291, "found CONTAINER of length 16, expected HEADER_ARCH"),
        (patched(P3, PIDS_AT, "I", 99), PIDS_AT, "found record type 99 of length 24, expected TREE"),
        (patched(P3, PIDS_AT + 8, "I", 0), PIDS_AT, "PIDS: 0 pids"),
        (patched(P3, PIDS_AT + 8, "I", 0xFFFFFFFF), PIDS_AT, "PIDS: 4294967295 pids"),
        (patched(P3, PIDS_AT + 12, "I", 0xFFFFFFFF), PIDS_AT, "with 4294967295 inner numbers"),
        (patched(P3, PIDS_AT + 8, "I", 6), PIDS_AT + 24, r"BUFFER \(PIDS\): length 48, expected 56"),
        (patched(P3, PIDS_AT + 32, "I", 77), PIDS_AT + 32, "object 0 has depth 77"),
        (patched(P3, PIDS_AT + 32, "i", -1), PIDS_AT + 32, "object 0 has depth -1"),
        (patched(P3, PIDS_AT + 36, "i", -5), PIDS_AT + 32, "object 0 has the number -5"),
        (patched(P3, PIDS_AT + 16, "I", 50), 443, "entry 0 has pid 1, expected a tag from 50 to 54"),
        (
            patched(P3, 443 + 24 + 4, "i", 9),
            443 + 24 + 4,
            "entry 1 has ppid 9, expected a tag from 1 to 5 or one of 0, -4096, -4097",
        ),
        (patched(P3, 443 + 16, "i", -7), 443 + 16, "entry 0 has sid -7"),
        (patched(S, TREE_AT + 8, "i", 0), TREE_AT, "TREE: 0 tasks"),
        (patched(S, TREE_AT + 8, "i", -1), TREE_AT, "TREE: -1 tasks"),
        (patched(S, TREE_AT + 8, "i", 2), TREE_AT + 16, r"BUFFER \(TREE\): length 104, expected 8 to 72"),
        # Three wide entries are as long as four narrow ones.
        (patched(S, TREE_AT + 8, "i", 4), 371 + 24, "entry 1 has pid 0, expected 1 or more"),
        (patched(S, TREE_AT + 8, "i", 0x7FFFFFFF), TREE_AT, "TREE: 2147483647 tasks, expected 1 to 4194304"),
        (patched(S, 371, "i", 0), 371, "entry 0 has pid 0, expected 1 or more"),
        (patched(S, 371 + 32 + 24, "i", 2), 371 + 64, "entry 2 has depth 1, expected at most 0"),
        (patched(S, 371 + 32 + 24, "i", 0), 491, "there are 2, expected 1, the sum of the depths"),
        (patched(S, 467 + 8, "i", 1000000), 467, "VPIDS: 1000000 inner numbers, expected 0 to 192 for 3 tasks"),
        (patched(S, 467, "I", 119), 467, "found record type 119 of length 16, expected VPIDS"),
        (patched(B, 371 + 24 + 20, "i", 1 << 30), TREE_AT, "sum of depths is 1073741825, expected at most 192"),
        (patched(B, 371 + 24 + 20, "i", -1), TREE_AT, "has depth -1, expected 0 or more"),
    ],
)
def test_lies_are_named_with_their_place_and_what_was_expected(image: bytes, at: int, words: str) -> None:
    with pytest.raises(BadImage, match=words) as refused:
        events(image)
    assert refused.value.at == at


def first_task(image: bytes) -> int:
    return next(event.at for event in events(image) if isinstance(event, TaskStateRecorded))  # type: ignore[return-value]


def test_lies_in_the_records_of_tasks_are_named() -> None:
    task = first_task(P3)
    for change, words in (
        ((task + 4, "I", 72), "TASK: length 72, expected 80 in generation P3"),
        ((task + 16, "i", 5), "TASK: exit state 5 of task 1, expected 0 or 16"),
        ((task + 24, "i", 500), "TASK: exit signal 500 of task 1, expected -1 to 64"),
        ((task + 80, "I", 4), "found BUFFER of length 24, expected STRING"),
        ((task + 104, "I", 102), "found TREE after 1 tasks"),
        ((len(P3) - 8, "Q", 7), "TAIL: magic number 0x0000000000000007, expected 0x002d2a0cc0deef00"),
        ((len(P3) - 12, "I", 17), "TAIL: length 17, expected 16"),
    ):
        with pytest.raises(BadImage, match=words):
            events(patched(P3, *change))
    zombie = task + 3 * 104
    with pytest.raises(BadImage, match="exit code 65536 of task 7, expected 0 to 65535"):
        events(patched(P3, zombie + 20, "i", 0x10000))


def test_there_is_one_task_record_for_each_entry() -> None:
    task = first_task(P3)
    with pytest.raises(BadImage, match="TAIL after 3 TASK records, expected 4"):
        events(P3[:task] + P3[task + 104 :])
    with pytest.raises(BadImage, match="one more than the 4 entries of the TREE"):
        events(P3[:task] + P3[task : task + 104] + P3[task:])


def test_memory_goes_with_what_a_stream_holds_and_not_with_what_it_claims() -> None:
    claims = [
        patched(P3, PIDS_AT + 8, "II", 1 << 22, 0)[: PIDS_AT + 24] + struct.pack("<II", 4, 8 + (8 << 22)),
        patched(S, TREE_AT + 8, "i", 1 << 22)[: TREE_AT + 16] + struct.pack("<II", 4, 8 + (32 << 22)),
        P3[: first_task(P3) + 104] + struct.pack("<II", 403, 0xFFFFFFF0),
    ]
    for image in claims:
        tracemalloc.start()
        with pytest.raises(BadImage, match="the stream ends after"):
            events(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


def test_payloads_go_by_without_being_kept() -> None:
    image = build(TREE, payload=20_000_000)
    tracemalloc.start()
    log = events(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fold(log).complete
    assert peak < 2 << 20


@pytest.mark.parametrize("generation", GENERATIONS)
def test_corrupted_bytes_give_events_or_one_clear_refusal(generation: str) -> None:
    image = build(tree_for(generation), generation, objects=True)
    dice = random.Random(f"corruption of {generation}")
    outcomes = set()
    for _ in range(600):
        changed = bytearray(image)
        for _ in range(dice.choice((1, 1, 2, 8))):
            offset = dice.randrange(len(changed))
            changed[offset] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256), changed[offset] ^ 1 << dice.randrange(8)))
        if dice.random() < 0.2:
            start = dice.randrange(len(changed))
            del changed[start : start + dice.choice((1, 4, 8, 24))]
        try:
            fold(events(bytes(changed)))
        except BadImage as refused:
            assert "\n" not in refused.message
            outcomes.add("refused")
        except Contradiction as refused:
            assert refused.because
            outcomes.add("contradiction")
        else:
            outcomes.add("read")
    assert outcomes >= {"refused", "read"}
