"""The hierarchies of cgroups as this process sees them: which controllers there are, and whether a directory is there."""

import os
import re
from typing import Final

UNIFIED: Final = "unified"
"""What the hierarchy of version 2 is called, which has no name."""

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def hierarchies(mounts: str) -> dict[str, str]:
    """Return where the root of the hierarchy of each controller is mounted, from the text of /proc/PID/mountinfo."""
    found: dict[str, str] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, of = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(of) < 3 or fields[3] != "/":
            continue
        point = _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        if of[0] == "cgroup2":
            found.setdefault(UNIFIED, point)
        elif of[0] == "cgroup":
            for option in of[2].split(","):
                found.setdefault(option, point)
    return found


def controllers() -> tuple[str, ...] | None:
    """Return the controllers that CRIU can mount a hierarchy of version 1 with, and "unified" where there is version 2.

    A controller that belongs to no hierarchy of version 1 can be mounted unless version 2 has it. None where this process cannot
    know.
    """
    own, kernel = _text("/proc/self/cgroup"), _text("/proc/cgroups")
    if own is None:
        return None
    found: set[str] = set()
    for line in own.splitlines():
        names = line.partition(":")[2].partition(":")[0]
        found.update(names.split(",") if names else (UNIFIED,))
    place = hierarchies(_text("/proc/self/mountinfo") or "").get(UNIFIED, "")
    taken = set((_text(f"{place}/cgroup.controllers") or "").split()) if place else set()
    for line in (kernel or "").splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[1] == "0" and fields[3] == "1" and fields[0] not in taken:
            found.add(fields[0])
    return tuple(sorted(found))


def there(names: tuple[str, ...]) -> dict[str, bool]:
    """Say of each "controller /path" whether the directory is there; one whose hierarchy is not mounted has no answer."""
    mounted = hierarchies(_text("/proc/self/mountinfo") or "") if names else {}
    found: dict[str, bool] = {}
    for name in names:
        controller, _, path = name.partition(" ")
        place = mounted.get(controller.partition(",")[0])
        if place is not None and ".." not in path.split("/") and "\0" not in path:
            found[name] = os.path.isdir(f"{place}{path}")
    return found


def _text(file: str) -> str | None:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return None
