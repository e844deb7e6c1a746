"""A small decoder of protobuf's wire format: varints and lengths, iterative, bounded by the bytes that are there.

A `Message` is a table of field numbers. Decoding gives a dictionary by field name: whole numbers for scalars, bytes for strings
and for nested messages (decoded by the caller that needs them, so that a processor's registers are stepped over in one go),
lists for repeated fields. As in the protobuf library, the last scalar wins, a repeated nested message is the concatenation of
its parts, and repeated scalars may be packed or not. Fields that the table does not know are counted.

The protobuf library decodes four times as fast: 30 ms of processor time for the cores of a thousand tasks, and 110 ms here. Its
import costs 90 ms, so it pays beyond a thousand tasks and costs on every smaller image; and it knows no bound on fields. The
figures are those of `tests/benchmarks/test_criu_decoders.py`.

Source: protobuf's encoding specification. `tests/plugins/test_criu_wire.py` holds this decoder against the protobuf library.
"""

import re
import sys
from functools import cached_property
from typing import Final, Literal

import msgspec

Kind = Literal["u32", "u64", "i32", "s32", "bool", "bytes", "message", "skip"]
"""`i32` is two's complement, `s32` zigzag; `bytes` are strings too, since they need not be UTF-8; `skip` is a
field that is known and not needed, of any wire type."""

KEPT_BITS: Final = {"u32": 0xFFFF_FFFF, "u64": 0xFFFF_FFFF_FFFF_FFFF}
"""Bits of a varint that are the value, of the kinds that need no more."""

Value = int | bytes | list[int] | list[bytes]
Fields = dict[str, Value]

MAX_VARINT: Final = 10
"""Bytes of the longest varint, 64 bits in groups of 7."""

MAX_TAG: Final = 5
"""Bytes of the longest tag, 32 bits in groups of 7."""

HIGHEST_TAG: Final = 0xFFFFFFFF
"""A tag has 32 bits: three of wire type and 29 of field number."""


class WireError(ValueError):
    """The bytes are no protobuf message; the text says what is wrong, and the caller knows where."""


class Budget:
    """How many fields may still be decoded: a few bytes of a compressed archive can hold millions."""

    def __init__(self, fields: int = sys.maxsize) -> None:
        self.left = fields

    def spend(self, fields: int) -> None:
        """Take fields off; raises WireError where there are not as many left."""
        self.left -= fields
        if self.left < 0:
            raise WireError("more fields than the size of the archive allows; if it is to be trusted, unpack it first")


UNBOUNDED: Final = Budget()


class Field(msgspec.Struct, frozen=True):
    """A field of a message."""

    name: str
    kind: Kind = "u32"
    repeated: bool = False


class Message:
    """A table of fields by number, prepared for decoding: `by_tag` is keyed by what stands on the wire.

    With `one_of` a message has one of the nested messages, which is the last of its fields.
    """

    def __init__(self, name: str, fields: dict[int, Field], *, one_of: bool = False) -> None:
        self.name = name
        self.one_of = one_of
        self.fields = fields
        self.by_tag: dict[int, tuple[Field, str]] = {}
        for number, field in fields.items():
            if field.kind == "skip":
                self.by_tag.update({number << 3 | wire: (field, "skip") for wire in (0, 1, 2, 5)})
            elif field.kind in ("bytes", "message"):
                self.by_tag[number << 3 | 2] = (field, "append" if field.repeated else field.kind)
            else:
                self.by_tag[number << 3] = (field, "append" if field.repeated else "scalar")
                if field.repeated:
                    self.by_tag[number << 3 | 2] = (field, "packed")

    @cached_property
    def in_order(self) -> "InOrder | None":
        """How the usual form of this message is read, None for one that has more than numbers and a nested message."""
        nested = [field for field in self.fields.values() if field.kind == "message"]
        plain = not any(field.repeated or field.kind == "bytes" for field in self.fields.values())
        return InOrder(self.fields) if plain and (not nested or self.one_of) else None


