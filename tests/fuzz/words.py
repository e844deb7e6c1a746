"""Values that break things: numbers at the edges, and texts that a terminal, a shell or a format would take for a command."""

import random
from typing import Final

NUMBERS: Final = (0, 1, 2, 3, 7, 8, 16, 63, 64, 255, 256, 300, 4096, 32768, 65536, 1 << 22, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LARGE: Final = (*NUMBERS, -1, -2, -300, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 10**30)

TEXTS: Final = (
    "",
    " ",
    "-",
    "--help",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[31mred",
    "\x9b31m",
    "\x7f\x00\x01",
    "line\nbreak\r\ttab",
    "\u202eright to left\u2066",
    "\u2028\u2029\ufeff",
    "\ud800",
    "\U000e0041",
    "$(touch /tmp/owned)`id`;&|",
    "'\"\\",
    "*/ int main(void){} /*",
    "//?\\",
    "</script><script>alert(1)</script>",
    "]]>&lt;<!--",
    "::error::owned",
    "| table | [x](javascript:1) |",
    "%s%n%d{}{0}",
    "é" * 8,
    "x" * 5000,
    "\\",
    "&amp;",
    '"]; evil [label="',
)


def number(source: random.Random, near: int = 0) -> int:
    """Return a number at an edge, or near a given one."""
    return source.choice((*NUMBERS, near - 1, near + 1, near, near * 2))


def text(source: random.Random) -> str:
    """Return a hostile text, or two in one."""
    return source.choice(TEXTS) + (source.choice(TEXTS) if source.random() < 0.2 else "")


def raw(source: random.Random) -> bytes:
    """Return a hostile text in bytes, which need not be UTF-8."""
    return source.choice((text(source).encode("utf-8", "surrogatepass"), source.randbytes(source.randrange(20))))
