"""What the commands on an image share: reading it, deciding, and reporting why that could not be done."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

import msgspec

from planner.cli.streams import say, shows_unicode
from planner.cli.terminal import STANDARD_OUTPUT, open_image, wants_colour, width
from planner.errors import EXPECTED, BadImage, CrplanError, UsageError, place_words
from planner.events import log
from planner.events.records import AnyEvent, DefectRecorded, FindingRaised
from planner.findings.problems import Problem, lines, problem_of
from planner.findings.registry import Finding
from planner.hookspecs import Artefact
from planner.identity import StepNumber
from planner.pipeline.reading import pod_events, stream_events
from planner.pipeline.resolve import BAD_IMAGE, as_it_stood, resolve
from planner.plugins import Registry
from planner.text import Shown, Terminal, escaped, shown


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
        help="a checkpoint image of any kind, an event log or a plan; - reads standard input. Several are the containers of one"
        " pod, planned together when they share a pid namespace",
    )
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    parser.add_argument(
        "--until",
        metavar="SEQ|step:N",
        type=position,
        help="show process tree, plan or rebuild as it stood at event SEQ of the log, or when step N was planned",
    )


def image_words(images: list[str]) -> str:
    """Return what messages and reports call the images of a command."""
    return " + ".join(images)


def check_images(images: list[str]) -> None:
    """Raise `UsageError` where several images cannot be meant: one is not there, or two are to come from standard input."""
    if len(images) < 2:
        return
    if images.count(STANDARD_OUTPUT) > 1:
        raise UsageError("only one image can be read from standard input")
    for image in images:
        if image != STANDARD_OUTPUT and not os.path.lexists(image):
            given = f"{len(images)} images were given, to be planned together as the containers of one pod"
            raise UsageError(f"{given}, and there is no file {escaped(image)}")


class Job:
    """An image on its way from bytes to an artefact, or several that are the containers of one pod.

    `history` is its log as far as it came, whatever happened. Raises `UsageError` where the images cannot be meant.
    """

    def __init__(self, args: argparse.Namespace, registry: Registry) -> None:
        check_images(args.images)
        self.images: list[str] = args.images
        self.image = image_words(self.images)
        self.replan: bool = args.replan
        self.until: Position | None = args.until
        self.color: str = args.color
        self.to_file: bool = getattr(args, "output", None) not in {None, STANDARD_OUTPUT}
        self.registry = registry
        self.history: list[AnyEvent] = []

    def events(self) -> Iterator[AnyEvent]:
        """Yield the log of the image, or the one log of several, as it is read; raises what the reader raises."""
        if len(self.images) == 1:
            return stream_events(open_image(self.images[0]), self.registry)
        return pod_events([open_image(image) for image in self.images], self.registry)

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
        stdout = None if self.to_file else sys.stdout
        return Terminal(width=width(stdout), colour=wants_colour(self.color, stdout), unicode=shows_unicode(stdout))

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


def errors_of(artefact: Artefact) -> list[Finding]:
    """Return the findings that say that the image cannot be restarted as it is."""
    return [found for found in artefact.findings if found.severity == "error"]


def refusal_lines(job: Job, errors: Iterable[Finding]) -> list[Shown]:
    """Return the lines that say that an image cannot be restarted, and why."""
    head = shown(f"crplan: {escaped(job.image)}: cannot be restarted as it is")
    return [head, *(shown(f"  {finding_line(found)}") for found in errors)]


def finding_line(found: Finding) -> Shown:
    """Return a finding in one line, for people."""
    where = f" ({place_words(found.at)})" if found.at is not None else ""
    return shown(f"{found.severity}: {escaped(found.message)}{where} [{escaped(found.code)}]")
