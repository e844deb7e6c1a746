"""The document in words, for a terminal: a page an image, with its processes and what each of them holds."""

from collections.abc import Iterator
from typing import Final

from planner.inspection.document import InspectDocument, InspectedImage, InspectedTask, MemoryArea, Mount, OpenFile, Socket
from planner.text import Line, escaped, render

STYLES: Final = {"heading": "bold", "name": "bold", "quiet": "dim", "odd": "yellow"}
"""Colours repeat what the words say."""

UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

DEEPEST: Final = 24
"""Levels of the tree that are indented; deeper ones stand below each other."""

MOST_PIDS: Final = 8
"""Tasks that are named behind what they share."""

CONTAINER: Final = (
    ("container", "container"), ("container_id", "id"), ("image", "container image"), ("engine", "engine"),
    ("runtime", "runtime"),
    ("pod", "pod"), ("pod_namespace", "pod namespace"), ("command", "command"), ("container_created", "created"),
    ("checkpointed", "checkpointed"), ("ip_address", "IP address"), ("mac_address", "MAC address"),
)  # fmt: skip
"""Facts of the header that stand first, with the words for them."""


def text(
    document: InspectDocument, *, colour: bool = False, unicode: bool = True, mapped: bool = False, asked: bool = False
) -> str:
    """Return the document as human-readable text; with `mapped` every mapped file is listed.

    With `asked` the document is the answer to a question, and what is about the whole image is left out.
    """
    return render(_lines(document, mapped, asked), STYLES, colour=colour, unicode=unicode)


def _lines(document: InspectDocument, mapped: bool, asked: bool) -> Iterator[Line]:
    for position, image in enumerate(document.images):
        if position:
            yield []
        yield from _image(image, mapped, asked)


def size_words(size: int) -> str:
    """Return a number of bytes in the largest unit that leaves one digit before the point."""
    unit = 0
    number = float(size)
    while number >= 1024 and unit < len(UNITS) - 1:
        number /= 1024
        unit += 1
    return f"{size} bytes" if unit == 0 else f"{number:.1f} {UNITS[unit]}"


def _image(image: InspectedImage, mapped: bool, asked: bool) -> Iterator[Line]:
    head = " ".join(filter(None, (image.format, image.generation)))
    yield [(escaped(image.image), "heading"), (f"   {escaped(head)}", "quiet")]
    if image.error is not None:
        yield [(f"  cannot be read: {escaped(image.error.message)}", "odd")]
        return
    yield [(f"  image {image.image_id}" + (f", contents {image.content_id}" if image.content_id else ""), "quiet")]
    if not asked:
        yield from _header(image)
        yield from _sums(image)
    elif not (image.tasks or image.files or image.mounts):
        yield []
        yield [("Nothing that was asked for is recorded in this image.", "odd")]
    files = {file.id: file for file in image.files}
    if image.tasks:
        yield []
        yield [("Processes", "heading")]
        depths = _depths(image)
        for task in image.tasks:
            yield from _task(task, depths[task.pid], files, mapped)
    if image.mounts:
        yield []
        yield [("Mounts", "heading")]
        for mount in image.mounts:
            yield _mount(mount)
    if image.not_recorded:
        yield []
        yield [("Not recorded", "heading")]
        for words in image.not_recorded:
            yield [(f"  {words}", "quiet")]


def _header(image: InspectedImage) -> Iterator[Line]:
    first = dict(CONTAINER)
    known = [(first[fact], image.facts[fact]) for fact in first if fact in image.facts]
    known += [(fact.replace("_", " "), value) for fact, value in image.facts.items() if fact not in first]
    known += [("processor", each) for each in image.processors]
    known += list(image.properties.items())
    width = min(max((len(escaped(name)) for name, _ in known), default=0), 40)
    if known:
        yield []
        yield [("Image", "heading")]
    for name, value in known:
        yield [(f"  {escaped(name):{width}}  ", "quiet"), (escaped(value), "")]


