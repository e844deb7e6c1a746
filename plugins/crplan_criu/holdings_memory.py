"""Memory, processor state and limits of the tasks of a dump. Source: CRIU 4.2 `images/mm.proto`, `vma.proto`, `pagemap.proto`."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from crplan_criu import messages_contents as messages
from crplan_criu.image_file import ImageFile, PageRuns, text
from crplan_criu.wire import number, numbers, octets, parts, scalars
from planner.events.contents import (
    Area,
    AreasRecorded,
    ContentsEvent,
    LimitsRecorded,
    MappedFileRecorded,
    MemoryRecorded,
    PageRun,
    PagesRecorded,
    ProcessorRecorded,
    PropertyRecorded,
    RegistersRecorded,
    TaskFilesRecorded,
)
from planner.identity import ProcessId

FILE_PRIVATE, FILE_SHARED, ANONYMOUS_SHARED, MEMFD, GUARD = 1 << 6, 1 << 7, 1 << 8, 1 << 14, 1 << 16
"""Bits of an area's status (CRIU `include/image.h`)."""
DUMPED: Final = 1
SEGMENTS: Final = ANONYMOUS_SHARED | 1 << 10
"""Areas whose `shmid` is the number of shared memory."""
FILES: Final = FILE_PRIVATE | FILE_SHARED | MEMFD
"""Areas whose `shmid` is an open file."""
KINDS: Final = (
    (GUARD, "guard"), (1 << 10, "System V shared memory"), (ANONYMOUS_SHARED, "shared memory"), (1 << 11, "packet socket"),
    (1 << 1, "stack"), (1 << 2, "vsyscall"), (1 << 3, "vdso"), (1 << 12, "vvar"), (1 << 5, "heap"), (1 << 13, "aio ring"),
    (1 << 15, "shadow stack"), (1 << 17, "uprobes"),
)  # fmt: skip
"""What an area is by the bits of its status; the first that is set counts."""
GROWS_DOWN: Final = 0x100
SHARED: Final = 1
"""Flags of mmap(2)."""
NAMED: Final = sum(bit for bit, _ in KINDS)
ACCESS: Final = tuple("".join(word if bits >> place & 1 else "-" for place, word in enumerate("rwx")) for bits in range(8))
"""What may be done with an area by the three bits of mmap(2), as in /proc/PID/maps."""
EXECUTABLE: Final = 4

PAGE: Final = 4096
"""Bytes of a page; CRIU does not record them, and images of machines with larger pages show a part of their sizes."""
AT_ONCE: Final = 1000
"""Areas or runs of pages of an event: a line of a log has a largest size."""
IN_PARENT: Final = 1
LAZY: Final = 2
PRESENT: Final = 4
Kept = Literal["here", "before", "lazy", "nowhere"]

STATE: Final = (
    "x87", "sse", "avx", "bndregs", "bndcsr", "opmask", "zmm_hi256", "hi16_zmm", "pt", "pkru", "pasid", "cet_user", "cet_kernel",
    "hdc", "uintr", "lbr", "hwp", "amx_tile_config", "amx_tile_data",
)  # fmt: skip
"""Components of the extended state by their bit (Intel SDM 1, 13.1)."""

PKRU: Final = 1 << 9
INITIAL_PKRU: Final = 0x5555_5554
"""What the kernel gives every task in the register of protection keys (init_pkru): not zero, so the processor calls it in use."""

LIMITS: Final = (
    "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice",
    "rtprio", "rttime",
)  # fmt: skip
"""Resources by their number (getrlimit(2))."""
INFINITY: Final = (1 << 64) - 1

VENDORS: Final = ("unknown", "intel", "amd")


