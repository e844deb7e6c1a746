"""The engine: a worker that dies takes nothing with it but, perhaps, the input that it died of."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from planner.errors import EngineLost
from planner.fleet.engine import Given, batches, results
from planner.fleet.scanning import examinations
from planner.fleet.work import Request, Work
from tests.helpers.places import EXAMPLES

NESTED = str(EXAMPLES / "nested.ckpt")


class Breaking(Executor):
    """An executor in this process that breaks with certain inputs, as a pool does: all that is in flight is lost."""

    def __init__(self, deadly: str, deaths: int) -> None:
        self.deadly, self.deaths, self.most = deadly, deaths, 0
        self.in_flight: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []

    def submit(self, function: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.in_flight.append((future, function, args))
        self.most = max(self.most, len(self.in_flight))
        if len(self.in_flight) == 3 or len(args[0]) == 1:
            self.play()
        return future

    def play(self) -> None:
        dies = any(self.deadly in work.uri for _, _, (batch, _) in self.in_flight for work in batch) and self.deaths > 0
        self.deaths -= dies
        for future, function, args in self.in_flight:
            if dies:
                future.set_exception(BrokenProcessPool())
            else:
                future.set_result(function(*args))
        self.in_flight = []


def works(tmp_path: Path, count: int) -> list[Work]:
    for number in range(count):
        (tmp_path / f"{number}.ckpt").write_bytes(Path(NESTED).read_bytes())
    return [Work(str(tmp_path / f"{number}.ckpt")) for number in range(count)]


@pytest.mark.parametrize(("deaths", "blamed"), [(1, 0), (3, 0), (4, 1)])
def test_only_an_input_that_the_workers_die_of_again_and_again_is_blamed(tmp_path: Path, deaths: int, blamed: int) -> None:
    inputs = works(tmp_path, 12)
    executor = Breaking("7.ckpt", deaths)
    found = list(results(batches(inputs, 2), Request(), Given(executor), 3))
    assert sorted(one.input for one in found) == sorted(work.uri for work in inputs)
    assert [one.input for one in found if one.images[0].error_code == "worker-died"] == [inputs[7].uri] * blamed
    assert executor.most <= 3


def test_an_executor_that_was_shut_down_is_said_to_be_gone() -> None:
    class Closed(Executor):
        def submit(self, function: Any, /, *args: Any, **_: Any) -> Future[Any]:
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(EngineLost, match="after shutdown"):
        list(results([(Work(NESTED),)], Request(), Given(Closed()), 1))


def children() -> Iterator[int]:
    """Yield the processes below this one that are workers of a pool."""
    for task in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = task.read_bytes()
            environment = (task.parent / "environ").read_bytes()
        except OSError:
            continue
        if b"forkserver" in words and b"CRPLAN_TEST_FLEET=" + str(os.getpid()).encode() in environment:
            yield int(task.parent.name)


@pytest.mark.slow
def test_workers_that_are_killed_at_random_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRPLAN_TEST_FLEET", str(os.getpid()))
    inputs = works(tmp_path, 200)
    found = []
    for one in examinations(inputs, Request(), None, 2, 40):
        found.append(one)
        if len(found) % 30 == 0 and (workers := sorted(children())[2:]):
            os.kill(workers[len(found) % len(workers)], signal.SIGKILL)
    assert sorted(one.input for one in found) == sorted(work.uri for work in inputs)
    assert {one.images[0].error_code for one in found} == {""}
