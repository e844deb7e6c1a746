"""`crplan list IMAGE`: the checkpoints inside an input, by the names that `IMAGE::NAME` takes."""

import argparse
from collections.abc import Iterator

import msgspec

from planner.cli.image_job import add_window_argument, worst
from planner.cli.streams import say
from planner.cli.terminal import open_image, write_artefact
from planner.errors import BadImage, CrplanError, SeveralImages
from planner.events import log
from planner.events.records import AnyEvent, ImageOpened
from planner.findings.problems import lines, problem_of
from planner.hookspecs import Member, Reader, ReadRequest, Source
from planner.pipeline.inputs import SEPARATOR, located
from planner.pipeline.reading import image_events, recognised, with_inside
from planner.plugins import Registry
from planner.text import escaped


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A checkpoint: the word that names it in other commands, by which reader it is read, and what it is."""

    image: str
    reader: str
    help: str = ""
    facts: dict[str, str] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="an input of any kind; - reads standard input")
    add_window_argument(parser)
    parser.add_argument(
        "--facts",
        action="store_true",
        help="say what annotations and engines' files tell of each checkpoint (host kernel, architecture, CRIU, ...) in place of"
        " its tasks: no layer of an OCI layout is read, and no process tree",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """List and write; an input that cannot be read is named on standard error. Returns the exit code."""
    listed: list[Listed] = []
    codes = []
    for name in args.images:
        try:
            listed += (_facts if args.facts else _listed)(name, args.max_window, registry)
        except CrplanError as error:
            problem = problem_of(error)
            codes.append(problem.exit_code)
            say(*lines(problem, name))
    if args.format == "json":
        document = {"kind": "crplan-list", "format_version": 1, "images": listed}
        data = msgspec.json.format(msgspec.json.encode(document)) + b"\n"
    else:
        width = max((len(escaped(one.image)) for one in listed), default=0)
        data = "".join(f"{escaped(one.image):{width}}  {one.reader}  {one.help}".rstrip() + "\n" for one in listed).encode()
    write_artefact(data, args.output)
    return worst(codes)


def _listed(name: str, max_window: int, registry: Registry) -> Iterator[Listed]:
    path, wanted = located(name)
    source = open_image(path, max_window)
    if log.recognises(source.head):
        yield Listed(image=name, reader="event log")
        return
    found = [(reader, member) for reader in recognised(source, registry) for member in _members(reader, source, registry)]
    chosen = [(reader, member) for reader, member in found if not wanted or f"{member.name}/".startswith(f"{wanted}/")]
    if wanted and not chosen:
        known = ", ".join(member.name for _, member in found[:20])
        raise BadImage(None, f"holds no checkpoint {escaped(wanted)}; there is: {known}")
    for reader, member in chosen:
        whole = len(found) == 1 or member.name == wanted
        yield Listed(
            image=name if whole else f"{path}{SEPARATOR}{member.name}", reader=member.format or reader.name, help=member.help
        )


def _facts(name: str, max_window: int, registry: Registry) -> Iterator[Listed]:
    path, wanted = located(name)
    source = open_image(path, max_window)
    try:
        yield _of_facts(name, image_events(source, registry, ReadRequest(member=wanted, detail="facts")))
    except SeveralImages as several:
        yield from _each(name.removesuffix(f"{SEPARATOR}{wanted}"), several)


def _each(top: str, several: SeveralImages) -> Iterator[Listed]:
    for one in several.names:
        try:
            yield _of_facts(f"{top}{SEPARATOR}{one}", several.events(one, "facts"))
        except SeveralImages as inner:
            yield from _each(top, inner)
        except BadImage as error:
            yield Listed(image=f"{top}{SEPARATOR}{one}", reader="", help=f"cannot be read: {error.message}")


def _of_facts(name: str, events: Iterator[AnyEvent]) -> Listed:
    opened = next((event for event in events if isinstance(event, ImageOpened)), None)
    facts = dict(opened.facts) if opened is not None else {}
    words = ", ".join(f"{key.replace('_', ' ')} {escaped(value)}" for key, value in sorted(facts.items()) if value)
    return Listed(image=name, reader=opened.format if opened is not None else "", help=words or "nothing is told", facts=facts)


def _members(reader: Reader, source: Source, registry: Registry) -> Iterator[Member]:
    return iter((Member(name=""),)) if reader.members is None else reader.members(with_inside(source, reader, registry))
