"""Pods of two containers stand on the real kernel as their images say, together in one pid namespace."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import planner
from planner.plans.model import Plan
from tests.helpers.containers import POD_NAMESPACES, Dump, cri_o, shipper, web
from tests.helpers.executors import Sandbox, expected
from tests.helpers.rebuilding import WAYS, rebuild, tasks_standing

pytestmark = pytest.mark.root

KINDS = ("mnt", "uts", "ipc", "net", "cgroup", "user", "time")


def guest_of_an_init() -> list[bytes]:
    """podman run --pid container:one: an init, which has adopted a task of the other container's session, and its guest."""
    one = Dump(external="").task(1, name="init").task(5, 1, session=1).task(30, 1, session=20, name="orphan")
    two = Dump().task(20, threads=(21,)).task(22, 20, session=20, group=22).task(23, 20, session=20, state="zombie")
    spec = {"linux": {"namespaces": [{"type": "pid", "path": "/proc/99/ns/pid"}]}}
    return [
        one.archive({"id": "aaa"}, {"linux": {"namespaces": [{"type": "pid"}]}}),
        two.archive({"id": "bbb", "pidNsCtr": "aaa", "netNsCtr": "aaa"}, spec),
    ]


def three() -> list[bytes]:
    return [web(), shipper(), Dump().task(60).task(61, 60).task(62, 61, session=60).archive(*cri_o("third", **POD_NAMESPACES))]


PODS = {"two beside each other": [web(), shipper()], "guest of an init": guest_of_an_init(), "three": three()}
pods = pytest.mark.parametrize("images", PODS.values(), ids=PODS)


def written(images: Sequence[bytes], directory: Path) -> list[Path]:
    paths = [directory / f"{number}.tar" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


def started(paths: Sequence[Path], *more: str) -> Sandbox:
    return Sandbox([sys.executable, "-m", "planner", "run", *map(str, paths), *more])


def together(hosts: dict[int, int], kind: str) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for pid, host in hosts.items():
        groups.setdefault(os.stat(f"/proc/{host}/ns/{kind}").st_ino, set()).add(pid)
    return {frozenset(group) for group in groups.values()}


@pods
def test_crplan_run_rebuilds_all_containers_at_once(images: list[bytes], tmp_path: Path) -> None:
    paths = written(images, tmp_path)
    plan = planner.plan(planner.read(*paths))
    with started(paths) as sandbox:
        sandbox.ready(60)
        assert tasks_standing(sandbox, plan) == expected(plan)
        sandbox.signal(signal.SIGTERM)
        ended = sandbox.ended()
        assert (ended.code, ended.stderr) == (0, "")
        assert sandbox.left() == []


@pytest.mark.parametrize("way", [way for way in WAYS if way != "run"])
@pods
def test_the_programs_rebuild_all_containers_at_once(images: list[bytes], way: str, tmp_path: Path) -> None:
    plan: Plan = planner.plan(planner.read(*written(images, tmp_path)))
    assert rebuild(way, plan, ()) == ""


def test_containers_are_together_in_the_namespaces_of_their_pod_and_apart_in_their_own(tmp_path: Path) -> None:
    with started(written([web(), shipper()], tmp_path)) as sandbox:
        sandbox.ready(60)
        hosts = {seen.pids[0]: seen.host for seen in sandbox.processes() if seen.pids[0] in {7, 12, 13, 21, 25}}
        all_of_them = {frozenset({7, 12, 13, 21, 25})}
        apart = {frozenset({7, 12, 13}), frozenset({21, 25})}
        found = {kind: together(hosts, kind) for kind in (*KINDS, "pid")}
        assert found == {kind: apart if kind in {"mnt", "cgroup"} else all_of_them for kind in found}
        sandbox.signal(signal.SIGTERM)
        assert sandbox.ended().code == 0
        assert sandbox.left() == []


def test_containers_that_clash_are_refused_before_the_first_step(tmp_path: Path) -> None:
    paths = written([web(), Dump().task(12).archive(*cri_o("odd", **POD_NAMESPACES))], tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "planner", "run", *map(str, paths)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (3, "")
    assert "[containers-clash]" in run.stderr
