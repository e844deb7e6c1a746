"""Memory, processor state and limits of the tasks of a dump. Source: CRIU 4.2 `images/mm.proto`, `vma.proto`, `pagemap.proto`."""

from collections.abc import Iterator
from typing import Final

from crplan_criu import messages_contents as messages
from crplan_criu.image_file import ImageFile, PageRuns, text
from crplan_criu.wire import number, numbers, octets, parts, scalars
from planner.events.contents import (
    ContentsEvent,
    LimitsRecorded,
    MappedFileRecorded,
    MemoryRecorded,
    ProcessorRecorded,
    RegistersRecorded,
    TaskFilesRecorded,
)
from planner.identity import ProcessId

FILE_PRIVATE, FILE_SHARED, ANONYMOUS_SHARED, MEMFD, GUARD = 1 << 6, 1 << 7, 1 << 8, 1 << 14, 1 << 16
"""Bits of an area's status (CRIU `include/image.h`)."""
EXECUTABLE: Final = 4

PAGE: Final = 4096
"""Bytes of a page; CRIU does not record them, and images of machines with larger pages show a part of their sizes."""
IN_PARENT: Final = 1
PRESENT: Final = 4

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
        for part in parts(fields, "vmas"):
            area = scalars(image.decode(messages.VMA, part)).get
            status = area("status", 0)
            if status & GUARD:
                continue
            size = max(area("end", 0) - area("start", 0), 0)
            count, mapped = count + 1, mapped + size
            shared += size if status & (FILE_SHARED | ANONYMOUS_SHARED) else 0
            if status & (FILE_PRIVATE | FILE_SHARED | MEMFD):
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


def pages(image: ImageFile) -> Iterator[ContentsEvent]:
    """Yield how much of the memory of the task that the file is named by is in this dump, and in those before."""
    stored = before = 0
    listed = image.entries()
    head = image.decode(messages.PAGEMAP_HEAD, next(listed, b""))
    runs: list[tuple[int, int, bool]] = []
    for entry in listed:
        run = scalars(image.decode(messages.PAGEMAP, entry)).get
        size = (run("nr_pages", 0) or run("compat_nr_pages", 0)) * PAGE
        flags = run("flags", PRESENT)
        earlier = run("in_parent", 0) or flags & IN_PARENT
        if earlier:
            before += size
        elif flags & PRESENT:
            stored += size
        runs.append((run("vaddr", 0), size // PAGE, bool(flags & PRESENT and not earlier)))
    image.keep_runs(PageRuns(number(head, "pages_id"), runs))
    yield MemoryRecorded(pid=ProcessId(image.number), stored=stored, in_parent=before, at=image.at)


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
