"""Kinds of finding about what a machine gives a restore beside files: cgroups, processors, limits, tools, engines."""

from typing import Final

from crplan_checks.kinds_contents import kind

CRIU_CGROUP_CONTROLLER: Final = kind(
    "criu-cgroup-controller",
    "error",
    "refused",
    "The image has cgroups of a controller that the host has no hierarchy of version 1 for.",
    "Give --manage-cgroups=ignore to criu restore, or restore on a host with the same version of cgroups.",
    "`Can't mount controller dir`: CRIU mounts every controller of the image, whether it is to make cgroups or not.",
)
CRIU_CGROUP_MISSING: Final = kind(
    "criu-cgroup-missing",
    "error",
    "refused",
    "A cgroup of the image is not there, and criu restore is told to make none.",
    "Make the cgroup, or give --manage-cgroups=soft, which makes what is missing.",
    "`Cgroup dir ... doesn't exist`, with --manage-cgroups=none or =props. With any other mode the cgroup is made.",
)
CRIU_CGROUP_EXISTS: Final = kind(
    "criu-cgroup-exists",
    "error",
    "refused",
    "A cgroup of the image is there already, and criu restore is told to make all of them.",
    "Remove the cgroup, or give --manage-cgroups=soft, which uses what is there.",
    "`Abort restore of existing cgroups`, with --manage-cgroups=strict.",
)
CRIU_CGROUP_PROCESSORS: Final = kind(
    "criu-cgroup-processors",
    "error",
    "refused",
    "A cgroup is to be made for processors that the host does not have.",
    "Make the cgroup before with processors of the host, or give --manage-cgroups=ignore.",
    "`Failed writing ... to cpuset.cpus: Numerical result out of range`: CRIU writes it into every cgroup that it makes.",
)
CRIU_PROCESSOR: Final = kind(
    "criu-processor",
    "error",
    "refused",
    "The host's processor lacks what that of the dump had, and --cpu-cap has criu restore compare them.",
    "Restore on a processor that has the same, or leave --cpu-cap out and take the risk.",
    "`CPU instruction capabilities do not match run time`, `CPU xfeatures has unsupported bits`, `CPU xsave size mismatch`.",
)
CRIU_PROCESSOR_UNCOMPARED: Final = kind(
    "criu-processor-not-compared",
    "note",
    "",
    "The host's processor lacks instructions that that of the dump had, and a restore does not compare them.",
    "Give --cpu-cap=ins to criu restore to have it refuse.",
    "A program that found instructions at its start may still use them: it ends with SIGILL after the restore.",
)
CRIU_PROCESSOR_UNRECORDED: Final = kind(
    "criu-processor-not-recorded",
    "error",
    "refused",
    "criu restore is told to compare processors, and the image does not say which one it was taken on.",
    "Leave --cpu-cap out, or give it to criu dump, too.",
    "`No cpuinfo image`.",
)
CRIU_REGISTERS_UNKNOWN: Final = kind(
    "criu-registers-not-restored",
    "error",
    "wrong",
    "A thread has values in registers that CRIU does not record, and a restore loses them.",
    "End the use of the tiles before the dump (TILERELEASE).",
    "CRIU 4.2 knows the extended state up to the protection keys; that of AMX is left out and success reported.",
)
CRIU_RESOURCE: Final = kind(
    "criu-resource-limit",
    "error",
    "wrong",
    "A task has a higher resource limit than criu may give, and a restore leaves it lower.",
    "Raise the hard limit of the shell that restores, or give criu CAP_SYS_RESOURCE.",
    "CRIU 4.2 does not look at what setrlimit answers (`restore_rlims`) and reports success.",
)
CRIU_DESCRIPTORS: Final = kind(
    "criu-descriptor-limit",
    "error",
    "refused",
    "A task has a descriptor with a higher number than criu may open.",
    "Raise the limit of open files of the shell that restores (ulimit -n), or give criu CAP_SYS_RESOURCE.",
    "`Can't chose service_fd_base`: CRIU keeps its own descriptors above those of the task.",
)
CRIU_TOOL: Final = kind(
    "criu-tool-missing",
    "error",
    "refused",
    "A restore runs a program for this image that the host does not have.",
    "Install the program: iproute2, iptables or tar.",
    "CRIU runs `ip` for addresses and routes of a network namespace of the tree's own, `iptables-restore` for its rules and "
    "`tar` for the files of a tmpfs.",
)
ENGINE_IMAGE: Final = kind(
    "engine-image-missing",
    "warning",
    "",
    "The host does not have the image that the container was made from.",
    "Pull the image before, and compare its digest.",
    "Engines pull it by its name at the restore, which may have another content by then.",
)
ENGINE_SPECIFICATION: Final = kind(
    "engine-specification-missing",
    "error",
    "refused",
    "The archive has no specification of the container, which engines read first.",
    "Take the archive anew with the engine; a directory of images is restored by criu itself.",
    "podman, CRI-O and containerd read config.dump and spec.dump of an archive before anything else.",
)
MACHINE: Final = (
    CRIU_CGROUP_CONTROLLER,
    CRIU_CGROUP_MISSING,
    CRIU_CGROUP_EXISTS,
    CRIU_CGROUP_PROCESSORS,
    CRIU_PROCESSOR,
    CRIU_PROCESSOR_UNCOMPARED,
    CRIU_PROCESSOR_UNRECORDED,
    CRIU_REGISTERS_UNKNOWN,
    CRIU_RESOURCE,
    CRIU_DESCRIPTORS,
    CRIU_TOOL,
    ENGINE_IMAGE,
    ENGINE_SPECIFICATION,
)
