"""The report on a scan: every section from tables that hold what it asks for, in every form, whatever the names are."""

import json
import re
from pathlib import Path

import pytest

from planner.errors import UsageError
from planner.fleet import dataset
from planner.fleet.dataset import Dataset, created
from planner.fleet.rendering import FORMATS
from planner.fleet.report import CONDITIONS, QUESTIONS, FleetReport, Section, report
from planner.fleet.rows import FindingRow, HostRow, ImageRow, VerdictRow
from planner.fleet.work import Examined
from tests.helpers.browser import MISSING, browser

HOSTS = [HostRow(host="old"), HostRow(host="new")]
ODD = "s3://b/<script>alert(1)</script>|`*\x1b[31m\u202e'\".tar"


def image(uri: str, **given: object) -> ImageRow:
    fields = {"input": uri, "image_id": "i1", "plan_id": "p1", "content_id": uri, "bytes": 100, "bytes_read": 10, "seconds": 0.5}
    return ImageRow(uri=uri, **fields | given)  # type: ignore[arg-type]


def verdict(uri: str, host: str, outcome: str, *codes: str) -> VerdictRow:
    return VerdictRow(uri=uri, host=host, consumer="criu-restore", verdict=outcome, codes=codes)


EXAMINED = [
    Examined(
        "a.tar",
        (image("a.tar", captured="2026-02-03T12:00:00Z", workload="default/shop/web", content_id="same"),),
        (verdict("a.tar", "old", "refused", "criu-option-missing"), verdict("a.tar", "new", "ok")),
    ),
    Examined(
        "b.tar",
        (image("b.tar", captured="2026-02-01T12:00:00Z", workload="default/shop/web", plan_id="p2", content_id="same"),),
        (verdict("b.tar", "old", "refused", "criu-option-missing"), verdict("b.tar", "new", "hangs", "init-trap")),
        (FindingRow(uri="b.tar", host="", consumer="", code="zombie-lost", severity="warning", pids=(7, 2)),),
    ),
    Examined(
        ODD, (image(ODD, error_code="bad-image", error="is <b>damaged</b>", exit_code=1, image_id="", plan_id="", seconds=9.0),)
    ),
]


@pytest.fixture(params=["parquet", "jsonl"])
def tables(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setattr(dataset, "find_spec", lambda name: request.param == "parquet" or None)
    found = created(str(tmp_path / "tables"), HOSTS)
    found.write(EXAMINED[:1])
    found.write(EXAMINED[1:])
    return found


def sections(found: FleetReport) -> dict[str, Section]:
    return {section.name: section for section in found.sections}


def test_every_section_says_what_the_tables_hold(tables: Dataset) -> None:
    found = report(tables)
    assert (found.totals["images"], found.totals["planned"], found.totals["cannot_be_read"]) == (3, 2, 1)
    rows = {name: section.rows for name, section in sections(found).items()}
    assert rows["verdicts"] == (
        ("new", "criu-restore", "hangs", 1),
        ("new", "criu-restore", "ok", 1),
        ("old", "criu-restore", "refused", 2),
    )
    assert rows["codes"][0] == ("criu-option-missing", "old", "criu-restore", "refused", 2, "a.tar")
    assert [row[0] for row in rows["nowhere"]] == ["b.tar"]
    assert rows["duplicates"] == (("same", 2, 200, "a.tar", "b.tar"),)
    assert [row[:3] for row in rows["drift"]] == [("i1", 2, 2)]
    assert set(rows["first_days"]) == {
        ("default/shop/web", "criu-option-missing", "2026-02-01", "2026-02-03", 2),
        ("default/shop/web", "init-trap", "2026-02-01", "2026-02-01", 1),
        ("default/shop/web", "zombie-lost", "2026-02-01", "2026-02-01", 1),
    }
    assert rows["slowest"][0][:2] == (ODD, 9.0)
    assert len(rows["largest"]) == 3
    assert rows["unreadable"] == ((ODD, "bad-image", "", "is <b>damaged</b>"),)
    assert rows["days"] == (("2026-02-03", 1, 0), ("2026-02-01", 1, 0))


def test_tables_without_a_part_have_a_report(tmp_path: Path) -> None:
    found = report(created(str(tmp_path / "tables"), []))
    assert found.totals["images"] == 0
    assert all(not section.rows and section.nothing for section in found.sections)
    assert all(render(found) for render in FORMATS.values())


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_report_fails_on_what_it_is_asked_for(tables: Dataset, condition: str) -> None:
    found = report(tables, fail_on=(condition,))
    expected = condition not in ("wrong", "unknown")
    assert (found.exit_code, found.failed) == ((3, (condition,)) if expected else (0, ()))


def test_a_query_is_answered_and_a_bad_one_refused(tables: Dataset) -> None:
    found = report(tables, "SELECT host, count(*) AS verdicts FROM verdicts GROUP BY host ORDER BY host")
    assert [(section.columns, section.rows) for section in found.sections] == [(("host", "verdicts"), (("new", 2), ("old", 2)))]
    with pytest.raises(UsageError, match="cannot be run"):
        report(tables, "SELECT nothing FROM nowhere")


def test_no_name_gets_out_of_a_form(tables: Dataset) -> None:
    found = report(tables)
    written = {name: render(found).decode() for name, render in FORMATS.items()}
    for name, output in written.items():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", output), name
    assert "<script>alert" not in written["html"]
    assert "<b>" not in written["html"]
    assert "<script>" not in written["markdown"]
    columns = {line.count("|") for line in written["markdown"].splitlines() if "alert" in line and "bad-image" in line}
    assert columns == {5}
    document = json.loads(written["json"])
    assert (document["kind"], document["format_version"], len(document["sections"])) == ("crplan-fleet-report", 1, len(QUESTIONS))
    assert any(ODD in row for section in document["sections"] for row in section["rows"])


def test_the_page_fetches_nothing(tables: Dataset) -> None:
    page = FORMATS["html"](report(tables)).decode()
    assert re.search(r"content=\"default-src 'none'; style-src 'sha256-[\w+/=]+'; script-src 'sha256-[\w+/=]+'; ", page)
    assert not re.search(r"\b(?:src|href|url|style|onclick)\s*[=(]", page.partition("<body>")[2].partition("<script>")[0])
    assert page.count("<svg") == 2


def test_the_same_tables_give_the_same_bytes(tables: Dataset) -> None:
    for render in FORMATS.values():
        assert render(report(tables)) == render(report(tables))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_column_is_sorted_by_a_click(tables: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(FORMATS["html"](report(tables)))
    with browser() as shown:
        shown.open(file)
        cells = "return [...document.querySelectorAll('#slowest tbody tr')].map(row => row.cells[1].textContent)"
        button = "document.querySelectorAll('#slowest th button')[1].click()"
        assert shown.run(cells) == ["9.0", "0.5", "0.5"]
        shown.run(button)
        shown.run(button)
        assert shown.run(cells) == ["0.5", "0.5", "9.0"]
