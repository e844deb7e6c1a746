"""The shell back end as text: what a reader sees, what a checker says, and what hostile images cannot do to it."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from crplan_runtime.limits import refuses
from crplan_runtime.parts.tables import Process
from crplan_runtime.parts.told import Listener, Refused
from crplan_shell import crplan_backends
from crplan_shell.emit import AGENT_FILE, agent, emit, emit_agent, machinery
from crplan_shell.lines import escaped, quoted
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import CannotEmit
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.plans.model import Plan
from planner.plans.relax import conceded
from planner.plans.wording import step_lines
from planner.testing.drafts import Draft, with_init
from planner.testing.plans import PLANS
from planner.text import FILE
from tests.helpers.places import GOLDEN

POSSIBLE = {"sharing": "possible"}
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


def everything() -> Plan:
    """A plan with every kind of step in it."""
    draft = with_init("everything")
    draft.create(1, 10, 1, new_namespace=True)
    draft.create(1, 2, share=("fs", "files"), exit_signal=10)
    draft.create(2, 3, sibling=True)
    draft.thread(2, 100)
    draft.enter(2, 10)
    draft.create(2, 11, 5)
    draft.thread(11, 12, 9)
    draft.enter(2, 1)
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.enter(0, 0)
    draft.subreaper(1, True)
    draft.setpgid(3, 3, 3)
    draft.create(1, 40, role="helper")
    draft.exit(40)
    draft.reap(1, 40)
    draft.subreaper(1, False)
    draft.create(1, 50)
    draft.thread(50, 51)
    draft.exit(50, thread_only=True)
    draft.exit(3, 7 << 8)
    draft.exit(30, 6 | 0x80)
    draft.create(1, 20, 1, new_namespace=True)
    draft.kill(1, 20, 9)
    draft.subreaper(2, True)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1)
    draft.verify(2, 1, 1, 1, threads=(100,), subreaper=True)
    draft.verify(3, 1, 3, 1, zombie=True, status=7 << 8)
    draft.verify(11, 2, 1, 1, threads=(12,))
    draft.verify(30, 0, 0, 0, zombie=True, status=6 | 0x80)
    draft.verify(50, 1, 1, 1, zombie=True, threads=(51,))
    draft.verify(20, 1, 1, 1, zombie=True, status=9)
    return draft.plan(1)


def renamed(plan: Plan, name: str) -> Plan:
    """Give every process the same name."""
    return msgspec.structs.replace(
        plan, processes=tuple(msgspec.structs.replace(process, name=name) for process in plan.processes)
    )


def own_lines(script: str) -> str:
    """Return what is not the same in every script."""
    head, found, _ = script.partition(machinery())
    assert found
    return head


def run(shell: str, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script that is expected to end soon."""
    return subprocess.run(
        [shell, "-s"], input=script, capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"], **environment}
    )


def test_the_script_reads_as_it_should() -> None:
    assert own_lines(emit(everything())) == (GOLDEN / "shell_everything.sh").read_text()


def test_the_back_end_is_registered_and_writes_a_program() -> None:
    back_end, library = crplan_backends()
    assert (back_end.name, back_end.executable, back_end.machine) == ("shell", True, False)
    assert (library.name, library.executable) == ("agent", False)
    plan = PLANS["single"]()
    text = back_end.emit(Artefact(plan=plan, forest=Forest()), {}, FILE)
    assert isinstance(text, str)
    assert text.startswith("#!/bin/sh\n")
    assert plan.plan_id in text


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert emit(everything()) == emit(everything())


@pytest.mark.parametrize("name", PLANS)
def test_all_scripts_have_the_same_agent_and_one_line_a_step(name: str) -> None:
    plan = conceded(PLANS[name](), POSSIBLE)
    script = emit(plan)
    assert script.count(agent()) == 1
    lines = [line.split() for line in own_lines(script).splitlines() if line.startswith(("    step ", "    check "))]
    assert [int(line[1]) for line in lines] == [step.number for step in plan.steps]
    for words, step in zip(lines, plan.steps, strict=True):
        assert words[0] == "check" or words[-1] == f"rule={step.rule}"
    assert own_lines(script).endswith(f"    ready after {len(plan.steps)} root {plan.root}\n}}\n\n")


def test_the_plan_comes_first() -> None:
    lines = emit(PLANS["nested_namespaces"]()).splitlines()
    assert next(number for number, line in enumerate(lines) if " create 1 " in line) < 60


@pytest.mark.parametrize(("kind", "agents"), [("embedded", 1), ("external", 0)])
def test_a_script_holds_the_agent_that_was_asked_for(kind: str, agents: int) -> None:
    script = emit(everything(), kind)
    assert script.count("\nPYTHON\n") == agents
    head = own_lines(emit(everything())).partition("\nplan() {")[2]
    assert head in script, "the plan is the same whatever carries it out"


