"""The JSON Schemas that are published for documents: made from their records, and the same whatever library made them."""

import inspect
from typing import Any

import msgspec


def published(record: type[msgspec.Struct], title: str) -> bytes:
    """Return the JSON Schema of a document as it is published, in UTF-8 with a newline at its end.

    Descriptions are the records' docstrings, cleaned here: msgspec and Python differ between versions in how they indent them.
    """
    generated = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **msgspec.json.schema(record),
    }
    return msgspec.json.format(msgspec.json.encode(_cleaned(generated)), indent=2) + b"\n"


def _cleaned(node: Any) -> Any:
    """Return a part of a schema with its descriptions cleaned."""
    match node:
        case dict():
            return {
                key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _cleaned(value)
                for key, value in node.items()
            }
        case list() | tuple():
            return [_cleaned(value) for value in node]
        case _:
            return node
