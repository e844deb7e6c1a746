"""The facts of this machine, tried for real: nothing is left behind, and a number that is said to be taken is taken."""

import contextlib
import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crplan_checks.host import check
from crplan_python.emit import emit
from crplan_syscalls.program import emit_program

from planner.cli import main as cli
from planner.events import log
from planner.events.records import FORMAT_VERSION, LogOpened
from planner.findings.registry import Finding
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host import probes
from planner.host import record as host_here
from planner.host.facts import Feature, Host, PidNamespace
from planner.host.pid_limits import limit_of
from planner.host.pids_in_use import occupied
from planner.ranges import parse_ranges
from planner.testing.forests import events
from planner.testing.plans import PLANS
from tests.helpers.amounts import first
from tests.helpers.executors import Sandbox, expected

pytestmark = pytest.mark.root


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(scope="module")
def here() -> Host:
    before = children()
    host = host_here.record()
    assert children() == before
    return host


def test_a_host_tells_what_it_tried(here: Host) -> None:
    assert {name: here.feature(name).state for name in ("pid_namespaces", "set_tid", "pidfd", "subreaper")} == {
        "pid_namespaces": "yes",
        "set_tid": "yes",
        "pidfd": "yes",
        "subreaper": "yes",
    }
    assert here.root is True
    assert here.limits.levels_below is not None
    assert 1 <= here.limits.levels_below <= 32
    shallow = host_here.record(depth=1)
    assert shallow.limits.levels_below == 1, "one level is tried where no more is asked about"
    assert host_here.with_depth(shallow, 3).limits.levels_below == min(3, here.limits.levels_below)
    assert host_here.with_depth(shallow, 1) is shallow
    assert here.new_namespace_pid_max is not None
    assert here.tools["sh"] == "yes"


def test_our_own_numbers_are_taken(here: Host) -> None:
    own = here.namespace(0)
    assert own is not None
    assert os.getpid() in parse_ranges(own.taken)
    assert os.getpid() in parse_ranges(own.members)
    assert own.pid_max == int(Path("/proc/sys/kernel/pid_max").read_text())


def test_a_file_names_neither_the_machine_nor_a_path(here: Host, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["host"]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert json.loads(text)["kind"] == "crplan-host"
    assert os.uname().nodename not in text or len(os.uname().nodename) < 4
    assert "/usr" not in text


@pytest.fixture
def container() -> Iterator[int]:
    """A pid namespace whose init has a child with the number 7 that leads a session; yields the init's number here."""
    kernel = probes._Kernel()
    read, write = os.pipe()
    outer = os.fork()
    if outer == 0:
        kernel.prctl(1, signal.SIGKILL)
        kernel.unshare(probes.NEW["pid"])
        init = os.fork()
        if init == 0:
            kernel.prctl(1, signal.SIGKILL)
            if kernel.clone3(0, (7,)) == 0:
                os.setsid()
                os.write(write, b".")
            signal.pause()
            os._exit(0)
        os.write(write, b"%d " % init)
        os.waitpid(init, 0)
        os._exit(0)
    text = b""
    while not (text.endswith(b" .") or (b"." in text and b" " in text)):
        text += os.read(read, 20)
    init = int(text.replace(b".", b""))
    yield init
    os.kill(init, signal.SIGKILL)
    os.waitpid(outer, 0)
    os.close(read)
    os.close(write)


def namespace_of(process: int, namespaces: tuple[PidNamespace, ...]) -> PidNamespace:
    (found,) = [namespace for namespace in namespaces if process in parse_ranges(namespace.members)]
    return found


def test_a_nested_namespace_is_seen_with_its_own_numbers_and_limit(container: int) -> None:
    namespaces = occupied()
    nested = namespace_of(container, namespaces)
    assert nested.level == 1
    assert nested.parent == 0
    assert nested.taken == "1,7"
    limit = limit_of(namespaces, nested.id, container, ())
    assert limit is not None
    assert limit >= 301


def next_number(init: int) -> int:
    """Return the number that the kernel gives to the next process in the namespace of `init`."""

    def trial(kernel: probes._Kernel) -> str:
        kernel.setns(kernel.call(434, init, 0), probes.NEW["pid"])
        return kernel.child(lambda: str(os.getpid()))

    return int(probes.attempt(trial).detail)


def test_nothing_is_done_in_a_namespace_that_is_not_judged(container: int) -> None:
    """A process in there would take a number of a restore that runs beside, and move the number of the next."""
    before = next_number(container)
    host = host_here.record()
    assert next_number(container) == before + 1
    assert namespace_of(container, host.namespaces).pid_max is None


def test_the_limit_of_the_judged_one_is_read_without_moving_its_numbers(container: int) -> None:
    namespaces = occupied()
    before = next_number(container)
    avoided = {number for number in range(2, 301) if number != 123}
    assert limit_of(namespaces, namespace_of(container, namespaces).id, container, avoided) is not None
    assert next_number(container) == before + 1


def test_a_number_that_has_been_taken_meanwhile_is_not_waited_for(container: int) -> None:
    limits = [probes.pid_max_of(container, vectors) for vectors in ([(7,), (123,)], [(7,)], [])]
    assert limits[0] is not None
    assert limits[1:] == [None, None]


@pytest.mark.parametrize("rounds", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_trees_are_rebuilt_while_the_machine_is_probed(rounds: int, tmp_path: Path) -> None:
    plan = PLANS["nested_namespaces"]()
    source, program = tmp_path / "rebuild.c", tmp_path / "rebuild"
    source.write_text(emit_program(plan))
    subprocess.run(["cc", "-O2", "-o", program, source], check=True, timeout=60)
    probing = subprocess.Popen([sys.executable, "-c", "from planner.host.record import record\nwhile True: record()"])
    try:
        for round_ in range(rounds):
            with Sandbox([str(program)]) as sandbox:
                sandbox.ready()
                assert sandbox.standing() == expected(plan), round_
        assert probing.poll() is None
    finally:
        probing.kill()
        probing.wait(10)


def write(directory: Path, tree: str) -> Path:
    file = directory / "some.log"
    file.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *events(tree)])))
    return file


