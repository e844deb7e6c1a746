"""What the commands on an image share: reading it, deciding, and reporting why that could not be done."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import msgspec

from planner.cli.progress import Progress
from planner.cli.streams import say, shows_unicode
from planner.cli.terminal import STANDARD_OUTPUT, open_image, wants_colour, width
from planner.errors import EXPECTED, BadImage, CrplanError, UsageError, place_words
from planner.events import log
from planner.events.records import AnyEvent, DefectRecorded, FindingRaised
from planner.findings.problems import Problem, lines, problem_of
from planner.findings.registry import Finding
from planner.hookspecs import MAX_WINDOW, Artefact, Detail
from planner.identity import StepNumber
from planner.pipeline.inputs import Group, Grouping, grouped
from planner.pipeline.resolve import BAD_IMAGE, as_it_stood, resolve
from planner.plugins import Registry
from planner.text import Shown, Terminal, escaped, shown

SIZES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SMALLEST_WINDOW: Final = 1 << 10
LARGEST_WINDOW: Final = 1 << 31
"""Bytes of a zstd window, by the format and on a machine of 64 bits (zstd `lib/zstd.h`)."""


class Position(msgspec.Struct, frozen=True):
    """An event that `--until` names: by its position in the log, or as the one that planned a step."""

    number: int
    step: bool

    def in_log(self, events: list[AnyEvent]) -> int | None:
        """Return the position in a log, None where the log does not reach as far."""
        if self.step:
            return log.position_of_step(events, StepNumber(self.number))
        return self.number if self.number < len(events) else None


def position(text: str) -> Position:
    """Read a position in a log, for argparse: `SEQ`, or `step:N`."""
    step = text.startswith("step:")
    value = int(text.removeprefix("step:"))
    if value < (1 if step else 0):
        raise ValueError(text)
    return Position(value, step)


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add IMAGE and the options that say how much of its log counts."""
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="a checkpoint image of any kind, an event log or a plan; - reads standard input. IMAGE::NAME is one of several"
        " checkpoints in an input (`crplan list IMAGE`). Several images whose containers share a pid namespace are planned"
        " together",
    )
    add_window_argument(parser)
    together = parser.add_mutually_exclusive_group()
    together.add_argument("--pod", action="store_true", help="the images are the containers of one pod; plan them together")
    together.add_argument("--apart", action="store_true", help="plan every image by itself, also containers of one pod")
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    parser.add_argument(
        "--until",
        metavar="SEQ|step:N",
        type=position,
        help="show process tree, plan or rebuild as it stood at event SEQ of the log, or when step N was planned",
    )


def add_window_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that bounds the memory of decompression."""
    parser.add_argument(
        "--max-window",
        metavar="SIZE",
        type=size,
        default=MAX_WINDOW,
        help="memory that a zstd window may take, 2G at most (default 128M, as of zstd itself)",
    )


def size(text: str) -> int:
    """Read a number of bytes, for argparse: digits, and K, M or G behind them for powers of 1024."""
    factor = SIZES.get(text[-1:].upper(), 1)
    digits = text[:-1] if factor > 1 else text
    value = int(digits) * factor if digits.isascii() and digits.isdigit() and len(digits) < 12 else 0
    if not SMALLEST_WINDOW <= value <= LARGEST_WINDOW:
        raise argparse.ArgumentTypeError(f"{escaped(text)!r} is no size from 1K to 2G")
    return value


def add_detail_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how much is read of an image."""
    parser.add_argument(
        "--detail",
        choices=("tree", "all"),
        default="tree",
        help="what is read: the process tree (default), or also what the processes hold (files, sockets, memory, mounts)",
    )
    add_values_argument(parser)


def add_values_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that records the values of environment variables beside their names."""
    parser.add_argument(
        "--with-values",
        action="store_true",
        help="with the environment of the processes its values, too; without it the names of the variables alone",
    )


def detail_of(args: argparse.Namespace) -> Detail:
    """Return how much is read: command lines where what the processes hold is shown, or an archive is not trusted."""
    detail: Detail = getattr(args, "detail", "tree")
    if detail != "all":
        return detail
    if getattr(args, "with_values", False):
        return "values"
    return "commands" if hasattr(args, "with_values") or getattr(args, "consumer", None) == "trust" else "all"


def image_words(images: list[str]) -> str:
    """Return what messages and reports call the images of a command."""
    return " + ".join(images)


def groups_of(args: argparse.Namespace, registry: Registry) -> tuple[Group, ...]:
    """Return the groups of images that a command was given, and say where nothing tells whether images belong together.

    Raises `UsageError` where two are to come from standard input.
    """
    if args.images.count(STANDARD_OUTPUT) > 1:
        raise UsageError("only one image can be read from standard input")
    grouping: Grouping = "pod" if getattr(args, "pod", False) else "apart" if getattr(args, "apart", False) else "evidence"
    with Progress("looking at", len(args.images)) as progress:
        opened = partial(open_image, max_window=getattr(args, "max_window", MAX_WINDOW))
        found = grouped(args.images, opened, registry, grouping, progress.advance, detail=detail_of(args))
    if found.undecided:
        both = " and ".join(map(escaped, found.undecided))
        say(shown(f"crplan: note: nothing says whether {both} share a pid namespace; they are planned apart, --pod joins them"))
    return found.groups


def only_group(args: argparse.Namespace, registry: Registry) -> Group:
    """Return the one group of a command that takes no more; raises `UsageError` where the images are several groups."""
    groups = groups_of(args, registry)
    if len(groups) > 1:
        names = ", ".join(escaped(group.name) for group in groups[:10]) + (", ..." if len(groups) > 10 else "")
        raise UsageError(f"the images are {len(groups)} that stand apart: {names}; name one of them, or join them with --pod")
    return groups[0]


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several jobs: one that could not be done counts over one that cannot be restarted."""
    return min((code for code in codes if code), default=0)


