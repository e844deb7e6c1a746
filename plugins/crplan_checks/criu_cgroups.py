"""Cgroups of an image, and whether `criu restore` finds on a host what it wants of them.

Source: CRIU 4.2, `prepare_cgroup_dirs` and `prepare_cgroup_sfd` in criu/cgroup.c. Engines choose the mode and the cgroup
themselves, so nothing is said of them.
"""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds_machine as kinds
from planner.contents.model import Contents
from planner.findings.registry import Answer, Kind, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.host.facts import Host
from planner.host.questions import cgroup_directories

MODE: Final = "--manage-cgroups"
CONTROLLERS: Final = "cgroup controllers"
PROCESSORS: Final = "cpuset.cpus"
ASK: Final = "record it with `crplan host IMAGE -o FILE` on that host"


def answers(contents: Contents, host: Host, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is missing, what is there and should not be, and what cannot be made."""
    mode = invocation.value(MODE) or "soft"
    if invocation.consumer != "criu-restore" or mode == "ignore":
        return
    yield from _controllers(contents, host)
    if mode in ("none", "props"):
        yield from _directories(contents, host, kinds.CRIU_CGROUP_MISSING, wanted=True)
    elif mode == "strict":
        yield from _directories(contents, host, kinds.CRIU_CGROUP_EXISTS, wanted=False)
    if mode not in ("none", "props"):
        yield from _processors(contents, host)


def _controllers(contents: Contents, host: Host) -> Iterator[Answer]:
    """Ask for the hierarchies; one with a name alone (name=systemd) is made by mounting it."""
    for record in contents.properties:
        if record.property != CONTROLLERS:
            continue
        for name in record.value.split(","):
            if name.startswith("name=") or name == "unified":
                continue
            if host.cgroup_controllers is None:
                yield Unknown(
                    code=kinds.CRIU_CGROUP_CONTROLLER.code, missing=f"whether the host has the cgroup controller {name}"
                )
            elif name not in host.cgroup_controllers:
                yield kinds.CRIU_CGROUP_CONTROLLER.found(
                    f"the host has no hierarchy for the cgroup controller {name}", property=f"cgroup controller {name}",
                    recorded="in use", target="missing", at=record.at,
                )  # fmt: skip
    yield Passed(code=kinds.CRIU_CGROUP_CONTROLLER.code)


def _directories(contents: Contents, host: Host, kind: Kind, *, wanted: bool) -> Iterator[Answer]:
    for controller, path, record in cgroup_directories(contents):
        found = host.answers.cgroups.get(f"{controller} {path}")
        if found is None:
            yield Unknown(code=kind.code, missing=f"whether the cgroup {path} of {controller} is there: {ASK}")
        elif found is not wanted:
            words = "is there already" if found else "is not there"
            yield kind.found(
                f"the cgroup {path} of {controller} {words}", property=f"cgroup {controller} {path}",
                recorded="to be there" if wanted else "to be made", target="there" if found else "missing", at=record.at,
            )  # fmt: skip
    yield Passed(code=kind.code)


def _processors(contents: Contents, host: Host) -> Iterator[Answer]:
    """Compare the processors of cgroups that will be made; a cgroup that is there keeps what it has."""
    for record in contents.properties:
        if not record.property.startswith("cgroup limit ") or not record.property.endswith(f" {PROCESSORS}"):
            continue
        place = record.property.removeprefix("cgroup limit ").removesuffix(f" {PROCESSORS}")
        if host.answers.cgroups.get(place):
            continue
        if host.processors is None or host.answers.cgroups.get(place) is None:
            yield Unknown(code=kinds.CRIU_CGROUP_PROCESSORS.code, missing=f"the host's processors and cgroups: {ASK}")
        elif not _within(record.value, host.processors):
            yield kinds.CRIU_CGROUP_PROCESSORS.found(
                f"the cgroup {place} is for the processors {record.value}, and the host has {host.processors}",
                property=f"processors of {place}", recorded=record.value, target=host.processors, at=record.at,
            )  # fmt: skip
    yield Passed(code=kinds.CRIU_CGROUP_PROCESSORS.code)


def _within(wanted: str, there: str) -> bool:
    """Say whether one list of processors is a part of another, both as the kernel writes them; what is none is no part."""
    have = _spans(there)
    return all(any(first <= low and high <= last for first, last in have) for low, high in _spans(wanted))


def _spans(text: str) -> list[tuple[int, int]]:
    spans = []
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdecimal() and (high or low).isdecimal():
            spans.append((int(low), int(high or low)))
        elif part.strip():
            spans.append((0, 1 << 32))
    return spans
