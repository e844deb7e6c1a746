"""What a scan of many images costs: images a second and core against a bare loop over the library, and the memory of its workers.

`python -m tests.benchmarks.bench_fleet DIRECTORY [COUNT] [pool|dask]` writes COUNT checkpoints (`fleet_archives`), checks some of
them in a bare loop, scans all of them, and prints both. A core is counted by the time that the processes had it, so other work on
the machine shows little. Nothing is asserted.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import duckdb

from tests.benchmarks.fleet_archives import BROKEN, write

WORKERS: Final = 2
SAMPLE: Final = 1000
TICKS: Final = os.sysconf("SC_CLK_TCK")

LOOP: Final = """
import sys, time, planner
files = sys.stdin.read().split()
planner.check(files[0])
begun, clock = time.process_time(), time.perf_counter()
for file in files:
    planner.check(file)
print(len(files) / (time.process_time() - begun), len(files) / (time.perf_counter() - clock))
"""


class Samples:
    """What the processes of a session used so far: the most processor time of each, and its memory over time."""

    def __init__(self, session: int) -> None:
        self.session = session
        self.time: dict[int, float] = {}
        self.memory: dict[int, list[float]] = {}

    def take(self) -> None:
        """Look at every process of the session once."""
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "stat").read_text().rpartition(")")[2].split()
                pages = int((place / "statm").read_text().split()[1])
            except (OSError, IndexError):
                continue
            if int(words[3]) == self.session:
                self.time[int(place.name)] = (int(words[11]) + int(words[12])) / TICKS
                self.memory.setdefault(int(place.name), []).append(pages * 4096 / 2**20)


def scan(directory: Path, tables: Path, engine: str) -> tuple[float, Samples]:
    """Return the seconds that a scan took, and what its processes used."""
    more = ["--scheduler", "local"] if engine == "dask" else []
    command = [sys.executable, "-m", "planner", "fleet", str(directory), "-o", str(tables), "--workers", str(WORKERS), *more]
    begun = time.perf_counter()
    with subprocess.Popen(command, start_new_session=True) as run:
        samples = Samples(run.pid)
        while run.poll() is None:
            samples.take()
            time.sleep(0.25)
    assert run.returncode == 0
    return time.perf_counter() - begun, samples


def main() -> int:
    """Measure and print."""
    directory, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    engine = sys.argv[3] if len(sys.argv) > 3 else "pool"
    archives = directory / f"archives-{count}"
    write(archives, count)
    files = sorted(map(str, archives.rglob("*.*")))
    loop = subprocess.run(
        [sys.executable, "-c", LOOP], input="\n".join(files[:SAMPLE]), capture_output=True, text=True, check=True
    )
    per_core, per_second = map(float, loop.stdout.split())
    say(f"bare loop over planner.check: {per_core:.0f} images a second of a core, {per_second:.0f} a second")
    tables = directory / f"tables-{count}-{engine}-{os.getpid()}"
    seconds, samples = scan(archives, tables, engine)
    used = sum(samples.time.values())
    say(f"{engine}: {count / used:.0f} images a second of a core, {count / seconds:.0f} a second, {seconds:.0f} s")
    say(f"ratio by core: {count / used / per_core:.2f}")
    for pid, memory in sorted(samples.memory.items(), key=lambda one: -samples.time[one[0]])[: WORKERS + 1]:
        quarter = max(len(memory) // 4, 1)
        marks = [f"{max(memory[at : at + quarter]):.0f}" for at in range(0, len(memory), quarter)][:4]
        say(f"process {pid}: {samples.time[pid]:.0f} s of a core, most memory in each quarter {' '.join(marks)} MiB")
    rows, bad = duckdb.sql(
        f"SELECT count(DISTINCT uri), sum((uri LIKE '%broken%')::INT) FROM '{tables}/parts/*/images.parquet'"
    ).fetchall()[0]
    silent = duckdb.sql(
        f"SELECT uri FROM '{tables}/parts/*/images.parquet' WHERE uri LIKE '%broken%' AND error_code = ''"
        f" AND uri NOT IN (SELECT uri FROM '{tables}/parts/*/findings.parquet')"
    ).fetchall()
    say(f"{rows} rows of {count}; {bad} of {count // BROKEN} broken ones, without an error or a finding: {silent or 'none'}")
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