@pytest.mark.parametrize("shell", SHELLS)
def test_an_external_agent_belongs_to_its_scripts(shell: str, tmp_path: Path) -> None:
    script, library = tmp_path / "rebuild.sh", tmp_path / AGENT_FILE
    script.write_text(emit(everything(), "external"))

    def ended(**environment: str) -> tuple[int, int, str]:
        done = subprocess.run(
            [shell, str(script)], capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"], **environment}
        )
        return done.returncode, done.stdout.count("\n"), done.stderr

    assert ended() == (1, 0, f"crplan: {library} cannot be read: crplan IMAGE --emit agent writes it\n")
    library.write_text(emit_agent())
    assert ended(CRPLAN_DRY_RUN="1") == (0, len(everything().steps), "")
    library.write_text(emit_agent().replace("machinery=", "machinery=0", 1))
    code, lines, complaint = ended(CRPLAN_DRY_RUN="1")
    assert (code, lines) == (1, 0)
    assert "belongs to the agent" in complaint
    library.rename(tmp_path / "elsewhere")
    assert ended(CRPLAN_AGENT=str(tmp_path / "elsewhere"))[0] == 1


def test_the_agent_knows_nothing_of_any_plan_and_runs_on_old_pythons() -> None:
    ast.parse(agent(), feature_version=(3, 8))
    assert machinery().count("\nPYTHON\n") == 1
    assert "crplan_runtime" not in agent()
    nodes = list(ast.walk(ast.parse(agent())))
    modules = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names


