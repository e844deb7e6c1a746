"""The page: one file with its data, its style and its script in it, and nothing that it would fetch."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Final

import msgspec

from crplan_pictures.story import Record, story
from planner.hookspecs import Artefact

SCRIPTS: Final = ("slices.js", "model.js", "list.js", "tree.js", "details.js", "timeline.js", "page.js")
"""The parts of the page's script, in the order in which they build on each other."""

PIECE: Final = 5000
"""Entries of a list that are read at once, so that a browser can draw and answer between two pieces."""

_IN_SCRIPT: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x7f": "\\u007f"}
)
"""Characters that JSON has only in strings, and that could end the element around it or a line of it."""


def emit(artefact: Artefact) -> str:
    """Return the page. Its content policy allows nothing but its own style and script, by their digests."""
    told = story(artefact)
    style, script = _part("page.css"), '"use strict";\n(async () => {\n' + "\n".join(map(_part, SCRIPTS)) + "})();\n"
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    head, rest = _part("page.html").split("<!-- style -->\n")
    body, end = rest.split("<!-- script -->\n")
    head = head.replace("{policy}", policy).replace("{title}", escape(f"{told['title']} - crplan"))
    return "".join(
        (
            head,
            f"<style>{style}</style>\n",
            body,
            *(f'<script type="application/json" data-part="{name}">{in_script(part)}</script>\n' for name, part in _parts(told)),
            f"<script>{script}</script>\n",
            end,
        )
    )


def _parts(told: Record) -> Iterator[tuple[str, object]]:
    """Yield a record by its keys, long lists in pieces."""
    for name, part in told.items():
        if isinstance(part, list):
            yield from ((name, part[at : at + PIECE]) for at in range(0, len(part) or 1, PIECE))
        else:
            yield name, part


def in_script(told: object) -> str:
    """Return what is told as JSON that can stand in a script element, whatever it holds."""
    return msgspec.json.encode(told).decode().translate(_IN_SCRIPT)


def _part(name: str) -> str:
    return files("crplan_pictures").joinpath("page", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
