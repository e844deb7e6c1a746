"""Every recorded field of an image is used, or a reason says why not: the table is `tests/data/criu_fields.txt`.

A field that the reader decodes is held against the table by changing its value in a small dump: the log changes, and where a code
is named, the answers of that code do.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from crplan_criu import messages
from crplan_criu.wire import Message

from planner import read
from planner.checks.ask import ask
from planner.errors import CrplanError
from planner.events.records import AnyEvent
from planner.findings.verdicts import Invocation
from planner.host.facts import Host
from planner.pipeline.reading import default_registry
from planner.pipeline.resolve import resolve
from tests.helpers.containers import HOST, POD, encode, image, packed
from tests.helpers.places import DATA

OWN = POD | {kind: HOST[kind] for kind in ("net", "mnt")}
"""The root's namespaces: below one that has no network and no mounts of its own, no task may have them."""

OUTSIDE = {"reg_file_entry", "inet_sk_entry", "file_entry", "mnt_entry"}
"""Messages about resources, which another table is for."""


class Row(msgspec.Struct, frozen=True):
    """A line of the table."""

    message: str
    number: int
    field: str
    use: str
    why: str


ROWS = [
    Row(message, int(number), field, use, why)
    for line in (DATA / "criu_fields.txt").read_text().splitlines()
    if not line.startswith("#")
    for message, number, field, use, why in [line.split(" | ")]
]
TABLES = {message.name: message for message in messages.MESSAGES if message.name not in OUTSIDE}
DECODED = [row for row in ROWS if row.use != "-"]


def test_the_table_has_every_field_once_and_says_why() -> None:
    keys = [(row.message, row.number) for row in ROWS]
    assert len(set(keys)) == len(keys)
    fields = {
        (name, number)
        for name, table in TABLES.items()
        for number, field in table.fields.items()
        if (name, number) != ("thread_info", number) or field.kind != "skip"
    }
    assert fields <= set(keys), sorted(fields - set(keys))
    assert all(row.why.strip() for row in ROWS)


def test_what_the_table_calls_used_is_decoded_and_nothing_else_is() -> None:
    for row in ROWS:
        field = TABLES[row.message].fields[row.number] if row.message in TABLES else None
        assert (field is not None and field.kind != "skip") == (row.use != "-"), row
        assert row.use == "-" or field is None or field.name == row.field, row


def test_every_code_of_the_table_is_one_of_the_checks() -> None:
    codes = {kind.code for check in default_registry().checks for kind in check.kinds}
    assert {row.use for row in ROWS} - {"plan", "shown", "-"} <= codes


Changes = dict[tuple[str, str], Any]

CHANGED: Changes = {
    ("inventory_entry", "fdinfo_per_id"): 0,
    ("inventory_entry", "root_ids"): b"",
    ("inventory_entry", "root_cg_set"): 0,
    ("inventory_entry", "lsmtype"): 2,
    ("inventory_entry", "plugins"): encode(messages.PLUGINS, plugins=[b"amdgpu_plugin"]),
    ("plugins_entry", "plugins"): [b"amdgpu_plugin"],
    ("pstree_entry", "ppid"): 3,
    ("pstree_entry", "pid"): 9,
    ("pstree_entry", "threads"): [2],
    ("pstree_entry", "vz_ns_pid"): [2, 3],
    ("pstree_entry", "vz_tids"): [],
    ("core_entry", "mtype"): 3,
    ("core_entry", "tc"): None,
    ("core_entry", "ids"): encode(messages.KOBJ_IDS, vm=70, files=71, fs=72, sighand=73, **OWN | {"net": 99}),
    ("core_entry", "thread_core"): None,
    ("thread_info", "clear_tid_addr"): 0,
    ("task_core_entry", "task_state"): 3,
    ("task_core_entry", "comm"): b"other",
    ("task_core_entry", "loginuid"): 5,
    ("task_core_entry", "tty_nr"): 0,
    ("thread_core_entry", "pdeath_sig"): 9,
    ("thread_core_entry", "creds"): None,
    ("thread_core_entry", "comm"): b"other",
    ("task_kobj_ids_entry", "vm"): 40,
    ("task_kobj_ids_entry", "files"): 61,
    ("task_kobj_ids_entry", "fs"): 42,
    ("task_kobj_ids_entry", "sighand"): 43,
    ("creds_entry", "lsm_profile"): b"docker-default",
    ("creds_entry", "groups"): [4],
    ("userns_entry", "uid_map"): [],
    ("userns_entry", "gid_map"): [],
    ("pidns_entry", "ext_key"): b"pod",
    ("utsns_entry", "nodename"): b"other",
    ("utsns_entry", "domainname"): b"other",
    ("timens_entry", "monotonic"): b"",
    ("timens_entry", "boottime"): b"",
    ("tty_info_entry", "rdev"): 136 << 8 | 9,
    ("tty_info_entry", "termios"): None,
    ("tty_info_entry", "pty"): encode(messages.PTY, index=7),
    ("cgroup_entry", "sets"): [],
    ("cg_set_entry", "ctls"): [],
    ("cg_member_entry", "name"): b"other",
    ("cg_member_entry", "path"): b"other",
    ("inventory_entry", "dump_criu_run_id"): b"other",
}
"""What fields are changed to that are no plain number; the others are given the value 77, or 1 where that says nothing."""