def test_a_checker_of_scripts_finds_nothing(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    script = tmp_path / "rebuild.sh"
    for plan in (PLANS["single"](), everything(), renamed(everything(), "# shellcheck disable=all\n$(`'\"\\")):
        script.write_text(emit(plan))
        assert checked("sh", script) == checked("bash", script) == (0, "")
    script.write_text(emit(PLANS["single"](), "external"))
    assert checked("sh", script) == (0, "")
    script.write_text(emit_agent())
    assert checked("sh", script) == (0, "")


def checked(shell: str, script: Path) -> tuple[int, str]:
    """Return what shellcheck says of a script."""
    ended = subprocess.run(["shellcheck", "-s", shell, str(script)], capture_output=True, text=True, timeout=120)
    return ended.returncode, ended.stdout


HOSTILE = [
    "\n",
    "a\nrm -rf /\n",
    "'",
    '"',
    "$(reboot)",
    "`reboot`",
    "\\",
    "\x1b]0;x\x07",
    "ü\u2028\u202e",
    "x" * 100_000,
    "PYTHON",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_one_word(name: str) -> None:
    plan = PLANS["process_groups"]()
    harmless, hostile = emit(renamed(plan, "x")), emit(renamed(plan, name))
    assert all(re.fullmatch(r"[ -~]*", line) for line in hostile.split("\n"))
    strip = re.compile(r" named=(\S+)|\(plan [0-9a-f]+\)")
    assert [strip.sub("", line) for line in hostile.split("\n")] == [strip.sub("", line) for line in harmless.split("\n")]
    assert max(len(line) for line in own_lines(hostile).split("\n")) < 300
    words = re.findall(r" named=(\S+)", own_lines(hostile))
    assert {Process(f"1 task ={word}").name.encode("latin-1") for word in words} == {name.encode()[:15]}


@given(st.text())
def test_a_quoted_text_is_one_word_of_printable_ascii(text: str) -> None:
    assert re.fullmatch(r"[!-~]+", quoted(text))
    assert shlex.split(quoted(text)) == [escaped(text).replace(" ", r"\x20")]


@given(st.text(), st.text())
def test_escaping_loses_nothing(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=10)
@given(rule=st.text(alphabet="a-z'\"$`\\ ;&|\n#(){}<>*é", min_size=1, max_size=12))
def test_a_hostile_rule_is_printed_and_not_run(shell: str, rule: str) -> None:
    plan = PLANS["parent_and_child"]()
    hostile = msgspec.structs.replace(plan, steps=tuple(msgspec.structs.replace(step, rule=rule) for step in plan.steps))
    printed = run(shell, emit(hostile), CRPLAN_DRY_RUN="1")
    assert (printed.returncode, printed.stderr) == (0, "")
    word = escaped(rule).replace(" ", r"\x20")
    assert [line.rpartition("  ")[2] for line in printed.stdout.splitlines()] == [f"[{word}]"] * len(plan.steps)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dry_run_needs_nothing_but_the_shell(shell: str) -> None:
    path = shutil.which(shell)
    assert path
    plan = everything()
    printed = subprocess.run(
        [path, "-s"], input=emit(plan), capture_output=True, text=True, timeout=30, env={"PATH": "", "CRPLAN_DRY_RUN": "1"}
    )
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout.splitlines() == list(step_lines(plan))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dry_run_prints_the_sentences_of_every_other(shell: str) -> None:
    for make in PLANS.values():
        plan = conceded(make(), POSSIBLE)
        assert run(shell, emit(plan), CRPLAN_DRY_RUN="1").stdout.splitlines() == list(step_lines(plan))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ((), "crplan: this machine has no python3 (3.8 or later, with ctypes)"),
        (("false",), "crplan: this machine has no python3 (3.8 or later, with ctypes)"),
    ],
)
def test_what_the_machine_lacks_is_said_before_the_first_step(
    shell: str, tools: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    for tool in tools:
        found = shutil.which(tool)
        assert found
        (tmp_path / {"false": "python3"}.get(tool, tool)).symlink_to(found)
    path = shutil.which(shell)
    assert path
    ended = subprocess.run(
        [path, "-s"], input=emit(everything()), capture_output=True, text=True, timeout=30, env={"PATH": str(tmp_path)}
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1


def test_what_a_script_cannot_do_is_refused_by_name() -> None:
    draft = with_init("memory")
    draft.create(1, 2, share=("memory", "signal_handlers"))
    with pytest.raises(CannotEmit, match=r"task 2 shares memory and signal handlers with task 1.*sharing=possible"):
        emit(draft.plan(1))

    outside = Draft("files of the script")
    outside.create(0, 1, new_namespace=True, share=("files",))
    with pytest.raises(CannotEmit, match="task 1 would share files"):
        emit(outside.plan(1))

    libc = with_init("signal of the C library")
    libc.create(1, 2, exit_signal=33)
    with pytest.raises(CannotEmit, match="task 2 has the exit signal 33"):
        emit(libc.plan(1))


@pytest.mark.parametrize("status", [17, 19, 127, 128 + 127, 15 | 256, 65536, -1])
def test_a_status_with_which_no_process_ends_is_refused(status: int) -> None:
    draft = with_init("status")
    draft.create(1, 2)
    draft.exit(2, status)
    assert refuses(draft.plan(1)) == f"task 2 ended with the wait status {status}, with which no process ends"


def test_an_init_ends_itself_by_a_code_or_a_fault_only() -> None:
    for status, refused in ((0, False), (256, False), (11, False), (15, True), (9, True)):
        draft = with_init("init")
        draft.create(1, 10, 1, new_namespace=True)
        draft.exit(10, status)
        assert bool(refuses(draft.plan(1))) == refused


def test_the_agent_hears_the_plan_that_was_written() -> None:
    for make in PLANS.values():
        plan = conceded(make(), POSSIBLE)
        heard = Listener().plan(told(plan))
        assert [(step.number, step.actor, step.rule) for step in heard.steps] == [
            (step.number, step.actor, step.rule) for step in plan.steps
        ]
        assert {task: process.pids for task, process in heard.processes.items()} == {
            process.pid: process.pids for process in plan.processes
        }
        assert heard.root == plan.root


def told(plan: Plan) -> list[str]:
    """Return what a script tells its agent."""
    script = emit(plan, "external").partition("\n# The machinery")[0]
    machine, _, _ = machinery().partition("# usage: says")
    return run("dash", f"{script}\n{machine}\nplan").stdout.splitlines()


def test_a_line_that_cannot_be_is_refused_where_it_stands() -> None:
    lines = told(PLANS["parent_and_child"]())
    for place, old, new, said in (
        (1, " as=", " is=", "task 1: its numbers are not told: EINVAL"),
        (2, "step 2", "step 3", "task 1: step 2 was to come: EINVAL"),
        (2, " setsid ", " dance ", "task 1: the line is not understood: 1 dance: EINVAL"),
        (3, " create 2 ", " create 1 ", "task 1: the number is used twice: EEXIST"),
        (3, " create 2 ", " create x ", "task 1: the line is not understood"),
        (len(lines) - 1, " verify 2 ", " verify 9 ", "task 9: verify: task 9 was not created: ESRCH"),
        (len(lines), "root 1", "root 7", "task 7: the root was not created: ESRCH"),
    ):
        assert old in lines[place - 1]
        wrong = [*lines[: place - 1], lines[place - 1].replace(old, new), *lines[place:]]
        with pytest.raises(Refused, match=re.escape(said)):
            Listener().plan(wrong)
    with pytest.raises(EOFError):
        Listener().plan(lines[:-1])
