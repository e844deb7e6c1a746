"""A tree goes into a pid namespace where others live: what is taken is named before, and is where the rebuild fails."""

import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from planner.cli import main as cli
from planner.errors import Contradiction, NotProved
from planner.events import log
from planner.events.records import (
    FORMAT_VERSION,
    AnyEvent,
    ImageClosed,
    LogOpened,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.host import probes
from planner.identity import ProcessId
from planner.pipeline import resolve as pipeline
from planner.plans.model import Plan
from planner.steps import Verify
from planner.testing.forests import events
from tests.generators.histories import PROFILES
from tests.helpers.amounts import amount, first
from tests.helpers.inhabited import Container, container
from tests.helpers.trials import image_of, random_history

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True, params=["python", pytest.param("c", marks=pytest.mark.slow)])
def executor(request: pytest.FixtureRequest) -> str:
    """The executor that rebuilds."""
    Run.executor = request.param
    return Run.executor


FAILURE = re.compile(r"crplan: step (\d+) \([a-z-]+\): task (\d+): (?:create: .*|thread: .*|clone3): ([A-Z]+)\n")

KILLS = amount("CRPLAN_KILLS_INTO", 40, 20)
"""How many runs lose a process."""

REBUILDS = amount("CRPLAN_REBUILDS_INTO", 12, 12)
"""How many random trees are rebuilt."""

TREE = "100:0/0/0 101:100/101 102:101 110.1:100/110 111.2:110 120:100/0/140 130:100/0/0+131"
"""A subtree: a session of its own, a nested namespace, a group whose leader has died, a thread."""


def image(directory: Path, tree: str) -> Path:
    file = directory / "tree.jsonl"
    file.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *events(tree)])))
    return file


def plan_of(tree: str) -> Plan:
    return pipeline.resolve(events(tree)).plan


def named(file: Path, pid: int, capsysbinary: pytest.CaptureFixture[bytes]) -> list[tuple[int, int]]:
    """Return the steps and numbers that `crplan check` names for the namespace of a process, in the order of the steps."""
    cli.main(["check", str(file), "--here", "--into", str(pid), "--format", "json"])
    report = json.loads(capsysbinary.readouterr().out)
    codes = ("number-taken", "number-above-limit")
    messages = [found["message"] for found in report["images"][0]["findings"] if found["code"] in codes]
    found = [re.match(r"pid (\d+), of a [a-z ]+ that step (\d+) creates, is ", message) for message in messages]
    assert all(found)
    return sorted((int(match[2]), int(match[1])) for match in found if match)


