"""The scan of many inputs: the library's function, and what the command line needs of it."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Final

from planner.errors import UsageError
from planner.fleet.engine import BATCH, BATCH_OF_CLUSTER, Given, Pool, Processes, batches, results
from planner.fleet.examining import host_rows
from planner.fleet.rows import Row
from planner.fleet.sources import inputs
from planner.fleet.work import MEMORY, SECONDS, Examined, Request, Work
from planner.host.facts import Host, encode
from planner.text import escaped

IN_FLIGHT: Final = 4
"""Batches a worker that are in flight where nothing else is said: one is worked on, and others wait at hand."""

HostFile = Host | str | os.PathLike[str] | bytes
"""The facts of a machine, the path of a host file, or its bytes."""


def scan(
    uris: Iterable[str | os.PathLike[str]],
    *,
    hosts: Mapping[str, HostFile] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    in_flight: int | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    logs: str | os.PathLike[str] = "",
    criu_options: str | None = None,
) -> Iterator[Row]:
    """Yield the rows of every image: those of the hosts first, then, input by input, those of images, verdicts and findings.

    `uris` are files, directories, patterns and URLs of fsspec; the order of the rows is that in which inputs are done. `hosts`
    are the machines to check against, by their names. `executor` is one of `concurrent.futures`, that of Dask or Ray included;
    without it a pool of `workers` processes (by default one a core) is used, each with at most `memory` bytes. At most
    `in_flight` inputs are worked on or waited for at a time; `seconds` is the time that one may take. `logs` is "beside" or a
    directory in which the event log of each image is kept, and from which a later scan reads it.

    What is wrong with an image is in its row. Raises `UsageError` for a host file that is none and for a URL whose file system is
    not installed, and `EngineLost` where the executor takes no more work.
    """
    request = Request(
        hosts=tuple((name, host_bytes(file)) for name, file in (hosts or {}).items()),
        seconds=seconds,
        logs=os.fspath(logs),
        criu_options=criu_options,
    )
    yield from host_rows(request.hosts)
    count = workers or os.cpu_count() or 1
    for found in examinations(inputs(os.fspath(uri) for uri in uris), request, executor, count, in_flight, memory):
        yield from found.images
        yield from found.verdicts
        yield from found.findings


def examinations(
    works: Iterable[Work],
    request: Request,
    executor: Executor | None,
    workers: int,
    in_flight: int | None = None,
    memory: int = MEMORY,
) -> Generator[Examined, None, None]:
    """Yield all rows of each input as it is done; raises as `scan` does. An executor that was given is left as it is."""
    batch = BATCH if executor is None else BATCH_OF_CLUSTER
    most = in_flight or workers * IN_FLIGHT * batch
    size = max(1, min(batch, most // (2 * workers)))
    pool: Pool = Given(executor) if executor is not None else Processes(workers, memory)
    try:
        yield from results(batches(works, size), request, pool, max(1, most // size))
    finally:
        if isinstance(pool, Processes):
            pool.close()


def host_bytes(file: HostFile) -> bytes:
    """Return a host file; raises `UsageError` where it cannot be read."""
    if isinstance(file, Host):
        return encode(file)
    if isinstance(file, bytes):
        return file
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"the host file {escaped(os.fspath(file))} cannot be read: {error.strerror}") from None