VARINT: Final = rb"[\x80-\xff]{0,8}[\x00-\x7f]"
"""A number of 63 bits at most, as a pattern; the longer ones are negative, and read in the other way."""


class InOrder:
    """The usual form of a message: numbers, each once and in the order of their fields, and at most one nested message behind.

    One regular expression steps over it, at a third of the cost of looking at every byte here. Of any other form it says nothing.
    """

    def __init__(self, fields: dict[int, Field]) -> None:
        pattern = b""
        self.kept: list[tuple[str, int, Kind]] = []
        """Name, the bits that are kept as they stand or 0 where more is to be done, and the kind that says what."""
        self.nested = {_varint_of(number << 3 | 2): field.name for number, field in fields.items() if field.kind == "message"}
        for number, field in sorted(fields.items()):
            if field.kind != "message":
                keep = field.kind != "skip"
                pattern += b"(?:" + re.escape(_varint_of(number << 3)) + (b"(" if keep else b"(?:") + VARINT + b"))?"
                if keep:
                    self.kept.append((field.name, KEPT_BITS.get(field.kind, 0), field.kind))
        if self.nested:
            pattern += b"(?:(" + b"|".join(map(re.escape, self.nested)) + b")(" + VARINT + b"))?"
        self._match = re.compile(pattern, re.DOTALL).match
        self.most = len(fields)
        """Fields that a message of this form has at most."""

    def decode(self, data: bytes) -> Fields | None:
        """Return the fields of a message of this form, None for any other."""
        found = self._match(data)
        assert found is not None, "a pattern of optional parts"
        end = found.end()
        groups = found.groups()
        fields: Fields = {}
        if self.nested and groups[-2] is not None:
            if len(data) - end != _value(groups[-1]):
                return None
            fields[self.nested[groups[-2]]] = data[end:]
        elif end != len(data):
            return None
        for (name, bits, kind), octets in zip(self.kept, groups, strict=False):
            if octets is not None:
                number = octets[0] if len(octets) == 1 else _value(octets)
                fields[name] = number & bits if bits else _convert(number, kind)
        return fields


def _value(octets: bytes) -> int:
    """Return the number that a whole varint is."""
    number = octets[0] & 0x7F
    shift = 7
    for byte in octets[1:]:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number


def _varint_of(value: int) -> bytes:
    """Return a number as it stands on the wire."""
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read the varint at `at` and return it with the place after it; raises WireError when it leaves the message or 64 bits."""
    value = shift = 0
    for place in range(at, min(end, at + MAX_VARINT)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    if at >= end:
        raise WireError("a number is missing at the end of the message")
    raise WireError("a number runs past the end of the message" if end - at < MAX_VARINT else "a number has more than 64 bits")


def _convert(value: int, kind: Kind) -> int:
    """Narrow a varint to the declared type, as the protobuf library does."""
    if kind == "u32":
        return value & 0xFFFF_FFFF
    if kind == "u64":
        return value
    if kind == "bool":
        return int(value != 0)
    value &= 0xFFFF_FFFF
    if kind == "s32":
        return (value >> 1) ^ -(value & 1)
    return value - (1 << 32) if value >> 31 else value


def _long_tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a tag of more than one byte, with the place after it."""
    tag, after = varint(data, at, end)
    if after - at > MAX_TAG:
        raise WireError(f"a tag of {after - at} bytes, and none has more than {MAX_TAG}")
    return tag, after


