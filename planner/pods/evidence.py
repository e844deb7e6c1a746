"""Whether containers share a pid namespace: what their images and their engines' files say, and what follows from it.

Every verdict is an event with its evidence. That they share one, or do not, is believed where something says so: an init in each,
a path or a container whose namespace both joined, a pod, a specification. Where nothing does, it is assumed, and the assumption
is a finding: several images are given to stand together, and pids that exclude that are conflicts.

Sources: OCI runtime-spec `config-linux.md` (a namespace with a path is joined, without one made, and inherited when it is not
listed); podman `libpod/container_config.go` (`pidNsCtr`, `pod`); Kubernetes CRI annotations of containerd and CRI-O.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from planner.events.records import DefectRecorded, FactRecorded, ImageOpened, NamespaceRecorded, TaskRecorded
from planner.identity import OUTSIDE
from planner.pods.parts import Part, labelled

TWICE, APART, ASSUMED = "container-twice", "pid-namespaces-apart", "pid-namespace-assumed"
"""Codes of the findings that a verdict can be."""

SHARED_PROPERTY = "pid namespace of the pod"
"""Property of the facts that say that containers share one, and why."""

LONGEST = 200
"""Characters of a path or an id that are shown; what is longer is told apart by its digest."""


class Member(msgspec.Struct, frozen=True):
    """What one image says about the pid namespace of its container, and where it says so."""

    label: str
    file: str
    root: int
    root_at: str
    at: str
    joined_at: str
    image: dict[str, str]
    namespace: dict[str, str]

    def says(self, fact: str) -> str:
        """Return a fact about the pid namespace, "" where the image does not hold it."""
        return _short(self.namespace.get(fact, ""))

    def named(self, fact: str) -> str:
        """Return a fact about the container, "" where the image does not hold it."""
        return _short(self.image.get(fact, ""))

    @property
    def identity(self) -> str:
        """The container's id, "" where the image does not hold it."""
        return self.named("container_id")


class Verdict(msgspec.Struct, frozen=True):
    """What is found of two containers, in words that follow their names."""

    kind: Literal["twice", "apart", "same", "unknown"]
    words: str = ""


def sharing(parts: Sequence[Part]) -> Iterator[FactRecorded | DefectRecorded]:
    """Yield for each image but the first whether its container shares the pid namespace of those before.

    What excludes that counts first, then what speaks for it, and nothing is assumed that one of them says.
    """
    members = list(map(member_of, parts))
    for position, member in enumerate(members[1:], start=1):
        found: dict[str, tuple[Verdict, Member]] = {}
        for other in members[:position]:
            verdict = compare(other, member)
            found.setdefault(verdict.kind, (verdict, other))
        for kind in ("twice", "apart", "same", "unknown"):
            if kind in found:
                verdict, other = found[kind]
                yield _said(verdict, f"{other.label} and {member.label}", member.at)
                break


def _said(verdict: Verdict, both: str, at: str) -> FactRecorded | DefectRecorded:
    if verdict.kind == "same":
        return FactRecorded(property=SHARED_PROPERTY, value=f"{both} share one: {verdict.words}", at=at)
    if verdict.kind == "twice":
        return DefectRecorded(code=TWICE, detail=f"{both} are one container: {verdict.words}", at=at)
    if verdict.kind == "apart":
        return DefectRecorded(code=APART, detail=f"{both} do not share a pid namespace: {verdict.words}", at=at)
    detail = f"nothing says that {both} share a pid namespace, and it is assumed{verdict.words}"
    return DefectRecorded(code=ASSUMED, detail=detail, at=at)


def member_of(part: Part) -> Member:
    """Return what one image says about the pid namespace of its container."""
    label = part.label
    root, root_at, at, joined_at = 0, label, label, ""
    image: dict[str, str] = {}
    namespace: dict[str, str] = {}
    for event in part.events:
        if isinstance(event, ImageOpened):
            image, at = event.facts, labelled(label, event.at)
        elif isinstance(event, NamespaceRecorded) and event.kind == "pid" and event.id == 0:
            namespace, at = event.facts, labelled(label, event.at)
        elif isinstance(event, TaskRecorded) and event.parent == OUTSIDE and not root:
            root, root_at = event.pids[0], labelled(label, event.at)
        elif isinstance(event, FactRecorded) and event.property == "joined pid namespace":
            joined_at = labelled(label, event.at)
    return Member(label, part.file, root, root_at, at, joined_at or at, image, namespace)


def compare(one: Member, other: Member) -> Verdict:
    """Return what two images say about the pid namespaces of their containers."""
    for verdict in (_twice(one, other), _apart_for_sure(one, other), _same(one, other), _apart(one, other)):
        if verdict is not None:
            return verdict
    if one.says("created") == other.says("created") == "no":
        return Verdict("unknown", ": each ran in that of the process that took its checkpoint, as if on one machine")
    return Verdict("unknown")


def _twice(one: Member, other: Member) -> Verdict | None:
    if one.identity and one.identity == other.identity:
        return Verdict("twice", f"both have the id {one.identity}")
    if one.named("run_id") and one.named("run_id") == other.named("run_id"):
        return Verdict("twice", f"both are of the dump {one.named('run_id')}")
    if one.file and one.file == other.file:
        return Verdict("twice", "one file is given twice")
    return None


def _apart_for_sure(one: Member, other: Member) -> Verdict | None:
    """Return what no path can outweigh: a namespace has one init, and does not reach beyond its pod."""
    if one.root == other.root == 1:
        return Verdict("apart", f"each has an init of its own ({one.root_at}, {other.root_at})")
    pods = one.named("pod_id"), other.named("pod_id")
    if all(pods) and pods[0] != pods[1]:
        return Verdict("apart", f"they are of the pods {pods[0]} and {pods[1]}")
    return None


def _same(one: Member, other: Member) -> Verdict | None:
    if one.says("joined") and one.says("joined") == other.says("joined"):
        return Verdict("same", f"both had joined {one.says('joined')} ({one.joined_at}, {other.joined_at})")
    if one.says("joined_container") and one.says("joined_container") == other.says("joined_container"):
        return Verdict("same", f"both had joined that of container {one.says('joined_container')}")
    for owner, guest in ((one, other), (other, one)):
        if owner.identity and owner.identity == guest.says("joined_container"):
            return Verdict("same", f"{guest.label} had joined that of container {owner.identity}, which is {owner.label}")
    return None


def _apart(one: Member, other: Member) -> Verdict | None:
    """Return what speaks against sharing, where nothing speaks for it."""
    joined = one.says("joined"), other.says("joined")
    if all(joined):
        return Verdict("apart", f"they had joined {joined[0]} ({one.joined_at}) and {joined[1]} ({other.joined_at})")
    if one.says("specified") == other.says("specified") == "new":
        return Verdict("apart", f"each was to have one of its own ({one.at}, {other.at})")
    for inside, outside in ((one, other), (other, one)):
        if inside.says("created") == "yes" and outside.says("created") == "no":
            where = f"{outside.label} ran in that of the process that took the checkpoint, {inside.label} in another"
            return Verdict("apart", f"{where} ({outside.at}, {inside.at})")
        if inside.identity and inside.says("specified") == "new" and outside.says("joined_container"):
            return Verdict("apart", f"{outside.label} had joined that of container {outside.says('joined_container')}")
    return None


def _short(text: str) -> str:
    """Return a value that the writer of the image has chosen, as long as a path or an id may be that stands in one line."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}... (sha256 {hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:16]})"
