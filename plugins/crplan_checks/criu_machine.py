"""What a machine gives a restore beside files and addresses: cgroups, its processor, limits, tools, and what engines keep."""

from collections.abc import Iterator
from typing import Final

from crplan_checks import criu_cgroups, criu_processor
from crplan_checks import kinds_machine as kinds
from crplan_checks.criu import FORMAT, created
from planner.contents.model import Contents
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import ENGINES, Invocation
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host.facts import Host
from planner.host.questions import container_images

UNRECORDED: Final = ("amx_tile_config", "amx_tile_data")
"""Parts of the extended state that CRIU has no field for."""

OWN_DESCRIPTORS: Final = 32
"""Descriptors that CRIU keeps for itself above those of a task (`choose_service_fd_base`, with its pad)."""
ALIGNED: Final = 128
"""Pointers in the kilobyte to which CRIU rounds."""

TOOLS: Final = {
    "ip": ("ifaddr", "route", "route6", "rule"),
    "iptables-restore": ("iptables",),
    "ip6tables-restore": ("ip6tables",),
    "tar": ("tmpfs-dev", "tmpfs"),
}
"""Programs that CRIU runs, with the images that it runs them for (`run_ip_tool`, `restore_iptables`, `tmpfs_restore`)."""


def check(artefact: Artefact, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is missing or lost; what needs no host is told without one. Nothing of an image read for its tree alone."""
    forest, contents = artefact.forest, artefact.contents
    if forest.format != FORMAT or not contents.recorded or forest.images:
        return
    yield from _unrecorded(contents)
    yield from _specification(forest, contents, invocation)
    if host is None:
        return
    yield from criu_cgroups.answers(contents, host, invocation)
    yield from criu_processor.answers(contents, host, invocation)
    yield from _resources(forest, contents, host)
    yield from _descriptors(forest, contents, host)
    yield from _tools(forest, contents, host)
    yield from _images(contents, host, invocation)


def _unrecorded(contents: Contents) -> Iterator[Answer]:
    for pid, record in contents.registers.items():
        if lost := [part for part in record.state if part in UNRECORDED]:
            yield kinds.CRIU_REGISTERS_UNKNOWN.found(
                f"thread {pid} has values in {' and '.join(lost)}", pid=pid, property="registers", recorded=" ".join(lost),
                target="not restored", at=record.at,
            )  # fmt: skip
            return
    if contents.registers:
        yield Passed(code=kinds.CRIU_REGISTERS_UNKNOWN.code)


def _specification(forest: Forest, contents: Contents, invocation: Invocation) -> Iterator[Answer]:
    """Tell of an archive whose config.dump came without spec.dump."""
    if invocation.consumer not in ENGINES:
        return
    if any(defect.code == "container-specification-missing" for _, defect in forest.defects):
        yield kinds.ENGINE_SPECIFICATION.found(property="file", recorded="spec.dump", target="missing", at="config.dump#0")
    else:
        yield Passed(code=kinds.ENGINE_SPECIFICATION.code)


def _resources(forest: Forest, contents: Contents, host: Host) -> Iterator[Answer]:
    """Compare hard limits, which only CAP_SYS_RESOURCE raises; each resource is reported for the first task that has it."""
    if not contents.limits:
        return
    if host.capabilities is None or not host.limits.resources:
        yield Unknown(code=kinds.CRIU_RESOURCE.code, missing="the resource limits and capabilities of the restoring process")
        return
    told: set[str] = set()
    for pid, record in () if host.can("sys_resource") else contents.limits.items():
        for name, (_, hard) in record.limits.items():
            most = host.limits.resources.get(name, (-1, -1))[1]
            if name not in told and most >= 0 and (hard < 0 or hard > most):
                told.add(name)
                wanted = "unlimited" if hard < 0 else str(hard)
                yield kinds.CRIU_RESOURCE.found(
                    f"task {pid} has the limit {name} {wanted}, and criu may give {most}",
                    pid=pid, property=f"resource {name}", recorded=wanted, target=str(most), at=record.at,
                )  # fmt: skip
    yield Passed(code=kinds.CRIU_RESOURCE.code)


def _descriptors(forest: Forest, contents: Contents, host: Host) -> Iterator[Answer]:
    soft = host.limits.resources.get("nofile", (-1, -1))[0]
    highest = max((each.number for table in contents.tables.values() for each in table), default=-1)
    if highest < 0:
        return
    if host.capabilities is None or not host.limits.resources:
        yield Unknown(code=kinds.CRIU_DESCRIPTORS.code, missing="the limit of open files of the restoring process")
    elif not host.can("sys_resource") and soft >= 0 and soft // ALIGNED * ALIGNED < highest + OWN_DESCRIPTORS:
        yield kinds.CRIU_DESCRIPTORS.found(
            f"a task has the descriptor {highest}, and criu may open {soft}", property="open files", recorded=str(highest),
            target=str(soft),
        )  # fmt: skip
    else:
        yield Passed(code=kinds.CRIU_DESCRIPTORS.code)


def _tools(forest: Forest, contents: Contents, host: Host) -> Iterator[Answer]:
    """Ask for the programs; images of a network that is the host's own are not used."""
    for tool, images in TOOLS.items():
        if not any(map(contents.has, images)) or (tool != "tar" and created(forest, "net") is not True):
            continue
        state = host.tools.get(tool)
        if state is None:
            yield Unknown(code=kinds.CRIU_TOOL.code, missing=f"whether the host has {tool}")
        elif state == "no":
            yield kinds.CRIU_TOOL.found(
                f"the host has no {tool}", property=f"program {tool}", recorded="needed", target="missing"
            )
    yield Passed(code=kinds.CRIU_TOOL.code)


def _images(contents: Contents, host: Host, invocation: Invocation) -> Iterator[Answer]:
    if invocation.consumer not in ENGINES:
        return
    for digest, name, record in container_images(contents):
        if host.answers.container_images.get(digest) is False:
            yield kinds.ENGINE_IMAGE.found(
                f"the host does not have the image {name or digest} ({digest[:12]})", property="container image",
                recorded=digest, target="missing", at=record.at,
            )  # fmt: skip
    yield Passed(code=kinds.ENGINE_IMAGE.code)
