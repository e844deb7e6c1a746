"""`crplan gate`: a restore that would fail is stopped, everything else passes, and an error of crplan's own passes by itself."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crplan_criu import messages
from crplan_criu.wire import decode

from planner.cli import main as cli
from tests.helpers.containers import HOST, POD, Dump, encode, image
from tests.helpers.criu_program import working_criu
from tests.helpers.places import DATA

Gate = Callable[..., tuple[int, str]]


@pytest.fixture
def gate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Call the gate as CRIU does, with a bare PATH; returns the exit code and standard error."""

    def call(image: Path, *words: str, action: str = "pre-restore") -> tuple[int, str]:
        monkeypatch.setenv("CRTOOLS_SCRIPT_ACTION", action)
        monkeypatch.setenv("CRTOOLS_IMAGE_DIR", str(image))
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr("planner.cli.commands.gate.SECONDS", 120)
        code = cli.main(["gate", *words])
        return code, " ".join(capsys.readouterr().err.split())

    return call


@pytest.fixture
def shell_job(tmp_path: Path) -> Path:
    """The images of a job of a shell that is not in them."""
    free = [number for number in range(30_000, 32_000) if not Path(f"/proc/{number}").exists()]
    dump = Dump(ids=POD | {"pid": HOST["pid"]}, external="").task(free[0], session=free[-1])
    dumper = encode(messages.KOBJ_IDS, vm=1, files=1, fs=1, sighand=1, **HOST)
    dump.files["inventory.img"] = image("inventory", encode(messages.INVENTORY, img_version=2, fdinfo_per_id=1, root_ids=dumper))
    for name, content in dump.images().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_restore_that_would_fail_is_stopped_with_the_reason(gate: Gate, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(DATA / "criu" / "ctr_leader_left_group" / "img")
    code, said = gate(link)
    assert code == 1
    assert "criu-group-leader-moved" in said
    assert str((DATA / "criu" / "ctr_leader_left_group" / "img").resolve()) in said


def test_other_actions_pass_without_a_word(gate: Gate) -> None:
    assert gate(DATA / "criu" / "ctr_leader_left_group" / "img", action="post-restore") == (0, "")


def test_an_error_of_its_own_passes_unless_it_is_strict(gate: Gate, tmp_path: Path) -> None:
    shutil.copytree(DATA / "criu" / "single" / "img", tmp_path / "img")
    (tmp_path / "img" / "pstree.img").write_bytes(b"noise")
    code, said = gate(tmp_path / "img")
    assert (code, "not judged" in said) == (0, True)
    assert gate(tmp_path / "img", "--strict")[0] == 1


def test_the_gate_has_the_options_of_the_criu_that_calls_it(gate: Gate, monkeypatch: pytest.MonkeyPatch, shell_job: Path) -> None:
    assert "unknown" in gate(shell_job)[1], "nothing says how this was called"
    monkeypatch.setattr("planner.cli.commands.gate.options_above", lambda process: ("--restore-detached",))
    code, said = gate(shell_job)
    assert (code, "--shell-job is needed and not given" in said) == (1, True), said
    monkeypatch.setattr("planner.cli.commands.gate.options_above", lambda process: ("--shell-job",))
    assert gate(shell_job)[0] == 0


def script_of(directory: Path) -> Path:
    """Write the gate as a program that needs no PATH."""
    script = directory / "gate"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\nfrom planner.cli.main import gate\nsys.exit(gate())\n"
    )
    script.chmod(0o755)
    return script


@pytest.mark.root
def test_the_gate_under_criu_itself(tmp_path: Path) -> None:
    """A restore that gives a zombie another exit status is stopped before it begins, and CRIU's log has the reason."""
    criu = working_criu()
    shutil.copytree(DATA / "criu" / "zombie_codes" / "img", tmp_path / "img")
    script = script_of(tmp_path)
    command = [criu, "restore", "-D", tmp_path / "img", "-o", "restore.log", "-v4", "-d", "--action-script", script]
    run = subprocess.run(command, capture_output=True, timeout=60, check=False, env={"PATH": ""})
    log = (tmp_path / "img" / "restore.log").read_text(errors="replace")
    assert run.returncode != 0
    assert f"crplan gate: the restore is stopped: {tmp_path.resolve()}/img" in log
    assert "Aborting restore due to pre-restore script" in log


RESTORE = 2
REQUEST = messages.message("criu_req", {1: messages.Field("type"), 2: messages.Field("opts", "message")})
OPTIONS = messages.message(
    "criu_opts",
    {1: messages.Field("images_dir_fd"), 9: messages.Field("log_level"), 10: messages.Field("log_file", "bytes")}
    | {12: messages.Field("notify_scripts"), 51: messages.Field("config_file", "bytes")},
)
RESPONSE = messages.message("criu_resp", {1: messages.Field("type"), 2: messages.Field("success")}, skipped="3-20")


@pytest.mark.root
def test_the_gate_under_rpc_as_engines_call_criu(tmp_path: Path) -> None:
    """runc, crun and podman send a request over a socket and name a configuration file; the images are a descriptor there."""
    criu = working_criu()
    shutil.copytree(DATA / "criu" / "zombie_codes" / "img", tmp_path / "img")
    (tmp_path / "engine.conf").write_text(f"action-script={script_of(tmp_path)}\n")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    images = os.open(tmp_path / "img", os.O_DIRECTORY)
    given = encode(
        OPTIONS, images_dir_fd=images, log_level=4, log_file=b"r.log", config_file=os.fsencode(tmp_path / "engine.conf")
    )
    environment = {"PATH": ""}
    with ours, theirs, subprocess.Popen([criu, "swrk", str(theirs.fileno())], pass_fds=[theirs.fileno()], env=environment) as run:
        ours.settimeout(60)
        ours.send(encode(REQUEST, type=RESTORE, opts=given))
        answer = decode(RESPONSE, ours.recv(65536), {})
        run.wait(60)
    os.close(images)
    assert (answer["type"], answer.get("success", 0)) == (RESTORE, 0)
    log = (tmp_path / "img" / "r.log").read_text(errors="replace")
    assert f"crplan gate: the restore is stopped: {tmp_path.resolve()}/img" in log
    assert "criu-exit-status" in log