class Small:
    """A small dump with a value in every field that the reader decodes, and the given ones changed."""

    def __init__(self, changes: Changes, *, nested: bool) -> None:
        self.changes = changes
        self.nested = nested

    def made(self, message: Message, **values: Any) -> bytes:
        """Encode a message with its changes."""
        for (name, field), value in self.changes.items():
            if name == message.name:
                values[field] = value
        return encode(message, **{field: value for field, value in values.items() if value is not None})

    def files(self) -> dict[str, bytes]:
        """Return the files of the dump: the root, a child with a thread, a zombie, and what belongs to none of them."""
        made = self.made
        dumper = encode(messages.KOBJ_IDS, vm=1, files=1, fs=1, sighand=1, **HOST)
        inventory = made(messages.INVENTORY, img_version=2, fdinfo_per_id=1, root_ids=dumper, root_cg_set=1)
        if ("plugins_entry", "plugins") in self.changes:
            inventory += encode(messages.INVENTORY, plugins=made(messages.PLUGINS))
        maps = made(messages.ID_RANGE, first=0, lower_first=1000, count=10)
        member = made(messages.CG_MEMBER, name=b"pids", path=b"/a")
        moment = made(messages.TIMESPEC, sec=1, nsec=2)
        files = {
            "inventory.img": image("inventory", inventory),
            "ids-1.img": image("ids", encode(messages.KOBJ_IDS, vm=40, files=41, fs=42, sighand=43, **OWN)),
            "ids-2.img": image("ids", made(messages.KOBJ_IDS, vm=50, files=51, fs=52, sighand=53, **OWN)),
            "ids-5.img": image("ids", encode(messages.KOBJ_IDS, vm=60, files=61, fs=62, sighand=63, **OWN)),
            "core-3.img": image("core", encode(messages.CORE, mtype=1, tc=made(messages.TASK_CORE, **self.task(2)))),
            "core-4.img": image("core", encode(messages.CORE, mtype=1, thread_core=made(messages.THREAD_CORE, comm=b"thread"))),
            f"utsns-{POD['uts']}.img": image("utsns", made(messages.UTSNS, nodename=b"a", domainname=b"b")),
            f"userns-{POD['user']}.img": image("userns", made(messages.USERNS, uid_map=[maps], gid_map=[maps])),
            f"timens-{POD['time']}.img": image("timens", made(messages.TIMENS, monotonic=moment, boottime=moment)),
            "cgroup.img": image("cgroup", made(messages.CGROUP, sets=[made(messages.CG_SET, id=2, ctls=[member])])),
            "tty-info.img": image(
                "tty-info",
                made(messages.TTY_INFO, id=1, sid=1, pgrp=1, rdev=5 << 8 | 2, termios=b"", pty=made(messages.PTY, index=3)),
                encode(messages.TTY_INFO, id=2, sid=1, pgrp=1, rdev=136 << 8 | 3, termios=b"", pty=encode(messages.PTY, index=3)),
            ),
        }
        if ("pidns_entry", "ext_key") in self.changes:
            files[f"pidns-{POD['pid']}.img"] = image("pidns", made(messages.PIDNS))
        if ("core_entry", "ids") in self.changes:
            del files["ids-2.img"]
        for pid in (1, 5, 2):
            files[f"core-{pid}.img"] = image("core", self.core(pid))
        return files | self.tree()

    def task(self, state: int) -> dict[str, Any]:
        return {"task_state": state, "exit_code": 0, "comm": b"name", "tty_nr": 1, "tty_pgrp": 5}

    def core(self, pid: int) -> bytes:
        """Return the core of the root or the child; what is changed stands in both, so that it concerns the root, too."""
        made = self.made if pid == 2 or ("thread_core_entry", "pdeath_sig") in self.changes else encode
        thread = made(messages.THREAD_CORE, creds=made(messages.CREDS, uid=0, cap_prm=[0]))
        info = made(messages.THREAD_INFO, clear_tid_addr=4096)
        place = next((name for message, name in self.changes if name.startswith("thread_info_")), "thread_info_2")
        values = {"mtype": 1, "tc": made(messages.TASK_CORE, **self.task(1)), "thread_core": thread, "thread_info_2": info}
        if place in {name for _, name in self.changes}:
            values[place] = encode(messages.THREAD_INFO, clear_tid_addr=0)
            if place != "thread_info_2":
                del values["thread_info_2"]
        changed = {name: value for (message, name), value in self.changes.items() if message == "core_entry"}
        values |= {name: value for name, value in changed.items() if not name.startswith("thread_info_") and pid == 2}
        return encode(messages.CORE, **{name: value for name, value in values.items() if value is not None})

    def tree(self) -> dict[str, bytes]:
        """Return pstree.img, with the vectors of Virtuozzo's CRIU where a field of it is changed."""
        if not self.nested:
            return {
                "pstree.img": image(
                    "pstree",
                    encode(messages.PSTREE, pid=1, ppid=0, pgid=1, sid=1, threads=[1]),
                    encode(messages.PSTREE, pid=5, ppid=1, pgid=1, sid=1, threads=[5]),
                    encode(messages.PSTREE, pid=3, ppid=1, pgid=1, sid=1, threads=[3]),
                    self.made(messages.PSTREE, pid=2, ppid=1, pgid=2, sid=1, threads=[2, 4]),
                )
            }
        thread = self.made(messages.NS_TID, tid=[4])
        leader = encode(messages.NS_TID, tid=[2])
        entry: dict[str, Any] = {"vz_ns_pid": [2], "vz_ns_pgid": [1], "vz_ns_sid": [1], "vz_tids": [leader, thread]}
        return {
            "ns.img": image("ns", self.made(messages.NS, id=POD["pid"], ns_cflag=0x20000000)),
            "pstree.img": image(
                "pstree",
                encode(
                    messages.PSTREE,
                    ppid=0,
                    vz_ns_pid=[1],
                    vz_ns_pgid=[1],
                    vz_ns_sid=[1],
                    vz_tids=[encode(messages.NS_TID, tid=[1])],
                ),
                encode(
                    messages.PSTREE,
                    ppid=1,
                    vz_ns_pid=[3],
                    vz_ns_pgid=[1],
                    vz_ns_sid=[1],
                    vz_tids=[encode(messages.NS_TID, tid=[3])],
                ),
                self.made(messages.PSTREE, ppid=1, **entry),
            ),
        }


