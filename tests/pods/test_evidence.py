"""Do two containers share a pid namespace: what speaks for it, what against it, and what is assumed where nothing speaks."""

from typing import Any

import pytest

import planner
from planner.errors import Contradiction
from planner.events.records import DefectRecorded, FactRecorded
from planner.pipeline.resolve import resolve
from planner.pods.evidence import APART, ASSUMED, LONGEST, SHARED_PROPERTY, TWICE
from tests.helpers.containers import HOST, POD, POD_NAMESPACES, Dump, cri_o

Document = dict[str, Any]


def container(root: int, config: Document | None = None, spec: Document | None = None, *, run: str = "", **ids: int) -> bytes:
    """A container of one task; `ids` are namespaces that it is in."""
    return Dump(run=run, external="", ids=POD | ids).task(root).archive(config, spec)


def namespaces(*listed: Document, **annotations: str) -> Document:
    return {"linux": {"namespaces": list(listed)}, "annotations": annotations}


NEW = {"type": "pid"}
JOINED = {"type": "pid", "path": "/proc/41/ns/pid"}
ELSEWHERE = {"type": "pid", "path": "/proc/42/ns/pid"}
OF_A_POD = "io.kubernetes.cri.sandbox-id"


def verdict(one: bytes, other: bytes) -> tuple[str, str]:
    """What the log says: the code or the property, and the words."""
    events = planner.read(one, other)
    (said,) = (
        event
        for event in events
        if getattr(event, "code", "") in {APART, ASSUMED, TWICE} or getattr(event, "property", "") == SHARED_PROPERTY
    )
    if isinstance(said, FactRecorded):
        return said.property, said.value
    assert isinstance(said, DefectRecorded)
    return said.code, said.detail


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (container(7, None, namespaces(JOINED)), container(9, None, namespaces(JOINED)), "both had joined /proc/41/ns/pid"),
        (
            container(7, {"id": "a", "pidNsCtr": "infra"}, namespaces(JOINED)),
            container(9, {"id": "b", "pidNsCtr": "infra"}, namespaces(ELSEWHERE)),
            "both had joined that of container infra",
        ),
        (
            container(1, {"id": "a"}, namespaces(NEW)),
            container(9, {"id": "b", "pidNsCtr": "a"}, namespaces(JOINED)),
            "2:bytes had joined that of container a, which is 1:bytes",
        ),
    ],
    ids=["one path", "one container", "that of the other"],
)
def test_this_speaks_for_it(one: bytes, other: bytes, words: str) -> None:
    said, value = verdict(one, other)
    assert said == SHARED_PROPERTY
    assert words in value
    assert resolve(planner.read(one, other)).findings == ()


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (container(1), container(1), "each has an init of its own (1:bytes/pstree.img#0, 2:bytes/pstree.img#0)"),
        (
            container(1, None, namespaces(JOINED)),
            container(1, None, namespaces(JOINED)),
            "each has an init of its own",
        ),
        (
            container(7, None, namespaces(JOINED, **{OF_A_POD: "p1"})),
            container(9, None, namespaces(JOINED, **{OF_A_POD: "p2"})),
            "they are of the pods p1 and p2",
        ),
        (container(7, {"pod": "p1"}), container(9, {"pod": "p2"}), "they are of the pods p1 and p2"),
        (
            container(7, None, namespaces(JOINED)),
            container(9, None, namespaces(ELSEWHERE)),
            "they had joined /proc/41/ns/pid (1:bytes/spec.dump#0) and /proc/42/ns/pid (2:bytes/spec.dump#0)",
        ),
        (container(7, None, namespaces(NEW)), container(9, None, namespaces(NEW)), "each was to have one of its own"),
        (
            container(7),
            container(900, pid=HOST["pid"]),
            "2:bytes ran in that of the process that took the checkpoint, 1:bytes in another",
        ),
        (
            container(1, {"id": "a"}, namespaces(NEW)),
            container(9, {"id": "b", "pidNsCtr": "c"}, namespaces(JOINED)),
            "2:bytes had joined that of container c",
        ),
    ],
    ids=["two inits", "two inits and one path", "two pods", "two podman pods", "two paths", "two new", "host", "a third"],
)
def test_this_speaks_against_it(one: bytes, other: bytes, words: str) -> None:
    code, detail = verdict(one, other)
    assert code == APART
    assert words in detail
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(one, other))
    assert caught.value.code == APART


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (container(7, {"id": "a"}), container(9, {"id": "a"})),
        (container(7, run="r"), container(9, run="r")),
        (container(1, {"id": "a"}), container(1, {"id": "a"})),
    ],
    ids=["one id", "one dump", "one init"],
)
def test_one_container_is_not_two(one: bytes, other: bytes) -> None:
    assert verdict(one, other)[0] == TWICE
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(one, other))
    assert caught.value.code == TWICE


def test_one_file_is_one_container_whatever_it_is_called(tmp_path: Any) -> None:
    (tmp_path / "a").write_bytes(container(7))
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(Contradiction) as caught:
        resolve(planner.read(tmp_path / "a", tmp_path / "b"))
    assert caught.value.code == TWICE


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (container(7), container(9), "it is assumed"),
        (container(1), container(9), "it is assumed"),
        (container(7, None, namespaces(JOINED)), container(9), "it is assumed"),
        (container(1, {"id": "a"}, namespaces(NEW)), container(9, {"id": "b"}, namespaces(JOINED)), "it is assumed"),
        (container(700, pid=HOST["pid"]), container(900, pid=HOST["pid"]), "as if on one machine"),
    ],
    ids=["nothing is said", "one init", "one path", "a path that may be the other's", "host"],
)
def test_where_nothing_speaks_it_is_assumed_and_said(one: bytes, other: bytes, words: str) -> None:
    code, detail = verdict(one, other)
    assert code == ASSUMED
    assert words in detail
    outcome = resolve(planner.read(one, other))
    assert [(found.code, found.severity) for found in outcome.findings] == [(ASSUMED, "warning")]


def test_of_three_each_is_held_against_those_before_it() -> None:
    pod = [Dump().task(root).archive(*cri_o(name, **POD_NAMESPACES)) for name, root in (("a", 7), ("b", 9), ("c", 11))]
    said = [event for event in planner.read(*pod) if getattr(event, "property", "") == SHARED_PROPERTY]
    assert len(said) == 2
    stranger = Dump().task(20).archive(*cri_o("stranger", pod="other"))
    with pytest.raises(Contradiction, match="ab12 and other"):
        resolve(planner.read(*pod, stranger))


def test_what_a_hostile_image_says_is_cut_and_still_told_apart() -> None:
    paths = ["/" + "x" * 1_000_000 + end for end in "ab"]
    first, second = (container(7, None, namespaces({"type": "pid", "path": path})) for path in paths)
    code, detail = verdict(first, second)
    assert code == APART
    assert len(detail) < 5 * LONGEST
