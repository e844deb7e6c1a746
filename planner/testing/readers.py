"""A conformance suite for readers: one line in a plugin author's test, `conforms(reader, images=[...])`."""

from collections.abc import Sequence

import msgspec

from planner.errors import BadImage, Contradiction
from planner.events.records import AnyEvent, ImageClosed, ImageOpened, LogOpened, TaskRecorded
from planner.hookspecs import Reader, ReadRequest
from planner.pipeline.resolve import resolve
from planner.pipeline.sources import from_bytes
from planner.testing.contracts import assert_record

NOISE = (b"", b"\x00", b"\xff" * 5000, b"{}", b"\x1b[2J")
"""What no reader of a plugin may claim, or fall over."""


def conforms(reader: Reader, images: Sequence[bytes]) -> None:
    """Assert that a reader keeps the contract; raises AssertionError that says what it broke.

    `images` are good ones. It recognises them by content and nothing else, reads them twice the same from `ImageOpened` to
    `ImageClosed` with a place for every task, and they can be planned. What is cut short, changed in a byte or noise is read, or
    refused by `BadImage`, and never a traceback.
    """
    assert_record(reader, reader.read)
    assert images, "give it at least one good image"
    for noise in NOISE:
        assert not reader.recognises(from_bytes(noise)), f"it recognises {noise[:8]!r}"
    for image in images:
        assert reader.recognises(from_bytes(image)), "it does not recognise a good image"
        events = _read(reader, image)
        assert isinstance(events[0], ImageOpened), "the first event is ImageOpened"
        assert isinstance(events[-1], ImageClosed), "the last event is ImageClosed"
        assert events[-1].complete, "a good image is complete"
        assert events[-1].tasks == sum(isinstance(event, TaskRecorded) for event in events), "ImageClosed counts the tasks"
        assert msgspec.json.encode(_read(reader, image)) == msgspec.json.encode(events), "two reads, two logs"
        resolve([LogOpened(format_version=1), *events])
        _check_damage(reader, image)


def _check_damage(reader: Reader, image: bytes) -> None:
    step = max(1, len(image) // 64)
    damaged = [image[:length] for length in range(0, len(image), step)]
    damaged += [image[:place] + bytes([image[place] ^ 0x81]) + image[place + 1 :] for place in range(0, len(image), step)]
    for bytes_ in damaged:
        source = from_bytes(bytes_)
        reader.recognises(source)
        try:
            events = list(reader.read(source, ReadRequest()))
        except (BadImage, Contradiction) as refusal:
            assert str(refusal), "a refusal says why"
        else:
            assert all(isinstance(event, msgspec.Struct) for event in events)


def _read(reader: Reader, image: bytes) -> list[AnyEvent]:
    return list(reader.read(from_bytes(image), ReadRequest()))
