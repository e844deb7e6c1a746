"""Human-readable text: `Shown` is what a terminal may get, and names from an image become that by `escaped`.

Names come from the image, and may hold any bytes. Which characters are shown is fixed here, and not left to the Unicode version
of the Python that runs: the same image gives the same bytes everywhere.
"""

import io
import re
from collections.abc import Iterable, Mapping
from typing import Final, NewType, TypeAlias

import msgspec

_FORMATS: Final = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that turn the direction of writing, end a line or show nothing: Cf, Zl and Zp, and places kept for such."""

_NO_CHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_UNSEEN: Final = f"\u1680\u2000-\u200a\u202f\u205f\u3000\ud800-\uf8ff\U000f0000-\U0010ffff{_NO_CHARACTERS}"
"""Spaces that look like the usual one, surrogates, characters for private use, and codes without a character."""

_NOT_SHOWN: Final = f"[\x00-\x1f\x7f-\xa0{_FORMATS}{_UNSEEN}]"
_CONTROLS: Final = f"\x1b\\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_FORMATS}]"
_JSON_CONTROLS: Final = f"[\x7f-\x9f{_FORMATS}]"
"""These three are compiled where a text is not plain ASCII: to compile them takes longer than to plan a small image."""


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """What a human-readable output can show; the defaults are those of a file."""

    width: int = 100
    colour: bool = False
    unicode: bool = True


FILE: Final = Terminal()
"""What a file can show."""


Shown = NewType("Shown", str)
"""Text of one line in which every character is printable: what the writers of human-readable output take, and nothing else.

It is made here alone, by `escaped` and `shown`; a test holds that.
"""


def shown(text: str) -> Shown:
    """Return a sentence that was put together, in which whatever is no printable character is escaped.

    A name goes through `escaped` first, so that two names never look the same.
    """
    if text.isascii() and text.isprintable():
        return Shown(text)
    return Shown(re.sub(_NOT_SHOWN, _escape, text))


def escaped(text: str) -> Shown:
    """Return `text` in one line, with backslash escapes for what is no printable character.

    Controls, line ends, text that turns the direction of writing and lone surrogates can neither move the cursor nor hide words.
    """
    return shown(text.replace("\\", "\\\\"))


MOST_SHOWN: Final = 1_000
"""Characters of a sentence that are shown where an image has put it together."""


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """Return a text of at most about `most` characters, with the number of those that were left out of its middle."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def ascii_only(text: str) -> str:
    """Return `text` with backslash escapes for everything that is not ASCII."""
    return text if text.isascii() else text.encode("ascii", "backslashreplace").decode("ascii")


def clause(sentence: str) -> str:
    """Return a sentence as it stands within another one: with a small first letter, unless it begins with an abbreviation."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def without_controls(text: str) -> str:
    """Return a text of lines in which every control character is escaped but line ends, tabs and the sequences of colours."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return re.sub(_CONTROLS, lambda found: found[0] if len(found[0]) > 1 else _escape(found), text)


def json_document(record: object, indent: int = 2) -> bytes:
    """Return a record as a JSON document that ends its last line; without `indent` it has one line.

    No byte of it is a control character but line ends, as in `json_line`.
    """
    encoded = json_line(msgspec.json.encode(record))
    return (msgspec.json.format(encoded, indent=indent) if indent else encoded) + b"\n"


def json_line(encoded: bytes) -> bytes:
    """Return encoded JSON with escapes for the control characters that JSON lets stand: they say the same to a program."""
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return re.sub(_JSON_CONTROLS, _json_escape, encoded.decode("utf-8", "replace")).encode()


def _json_escape(found: re.Match[str]) -> str:
    return "".join(f"\\u{unit:04x}" for unit in memoryview(found[0].encode("utf-16-le")).cast("H"))


Span: TypeAlias = tuple[str, str]
"""Text and the name of its style, "" for none."""

Line: TypeAlias = list[Span]


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return shown("".join(text for text, _ in line).rstrip())


def render(lines: Iterable[Line], styles: Mapping[str, str], *, colour: bool, unicode: bool) -> str:
    """Return lines as text, in which nothing but colours is no printable character; without `unicode` everything is ASCII.

    `styles` are the colours of the styles by name, in rich's words.
    """
    if not colour:
        text = "".join(f"{plain(line)}\n" for line in lines)
        return text if unicode else ascii_only(text)
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system="standard", width=1 << 16, highlight=False, legacy_windows=False
    )
    for line in lines:
        spans = [(shown(text) if unicode else ascii_only(shown(text)), styles.get(style, "")) for text, style in line]
        console.print(Text.assemble(*spans), soft_wrap=True)
    return out.getvalue()
