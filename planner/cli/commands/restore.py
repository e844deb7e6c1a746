"""`crplan restore DIR`: a checkpoint in parts or plain images of CRIU, restored by it and compared. Experimental."""

import argparse
import os
import shlex
import signal
from types import FrameType
from typing import Final

import msgspec

from planner.checkpoint import manifest as manifests
from planner.checkpoint.bring_back import Restore, restore
from planner.checkpoint.plain import in_order, restore_plain, shared
from planner.checkpoint.remains import repair
from planner.checkpoint.restoring import Places, files, outermost, refuse, refuse_plain
from planner.checks.criu_options import parse
from planner.cli.commands.checkpoint import program_of, version_of
from planner.cli.commands.gate import RUNNING
from planner.cli.streams import say, write
from planner.cli.terminal import open_image, write_artefact
from planner.errors import CannotEmit, UsageError
from planner.findings.verdicts import BAD, ConsumerName
from planner.forest.model import Forest
from planner.library.checking import check
from planner.library.images import captured
from planner.pipeline.reading import pod_events, stream_events
from planner.pipeline.resolve import resolve
from planner.plugins import Registry
from planner.text import escaped, shown

CONSUMER: Final[ConsumerName] = "criu-restore"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Restore a checkpoint of `crplan checkpoint`, or plain images of `criu dump`, through CRIU (experimental). Plain images"
        " are first judged for this machine, as `crplan check --here` does it. All stands still until the tree has been"
        " compared with the image: numbers in every pid namespace, parents, sessions, groups, threads, dead tasks. On any"
        " difference everything is ended. It prints `ready PID` and ends; the tree runs on."
    )
    parser.add_argument(
        "images",
        metavar="DIRECTORY",
        nargs="+",
        help="the directory that `crplan checkpoint` wrote, CRIU's images, or what holds `checkpoint/`; several are containers of"
        " a pod that share a pid namespace (criu dump --external 'pid[INODE]:KEY')",
    )
    parser.add_argument("--dry-run", action="store_true", help="print each file and command, and change nothing")
    parser.add_argument("--criu", metavar="FILE", default="", help="the criu to run (CRPLAN_CRIU, or the one on PATH)")
    parser.add_argument("--criu-options", metavar="OPTIONS", default="", help="options for each criu restore, as one word")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Restore and compare; returns 0; raises CannotEmit (3) for what is refused, CheckpointFailed (1) for what fails."""
    options = parse(args.criu_options)
    given = [os.path.abspath(name) for name in args.images]
    if len(given) > 1 or not manifests.there(given[0]):
        return _run_plain([_plain(name) for name in given], options, args, registry)
    manifest, _ = manifests.read(given[0])
    task = _task(given[0], manifest, options, registry)
    refuse(manifest, task.forest)
    if args.dry_run:
        _print([task])
        return 0
    _begin()
    _say_ready([restore(_with_criu(task, args.criu))])
    return 0


def _run_plain(directories: list[str], options: tuple[str, ...], args: argparse.Namespace, registry: Registry) -> int:
    tasks = [_task(directory, None, options, registry) for directory in directories]
    for task in tasks:
        refuse_plain(task.forest)
    ordered = in_order(tasks)
    if len(ordered) > 1:
        # The planner proves of all images together that no number is wanted twice, and that there is an order.
        resolve(pod_events([open_image(task.directory) for task in ordered], registry)).artefact()
    if args.dry_run:
        _print(ordered)
        return 0
    _begin()
    ordered = [_with_criu(task, args.criu) for task in ordered]
    for task in ordered:
        _judge(task)
    _say_ready(restore_plain(ordered))
    return 0


def _task(directory: str, manifest: manifests.Manifest | None, options: tuple[str, ...], registry: Registry) -> Restore:
    return Restore(
        directory=directory,
        manifest=manifest,
        forest=resolve(list(stream_events(open_image(directory), registry))).forest,
        capture=lambda root: _captured(root, registry),
        criu="criu",
        criu_version="",
        options=options,
    )


def _with_criu(task: Restore, given: str) -> Restore:
    criu = program_of(given)
    return msgspec.structs.replace(task, criu=criu, criu_version=version_of(criu))


def _begin() -> None:
    """End what killed restores have left; raises CannotEmit without root's rights."""
    if os.geteuid():
        raise CannotEmit("a restore takes root: criu restore does")
    for words in repair():
        say(shown(f"crplan: an earlier restore was cut off: {escaped(words)}"))
    signal.signal(signal.SIGTERM, _interrupted)


def _say_ready(roots: list[int]) -> None:
    write("".join(f"ready {root}\n" for root in roots).encode())


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _captured(root: int, registry: Registry) -> Forest:
    return resolve(list(captured(root, registry))).forest


def _plain(directory: str) -> str:
    """Return the directory of CRIU's images, which an engine's archive has as `checkpoint`; raises UsageError."""
    for found in (directory, os.path.join(directory, "checkpoint")):
        if os.path.isfile(os.path.join(found, "inventory.img")):
            return found
    raise UsageError(f"{directory} holds no images of CRIU, and is none that `crplan checkpoint` wrote; unpack an archive first")


def _judge(task: Restore) -> None:
    """Say how `criu restore` of plain images is judged for this machine; raises CannotEmit where it would fail."""
    directory = task.directory
    joins = (f"--inherit-fd=fd[9]:{key}",) if (key := shared(task.forest)) else ()
    given = shlex.join((*task.options, *joins, "--restore-detached", "--manage-cgroups=ignore"))
    report = check(directory, here=True, consumer=CONSUMER, criu_options=given, ignore=RUNNING)
    if not report.images[0].verdicts:
        return
    verdict = report.images[0].verdicts[0]
    codes = f" [{', '.join(verdict.codes)}]" if verdict.codes else ""
    words = f"criu restore: {verdict.verdict}{', ' if verdict.reason else ''}{verdict.reason}{codes}"
    if verdict.verdict in BAD:
        raise CannotEmit(words)
    say(shown(f"crplan: {escaped(directory)}: {words}"))


def _print(tasks: list[Restore]) -> None:
    """Print what a restore would write and run, with names in capitals for what is chosen at the time."""
    lines = []
    for task in tasks:
        key = shared(task.forest) if task.manifest is None else ""
        places = Places(
            work="WORK",
            image=task.directory,
            cgroup="CGROUP",
            outside="OUTSIDE",
            freeze_file="cgroup.freeze",
            freeze_word="1",
            criu="criu",
            options=(*task.options, "--inherit-fd", f"fd[N]:{key}") if key else task.options,
            plain=task.manifest is None,
        )
        for name, content in files(task.forest, places).items():
            lines += [f"# WORK/{name}", content.rstrip("\n")]
        lines.append(shlex.join(outermost(places, mounts=task.manifest is not None)))
    write_artefact("\n".join([*lines, ""]), None)