def _extent(data: bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Return where the bytes of a field that is no varint begin and end."""
    if wire == 2:
        size, at = varint(data, at, end)
        if size > end - at:
            raise WireError(f"a field claims {size} bytes and {end - at} are left")
        return at, at + size
    if wire not in (1, 5):
        raise WireError(f"wire type {wire} does not occur in CRIU images")
    after = at + (8 if wire == 1 else 4)
    if after > end:
        raise WireError("a fixed-size number runs past the end of the message")
    return at, after


def decode(message: Message, data: bytes, unknown: dict[str, int], budget: Budget = UNBOUNDED) -> Fields:
    """Decode `data` by the table and return what is there by name; a missing field has no key.

    Fields outside the table are counted in `unknown` under the message's name. Raises WireError, where `budget` is spent, too.
    """
    if message.in_order is not None and (usual := message.in_order.decode(data)) is not None:
        if budget is not UNBOUNDED:
            budget.spend(min(message.in_order.most, len(data) // 2))
        return usual
    return _field_by_field(message, data, unknown, budget)


def _field_by_field(message: Message, data: bytes, unknown: dict[str, int], budget: Budget) -> Fields:
    """Decode a message of any form, as `decode` does."""
    # A field has two bytes at least, so most messages need not be counted while they are decoded.
    counting = len(data) // 2 > budget.left
    spent = 0
    fields: Fields = {}
    by_tag = message.by_tag
    at, end = 0, len(data)
    while at < end:
        spent += 1
        if counting and spent > budget.left:
            budget.spend(spent)
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _long_tag(data, at - 1, end)
        wire = tag & 7
        if wire == 2 and at < end and (size := data[at]) < 0x80 and size < end - at:
            start, at = at + 1, at + 1 + size
        elif wire:
            start, at = _extent(data, at, end, wire)
        else:
            number, at = (data[at], at + 1) if at < end and data[at] < 0x80 else varint(data, at, end)
        if not 8 <= tag <= HIGHEST_TAG:
            raise WireError(f"field number {tag >> 3} does not exist")
        known = by_tag.get(tag)
        if known is None:
            unknown[message.name] = unknown.get(message.name, 0) + 1
            continue
        field, how = known
        if how == "scalar":
            fields[field.name] = number if number < 0x80 and field.kind[0] == "u" else _convert(number, field.kind)
        elif how != "skip":
            if how == "packed":
                budget.spend(at - start)
            _store(fields, field, how, data[start:at] if wire == 2 else _convert(number, field.kind))
    if budget is not UNBOUNDED:
        budget.spend(spent)
    return fields


def _store(fields: Fields, field: Field, how: str, value: int | bytes) -> None:
    """Store a value that is more than one scalar: bytes, a nested message, or an element of a repeated field."""
    if how == "bytes":
        fields[field.name] = value
    elif how == "message":
        before = fields.get(field.name)
        fields[field.name] = before + value if isinstance(before, bytes) and isinstance(value, bytes) else value
    elif how == "append":
        fields.setdefault(field.name, []).append(value)  # type: ignore[union-attr,arg-type]  # a list, by `how`
    elif isinstance(value, bytes):
        elements: list[int] = []
        at = 0
        while at < len(value):
            element, at = varint(value, at, len(value))
            elements.append(_convert(element, field.kind))
        fields.setdefault(field.name, []).extend(elements)  # type: ignore[union-attr,arg-type]  # as above


def scalars(fields: Fields) -> dict[str, int]:
    """Return the fields of a message that has single numbers alone, for loops in which `number` would cost the most."""
    return fields  # type: ignore[return-value]  # as its table says


def number(fields: Fields, name: str, missing: int = 0) -> int:
    """Return a scalar field, or `missing`."""
    return fields.get(name, missing)  # type: ignore[return-value]  # a scalar, as its table says


def octets(fields: Fields, name: str) -> bytes:
    """Return a bytes, string or nested message field; empty when it is missing."""
    return fields.get(name, b"")  # type: ignore[return-value]  # bytes, as its table says


def numbers(fields: Fields, name: str) -> list[int]:
    """Return a repeated scalar field; empty when it is missing."""
    return [value for value in _list(fields, name) if isinstance(value, int)]


def parts(fields: Fields, name: str) -> list[bytes]:
    """Return a repeated bytes or message field; empty when it is missing."""
    return [value for value in _list(fields, name) if isinstance(value, bytes)]


def _list(fields: Fields, name: str) -> list[int] | list[bytes]:
    value = fields.get(name, [])
    assert isinstance(value, list)
    return value
