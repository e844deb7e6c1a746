"""Kinds of finding about what an image of CRIU holds beside its process tree, and about options that a restore needs."""

from typing import Final

from planner.findings.registry import Kind, Severity
from planner.findings.verdicts import Consequence


def kind(code: str, severity: Severity, outcome: Consequence, sentence: str, hint: str, documentation: str) -> Kind:
    """Return a kind; the arguments are in the order in which they are read."""
    return Kind(code=code, severity=severity, outcome=outcome, sentence=sentence, hint=hint, documentation=documentation)


CRIU_OPTION: Final = kind(
    "criu-option-needed",
    "warning",
    "",
    "The dump was taken with an option that a restore must be given, too.",
    "Give criu restore the option, or tell the container engine to.",
    "`Need to set the --tcp-close options`, `Dumped with --allow-uprobes. Need to set it on restore as well.`",
)
CRIU_OPTION_MISSING: Final = kind(
    "criu-option-missing",
    "error",
    "refused",
    "The image needs an option that criu restore is not given.",
    "Give the option to criu restore.",
    "`--criu-options` says which options are given; exactly these are judged.",
)
CRIU_OPTION_IN_VAIN: Final = kind(
    "criu-option-in-vain",
    "note",
    "",
    "criu restore is given an option that this image does not need.",
    "Leave the option out, or keep it: it changes nothing.",
    "Said of --shell-job, --tcp-established, --tcp-close and --allow-uprobes; any other is not judged.",
)
CRIU_TERMINAL_FOREIGN: Final = kind(
    "criu-terminal-foreign",
    "error",
    "refused",
    "The master of a terminal belongs to a session that no task of the image leads.",
    "Dump the whole session, with the terminal's program, or end what holds the terminal before the dump.",
    "`No task found with sid`: CRIU gives a terminal back to the leader of its session.",
)
CRIU_TCP: Final = kind(
    "criu-tcp-connected",
    "warning",
    "",
    "The image has connected TCP sockets, which a restore needs an option for.",
    "Give --tcp-established to criu restore while the other end still waits, or --tcp-close.",
    "`Connected TCP socket in image`: CRIU asks for the option at the restore, too.",
)
CRIU_PLUGIN: Final = kind(
    "criu-plugin",
    "warning",
    "",
    "The dump was taken with a plugin of CRIU that a restore requires.",
    "Install the plugin where criu looks for plugins (--libdir).",
    "`Missing required plugin`, CRIU 4.1 and later.",
)
CRIU_PARENT: Final = kind(
    "criu-parent-missing",
    "error",
    "refused",
    "The dump is incremental, and the earlier dump that it points to is not there.",
    "Put the earlier dump where the link `parent` leads.",
    "`Can't open parent path`: memory pages that did not change are in the earlier dump alone.",
)
CRIU_FILE_MISSING: Final = kind(
    "criu-file-missing",
    "error",
    "refused",
    "A file of the image is missing that a restore needs.",
    "Copy the whole directory of the dump, or take the dump again.",
    "Without mm or fs criu restore crashes, without files.img it finds no descriptor.",
)
CRIU_FILE_DAMAGED: Final = kind(
    "criu-file-damaged",
    "error",
    "refused",
    "A file of the image that a restore needs is damaged.",
    "Copy the directory of the dump again, or take the dump again.",
    "The process tree does not need the file, so it is planned all the same.",
)
CRIU_STRIPPED: Final = kind(
    "criu-stripped",
    "note",
    "",
    "The copy holds no memory pages or no open files of any task: it is for inspection.",
    "Restore from the whole dump; with --complete what is left out counts.",
    "One kind of file is gone for all tasks, as in a copy that was made to be looked at.",
)
CRIU_INCOMPLETE: Final = kind(
    "criu-incomplete",
    "error",
    "refused",
    "The copy lacks files of all tasks, and a restore from it is refused.",
    "Restore from the whole dump.",
    "Asked for with --complete.",
)
CRIU_THREAD_FILE: Final = kind(
    "criu-open-thread-file",
    "error",
    "refused",
    "A file of a thread below /proc is open, and criu restore opens files before there are threads.",
    "Close the file before the dump.",
    "`Can't open file`: threads are created in the last stage of a restore.",
)
CRIU_MOUNT_LINK: Final = kind(
    "criu-mount-link",
    "error",
    "refused",
    "The source of a bind mount of the container is a symbolic link, and criu restore mounts the link itself.",
    "Give the path that the link leads to as the source of the mount (podman: init_path in containers.conf).",
    "`Can't remount with MS_PRIVATE: Invalid argument`: the new mount engine of CRIU does not follow the last link of a path.",
)
CRIU_STOPPED_JOB: Final = kind(
    "criu-stopped-job",
    "warning",
    "",
    "A stopped shell job is ended after the restore: its group is orphaned when criu exits, and the kernel sends SIGHUP.",
    "Let criu stay as the parent (without --restore-detached), or continue the job before the dump.",
    "The kernel sends SIGHUP and SIGCONT to an orphaned process group with a stopped member (exit.c, POSIX).",
)
CRIU_USER_NAMESPACE: Final = kind(
    "criu-user-namespace",
    "note",
    "",
    "The tree has a user namespace of its own and no pid namespace of its own.",
    "Restore it as a user who may write the maps of a user namespace.",
    "uid_map and gid_map are written by criu.",
)
CRIU_EXTERNAL: Final = kind(
    "criu-external-pid-namespace",
    "warning",
    "",
    "The pid namespace of the tree is external: a restore joins one that is there.",
    "Give --inherit-fd with the key of the image, and --into to judge the numbers in that namespace.",
    "A member of a pod with a shared pid namespace is dumped so (--external pid[ino]:key).",
)
CONTENTS: Final = (
    CRIU_OPTION,
    CRIU_OPTION_MISSING,
    CRIU_OPTION_IN_VAIN,
    CRIU_TERMINAL_FOREIGN,
    CRIU_TCP,
    CRIU_PLUGIN,
    CRIU_PARENT,
    CRIU_FILE_MISSING,
    CRIU_FILE_DAMAGED,
    CRIU_STRIPPED,
    CRIU_INCOMPLETE,
    CRIU_THREAD_FILE,
    CRIU_MOUNT_LINK,
    CRIU_STOPPED_JOB,
    CRIU_USER_NAMESPACE,
    CRIU_EXTERNAL,
)
