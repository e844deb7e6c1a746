"""JSON Schemas compared by what they mean."""

import json
from typing import Any

UNORDERED = {"required", "enum", "anyOf", "oneOf", "allOf"}
"""Keywords whose lists mean the same in any order."""


def meaning(schema: bytes) -> Any:
    """Return a schema in a form that is equal for schemas that mean and say the same: order and white space apart."""
    return _meaning(json.loads(schema))


def _meaning(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _meaning(value, name) for name, value in node.items()}
    if isinstance(node, list):
        parts = [_meaning(value) for value in node]
        return sorted(parts, key=lambda part: json.dumps(part, sort_keys=True)) if key in UNORDERED else parts
    return " ".join(node.split()) if key == "description" and isinstance(node, str) else node
