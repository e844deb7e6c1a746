"""What a command may do with what it is given: one of a few exit codes, a few clean lines, valid documents, bounded memory."""

import contextlib
import io
import json
import os
import random
import re
import resource
import signal
import sys
import traceback
import unicodedata
from collections.abc import Iterator
from types import FrameType
from xml.etree import ElementTree

import msgspec

from planner.cli.main import main
from planner.plugins import load

WATCHDOG = 20
"""Seconds of processor time after which a command hangs: ten times what an input under 1 MiB may take."""

LONGEST = 10 * WATCHDOG
"""Seconds that it may wait."""

MOST_MEMORY = 200 << 20
"""Bytes by which one command may grow the process."""

MOST_LINES = 40
"""Lines that a refusal may have on standard error."""

LONGEST_LINE = 4096

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_DEFECT = re.compile(r"defect of crplan|Traceback|of plugin \w+ \(crplan ")
_HIDDEN = {"Cc", "Cf", "Cs"}


class Fault(msgspec.Struct, frozen=True):
    """What a command did wrong."""

    what: str
    detail: str


class Hangs(BaseException):
    """The watchdog has barked."""


class Run(msgspec.Struct, frozen=True):
    """A command that ran to its end."""

    code: int
    output: bytes
    errors: str
    grown: int


def commands(image: str, source: random.Random) -> Iterator[list[str]]:
    """Yield commands on an image, so that in the long run every output comes to see everything."""
    registry = load(third_party=False)
    for back_end in source.sample(registry.backends, 2):
        yield ["plan", image, "--emit", back_end.name, *(["--color", "always"] if source.random() < 0.3 else [])]
    yield ["check", image, "--format", source.choice(registry.reports).name]
    yield ["inspect", image, "--format", source.choice(("text", "json")), *(["--mapped"] if source.random() < 0.5 else [])]
    match source.randrange(6):
        case 0:
            yield ["log", image]
        case 1:
            yield ["log", "--facts", image]
        case 2:
            yield ["explain", image, source.choice(("1", "2", "step:3", "pid:1")), *(["--json"] if source.random() < 0.5 else [])]
        case 3:
            yield ["plan", image, "--until", str(source.randrange(60))]
        case 4:
            yield ["plan", image, "--replan", "--emit", "json"]
        case _:
            yield ["diff", image, image, "--format", source.choice(("text", "json", "markdown"))]


def every_command(image: str) -> Iterator[list[str]]:
    """Yield each command on an image with each form of its output."""
    registry = load(third_party=False)
    for back_end in registry.backends:
        yield ["plan", image, "--emit", back_end.name]
    yield ["plan", image, "--color", "always"]
    yield ["plan", image, "--until", "1000000"]
    for form in registry.reports:
        yield ["check", image, "--format", form.name]
    yield ["log", image]
    yield ["log", "--facts", image]
    yield ["list", image]
    yield ["inspect", image]
    yield ["inspect", image, "--format", "json"]
    for subject in ("1", "step:1"):
        yield ["explain", image, subject]
        yield ["explain", image, subject, "--json"]
    for form in ("text", "json", "markdown"):
        yield ["diff", image, image, "--format", form]


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raise `Hangs` in what runs for longer than the watchdog sleeps."""

    def bark(signum: int, frame: FrameType | None) -> None:
        raise Hangs

    before = [signal.signal(number, bark) for number in (signal.SIGALRM, signal.SIGPROF)]
    signal.alarm(LONGEST)
    signal.setitimer(signal.ITIMER_PROF, WATCHDOG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGALRM, before[0])
        signal.signal(signal.SIGPROF, before[1])


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def run(argv: list[str]) -> Run:
    """Run a command in this process; an exception that leaves it is raised."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before = _peak()
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        code = main(argv)
    finally:
        sys.stdout, sys.stderr = stdout, stderr
    out.flush()
    return Run(code, out.buffer.getvalue(), err.getvalue(), _peak() - before)  # type: ignore[attr-defined]  # it is a BytesIO


def faults(argv: list[str]) -> tuple[int, list[Fault]]:
    """Run a command and return its exit code (-1 without one) with what it did wrong."""
    os.environ["CRPLAN_DEBUG"] = "1"
    try:
        with watched():
            done = run(argv)
    except Hangs:
        return -1, [Fault("hang", f"no end after {WATCHDOG} s")]
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return -1, [Fault("traceback", f"{type(error).__name__} at {where.filename}:{where.lineno}: {str(error)[:300]}")]
    return done.code, [*_of_run(argv, done)]


def _of_run(argv: list[str], done: Run) -> Iterator[Fault]:
    allowed = {0, 1, 2, 3} if argv[0] == "explain" or "--until" in argv else {0, 1, 3}
    if done.code not in allowed:
        yield Fault("exit code", f"{done.code}: {done.errors[:300]}")
    text = done.output.decode("utf-8", "backslashreplace")
    if _DEFECT.search(done.errors) or (done.code and _DEFECT.search(text)):
        yield Fault("defect", (done.errors or text)[:2000])
    lines = done.errors.splitlines()
    if len(lines) > MOST_LINES or max(map(len, lines), default=0) > LONGEST_LINE:
        yield Fault("long refusal", f"{len(lines)} lines, the longest of {max(map(len, lines))} characters")
    if done.code and not (lines or done.output):
        yield Fault("silence", f"exit code {done.code} without a word")
    if done.grown > MOST_MEMORY:
        yield Fault("memory", f"grew by {done.grown >> 20} MiB")
    for name, written in (("output", _COLOUR.sub("", text) if "always" in argv else text), ("errors", done.errors)):
        if raw := raw_characters(written):
            yield Fault("raw characters", f"on standard {name}: {raw}")
    yield from _document(argv, done)


def raw_characters(text: str) -> str:
    """Return the control characters of a text, escaped, but line ends and tabs."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return ""
    found = {character for character in text if character not in "\n\t" and unicodedata.category(character) in _HIDDEN}
    return ascii("".join(sorted(found))) if found else ""


def _document(argv: list[str], done: Run) -> Iterator[Fault]:
    """Yield a fault where a machine format is no document, whatever the exit code."""
    form = next((argv[at + 1] for at, word in enumerate(argv) if word in {"--emit", "--format"}), "")
    try:
        if form in {"json", "sarif", "gitlab"} or "--json" in argv:
            if done.code != 2:
                json.loads(done.output)
        elif form == "junit" or (form == "svg" and done.output):
            ElementTree.fromstring(done.output)
        elif argv[0] == "log":
            seqs = [json.loads(line)["seq"] for line in done.output.splitlines()]
            if seqs != list(range(len(seqs))) or b'"LogOpened"' not in done.output.split(b"\n", 1)[0]:
                yield Fault("log", f"does not begin with LogOpened, or has gaps: {done.output[:200]!r}")
        elif form in {"shell", "c", "python"} and done.code and done.output:
            yield Fault("half a program", f"exit code {done.code} with {len(done.output)} bytes of {form}")
    except (ValueError, KeyError, ElementTree.ParseError) as error:
        yield Fault("document", f"{form or argv[0]} with exit code {done.code}: {error}: {done.output[:200]!r}")
