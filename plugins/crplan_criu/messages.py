"""Field numbers of the CRIU messages that tell the topology, as tables for `wire.decode`.

Field numbers are facts of the format (CRIU 3.x and 4.x `images/*.proto`; the numbers from 1001 on are Virtuozzo's). Fields that
the reader steps over are listed as `skip`, so that what is counted as unknown really is new.
"""

from crplan_criu.wire import Field, Kind, Message


def message(name: str, wanted: dict[int, Field], skipped: str = "", *, one_of: bool = False) -> Message:
    """Return a table of the wanted fields and of `skipped`, numbers separated by blanks, where a-b is a range.

    With `one_of` one of the nested messages is there, behind all other fields.
    """
    fields = dict(wanted)
    for part in skipped.split():
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            fields[number] = Field(f"field_{number}", "skip")
    return Message(name, fields, one_of=one_of)


def fields_of(names: str, first: int = 1, kind: Kind = "u32") -> dict[int, Field]:
    """Return fields of one kind with numbers that follow each other."""
    return {first + place: Field(name, kind) for place, name in enumerate(names.split())}


KOBJ_IDS = message(
    "task_kobj_ids_entry",
    {
        **fields_of("vm files fs sighand pid net ipc uts mnt user cgroup time"),
        1001: Field("pid_for_children"),
    },
)

INVENTORY = message(
    "inventory_entry",
    {
        **fields_of("img_version fdinfo_per_id"),
        3: Field("root_ids", "message"),
        **fields_of("root_cg_set lsmtype", 5),
        8: Field("dump_uptime", "u64"),
        **fields_of("pre_dump_mode tcp_close network_lock_method", 9),
        12: Field("plugins", "message"),
        13: Field("dump_criu_run_id", "bytes"),
        14: Field("allow_uprobes", "bool"),
    },
    skipped="4",
)

PSTREE = message(
    "pstree_entry",
    {
        **fields_of("pid ppid pgid sid"),
        5: Field("threads", "u32", repeated=True),
        1001: Field("vz_ns_pid", "u32", repeated=True),
        1002: Field("vz_ns_pgid", "u32", repeated=True),
        1003: Field("vz_ns_sid", "u32", repeated=True),
        1004: Field("vz_tids", "message", repeated=True),
        1005: Field("vz_child_subreaper", "bool"),
    },
)

NS_TID = message("ns_tid", {1: Field("tid", "u32", repeated=True)})

THREAD_INFO_NUMBERS = (2, 6, 8, 9, 10, 11, 12, 13)
"""Fields of a core image that hold the registers of a thread, one for each architecture."""

CORE = message(
    "core_entry",
    {
        1: Field("mtype"),
        3: Field("tc", "message"),
        4: Field("ids", "message"),
        5: Field("thread_core", "message"),
        **{number: Field(f"thread_info_{number}", "message") for number in THREAD_INFO_NUMBERS},
    },
)

THREAD_INFO = message("thread_info", {1: Field("clear_tid_addr", "u64")}, skipped="2-32")
"""What every architecture's record of its registers begins with."""

TASK_CORE = message(
    "task_core_entry",
    {
        **fields_of("task_state exit_code"),
        6: Field("comm", "bytes"),
        9: Field("cg_set"),
        11: Field("old_seccomp_mode"),
        13: Field("loginuid"),
        14: Field("oom_score_adj", "i32"),
        16: Field("tty_nr", "i32"),
        17: Field("tty_pgrp", "i32"),
        18: Field("child_subreaper", "bool"),
        21: Field("stop_signo", "i32"),
    },
    skipped="3-5 7 8 10 12 15 19 20 22",
)

THREAD_CORE = message(
    "thread_core_entry",
    {
        8: Field("pdeath_sig"),
        10: Field("creds", "message"),
        11: Field("seccomp_mode"),
        13: Field("comm", "bytes"),
        16: Field("cg_set"),
    },
    skipped="1-7 9 12 14 15",
)

CREDS = message(
    "creds_entry",
    {
        **fields_of("uid gid euid egid suid sgid fsuid fsgid"),
        **{
            9 + place: Field(name, "u32", repeated=True)
            for place, name in enumerate(("cap_inh", "cap_prm", "cap_eff", "cap_bnd"))
        },
        13: Field("secbits"),
        14: Field("groups", "u32", repeated=True),
        15: Field("lsm_profile", "bytes"),
        18: Field("no_new_privs"),
        19: Field("cap_amb", "u32", repeated=True),
    },
    skipped="16 17",
)

NS = message("ns_entry", fields_of("id ns_cflag parent_id userns_id"), skipped="5")

ID_RANGE = message("uid_gid_extent", fields_of("first lower_first count"))

USERNS = message("userns_entry", {1: Field("uid_map", "message", repeated=True), 2: Field("gid_map", "message", repeated=True)})

UTSNS = message("utsns_entry", {1: Field("nodename", "bytes"), 2: Field("domainname", "bytes")})

PIDNS = message("pidns_entry", {1: Field("ext_key", "bytes")})

TIMENS = message("timens_entry", {1: Field("monotonic", "message"), 2: Field("boottime", "message")})

TIMESPEC = message("timespec", fields_of("sec nsec", kind="u64"))

CGROUP = message("cgroup_entry", {1: Field("sets", "message", repeated=True)}, skipped="2")

CG_SET = message("cg_set_entry", {1: Field("id"), 2: Field("ctls", "message", repeated=True)})

CG_MEMBER = message("cg_member_entry", {1: Field("name", "bytes"), 2: Field("path", "bytes")}, skipped="3")

TTY_INFO = message(
    "tty_info_entry",
    fields_of("id") | fields_of("sid pgrp rdev", 6) | {9: Field("termios", "message"), 12: Field("pty", "message")},
    skipped="2-5 10-11 13-17",
)

PTY = message("tty_pty_entry", {1: Field("index")})

REGULAR_FILE = message(
    "reg_file_entry", {1: Field("id"), 5: Field("fown", "bytes"), 6: Field("name", "bytes")}, skipped="2-4 7-20"
)

INET_SOCKET = message("inet_sk_entry", fields_of("id ino family type proto state src_port dst_port"), skipped="9-40")

MOUNT = message(
    "mnt_entry",
    {6: Field("root", "bytes"), 7: Field("mountpoint", "bytes"), 18: Field("ext_key", "bytes")},
    skipped="1-5 8-17 19-30",
)

PLUGINS = message("plugins_entry", {12: Field("plugins", "bytes", repeated=True)})

MESSAGES = (
    KOBJ_IDS, INVENTORY, PSTREE, NS_TID, CORE, THREAD_INFO, TASK_CORE, THREAD_CORE, CREDS, NS, ID_RANGE, USERNS, UTSNS, PIDNS,
    TIMENS, TIMESPEC, CGROUP, CG_SET, CG_MEMBER, TTY_INFO,
    PTY, REGULAR_FILE, INET_SOCKET, MOUNT, PLUGINS,
)  # fmt: skip
