"""Dask as the executor: the same rows, and nothing lost when workers or the scheduler are killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from planner import fleet
from planner.errors import EngineLost
from planner.fleet.clusters import LOCAL, cluster
from planner.fleet.rows import PARTED, ImageRow
from tests.benchmarks.fleet_archives import write
from tests.helpers.amounts import amount
from tests.helpers.places import EXAMPLES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = amount("CRPLAN_FLEET_IMAGES", 5000, 300)
MEMORY = 2 << 30
KILLS = amount("CRPLAN_FLEET_KILLS", 10, 3)
"""Workers that are killed in each of two scans, and how many parts those write at least."""


def test_a_cluster_gives_the_rows_of_a_pool() -> None:
    with cluster(LOCAL, 2, MEMORY) as found:
        rows = list(fleet.scan([str(EXAMPLES)], executor=found.executor, workers=2))
    plain = list(fleet.scan([str(EXAMPLES)], workers=2))
    assert {(row.uri, row.plan_id, row.error) for row in rows if isinstance(row, ImageRow)} == {
        (row.uri, row.plan_id, row.error) for row in plain if isinstance(row, ImageRow)
    }


def test_no_scheduler_is_one_line() -> None:
    with pytest.raises(EngineLost, match="no scheduler answers"), cluster("tcp://127.0.0.1:9", 2, MEMORY):
        pass


def content(tables: Path) -> dict[str, Any]:
    """Return what the tables hold, but for how long it took."""
    found = {}
    for table in PARTED:
        leave = " EXCLUDE (seconds)" if table == "images" else ""
        found[table] = duckdb.sql(f"SELECT *{leave} FROM '{tables}/parts/*/{table}.parquet' ORDER BY ALL").fetchall()
    return found


def begin(tables: Path, source: Path, *more: str) -> subprocess.Popen[str]:
    """Begin a scan that writes many small parts."""
    program = "from planner.cli.commands import fleet; fleet.PART_INPUTS = 20; from planner.cli.main import main; exit(main())"
    command = [sys.executable, "-c", program, "fleet", str(source), "-o", str(tables), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def parts(tables: Path) -> int:
    return len(list(tables.glob("parts/0*")))


def ended(run: subprocess.Popen[str], code: int) -> str:
    _, error = run.communicate(timeout=600)
    assert run.returncode == code, error
    return error


def workers_of(run: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a scan's fork server has started, found by their parent."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text, words = status.read_text(), (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if b"forkserver" in words and int(text.rpartition(")")[2].split()[2]) == run.pid:
            parent = int(text.rpartition(")")[2].split()[1])
            if parent != run.pid:
                found.append(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("archives")
    write(directory, COUNT)
    return directory


@pytest.fixture(scope="module")
def undisturbed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tables = tmp_path_factory.mktemp("undisturbed") / "tables"
    ended(begin(tables, archives, "--workers", "2"), 0)
    found = content(tables)
    assert len(found["images"]) == COUNT
    return found


def test_workers_and_scans_that_are_killed_change_no_table(archives: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    resume: tuple[str, ...] = ()
    killed = 0
    for _ in range(2):
        run = begin(tables, archives, "--workers", "2", *resume)
        begun = seen = parts(tables)
        while run.poll() is None and parts(tables) < begun + KILLS + 1:
            time.sleep(0.05)
            if parts(tables) > seen and (workers := workers_of(run)):
                seen = parts(tables)
                os.kill(workers[killed % len(workers)], signal.SIGKILL)
                killed += 1
        run.kill()
        run.communicate()
        assert run.returncode in (0, -signal.SIGKILL)  # it may have come to its end just before
        resume = ("--resume",)
    ended(begin(tables, archives, "--workers", "2", *resume), 0)
    assert killed
    assert content(tables) == undisturbed


def scheduler(port: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.2)
    return process


def worker(port: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        f"tcp://127.0.0.1:{port}",
        "--nthreads",
        "1",
        "--no-dashboard",
    ]
    return subprocess.Popen([*command, "--nworkers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_scheduler_that_is_killed_twice_changes_no_table(
    archives: Path, undisturbed: dict[str, Any], tmp_path: Path, unused_port: int
) -> None:
    tables = tmp_path / "tables"
    resume: tuple[str, ...] = ()
    address = f"tcp://127.0.0.1:{unused_port}"
    for kill in (True, True, False):
        processes = [scheduler(unused_port), worker(unused_port)]
        try:
            run = begin(tables, archives, "--scheduler", address, *resume)
            before = parts(tables)
            while kill and run.poll() is None and parts(tables) < before + 2:
                time.sleep(0.1)
            if kill:
                processes[0].kill()
            error = ended(run, 1 if kill else 0)
            assert not kill or "scheduler is gone" in error or "executor is gone" in error
            assert "Traceback" not in error
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)
        resume = ("--resume",)
    assert content(tables) == undisturbed


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
