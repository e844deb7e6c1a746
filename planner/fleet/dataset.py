"""The tables on disk: parts that are there whole or not at all.

    DIR/fleet.json              what the tables are, and for which hosts
    DIR/hosts.parquet
    DIR/parts/000001/images.parquet, verdicts.parquet, findings.parquet

A part holds all rows of some inputs. It is written under another name and renamed as a whole, so a crash leaves nothing of it,
and an input is done when a part has it. An input that has changed is taken out of its part before another has it anew. Where
duckdb is not installed the tables are JSON Lines with the same columns.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final, Literal

import msgspec

from planner import __version__
from planner.errors import UsageError
from planner.fleet.rows import FORMAT_VERSION, KIND, PARTED, TABLES, HostRow, columns
from planner.fleet.work import Examined
from planner.text import escaped, json_document

Form = Literal["parquet", "jsonl"]

DESCRIPTION: Final = "fleet.json"
PARTS: Final = "parts"
UNFINISHED: Final = ".unfinished-"
REPLACED: Final = ".replaced-"

LONGEST_ROW: Final = 64 << 20
"""Bytes of a row as JSON: names are those of hostile images, and readers bound them far below."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is: the version of its tables, how they are written, and the hosts that the images were checked against."""

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    crplan_version: str = __version__
    form: Form
    hosts: tuple[HostRow, ...] = ()
    logs: str = ""


class Dataset:
    """A directory with tables; `create`, `resumed` and `there` are the ways to one."""

    def __init__(self, directory: str, description: Description) -> None:
        self.directory = directory
        self.description = description
        self._lock: Any = None

    @property
    def form(self) -> Form:
        """How the tables are written."""
        return self.description.form

    def files(self, table: str) -> list[str]:
        """Return the files of a table, in the order in which they were written."""
        if table not in PARTED:
            return [os.path.join(self.directory, f"{table}.{self.form}")]
        return [os.path.join(part, f"{table}.{self.form}") for part in self.parts()]

    def parts(self) -> list[str]:
        """Return the directories of the parts that are whole."""
        top = os.path.join(self.directory, PARTS)
        return [os.path.join(top, name) for name in sorted(os.listdir(top)) if not name.startswith(".")]

    def done(self) -> Iterator[tuple[str, str]]:
        """Yield the inputs that the parts hold, with the version of each."""
        files = self.files("images")
        if self.form == "jsonl":
            for file in files:
                yield from ((row.input, row.etag) for row in _lines(file))
        elif files:
            import duckdb

            rows = duckdb.connect().execute("SELECT DISTINCT input, etag FROM read_parquet(?)", [files])
            while found := rows.fetchmany(10_000):
                yield from found

    def drop(self, inputs: set[str]) -> None:
        """Take the rows of inputs out of the parts that have them; raises OSError.

        The inputs are not done from then on, so that nothing is counted twice whatever happens until they are written again.
        """
        for part in self.parts() if inputs else ():
            uris = self._uris(part, inputs)
            if not uris:
                continue
            top, name = os.path.split(part)
            place, old = os.path.join(top, f"{UNFINISHED}{name}"), os.path.join(top, f"{REPLACED}{name}")
            shutil.rmtree(place, ignore_errors=True)
            os.mkdir(place)
            for table in PARTED:
                _without(os.path.join(part, f"{table}.{self.form}"), os.path.join(place, f"{table}.{self.form}"), uris)
            os.rename(part, old)
            os.rename(place, part)
            shutil.rmtree(old)

    def _uris(self, part: str, inputs: set[str]) -> list[str]:
        """Return the images of inputs in a part."""
        file = os.path.join(part, f"images.{self.form}")
        if self.form == "jsonl":
            return [row.uri for row in _lines(file) if row.input in inputs]
        import duckdb

        query = "SELECT uri FROM read_parquet(?) WHERE input IN (SELECT unnest(?::VARCHAR[]))"
        return [uri for (uri,) in duckdb.connect().execute(query, [file, sorted(inputs)]).fetchall()]

    def write(self, examined: Sequence[Examined]) -> None:
        """Write the rows of some inputs as one part; raises OSError."""
        top = os.path.join(self.directory, PARTS)
        number = int(os.path.basename(parts[-1])) + 1 if (parts := self.parts()) else 1
        place = os.path.join(top, f"{UNFINISHED}{number:06}")
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place)
        for table in PARTED:
            rows = [row for one in examined for row in getattr(one, table)]
            _write(os.path.join(place, table), rows, TABLES[table], self.form)
        os.rename(place, os.path.join(top, f"{number:06}"))

    def lock(self) -> None:
        """Keep other scans from this directory as long as this process runs; raises `UsageError` where another has it."""
        try:
            import fcntl
        except ImportError:
            return
        self._lock = open(os.path.join(self.directory, DESCRIPTION), "rb")  # noqa: SIM115 - held to the end of the process
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another scan writes to {escaped(self.directory)}") from None


class _Input(msgspec.Struct):
    uri: str
    input: str
    etag: str = ""


