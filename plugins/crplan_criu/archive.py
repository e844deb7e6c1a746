"""Checkpoint archives: one pass over the members, images decoded as they come by, pages and everything else skipped.

podman, CRI-O and Kubernetes pack the images below `checkpoint/` with `config.dump` and `spec.dump` beside it; containerd and
registries keep the same as layers of an OCI image layout, in blobs named by digest; LXD and Incus export `state/` below the
snapshot; a pod's checkpoint is an archive of archives. An archive may hold several checkpoints, so what comes out is a list, one
dump for each directory that has images. What is wrong with one of them is raised when that one is asked for.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, cast

import msgspec

from crplan_criu.command_lines import Spans
from crplan_criu.container import FILES, Container
from crplan_criu.dump import Dump
from crplan_criu.engine_files import NO_CHECKPOINTS, ROOT_DIFFERENCE, ROOT_FILE_SYSTEMS, odd_files
from crplan_criu.images import LARGEST_OTHER, WANTED, WANTED_ALL, WANTED_OF_FACTS, largest, place, shown, split_name, too_large
from crplan_criu.layout import BLOB, INDEX, LARGEST_DOCUMENT, MANIFEST, Blobs
from crplan_criu.paths import below, normalised, spoken
from crplan_criu.pod import POD_FILES, Pod
from crplan_criu.recognise import DIRECTORIES, HEADER, compression, is_tar
from crplan_criu.streams import BLOCK, Stream, Within, part, unpacked
from crplan_criu.tar import Headers, Member, Taken, members
from crplan_criu.wire import Budget
from planner.errors import BadImage
from planner.events.records import AnyEvent, ImageOpened
from planner.hookspecs import MAX_WINDOW

MOST_IMAGES: Final = 1_000_000
"""Wanted images in one archive: two a task and one a thread."""
MOST_DIRECTORIES: Final = 1_000
MOST_BYTES: Final = 1 << 30
"""Bytes of wanted images, decoded and let go one after the other."""

FREE_BYTES: Final = 8 << 20
MOST_BYTES_RATIO: Final = 256
"""Bytes of wanted images for each byte of the file beyond `FREE_BYTES`; a thousand processes that do nothing came to 108."""

FREE_FIELDS: Final = 1 << 20
MOST_FIELDS_RATIO: Final = 8
"""Fields that are decoded for each byte of the file beyond `FREE_FIELDS`; the same processes came to five."""

TRAILING: Final = 16 << 20
"""Bytes behind an archive's end mark that are still read."""

DEEPEST: Final = 3
"""Archives inside each other that are looked into: a pod's archive, a container's archive, a layer."""

HEAD: Final = 4096
"""Bytes by which an image of another kind is told."""

MOST_EVENTS: Final = 1 << 22
"""Events of images of other kinds in one archive: those of 200,000 tasks."""

MOST_ODD: Final = 200
"""Members that are no regular files, and are kept by name."""

PARENT: Final = "parent"
"""The link by which a dump names the one that it was taken after, whose memory pages it does not repeat."""

Seen = Callable[[str, bytes], None]
"""Is told the name and the content of every file that is taken."""

Inside = Callable[[str, bytes], Callable[[BinaryIO], Iterator[AnyEvent]] | None]
"""Returns what reads a file that is no image of CRIU, by its name and its first bytes, None for no image at all."""


class Checkpoint(msgspec.Struct, frozen=True):
    """One dump of an archive: the name that selects it among others, the directory that it stands in, and what it holds.

    `problem` is what its reading ended with. `said` are the events of an image of another kind; its `directory` is the file.
    """

    name: str
    directory: str
    dump: Dump
    problem: BadImage | None = None
    said: tuple[AnyEvent, ...] | None = None


