"""From a source to image events: an image directory, an unpacked archive, an OCI image layout, or an archive as a stream.

An input that holds several checkpoints is read once; which of them is meant, a request says by name.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from crplan_criu import archive, command_lines, directory, events, search, streamer
from crplan_criu.archive import Checkpoint
from crplan_criu.command_lines import Fetch, Spans
from crplan_criu.container import Container
from crplan_criu.images import WANTED, WANTED_ALL, WANTED_OF_FACTS, WANTED_OF_POD, shown
from crplan_criu.paths import below
from crplan_criu.pod import Pod
from crplan_criu.recognise import DIRECTORIES, HEADER, is_tar
from crplan_criu.streams import Stream, opened
from planner.errors import BadImage, SeveralImages
from planner.events.records import AnyEvent, ImageOpened, TaskRecorded
from planner.hookspecs import Detail, Member, ReadRequest, Source
from planner.pods.parts import labelled
from planner.text import escaped

WHOLE = ReadRequest()

THE_TOP = "."
"""Name of the checkpoint at the top of an input that holds others below."""

Wanted = frozenset[str]
"""Kinds of image file that are decoded."""

WANTED_FOR: Final[dict[Detail, Wanted]] = {
    "facts": WANTED_OF_FACTS, "pod": WANTED_OF_POD, "tree": WANTED, "all": WANTED_ALL, "commands": WANTED_ALL,
    "values": WANTED_ALL,
}  # fmt: skip
"""Those by how much is asked for."""

Load = Callable[[Wanted], tuple[Checkpoint, str]]
"""Reads one checkpoint; returns it with the directory in which it was found where that is not the expected one."""


class Held:
    """The checkpoints of one archive as they were read, each until it is used.

    One that is asked for later, or with more of its images, is read again where the archive can be.
    """

    def __init__(self, read: Callable[[Wanted, Spans | None], list[Checkpoint]], *, again: bool) -> None:
        self._read = read
        self._again = again
        self._wanted: Wanted | None = None
        self._held: dict[tuple[str, str], Checkpoint] = {}

    def all(self, wanted: Wanted) -> list[Checkpoint]:
        """Return every checkpoint, read now; raises BadImage."""
        found = self._read(wanted, None)
        self._wanted = wanted
        self._held = {(one.name, one.directory): one for one in found}
        return found

    def one(self, key: tuple[str, str], wanted: Wanted) -> Checkpoint:
        """Return the checkpoint of a name and directory; raises BadImage."""
        fits = wanted in (self._wanted, WANTED_OF_POD)
        if self._again and not (fits and key in self._held):
            self.all(wanted)
        if key not in self._held:
            raise BadImage(None, "has changed while it was read")
        return self._held.pop(key) if self._again and wanted == self._wanted else self._held[key]

    def fetch(self, spans: Spans) -> None:
        """Read the archive again for parts of its files of pages, where that can be; raises BadImage."""
        if self._again:
            self._read(WANTED, spans)


class Found(msgspec.Struct, frozen=True):
    """A checkpoint of an input by the name that selects it, or an archive of a directory, which may hold several.

    `load` reads the one, `held` the other.
    """

    name: str
    load: Load | None = None
    held: Held | None = None
    extra: Container | None = None
    """What a pod's documents beside it say."""
    fetch: Fetch | None = None
    """Reads parts of the files of pages, in a second pass."""
    directory: str = ""
    """Where in an archive the images stand."""


def read(source: Source, request: ReadRequest = WHOLE) -> Iterator[AnyEvent]:
    """Yield the image events of the checkpoint that a request names; raises BadImage, and SeveralImages where it names none."""
    found = _named(_found(source, WANTED_FOR[request.detail]))
    if len(found) == 1 and not request.member:
        (only,) = found.values()
        return _said(only, request.detail)
    if not request.member:
        raise _several(found)
    return _said(_chosen(found, request), request.detail)


def members(source: Source) -> Iterator[Member]:
    """Yield what an input holds; raises BadImage."""
    for name, one in _named(_found(source, WANTED)).items():
        inner: list[Found] = [one]
        if one.held is not None:
            try:
                inner = _expanded(one.held, name, WANTED, one.extra)
            except BadImage as error:
                yield Member(name=name, help=f"cannot be read: {error.message}")
                continue
        for each in inner:
            yield _member(each)


def _named(found: Iterator[Found] | list[Found]) -> dict[str, Found]:
    return {one.name or THE_TOP: one for one in found}


def _several(found: dict[str, Found]) -> SeveralImages:
    return SeveralImages(found, lambda name, detail: _labelled(found[name], detail))


