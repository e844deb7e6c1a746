"""Installed entry points of one group, found without `importlib.metadata` where that is possible.

That module imports an e-mail parser, zip files and sockets, which costs more time than a whole run of crplan on a small image.
What it would find lies in `NAME.dist-info/entry_points.txt` in the directories of `sys.path`. Where the path holds anything else
(an archive, or a finder of its own that knows distributions), the standard module is asked after all.
"""

import os
import sys
from typing import Final

import msgspec

PROJECT: Final = "crplan"
"""The distribution's name."""


class Entry(msgspec.Struct, frozen=True, order=True):
    """An entry point: the plugin's name, the module that it names, and the distribution that it came with.

    `own` says that it is part of this crplan: of a distribution of that name, with its module beside the planner's. The name
    alone says nothing, since any distribution may take it.
    """

    name: str
    module: str
    distribution: str
    version: str
    own: bool = False


def installed(group: str) -> list[Entry]:
    """Return the entry points of `group`, sorted; of two distributions of one name the first on `sys.path` counts.

    Of several that are called as crplan is, all count, so that none hides crplan's own; what two of them say counts once.
    """
    found = _scan(group) if _plain_path() else None
    return sorted(_ask_standard(group) if found is None else found)


def _plain_path() -> bool:
    """Say whether every distribution lies in a directory of `sys.path`."""
    if any(hasattr(finder, "find_distributions") and finder.__name__ != "PathFinder" for finder in _finders()):
        return False
    return not any(os.path.isfile(place) for place in sys.path)


def _finders() -> list[type]:
    return [finder if isinstance(finder, type) else type(finder) for finder in sys.meta_path]


class _Entries:
    """Entry points of distribution after distribution, in the order of `sys.path`."""

    def __init__(self) -> None:
        self.found: list[Entry] = []
        self._seen: set[str] = set()

    def counts(self, name: str) -> bool:
        """Say whether a distribution counts: it is the first of its name, or it is called as crplan is."""
        key = name.lower().replace("_", "-").replace(".", "-")
        new = key not in self._seen
        self._seen.add(key)
        return new or key == PROJECT

    def add(self, points: list[tuple[str, str]], distribution: str, version: str) -> None:
        """Add the entry points of a distribution."""
        said = {(entry.name, entry.module) for entry in self.found if entry.distribution == PROJECT == distribution}
        for name, module in points:
            if (name, module) not in said:
                own = distribution == PROJECT and _beside_planner(module)
                self.found.append(Entry(name, module, distribution, version, own))


def _beside_planner(place: str) -> bool:
    """Say whether what an entry point names would be imported from where crplan itself is: an installation or a checkout."""
    from importlib.util import find_spec

    top = place.partition(":")[0].partition(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return False
    home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    at = os.path.dirname(os.path.dirname(os.path.realpath(spec.origin))) if spec is not None and spec.origin else ""
    return at in {home, os.path.join(home, "plugins")}


def _ask_standard(group: str) -> list[Entry]:
    from importlib.metadata import distributions

    entries = _Entries()
    for distribution in distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
            if not name or not entries.counts(name):
                continue
            text = distribution.read_text("entry_points.txt") or ""
        except Exception:  # what others have installed may be damaged in any way
            continue
        entries.add(_section(text, group), name, version)
    return entries.found


def _scan(group: str) -> list[Entry] | None:
    """Return the entries found in directories, None where a file cannot be made out."""
    entries = _Entries()
    for place in dict.fromkeys(sys.path):
        try:
            names = sorted(os.listdir(place or "."))
        except OSError:
            continue
        for name in names:
            if not name.endswith((".dist-info", ".egg-info")):
                continue
            if not entries.counts(name.rpartition(".")[0].partition("-")[0]):
                continue
            directory = os.path.join(place, name)
            points = _section(_text(os.path.join(directory, "entry_points.txt")), group)
            if not points:
                continue
            try:
                distribution, version = _name_and_version(directory)
            except (OSError, ValueError):
                return None
            entries.add(points, distribution, version)
    return entries.found


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="backslashreplace") as stream:
            return stream.read()
    except OSError:
        return ""


def _section(text: str, group: str) -> list[tuple[str, str]]:
    """Return the lines `name = module` of one section of an entry point file."""
    points: list[tuple[str, str]] = []
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            points.append((name.strip(), value.partition("[")[0].strip()))
    return points


def _name_and_version(directory: str) -> tuple[str, str]:
    """Return name and version from a distribution's metadata; raises ValueError where it holds none."""
    file = "METADATA" if directory.endswith(".dist-info") else "PKG-INFO"
    name = version = ""
    with open(os.path.join(directory, file), encoding="utf-8", errors="backslashreplace") as stream:
        for line in stream:
            if line.startswith("Name:"):
                name = line[5:].strip()
            elif line.startswith("Version:"):
                version = line[8:].strip()
            elif not line.strip():
                break
    if not name or not version:
        raise ValueError(f"{directory} names no distribution")
    return name, version