class _Uri(msgspec.Struct):
    uri: str


def _lines(file: str) -> Iterator[_Input]:
    decode = msgspec.json.Decoder(_Input).decode
    with open(file, "rb") as stream:
        for line in stream:
            yield decode(line)


def _without(file: str, place: str, uris: list[str]) -> None:
    """Write a table without the rows of some images."""
    if file.endswith(".jsonl"):
        left_out, decode = set(uris), msgspec.json.Decoder(_Uri).decode
        with open(file, "rb") as stream, open(place, "wb") as kept:
            kept.writelines(line for line in stream if decode(line).uri not in left_out)
            kept.flush()
            os.fsync(kept.fileno())
        return
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE left_out AS SELECT unnest(?::VARCHAR[]) AS uri", [uris])
        connection.execute(
            f"COPY (SELECT * FROM read_parquet({_quoted(file)}) WHERE uri NOT IN (SELECT uri FROM left_out))"
            f" TO {_quoted(place)} (FORMAT parquet, COMPRESSION zstd)"
        )


def created(directory: str, hosts: Sequence[HostRow], logs: str = "") -> Dataset:
    """Return a new dataset in a directory that is empty or made; raises `UsageError` for any other, and OSError."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise UsageError(f"{escaped(directory)} is no directory")
    if os.path.isdir(directory) and os.listdir(directory):
        there = os.path.exists(os.path.join(directory, DESCRIPTION))
        what = "holds the tables of a scan; give --resume to go on with it, or another" if there else "is not empty; give another"
        raise UsageError(f"{escaped(directory)} {what} directory")
    form: Form = "parquet" if find_spec("duckdb") else "jsonl"
    os.makedirs(os.path.join(directory, PARTS), exist_ok=True)
    description = Description(form=form, hosts=tuple(hosts), logs=logs)
    _write(os.path.join(directory, "hosts"), list(hosts), HostRow, form)
    temporary = os.path.join(directory, f".{DESCRIPTION}")
    with open(temporary, "wb") as stream:
        stream.write(json_document(description))
    os.replace(temporary, os.path.join(directory, DESCRIPTION))
    found = Dataset(directory, description)
    found.lock()
    return found


def resumed(directory: str, hosts: Sequence[HostRow]) -> Dataset:
    """Return the dataset of an earlier scan, to go on with; raises `UsageError` where it was for other hosts, or is none."""
    found = there(directory)
    if found.description.hosts != tuple(hosts):
        raise UsageError(f"{escaped(directory)} was scanned for other hosts; give the same --host files, or another directory")
    found.lock()
    _tidied(os.path.join(directory, PARTS))
    return found


def _tidied(top: str) -> None:
    """Remove what a scan that was ended has left of a part, and put back one that was about to be replaced."""
    for name in os.listdir(top):
        place = os.path.join(top, name)
        if name.startswith(REPLACED) and not os.path.lexists(part := os.path.join(top, name.removeprefix(REPLACED))):
            os.rename(place, part)
        elif name.startswith((UNFINISHED, REPLACED)):
            shutil.rmtree(place)


def there(directory: str) -> Dataset:
    """Return the dataset of a scan; raises `UsageError` where there is none that this crplan reads."""
    try:
        with open(os.path.join(directory, DESCRIPTION), "rb") as stream:
            description = msgspec.json.decode(stream.read(), type=Description)
    except OSError as error:
        raise UsageError(f"{escaped(directory)} holds no tables of `crplan fleet`: {DESCRIPTION}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"{DESCRIPTION} in {escaped(directory)} is none of `crplan fleet`: {error}") from None
    if description.kind != KIND or description.format_version != FORMAT_VERSION:
        found = f"{description.kind} of version {description.format_version}"
        raise UsageError(f"{escaped(directory)} holds {escaped(found)}; this crplan reads {KIND} of version {FORMAT_VERSION}")
    if description.form == "parquet" and not find_spec("duckdb"):
        raise UsageError(f"the tables in {escaped(directory)} are Parquet; install what reads them: pip install 'crplan[fleet]'")
    return Dataset(directory, description)


def _write(name: str, rows: Sequence[Any], record: type[msgspec.Struct], form: Form) -> None:
    """Write a table to `name` with the ending of its form, through to the disk."""
    file = f"{name}.jsonl"
    with open(file, "wb") as stream:
        stream.write(msgspec.json.Encoder().encode_lines(rows))
        stream.flush()
        os.fsync(stream.fileno())
    if form == "parquet":
        import duckdb

        names = columns(record)
        types = ", ".join(f"'{column}': '{kind}'" for column, kind in names.items())
        lines = f"{_quoted(file)}, format = 'newline_delimited', columns = {{{types}}}, maximum_object_size = {LONGEST_ROW}"
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (FROM read_json({lines})) TO {_quoted(f'{name}.parquet')} (FORMAT parquet, COMPRESSION zstd)"
            )
        os.unlink(file)


def _quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