def _chosen(found: dict[str, Found], request: ReadRequest) -> Found:
    """Return the checkpoint that a request names: at the top, or in an archive of a directory."""
    if request.member in found:
        return found[request.member]
    for name, one in found.items():
        if one.held is not None and request.member.startswith(f"{name}/"):
            inner = _named(_expanded(one.held, name, WANTED_FOR[request.detail], one.extra))
            if request.member in inner:
                return inner[request.member]
            found = inner
    if inside := {name: one for name, one in found.items() if name.startswith(f"{request.member}/")}:
        raise _several(inside)
    known = ", ".join(list(found)[:20])
    raise BadImage(None, f"holds no checkpoint {escaped(request.member)}; there is: {known}")


def _member(one: Found) -> Member:
    """Return what a list says of a checkpoint."""
    name = one.name or THE_TOP
    try:
        checkpoint, _ = _load(one, WANTED)
        opened = next((event for event in checkpoint.said or () if isinstance(event, ImageOpened)), None)
        form = opened.format if opened is not None else ""
        if checkpoint.problem is not None:
            return Member(name=name, help=f"cannot be read: {checkpoint.problem.message}", format=form)
    except BadImage as error:
        return Member(name=name, help=f"cannot be read: {error.message}")
    facts = checkpoint.dump.container.facts
    said = [f"{word} {escaped(facts[key])}" for word, key in WORDS if facts.get(key)]
    said += [f"generation {opened.generation}"] if opened is not None and opened.generation else []
    tasks = sum(isinstance(event, TaskRecorded) for event in checkpoint.said or ()) + len(checkpoint.dump.tree or ())
    return Member(name=name, help=", ".join([f"{tasks} task{'' if tasks == 1 else 's'}", *said]), format=form)


WORDS = (("container", "container"), ("of pod", "pod"), ("by", "engine"))


def _said(one: Found, detail: Detail) -> Iterator[AnyEvent]:
    """Return the events of a checkpoint; raises SeveralImages for an archive that holds several."""
    if one.held is not None:
        inner = _named(_expanded(one.held, one.name, WANTED_FOR[detail], one.extra))
        if len(inner) > 1:
            raise _several(inner)
        (one,) = inner.values()
    if detail == "facts":
        return _facts(one)
    return _evidence(one) if detail == "pod" else _events(one, detail)


def _load(one: Found, wanted: Wanted) -> tuple[Checkpoint, str]:
    assert one.load is not None
    checkpoint, where = one.load(wanted)
    if one.extra is not None:
        checkpoint.dump.container.merge(one.extra)
    return checkpoint, where


def _facts(one: Found) -> Iterator[AnyEvent]:
    """Yield what opens the image, with what documents say of it; an archive that is cut short may still have said it."""
    checkpoint, _ = _load(one, WANTED_OF_FACTS)
    if checkpoint.said is not None:
        yield from checkpoint.said
    else:
        yield ImageOpened(format="criu", generation="", facts=checkpoint.dump.container.facts, at=one.name or THE_TOP)


def _evidence(one: Found) -> Iterator[AnyEvent]:
    checkpoint, _ = _load(one, WANTED_OF_POD)
    if checkpoint.said is not None:
        yield from checkpoint.said
    else:
        yield from events.evidence(checkpoint.dump)


def _events(one: Found, detail: Detail) -> Iterator[AnyEvent]:
    checkpoint, where = _load(one, WANTED_FOR[detail])
    yield from checkpoint.said or ()
    if checkpoint.problem is not None:
        raise checkpoint.problem
    if checkpoint.said is not None:
        return
    commands: Iterator[AnyEvent] = iter(())
    holdings = checkpoint.dump.holdings
    if detail in ("commands", "values") and one.fetch is not None and holdings is not None:
        commands = command_lines.events(holdings, one.fetch, one.directory, values=detail == "values")
    yield from events.events(checkpoint.dump, where, commands)


def _labelled(one: Found, detail: Detail) -> Iterator[AnyEvent]:
    """Yield the events of one of several, whose name stands before the place of what is wrong."""
    try:
        yield from _said(one, detail)
    except SeveralImages:
        raise
    except BadImage as error:
        raise BadImage(labelled(one.name or THE_TOP, error.at), error.message) from None


def _found(source: Source, wanted: Wanted) -> Iterator[Found]:
    """Yield the checkpoints of a source by name; raises BadImage where there is none."""
    if source.directory:
        yield from _of_directory(source, wanted)
        return
    where = shown(os.path.basename(source.name) or source.name)

    def read(wanted: Wanted, spans: Spans | None) -> list[Checkpoint]:
        with source.open() as file:
            stream = opened(file, source.head, where, source.max_window)
            if streamer.recognises(source.head):
                return [Checkpoint("", "", streamer.dump_of(stream, wanted))] if spans is None else []
            return _of_archive(stream, source, where, wanted, spans)

    yield from _expanded(Held(read, again=source.repeatable), "", wanted)


