"""Installed entry points of one group, found without `importlib.metadata` where that is possible.

That module imports an e-mail parser, zip files and sockets, which costs more time than a whole run of crplan on a small image.
What it would find lies in `NAME.dist-info/entry_points.txt` in the directories of `sys.path`. Where the path holds anything else
(an archive, or a finder of its own that knows distributions), the standard module is asked after all.
"""

import os
import sys

import msgspec


class Entry(msgspec.Struct, frozen=True, order=True):
    """An entry point: the plugin's name, the module that it names, and the distribution that it came with."""

    name: str
    module: str
    distribution: str
    version: str


def installed(group: str) -> list[Entry]:
    """Return the entry points of `group`, sorted; of two distributions of one name the first on `sys.path` counts."""
    found = _scan(group) if _plain_path() else None
    return sorted(_ask_standard(group) if found is None else found)


def _plain_path() -> bool:
    """Say whether every distribution lies in a directory of `sys.path`."""
    if any(hasattr(finder, "find_distributions") and finder.__name__ != "PathFinder" for finder in _finders()):
        return False
    return not any(os.path.isfile(place) for place in sys.path)


def _finders() -> list[type]:
    return [finder if isinstance(finder, type) else type(finder) for finder in sys.meta_path]


def _ask_standard(group: str) -> list[Entry]:
    from importlib.metadata import entry_points

    return [
        Entry(point.name, point.value, point.dist.name if point.dist else "", point.dist.version if point.dist else "")
        for point in entry_points(group=group)
    ]


def _scan(group: str) -> list[Entry] | None:
    """Return the entries found in directories, None where a file cannot be made out."""
    entries: list[Entry] = []
    seen: set[str] = set()
    for place in dict.fromkeys(sys.path):
        try:
            names = sorted(os.listdir(place or "."))
        except OSError:
            continue
        for name in names:
            if not name.endswith((".dist-info", ".egg-info")):
                continue
            key = name.rpartition(".")[0].partition("-")[0].lower().replace("_", "-").replace(".", "-")
            if key in seen:
                continue
            seen.add(key)
            directory = os.path.join(place, name)
            points = _section(os.path.join(directory, "entry_points.txt"), group)
            if not points:
                continue
            try:
                distribution, version = _name_and_version(directory)
            except (OSError, ValueError):
                return None
            entries += [Entry(point, module, distribution, version) for point, module in points]
    return entries


def _section(file: str, group: str) -> list[tuple[str, str]]:
    """Return the lines `name = module` of one section of an entry point file."""
    try:
        with open(file, encoding="utf-8", errors="backslashreplace") as stream:
            text = stream.read()
    except OSError:
        return []
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
