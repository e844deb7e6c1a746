"""`crplan gate`: CRIU's action script, which stops a restore that would fail before CRIU begins it.

CRIU calls it with `CRTOOLS_SCRIPT_ACTION` and `CRTOOLS_IMAGE_DIR`; an exit code other than 0 at `pre-restore` ends the restore.
Its words go to standard error, which is CRIU's log. CRIU runs a program without arguments, so `crplan-gate` is this command.
"""

import argparse
import os
import signal
import time
from types import FrameType
from typing import Final

from planner.cli.criu_caller import options_above
from planner.cli.main import GATE_ACTION
from planner.cli.streams import say
from planner.findings.report import ImageReport
from planner.findings.verdicts import BAD
from planner.library.checking import check
from planner.plugins import Registry
from planner.text import escaped, shown

SECONDS: Final = 10
"""How long a judgement may take, from the start of the process on, and half of it at least; then the restore goes on."""

RUNNING: Final = ("criu-not-installed",)
"""Codes that cannot hold where CRIU itself is the caller, with any PATH."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--strict", action="store_true", help="an error of crplan's own, or a late answer, stops the restore too")
    parser.add_argument(
        "--criu-options",
        metavar="OPTIONS",
        help="the options that criu restore is given, as one word; without it those of the criu that calls the gate, and not"
        " known where that is driven over RPC by another program than runc and crun",
    )


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Return 0 where the restore may go on, 1 where it is stopped."""
    if os.environ.get("CRTOOLS_SCRIPT_ACTION") != GATE_ACTION:
        return 0
    directory = os.path.realpath(os.environ.get("CRTOOLS_IMAGE_DIR", ""))
    try:
        image = _judged(directory, _options(args.criu_options))
    except Exception as error:  # whatever fails here, a restore does not depend on it
        return _passed(directory, str(error), args.strict)
    if image.broken() and image.error is not None:
        return _passed(directory, image.error.message, args.strict)
    verdict = image.verdicts[0]
    codes = f" [{', '.join(verdict.codes)}]" if verdict.codes else ""
    words = f"{escaped(directory)}: criu restore: {verdict.verdict}{', ' if verdict.reason else ''}{verdict.reason}{codes}"
    if verdict.verdict in BAD:
        say(shown(f"crplan gate: the restore is stopped: {words}"))
        return 1
    say(shown(f"crplan gate: {words}"))
    return 0


def _passed(directory: str, reason: str, strict: bool) -> int:
    say(shown(f"crplan gate: {escaped(directory)}: not judged: {escaped(reason)}{'; the restore is stopped' if strict else ''}"))
    return int(strict)


def _options(given: str | None) -> str | tuple[str, ...] | None:
    """Return the options, as they were given or by their long names; None where they are not known."""
    return options_above(os.getppid()) if given is None else given


def _judged(directory: str, options: str | tuple[str, ...] | None) -> ImageReport:
    """Return the report on the images for this machine; raises `TimeoutError` after `SECONDS`."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no verdict within {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(SECONDS / 2, SECONDS - _age()))
    try:
        report = check(directory, here=True, consumer="criu-restore", criu_options=options, ignore=RUNNING)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return report.images[0]


def _age() -> float:
    """Return the seconds since this process was started, 0 where the system does not say."""
    try:
        with open("/proc/self/stat") as file:
            started = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
