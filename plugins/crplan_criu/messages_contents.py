"""Field numbers of the CRIU messages that tell what processes hold, for reading with detail "all".

Source: CRIU 4.2, `images/*.proto`. Each message has the name that it has there.
"""

from crplan_criu.messages import fields_of, message
from crplan_criu.wire import Field

FDINFO = message("fdinfo_entry", {**fields_of("id flags type fd"), 3: Field("type", "skip")}, skipped="5")

FILE = message(
    "file_entry",
    {
        **fields_of("type id"),
        **fields_of("reg isk nsf psk nlsk efd epfd sgfd tunf tfd ify ffy ext usk fifo pipe tty memfd bpf pidfd", 3, "message"),
    },
    one_of=True,
)

REGULAR_FILE = message(
    "reg_file_entry",
    {
        **fields_of("id flags"),
        3: Field("pos", "u64"),
        6: Field("name", "bytes"),
        7: Field("mnt_id", "s32"),
        8: Field("size", "u64"),
        9: Field("ext", "bool"),
        10: Field("mode"),
        11: Field("build_id", "u32", repeated=True),
    },
    skipped="4 5 12-20",
)

INET_SOCKET = message(
    "inet_sk_entry",
    {
        **fields_of("id ino family type proto state src_port dst_port flags backlog"),
        11: Field("src_addr", "u32", repeated=True),
        12: Field("dst_addr", "u32", repeated=True),
        14: Field("opts", "message"),
        15: Field("v6only", "bool"),
        16: Field("ip_opts", "message"),
        17: Field("ifname", "bytes"),
        18: Field("ns_id"),
        19: Field("shutdown"),
    },
    skipped="13 20-40",
)

IP_OPTIONS = message("ip_opts_entry", {1: Field("freebind", "bool")}, skipped="2-20")

SOCKET_OPTIONS = message(
    "sk_opts_entry",
    {
        **fields_of("so_sndbuf so_rcvbuf"),
        7: Field("reuseaddr", "bool"),
        15: Field("so_bound_dev", "bytes"),
        17: Field("so_reuseport", "bool"),
    },
    skipped="3-6 8-14 16 18-40",
)

UNIX_SOCKET = message(
    "unix_sk_entry",
    {
        **fields_of("id ino type state flags uflags backlog peer"),
        10: Field("opts", "message"),
        11: Field("name", "bytes"),
        14: Field("name_dir", "bytes"),
        15: Field("deleted", "bool"),
        16: Field("ns_id"),
    },
    skipped="9 12 13 17-20",
)

PACKET_SOCKET = message(
    "packet_sock_entry",
    {**fields_of("id type protocol flags ifindex"), 7: Field("opts", "message"), 20: Field("ns_id")},
    skipped="6 8-19",
)

NETLINK_SOCKET = message(
    "netlink_sk_entry",
    {**fields_of("id ino protocol state"), 7: Field("portid"), 12: Field("opts", "message"), 13: Field("ns_id")},
    skipped="5 6 8-11 14",
)

NAMESPACE_FILE = message("ns_file_entry", fields_of("id ns_id ns_cflag flags"))

EVENTFD = message("eventfd_file_entry", {**fields_of("id flags"), 4: Field("counter", "u64")}, skipped="3")

EPOLL = message("eventpoll_file_entry", {**fields_of("id flags"), 4: Field("tfd", "message", repeated=True)}, skipped="3")

EPOLL_TARGET = message("eventpoll_tfd_entry", fields_of("id tfd"), skipped="3-7")

SIGNALFD = message("signalfd_entry", {**fields_of("id flags"), 4: Field("sigmask", "u64")}, skipped="3")

TIMERFD = message(
    "timerfd_entry", {**fields_of("id flags"), 4: Field("clockid"), 7: Field("vsec", "u64"), 9: Field("isec", "u64")},
    skipped="3 5 6 8 10",
)  # fmt: skip

INOTIFY = message("inotify_file_entry", {**fields_of("id flags"), 5: Field("wd", "message", repeated=True)}, skipped="3 4")

WATCH = message("inotify_wd_entry", {7: Field("f_handle", "message")}, skipped="1-6")

FILE_HANDLE = message("fh_entry", {4: Field("path", "bytes")}, skipped="1-3 5")

FANOTIFY = message("fanotify_file_entry", {**fields_of("id flags"), 6: Field("mark", "message", repeated=True)}, skipped="3-5")

PIPE = message("pipe_entry", fields_of("id pipe_id flags"), skipped="4")

FIFO = message("fifo_entry", fields_of("id pipe_id regf_id"))

TERMINAL = message("tty_file_entry", {**fields_of("id tty_info_id flags"), 6: Field("regf_id")}, skipped="4 5")

TUN = message("tunfile_entry", {1: Field("id"), 2: Field("netdev", "bytes"), 4: Field("ns_id")}, skipped="3")

MEMFD = message("memfd_file_entry", {**fields_of("id flags"), 3: Field("pos", "u64"), 5: Field("inode_id")}, skipped="4")

MEMFD_INODE = message(
    "memfd_inode_entry",
    {1: Field("name", "bytes"), 4: Field("size", "u64"), 5: Field("shmid"), 7: Field("inode_id", "u64")},
    skipped="2 3 6 8 9",
)

PIDFD = message("pidfd_entry", {**fields_of("id ino flags"), 4: Field("nspid", "i32")}, skipped="5")

EXTERNAL = message("ext_file_entry", {1: Field("id")}, skipped="5")

BPF_MAP = message("bpfmap_file_entry", {1: Field("id")}, skipped="2-20")

