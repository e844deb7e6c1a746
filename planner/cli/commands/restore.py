"""`crplan restore DIR`: a checkpoint in parts, restored through CRIU and compared with the image. Experimental."""

import argparse
import os
import shlex
import signal
from types import FrameType

from planner.checkpoint import manifest as manifests
from planner.checkpoint.bring_back import Restore, restore
from planner.checkpoint.restoring import Places, files, outermost, refuse
from planner.checks.criu_options import parse
from planner.cli.commands.checkpoint import program_of, version_of
from planner.cli.streams import write
from planner.cli.terminal import open_image, write_artefact
from planner.errors import CannotEmit, UsageError
from planner.forest.model import Forest
from planner.library.images import captured
from planner.pipeline.reading import stream_events
from planner.pipeline.resolve import resolve
from planner.plugins import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Restore a checkpoint of `crplan checkpoint` through CRIU (experimental). All parts stand still until the tree has been"
        " compared with the image: numbers in every pid namespace, parents, sessions, groups, threads, dead tasks. On any"
        " difference everything is ended. It prints `ready PID` and ends; the tree runs on."
    )
    parser.add_argument("image", metavar="DIRECTORY", help="the directory that `crplan checkpoint` wrote")
    parser.add_argument("--dry-run", action="store_true", help="print each file and command, and change nothing")
    parser.add_argument("--criu", metavar="FILE", default="", help="the criu to run (CRPLAN_CRIU, or the one on PATH)")
    parser.add_argument("--criu-options", metavar="OPTIONS", default="", help="options for each criu restore, as one word")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Restore and compare; returns 0; raises CannotEmit (3) for what is refused, CheckpointFailed (1) for what fails."""
    directory = os.path.abspath(args.image)
    if not manifests.there(directory):
        raise UsageError(f"{args.image} is no directory of `crplan checkpoint`; `criu restore` brings plain images back")
    manifest, _ = manifests.read(directory)
    forest = resolve(list(stream_events(open_image(directory), registry))).forest
    refuse(manifest, forest)
    options = parse(args.criu_options)
    if args.dry_run:
        _print(manifest, forest, directory, options)
        return 0
    if os.geteuid():
        raise CannotEmit("a restore takes root: criu restore does")
    criu = program_of(args.criu)
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


def _print(manifest: manifests.Manifest, forest: Forest, directory: str, options: tuple[str, ...]) -> None:
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
    )
    lines = []
    for name, content in files(forest, places).items():
        lines += [f"# WORK/{name}", content.rstrip("\n")]
    write_artefact("\n".join([*lines, shlex.join(outermost(places, mounts=True)), ""]), None)
