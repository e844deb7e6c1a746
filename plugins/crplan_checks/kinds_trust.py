"""Kinds of finding about archives of strangers: what a restore of one would have the machine do."""

from typing import Final

from crplan_checks.kinds_contents import kind
from planner.findings.registry import Kind

_LOOK: Final = "Restore it only if you trust who made it; else take it out of the archive."

TRUST_MEMBER: Final = kind(
    "trust-archive-member", "error", "refused",
    "The archive has a member that is no regular file, or whose name leads out of it.",
    _LOOK,
    "Links and names with `..` have let archives write outside of where they were unpacked.",
)  # fmt: skip
TRUST_DELETED: Final = kind(
    "trust-deleted-path", "error", "refused",
    "deleted.files names a path outside of the container's root.",
    _LOOK,
    "An engine removes these paths below the root; a path with `..` leads out of it.",
)  # fmt: skip
TRUST_HOOK: Final = kind(
    "trust-hook", "error", "refused",
    "The specification has a hook: a program that the runtime runs on the host.",
    _LOOK,
    "Hooks of an OCI specification run with the rights of the runtime.",
)  # fmt: skip
TRUST_MOUNT: Final = kind(
    "trust-bind-mount", "error", "refused",
    "The specification mounts a path of the host that is none of the engine's own.",
    _LOOK,
    "A writable mount lets the container change the host; a read-only one shows it.",
)  # fmt: skip
TRUST_DEVICE: Final = kind(
    "trust-device", "error", "refused",
    "The archive asks for a device of the host, by its specification or by an annotation.",
    _LOOK,
    "Annotations can inject devices that no specification shows.",
)  # fmt: skip
TRUST_CAPABILITIES: Final = kind(
    "trust-capabilities", "error", "refused",
    "The container has capabilities beyond those that engines give by default.",
    _LOOK,
    "With such capabilities a process can often leave its container.",
)  # fmt: skip
TRUST_NAMESPACE: Final = kind(
    "trust-host-namespace", "error", "refused",
    "The container has no namespace of its own of a kind, and so is in that of the host.",
    _LOOK,
    "What is in a namespace of the host sees and signals what else is in it.",
)  # fmt: skip
TRUST_UNREADABLE: Final = kind(
    "trust-unreadable", "error", "refused",
    "A file that tells an engine what to do cannot be read.",
    _LOOK,
    "An engine may read it in another way.",
)  # fmt: skip
TRUST_ROOT: Final = kind(
    "trust-no-user-namespace", "note", "",
    "The container has no user namespace: root inside is root of the host.",
    "Restore it in a user namespace, where the engine can.",
    "Most engines do so by default.",
)  # fmt: skip
TRUST_SECRET: Final = kind(
    "trust-secret", "warning", "",
    "The archive holds what looks like a secret; its name is told and not its value.",
    "Change the secret if strangers may have the archive.",
    "Environment and arguments stand in spec.dump, and the memory of the processes holds more.",
)  # fmt: skip

TRUST_ROOT_FILE: Final = kind(
    "trust-root-file", "error", "refused",
    "The changed files of the root have a setuid or setgid program, a device, or a name that leads out of the root.",
    _LOOK,
    "An engine unpacks them into the container's root; a setuid program gives its caller the rights of its owner.",
)  # fmt: skip
TRUST_REFERENCE: Final = kind(
    "trust-image-reference", "warning", "",
    "The archive says which content the name of its container image has; an engine that believes it gives the name to it.",
    "Pull the image by its name from where you trust it, and compare the digests.",
    "Restores have set tags of local images to what an archive names (CVE-2026-50195).",
)  # fmt: skip

BY_PROPERTY: Final[dict[str, Kind]] = {
    "archive member": TRUST_MEMBER,
    "deleted path": TRUST_DELETED,
    "hook": TRUST_HOOK,
    "bind mount": TRUST_MOUNT,
    "device": TRUST_DEVICE,
    "device annotation": TRUST_DEVICE,
    "capabilities": TRUST_CAPABILITIES,
    "host namespace": TRUST_NAMESPACE,
    "unreadable": TRUST_UNREADABLE,
    "no user namespace": TRUST_ROOT,
    "secret": TRUST_SECRET,
    "file of the root": TRUST_ROOT_FILE,
    "image reference": TRUST_REFERENCE,
}
"""Kind of finding, by what the reader calls the risk."""

TRUST: Final = tuple(dict.fromkeys(BY_PROPERTY.values()))
