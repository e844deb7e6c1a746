"""Numbers of one dump beside those of another: shared objects stay apart, namespaces are one where something says so."""

from collections.abc import Iterable

import planner
from planner.events.records import FactRecorded, NamespaceRecorded
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.pipeline.resolve import resolve
from planner.steps import Join, Unshare, Verify
from tests.helpers.containers import HOST, POD, Dump, cri_o, shipper, web


def together(forest: Forest, kind: str) -> list[list[int]]:
    """Who is in one namespace of a kind, by the lowest number."""
    groups: dict[int, list[int]] = {}
    for pid, kinds in forest.other_namespaces.items():
        if kind in kinds:
            groups.setdefault(kinds[kind], []).append(int(pid))
    return sorted(map(sorted, groups.values()))


def kinds(step: Join | Unshare) -> tuple[str, ...]:
    return (step.kind,) if isinstance(step, Join) else step.kinds


def verified(forest: Forest, steps: Iterable[object]) -> dict[int, dict[str, int]]:
    return {int(step.target): dict(step.namespaces) for step in steps if isinstance(step, Verify)}


def test_what_both_had_joined_is_one_and_the_rest_is_not() -> None:
    forest = fold(planner.read(web(), shipper()))
    for kind in ("net", "ipc", "uts", "user", "time"):
        assert together(forest, kind) == [[7, 12, 13, 21, 25]], kind
    for kind in ("mnt", "cgroup"):
        assert together(forest, kind) == [[7, 12, 13], [21, 25]], kind


def test_a_namespace_of_the_other_container_is_joined_by_its_id() -> None:
    owner = Dump(external="").task(1).archive({"id": "aaa"}, {"linux": {"namespaces": [{"type": "pid"}]}})
    guest = Dump().task(20).archive({"id": "bbb", "pidNsCtr": "aaa", "netNsCtr": "aaa"})
    forest = fold(planner.read(owner, guest))
    assert together(forest, "net") == [[1, 20]]
    assert together(forest, "ipc") == [[1], [20]]


def test_each_namespace_is_recorded_once() -> None:
    records = [event for event in planner.read(web(), shipper()) if isinstance(event, NamespaceRecorded)]
    keys = [(record.kind, record.id) for record in records]
    assert len(set(keys)) == len(keys)


def test_namespaces_below_a_root_keep_apart_though_the_dumps_number_them_alike() -> None:
    dumps = [Dump().task(root).task(root + 1, root, session=root, net=30) for root in (7, 20)]
    outcome = resolve(planner.read(*(dump.archive() for dump in dumps)))
    assert together(outcome.forest, "net") == [[7], [8], [20], [21]]
    places = verified(outcome.forest, outcome.plan.steps)
    assert {places[pid]["net"] for pid in (7, 8, 20, 21)} == {7, 8, 20, 21}


def test_objects_with_one_number_in_two_dumps_are_two() -> None:
    dumps = [Dump().task(root).task(root + 1, root, session=root, files=11) for root in (7, 20)]
    outcome = resolve(planner.read(*(dump.archive() for dump in dumps)))
    files = {int(pid): record.files for pid, record in outcome.forest.sharing.items()}
    assert files[7] == files[8]
    assert files[20] == files[21]
    assert files[7] != files[20]
    assert [found.code for found in outcome.findings] == ["pid-namespace-assumed"]


def test_who_was_with_the_host_stays_with_the_executor() -> None:
    host = Dump(ids=POD | {"net": HOST["net"]}).task(50).task(51, 50, session=50).archive(*cri_o("host"))
    own = Dump().task(7).archive(*cri_o("own"))
    history = planner.read(host, own)
    (remark,) = (event for event in history if isinstance(event, FactRecorded) and event.property.startswith("net namespace"))
    assert remark.value == "that of the process that took the checkpoint; its tasks stay in that of the rebuild"
    outcome = resolve(history)
    assert together(outcome.forest, "net") == [[7]]
    moved = {step.actor for step in outcome.plan.steps if isinstance(step, (Join, Unshare)) and "net" in kinds(step)}
    assert moved == {7}


def test_a_host_network_of_both_is_one() -> None:
    dumps = [Dump(ids=POD | {"net": HOST["net"]}).task(root).archive() for root in (7, 50)]
    outcome = resolve(planner.read(*dumps))
    assert together(outcome.forest, "net") == [[7, 50]]
