"""The display of large records in notebooks.

A picture of a plan is made by a back end, which is a plugin, and a record knows of no plugin. So the library, which does,
registers here how a record is shown; before it has been imported, records show their short repr only.
"""

from collections.abc import Callable
from typing import Any, Literal

Form = Literal["html", "svg"]

_RENDERERS: dict[tuple[type, Form], Callable[[Any], str | None]] = {}


def register(kind: type, form: Form, renderer: Callable[[Any], str | None]) -> None:
    """Let records of `kind` be shown by `renderer`, which returns a document of that form, or None where it cannot."""
    _RENDERERS[kind, form] = renderer


def rendered(record: object, form: Form) -> str | None:
    """Return the record as HTML or SVG, None where that is not known: a notebook then shows the repr."""
    renderer = _RENDERERS.get((type(record), form))
    return renderer(record) if renderer else None
