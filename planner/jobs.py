"""What the commands on one image share: reading it, deciding, and reporting why that could not be done."""

import argparse
import sys

from planner.events import AnyEvent, DefectRecorded, FindingRaised
from planner.findings import Finding
from planner.hookspecs import Artefact, BadImage, Problem
from planner.names import escaped
from planner.pipeline import BAD_IMAGE, as_it_stood, resolve, stream_events
from planner.plugins import Registry
from planner.problems import EXPECTED, lines, place_words, problem_of
from planner.rebuild import fold_run
from planner.terminal import STANDARD_OUTPUT, open_image, say, shows_unicode, wants_colour, width


def sequence(text: str) -> int:
    """Read a position in a log, for argparse."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add IMAGE and the options that say how much of its log counts."""
    parser.add_argument(
        "image", metavar="IMAGE", help="a checkpoint image of any kind, an event log or a plan; - reads standard input"
    )
    parser.add_argument("--replan", action="store_true", help="plan anew what a log or a plan has decided")
    parser.add_argument(
        "--until", metavar="SEQ", type=sequence, help="show forest, plan or rebuild as it stood at event SEQ of the log"
    )


class Job:
    """One image on its way from bytes to an artefact; `history` is its log as far as it came, whatever happened."""

    def __init__(self, args: argparse.Namespace, registry: Registry) -> None:
        self.image: str = args.image
        self.replan: bool = args.replan
        self.until: int | None = args.until
        self.color: str = args.color
        self.to_file: bool = getattr(args, "output", None) not in {None, STANDARD_OUTPUT}
        self.registry = registry
        self.history: list[AnyEvent] = []

    def read(self) -> None:
        """Read the image's log; raises what the reader raises, with all that was read before in `history`."""
        extend = self.history.append
        for event in stream_events(open_image(self.image), self.registry):
            extend(event)

    def artefact(self) -> Artefact:
        """Read, decide, and return what a back end works from, as it stood at `--until`; raises `problems.EXPECTED`."""
        self.read()
        if self.until is None:
            outcome = resolve(self.history, replan=self.replan)
            return self._for_terminal(
                Artefact(
                    plan=outcome.plan,
                    forest=outcome.forest,
                    findings=outcome.findings,
                    rebuild=fold_run(self.history),
                    events=self.history,
                )
            )
        if self.replan or not self._decided():
            try:
                resolve(self.history, replan=self.replan)
            except EXPECTED as error:
                # What came before the failure can still be looked at.
                if self.until >= len(self.history):
                    raise
                say(f"crplan: {escaped(self.image)}: {escaped(str(error))}; shown as it stood before")
        return self._for_terminal(as_it_stood(self.history, self.until))

    def _decided(self) -> bool:
        """Whether the log reaches as far as `--until` by itself."""
        assert self.until is not None
        return self.until < len(self.history)

    def _for_terminal(self, artefact: Artefact) -> Artefact:
        """Say what the terminal can show; what goes to a file is for no terminal."""
        stdout = None if self.to_file else sys.stdout
        return Artefact(
            plan=artefact.plan,
            forest=artefact.forest,
            findings=artefact.findings,
            proved=artefact.proved,
            cut_at=artefact.cut_at,
            rebuild=artefact.rebuild,
            events=artefact.events,
            width=width(stdout),
            colour=wants_colour(self.color, stdout),
            unicode=shows_unicode(stdout),
        )

    def refuse(self, error: Exception) -> Problem:
        """Report an expected exception on standard error, and return it as a record; the log holds it, too."""
        problem = problem_of(error, self.history)
        say(*lines(problem, self.image))
        if isinstance(error, BadImage):
            self.history.append(DefectRecorded(code=BAD_IMAGE, detail=problem.message, at=error.at))
        elif not (self.history and isinstance(self.history[-1], FindingRaised)):
            self.history.append(FindingRaised(code=problem.code, detail=problem.message, because=getattr(error, "because", ())))
        return problem


def errors_of(artefact: Artefact) -> list[Finding]:
    """Return the findings that say that the image cannot be restarted as it is."""
    return [found for found in artefact.findings if found.severity == "error"]


def finding_line(found: Finding) -> str:
    """Return a finding in one line, for people."""
    where = f" ({place_words(found.at)})" if found.at is not None else ""
    return f"{found.severity}: {escaped(found.message)}{where} [{found.code}]"
