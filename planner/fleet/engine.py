"""Runs inputs through an executor: a bounded number at a time, and no input is lost when a worker dies.

The executor is that of `concurrent.futures`: a pool of processes, a cluster of Dask by `Client.get_executor`, or any other. There
is no queue here. Where a pool breaks, it is not known by which input: so those that were in flight are run one at a time, and the
one with which the pool breaks again is the culprit.
"""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Final, Protocol

from planner.errors import EngineLost
from planner.fleet.examining import examined_batch, failed
from planner.fleet.limits import prepare_worker
from planner.fleet.work import Examined, Request, Work

ALONE: Final = 3
"""How often an input is run alone before it is said to be what the workers die of: another program may have ended one."""

BATCH: Final = 8
"""Inputs of a task, where there are many: small ones take a few milliseconds, and handing one over takes half of one."""

BATCH_OF_CLUSTER: Final = 32
"""The same for an executor that was brought: a cluster takes longer over a task."""

Batch = Sequence[Work]


class Pool(Protocol):
    """An executor that can be made anew."""

    def executor(self) -> Executor:
        """Return the executor, made anew where it was broken."""

    def broken(self) -> None:
        """Take note that the executor is broken."""


class Processes:
    """A pool of processes of our own: spawned, so that they share nothing with this one, and limited in memory."""

    def __init__(self, workers: int, memory: int) -> None:
        self._workers = workers
        self._memory = memory
        self._pool: ProcessPoolExecutor | None = None

    def executor(self) -> Executor:
        """Return the pool, made anew where it was broken."""
        if self._pool is None:
            # A server that forks workers has imported everything once; where there is none, each worker does.
            method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
            context = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload([examined_batch.__module__])
            self._pool = ProcessPoolExecutor(self._workers, context, prepare_worker, (self._memory,))
        return self._pool

    def broken(self) -> None:
        """Let the pool go."""
        self.close()

    def close(self) -> None:
        """End the workers; what they were doing is lost."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


class Given:
    """An executor that the caller has brought, and may be able to make anew."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def executor(self) -> Executor:
        """Return the executor."""
        return self._executor

    def broken(self) -> None:
        """Go on with the same: a cluster replaces its workers by itself."""


def batches(inputs: Iterable[Work], size: int) -> Iterator[tuple[Work, ...]]:
    """Yield inputs in groups of up to `size`."""
    pending = iter(inputs)
    while batch := tuple(islice(pending, size)):
        yield batch


def results(inputs: Iterable[Batch], request: Request, pool: Pool, most: int) -> Iterator[Examined]:
    """Yield the rows of every input, in the order in which they are done, with at most `most` batches in flight.

    Raises `EngineLost` where the executor takes no more work.
    """
    waiting: dict[Future[tuple[Examined, ...]], Batch] = {}
    pending = iter(inputs)
    lost: list[Work] = []
    while True:
        while not lost and len(waiting) < most and (batch := next(pending, None)) is not None:
            future = _submitted(pool, batch, request)
            if future is None:
                lost += batch
            else:
                waiting[future] = batch
        if not waiting and not lost:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done if waiting else ():
            batch = waiting.pop(future)
            try:
                yield from _result(future, batch)
            except _WorkerLost:
                lost += batch
        if lost:
            yield from _settled(waiting, lost)
            pool.broken()
            for work in lost:
                yield _alone(pool, work, request)
            lost = []


class _WorkerLost(Exception):
    """The worker of a batch has died, or that of a neighbour: an executor does not say which."""


def _settled(waiting: dict[Future[tuple[Examined, ...]], Batch], lost: list[Work]) -> Iterator[Examined]:
    """Wait for all that is still in flight, so that what is run next is alone; those that are lost join the others."""
    for future, batch in waiting.items():
        try:
            yield from _result(future, batch)
        except _WorkerLost:
            lost += batch
    waiting.clear()


def _submitted(pool: Pool, batch: Batch, request: Request) -> Future[tuple[Examined, ...]] | None:
    """Return the future of a batch, None where the executor turned out to be broken."""
    try:
        return pool.executor().submit(examined_batch, batch, request)
    except BrokenExecutor:
        return None
    except RuntimeError as error:  # it was shut down, or its cluster is gone
        raise EngineLost(f"the executor takes no more work: {error}") from error


def _result(future: Future[tuple[Examined, ...]], batch: Batch) -> Iterable[Examined]:
    try:
        return future.result()
    except (BrokenExecutor, MemoryError):
        raise _WorkerLost from None
    except CancelledError:
        raise EngineLost("the executor has cancelled what it was given: its scheduler is gone") from None
    except Exception as error:  # a result that cannot be sent, an executor's own exceptions
        kind = type(error).__name__
        if kind == "KilledWorker":  # Dask's, for a task whose workers died again and again
            raise _WorkerLost from None
        if kind in _GONE or isinstance(error, OSError):
            raise EngineLost(f"the executor is gone: {kind}: {error}") from None
        return tuple(failed(work, "worker-failed", f"the worker failed: {kind}: {error}") for work in batch)


_GONE: Final = ("FutureCancelledError", "FuturesCancelledError", "CommClosedError", "ClosedClientError", "TimeoutError")
"""Exceptions by which a client of Dask says that its scheduler is gone."""


def _alone(pool: Pool, work: Work, request: Request) -> Examined:
    """Return the rows of an input that is run with nothing beside it; one that the workers die of is a row with that error."""
    for _ in range(ALONE):
        future = _submitted(pool, (work,), request)
        if future is not None:
            try:
                (found,) = _result(future, (work,))
                return found
            except _WorkerLost:
                pass
        pool.broken()
    return failed(work, "worker-died", "the process that worked on it died, and again each time that nothing else was run")
