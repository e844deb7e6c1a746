"""Words that a redacted log keeps: those of formats, of the kernel and of this project. All others may be names of an owner.

A word of the list that is also a name is kept: it says no more than the list does.
"""

from typing import Final

IMAGE_FILES: Final = frozenset(
    " ".join(
        (
            "amdgpu-pages apparmor autofs binfmt-misc bpfmap-data bpfmap-file cgroup cgroup-props core cpuinfo creds eventfd",
            "eventpoll ext-files fanotify-file fanotify-mark fdinfo fifo fifo-data filelocks files fs fs-ext fsnotify-file",
            "fsnotify-mark ghost-file ids ifaddr inetsk inotify-file inotify-wd inventory ip6tables ipcns-msg ipcns-sem",
            "ipcns-shm ipcns-var iptables irmap-cache itimers memfd mm mnt-ext mountpoints netdev netlinksk netns netns-ct",
            "netns-exp nftables ns ns-files packetsk pagemap pagemap-shmem pages pidfd pidns pipes pipes-data posix-timers",
            "pstree reg-files remap-fpath rlimit route route6 rule seccomp shm sigacts signal-p signal-s signalfd sk-queues",
            "stats-dump stats-restore sysvshm-mem tcp-stream timens timerfd tmpfs tmpfs-dev tty tty-data tty-info tunfile",
            "unixsk userfaultfd userns utsns vmas vsocksk parent config.dump spec.dump network.status deleted.files",
            "rootfs-diff.tar checkpoint-manifest.json",
        )
    ).split()
)
"""Images and documents of a checkpoint by their names, without a number and without `.img`."""

WORDS: Final = IMAGE_FILES | frozenset(
    " ".join(
        (
            # Facts of headers, namespaces, tasks and open files.
            "architecture image version security module engine runtime criu host kernel created checkpointed container id pod",
            "namespace command run found in uptime dump tcp close network lock method pre mode allow uprobes fdinfo per root cg",
            "set files of time byte order machine revision linux flags distribution cgroup status ip mac address boottime",
            "monotonic nodename domainname specified joined external map gid uid groups cap permitted effective bounding",
            "inheritable ambient no new privs securebits label seccomp stop signal subreaper clear child tid loginuid oom score",
            "adj death parent terminal group parents exit state number index pipe file counter descriptors signals clock seconds",
            "interval watches marks process device inode path terminal name",
            # Sentences of facts.
            "a accept account adopted all an and another are as at be been before behind beneath between by can changed",
            "connected crosses damaged detail did directory do ended entry errors fields for from gone had has have held holds",
            "image images interface is it itself leader lies link master memory missing mount mounts named names namespaces",
            "network no none not of off on one only or other outside outsider owner part parts pages plugin pool read recorded",
            "required reference resident resource restart risk secret sent session shown slave socket sockets something",
            "specified statistics stripped strict task tasks that the them there this those thread threads through timer to",
            "tree unknown user was when which who with without yes freezing frozen memdump memwrite lazy scanned skipped",
            "written open unix file locked (bytes) bytes (zombie) usual pid pids ns net ipc uts mnt filter living new inherited",
            "annotation bind hook devices setuid seen us",
            # Words of the kernel and of formats.
            "little big x86_64 i386 i686 aarch64 arm armv7l ppc64 ppc64le s390 s390x mips loongarch64 riscv64 selinux apparmor",
            "lsm_none podman CRI-O containerd crun runc youki docker libpod cri-o POSIX flock lease OFD TCP SUBTREE (none)",
            "reuseaddr reuseport freebind v6only deleted ghost procfs x87 sse avx bndregs bndcsr opmask zmm_hi256 hi16_zmm pt",
            "pkru pasid cet_user cet_kernel hdc uintr lbr hwp amx_tile_config amx_tile_data cpu fsize data stack core rss nproc",
            "nofile memlock as locks sigpending msgqueue nice rtprio rttime cpuset cpuacct blkio freezer perf_event net_cls",
            "net_prio hugetlb rdma misc io systemd mtu type sysv undo handlers",
            "fdinfo_entry file_entry reg_file_entry inet_sk_entry unix_sk_entry mnt_entry mm_entry vma_entry pagemap_entry",
            "core_entry thread_core_entry task_core_entry creds_entry inventory_entry pstree_entry",
        )
    ).split()
)
"""Words of facts and of their values; in a value of several words with underscores each part is looked at."""

PATH_PARTS: Final = frozenset(
    " ".join(
        (
            ". .. bin dev etc fd fdinfo home lib lib64 libexec local mnt ns null opt proc ptmx pts root run sbin self shm srv",
            "sys task tmp tty urandom random usr var zero x86_64-linux-gnu libc.so.6 ld-linux-x86-64.so.2 status stat maps",
            "mountinfo limits cmdline cwd exe statm timers oom_score_adj loginuid attr current cgroup cpuinfo checkpoint img",
            "pid net ipc uts user time fs hostname hosts resolv.conf mqueue .containerenv",
        )
    ).split()
)
"""Parts of paths that every machine has."""
