"""The facts of this machine, tried for real: nothing is left behind, and a number that is said to be taken is taken."""

import ctypes
import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.events import log
from planner.events.records import FORMAT_VERSION, LogOpened
from planner.host import probes
from planner.host import record as host_here
from planner.host.facts import Feature, Host
from planner.host.pids_in_use import occupied
from planner.ranges import parse_ranges
from planner.testing.forests import events

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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


def test_a_nested_namespace_is_seen_with_its_own_numbers_and_limit(container: int) -> None:
    namespaces, inits = occupied()
    (nested,) = [namespace for namespace in namespaces if inits[namespace.id] == container]
    assert nested.level == 1
    assert nested.parent == 0
    assert nested.taken == "1,7"
    limit = probes.pid_max_of(container)
    assert limit is not None
    assert limit >= 301


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
    assert {finding["pid"] for finding in report["findings"] if finding["code"] == "number-taken"} == {1, 7}

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


def test_without_root_what_is_forbidden_is_no_and_not_unknown() -> None:
    """In a child that has given root away for good."""
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
            host = host_here.record()
            answer = {
                "set_tid": host.feature("set_tid").state,
                "root": host.root,
                "capabilities": host.capabilities,
                "own": bool(host.namespaces),
            }
            os.write(write, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        told = json.loads(stream.read())
    os.waitpid(child, 0)
    assert told == {"set_tid": "no", "root": False, "capabilities": [], "own": True}
