"""An image file that is read for what processes hold: its entries, decoded one after the other, each with its place."""

from collections.abc import Callable, Iterator

from crplan_criu.images import Order, byte_order, entries, place
from crplan_criu.wire import Fields, Message

Decode = Callable[[Message, bytes, str], Fields]
"""Decodes a message within the budget of its dump; raises BadImage with the place."""


class ImageFile:
    """One file: its name, the number in it, and its entries."""

    def __init__(self, name: str, kind: str, number: int, data: bytes, decode: Decode) -> None:
        self.name, self.kind, self.number = name, kind, number
        self.at = place(name)
        self._data = data
        self._decode = decode

    @property
    def order(self) -> Order:
        """The byte order of the machine that wrote the file."""
        return byte_order(self._data)

    def entries(self) -> Iterator[bytes]:
        """Yield the entries, and keep the place of the one that is at hand in `at`; raises BadImage."""
        for position, entry in enumerate(entries(self.name, self.kind, self._data)):
            self.at = place(self.name, position)
            yield entry

    def decode(self, message: Message, data: bytes) -> Fields:
        """Decode a message of the entry at hand; raises BadImage."""
        return self._decode(message, data, self.at)

    def read(self, message: Message) -> Iterator[Fields]:
        """Yield the entries, decoded; raises BadImage."""
        for entry in self.entries():
            yield self._decode(message, entry, self.at)


def text(octets: bytes) -> str:
    """Return bytes of an image as text; what is no UTF-8 is written as escapes."""
    return octets.decode("utf-8", "backslashreplace")