class Collector:
    """What comes together while archives are passed over; `checkpoints` is the end."""

    def __init__(
        self,
        wanted: frozenset[str] = WANTED,
        window: int = MAX_WINDOW,
        seen: Seen | None = None,
        inside: Inside | None = None,
        spans: Spans | None = None,
    ) -> None:
        self.wanted = wanted
        self._spans = spans
        """What a second pass is for, in which nothing else is taken."""
        self.documents = wanted == WANTED_OF_FACTS
        """Whether nothing is wanted but what documents say: then no layer is read, and no compressed archive inside."""
        self.window = window
        self._seen = seen
        self._inside = inside
        self.others: list[Checkpoint] = []
        """Images of other kinds."""
        self.dumps: dict[str, Dump] = {}
        self.containers: dict[str, Container] = {}
        self.layouts: dict[str, Blobs] = {}
        """The blobs of each OCI image layout, by the directory that it stands in."""
        self.problems: dict[str, BadImage] = {}
        """What is wrong with a dump's files or with an archive inside, by directory; the first counts."""
        self.names: dict[str, str] = {}
        """Names that a docker-archive gives the layers of an image, by the path of the layer."""
        self.pods: dict[str, Pod] = {}
        """What is known of pods, by the directory that their documents stand in."""
        self.odd_members: list[str] = []
        """Members that are no regular files, with what they are."""
        self.images = 0
        self.bytes = 0
        self.events = 0
        """Events of images of other kinds."""
        self.input = Taken()
        self._headers = Headers(self.input)
        self._budget = Budget(FREE_FIELDS)
        self._granted = 0

    def archive(self, stream: Stream, prefix: str = "", *, layer: bool = False, depth: int = 0) -> None:
        """Pass over an archive whose members stand below `prefix`; images of a layer stand at its top or in `checkpoint`."""
        self.input.stream = self.input.stream or stream
        for member in members(stream, self._headers):
            directory, _, name = member.name.rpartition("/")
            if (member.problem or member.absolute) and len(self.odd_members) < MOST_ODD:
                problem = member.problem or "has an absolute name"
                self.odd_members.append(f"{member.name}: {problem}" + (f" -> {member.link}" if member.link else ""))
            if layer and directory not in DIRECTORIES:
                continue
            if not ROOT_FILE_SYSTEMS.isdisjoint(directory.split("/")):
                continue
            at = "/".join(part for part in (prefix, directory) if part)
            if member.problem:
                self.odd(at, name, member)
            elif not layer and self._described(prefix, member, at, stream):
                continue
            elif not self.file(at, name, member.size, stream) and name not in NO_CHECKPOINTS and depth < DEEPEST:
                self.inner(f"{at}/{name}" if at else name, member.size, stream, depth + 1)

    def _described(self, prefix: str, member: Member, at: str, stream: Stream) -> bool:
        """Take a blob, an index, or a document that describes archives beside it; False for anything else."""
        directory, _, name = member.name.rpartition("/")
        if BLOB.fullmatch(member.name):
            root = "/".join(part for part in (prefix, directory.rpartition("blobs/")[0].strip("/")) if part)
            self.blob(member.name, member.size, stream, root)
            return True
        if name not in (INDEX, MANIFEST, *POD_FILES) or member.size > LARGEST_DOCUMENT:
            return False
        self.document(at, name, stream.read(member.size))
        return True

    def document(self, directory: str, name: str, data: bytes) -> None:
        """Take a document that says how the archives beside it belong together."""
        if name == INDEX:
            self._blobs(directory).index(data)
        elif name == MANIFEST:
            for layer, tag in Blobs.docker_names(data).items():
                self.names.setdefault(f"{directory}/{layer}" if directory else layer, tag)
        else:
            self.pods.setdefault(directory, Pod()).add(name, data)

    def _blobs(self, directory: str) -> Blobs:
        return self.layouts.setdefault(directory, Blobs())

    def blob(self, name: str, size: int, stream: Stream, root: str = "") -> None:
        """Look into the blob that comes next: a layer is an archive of its own, a manifest has annotations.

        Both are read to the end, to see that they are what their name says, and so is whatever else is small: it may have been
        one of them. Anything large that is no layer is left where it stands.
        """
        if self.documents and size > LARGEST_DOCUMENT:
            return
        head = stream.peek(HEADER)[:size]
        layer = bool(compression(head)) or is_tar(head)
        if (self.documents and layer) or (size > LARGEST_DOCUMENT and not layer):
            return
        blobs = self._blobs(root)
        blocks = blobs.verified(stream.chunks(size), name, size)
        if layer:
            inner = unpacked(blocks, head, stream.where, self.window)
            if is_tar(inner.peek(HEADER)):
                self.archive(inner, f"{root}/{name}" if root else name, layer=True)
            for _ in blocks:
                pass
        else:
            blobs.describe(b"".join(blocks), name)

    def inner(self, name: str, size: int, stream: Stream, depth: int) -> None:
        """Look into an archive inside the archive, or an image of another kind; what is wrong with it is a matter of its own."""
        head = stream.peek(HEADER)[:size]
        if not (compression(head) or is_tar(head)):
            self._other(name, size, stream)
            return
        if compression(head) and self.documents:
            self.dumps.setdefault(name, Dump())
            return
        found = unpacked(stream.chunks(size), head, shown(name), self.window)
        found = found if compression(head) else part(stream, size, shown(name))
        try:
            if is_tar(found.peek(HEADER)):
                self.archive(found, name, depth=depth)
        except BadImage as error:
            if self.images > MOST_IMAGES or self.bytes > MOST_BYTES or len(self.dumps) >= MOST_DIRECTORIES:
                raise
            self.problems.setdefault(name, error)

    def _other(self, name: str, size: int, stream: Stream) -> None:
        """Read an image of another kind, of which the events alone are kept."""
        read = self._inside(name, stream.peek(HEAD)[:size]) if self._inside is not None else None
        if read is None:
            return
        if len(self.others) >= MOST_DIRECTORIES:
            raise BadImage(shown(name), f"is beyond the {MOST_DIRECTORIES} images in one archive that are read")
        said: list[AnyEvent] = []
        problem = None
        try:
            for event in read(cast("BinaryIO", io.BufferedReader(Within(stream, size), BLOCK))):
                said.append(event)
                self.events += 1
                if self.documents and isinstance(event, ImageOpened):
                    break
                if self.events > MOST_EVENTS:
                    raise BadImage(None, f"is one of images with more than {MOST_EVENTS} events in one archive")
        except BadImage as error:
            file = name.rpartition("/")[2]
            problem = BadImage(shown(file if error.at is None else f"{file}#{error.at}"), error.message)
        self.others.append(Checkpoint(shown(name), name, Dump(), problem, tuple(said)))

    def odd(self, directory: str, name: str, member: Member) -> None:
        """Note a member that is no regular file: it matters where an image would be, and `parent` tells of an earlier dump."""
        kind, _ = split_name(name)
        if member.link and name == PARENT:
            if directory in self.dumps or len(self.dumps) < MOST_DIRECTORIES:
                self._dump(directory).parent = member.link
        elif kind in WANTED:
            reason = f"member {shown(member.name)} {member.problem}; pack the file itself"
            self.problems.setdefault(directory, BadImage(place(shown(name)), reason))
            self._dump(directory)
        elif name in FILES:
            self._unread(directory, name, f"member {shown(member.name)} {member.problem}")

    def _unread(self, directory: str, name: str, reason: str) -> None:
        self.containers.setdefault(directory, Container()).unread.setdefault(name, reason)

    def file(self, directory: str, name: str, size: int, stream: Stream) -> bool:
        """Take a file if it tells something, without reading it otherwise; False where nothing is known of such a file."""
        kind, _ = split_name(name)
        if self._spans is not None:
            self._spans.take(directory, name, stream)
        elif name == ROOT_DIFFERENCE and self.wanted >= WANTED_ALL:
            container = self.containers.setdefault(directory, Container())
            container.root_difference, container.odd_files = size, odd_files(stream, size, self._headers)
        elif name in FILES:
            if size > LARGEST_OTHER:
                self._unread(directory, name, f"has more than {LARGEST_OTHER >> 20} MiB")
            else:
                self.containers.setdefault(directory, Container()).add(name, self._content(directory, name, size, stream))
        elif kind:
            dump = self._dump(directory)
            if not dump.wants(name):
                dump.note(name, size)
            elif directory not in self.problems:
                self._decoded(dump, directory, name, kind, size, stream)
        return bool(kind) or name in FILES

    def _decoded(self, dump: Dump, directory: str, name: str, kind: str, size: int, stream: Stream) -> None:
        if size > largest(kind):
            self.problems[directory] = too_large(name, kind)
            return
        data = self._content(directory, name, size, stream)
        try:
            dump.add(name, data)
        except BadImage as error:
            self.problems[directory] = error

    def _dump(self, directory: str) -> Dump:
        if directory not in self.dumps:
            if len(self.dumps) == MOST_DIRECTORIES:
                raise BadImage(place("inventory.img"), f"images stand in more than {MOST_DIRECTORIES} directories")
            self.dumps[directory] = Dump(self.wanted, self._budget)
        return self.dumps[directory]

    def _content(self, directory: str, name: str, size: int, stream: Stream) -> bytes:
        """Read a wanted file; raises BadImage where the archive ends within it, or holds too much of them."""
        self.images += 1
        self.bytes += size
        taken = self.input.taken
        self._budget.left += MOST_FIELDS_RATIO * taken - self._granted
        self._granted = MOST_FIELDS_RATIO * taken
        if self.bytes > FREE_BYTES + MOST_BYTES_RATIO * taken:
            raise BadImage(
                place(name),
                f"is one of images of {self.bytes} bytes in {taken}; if the archive is trusted, unpack it first",
            )
        if self.images > MOST_IMAGES or self.bytes > MOST_BYTES:
            raise BadImage(place(name), f"is beyond the {MOST_IMAGES} images or {MOST_BYTES >> 30} GiB of them that are read")
        data = stream.read(size)
        if len(data) < size:
            raise BadImage(place(name), f"is cut short with its archive: {len(data)} of {size} bytes are there")
        if self._seen is not None:
            self._seen(f"{directory}/{name}", data)
        return data

    def checkpoints(self) -> list[Checkpoint]:
        """Return the dumps that were found, in the order of their names; one without tasks only when no other is there.

        Raises BadImage where a blob is not as it is described.
        """
        for blobs in self.layouts.values():
            blobs.check()
        whole = self._whole()
        for directory in whole:
            self._merge(directory, self.dumps[directory])
        found = [
            Checkpoint(name, directory, self.dumps.get(directory, Dump()), self.problems.get(directory))
            for directory, name in self._named(whole).items()
        ]
        found += self._missing(whole)
        found += self.others
        return sorted(found, key=lambda one: (one.name, one.directory))

    def _missing(self, whole: list[str]) -> Iterator[Checkpoint]:
        """Yield the containers of a pod whose archive is not there, or holds nothing."""
        for root, pod in self.pods.items():
            for path, one in pod.listed.items():
                place_of = f"{root}/{path}" if root else path
                if path and not any(directory == place_of or directory.startswith(f"{place_of}/") for directory in whole):
                    reason = BadImage(shown(place_of), "is named by checkpoint-manifest.json, and no images are there")
                    yield Checkpoint(shown(one.name or path), place_of, Dump(), reason)

    def _whole(self) -> list[str]:
        """Return the directories of what counts as a checkpoint."""
        found = sorted(self.dumps)
        whole = [one for one in found if self.dumps[one].tree is not None or (one in self.problems and self.dumps[one].named)]
        whole = whole or [one for one in found if self.dumps[one].inventory is not None or one in self.problems]
        if self.documents:
            layers = [f"{root}/{layer}".lstrip("/") for root, blobs in self.layouts.items() for layer in blobs.layers()]
            self.dumps |= {one: Dump() for one in layers if one not in self.dumps}
            return sorted({*whole, *layers, *(one for one in found if not self.dumps[one].contents.sizes)})
        archives = [one for one in self.problems if one not in self.dumps]
        if archives and not any(one.partition("/")[0] in DIRECTORIES for one in whole):
            for one in archives:
                self.dumps[one] = Dump()
            whole = sorted([*whole, *archives])
        return whole

    def _merge(self, directory: str, dump: Dump) -> None:
        above = directory.rpartition("/")[0]
        dump.container.members = self.odd_members
        for one in (directory, above):
            if one in self.containers:
                dump.container.merge(self.containers[one])
        for root, blobs in self.layouts.items():
            if not root or directory.startswith(f"{root}/"):
                dump.container.annotate(blobs.annotations(directory))
        for root in self.pods:
            if (inside := below(directory, root)) is not None:
                dump.container.merge(self.pods[root].container(inside))
        if dump.parent:
            wanted = normalised(f"{directory}/{dump.parent}")
            dump.parent_found = any(wanted == one and self.dumps[one].inventory is not None for one in self.dumps)

    def _named(self, directories: list[str]) -> dict[str, str]:
        """Return the name of each checkpoint by its directory: its tag, its container's name in a pod, or its path."""
        result = {}
        for directory in directories:
            name = next((tag for layer, tag in self.names.items() if directory == layer or directory.startswith(f"{layer}/")), "")
            for root, blobs in self.layouts.items():
                if not name and (not root or directory.startswith(f"{root}/")):
                    name = blobs.tag(directory)
            for root, pod in self.pods.items():
                if not name and (inside := below(directory, root)) is not None:
                    name = pod.name(inside)
            result[directory] = shown(name or spoken(directory))
        times = Counter(result.values())
        return {directory: name if times[name] == 1 else shown(spoken(directory)) for directory, name in result.items()}


def from_stream(
    stream: Stream,
    wanted: frozenset[str] = WANTED,
    seen: Seen | None = None,
    inside: Inside | None = None,
    spans: Spans | None = None,
) -> list[Checkpoint]:
    """Return the checkpoints of one archive, none in a second pass for `spans`; raises BadImage."""
    collector = Collector(wanted, stream.window, seen, inside, spans)
    collector.archive(stream)
    # What follows the end mark is padding, but the checksum of compressed data stands behind it.
    for _ in stream.chunks(TRAILING):
        pass
    return collector.checkpoints()
