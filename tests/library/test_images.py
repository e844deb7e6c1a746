"""Reading one image, several, and what runs."""

import os
from pathlib import Path

import pytest

import planner

IMAGES = Path(planner.__file__).parent.parent / "examples" / "images"


def test_several_images_are_read_in_the_order_in_which_they_are_given() -> None:
    logs = planner.read_many([IMAGES / "nested.ckpt", IMAGES / "orphan.ckpt"])
    assert logs == [planner.read(IMAGES / "nested.ckpt"), planner.read(IMAGES / "orphan.ckpt")]
    assert [log.image for log in logs] == [str(IMAGES / "nested.ckpt"), str(IMAGES / "orphan.ckpt")]
    assert planner.read_many([]) == []


def test_the_containers_of_a_pod_become_one_log() -> None:
    web, shipper = IMAGES / "pod" / "web.tar", IMAGES / "pod" / "shipper.tar"
    log = planner.read(web, shipper)
    assert str(web) in log.image and str(shipper) in log.image
    assert planner.plan(log).plan_id == planner.plan(planner.read(shipper, web)).plan_id


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(planner.BadImage, match=r"^moon: cannot be opened"):
        planner.read("moon")
    with pytest.raises(planner.BadImage, match=r"^moon: "):
        planner.read_many([IMAGES / "nested.ckpt", "moon"])


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs /proc")
def test_a_running_tree_is_captured() -> None:
    child = os.fork()
    if child == 0:
        os.read(os.pipe()[0], 1)
        os._exit(0)
    try:
        log = planner.capture(child)
        assert log.image == f"/proc/{child}"
        assert planner.simulate(log).tasks.keys() == {planner.simulate(log).root}
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    with pytest.raises(planner.BadImage, match=f"^/proc/{child}: "):
        planner.capture(child)
    with pytest.raises(TypeError, match="takes the number of a process"):
        planner.capture("self")  # type: ignore[arg-type]
