"""The event log: what goes in comes out, unknown lines survive, and bad lines say where they are."""

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadImage
from planner.events import log
from planner.events.records import (
    FORMAT_VERSION,
    AnyEvent,
    BirthDecided,
    ImageOpened,
    LogOpened,
    StepDone,
    StepPlanned,
    TaskRecorded,
    TaskStateRecorded,
    UnknownEvent,
)
from planner.events.upcasts import Upcast
from planner.identity import Number, ProcessId, StepNumber
from planner.steps import Create, Wait

OPENED = b'{"seq":0,"type":"LogOpened","format_version":2}\n'


def written(*events: AnyEvent) -> bytes:
    stream = io.BytesIO()
    log.write([LogOpened(format_version=FORMAT_VERSION), *events], stream)
    return stream.getvalue()


def read(data: bytes) -> list[AnyEvent]:
    return list(log.read(io.BytesIO(data)))


numbers = st.integers(1, 1 << 22)
tasks = st.builds(
    TaskRecorded,
    pids=st.lists(numbers.map(Number), min_size=1, max_size=4).map(tuple),
    parent=numbers.map(ProcessId),
    group=numbers.map(ProcessId),
    session=numbers.map(ProcessId),
    at=st.one_of(numbers, st.text(max_size=9)),
)
states = st.builds(
    TaskStateRecorded,
    pid=numbers.map(ProcessId),
    state=st.sampled_from(["running", "zombie"]),
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=16),
    at=numbers,
)


@given(st.lists(st.one_of(tasks, states)))
def test_what_is_written_is_read_back(events: list[AnyEvent]) -> None:
    assert read(written(*events))[1:] == events


def test_a_line_is_json_with_a_dense_seq_in_front() -> None:
    step = Create(
        number=StepNumber(1),
        actor=ProcessId(0),
        rule="root-first",
        child=ProcessId(1),
        waits=(Wait(StepNumber(3), "parent-creates"),),
    )
    data = written(StepPlanned(step=step), BirthDecided(pid=ProcessId(1), creator=ProcessId(0), rule="root-first"))
    decoded = [json.loads(line) for line in data.splitlines()]
    assert [list(line)[:2] for line in decoded] == [["seq", "type"]] * 3
    assert [line["seq"] for line in decoded] == [0, 1, 2]
    assert decoded[1]["step"]["op"] == "create"


def test_unknown_events_are_written_back_byte_for_byte() -> None:
    odd = b'{"seq":1, "type":"MoonRecorded","phase":[1.50,{"a":1e3}] }\n'
    events = read(OPENED + odd)
    assert events[1] == UnknownEvent(name="MoonRecorded", raw=odd[:-1])
    again = io.BytesIO()
    log.write(events, again)
    assert again.getvalue() == OPENED + odd


def test_an_unknown_event_that_moves_gets_its_new_number_and_keeps_its_fields() -> None:
    odd = read(OPENED + b'{"seq":1,"type":"MoonRecorded","phase":1.50}\n')[1]
    assert log.encode_line(7, odd) == b'{"seq":7,"type":"MoonRecorded","phase":1.50}\n'


def test_unknown_fields_are_passed_over_and_spaces_do_not_matter() -> None:
    (_, event) = read(OPENED + b'{"type": "StepDone", "mood": {"x": []}, "step": 4, "seq": 1}\n')
    assert event == StepDone(step=StepNumber(4))


def test_a_last_line_without_its_end_is_read() -> None:
    assert len(read(OPENED + b'{"seq":1,"type":"StepDone","step":4}')) == 2


@pytest.mark.parametrize(
    ("data", "at", "words"),
    [
        (b"", 0, "empty"),
        (b'{"seq":0,"type":"StepDone","step":1}\n', 0, "expected LogOpened"),
        (b'{"seq":0,"type":"LogOpened","format_version":99}\n', 0, "format version 99 is newer"),
        (b'{"seq":0,"type":"LogOpened","format_version":-4}\n', 0, "format version -4 is not known"),
        (OPENED + b'{"seq":2,"type":"StepDone","step":1}\n', len(OPENED), "expected seq 1, found 2"),
        (OPENED + b'{"seq":1,"type":"StepDone","step":"x"}\n', len(OPENED), "expected `int`"),
        (OPENED + b'{"seq":1,"type":"StepDone"}\n', len(OPENED), "missing required field `step`"),
        (OPENED + b'{"seq":1,"type":7}\n', len(OPENED), "expected `str`"),
        (OPENED + b'{"seq":1,"typ\n', len(OPENED), "line 2"),
        (OPENED + b"\n", len(OPENED), "line 2"),
        (OPENED + b"[1]\n", len(OPENED), "expected `object`"),
        (OPENED + OPENED.replace(b":0", b":1"), len(OPENED), "second time"),
        (OPENED + b'{"seq":1,"type":"Moon","x":' + b"[" * 300_000 + b"\n", len(OPENED), "nested too deeply"),
        (OPENED + b'{"seq":1,"type":"\xff"}\n', len(OPENED), "line 2"),
        (OPENED + b"x" * (log.LONGEST_LINE + 5), len(OPENED), "longer than"),
    ],
)
def test_a_bad_line_is_named_with_its_offset(data: bytes, at: int, words: str) -> None:
    with pytest.raises(BadImage) as caught:
        read(data)
    assert caught.value.at == at
    assert words in caught.value.message


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_bad_image(tail: bytes) -> None:
    with contextlib.suppress(BadImage):
        read(OPENED + tail)


def test_an_older_version_is_upcast_one_version_at_a_time() -> None:
    """Version -1 counted steps from 0, version 0 by halves."""

    def changed(change: Callable[[int], int]) -> Upcast:
        def upcast(events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
            for event in events:
                yield StepDone(step=StepNumber(change(event.step))) if isinstance(event, StepDone) else event

        return upcast

    upcasts = {-1: changed(lambda step: step + 1), 0: changed(lambda step: step * 2), 1: changed(lambda step: step - 5)}
    old = b'{"seq":0,"type":"LogOpened","format_version":-1}\n{"seq":1,"type":"StepDone","step":4}\n'
    events = list(log.read(io.BytesIO(old), upcasts))
    assert events == [LogOpened(format_version=FORMAT_VERSION), StepDone(step=StepNumber(5))]


def test_until_is_the_log_as_it_stood() -> None:
    events = [StepDone(step=StepNumber(number)) for number in range(1, 9)]
    assert list(log.until(events, 0)) == events[:1]
    assert list(log.until(events, 4)) == events[:5]
    assert list(log.until(events, 99)) == events


def test_a_log_is_recognised_by_its_first_line() -> None:
    assert log.recognises(OPENED)
    assert log.recognises(b' { "type" : "LogOpened" }')
    assert not log.recognises(b'{"type":"StepDone"}\n{"type":"LogOpened"}')
    assert not log.recognises(b"")


def test_a_writer_flushes_every_event() -> None:
    class Counting(io.BytesIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed = len(self.getvalue())

    stream = Counting()
    writer = log.LogWriter(stream, [LogOpened(format_version=FORMAT_VERSION)])
    writer.add(ImageOpened(format="linux-cr", generation="P3", at=0))
    writer.add(StepDone(step=StepNumber(1)))
    assert stream.flushed == len(stream.getvalue())
    assert [json.loads(line)["seq"] for line in stream.getvalue().splitlines()] == [0, 1, 2]
