"""The report on a scan: what can be restored where, what cannot and why, and what stands out.

Each section is a question, one query, and its answer as a table. Nothing is shown that the tables do not hold.
"""

from typing import Final

import msgspec

from planner.errors import CANNOT_RESTART, UsageError
from planner.fleet.dataset import Dataset
from planner.fleet.querying import Answer, Cell, Connection, connected
from planner.text import escaped

KIND: Final = "crplan-fleet-report"
FORMAT_VERSION: Final = 1

MOST_LISTED: Final = 100
"""Rows of a section; how many there are in all is said, too."""

DAY: Final = "substr(CASE WHEN images.captured <> '' THEN images.captured ELSE images.modified END, 1, 10)"
"""The day on which a checkpoint was taken, or else its file was changed."""

NOWHERE: Final = (
    "SELECT uri, min(consumer) AS consumer, count(*) AS verdicts FROM verdicts GROUP BY uri"
    " HAVING sum(CASE WHEN verdict IN ('refused', 'hangs', 'wrong') THEN 0 ELSE 1 END) = 0"
)
UNREADABLE: Final = "SELECT uri, error_code, error_at, error FROM images WHERE error_code <> '' AND exit_code = 1"
DRIFT: Final = (
    "SELECT image_id, count(DISTINCT plan_id) AS plans, count(*) AS images, min(crplan_version) AS oldest_crplan,"
    " max(crplan_version) AS newest_crplan, min(uri) AS example FROM images WHERE plan_id <> ''"
    " GROUP BY image_id HAVING count(DISTINCT plan_id) > 1"
)


class Question(msgspec.Struct, frozen=True):
    """A section before it is answered: its name, its title, its query with its order, and what an empty answer means."""

    name: str
    title: str
    query: str
    order: str
    nothing: str


QUESTIONS: Final = (
    Question(
        "verdicts",
        "Verdicts by host",
        "SELECT host, consumer, verdict, count(*) AS images FROM verdicts GROUP BY host, consumer, verdict",
        "host, consumer, images DESC, verdict",
        "no image has a verdict",
    ),
    Question(
        "codes",
        "What decides the verdicts",
        "SELECT code, host, consumer, verdict, count(*) AS images, min(uri) AS example FROM verdict_codes"
        " GROUP BY code, host, consumer, verdict",
        "images DESC, code, host, consumer, verdict",
        "nothing speaks against any image",
    ),
    Question("nowhere", "Images that restore nowhere", NOWHERE, "uri", "every image with a verdict restores somewhere, or may"),
    Question(
        "duplicates",
        "Duplicates: images that record the same",
        "SELECT content_id, count(*) AS images, sum(bytes) AS bytes, min(uri) AS first, max(uri) AS last FROM images"
        " WHERE content_id <> '' GROUP BY content_id HAVING count(*) > 1",
        "images DESC, content_id",
        "no two images are the same",
    ),
    Question(
        "drift",
        "One process tree, several plans: the planner has changed between them",
        DRIFT,
        "images DESC, image_id",
        "equal process trees have equal plans",
    ),
    Question(
        "first_days",
        "The first day of a code, by workload",
        f"SELECT workload, code, min({DAY}) AS first_day, max({DAY}) AS last_day, count(DISTINCT images.uri) AS images"
        " FROM (SELECT uri, code FROM verdict_codes UNION SELECT uri, code FROM findings WHERE severity <> 'note') AS codes"
        " JOIN images ON images.uri = codes.uri WHERE workload <> '' GROUP BY workload, code",
        "first_day DESC, workload, code",
        "no workload has a code",
    ),
    Question(
        "slowest",
        "Slowest images",
        "SELECT uri, round(seconds, 3) AS seconds, tasks, bytes_read FROM images",
        "seconds DESC, uri LIMIT 20",
        "there is no image",
    ),
    Question(
        "largest",
        "Largest images",
        "SELECT uri, bytes, bytes_read, tasks FROM images WHERE bytes IS NOT NULL",
        "bytes DESC, uri LIMIT 20",
        "no size is known",
    ),
    Question("unreadable", "Images that cannot be read", UNREADABLE, "error_code, uri", "every image was read"),
    Question(
        "days",
        "Images by day",
        f"SELECT {DAY} AS day, count(*) AS images, sum(CASE WHEN error_code <> '' THEN 1 ELSE 0 END) AS with_errors FROM images"
        f" WHERE {DAY} <> '' GROUP BY {DAY}",
        "day DESC",
        "no day is known",
    ),
)

