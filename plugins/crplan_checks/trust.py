"""What an archive of a stranger would have the machine do that restores it."""

from collections.abc import Iterator
from typing import Final

from crplan_checks.kinds_trust import BY_PROPERTY, TRUST, TRUST_SECRET
from planner.contents.model import Contents
from planner.findings.registry import Answer, Passed, Unknown
from planner.forest.model import Forest

RISK: Final = "risk "
"""How the properties begin by which a reader records a risk."""


def check(forest: Forest, contents: Contents) -> Iterator[Answer]:
    """Yield the risks of an image, and for every question that found none that it passed."""
    if not contents.recorded or forest.images:
        missing = "what is in the image beside the process tree" if not forest.images else "which of the containers is meant"
        yield from (Unknown(code=kind.code, missing=missing) for kind in TRUST)
        return
    found: set[str] = set()
    for record in contents.properties:
        kind = BY_PROPERTY.get(record.property.removeprefix(RISK)) if record.property.startswith(RISK) else None
        if kind is not None:
            found.add(kind.code)
            sentence = kind.sentence.removesuffix(".")
            property = record.property.removeprefix(RISK)
            yield kind.found(f"{sentence}: {record.value}", property=property, recorded=record.value, at=record.at)
    for command in contents.commands.values():
        for name in command.secrets:
            found.add(TRUST_SECRET.code)
            yield TRUST_SECRET.found(
                f"task {command.pid} has what looks like a secret in its environment or command line: {name}",
                pid=command.pid,
                property="secret",
                recorded=name,
                at=command.at,
            )
    yield from (Passed(code=kind.code) for kind in TRUST if kind.code not in found)