REMAP = message("remap_file_path_entry", fields_of("orig_id remap_id remap_type"))

FS = message("fs_entry", fields_of("cwd_id root_id umask"))

MM = message(
    "mm_entry",
    {
        **fields_of("arg_start arg_end env_start env_end", 8, "u64"),
        12: Field("exe_file_id"),
        14: Field("vmas", "message", repeated=True),
    },
    skipped="1-7 13 15-20",
)

VMA = message(
    "vma_entry",
    {
        **fields_of("start end pgoff shmid", kind="u64"),
        **fields_of("prot flags status", 5),
    },
    skipped="8-10",
)

PAGEMAP_HEAD = message("pagemap_head", fields_of("pages_id"))

PAGEMAP = message(
    "pagemap_entry",
    {
        1: Field("vaddr", "u64"),
        2: Field("compat_nr_pages"),
        3: Field("in_parent", "bool"),
        4: Field("flags"),
        5: Field("nr_pages", "u64"),
    },
)

MOUNT = message(
    "mnt_entry",
    {
        **fields_of("fstype mnt_id root_dev parent_mnt_id flags"),
        **{6 + place: Field(name, "bytes") for place, name in enumerate(("root", "mountpoint", "source", "options"))},
        10: Field("shared_id"),
        11: Field("master_id"),
        13: Field("ext_mount", "bool"),
        14: Field("fsname", "bytes"),
        16: Field("deleted", "bool"),
        18: Field("ext_key", "bytes"),
    },
    skipped="12 15 17 19-30",
)

TASK_LIMITS = message("task_rlimits_entry", {1: Field("rlimits", "message", repeated=True)})

LIMIT = message("rlimit_entry", fields_of("cur max", kind="u64"))

TASK_CORE = message("task_core_entry", {8: Field("rlimits", "message")}, skipped="1-7 9-22")

CORE = message("core_entry", {2: Field("thread_info", "message"), 3: Field("tc", "message")}, skipped="1 4-13")

THREAD_INFO = message("thread_info_x86", {3: Field("fpregs", "message")}, skipped="1 2 4")

FLOATING_POINT = message("user_x86_fpregs_entry", {13: Field("xsave", "message")}, skipped="1-12")

EXTENDED_STATE = message(
    "user_x86_xsave_entry", {1: Field("xstate_bv", "u64"), 8: Field("pkru", "u32", repeated=True)}, skipped="2-7 9"
)

CPUINFO = message("cpuinfo_entry", {1: Field("x86_entry", "message", repeated=True)}, skipped="2 3")

PROCESSOR = message(
    "cpuinfo_x86_entry",
    {
        **fields_of("vendor_id cpu_family model stepping capability_ver"),
        6: Field("capability", "u32", repeated=True),
        7: Field("model_id", "bytes"),
        8: Field("xfeatures_mask", "u64"),
    },
    skipped="9 10",
)

STATISTICS = message("stats_entry", {1: Field("dump", "message")}, skipped="2")

DUMP_STATISTICS = message(
    "dump_stats_entry",
    {
        **fields_of("freezing_time frozen_time memdump_time memwrite_time"),
        **fields_of("pages_scanned pages_skipped_parent pages_written", 5, "u64"),
        9: Field("pages_lazy", "u64"),
    },
    skipped="8 10-14",
)

NET_DEVICE = message(
    "net_device_entry",
    {**fields_of("type ifindex mtu flags"), 5: Field("name", "bytes"), 7: Field("address", "bytes")},
    skipped="6 8-20",
)

NETWORK = message("netns_entry", {8: Field("ext_key", "bytes")}, skipped="1-7 9 10")

FILE_LOCK = message("file_lock_entry", {**fields_of("flag type"), **fields_of("pid fd", 3, "i32")}, skipped="5 6")

CGROUPS = message("cgroup_entry", {2: Field("controllers", "message", repeated=True)}, skipped="1")

CG_CONTROLLER = message(
    "cg_controller_entry", {1: Field("cnames", "bytes", repeated=True), 2: Field("dirs", "message", repeated=True)}, skipped="3"
)

CG_DIRECTORY = message(
    "cgroup_dir_entry",
    {
        1: Field("dir_name", "bytes"),
        2: Field("children", "message", repeated=True),
        3: Field("properties", "message", repeated=True),
    },
    skipped="4",
)

CG_PROPERTY = message("cgroup_prop_entry", {1: Field("name", "bytes"), 2: Field("value", "bytes")}, skipped="3")

CONTENTS_MESSAGES = (
    FDINFO, FILE, REGULAR_FILE, INET_SOCKET, IP_OPTIONS, SOCKET_OPTIONS, UNIX_SOCKET, PACKET_SOCKET, NETLINK_SOCKET,
    NAMESPACE_FILE, EVENTFD, EPOLL, EPOLL_TARGET, SIGNALFD, TIMERFD, INOTIFY, WATCH, FILE_HANDLE, FANOTIFY,
    PIPE, FIFO, TERMINAL, TUN, MEMFD,
    MEMFD_INODE, PIDFD, EXTERNAL, BPF_MAP, REMAP, FS, MM, VMA, PAGEMAP_HEAD, PAGEMAP, MOUNT, TASK_LIMITS, LIMIT, TASK_CORE, CORE,
    THREAD_INFO, FLOATING_POINT, EXTENDED_STATE, CPUINFO, PROCESSOR, STATISTICS, DUMP_STATISTICS, NET_DEVICE, NETWORK, FILE_LOCK,
    CGROUPS, CG_CONTROLLER, CG_DIRECTORY, CG_PROPERTY,
)  # fmt: skip