class Job:
    """An image on its way from bytes to an artefact, or several that are the containers of one pod.

    `history` is its log as far as it came, also after a failure. Raises `UsageError` where the images cannot be meant.
    """

    def __init__(self, args: argparse.Namespace, registry: Registry, group: Group | None = None) -> None:
        self.group = only_group(args, registry) if group is None else group
        self.images: list[str] = [image.name for image in self.group.images]
        self.image = image_words(self.images)
        self.replan: bool = args.replan
        self.until: Position | None = args.until
        self.color: str = args.color
        self.args = args
        self.registry = registry
        self.history: list[AnyEvent] = []

    def events(self) -> Iterator[AnyEvent]:
        """Yield the log of the image, or the one log of several, as it is read; raises what the reader raises."""
        return self.group.events(self.registry)

    def read(self) -> None:
        """Read the log; raises what the reader raises, with all that was read before in `history`."""
        extend = self.history.append
        for event in self.events():
            extend(event)

    def artefact(self) -> Artefact:
        """Read, decide, and return what a back end works from, as it stood at `--until`; raises `problems.EXPECTED`."""
        self.read()
        if self.until is None:
            return resolve(self.history, replan=self.replan).artefact()
        if self.replan or self.until.in_log(self.history) is None:
            try:
                resolve(self.history, replan=self.replan)
            except EXPECTED as error:
                # What came before the failure can still be looked at.
                if self.until.in_log(self.history) is None:
                    raise
                say(shown(f"crplan: {escaped(self.image)}: {escaped(error.message)}; shown as it stood before"))
        return as_it_stood(self.history, self.end())

    def end(self) -> int:
        """Return the position in the log that `--until` names, the last one where it names none.

        Raises `UsageError` for a step that the plan does not have.
        """
        last = len(self.history) - 1
        if self.until is None:
            return last
        end = self.until.in_log(self.history)
        if end is None and self.until.step:
            raise UsageError(f"the plan has no step {self.until.number} for --until")
        return last if end is None else end

    def terminal(self) -> Terminal:
        """Return what the terminal can show; what goes to a file is for no terminal."""
        return terminal_of(self.args)

    def refuse(self, error: CrplanError) -> Problem:
        """Report an expected exception on standard error, and return it as a record; the log holds it, too."""
        problem = problem_of(error, self.history)
        say(*lines(problem, self.image))
        if isinstance(error, BadImage):
            self.history.append(
                DefectRecorded(code=BAD_IMAGE, detail=problem.message, at=error.at if error.at is not None else 0)
            )
        elif not (self.history and isinstance(self.history[-1], FindingRaised)):
            self.history.append(FindingRaised(code=problem.code, detail=problem.message, because=getattr(error, "because", ())))
        return problem


def terminal_of(args: argparse.Namespace) -> Terminal:
    """Return what the terminal can show; what goes to a file is for no terminal."""
    stdout = None if getattr(args, "output", None) not in {None, STANDARD_OUTPUT} else sys.stdout
    return Terminal(width=width(stdout), colour=wants_colour(args.color, stdout), unicode=shows_unicode(stdout))


def errors_of(artefact: Artefact) -> list[Finding]:
    """Return the findings that say that the image cannot be restarted as it is."""
    return [found for found in artefact.findings if found.severity == "error"]


def refusal_lines(job: Job, errors: Iterable[Finding]) -> list[Shown]:
    """Return the lines that say that an image cannot be restarted, and why."""
    head = shown(f"crplan: {escaped(job.image)}: cannot be restarted as it is")
    return [head, *(shown(f"  {finding_line(found)}") for found in errors)]


def finding_line(found: Finding) -> Shown:
    """Return a finding in one human-readable line."""
    where = f" ({place_words(found.at)})" if found.at is not None else ""
    return shown(f"{found.severity}: {escaped(found.message)}{where} [{escaped(found.code)}]")
