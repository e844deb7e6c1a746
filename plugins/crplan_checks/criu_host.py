"""What `criu restore` needs for this image, and whether the host has it."""

from collections.abc import Iterator

from crplan_checks import criu_limits, kinds
from crplan_checks.criu import FORMAT, created
from crplan_checks.criu_versions import HELD_AGAINST, version, words
from crplan_checks.kinds_restore import CRIU_LIMIT, CRIU_VERSION, ENGINE_NOT_INSTALLED, ENGINE_RUNTIME
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import JUDGED_AS, Invocation
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host.facts import CAPABILITIES, Host
from planner.host.questions import labels

NAMESPACE_KINDS = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")
SAME_MACHINE = {"arm": ("armv6l", "armv7l", "armv8l", "arm"), "ppc64": ("ppc64", "ppc64le"), "s390": ("s390x", "s390")}
"""What uname calls the architectures to which CRIU gives another name."""


def check(artefact: Artefact, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    """Yield what is missing; nothing for an image of another format, or where no host was given."""
    forest = artefact.forest
    if host is None or forest.format != FORMAT:
        return
    for kind, answers in (
        (kinds.CRIU_NOT_INSTALLED, _program(host)),
        (kinds.CRIU_MACHINE, _machine(forest, host)),
        (kinds.CRIU_CAPABILITY, _capabilities(forest, host)),
        (kinds.CRIU_FEATURE, _namespaces(forest, host)),
        (kinds.CRIU_SECURITY, _security(forest, host, invocation)),
        (kinds.CRIU_JOINED, _joined(forest)),
        (kinds.CRIU_PID_MAX, _pid_max(forest, host)),
        (CRIU_LIMIT, criu_limits.answers(forest, host, invocation)),
        (CRIU_VERSION, _version(host)),
        (ENGINE_NOT_INSTALLED, _engine(host, invocation)),
        (ENGINE_RUNTIME, _runtime(forest, host, invocation)),
    ):
        given = list(answers)
        yield from given or (Passed(code=kind.code),)


def _program(host: Host) -> Iterator[Answer]:
    state = host.tools.get("criu")
    if state is None:
        yield Unknown(code=kinds.CRIU_NOT_INSTALLED.code, missing="whether the host has criu")
    elif state == "no":
        yield kinds.CRIU_NOT_INSTALLED.found(property="criu", recorded="needed", target="not on PATH")


def _engine(host: Host, invocation: Invocation) -> Iterator[Answer]:
    if invocation.consumer == "podman" and host.tools.get("podman") == "no":
        yield ENGINE_NOT_INSTALLED.found("the host has no podman", property="podman", recorded="needed", target="not on PATH")


def _runtime(forest: Forest, host: Host, invocation: Invocation) -> Iterator[Answer]:
    """Ask for the runtime that the container was made with; one that the host's facts do not look for is not asked."""
    runtime = forest.image_facts.get("runtime", "").rpartition("/")[2]
    if invocation.consumer == "podman" and host.tools.get(runtime) == "no":
        detail = f"the container was made with {runtime}, and the host does not have it"
        yield ENGINE_RUNTIME.found(detail, property="runtime", recorded=runtime, target="not on PATH")


def _version(host: Host) -> Iterator[Answer]:
    """Where the host says which CRIU it has; whether it has one is asked elsewhere."""
    found = version(host.tools.get("criu"))
    if found is not None and found != HELD_AGAINST:
        detail = f"the host has {words(found)}, and the rules were held against {words(HELD_AGAINST)}"
        yield CRIU_VERSION.found(detail, property=JUDGED_AS, recorded=words(found), target=words(HELD_AGAINST))


def _machine(forest: Forest, host: Host) -> Iterator[Answer]:
    image = forest.image_facts.get("architecture", "")
    if not image or host.machine is None:
        yield Unknown(code=kinds.CRIU_MACHINE.code, missing="the architecture of the image or of the host")
    elif host.machine not in SAME_MACHINE.get(image, (image,)):
        yield kinds.CRIU_MACHINE.found(property="architecture", recorded=image, target=host.machine)


def _capabilities(forest: Forest, host: Host) -> Iterator[Answer]:
    if host.capabilities is None:
        yield Unknown(code=kinds.CRIU_CAPABILITY.code, missing="the capabilities of the restoring process")
        return
    have = frozenset(host.capabilities)
    if not have & {"sys_admin", "checkpoint_restore"}:
        yield kinds.CRIU_CAPABILITY.found(
            "neither CAP_SYS_ADMIN nor CAP_CHECKPOINT_RESTORE is there",
            property="capability",
            recorded="sys_admin",
            target="missing",
        )
    if created(forest, "user") is not False:
        # The capabilities of a user namespace of its own are another matter than those of the host.
        return
    needed: dict[str, int] = {}
    for _, fact in forest.facts:
        if fact.property == "cap_permitted" and fact.pid:
            for name in capability_names(fact.value):
                needed.setdefault(name, fact.pid)
    for name, pid in needed.items():
        if name not in have:
            detail = f"task {pid} has CAP_{name.upper()}, and the restoring process does not"
            yield kinds.CRIU_CAPABILITY.found(detail, pid=pid, property="cap_permitted", recorded=name, target="missing")
    yield from _changes(forest, host, have)


def _changes(forest: Forest, host: Host, have: frozenset[str]) -> Iterator[Answer]:
    """Yield the capabilities by which criu changes user, group and bounding set, where a task needs them and they are missing.

    With no_new_privs a bounding set that cannot be made smaller is passed over.
    """
    unprivileged = {fact.pid for _, fact in forest.facts if fact.property == "no_new_privs"}
    told: set[str] = set()
    for _, fact in forest.facts:
        needed = USED_FOR.get(fact.property)
        if needed is None or needed in have or needed in told:
            continue
        if fact.property == "cap_bounding":
            dropped = frozenset(host.bounding or ()) - frozenset(capability_names(fact.value))
            changes = bool(dropped) and fact.pid not in unprivileged
        else:
            changes = bool(host.root) and set(fact.value.split()) != {"0"}
        if changes:
            told.add(needed)
            detail = (
                f"task {fact.pid} needs another {WORDS_OF[fact.property]}, and the restoring process has no CAP_{needed.upper()}"
            )
            yield kinds.CRIU_CAPABILITY.found(
                detail, pid=fact.pid, property=fact.property, recorded=fact.value, target="missing", at=fact.at
            )


USED_FOR = {"uid": "setuid", "gid": "setgid", "cap_bounding": "setpcap"}
WORDS_OF = {"uid": "user", "gid": "group", "cap_bounding": "bounding set"}


def capability_names(word: str) -> Iterator[str]:
    """Yield the names of the capabilities in a set written in hexadecimal digits, as /proc/PID/status has it."""
    try:
        value = int(word, 16)
    except ValueError:
        return
    for number, name in enumerate(CAPABILITIES):
        if value >> number & 1:
            yield name


def _namespaces(forest: Forest, host: Host) -> Iterator[Answer]:
    for kind in NAMESPACE_KINDS:
        own = created(forest, kind)
        if own is False or (own is None and kind != "pid"):
            continue
        if own is None:
            yield Unknown(code=kinds.CRIU_FEATURE.code, missing="whether the root task's pid namespace is its own")
            continue
        found = host.feature(f"{kind}_namespaces")
        if found.state == "unknown":
            yield Unknown(code=kinds.CRIU_FEATURE.code, missing=f"whether the host can make {kind} namespaces ({found.detail})")
        elif found.state == "no":
            yield kinds.CRIU_FEATURE.found(
                f"the root task has a {kind} namespace of its own, and the host cannot make one ({found.detail})",
                property=f"{kind} namespace",
                recorded="own",
                target=found.detail,
                hint=kinds.hint_of(found.detail),
            )


def _security(forest: Forest, host: Host, invocation: Invocation) -> Iterator[Answer]:
    """Ask for the module of the tasks' labels: without a label nothing is restored, and any module will do."""
    module = forest.image_facts.get("security_module", "none")
    given = invocation.value("--lsm-profile").partition(":")[0]
    wanted = {"--lsm-profile": given} if given in ("apparmor", "selinux") else {}
    if any(True for _ in labels(forest)):
        wanted["a task's label"] = module
    if wanted and host.security_modules is None:
        yield Unknown(code=kinds.CRIU_SECURITY.code, missing="the security modules of the host")
        return
    have = host.security_modules or ()
    for what, named in wanted.items():
        if named not in have:
            detail = f"{what} is of {named}, and the host runs {', '.join(have) or 'no security module'}"
            yield kinds.CRIU_SECURITY.found(detail, property="security module", recorded=named, target=", ".join(have) or "none")
    if module == "apparmor" and module in have and not given:
        yield from _profiles(forest, host)


def _profiles(forest: Forest, host: Host) -> Iterator[Answer]:
    for fact, profile in labels(forest):
        found = host.answers.profiles.get(profile)
        if found is None:
            yield Unknown(code=kinds.CRIU_PROFILE.code, missing=f"whether the profile {profile} is loaded on the host")
        elif not found:
            yield kinds.CRIU_PROFILE.found(
                f"the profile {profile} is not loaded", pid=fact.pid, property="security profile", recorded=profile,
                target="missing", at=fact.at,
            )  # fmt: skip


def _joined(forest: Forest) -> Iterator[Answer]:
    for _, fact in forest.facts:
        if fact.property.startswith("joined "):
            yield Unknown(code=kinds.CRIU_JOINED.code, missing=f"whether the {fact.property.removeprefix('joined ')} is there")


def _pid_max(forest: Forest, host: Host) -> Iterator[Answer]:
    """CRIU looks at numbers, groups and sessions of processes, and not at threads."""
    own = host.namespace(0)
    limit = None if own is None else own.pid_max
    highest = max(number for task in forest.tasks.values() for number in (task.pid, task.group, task.session))
    if limit is None or (highest > limit and host.root is None):
        yield Unknown(code=kinds.CRIU_PID_MAX.code, missing="pid_max of the host, and whether it may be raised")
    elif highest > limit and not host.root:
        yield kinds.CRIU_PID_MAX.found(
            f"pid {highest} is above the host's pid_max, {limit}, which only root may raise",
            property="pid_max",
            recorded=str(highest),
            target=str(limit),
        )
