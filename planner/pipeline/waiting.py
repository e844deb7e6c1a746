"""Logs of images that wait to be planned: the first pass over several images keeps them compressed, as far as there is room.

What was read to see how images belong together is not read a second time then. What finds no room is read again, so that memory
does not grow with the size of what waits.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from planner.errors import BadImage, CrplanError, SeveralImages
from planner.events import log
from planner.events.records import AnyEvent
from planner.hookspecs import Detail

ROOM: Final = 16 << 20
"""Bytes for logs that wait, whatever their number."""

ROOM_OF_ONE: Final = 1 << 11
"""Bytes for each image that waits beside `ROOM`."""

MOST_EVENTS: Final = 1 << 14
"""Events of a log that may be kept: those of a thousand tasks."""

Events = Callable[[], Iterator[AnyEvent]]
"""Yields the log of an image from its beginning; raises what reading raises."""


class Waiting:
    """Keeps logs until they are asked for."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room

    def first_pass(self, events: Callable[[Detail], Iterator[AnyEvent]], detail: Detail) -> tuple[list[AnyEvent], Events]:
        """Return what a log says of its image's namespaces, up to the first task at least, and how it is had again.

        An image that cannot be read whole says what it can; its log raises the reason. Raises `SeveralImages`.
        """
        begun: list[AnyEvent] = []

        def again() -> Iterator[AnyEvent]:
            return events(detail)

        try:
            for event in again():
                begun.append(event)
                if len(begun) > MOST_EVENTS:
                    return begun, again
        except SeveralImages:
            raise
        except CrplanError:
            return _as_far_as_possible(events), again
        packed = zlib.compress(b"".join(log.lines(begun)), 1)
        self._room += ROOM_OF_ONE
        if len(packed) > self._room:
            return begun, again
        self._room -= len(packed)
        return begun, lambda: log.read(io.BytesIO(zlib.decompress(packed)))


def _as_far_as_possible(events: Callable[[Detail], Iterator[AnyEvent]]) -> list[AnyEvent]:
    said: list[AnyEvent] = []
    with suppress(BadImage):
        said.extend(events("pod"))
    return said
