"""Many archives in one command: the cost an image beside a loop over the library, and the memory of images that wait.

    python tests/benchmarks/bench_many.py [COUNT]

Each archive is a container of a few tasks with pages, packed with zstd as podman does. Printed are the seconds an image of a loop
over `planner.check` and of one `crplan check *.tar`, both in a process of their own, and the peak memory of the second for COUNT
images and for a tenth of them. That "N of COUNT" stands on a terminal within a second is for the eye: run the last line in one.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zstandard

from tests.helpers.containers import Dump, packed

TASKS = 8
PAGES = 1 << 18
"""Bytes of memory pages in an archive."""

LOOP = "import planner, sys\nfor name in sys.argv[1:]:\n    planner.check(name)"


def write(folder: Path, count: int) -> list[str]:
    """Write archives of as many containers that have nothing to do with each other; returns their names."""
    names = []
    for number in range(count):
        dump = Dump().task(1)
        for pid in range(2, TASKS + 1):
            dump.task(pid, 1, name=f"task-{number}")
        files = {f"checkpoint/{name}": data for name, data in dump.images().items()}
        files["checkpoint/pages-1.img"] = os.urandom(PAGES)
        files["config.dump"] = json.dumps({"id": f"{number:064x}", "name": f"container-{number}"}).encode()
        files["spec.dump"] = json.dumps({"linux": {"namespaces": [{"type": "pid"}]}}).encode()
        file = folder / f"{number}.tar.zst"
        file.write_bytes(zstandard.compress(gzip.decompress(packed(files))))
        names.append(str(file))
    return names


def measured(command: list[str]) -> tuple[float, int]:
    """Return seconds of processor time and KiB of memory that a command took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = (
        "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
    )
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(done.stdout)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        names = write(Path(folder), count)
        start = time.monotonic()
        loop, loop_peak = measured([sys.executable, "-c", LOOP, *names])
        check = [sys.executable, "-m", "planner", "check", "--format", "json"]
        few, few_peak = measured([*check, *names[: count // 10]])
        many, many_peak = measured([*check, *names])
        print(f"loop over the library   {1000 * loop / count:7.2f} ms an image, {loop_peak / 1024:.0f} MiB")
        print(f"crplan check, {count // 10:5}     {10000 * few / count:7.2f} ms an image, {few_peak / 1024:.0f} MiB")
        print(f"crplan check, {count:5}     {1000 * many / count:7.2f} ms an image, {many_peak / 1024:.0f} MiB")
        print(f"ratio {many / loop:.2f}; {(many_peak - few_peak) / (count - count // 10):.1f} KiB an image more")
        print(f"all in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
