"""Names from an image, made safe to show: they are the bytes of whoever wrote the image."""

from typing import Final

import msgspec


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """What an output for people can show; the defaults are those of a file."""

    width: int = 100
    colour: bool = False
    unicode: bool = True


FILE: Final = Terminal()
"""What a file can show."""


def escaped(text: str) -> str:
    """Return `text` in one line, with backslash escapes for what is no printable character.

    Controls, line ends, text that turns the direction of writing and lone surrogates can neither move the cursor nor hide words.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def ascii_only(text: str) -> str:
    """Return `text` with backslash escapes for everything that is not ASCII."""
    return text if text.isascii() else text.encode("ascii", "backslashreplace").decode("ascii")