def _sums(image: InspectedImage) -> Iterator[Line]:
    sums = image.sums
    yield []
    yield [("Sum", "heading")]
    threads = f", {_plural(sums.threads, 'thread')} beside their first" if sums.threads else ""
    yield [(f"  {_plural(sums.tasks, 'process', 'es')}{threads}", "")]
    if sums.files:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sums.files.items())
        yield [(f"  {_plural(sums.descriptors, 'descriptor')}, {_plural(sum(sums.files.values()), 'open file')}: {kinds}", "")]
    if sums.mapped or sums.stored or sums.in_parent:
        before = f", {size_words(sums.in_parent)} in the dump before" if sums.in_parent else ""
        yield [(f"  memory: {size_words(sums.mapped)} mapped, {size_words(sums.stored)} of pages stored{before}", "")]
    if sums.images:
        total = sum(sums.images.values())
        largest = sorted(sums.images.items(), key=lambda item: ("pages" not in item[0], -item[1], item[0]))[:5]
        kinds = ", ".join(f"{kind} {size_words(size)}" for kind, size in largest)
        yield [(f"  image files: {size_words(total)} ({kinds})", "")]


def _plural(count: int, word: str, ending: str = "s") -> str:
    return f"{count} {word}{'' if count == 1 else ending}"


def _depths(image: InspectedImage) -> dict[int, int]:
    """Return how deep each task stands in the tree; parents that are not shown count as outside."""
    depths: dict[int, int] = {}
    waiting = {task.pid: task.parent for task in image.tasks}
    for pid in waiting:
        path = [pid]
        while path[-1] not in depths and (above := waiting.get(path[-1], 0)) in waiting and above not in path[-2:]:
            if above in depths or len(path) > len(waiting):
                path.append(above)
                break
            path.append(above)
        depth = depths.get(path[-1], 0)
        depths[path[-1]] = depth
        for below in reversed(path[:-1]):
            depth += 1
            depths[below] = depth
    return depths


def _task(task: InspectedTask, depth: int, files: dict[int, OpenFile], mapped: bool) -> Iterator[Line]:
    lead = "  " * (1 + min(depth, DEEPEST))
    command = " ".join(escaped(word) if word else "''" for word in task.command) or _path(files, task.executable)
    numbers = " ".join(map(str, task.pids))
    state = "" if task.state == "running" else f" ({task.state})"
    yield [(f"{lead}{numbers} ", ""), (escaped(task.name), "name"), (state, "odd"), (f"  {command}" if command else "", "")]
    lead += "    "
    for words in _task_facts(task, files):
        yield [(f"{lead}{words}", "quiet")]
    if task.descriptors_of:
        yield [(f"{lead}descriptors: the table of task {task.descriptors_of}, shared", "quiet")]
    for each in task.descriptors:
        yield [(f"{lead}{each.number:>3} ", ""), *_file(files.get(each.file), task.pid)]
    shown = task.mapped if mapped and not task.areas else ()
    for each_area in task.areas:
        yield _area(each_area, files, lead)
    for area in shown:
        name = _path(files, area.file) or f"file {area.file}"
        words = ", ".join(filter(None, (size_words(area.bytes), "code" * area.executable, "shared" * area.shared)))
        yield [(f"{lead}mapped {name}", ""), (f"  {words}", "quiet")]


def _task_facts(task: InspectedTask, files: dict[int, OpenFile]) -> Iterator[str]:
    """Yield lines about a task itself."""
    if task.command and (path := _path(files, task.executable)):
        yield f"executable {path}"
    places = [f"{word} {_path(files, file) or file}" for word, file in (("cwd", task.cwd), ("root", task.root)) if file]
    if places:
        yield "   ".join(places)
    owner = [f"group {task.group}", f"session {task.session}"]
    owner += [f"{word} {task.facts[word].partition(' ')[0]}" for word in ("uid", "gid") if word in task.facts]
    owner += [f"{word.replace('_', ' ')} {escaped(task.facts[word])}" for word in SAID if word in task.facts]
    yield ", ".join(owner)
    memory = task.memory
    if memory is not None and (memory.mapped is not None or memory.stored is not None):
        stored = "pages not recorded" if memory.stored is None else f"{size_words(memory.stored)} of pages stored"
        areas = "" if memory.mapped is None else f"{size_words(memory.mapped)} mapped in {memory.areas} areas, "
        yield f"memory {areas}{stored}"
    if task.variables and not task.values:
        yield f"{_plural(len(task.variables), 'variable')}: {' '.join(escaped(name) for name in task.variables)}"
    for name, value in task.values.items():
        yield f"variable {escaped(name)}={escaped(value)}"
    if task.mapped:
        code = sum(area.executable for area in task.mapped)
        yield f"{_plural(len(task.mapped), 'mapped file')}, {code} with code"


