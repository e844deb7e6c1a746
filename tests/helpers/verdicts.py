"""What is foretold of an image, without the command line."""

from planner.checks.judging import Request, judge
from planner.checks.report import Settings
from planner.events.records import AnyEvent
from planner.findings.report import ImageReport
from planner.findings.verdicts import ConsumerName, Verdict
from planner.host.facts import Host
from planner.pipeline import reading
from planner.pipeline import resolve as pipeline


def report_of(
    history: list[AnyEvent],
    consumer: ConsumerName = "criu-restore",
    options: tuple[str, ...] | None = (),
    host: Host | None = None,
    *,
    complete: bool = False,
) -> ImageReport:
    """Return the entry of an image in the report, first the consumer that was asked for."""
    artefact = pipeline.resolve(history).artefact()
    request = Request(wanted=consumer, options=options, complete=complete)
    hosts = {} if host is None else {"host.json": host}
    return judge(reading.default_registry(), "images", artefact, request, Settings(), hosts)


def verdict_of(
    history: list[AnyEvent],
    consumer: ConsumerName = "criu-restore",
    options: tuple[str, ...] | None = (),
    host: Host | None = None,
) -> Verdict:
    """Return the verdict of one consumer."""
    return report_of(history, consumer, options, host).verdicts[0]
