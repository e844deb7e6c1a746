"""The tables: parts that are there whole, in either form, and that are never counted twice."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from planner.errors import UsageError
from planner.fleet import dataset, rows
from planner.fleet.dataset import Dataset, created, resumed, there
from planner.fleet.examining import examined
from planner.fleet.rows import PARTED, TABLES, HostRow, columns, schema
from planner.fleet.work import Examined, Request, Work
from tests.helpers.places import EXAMPLES, ROOT
from tests.helpers.schemas import meaning

EXAMINED = [examined(Work(str(EXAMPLES / name)), Request()) for name in ("nested.ckpt", "kubernetes.tar", "contradictory.ckpt")]
PUBLISHED = ROOT / "planner" / "fleet" / "fleet.schema.json"


def new(directory: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setattr(dataset, "find_spec", lambda name: form == "parquet" or None)
    return created(str(directory), [HostRow(host="node", root=True)])


def content(found: Dataset, table: str) -> list[dict[str, Any]]:
    files = found.files(table)
    if found.form == "jsonl":
        return [json.loads(line) for file in files for line in Path(file).read_bytes().splitlines()]
    table_read = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [files])
    names = [column[0] for column in table_read.description]
    return [dict(zip(names, row, strict=True)) for row in table_read.fetchall()]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_what_was_written_is_read_again(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new(tmp_path / "tables", form, monkeypatch)
    found.write(EXAMINED[:1])
    found.write(EXAMINED[1:])
    assert len(found.parts()) == 2
    for table in PARTED:
        expected = [row for one in EXAMINED for row in getattr(one, table)]
        read = content(found, table)
        assert [list(row) for row in read] == [list(columns(TABLES[table]))] * len(expected)
        assert [tuple(map(plain, row.values())) for row in read] == [
            tuple(plain(getattr(row, name)) for name in row.__struct_fields__) for row in expected
        ]
    assert content(found, "hosts")[0]["host"] == "node"
    assert {name for name, _ in found.done()} == {one.input for one in EXAMINED}


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_part_that_was_not_finished_is_no_part(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new(tmp_path / "tables", form, monkeypatch)
    found.write(EXAMINED[:1])
    with monkeypatch.context() as crash:
        crash.setattr(dataset.os, "rename", lambda *_: pytest.fail("the machine has crashed"))
        with pytest.raises(pytest.fail.Exception):
            found.write(EXAMINED[1:])
    del found
    again = resumed(str(tmp_path / "tables"), [HostRow(host="node", root=True)])
    assert [name for name, _ in again.done()] == [EXAMINED[0].input]
    assert os.listdir(tmp_path / "tables" / "parts") == ["000001"]
    again.write(EXAMINED[1:])
    assert len(content(again, "images")) == 3


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_an_input_is_taken_out_with_all_its_rows(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new(tmp_path / "tables", form, monkeypatch)
    found.write(EXAMINED)
    gone, kept = EXAMINED[0], EXAMINED[1:]
    found.drop({gone.input, "one that is not there"})
    for table in PARTED:
        assert [row["uri"] for row in content(found, table)] == [row.uri for one in kept for row in getattr(one, table)]
    found.write([gone])
    assert len(content(found, "images")) == sum(len(one.images) for one in EXAMINED)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_crash_while_an_input_is_taken_out_counts_nothing_twice(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = new(tmp_path / "tables", form, monkeypatch)
    found.write(EXAMINED)
    rename = os.rename
    for allowed in (0, 1):
        left = iter(range(allowed))

        def crashing(old: str, new: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                pytest.fail("the machine has crashed")
            rename(old, new)

        with monkeypatch.context() as crash:
            crash.setattr(dataset.os, "rename", crashing)
            with pytest.raises(pytest.fail.Exception):
                found.drop({EXAMINED[0].input})
        del found
        found = resumed(str(tmp_path / "tables"), [HostRow(host="node", root=True)])
        assert len(content(found, "images")) == sum(len(one.images) for one in EXAMINED), allowed
        assert os.listdir(tmp_path / "tables" / "parts") == ["000001"]


def test_names_that_were_made_to_break_a_table_break_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "a'\";--\n\t\\u0000\u2028\U0001f600"
    row = rows.ImageRow(uri=odd, input=odd, error=odd)
    for form in ("parquet", "jsonl"):
        found = new(tmp_path / f"it's {form}", form, monkeypatch)
        found.write([Examined(odd, (row,))])
        assert content(found, "images")[0]["uri"] == odd
        assert list(found.done()) == [(odd, "")]


def test_a_directory_is_used_for_one_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new(tmp_path / "tables", "jsonl", monkeypatch)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for act, words in (
        (lambda: created(str(tmp_path / "tables"), []), "give --resume"),
        (lambda: created(str(tmp_path / "other"), []), "is not empty"),
        (lambda: created(str(tmp_path / "other" / "file"), []), "is no directory"),
        (lambda: resumed(str(tmp_path / "tables"), []), "other hosts"),
        (lambda: there(str(tmp_path / "other")), "holds no tables"),
    ):
        with pytest.raises(UsageError, match=words):
            act()


def test_two_scans_do_not_write_to_one_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new(tmp_path / "tables", "jsonl", monkeypatch)
    with pytest.raises(UsageError, match="another scan"):
        resumed(str(tmp_path / "tables"), [HostRow(host="node", root=True)])
    assert first.parts() == []


def test_tables_of_a_newer_version_are_refused_with_both_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new(tmp_path / "tables", "jsonl", monkeypatch)
    file = tmp_path / "tables" / "fleet.json"
    file.write_text(file.read_text().replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(UsageError, match=r"version 7.*version 1"):
        there(str(tmp_path / "tables"))


def test_the_schema_is_published_and_holds_the_rows() -> None:
    assert meaning(PUBLISHED.read_bytes()) == meaning(schema())
    tables = {
        table: [json.loads(rows.msgspec.json.encode(row)) for one in EXAMINED for row in getattr(one, table)] for table in PARTED
    }
    jsonschema.Draft202012Validator(json.loads(schema())).validate(tables | {"hosts": []})
