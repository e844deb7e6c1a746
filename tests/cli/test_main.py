"""The command line: exit codes, where things are written, and that nothing bad ends in a traceback."""

import io
import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

import planner
from planner import plugins
from planner.cli import commands
from planner.cli import main as cli
from planner.entry_points import Entry
from planner.errors import CannotEmit
from planner.hookspecs import BackEnd, Executor, Reader, hookimpl
from planner.plans.document import document
from planner.testing.plans import PLANS
from tests.helpers.places import DATA

IMAGES = DATA / "linux-cr"
OPENED = b'{"seq":0,"type":"LogOpened","format_version":2}\n'

Crplan = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def crplan(capfdbinary: pytest.CaptureFixture[bytes]) -> Crplan:
    """Run a command in this process; returns exit code, standard output and standard error."""

    def call(*argv: object) -> tuple[int, bytes, str]:
        code = cli.main([str(argument) for argument in argv])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """A plan document with helpers, adoption and waits."""
    file = tmp_path / "some.plan"
    file.write_bytes(msgspec.json.encode(document(PLANS["adopted_by_subreaper"](), ())))
    return file


def test_help_lists_every_command_and_exit_code(crplan: Crplan) -> None:
    code, out, err = crplan("--help")
    assert (code, err) == (0, "")
    for name in commands.COMMANDS:
        assert f"  {name} ".encode() in out
    assert all(f"\n  {number}  ".encode() in out for number in range(5))


def test_version_is_that_of_the_package(crplan: Crplan) -> None:
    assert crplan("--version")[:2] == (0, f"crplan {planner.__version__}\n".encode())


@pytest.mark.parametrize(
    ("word", "meant"), [("chek", "check"), ("chekc", "check"), ("explian", "explain"), ("dif", "diff"), ("lst", "list")]
)
def test_a_typing_error_of_a_command_is_a_usage_error(crplan: Crplan, word: str, meant: str) -> None:
    words = f"crplan: there is no command and no file {word}; did you mean {meant}?\n"
    assert crplan(word, "image.ckpt") == (2, b"", words)


@pytest.mark.parametrize("word", ["image", "image.ckpt", "check.tar", "./chek"])
def test_any_other_word_is_the_name_of_an_image(crplan: Crplan, word: str) -> None:
    assert crplan(word) == (1, b"", f"crplan: {word}: cannot be opened: No such file or directory\n")


def test_every_command_has_a_module_and_every_module_a_command() -> None:
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert modules == set(commands.COMMANDS)
    for name in modules:
        module = import_module(f"planner.cli.commands.{name}")
        assert callable(module.add_arguments)
        assert callable(module.run)
        assert module.__doc__
        assert module.__doc__.startswith(f"`crplan {name}")


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_every_command_has_help(crplan: Crplan, command: str) -> None:
    code, out, _ = crplan(command, "--help")
    assert code == 0
    assert out.startswith(f"usage: crplan {command}".encode())


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--moon"],
        ["plan"],
        ["x", "--emit", "moon"],
        ["x", "--until", "-1"],
        ["x", "--option", "moon=1"],
        ["x", "--emit", "json", "--option", "indent=wide"],
        ["x", "--option", "steps=perhaps"],
        ["explain", "x", "step:seven"],
        ["run", "x", "--executor", "moon"],
        ["run", "x", "--timeout", "-3"],
        ["run", "x", "--until", "3"],
        ["x", "--exit-zero", "--emit", "moon"],
    ],
)
def test_what_was_not_asked_rightly_exits_with_2(crplan: Crplan, argv: list[str]) -> None:
    code, _, err = crplan(*argv)
    assert code == 2
    assert err