def _area(area: MemoryArea, files: dict[int, OpenFile], lead: str) -> Line:
    """Return an area of memory, and of its pages how many are kept where."""
    what = _path(files, area.file) or (f"file {area.file}" if area.file else escaped(area.kind))
    said = [size_words(area.bytes)]
    said += [f"from {area.offset:#x}"] if area.offset else []
    said += [escaped(area.kind)] if area.file and area.kind else []
    said += [f"segment {area.segment}"] if area.segment else []
    said += [] if area.dumped else ["made anew by the restore"]
    for kept, words in KEPT.items():
        runs = [each for each in area.pages if each.kept == kept]
        if runs:
            places = " ".join(f"{each.start}/{each.count}" for each in runs)
            said.append(f"{_plural(sum(each.count for each in runs), 'page')} {words}: {places}")
    return [(f"{lead}{area.start}-{area.end} {escaped(area.access)} ", ""), (what, ""), (f"  {', '.join(said)}", "quiet")]


KEPT: Final = {"here": "stored", "before": "in the dump before", "lazy": "to be fetched", "nowhere": "not stored"}
"""Where the bytes of pages are, in words; behind them stand their address and number."""

SAID: Final = ("seccomp", "security_label", "cgroup_set")
"""Facts of a task that are shown beside its owner."""


def _path(files: dict[int, OpenFile], number: int) -> str:
    file = files.get(number)
    return escaped(file.path) if file is not None else ""


def _file(file: OpenFile | None, holder: int) -> Line:
    """Return an open file: what it is, where, and what is unusual about it."""
    if file is None:
        return [("not recorded", "quiet")]
    words = _socket(file.socket) if file.socket is not None else f"{file.kind} {escaped(file.path)}".strip()
    facts = [f"{name} {escaped(value)}" for name, value in file.facts.items() if name != "file"]
    if file.kind in ("file", "directory") and file.size is not None:
        facts.append(f"at {file.position} of {size_words(file.size)}")
    if file.socket:
        facts += _socket_facts(file.socket)
    elif file.kind != "directory":
        facts.append(file.access)
    odd = [f"deleted, comes back from a {file.deleted}" if file.deleted else "", "external" if file.external else ""]
    others = [pid for pid in file.held_by if pid != holder]
    if others:
        more = file.holders - 1 - len(others[:MOST_PIDS])
        facts.append(f"shared with {' '.join(map(str, others[:MOST_PIDS]))}" + (f" and {more} more" if more > 0 else ""))
    said = ", ".join(filter(None, odd))
    return [(words, ""), (f"  {', '.join(filter(None, facts))}", "quiet"), (f"  {said}" if said else "", "odd")]


def _end(address: str, port: int) -> str:
    shown = f"[{address}]" if ":" in address else escaped(address) or "*"
    return f"{shown}:{port}" if port else shown


def _socket(socket: Socket) -> str:
    if socket.family == "unix":
        words = f"unix {socket.kind} {socket.state} {escaped(socket.local) or '(no name)'}"
        return words + f" inode {socket.inode}" * bool(socket.inode)
    if not socket.family.startswith("inet"):
        return f"{socket.family} {socket.kind} {socket.protocol}"
    words = f"{socket.protocol} {socket.state} {_end(socket.local, socket.local_port)}"
    if socket.remote_port:
        words += f" -> {_end(socket.remote, socket.remote_port)}"
    return words + (f" on {escaped(socket.interface)}" if socket.interface else "")


def _socket_facts(socket: Socket) -> Iterator[str]:
    """Yield what else is known of a socket."""
    if socket.peer:
        yield f"peer {socket.peer}" + ("" if socket.peer_file else " outside of the image")
    yield from map(escaped, socket.options)
    if socket.backlog:
        yield f"backlog {socket.backlog}"
    if socket.send_buffer or socket.receive_buffer:
        yield f"buffers {size_words(socket.send_buffer)} to send, {size_words(socket.receive_buffer)} to receive"
    if socket.unread or socket.unsent:
        yield f"{size_words(socket.unread)} unread, {size_words(socket.unsent)} unsent"
    if socket.external:
        yield "external"


def _mount(mount: Mount) -> Line:
    source = escaped(mount.source if mount.root in ("", "/") else f"{mount.source}[{mount.root}]")
    said = ", ".join(
        filter(
            None,
            (
                escaped(mount.options),
                f"external {escaped(mount.external)}" if mount.external else "",
                f"shared {mount.shared}" if mount.shared else "",
                f"slave of {mount.master}" if mount.master else "",
                "deleted" if mount.deleted else "",
            ),
        )
    )
    return [(f"  {escaped(mount.mountpoint)}  {escaped(mount.file_system)} {source}", ""), (f"  {said}" if said else "", "quiet")]
