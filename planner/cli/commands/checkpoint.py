"""`crplan checkpoint PID -o DIR`: a running tree with nested pid namespaces, dumped by CRIU in parts, and one image of it."""

import argparse
import os
import shlex
import shutil
import subprocess
from typing import Final

from planner.checkpoint.commands import Criu, dumps, masks, numbers_of, script
from planner.checkpoint.freezer import choose
from planner.checkpoint.journal import repair
from planner.checkpoint.parts import parts_of
from planner.checkpoint.watch import watched
from planner.checkpoint.worker import Captured, Progress, Work, partial_of
from planner.checks.criu_options import parse
from planner.checks.judging import Request, judge
from planner.checks.report import Settings
from planner.cli.commands.capture import process_number
from planner.cli.streams import errors_on_terminal, say
from planner.cli.terminal import write_artefact
from planner.errors import EXPECTED, CannotEmit, UsageError
from planner.findings.problems import lines, problem_of
from planner.findings.report import ImageReport
from planner.findings.verdicts import ConsumerName
from planner.library.images import captured
from planner.pipeline.resolve import resolve
from planner.plugins import Registry
from planner.text import escaped, shown

CONSUMER: Final[ConsumerName] = "checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("pid", metavar="PID", type=process_number, help="the process whose tree is dumped, as `ps` shows it")
    parser.add_argument(
        "-o", "--output", metavar="DIRECTORY", required=True, help="the image: a directory that is not there yet, or empty"
    )
    parser.add_argument(
        "--leave-running", action="store_true", help="let the tree run on; without it, it is ended once all is kept"
    )
    parser.add_argument("--dry-run", action="store_true", help="print each command that would be run, and change nothing")
    parser.add_argument("--criu", metavar="FILE", default="", help="the criu to run (CRPLAN_CRIU, or the one on PATH)")
    parser.add_argument(
        "--criu-options", metavar="OPTIONS", default="", help="options for each criu dump, as one word: '--tcp-established'"
    )
    parser.add_argument(
        "--freeze-cgroup",
        metavar="DIRECTORY",
        default="",
        help="the cgroup to freeze, which holds exactly the tree; without it the tree's own, or one that is made for it",
    )


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Take the checkpoint; returns 0, 1 where it fails, or 3 for what is refused before anything is frozen."""
    for words in repair():
        say(shown(f"crplan: an earlier checkpoint was cut off: {escaped(words)}"))
    options = parse(args.criu_options)
    criu = Criu(program=program_of(args.criu), options=options)
    _check_directory(args.output)

    def capture() -> Captured:
        events = list(captured(args.pid, registry))
        found = resolve(events)
        report = judge(registry, f"/proc/{args.pid}", found.artefact(), Request(wanted=CONSUMER, options=options), Settings())
        refuse(report)
        return Captured(events=events, forest=found.forest)

    try:
        if os.geteuid():
            raise CannotEmit("a checkpoint takes root: freezing, mounting and criu dump do")
        found = capture()
        if args.dry_run:
            write_artefact("".join(f"{line}\n" for line in _commands(args, found, criu)), None)
            return 0
        task = Work(
            root=args.pid,
            directory=os.path.abspath(args.output),
            capture=capture,
            criu=criu,
            cgroup=args.freeze_cgroup,
            leave_running=args.leave_running,
            version=version_of(criu.program),
        )
        parts = len(parts_of(found.forest))
        watched(task, lambda progress: _show(progress, args, parts))
    except EXPECTED as error:
        problem = problem_of(error)
        say(*lines(problem, f"/proc/{args.pid}"))
        return error.exit_code
    return 0


def refuse(report: ImageReport) -> None:
    """Raise CannotEmit for what the checks of a checkpoint refuse, with the hint for the first; say what will differ."""
    mine = [found for found in report.counting() if CONSUMER in found.consumers]
    errors = [found for found in mine if found.severity == "error"]
    for found in errors[1:]:
        say(shown(f"crplan: {found.message} [{found.code}]"))
    if errors:
        raise CannotEmit(f"{errors[0].message} [{errors[0].code}]; {errors[0].hint}")


def program_of(given: str) -> str:
    """Return the criu to run, as a path; raises UsageError where there is none."""
    wanted = given or os.environ.get("CRPLAN_CRIU", "") or "criu"
    found = shutil.which(wanted)
    if found is None:
        raise UsageError(f"there is no program {wanted}; install criu, or name one by --criu or CRPLAN_CRIU")
    return os.path.abspath(found)


def version_of(program: str) -> str:
    """Return the version that a criu states, "" where it states none; raises CannotEmit where it cannot be run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=10).stdout.decode(
            errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotEmit(f"{program} cannot be run: {error}") from None
    return next((line.split()[-1] for line in said.splitlines() if line.startswith("Version:")), "")


def _check_directory(directory: str) -> None:
    parent = os.path.dirname(os.path.abspath(directory))
    if not directory or not os.path.isdir(parent):
        raise UsageError(f"the directory {parent} for the image is not there")
    if os.path.lexists(directory) and (not os.path.isdir(directory) or os.path.islink(directory) or os.listdir(directory)):
        raise UsageError(f"{directory} is there already and not empty; give another name")


def _commands(args: argparse.Namespace, found: Captured, criu: Criu) -> list[str]:
    parts, numbers = parts_of(found.forest), numbers_of(found.events)
    processes = {numbers[pid] for pid, task in found.forest.tasks.items() if not task.zombie}
    chosen = choose(processes, args.pid, args.freeze_cgroup)
    children = {}
    for parent in {part.parent for part in parts[1:]}:
        process = numbers[parent]
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as stream:
                children[process, int(thread)] = stream.read()
    hiding = masks(parts, numbers, children)
    planned = dumps(found.forest, parts, numbers, partial_of(args.output), chosen.path, criu)
    made = [f"mkdir -p {shlex.quote(dump.directory)}" for dump in planned]
    ordered = sorted(processes)
    body = script(hiding, planned, chosen.commands(ordered), ordered, leave_running=args.leave_running)
    return [*made, *body, f"mv {shlex.quote(partial_of(args.output))} {shlex.quote(os.path.abspath(args.output))}"]


def _show(progress: Progress, args: argparse.Namespace, parts: int) -> None:
    if progress.frozen_milliseconds >= 0:
        after = "runs on" if args.leave_running else "was ended"
        many = f"{parts} part{'' if parts == 1 else 's'}"
        frozen = f"frozen for {progress.frozen_milliseconds / 1000:.2f} s"
        say(shown(f"crplan: {escaped(args.output)}: {many}, {progress.size / (1 << 20):.1f} MiB; {frozen}; the tree {after}"))
    elif errors_on_terminal():
        say(shown(f"crplan: {progress.words}"))