class Run:
    """`crplan run`, started in our own pid namespace; leave the block and it is gone."""

    executor: ClassVar[str]

    def __init__(self, file: Path, into: int = 0) -> None:
        command = [sys.executable, "-m", "planner", "run", "--executor", self.executor, str(file)]
        self.child = subprocess.Popen(
            [*command, *(["--into", str(into)] if into else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.terminate()
        self.child.communicate(timeout=20)

    def ready(self) -> int:
        assert self.child.stdout
        assert select.select([self.child.stdout], [], [], 30)[0]
        line = self.child.stdout.readline().decode()
        assert line.startswith("ready "), (line, self.child.stderr.read() if self.child.stderr else b"")
        return int(line.split()[1])

    def ended(self) -> tuple[int, str]:
        _, text = self.child.communicate(timeout=30)
        return self.child.returncode, text.decode()


def expect(place: Container, inhabitants: dict[int, int]) -> None:
    """Wait a moment until the namespace holds these processes and no others."""
    deadline = time.monotonic() + 3
    while (now := place.inhabitants()) != inhabitants and time.monotonic() < deadline:
        time.sleep(0.01)
    assert now == inhabitants


@pytest.mark.parametrize("levels", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("tree", "taken", "named_numbers"),
    [
        (TREE, (102, 111, 7), (102, 111)),
        (TREE, (110, 111, 131, 140), (110, 111, 131, 140)),
        ("50:0/1/1 51:50", (51,), (1, 51)),
        pytest.param(TREE, (100,), (100,), marks=pytest.mark.slow),
        pytest.param(TREE, (140,), (140,), marks=pytest.mark.slow),
        pytest.param(TREE, (131,), (131,), marks=pytest.mark.slow),
        pytest.param("1 2:1", (), (1,), marks=pytest.mark.slow),
    ],
)
def test_a_rebuild_fails_at_the_first_step_that_was_named(
    tree: str,
    taken: Sequence[int],
    named_numbers: Sequence[int],
    levels: int,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """In an outer namespace and in one below it; what is taken in the outer one alone is free in the inner one."""
    file = image(tmp_path, tree)
    with container(taken, levels=levels) as place:
        before = place.inhabitants()
        expected = named(file, place.init, capsysbinary)
        assert sorted(number for _, number in expected) == sorted(named_numbers)
        with Run(file, place.init) as run:
            code, words = run.ended()
        failure = FAILURE.fullmatch(words)
        assert failure, words
        assert code == 1
        # The C program does what can be done side by side at once, so that any of them may come first.
        may_come_first = expected[:1] if Run.executor == "python" else expected
        assert (int(failure[1]), int(failure[2])) in may_come_first
        assert failure[3] == "EEXIST"
        expect(place, before)


NUMBERS = [process.pid for process in plan_of(TREE).processes if process.role != "reaper"]


@pytest.mark.parametrize("number", first(NUMBERS, 2))
def test_the_steps_that_nobody_named_succeed(number: int, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """One number of the tree is taken, and the log of the run shows all steps before the named one."""
    file = image(tmp_path, TREE)
    with container((number,)) as place:
        ((step, named_number),) = named(file, place.init, capsysbinary)
        assert named_number == number
        record = tmp_path / "run.jsonl"
        run = subprocess.run(
            [
                *(sys.executable, "-m", "planner", "run", "--executor", Run.executor),
                *(str(file), "--into", str(place.init), "--log", str(record)),
            ],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 1
    events_of_run = [json.loads(line) for line in record.read_text().splitlines()]
    done = [event["step"] for event in events_of_run if event["type"] == "StepDone"]
    if Run.executor == "python":
        assert done == list(range(1, step))
    else:
        assert len(set(done)) == len(done) and step not in done


def test_a_number_above_the_limit_of_the_namespace_fails_where_it_was_named(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The limit belongs to a namespace: the nested one is new, so only numbers at level 0 meet it."""
    file = image(tmp_path, "310 320:310 350.1:310 399.9000:350 400:310 4000:310")
    with container(pid_max=400) as place:
        assert [number for _, number in named(file, place.init, capsysbinary)] == [400, 4000]
        before = place.inhabitants()
        with Run(file, place.init) as run:
            code, words = run.ended()
        failure = FAILURE.fullmatch(words)
        assert failure and code == 1, words
        assert (int(failure[2]), failure[3]) == (400, "EINVAL")
        expect(place, before)


def compare(place: Container, plan: Plan) -> None:
    """Hold what stands in the namespace against the plan, by what /proc says here."""
    now, processes = place.inhabitants(), plan.process_table()
    for step in plan.steps:
        if not isinstance(step, Verify):
            continue
        status = Path(f"/proc/{now[step.target]}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert tuple(map(int, fields["NSpid"].split()))[place.level :] == processes[step.target].pids
        assert int(fields["NSsid"].split()[place.level]) == step.session
        assert int(fields["NSpgid"].split()[place.level]) == step.group
        assert (fields["State"][0] in "ZX") == step.zombie
        assert step.target == plan.root or int(fields["PPid"]) == now[step.parent]


@pytest.mark.parametrize("levels", [1, 2])
def test_the_tree_stands_among_those_who_were_there(levels: int, tmp_path: Path) -> None:
    plan = plan_of(TREE)
    verified = {step.target: step for step in plan.steps if isinstance(step, Verify)}
    with container((7, 99), levels=levels) as place:
        before = place.inhabitants()
        with Run(image(tmp_path, TREE), place.init) as run:
            root = run.ready()
            now = place.inhabitants()
            assert now[100] == root
            assert {number for number in now if number not in before} >= set(verified)
            assert len(now) == len(before) + len(verified) + 3, "keeper, executor and reaper"
            compare(place, plan)
            run.child.terminate()
            assert run.ended() == (0, "")
        expect(place, before)


@pytest.mark.parametrize(
    ("tree", "stopped"),
    [
        ("100:0/0/0 101:100/101 102:101T 110.1:100/110T 111.2:110", (102, 110)),
        pytest.param("100:0/0/0T 120:100/0/160T 140:100/140 141:140//150T 142:140//150", (100, 120, 141), marks=pytest.mark.slow),
    ],
)
def test_stopped_tasks_stand_stopped_among_those_who_were_there(tree: str, stopped: Sequence[int], tmp_path: Path) -> None:
    """Also where the group is led from outside, or its leader has died; all ends when the run does."""
    with container((7, 99)) as place:
        before = place.inhabitants()
        with Run(image(tmp_path, tree), place.init) as run:
            run.ready()
            now = place.inhabitants()
            states = {number: state_of(now[number]) for process in plan_of(tree).processes if (number := process.pids[0]) in now}
            assert {number for number, state in states.items() if state == "T"} == set(stopped)
            run.child.terminate()
            assert run.ended() == (0, "")
        expect(place, before)


def state_of(pid: int) -> str:
    """Return the letter of a process's state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def subtrees(history: Sequence[AnyEvent]) -> Iterator[list[AnyEvent]]:
    """Yield what lies below each child of the init as an image of its own; what the init leads is outside of it then."""
    tasks = {event.pids[0]: event for event in history if isinstance(event, TaskRecorded)}
    owner = {event.pids[0]: event.thread_group for event in history if isinstance(event, ThreadRecorded)}
    for root, task in tasks.items():
        if task.parent != 1 or len(task.pids) > 1:
            continue
        inside = {root}
        while more := {pid for pid, other in tasks.items() if other.parent in inside} - inside:
            inside |= more
        image_of_it: list[AnyEvent] = []
        for event in history:
            if isinstance(event, TaskRecorded) and event.pids[0] in inside:
                outside = {
                    name: ProcessId(0)
                    for name, number in (("parent", event.parent), ("session", event.session), ("group", event.group))
                    if number == 1
                }
                image_of_it.append(msgspec.structs.replace(event, **outside))
            elif isinstance(event, TaskStateRecorded | ThreadRecorded):
                whose = event.thread_group if isinstance(event, ThreadRecorded) else owner.get(event.pid, event.pid)
                image_of_it += [event] * (whose in inside)
        if len(inside) > 2:
            yield [history[0], *image_of_it, ImageClosed(tasks=len(inside), complete=True, at=0)]


@pytest.mark.slow
def test_what_lies_below_a_task_at_the_end_of_a_random_history_goes_into_a_namespace(tmp_path: Path) -> None:
    rebuilt = 0
    with container((7, 99)) as place:
        before = place.inhabitants()
        for seed in range(6 * REBUILDS):
            history = image_of(random_history(f"into {seed}", list(PROFILES)[seed % len(PROFILES)], 120))
            for subtree in subtrees(history):
                try:
                    plan = pipeline.resolve(list(subtree)).plan
                except (Contradiction, NotProved):
                    continue  # Cut out of its tree, it may ask for a leader that cannot be.
                if {process.pids[0] for process in plan.processes} & {7, 99} or len(plan.processes) < 4:
                    continue
                file = tmp_path / f"{seed}.jsonl"
                file.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *subtree])))
                with Run(file, place.init) as run:
                    run.ready()
                    compare(place, plan)
                    run.child.terminate()
                    assert run.ended() == (0, ""), seed
                expect(place, before)
                rebuilt += 1
                break
            if rebuilt == REBUILDS:
                break
    assert rebuilt == REBUILDS


def test_what_carries_the_plan_out_takes_no_number_of_a_task(tmp_path: Path) -> None:
    """The tasks have all low numbers, of which the kernel gives one to what is created without a number."""
    with container(()) as place:
        tree = "2 " + " ".join(f"{pid}:2" for pid in range(3, 80))
        with Run(image(tmp_path, tree), place.init) as run:
            run.ready()
            compare(place, plan_of(tree))


@pytest.mark.parametrize(
    "tree",
    [
        "100 " + " ".join(f"{pid}:100" for pid in range(101, 401)),
        "100 " + " ".join(f"{pid}:{pid - 1}" for pid in range(101, 241)),
    ],
    ids=["wide", "deep"],
)
def test_many_tasks_end_as_soon_as_one_may_expect(tree: str, tmp_path: Path) -> None:
    with container((7, 99)) as place:
        before = place.inhabitants()
        with Run(image(tmp_path, tree), place.init) as run:
            run.ready()
            compare(place, plan_of(tree))
            run.child.kill()
            run.ended()
            expect(place, before)


def test_helpers_give_way(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A helper whose number no task of the image has gets another where its own is taken."""
    tree = "100 200:100/200 210:200/210 201:100/200 211:100/210"
    plan = plan_of(tree)
    free = [process.pid for process in plan.processes if process.role == "helper"]
    assert free, "this tree needs helpers"
    with container(free) as place:
        before = place.inhabitants()
        file = image(tmp_path, tree)
        assert named(file, place.init, capsysbinary) == []
        with Run(file, place.init) as run:
            assert run.ready() == place.inhabitants()[100]
        expect(place, before)


def test_a_dry_run_shows_the_namespace_of_the_plan(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRPLAN_DRY_RUN", "1")
    with container() as place:
        before = place.inhabitants()
        assert cli.main(["run", "--executor", Run.executor, str(image(tmp_path, TREE)), "--into", str(place.init)]) == 0
        assert place.inhabitants() == before
    first, *_ = capsysbinary.readouterr().out.decode().splitlines()
    assert "creates reaper" in first
    assert "new pid namespace" not in first


def test_our_own_pid_namespace_serves_too(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    me = os.getpid()
    free = next(number for number in range(20000, 30000) if not Path(f"/proc/{number}").exists())
    mine = image(tmp_path, f"{free} {me}:{free}")
    assert [number for _, number in named(mine, me, capsysbinary)] == [me]
    with Run(mine, me) as run:
        code, words = run.ended()
    assert code == 1
    assert words.endswith("EEXIST\n")
    with Run(image(tmp_path, f"{free}:0/0/0"), me) as run:
        assert run.ready() == free
        assert os.getsid(free) == os.getsid(0)
        run.child.terminate()
        assert run.ended() == (0, "")
    assert not Path(f"/proc/{free}").exists()


def all_processes(run: Run, place: Container, before: dict[int, int]) -> list[int]:
    """Return all processes of a run: the command, the program outside, and what is in the namespace."""
    found = [run.child.pid]
    for pid in found:
        try:
            found += [
                int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if int(word) not in found
            ]
        except OSError:
            continue
    inside = [here for number, here in place.inhabitants().items() if before.get(number) != here]
    return sorted({*found, *inside})


@pytest.mark.slow
def test_when_any_process_is_killed_nothing_is_left_and_no_other_process_dies(tmp_path: Path) -> None:
    """One process of the run's own, at any moment: the command, keeper, executor, reaper, a task, a helper."""
    tree = "100 200:100/200 210:200/210 201:100/200 211:100/210 250.1:100 251.2:250 260:100+261"
    file = image(tmp_path, tree)
    with container((7, 99)) as place:
        before = place.inhabitants()
        for round_ in range(KILLS):
            chance = random.Random(round_)
            with Run(file, place.init) as run:
                if round_ % 2:
                    run.ready()
                else:
                    size, deadline = chance.randrange(2, 14), time.monotonic() + 10
                    while (
                        len(all_processes(run, place, before)) < size and run.child.poll() is None and time.monotonic() < deadline
                    ):
                        time.sleep(0.001)
                victims = all_processes(run, place, before)
                victim = chance.choice(victims)
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                time.sleep(chance.choice((0, 0.05)))
                run.child.terminate()
                assert run.ended()[0] in (0, 1, -signal.SIGKILL, -signal.SIGTERM), round_
            expect(place, before)


def test_a_task_that_came_from_outside_and_a_stranger_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(image(tmp_path, "1 110.1:1 111:0/0/0"))
    with container() as place:
        assert cli.main(["check", file, "--here", "--into", str(place.init)]) == 3
        assert "new-namespace-needed" in capsys.readouterr().out
        assert cli.main(["run", "--executor", Run.executor, file, "--into", str(place.init)]) == 3
        assert "task 111 entered from outside" in capsys.readouterr().err
    assert cli.main(["run", str(image(tmp_path, "100")), "--into", "4194303"]) == 2


def test_without_into_every_level_is_new_and_has_the_limit_that_was_recorded(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The highest number that check lets pass stands; where the limit is lower than an image asks for, run fails as named."""
    limit = probes.attempt(probes.TRIALS["new_namespace_pid_max"])
    assert limit.state == "yes"
    highest = int(limit.detail) - 1
    for number, fits in ((highest, True), (highest + 1, False)):
        if number > 4194303:
            continue  # No image can have it.
        file = image(tmp_path, f"1 {number}.1:1 2.{number - 1}:1")
        cli.main(["check", str(file), "--here", "--format", "json"])
        findings = json.loads(capsysbinary.readouterr().out)["images"][0]["findings"]
        assert [found["pid"] for found in findings if found["code"] == "number-above-limit-of-new-namespace"] == [number] * (
            not fits
        )
        with Run(file) as run:
            if fits:
                run.ready()
            else:
                code, words = run.ended()
                failure = FAILURE.fullmatch(words)
                assert failure and code == 1
                assert (int(failure[2]), failure[3]) == (number, "EINVAL")
                assert f"step {failure[1]} creates {number}" in findings[0]["message"]