def test_what_check_names_fails_and_nothing_else(
    container: int, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The tree of an image against the namespace: each number is named exactly when clone3 refuses it with EEXIST."""
    image = write(tmp_path, "1 6:1 7:1 8:1")
    code = cli.main(["check", str(image), "--here", "--namespace", str(container), "--format", "json"])
    report = json.loads(capsysbinary.readouterr().out)
    assert code == 3
    assert {finding["pid"] for finding in report["images"][0]["findings"] if finding["code"] == "number-taken"} == {1, 7}

    def enter_and_clone(number: int) -> Feature:
        def trial(kernel: probes._Kernel) -> str:
            kernel.setns(kernel.call(434, container, 0), probes.NEW["pid"])
            return kernel.child(lambda: "", pids=(number,))

        return probes.attempt(trial)

    states = {number: enter_and_clone(number) for number in (6, 7, 8)}
    assert states[7] == Feature(state="no", detail=errno.errorcode[errno.EEXIST])
    assert (states[6].state, states[8].state) == ("yes", "yes")


def test_a_process_that_the_host_does_not_know_is_refused(tmp_path: Path) -> None:
    assert cli.main(["check", str(write(tmp_path, "1")), "--here", "--namespace", "4194303"]) == 2


def test_a_trial_that_hangs_is_ended_and_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.2)
    before = children()
    assert probes.attempt(lambda kernel: str(signal.pause())).state == "unknown"
    assert children() == before


def test_a_trial_tells_no_from_what_went_wrong() -> None:
    def refuses(kernel: probes._Kernel) -> str:
        kernel.call(434, 0, 0)
        return ""

    def fails(kernel: probes._Kernel) -> str:
        raise ZeroDivisionError

    assert probes.attempt(refuses) == Feature(state="no", detail="EINVAL")
    assert probes.attempt(fails) == Feature(state="unknown", detail="EIO")


def as_nobody(work: Callable[[], object]) -> object:
    """Return what `work` returns, as JSON has it, in a child that has given root away for good."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            # A process that has changed its user cannot be looked at by itself in /proc until it says that it may.
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        told = json.loads(stream.read())
    os.waitpid(child, 0)
    return told


def test_without_root_what_is_forbidden_is_no_and_not_unknown() -> None:
    def work() -> object:
        host = host_here.record()
        return [host.feature("set_tid").state, host.root, host.capabilities, bool(host.namespaces)]

    assert as_nobody(work) == ["no", False, [], True]


@pytest.mark.parametrize("name", first(["nested_namespaces", "entered_from_outside", "adopted_by_subreaper"], 1))
def test_without_root_the_forecast_is_what_a_rebuild_then_does(name: str) -> None:
    """Whatever this machine allows: what the check refuses fails, and what it lets pass stands."""
    plan = PLANS[name]()
    artefact = Artefact(forest=Forest(), plan=plan)

    def forecast() -> object:
        return [answer.code for answer in check(artefact, host_here.record()) if isinstance(answer, Finding)]

    refused = as_nobody(forecast)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        program = Path(directory) / "rebuild.py"
        program.write_text(emit(plan))
        python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        with Sandbox([python, "-I", "-S", str(program)], options=("proc", "uid=65534")) as sandbox:
            stands = False
            with contextlib.suppress(AssertionError):
                stands = bool(sandbox.ready())
    assert stands == (refused == []), refused
