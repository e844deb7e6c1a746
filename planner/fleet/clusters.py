"""A cluster of Dask as an executor: one that is there, by the address of its scheduler, or one on this machine."""

import contextlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, Final

import msgspec

from planner.errors import EngineLost, UsageError
from planner.text import escaped

LOCAL: Final = "local"
"""In place of an address: a cluster of processes on this machine."""

QUIET: Final = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "60s",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
}
"""Options for workers of our own: watching itself, of which nothing is shown, took a fifth of a core, and memory that grew."""

PATIENCE: Final = 20
"""Seconds in which a scheduler has to answer."""


class Cluster(msgspec.Struct, frozen=True):
    """An executor with the number of its workers, and the address of a page that shows how it is, "" where there is none."""

    executor: Executor
    workers: int
    dashboard: str


@contextlib.contextmanager
def cluster(address: str, workers: int, memory: int) -> Iterator[Cluster]:
    """Connect to a scheduler, or start a cluster of `workers` processes with at most `memory` bytes each where it is `LOCAL`.

    Raises `UsageError` where Dask is not installed, and `EngineLost` where no scheduler answers.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError("a scheduler is Dask's, which is not installed: pip install 'crplan[dask]'") from None
    _silence()
    own: Any = None
    client: Any = None
    try:
        if address == LOCAL:
            with dask.config.set(QUIET):
                own = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=memory,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL + 1,
                )
        client = Client(own if own is not None else address, timeout=PATIENCE)
        count = sum(client.nthreads().values()) or workers
    except (OSError, TimeoutError, ValueError) as error:
        _close(client, own)
        raise EngineLost(f"no scheduler answers at {escaped(address)}: {error}") from None
    try:
        yield Cluster(client.get_executor(pure=False), count, "" if own is not None else str(client.dashboard_link or ""))
    finally:
        _close(client, own)


def _silence() -> None:
    """Keep Dask's own warnings off standard error: what is lost is said once, in one line."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _close(client: Any, own: Any) -> None:
    """Let go of a cluster, also of one that is gone."""
    for one in (client, own):
        if one is not None:
            with contextlib.suppress(Exception):
                one.close(timeout=5)
