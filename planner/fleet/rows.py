"""The rows of the tables: what is kept of each image, verdict, finding and host.

The records are the schema. Every text is as the image has it: who shows it escapes it. Within a version columns are only added.
"""

from typing import Any, Final, get_args, get_origin

import msgspec

from planner.schemas import published

KIND: Final = "crplan-fleet"
FORMAT_VERSION: Final = 1
"""Version of the tables."""


class ImageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, or several that are planned together; a bad one has an `error` and whatever was known before.

    `uri` names the image and `input` the file, object or directory that it was found in; several images of one input have one
    `input`, and only the first of them has its `bytes`, `bytes_read` and `sha256`. That is a digest of the files that were taken
    from an archive or a directory, in the order of their names, each with its name. Times are UTC, as ISO 8601 has them. A number
    that is not known is null, a text empty.
    `cpu` is the extended state of the processor that any thread had in use, by the processor's names.
    `workload` is the same for all checkpoints of one container of a deployment: pod namespace, pod without its hash, container.
    """

    uri: str
    input: str
    etag: str = ""
    sha256: str = ""
    bytes: int | None = None
    modified: str = ""
    format: str = ""
    generation: str = ""
    engine: str = ""
    pod_namespace: str = ""
    pod: str = ""
    container: str = ""
    workload: str = ""
    image_reference: str = ""
    captured: str = ""
    architecture: str = ""
    kernel: str = ""
    criu_version: str = ""
    tasks: int | None = None
    threads: int | None = None
    zombies: int | None = None
    namespaces: int | None = None
    depth: int | None = None
    helpers: int | None = None
    waits: int | None = None
    steps: int | None = None
    image_id: str = ""
    content_id: str = ""
    plan_id: str = ""
    cpu: str = ""
    crplan_version: str = ""
    exit_code: int = 0
    error_code: str = ""
    error_at: str = ""
    error: str = ""
    seconds: float = 0.0
    bytes_read: int | None = None


class VerdictRow(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of one image, one consumer and one host; `host` is empty where the image alone was judged."""

    uri: str
    host: str
    consumer: str
    verdict: str
    codes: tuple[str, ...] = ()


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A finding about one image; `host` and `consumer` are empty where it depends on none.

    `pids` is the pid in each namespace, outermost first, empty for the whole image. `place` is where in the image it stands.
    """

    uri: str
    host: str
    consumer: str
    code: str
    severity: str
    pids: tuple[int, ...] = ()
    property: str = ""
    recorded: str = ""
    target: str = ""
    place: str = ""


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """A machine whose facts the images were checked against; `sha256` is that of its host file."""

    host: str
    kernel: str = ""
    machine: str = ""
    root: bool | None = None
    criu: str = ""
    sha256: str = ""


Row = ImageRow | VerdictRow | FindingRow | HostRow

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "images": ImageRow,
    "verdicts": VerdictRow,
    "findings": FindingRow,
    "hosts": HostRow,
}
"""The record of each table."""

PARTED: Final = ("images", "verdicts", "findings")
"""Tables that grow with the images."""


class _Tables(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of every table of a dataset of `crplan fleet`; each line of a JSON Lines file is one row."""

    images: tuple[ImageRow, ...]
    verdicts: tuple[VerdictRow, ...]
    findings: tuple[FindingRow, ...]
    hosts: tuple[HostRow, ...]


def schema() -> bytes:
    """Return the JSON Schema of the rows, as it is published in `fleet.schema.json`."""
    return published(_Tables, f"crplan fleet, format version {FORMAT_VERSION}")


_SQL: Final[dict[Any, str]] = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


def columns(record: type[msgspec.Struct]) -> dict[str, str]:
    """Return the columns of a table with their types in SQL, in the order of the record's fields."""
    return {field.name: _sql(field.type) for field in msgspec.structs.fields(record)}


def _sql(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"{_SQL[get_args(kind)[0]]}[]"
    return _SQL[next((one for one in get_args(kind) if one is not type(None)), kind)]