def log_of(changes: Changes, *, nested: bool = False) -> list[AnyEvent] | str:
    """Return the log of a dump with these changes, or the words of a refusal."""
    try:
        return read(packed({f"checkpoint/{name}": data for name, data in Small(changes, nested=nested).files().items()}))
    except CrplanError as error:
        return error.message


def is_nested(row: Row) -> bool:
    return row.message in ("ns_entry", "ns_tid") or row.field.startswith("vz_")


def changed(row: Row) -> Iterator[Changes]:
    """Yield changes of a field, of which one at least must show."""
    key = (row.message, row.field)
    if key in CHANGED:
        yield {key: CHANGED[key]}
        return
    kind = TABLES[row.message].fields[row.number].kind
    for value in (77, 1, 2):
        yield {key: b"other" if kind in ("bytes", "message") else value}


def answers(log: list[AnyEvent] | str, code: str) -> list[object]:
    """Return what is answered under a code, of the image and of a host that lacks what can be lacking."""
    assert not isinstance(log, str), log
    host = Host(machine="x86_64", root=True, capabilities=("sys_admin",), security_modules=(), tools={"criu": "4.2"})
    invocation = Invocation(consumer="criu-restore", options=("--restore-detached",))
    asked = ask(default_registry(), resolve(log).artefact(), (invocation,), {"host": host})
    return [
        (answer.pid, getattr(answer, "message", ""), getattr(answer, "missing", ""))
        for each in asked
        for answer in (*each.findings, *each.unknown)
        if answer.code == code
    ]


@pytest.mark.parametrize("row", DECODED, ids=lambda row: f"{row.message}.{row.field}")
def test_a_field_that_is_decoded_shows_in_the_log(row: Row) -> None:
    base = log_of({}, nested=is_nested(row))
    assert not isinstance(base, str), base
    assert any(log_of(change, nested=is_nested(row)) != base for change in changed(row)), "it is read and used by nothing"


@pytest.mark.parametrize(
    "row", [row for row in DECODED if row.use not in ("plan", "shown")], ids=lambda row: f"{row.message}.{row.field}"
)
def test_a_field_that_decides_a_finding_changes_its_answers(row: Row) -> None:
    nested = is_nested(row)
    before = answers(log_of({}, nested=nested), row.use)
    assert any(answers(log_of(change, nested=nested), row.use) != before for change in changed(row)), before
