"""Verdicts: the predicted result of one way of restoring a tree, by what is known of the image, the host and the request."""

from typing import Final, Literal

import msgspec

ConsumerName = Literal["criu-restore", "podman", "cri-o", "containerd", "run", "run-into", "criu-dump", "checkpoint", "trust"]
"""A way of bringing a tree back: criu by itself, by a container engine, or crplan; for a running tree, criu's dump or crplan's in
parts."""

WORDS: Final[dict[ConsumerName, str]] = {
    "criu-restore": "criu restore",
    "podman": "podman container restore",
    "cri-o": "CRI-O restore",
    "containerd": "containerd restore",
    "run": "crplan run",
    "run-into": "crplan run --into",
    "criu-dump": "criu dump",
    "checkpoint": "crplan checkpoint",
    "trust": "trust",
}
"""What a verdict's line calls each consumer."""

ENGINES: Final[tuple[ConsumerName, ...]] = ("podman", "cri-o", "containerd")
"""Container engines, which give criu options of their own."""

BY_CRIU: Final[tuple[ConsumerName, ...]] = ("criu-restore", *ENGINES)
"""Consumers behind which `criu restore` stands."""

Outcome = Literal["ok", "refused", "wrong", "hangs", "unknown"]
"""`wrong`: the program reports success, and the tree differs. `hangs`: it does not end in at least one try of eight."""

Consequence = Literal["", "refused", "hangs", "wrong"]
"""What follows from a finding for the consumer that was asked about, "" for nothing."""

ORDER: Final[tuple[Outcome, ...]] = ("refused", "hangs", "wrong", "unknown", "ok")
"""Outcomes by weight: a verdict is the first of them that an answer leads to."""

BAD: Final[tuple[Outcome, ...]] = ("refused", "hangs", "wrong")
"""Outcomes by which a check fails."""

CRIU_NS: Final = "criu-ns"
"""Word among the options of CRIU that says that criu is run by criu-ns, in a new pid namespace."""

JUDGED_AS: Final = "judged as"
"""Property of a finding that says, as its target, which version of a program the rules of a check are of."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A consumer with what it is given.

    `options` are CRIU's own, as on its command line; None means that they are not known, which differs from none. `into` is a
    process of the host in whose pid namespace the tree is to stand, 0 for a new one. `complete` says that every file that the
    image lacks counts, also where a kind of files is gone as a whole.
    """

    consumer: ConsumerName
    options: tuple[str, ...] | None = None
    into: int = 0
    complete: bool = False

    def has(self, option: str) -> bool:
        """Say whether an option of CRIU is given, with or without a value."""
        return any(given == option or given.startswith(f"{option}=") for given in self.options or ())

    def value(self, option: str) -> str:
        """Return the value of an option of CRIU, that of the last where it is given twice; "" where it is not given."""
        return next((given.partition("=")[2] for given in reversed(self.options or ()) if given.startswith(f"{option}=")), "")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of one consumer on one host.

    `codes` are those of the answers that decide, `reason` says the first of them in words. `namespace` is where level 0 of the
    image goes: "new", or "host 0" with the namespace's id in the facts of the host, "" where that is not known. `host` names the
    facts that were judged, "" for the image only. `options` are CRIU's as they were given, None where they are not known; `needs`
    are those that are missing or that the verdict depends on, and `command` is the whole command that would work, "" where none
    would. `ignored` are codes that would have decided and were ignored or known from a baseline. `judged_as` is the version of
    the consumer's program that the rules are of, where the host has another one. `executor` is the one that `crplan run` would
    take on the host, "" where that is not known.
    """

    consumer: ConsumerName
    verdict: Outcome
    codes: tuple[str, ...] = ()
    namespace: str = ""
    host: str = ""
    options: tuple[str, ...] | None = None
    reason: str = ""
    needs: tuple[str, ...] = ()
    command: str = ""
    ignored: tuple[str, ...] = ()
    judged_as: str = ""
    executor: str = ""


def verdict_line(verdict: Verdict) -> str:
    """Return a verdict in one line: the consumer, the outcome, the reason, the codes, and what was judged."""
    outcome = {"hangs": "hangs (may hang)"}.get(verdict.verdict, verdict.verdict)
    reason = f", {verdict.reason}" if verdict.reason else ""
    codes = f" [{', '.join(verdict.codes)}]" if verdict.codes else ""
    ignored = f"; not counted: {', '.join(verdict.ignored)}" if verdict.ignored else ""
    judged_as = f", judged as {verdict.judged_as}" if verdict.judged_as else ""
    executor = f", executor {verdict.executor}" if verdict.executor else ""
    return f"{WORDS[verdict.consumer]}: {outcome}{reason}{codes} ({judged(verdict)}{executor}{judged_as}{ignored})"


def judged(verdict: Verdict) -> str:
    """Return the namespace and the host that a verdict is about."""
    host = verdict.host or "image only"
    if verdict.namespace == "new":
        return f"{host}, new pid namespace"
    if verdict.namespace == "host 0":
        return f"{host}, the host's pid namespace"
    if verdict.namespace:
        return f"{host}, pid namespace {verdict.namespace.removeprefix('host ')} of the host"
    return host