def areas(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the executable, the mapped files and the size of the memory of the task that the file is named by."""
    pid = ProcessId(image.number)
    for fields in image.read(messages.MM):
        mapped = shared = count = 0
        by_file: dict[int, list[int]] = {}
        listed: list[Area] = []
        for part in parts(fields, "vmas"):
            area = scalars(image.decode(messages.VMA, part)).get
            status = area("status", 0)
            listed.append(_area(area, status))
            if status & GUARD:
                continue
            size = max(area("end", 0) - area("start", 0), 0)
            count, mapped = count + 1, mapped + size
            shared += size if status & (FILE_SHARED | ANONYMOUS_SHARED) else 0
            if status & FILES:
                found = by_file.setdefault(area("shmid", 0), [0, 0, 0, 0])
                found[0] += 1
                found[1] += size
                found[2] |= area("prot", 0) & EXECUTABLE
                found[3] |= status & FILE_SHARED
        yield TaskFilesRecorded(pid=pid, executable=number(fields, "exe_file_id"), at=image.at)
        for file, (times, size, executable, common) in by_file.items():
            yield MappedFileRecorded(
                pid=pid, file=file, areas=times, bytes=size, executable=bool(executable), shared=bool(common), at=image.at
            )
        yield MemoryRecorded(
            pid=pid,
            areas=count,
            mapped=mapped,
            shared=shared,
            arguments=(number(fields, "arg_start"), number(fields, "arg_end")),
            environment=(number(fields, "env_start"), number(fields, "env_end")),
            at=image.at,
        )
        told = image.allowed(listed)
        for first in range(0, len(told), AT_ONCE):
            yield AreasRecorded(pid=pid, areas=tuple(told[first : first + AT_ONCE]), at=image.at)
        if len(told) < len(listed):
            yield PropertyRecorded(pid=pid, property="areas not recorded", value=str(len(listed) - len(told)), at=image.at)


def _area(area: Callable[[str, int], int], status: int) -> Area:
    """Return an area as it is recorded; `area` gives a field of its entry, or what is taken for one that is missing."""
    flags = area("flags", 0)
    named, number = status & FILES, area("shmid", 0)
    return Area(
        start=area("start", 0),
        end=area("end", 0),
        access=ACCESS[area("prot", 0) & 7] + ("s" if flags & SHARED else "p"),
        kind=_kind(status, flags) if status & NAMED or flags & GROWS_DOWN else "",
        file=number if named else 0,
        offset=area("pgoff", 0) if named else 0,
        segment=number if status & SEGMENTS and not named else 0,
        dumped=bool(status & DUMPED),
    )


def _kind(status: int, flags: int) -> str:
    known = next((words for bit, words in KINDS if status & bit), "")
    return known or ("stack" if flags & GROWS_DOWN and not status & FILES else "")


def pages(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield how much of the memory of the task that the file is named by is in this dump, and in those before."""
    stored = before = 0
    listed = image.entries()
    head = image.decode(messages.PAGEMAP_HEAD, next(listed, b""))
    runs: list[tuple[int, int, bool]] = []
    recorded: list[PageRun] = []
    for entry in listed:
        run = scalars(image.decode(messages.PAGEMAP, entry)).get
        size = (run("nr_pages", 0) or run("compat_nr_pages", 0)) * PAGE
        flags = run("flags", PRESENT)
        earlier = run("in_parent", 0) or flags & IN_PARENT
        if earlier:
            before += size
        elif flags & PRESENT:
            stored += size
        kept: Kept = "before" if earlier else "here" if flags & PRESENT else "lazy" if flags & LAZY else "nowhere"
        recorded.append(PageRun(start=run("vaddr", 0), pages=size // PAGE, kept=kept))
        runs.append((run("vaddr", 0), size // PAGE, bool(flags & PRESENT and not earlier)))
    image.keep_runs(PageRuns(number(head, "pages_id"), runs))
    yield MemoryRecorded(pid=ProcessId(image.number), stored=stored, in_parent=before, at=image.at)
    told = image.allowed(recorded)
    for first in range(0, len(told), AT_ONCE):
        yield PagesRecorded(pid=ProcessId(image.number), runs=tuple(told[first : first + AT_ONCE]), at=image.at)
    if len(told) < len(recorded):
        value = str(len(recorded) - len(told))
        yield PropertyRecorded(pid=ProcessId(image.number), property="runs of pages not recorded", value=value, at=image.at)


def state_names(mask: int) -> tuple[str, ...]:
    """Return the names of the components of an extended state; one without a name is called by its bit."""
    return tuple(STATE[bit] if bit < len(STATE) else f"bit {bit}" for bit in range(64) if mask >> bit & 1)


def threads(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the extended state and the limits of the thread that the file is named by."""
    pid = ProcessId(image.number)
    for fields in image.read(messages.CORE):
        info = image.decode(messages.THREAD_INFO, octets(fields, "thread_info"))
        registers = image.decode(messages.FLOATING_POINT, octets(info, "fpregs"))
        if octets(registers, "xsave"):
            state = image.decode(messages.EXTENDED_STATE, octets(registers, "xsave"))
            mask = number(state, "xstate_bv")
            untouched = PKRU if numbers(state, "pkru")[:1] == [INITIAL_PKRU] else 0
            yield RegistersRecorded(pid=pid, state=state_names(mask & ~untouched), mask=mask, at=image.at)
        limits = octets(image.decode(messages.TASK_CORE, octets(fields, "tc")), "rlimits")
        if limits:
            named = image.once(limits, _limits)
            if named:
                yield LimitsRecorded(pid=pid, limits=named, at=image.at)


def _limits(image: ImageFile, data: bytes) -> dict[str, tuple[int, int]]:
    """Return the resource limits of a task by name; those of most tasks are the same."""
    limits = [image.decode(messages.LIMIT, part) for part in parts(image.decode(messages.TASK_LIMITS, data), "rlimits")]
    return {
        name: (_limit(number(limit, "cur")), _limit(number(limit, "max"))) for name, limit in zip(LIMITS, limits, strict=False)
    }


def _limit(value: int) -> int:
    return -1 if value == INFINITY else value


def processors(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield the processors that the machine had."""
    for fields in image.read(messages.CPUINFO):
        for part in parts(fields, "x86_entry")[:64]:
            entry = image.decode(messages.PROCESSOR, part)
            vendor = number(entry, "vendor_id")
            yield ProcessorRecorded(
                vendor=VENDORS[vendor] if vendor < len(VENDORS) else str(vendor),
                family=number(entry, "cpu_family"),
                model=number(entry, "model"),
                stepping=number(entry, "stepping"),
                name=text(octets(entry, "model_id")),
                features=tuple(f"{word:08x}" for word in numbers(entry, "capability")[:64]),
                mask=number(entry, "xfeatures_mask"),
                at=image.at,
            )
