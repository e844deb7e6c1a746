"""The cgroups that a restore makes or looks for: controllers, directories, and the limits that are written into new ones.

Source: CRIU 4.2, `images/cgroup.proto`, `criu/cgroup.c`.
"""

from collections.abc import Iterator
from typing import Final

from crplan_criu import messages_contents as messages
from crplan_criu.image_file import ImageFile, text
from crplan_criu.wire import octets, parts
from planner.events.contents import ContentsEvent, PropertyRecorded

CONTROLLERS: Final = "cgroup controllers"
DIRECTORY: Final = "cgroup directory"
LIMIT: Final = "cgroup limit"

MOST: Final = 10_000
"""Directories of cgroups that are recorded."""

LONGEST: Final = 4096
"""Characters of a path: what lies deeper can be no directory, and directories nested in one another cost a square."""

LIMITS: Final = frozenset(
    " ".join(
        (
            "pids.max memory.max memory.high memory.low memory.min memory.swap.max cpu.max cpu.weight cpuset.cpus cpuset.mems",
            "memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes cpu.shares cpu.cfs_quota_us",
            "cpu.cfs_period_us cpu.rt_runtime_us",
        )
    ).split()
)
"""Files of a cgroup by which it limits its tasks."""


def cgroups(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield controllers, directories and limits; the hierarchy of version 2 has no name, and is called unified."""
    left = MOST
    for fields in image.read(messages.CGROUPS):
        for part in parts(fields, "controllers"):
            entry = image.decode(messages.CG_CONTROLLER, part)
            name = ",".join(text(each) for each in parts(entry, "cnames")) or "unified"
            yield PropertyRecorded(property=CONTROLLERS, value=name, at=image.at)
            waiting = [("", directory) for directory in reversed(parts(entry, "dirs"))]
            while waiting and left:
                left -= 1
                above, data = waiting.pop()
                directory = image.decode(messages.CG_DIRECTORY, data)
                own = text(octets(directory, "dir_name")).strip("/")
                path = f"{above}/{own}" if own else above
                if len(path) > LONGEST:
                    continue
                yield PropertyRecorded(property=f"{DIRECTORY} {name}", value=path or "/", at=image.at)
                yield from _limits(image, name, path or "/", parts(directory, "properties"))
                waiting += [(path, child) for child in reversed(parts(directory, "children"))]


def _limits(image: ImageFile, name: str, path: str, given: list[bytes]) -> Iterator[ContentsEvent]:
    for part in given:
        found = image.decode(messages.CG_PROPERTY, part)
        limit, value = text(octets(found, "name")), text(octets(found, "value")).strip()
        if limit in LIMITS and value and value != "max":
            yield PropertyRecorded(property=f"{LIMIT} {name} {path} {limit}", value=value, at=image.at)
