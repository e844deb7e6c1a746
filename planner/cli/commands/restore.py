"""`crplan restore DIR`: a checkpoint in parts or plain images of CRIU, restored by it and compared. Experimental."""

import argparse
import os
import shlex
import signal
from types import FrameType
from typing import Final

from planner.checkpoint import manifest as manifests
from planner.checkpoint.bring_back import Restore, restore
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
from planner.pipeline.reading import stream_events
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
        "image",
        metavar="DIRECTORY",
        help="the directory that `crplan checkpoint` wrote, CRIU's images, or what holds `checkpoint/`",
    )
    parser.add_argument("--dry-run", action="store_true", help="print each file and command, and change nothing")
    parser.add_argument("--criu", metavar="FILE", default="", help="the criu to run (CRPLAN_CRIU, or the one on PATH)")
    parser.add_argument("--criu-options", metavar="OPTIONS", default="", help="options for each criu restore, as one word")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Restore and compare; returns 0; raises CannotEmit (3) for what is refused, CheckpointFailed (1) for what fails."""
    directory = os.path.abspath(args.image)
    if not manifests.there(directory):
        directory = _plain(directory)
    manifest = manifests.read(directory)[0] if manifests.there(directory) else None
    forest = resolve(list(stream_events(open_image(directory), registry))).forest
    if manifest is None:
        refuse_plain(forest)
    else:
        refuse(manifest, forest)
    options = parse(args.criu_options)
    if args.dry_run:
        _print(forest, directory, options, plain=manifest is None)
        return 0
    if os.geteuid():
        raise CannotEmit("a restore takes root: criu restore does")
    for words in repair():
        say(shown(f"crplan: an earlier restore was cut off: {escaped(words)}"))
    criu = program_of(args.criu)
    if manifest is None:
        _judge(directory, options)
    task = Restore(
        directory=directory,
        manifest=manifest,
        forest=forest,
        capture=lambda root: _captured(root, registry),
        criu=criu,
        criu_version=version_of(criu),
        options=options,
    )
    signal.signal(signal.SIGTERM, _interrupted)
    write(f"ready {restore(task)}\n".encode())
    return 0


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


def _judge(directory: str, options: tuple[str, ...]) -> None:
    """Say how `criu restore` of plain images is judged for this machine; raises CannotEmit where it would fail."""
    given = shlex.join((*options, "--restore-detached", "--manage-cgroups=ignore"))
    report = check(directory, here=True, consumer=CONSUMER, criu_options=given, ignore=RUNNING)
    if not report.images[0].verdicts:
        return
    verdict = report.images[0].verdicts[0]
    codes = f" [{', '.join(verdict.codes)}]" if verdict.codes else ""
    words = f"criu restore: {verdict.verdict}{', ' if verdict.reason else ''}{verdict.reason}{codes}"
    if verdict.verdict in BAD:
        raise CannotEmit(words)
    say(shown(f"crplan: {escaped(directory)}: {words}"))


def _print(forest: Forest, directory: str, options: tuple[str, ...], *, plain: bool) -> None:
    """Print what a restore would write and run, with names in capitals for what is chosen at the time."""
    places = Places(
        work="WORK",
        image=directory,
        cgroup="CGROUP",
        outside="OUTSIDE",
        freeze_file="cgroup.freeze",
        freeze_word="1",
        criu="criu",
        options=options,
        plain=plain,
    )
    lines = []
    for name, content in files(forest, places).items():
        lines += [f"# WORK/{name}", content.rstrip("\n")]
    write_artefact("\n".join([*lines, shlex.join(outermost(places, mounts=True)), ""]), None)
