"""What `crplan inspect` of a thousand processes with twenty thousand descriptors costs, as processor time by stage.

Nothing is asserted on time. `python -m tests.benchmarks.bench_inspect [PROCESSES] [DESCRIPTORS]` prints seconds.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from crplan_criu.messages_contents import EPOLL, UNIX_SOCKET

from planner.hookspecs import ReadRequest
from planner.inspection.build import inspected
from planner.inspection.document import InspectDocument, encoded
from planner.inspection.text import text
from planner.pipeline import sources
from planner.pipeline.reading import default_registry, stream_events
from tests.helpers import criu_dumps

LIBRARIES = 5
"""Mapped files that all processes share, in four areas each."""
Result = TypeVar("Result")


def large(processes: int, descriptors: int) -> dict[str, bytes]:
    """Return a dump: each process has files of its own, areas of libraries, limits and runs of pages, as a small service has."""
    first = 10
    pids = range(first, first + processes)
    files = criu_dumps.tree(pids)
    entries = [
        criu_dumps.regular(1 + each, f"/usr/lib/x86_64-linux-gnu/library-{each}.so", 9000, build_id=[1, 2, 3, 4, 5])
        for each in range(LIBRARIES)
    ]
    entries.append(criu_dumps.regular(1 + LIBRARIES, "/srv", 0, 0o40755))
    limits = [(1 << 20, (1 << 64) - 1)] * 16
    areas = [
        criu_dumps.area(1 + each, 4096 * (part + 1), prot=5 if part == 1 else 1) for each in range(LIBRARIES) for part in range(4)
    ]
    memory = criu_dumps.memory(1, *areas, *[criu_dumps.area(0, 8192, status=1 << 9)] * 5)
    each_has = descriptors // processes
    number = LIBRARIES + 2
    for place, pid in enumerate(pids):
        table = []
        for descriptor in range(each_has):
            entries.append(_opened(number, pid, descriptor))
            table.append((descriptor, number))
            number += 1
        files[f"fdinfo-{2 + place}.img"] = criu_dumps.descriptors(*table)
        files[f"mm-{pid}.img"] = memory
        files[f"fs-{pid}.img"] = criu_dumps.directories(1 + LIBRARIES, 1 + LIBRARIES)
        files[f"pagemap-{pid}.img"] = criu_dumps.pages(*[(4, 4)] * 20)
        files[f"core-{pid}.img"] = criu_dumps.core(pid, limits=limits)
    files["files.img"] = criu_dumps.image("files", *entries)
    return files


def _opened(number: int, pid: int, descriptor: int) -> bytes:
    """Return a file, and of every ten one socket and one epoll."""
    if descriptor % 10 == 8:
        given = {"ino": number, "type": 1, "state": 1, "peer": number ^ 1, "opts": b""}
        return criu_dumps.file(number, "usk", UNIX_SOCKET, **given)
    if descriptor % 10 == 9:
        return criu_dumps.file(number, "epfd", EPOLL, tfd=[])
    return criu_dumps.regular(number, f"/srv/process-{pid}/file-{descriptor}", 120, flags=0o2001, pos=120)


def timed(words: str, what: Callable[[], Result]) -> Result:
    """Do it, print the processor time of this process, and return what came out."""
    before = time.process_time()
    result = what()
    print(f"{words:24} {time.process_time() - before:6.2f} s")
    return result


def main(processes: int, descriptors: int) -> None:
    """Print what each stage costs, and the whole command with the start of Python."""
    with tempfile.TemporaryDirectory() as directory:
        path = criu_dumps.write(Path(directory) / "img", large(processes, descriptors))
        registry = default_registry()
        request = ReadRequest(detail="all")
        log = timed("read", lambda: list(stream_events(sources.from_path(str(path)), registry, request)))
        entry = timed("inspected", lambda: inspected("img", log))
        document = InspectDocument(images=(entry,))
        timed("text", lambda: text(document))
        timed("json", lambda: encoded(document))
        for form in ("text", "json"):
            command = [sys.executable, "-m", "planner", "inspect", "--format", form, str(path)]
            before = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            print(f"crplan inspect --format {form} {time.perf_counter() - before:6.2f} s")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given or (1000, 20_000)))