TOTALS: Final = (
    "SELECT count(*) AS images, count(DISTINCT input) AS inputs,"
    " sum(CASE WHEN error_code = '' THEN 1 ELSE 0 END) AS planned,"
    " sum(CASE WHEN error_code <> '' AND exit_code <> 1 THEN 1 ELSE 0 END) AS cannot_be_restarted,"
    " sum(CASE WHEN error_code <> '' AND exit_code = 1 THEN 1 ELSE 0 END) AS cannot_be_read,"
    " count(DISTINCT image_id) AS process_trees, sum(tasks) AS tasks, sum(bytes) AS bytes, sum(bytes_read) AS bytes_read,"
    " round(sum(seconds), 1) AS seconds FROM images"
)

CONDITIONS: Final = {
    "refused": "SELECT 1 FROM verdicts WHERE verdict = 'refused'",
    "wrong": "SELECT 1 FROM verdicts WHERE verdict = 'wrong'",
    "hangs": "SELECT 1 FROM verdicts WHERE verdict = 'hangs'",
    "unknown": "SELECT 1 FROM verdicts WHERE verdict = 'unknown'",
    "nowhere": NOWHERE,
    "unreadable": UNREADABLE,
    "drift": DRIFT,
}
"""What a report can fail on, with the query that finds it."""


class Section(msgspec.Struct, frozen=True):
    """A table of the report; `total` says how many rows there are in all, `nothing` what it means that there is none."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    nothing: str = ""


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report on a scan. `failed` are the conditions that were asked for and are met; then `exit_code` is 3."""

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    crplan_version: str
    hosts: tuple[str, ...]
    totals: dict[str, Cell]
    failed: tuple[str, ...] = ()
    exit_code: int = 0
    sections: tuple[Section, ...]


def report(dataset: Dataset, query: str = "", fail_on: tuple[str, ...] = ()) -> FleetReport:
    """Return the report on the tables; with a `query` its answer is the only section. Raises `UsageError` and OSError."""
    database = connected(dataset)
    totals = database.ask(TOTALS)
    if query:
        found = database.ask(query)
        sections = [Section("query", query, found.columns, found.rows, len(found.rows), "the query returns nothing")]
    else:
        sections = [_answered(database, question) for question in QUESTIONS]
    failed = tuple(name for name in fail_on if _holds(database, name))
    return FleetReport(
        crplan_version=dataset.description.crplan_version,
        hosts=tuple(host.host for host in dataset.description.hosts),
        totals=dict(zip(totals.columns, totals.rows[0], strict=True)),
        failed=failed,
        exit_code=CANNOT_RESTART if failed else 0,
        sections=tuple(sections),
    )


def _answered(database: Connection, question: Question) -> Section:
    limited = question.order if " LIMIT " in question.order else f"{question.order} LIMIT {MOST_LISTED}"
    found: Answer = database.ask(f"{question.query} ORDER BY {limited}")
    total = len(found.rows)
    if total == MOST_LISTED:
        total = int(database.ask(f"SELECT count(*) FROM ({question.query}) AS asked").rows[0][0] or 0)
    return Section(question.name, question.title, found.columns, found.rows, total, question.nothing)


def _holds(database: Connection, name: str) -> bool:
    if name not in CONDITIONS:
        raise UsageError(f"there is no condition {escaped(name)}; there is: {', '.join(CONDITIONS)}")
    return bool(database.ask(f"SELECT count(*) FROM ({CONDITIONS[name]}) AS asked").rows[0][0])