def _of_archive(stream: Stream, source: Source, where: str, wanted: Wanted, spans: Spans | None) -> list[Checkpoint]:
    """Return the checkpoints of an archive; raises BadImage, also where what was compressed is no archive."""
    begin = stream.peek(HEADER)
    if stream.packed and len(begin) == HEADER and not is_tar(begin) and begin.strip(b"\x00"):
        how = stream.packed
        raise BadImage(where, f"is compressed with {how} and no archive inside; unpack it: `{how} -dc FILE | crplan -`")
    return _some(archive.from_stream(stream, wanted, source.seen, source.inside, spans), where, spans)


def _some(found: list[Checkpoint], where: str, spans: Spans | None) -> list[Checkpoint]:
    if not found and spans is None:
        raise BadImage(where, "the archive holds no CRIU images (no inventory.img, no pstree.img)")
    return found


def _expanded(held: Held, below: str, wanted: Wanted, extra: Container | None = None) -> list[Found]:
    """Return the checkpoints of an archive; `below` is its name in a directory, which is the name of a single one."""
    found = held.all(wanted)
    result = []
    for one in found:
        name = f"{below}/{one.name}" if below and one.name and len(found) > 1 else below or one.name
        unusual = one.directory if len(found) == 1 and one.directory not in DIRECTORIES else ""
        where = "" if extra else "/".join(part for part in (below, unusual) if part) if "blobs/" not in unusual else below
        load = partial(_loaded, held, (one.name, one.directory), shown(where))
        result.append(Found(name, load, extra=extra, fetch=held.fetch, directory=one.directory))
    return result


def _loaded(held: Held, key: tuple[str, str], where: str, wanted: Wanted) -> tuple[Checkpoint, str]:
    return held.one(key, wanted), where


def _of_directory(source: Source, wanted: Wanted) -> Iterator[Found]:
    path = source.directory
    places = search.places(path)
    pods = directory.pods(path, [place.name for place in places])
    names = Counter(name for place in places if (name := _of_pod(pods, place.name)[0]))
    for place in places:
        stands = os.path.join(path, place.name)
        name, extra = _of_pod(pods, place.name)
        name = name if names[name] == 1 else ""
        if place.kind == "images":
            where = "" if extra else shown(place.name)
            load = partial(_images, stands, source, where)
            yield Found(name or _name(place.name, places), load=load, extra=extra, fetch=partial(directory.fetch, stands))
            continue
        held = Held(partial(READERS[place.kind], stands, source), again=True)
        if len(places) == 1:
            yield from _expanded(held, name or place.name, wanted, extra)
        else:
            yield Found(name or place.name or THE_TOP, held=held, extra=extra)
    for root, pod in pods.items():
        for archived, one in pod.listed.items():
            at = f"{root}/{archived}" if root else archived
            if archived and not any(below(place.name, at) is not None for place in places):
                yield Found(shown(one.name or archived), load=partial(_missing, shown(at)))


def _of_pod(pods: dict[str, Pod], name: str) -> tuple[str, Container | None]:
    """Return the name of a container and what is said of it where documents of a pod stand above its place."""
    for root, pod in pods.items():
        if (inside := below(name, root)) is not None:
            return pod.name(inside), pod.container(inside)
    return "", None


def _missing(where: str, wanted: Wanted) -> tuple[Checkpoint, str]:
    raise BadImage(where, "is named by checkpoint-manifest.json, and no images are there")


def _name(name: str, places: Sequence[search.Place]) -> str:
    """Return the name of a directory of images: its path without what engines call every such directory."""
    for ending in ("/checkpoint", "/state"):
        short = name.removesuffix(ending)
        if short != name and not any(other.name != name and other.name.startswith(f"{short}/") for other in places):
            return short
    return name


def _images(path: str, source: Source, where: str, wanted: Wanted) -> tuple[Checkpoint, str]:
    return Checkpoint("", "", directory.collect(path, wanted, source.seen)), where


def _archive(path: str, source: Source, wanted: Wanted, spans: Spans | None) -> list[Checkpoint]:
    where = shown(os.path.basename(path))
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
            file.seek(0)
            return _of_archive(opened(file, head, where, source.max_window), source, where, wanted, spans)
    except OSError as error:
        raise BadImage(where, f"cannot be read: {error.strerror}") from None


def _layout(path: str, source: Source, wanted: Wanted, spans: Spans | None) -> list[Checkpoint]:
    found = directory.collect_layout(path, wanted, source.max_window, source.seen, spans)
    return _some(found, shown(os.path.basename(path) or path), spans)


def _transport(path: str, source: Source, wanted: Wanted, spans: Spans | None) -> list[Checkpoint]:
    found = directory.collect_transport(path, wanted, source.max_window, source.seen, spans)
    return _some(found, shown(os.path.basename(path) or path), spans)


READERS = {"archive": _archive, "layout": _layout, "transport": _transport}
"""How what stands at a place of a directory is read, by its kind."""