def test_an_unknown_option_comes_with_the_list(crplan: Crplan) -> None:
    _, out, err = crplan("x", "--emit", "json", "--option", "moon=1")
    assert "indent=NUMBER" in err
    assert json.loads(out)["error"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"moonmoonmoon", "is not a checkpoint image; supported are: "),
        (OPENED + b"moon\n", f"at offset {len(OPENED)}: line 2"),
        (b'{"kind":"crplan-plan"}', "format_version"),
    ],
)
def test_bytes_that_are_no_image_exit_with_1_and_one_line(crplan: Crplan, tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "bad\x1b[31m.img"
    file.write_bytes(data)
    code, out, err = crplan(file)
    assert (code, out) == (1, b"")
    assert err.startswith("crplan: ")
    assert words in err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_missing_file_exits_with_1(crplan: Crplan, tmp_path: Path) -> None:
    code, out, err = crplan(tmp_path / "none")
    assert (code, out) == (1, b"")
    assert "No such file" in err


def test_a_machine_format_holds_the_error(crplan: Crplan, tmp_path: Path) -> None:
    file = tmp_path / "bad"
    file.write_bytes(b"moon")
    code, out, _ = crplan(file, "--emit", "json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "bad-image"
    code, out, _ = crplan("explain", file, "1", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "bad-image"
    code, out, _ = crplan("log", file)
    assert code == 1
    assert json.loads(out.splitlines()[-1])["code"] == "bad-image"


def contradictory_log(tmp_path: Path) -> Path:
    """A log whose image says that number 1 is borne twice."""
    file = tmp_path / "twice.jsonl"
    tasks = [
        {"seq": seq, "type": "TaskRecorded", "pids": [1], "parent": 0, "group": 1, "session": 1, "at": seq * 100}
        for seq in (1, 2)
    ]
    file.write_bytes(OPENED + b"".join(msgspec.json.encode(task) + b"\n" for task in tasks))
    return file


def test_contradictory_facts_exit_with_3_and_are_named_with_their_places(crplan: Crplan, tmp_path: Path) -> None:
    code, out, err = crplan(contradictory_log(tmp_path))
    assert (code, out) == (3, b"")
    assert "[duplicate-number]" in err
    assert "event 1, at offset 100: TaskRecorded pids (1)" in err
    assert "event 2, at offset 200" in err
    code, out, _ = crplan(contradictory_log(tmp_path), "--emit", "json")
    assert code == 3
    assert [fact["at"] for fact in json.loads(out)["error"]["because"]] == [100, 200]


def test_exit_zero_forgives_3_and_never_1_or_2(crplan: Crplan, tmp_path: Path) -> None:
    assert crplan("--exit-zero", contradictory_log(tmp_path))[0] == 0
    assert crplan(contradictory_log(tmp_path), "--exit-zero")[0] == 0
    assert crplan("--exit-zero", tmp_path / "none")[0] == 1


def test_the_log_of_what_failed_fails_again_in_the_same_way(crplan: Crplan, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(next(IMAGES.glob("*.v23.ckpt")).read_bytes()[:600])
    for image in (contradictory_log(tmp_path), bad):
        first = crplan(image)
        assert first[0] in {1, 3}
        code, out, _ = crplan("log", image)
        assert code == first[0]
        again = tmp_path / "again.jsonl"
        again.write_bytes(out)
        second = crplan(again)
        assert second[0] == first[0]
        assert second[2].replace(str(again), "X") == first[2].replace(str(image), "X")


def test_a_plan_gives_the_same_programs_as_its_log(crplan: Crplan, plan_file: Path, tmp_path: Path) -> None:
    code, log, err = crplan("log", plan_file)
    assert (code, err) == (0, "")
    log_file = tmp_path / "log"
    log_file.write_bytes(log)
    assert crplan("log", log_file)[1] == log
    for name in ("text", "json", "shell", "python"):
        code, from_plan, _ = crplan(plan_file, "--emit", name)
        assert code == 0
        assert crplan(log_file, "--emit", name)[1] == from_plan


def test_output_goes_to_a_file_whole_and_executable(crplan: Crplan, plan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert crplan(plan_file, "--emit", "shell", "-o", out) == (0, b"", "")
    assert out.read_bytes() == crplan(plan_file, "--emit", "shell")[1]
    assert os.access(out, os.X_OK)
    assert crplan(plan_file, "-o", tmp_path / "text")[0] == 0
    assert not os.stat(tmp_path / "text").st_mode & 0o111
    assert crplan(plan_file, "-o", tmp_path / "no" / "such")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "some.plan", "text"]


def test_a_failure_leaves_the_old_file(crplan: Crplan, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    assert crplan(tmp_path / "none", "-o", out)[0] == 1
    assert out.read_text() == "old"


def test_standard_input_is_an_image(crplan: Crplan, plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(plan_file.read_bytes())))
    assert crplan("-")[1] == crplan(plan_file)[1]


def test_a_file_named_like_a_command_is_planned_explicitly(
    crplan: Crplan, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plan_file.parent)
    plan_file.rename("log")
    assert crplan("plan", "log")[0] == 0
    assert crplan("log")[0] == 2


def test_until_shows_forest_then_plan_then_proof(crplan: Crplan, plan_file: Path) -> None:
    events = [json.loads(line) for line in crplan("log", plan_file)[1].splitlines()]
    kinds = [event["type"] for event in events]
    facts, steps = kinds.index("ProcessPlanned"), kinds.index("StepPlanned")

    def preview(seq: int) -> str:
        code, out, _ = crplan(plan_file, "--until", seq)
        assert code == 0
        return out.decode()

    assert "Tasks" not in preview(1)
    assert "Tasks" in preview(facts - 1)
    assert "Create" not in preview(facts - 1)
    assert "not proved: as it stood at event 23, 3 steps planned" in preview(steps + 2)
    assert preview(len(events) - 1).splitlines()[1:] == crplan(plan_file)[1].decode().splitlines()[1:]
    assert len(crplan("log", plan_file, "--until", 4)[1].splitlines()) == 5
    assert json.loads(crplan(plan_file, "--until", steps, "--emit", "json")[1])["proved"] is False


def test_a_program_is_never_made_of_a_plan_that_is_not_proved(crplan: Crplan, plan_file: Path) -> None:
    code, out, err = crplan(plan_file, "--until", 9, "--emit", "shell")
    assert (code, out) == (2, b"")
    assert "not proved" in err


def test_facts_alone_can_be_planned_again(crplan: Crplan, plan_file: Path) -> None:
    facts = [json.loads(line)["type"] for line in crplan("log", "--facts", IMAGES / "01_single.v23.ckpt")[1].splitlines()]
    assert facts[:2] == ["LogOpened", "ImageOpened"]
    assert "StepPlanned" not in facts


def colours(crplan: Crplan, *argv: object) -> bool:
    return b"\x1b[" in crplan(*argv)[1]


def test_colours_are_for_terminals_and_for_who_asks(crplan: Crplan, plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert not colours(crplan, plan_file)
    assert colours(crplan, plan_file, "--color=always")
    assert colours(crplan, "--color", "always", plan_file)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colours(crplan, plan_file)
    assert not colours(crplan, plan_file, "--color=never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours(crplan, plan_file)


def foreign(**hooks: Callable[[], object]) -> plugins.Registry:
    """A registry with one third-party plugin beside our own."""

    class Module:
        pass

    module = Module()
    for name, hook in hooks.items():
        setattr(module, name, hookimpl(hook))
    entries = [*plugins.installed("crplan"), Entry("moon", "moon", "moon-plugin", "7.1")]
    return plugins.load((), entries=entries, importer=lambda name: module if name == "moon" else import_module(name))


def raises(error: Exception) -> Callable[..., object]:
    def function(*arguments: object) -> object:
        raise error

    return function


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a third-party plugin beside our own."""

    def put(**hooks: Callable[[], object]) -> None:
        registry = foreign(**hooks)
        monkeypatch.setattr(plugins, "load", lambda **options: registry)

    return put


def test_a_plugin_that_raises_is_named(crplan: Crplan, install: Callable[..., None], plan_file: Path) -> None:
    bad_emit = BackEnd(name="moon", help="Fails.", emit=raises(ZeroDivisionError("moon")))  # type: ignore[arg-type]
    bad_read = Reader(
        name="moon",
        help="Fails.",
        recognises=lambda source: source.head.startswith(b"MOON"),
        read=raises(KeyError("x")),  # type: ignore[arg-type]
    )
    install(crplan_backends=lambda: (bad_emit,), crplan_readers=lambda: (bad_read,))
    code, out, err = crplan(plan_file, "--emit", "moon")
    assert (code, out) == (1, b"")
    assert "back end moon of plugin moon (moon-plugin 7.1) failed: ZeroDivisionError: moon" in err
    moon = plan_file.with_name("MOON")
    moon.write_bytes(b"MOON")
    code, _, err = crplan(moon)
    assert code == 1
    assert "reader moon of plugin moon (moon-plugin 7.1) failed: KeyError" in err


def test_what_a_back_end_cannot_do_exits_with_3(crplan: Crplan, install: Callable[..., None], plan_file: Path) -> None:
    cannot = BackEnd(name="moon", help="Cannot.", emit=raises(CannotEmit("task 7 has two moons")))  # type: ignore[arg-type]
    install(crplan_backends=lambda: (cannot,))
    code, out, err = crplan(plan_file, "--emit", "moon")
    assert (code, out) == (3, b"")
    assert "task 7 has two moons" in err


def test_a_broken_plugin_is_reported_and_the_job_done(crplan: Crplan, install: Callable[..., None], plan_file: Path) -> None:
    install(crplan_backends=raises(ImportError("no moon")))  # type: ignore[arg-type]
    code, out, err = crplan(plan_file)
    assert code == 0
    assert out
    assert "plugin moon (moon-plugin 7.1) is not fully loaded: crplan_backends: ImportError: no moon" in err
    listed = json.loads(crplan("plugins", "--json")[1])
    assert {plugin["status"] for plugin in listed["plugins"] if plugin["name"] == "moon"} == {"broken"}
    assert "moon (moon-plugin 7.1): broken: crplan_backends" in crplan("plugins")[1].decode()


def executor(run: Callable[..., int], refusal: str = "") -> Callable[[], tuple[Executor, ...]]:
    return lambda: (Executor(name="moon", help="Does nothing.", run=run, refuses=lambda plan: refusal, priority=1),)


def test_run_refuses_before_the_first_step(crplan: Crplan, install: Callable[..., None], plan_file: Path) -> None:
    install(crplan_executors=executor(raises(AssertionError()), "task 3 has threads"))  # type: ignore[arg-type]
    code, out, err = crplan("run", plan_file)
    assert (code, out) == (3, b"")
    assert "executor moon cannot do this: task 3 has threads" in err


def test_run_prints_ready_and_logs_what_happened(
    crplan: Crplan, install: Callable[..., None], plan_file: Path, tmp_path: Path
) -> None:
    from planner.events.records import RunEnded, RunReady, RunStarted, StepDone, StepFailed
    from planner.identity import StepNumber

    def fails(plan: planner.plans.model.Plan, record: Callable[..., None], timeout: float) -> int:  # type: ignore[name-defined]
        assert timeout == 7.5
        record(RunStarted(plan_id=plan.plan_id, executor="moon"))
        record(StepDone(step=StepNumber(1)))
        record(RunReady(pid=4711))
        record(StepFailed(step=StepNumber(2), error="EEXIST", detail="2"))
        record(RunEnded(code=1))
        return 1

    install(crplan_executors=executor(fails))
    log = tmp_path / "run.jsonl"
    assert crplan("run", plan_file, "--log", log, "--timeout", "7.5")[:2] == (1, b"ready 4711\n")
    code, out, _ = crplan(log)
    assert code == 0
    text = out.decode()
    assert "executor moon: 1 of" in text
    assert "step 2 failed (marked !): EEXIST: 2" in text
    assert " +  1  executor creates" in text
    started = next(event["seq"] for event in map(json.loads, log.read_text().splitlines()) if event["type"] == "RunStarted")
    assert "0 of" in crplan(log, "--until", started)[1].decode()
    assert crplan(log, "--emit", "shell")[1] == crplan(plan_file, "--emit", "shell")[1]


def test_an_executor_that_raises_is_named(crplan: Crplan, install: Callable[..., None], plan_file: Path) -> None:
    install(crplan_executors=executor(raises(ZeroDivisionError("moon"))))  # type: ignore[arg-type]
    code, out, err = crplan("run", plan_file)
    assert (code, out) == (1, b"")
    assert "executor moon of plugin moon (moon-plugin 7.1) failed" in err


def test_a_dry_run_prints_the_steps_and_does_nothing(
    crplan: Crplan, install: Callable[..., None], plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(crplan_executors=executor(raises(AssertionError())))  # type: ignore[arg-type]
    monkeypatch.setenv("CRPLAN_DRY_RUN", "1")
    code, out, _ = crplan("run", plan_file)
    assert code == 0
    assert len(out.splitlines()) == len(PLANS["adopted_by_subreaper"]().steps)


def test_a_defect_of_our_own_is_one_line(crplan: Crplan, plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.cli.commands.plan.run", raises(TypeError("moon")))
    code, out, err = crplan(plan_file)
    assert (code, out) == (1, b"")
    assert err == "crplan: defect of crplan: TypeError: moon (CRPLAN_DEBUG=1 shows where)\n"


COMMAND = [sys.executable, "-m", "planner"]


def test_who_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    plan = tmp_path / "wide.plan"
    plan.write_bytes(msgspec.json.encode(document(PLANS["wide"](), ())))
    with subprocess.Popen([*COMMAND, "log", plan], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


def test_an_interrupt_is_one_line(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([*COMMAND, fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        # Opening succeeds when the child has opened it, too: then it waits for bytes.
        writer = os.open(fifo, os.O_WRONLY)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
        os.close(writer)
    assert (child.returncode, err) == (130, b"crplan: interrupted\n")


def test_a_terminal_that_is_not_utf8_gets_ascii(plan_file: Path) -> None:
    """A pseudo-terminal with an ASCII locale: the tree is drawn in ASCII, and names are escaped."""
    import pty

    leader, follower = pty.openpty()
    environment = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "80"}
    environment.pop("FORCE_COLOR", None)
    with subprocess.Popen([*COMMAND, plan_file], stdout=follower, stderr=follower, env=environment) as child:
        os.close(follower)
        shown = b""
        while True:
            try:
                more = os.read(leader, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
    os.close(leader)
    assert child.returncode == 0
    assert shown.isascii()
    assert b"`- " in shown
    assert b"\x1b" not in shown
    assert all(len(line) <= 80 for line in shown.replace(b"\r", b"").split(b"\n"))


def test_a_log_of_what_is_not_recognised_begins_as_every_log(crplan: Crplan, tmp_path: Path) -> None:
    """And so does one whose reader fails in the middle: what it said before is there."""
    image = tmp_path / "image"
    for data, least in ((b"nothing", 2), ((DATA / "linux-cr" / "gen_P3.ckpt").read_bytes()[:-40], 4)):
        image.write_bytes(data)
        for argv in (["log", image], ["log", "--facts", image]):
            code, out, _ = crplan(*argv)
            lines = [json.loads(line) for line in out.splitlines()]
            assert code == 1
            assert [line["seq"] for line in lines] == list(range(len(lines)))
            assert (lines[0]["type"], lines[-1]["type"]) == ("LogOpened", "DefectRecorded")
            assert len(lines) >= least


def test_a_command_that_is_misspelt_is_named(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["chekc", "image"]) == 2
    assert capsysbinary.readouterr().err == b"crplan: there is no command and no file chekc; did you mean check?\n"


INTERRUPTED_IMPORT = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "msgspec._core":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from planner.cli.main import main
sys.exit(main(["plugins"]))
"""


def test_an_interrupt_while_records_are_imported_is_not_lost() -> None:
    """The extension of msgspec swallows what is raised within its import, and crashes at its first use."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "crplan: interrupted\n")
