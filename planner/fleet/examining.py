"""What a worker does with an input: read it, plan, prove, check against every host, and say all of it in rows."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from tempfile import NamedTemporaryFile
from typing import Final

import msgspec

from planner import __version__
from planner.checks.criu_options import parse
from planner.checks.judging import Request as Judged
from planner.checks.judging import judge
from planner.checks.report import Settings
from planner.errors import EXPECTED, UsageError
from planner.events import log
from planner.events.records import AnyEvent
from planner.findings.problems import Problem, problem_of
from planner.findings.report import ImageReport
from planner.fleet.describing import described
from planner.fleet.limits import TooLong, limited
from planner.fleet.opening import Meter, is_remote, name_of, opened, reason, version_of, weighed
from planner.fleet.rows import FindingRow, HostRow, ImageRow, VerdictRow
from planner.fleet.work import BESIDE, Examined, Request, Work
from planner.hookspecs import Artefact, Source
from planner.host.facts import Host, decode
from planner.pipeline.inputs import Group, grouped
from planner.pipeline.resolve import resolve
from planner.pipeline.sources import from_path
from planner.plugins import Registry, load

LOG_ENDING: Final = ".crplan.jsonl"
"""How the names of logs end that a scan has kept."""


@cache
def registry_of(third_party: bool) -> Registry:
    """Return the installed plugins, loaded once a worker."""
    return load(third_party=third_party)


@lru_cache(maxsize=4)
def hosts_of(files: tuple[tuple[str, bytes], ...]) -> dict[str, Host]:
    """Return the facts of the hosts by their names, decoded once a worker; raises `UsageError`."""
    return {name: decode(data) for name, data in files}


def host_rows(files: Iterable[tuple[str, bytes]]) -> Iterator[HostRow]:
    """Yield the rows of the hosts; raises `UsageError` for a host file that is none."""
    for name, data in files:
        host = decode(data)
        yield HostRow(
            host=name,
            kernel=host.kernel or "",
            machine=host.machine or "",
            root=host.root,
            criu=host.tools.get("criu") or "",
            sha256=hashlib.sha256(data).hexdigest(),
        )


def examined_batch(batch: Sequence[Work], request: Request) -> tuple[Examined, ...]:
    """Return the rows of several inputs, one after the other; this is what executors run."""
    return tuple(examined(work, request) for work in batch)


def examined(work: Work, request: Request) -> Examined:
    """Return all rows of an input. Whatever is wrong with it is a row with the error: this raises nothing that it can help."""
    rows = _Rows(work, request)
    try:
        with limited(request.seconds):
            rows.fill()
    except TooLong:
        rows.fail("time-limit", f"took more than the {request.seconds:g} seconds that an image may take")
    except MemoryError:
        rows.fail("memory-limit", "takes more memory than a worker may have")
    except UsageError as error:
        rows.fail("usage", error.message)
    except OSError as error:
        rows.fail("bad-image", f"cannot be read: {error.strerror or error}")
    except Exception as error:  # a defect of our own must not end the run
        rows.fail("defect", f"defect of crplan: {reason(error)}")
    return rows.examined()


def failed(work: Work, code: str, message: str) -> Examined:
    """Return the one row of an input that no worker came back from."""
    row = ImageRow(
        uri=work.uri,
        input=work.uri,
        etag=work.etag,
        bytes=work.size,
        modified=work.modified,
        crplan_version=__version__,
        exit_code=1,
        error_code=code,
        error=message,
    )
    return Examined(work.uri, (row,))


class _Rows:
    """The rows of one input while they come together."""

    def __init__(self, work: Work, request: Request) -> None:
        self.work = work
        self.request = request
        self.meter = Meter()
        self.meter.size, self.meter.etag, self.meter.modified = work.size, work.etag, work.modified
        self.images: list[ImageRow] = []
        self.verdicts: list[VerdictRow] = []
        self.findings: list[FindingRow] = []
        self.begun = time.perf_counter()

    def fill(self) -> None:
        """Read, plan and judge every image of the input."""
        registry = registry_of(self.request.third_party)
        hosts = hosts_of(self.request.hosts)
        self.begun = time.perf_counter()  # what a worker does once is no cost of its first image
        kept = _Kept(self.work, self.request.logs, self.meter)
        for group in grouped([self.work.uri], kept.source, registry, detail="all").groups:
            self._image(group, registry, hosts, kept)

    def _image(self, group: Group, registry: Registry, hosts: Mapping[str, Host], kept: "_Kept") -> None:
        history: list[AnyEvent] = []
        artefact: Artefact | None = None
        problem: Problem | None = None
        try:
            history.extend(group.events(registry))
            artefact = resolve(history).artefact()
        except EXPECTED as error:
            if isinstance(error.__cause__, MemoryError):
                raise MemoryError from None
            problem = problem_of(error, history)
        options = None if self.request.criu_options is None else parse(self.request.criu_options)
        report = judge(registry, group.name, artefact, Judged(options=options), Settings(), hosts, problem)
        row = self._row(group.name, report.exit_code)
        self._add(described(row, history, artefact), problem)
        self.verdicts += _verdicts(group.name, report)
        self.findings += _findings(group.name, report)
        if artefact is not None:
            kept.write(group, history)

    def fail(self, code: str, message: str) -> None:
        """Add the row of what ended the reading; the rows of images that were done before stay."""
        self._add(self._row(self.work.uri, 1), Problem(exit_code=1, code=code, message=message))

    def _add(self, row: ImageRow, problem: Problem | None) -> None:
        now = time.perf_counter()
        if problem is not None:
            row = msgspec.structs.replace(
                row, error_code=problem.code, error=problem.message, error_at="" if problem.at is None else str(problem.at)
            )
        self.images.append(msgspec.structs.replace(row, seconds=round(now - self.begun, 6), crplan_version=__version__))
        self.begun = now

    def _row(self, uri: str, exit_code: int) -> ImageRow:
        meter = self.meter
        return ImageRow(uri=uri, input=self.work.uri, etag=meter.etag, modified=meter.modified, exit_code=exit_code)

    def examined(self) -> Examined:
        """Return the rows; what was read of the input stands in the first of them."""
        meter = self.meter
        first = msgspec.structs.replace(
            self.images[0], bytes=meter.size, bytes_read=max(meter.bytes, meter.head), sha256=meter.sha256()
        )
        return Examined(self.work.uri, (first, *self.images[1:]), tuple(self.verdicts), tuple(self.findings))


def _verdicts(uri: str, report: ImageReport) -> Iterator[VerdictRow]:
    for verdict in report.verdicts:
        yield VerdictRow(
            uri=uri,
            host=verdict.host,
            consumer=verdict.consumer,
            verdict=verdict.verdict,
            codes=tuple(dict.fromkeys(verdict.codes)),
        )


def _findings(uri: str, report: ImageReport) -> Iterator[FindingRow]:
    for found in report.findings:
        for host in found.hosts or ("",):
            for consumer in found.consumers or ("",):
                yield FindingRow(
                    uri=uri,
                    host=host,
                    consumer=consumer,
                    code=found.code,
                    severity=found.severity,
                    pids=found.pids or ((found.pid,) if found.pid else ()),
                    property=found.property,
                    recorded=found.recorded,
                    target=found.target,
                    place="" if found.at is None else str(found.at),
                )


class _Kept:
    """The event logs that earlier scans have kept: an image whose log is there is read from that."""

    def __init__(self, work: Work, place: str, meter: Meter) -> None:
        self._place = place
        self._open = opened(work, meter)
        self._meter = meter
        self._work = work
        self._from_log = False

    def source(self, path: str) -> Source:
        """Return the log that was kept of an input of this version, or else the input itself."""
        file = self._file(self._work.uri) if self._place else ""
        if not file or not os.path.exists(file):
            return self._open(path)
        self._from_log = True
        if not is_remote(self._work.uri):  # of what is remote the listing has said it
            weighed(self._work, self._meter)
        source = from_path(file)
        self._meter.bytes += source.size or 0
        return source

    def _file(self, uri: str) -> str:
        """Return where the log of an image is kept, "" where it is not: it cannot stand beside what is remote."""
        version = version_of(self._work)
        if not version or (self._place == BESIDE and (is_remote(uri) or os.path.isdir(uri))):
            return ""
        if self._place == BESIDE:
            return f"{uri}.{name_of(version)[:12]}{LOG_ENDING}"
        return os.path.join(self._place, f"{name_of(f'{uri} {version}')}{LOG_ENDING}")

    def write(self, group: Group, history: Sequence[AnyEvent]) -> None:
        """Keep the log of an input that is one image; a place that cannot be written to is no fault of the image."""
        if not self._place or self._from_log or group.name != self._work.uri:
            return
        file = self._file(group.name)
        if not file:
            return
        with contextlib.suppress(OSError):
            if self._place != BESIDE:
                os.makedirs(self._place, exist_ok=True)
            with NamedTemporaryFile(dir=os.path.dirname(file) or os.curdir, prefix=".crplan-", delete=False) as stream:
                log.write(history, stream)
            os.replace(stream.name, file)
