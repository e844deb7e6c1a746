"""SQL over the tables: by duckdb where that is installed, else by the sqlite of the standard library.

Both have the views `images`, `verdicts`, `findings`, `hosts` and `verdict_codes`, which has one row for each code of a verdict.
The queries of the reports use what both understand.
"""

import os
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from planner.errors import UsageError
from planner.fleet.dataset import Dataset
from planner.fleet.rows import TABLES, columns

Cell = str | int | float | bool | None

MOST_ROWS: Final = 100_000
"""Rows that a query may return: a report is to be read."""


class Answer(msgspec.Struct, frozen=True):
    """What a query returned: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Connection(Protocol):
    """A database with the tables."""

    def ask(self, query: str, values: Sequence[Cell] = ()) -> Answer:
        """Return what a query returns; raises `UsageError` for one that cannot be run."""


def connected(dataset: Dataset) -> Connection:
    """Return a database with the tables of a dataset; raises OSError for a table that cannot be read."""
    return _Duck(dataset) if dataset.form == "parquet" else _Lite(dataset)


class _Duck:
    def __init__(self, dataset: Dataset) -> None:
        import duckdb

        self._failures = duckdb.Error
        self._connection = duckdb.connect()
        for table, record in TABLES.items():
            files = [os.path.abspath(file) for file in dataset.files(table)]
            if files:
                listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                self._connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{listed}])")
            else:
                self._connection.execute(f"CREATE TABLE {table} ({_definitions(record)})")
        self._connection.execute(
            "CREATE VIEW verdict_codes AS SELECT uri, host, consumer, verdict, unnest(codes) AS code FROM verdicts"
        )

    def ask(self, query: str, values: Sequence[Cell] = ()) -> Answer:
        """Return what a query returns."""
        try:
            found = self._connection.execute(query, list(values))
            rows = found.fetchmany(MOST_ROWS + 1) if found.description else []
        except self._failures as error:
            raise UsageError(f"the query cannot be run: {' '.join(str(error).split())}") from None
        return _answer([column[0] for column in found.description or ()], rows)


class _Lite:
    def __init__(self, dataset: Dataset) -> None:
        self._connection = sqlite3.connect(":memory:")
        for table, record in TABLES.items():
            names = list(columns(record))
            self._connection.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"
            for file in dataset.files(table):
                with open(file, "rb") as stream:
                    decode = msgspec.json.Decoder(record).decode
                    self._connection.executemany(insert, (_flat(decode(line)) for line in stream))
        self._connection.execute(
            "CREATE VIEW verdict_codes AS SELECT uri, host, consumer, verdict, each.value AS code"
            " FROM verdicts, json_each(verdicts.codes) AS each"
        )

    def ask(self, query: str, values: Sequence[Cell] = ()) -> Answer:
        """Return what a query returns."""
        try:
            found = self._connection.execute(query, list(values))
            rows = found.fetchmany(MOST_ROWS + 1)
        except sqlite3.Error as error:
            raise UsageError(f"the query cannot be run: {error}") from None
        return _answer([column[0] for column in found.description or ()], rows)


def _definitions(record: type[msgspec.Struct]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns(record).items())


def _flat(row: msgspec.Struct) -> tuple[Cell, ...]:
    """Return a row as sqlite takes it: lists are JSON."""
    values = (getattr(row, name) for name in row.__struct_fields__)
    return tuple(msgspec.json.encode(value).decode() if isinstance(value, tuple) else value for value in values)


def _answer(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Answer:
    if len(rows) > MOST_ROWS:
        raise UsageError(f"the query returns more than {MOST_ROWS} rows; add a LIMIT, or read the tables with another program")
    return Answer(tuple(names), tuple(tuple(map(_cell, row)) for row in rows))


def _cell(value: Any) -> Cell:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
