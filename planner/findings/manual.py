"""All kinds of finding as a document: what each means, why, how to get out, and what follows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from planner.findings.registry import Kind

HOME: Final = "https://pypi.org/project/crplan/"
"""Where the project is found once it is released; reports in SARIF link to it (`informationUri`, `helpUri`).

It is the one public address that the project has. The page shows the README and has no anchor for a code, so an address names
none: what the section of a code says stands in the report itself (`fullDescription`, `help`), and in DOCUMENT beside the sources.
"""

DOCUMENT: Final = "plugins/FINDINGS.md"

CONSEQUENCES: Final = {
    "refused": "The restore refuses, before it begins or at its end.",
    "hangs": "The restore may not come to its end.",
    "wrong": "The restore reports success, and the tree differs.",
}


def document(kinds: Mapping[str, Kind], owners: Mapping[str, str]) -> str:
    """Return the Markdown with a section for each kind, by code; `owners` name the check that brings a kind."""
    lines = [
        "# Findings",
        "",
        "Each code of a finding or of an error, as `crplan check` names it in brackets: what it says, why, how to get out, and",
        "what follows. `--ignore CODE` lets a finding pass. This document is written by `crplan plugins --findings`.",
        "",
    ]
    for title, found in _grouped(kinds, owners):
        lines += [f"## {title}", ""]
        for kind in found:
            lines += _section(kind)
    return "\n".join(lines)


def _grouped(kinds: Mapping[str, Kind], owners: Mapping[str, str]) -> Iterator[tuple[str, list[Kind]]]:
    titles = dict.fromkeys(["", *sorted(set(owners.values()))])
    for owner in titles:
        found = [kinds[code] for code in sorted(kinds) if owners.get(code, "") == owner]
        if found:
            yield (f"Of the check `{owner}`" if owner else "Of the planner itself"), found


def _section(kind: Kind) -> Iterable[str]:
    yield from (f"### {kind.code}", "", f"{kind.severity.capitalize()}. {kind.sentence}", "")
    if kind.documentation:
        yield from (kind.documentation, "")
    if kind.outcome:
        yield from (CONSEQUENCES[kind.outcome], "")
    if kind.hint:
        yield from (f"What to do: {kind.hint}", "")
