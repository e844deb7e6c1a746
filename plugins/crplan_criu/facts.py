"""Facts beside the topology: credentials, cgroups, seccomp, terminals and what the image header tells.

Property names follow /proc/PID/status where that has the fact. What has its ordinary value is left out: no seccomp, no ambient
capabilities, no adjustment, the cgroups of the dumping process. What the image does not hold is left out too, and named once for
the whole image where it matters.
"""

from collections.abc import Iterator
from typing import Final

from crplan_criu import messages
from crplan_criu.contents import missing, through_links
from crplan_criu.dump import Core, Dump, text
from crplan_criu.images import place, shown
from crplan_criu.wire import Fields, number, numbers, octets, parts
from planner.events.records import DefectRecorded, FactRecorded
from planner.identity import ProcessId

MACHINES: Final = ("", "x86_64", "arm", "aarch64", "ppc64", "s390", "mips", "loongarch64", "riscv64")
SECURITY_MODULES: Final = ("none", "selinux", "apparmor")
SECCOMP: Final = ("off", "strict", "filter")
DEAD: Final = (2, 6)
"""`task_state` of a dead task."""
UNSET: Final = 0xFFFF_FFFF
"""A login uid that was never set."""

CAPABILITIES: Final = {
    "cap_inh": ("cap_inheritable", False),
    "cap_prm": ("cap_permitted", True),
    "cap_eff": ("cap_effective", True),
    "cap_bnd": ("cap_bounding", True),
    "cap_amb": ("cap_ambient", False),
}
"""Field of the credentials, property, and whether an empty set is worth an event."""


def generation(dump: Dump) -> str:
    """Return which CRIU wrote the dump, as far as the fields of its inventory tell: "vz", or "4.1+" for 4.1 or later."""
    if any(entry.nested for entry in dump.tree or ()):
        return "vz"
    inventory = dump.inventory or {}
    for field, release in (
        ("allow_uprobes", "4.2+"),
        ("plugins", "4.1+"),
        ("dump_criu_run_id", "4.1+"),
        ("network_lock_method", "3.16+"),
        ("tcp_close", "3.15+"),
        ("pre_dump_mode", "3.14+"),
        ("dump_uptime", "3.10+"),
    ):
        if field in inventory:
            return release
    return "2.0+" if number(inventory, "img_version") == 2 else "1.x"


def header(dump: Dump, root: Core, root_ids: Fields) -> dict[str, str]:
    """Return the facts of the whole image."""
    inventory = dump.inventory or {}
    facts = {"image_version": str(number(inventory, "img_version")), "architecture": _name(MACHINES, root.machine)}
    if "lsmtype" in inventory:
        facts["security_module"] = _name(SECURITY_MODULES, number(inventory, "lsmtype"))
    for field, unit in (
        ("dump_uptime", " us"),
        ("tcp_close", ""),
        ("network_lock_method", ""),
        ("pre_dump_mode", ""),
        ("allow_uprobes", ""),
    ):
        if number(inventory, field):
            facts[field] = f"{number(inventory, field)}{unit}"
    facts |= _odd(dump, inventory, root_ids)
    if octets(inventory, "dump_criu_run_id"):
        facts["run_id"] = text(octets(inventory, "dump_criu_run_id"))
    return facts | dump.container.facts


def _odd(dump: Dump, inventory: Fields, root_ids: Fields) -> dict[str, str]:
    """Return what no inventory that CRIU writes since 2.0 has."""
    odd = {}
    if not number(inventory, "fdinfo_per_id"):
        odd["fdinfo_per_id"] = "no"
    if "root_cg_set" in inventory and not number(inventory, "root_cg_set"):
        odd["root_cg_set"] = "0"
    if "root_ids" not in inventory:
        odd["root_ids"] = "missing"
    elif number(root_ids, "files") and number(root_ids, "files") == number(dump.root_ids, "files"):
        odd["files_of_root"] = "those of the dumping process"
    return odd


def _name(names: tuple[str, ...], code: int) -> str:
    return names[code] if 0 < code < len(names) or (code == 0 and names[0]) else f"code {code}"


def of_task(dump: Dump, pid: ProcessId, core: Core, root: Core, at: str) -> Iterator[FactRecorded]:
    """Yield the facts of one task; the architecture is one only where it is not the root task's."""
    for name, value in _values(dump, core.task or {}, core.thread, core.credentials):
        yield FactRecorded(pid=pid, property=name, value=value, at=at)
    if core.machine != root.machine:
        yield FactRecorded(pid=pid, property="architecture", value=_name(MACHINES, core.machine), at=at)
    if core.clear_child_tid == 0:
        # fork(3) and whatever sets up threads after exec give an address, so this task was cloned in some other way.
        yield FactRecorded(pid=pid, property="clear_child_tid", value="0", at=at)


def _values(dump: Dump, task: Fields, thread: Fields, credentials: Fields) -> Iterator[tuple[str, str]]:
    if credentials:
        yield from _of_credentials(credentials)
    if seccomp := number(thread, "seccomp_mode") or number(task, "old_seccomp_mode"):
        yield "seccomp", _name(SECCOMP, seccomp)
    group = number(thread, "cg_set") or number(task, "cg_set")
    if group != number(dump.inventory or {}, "root_cg_set"):
        yield "cgroup_set", str(group)
    if number(thread, "pdeath_sig"):
        yield "parent_death_signal", str(number(thread, "pdeath_sig"))
    if number(task, "loginuid", UNSET) != UNSET:
        yield "loginuid", str(number(task, "loginuid"))
    if number(task, "oom_score_adj"):
        yield "oom_score_adj", str(number(task, "oom_score_adj"))
    if number(task, "stop_signo"):
        yield "stop_signal", str(number(task, "stop_signo"))
    if number(task, "tty_nr"):
        yield "terminal_group", str(number(task, "tty_pgrp"))


def _of_credentials(credentials: Fields) -> Iterator[tuple[str, str]]:
    yield "uid", _four(credentials, "uid euid suid fsuid")
    yield "gid", _four(credentials, "gid egid sgid fsgid")
    if groups := numbers(credentials, "groups"):
        yield "groups", " ".join(map(str, groups))
    for field, (name, always) in CAPABILITIES.items():
        words = numbers(credentials, field)
        value = sum(word << 32 * place for place, word in enumerate(words[:2]))
        if value or (words and always):
            yield name, f"{value:016x}"
    if number(credentials, "secbits"):
        yield "securebits", f"{number(credentials, 'secbits'):#x}"
    if number(credentials, "no_new_privs"):
        yield "no_new_privs", "1"
    if octets(credentials, "lsm_profile"):
        yield "security_label", text(octets(credentials, "lsm_profile"))


def _holders(dump: Dump) -> tuple[list[int], list[int]]:
    """Return the tasks that are alive, and the numbers of their tables of descriptors."""
    living = [
        entry.pids[0] for entry in dump.tree or () if number(dump.cores[entry.pids[0]].task or {}, "task_state") not in DEAD
    ]
    ids = (dump.ids.get(pid) or dump.cores[pid].ids or {} for pid in living)
    return living, sorted({number(each, "files") for each in ids} - {0})


def _four(credentials: Fields, names: str) -> str:
    return " ".join(str(number(credentials, name)) for name in names.split())


def defects(dump: Dump) -> Iterator[DefectRecorded]:
    """Yield what is odd about the files around the images: the process tree does not need them, an engine may."""
    container = dump.container
    for name, reason in sorted(container.unread.items()):
        yield DefectRecorded(code="container-file-unreadable", detail=f"{name} {shown(reason)}", at=place(name))
    if container.files and "spec.dump" not in container.files:
        detail = "the archive has config.dump and no spec.dump, which engines restore the container from"
        yield DefectRecorded(code="container-specification-missing", detail=detail, at=place("config.dump"))
    if dump.parent and not dump.parent_found:
        detail = f"the earlier dump that the link parent leads to ({shown(dump.parent)}) is not there; it holds memory pages"
        yield DefectRecorded(code="parent-dump-missing", detail=detail, at=place("parent"))


def of_image(dump: Dump) -> Iterator[FactRecorded]:
    """Yield the facts that belong to no task: cgroup sets, terminals, and what the reader does not know."""
    for identifier, members in dump.cgroup_sets.items():
        yield FactRecorded(property=f"cgroup_set {identifier}", value=members, at=place("cgroup.img"))
    for session, group in dump.terminals:
        yield FactRecorded(property=f"terminal_group of session {session}", value=str(group), at=place("tty-info.img"))
    yield from dump.contents.facts()
    yield from through_links(dump.contents.mounts, dump.container.mounts)
    yield from missing(dump.contents, *_holders(dump))
    plugins = dump.decode(messages.PLUGINS, octets(dump.inventory or {}, "plugins"), place("inventory.img"))
    for name in parts(plugins, "plugins"):
        yield FactRecorded(property="required plugin", value=text(name), at=place("inventory.img"))
    for kind, path in dump.container.joined.items():
        yield FactRecorded(property=f"joined {kind} namespace", value=path, at=place("spec.dump"))
    if any(core.clear_child_tid is not None for core in dump.cores.values()):
        yield FactRecorded(property="clear_child_tid", value="recorded of living tasks", at=place("inventory.img"))
    if not any("child_subreaper" in (core.task or {}) for core in dump.cores.values()) and generation(dump) != "vz":
        yield FactRecorded(property="subreaper", value="not recorded", at=place("inventory.img"))
    for message, count in sorted(dump.unknown_fields.items()):
        yield FactRecorded(property=f"unknown fields of {message}", value=str(count), at=place("inventory.img"))
    if dump.parent:
        there = "there" if dump.parent_found else "missing"
        yield FactRecorded(property="parent dump", value=f"{there}: {dump.parent}", at=place("parent"))
    if dump.unknown_images:
        names = sorted(dump.unknown_images)
        more = ", ..." if len(names) > 5 else ""
        yield FactRecorded(
            property="unknown images", value=f"{len(names)}: {', '.join(names[:5])}{more}", at=place("inventory.img")
        )
