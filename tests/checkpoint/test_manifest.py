"""The manifest: what is written is read again, what is none is refused in one line, and the schema is the published one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from planner.checkpoint import manifest as manifests
from planner.checkpoint.manifest import Manifest, PartRecord
from planner.errors import BadImage
from tests.helpers.schemas import meaning

SCHEMA = Path(manifests.__file__).with_name("manifest.schema.json")
DIGEST = "0" * 64
OUTER = PartRecord(name="part0", root=(1,), level=0, tasks=2, digest=DIGEST, size=1)
INNER = PartRecord(name="part1", root=(3, 1), level=1, tasks=2, digest=DIGEST, size=1, parent=2, enclosing="part0")


def manifest(*parts: PartRecord, log: bytes = b"") -> Manifest:
    return Manifest(
        crplan="0.1.0",
        criu="4.2",
        kernel="6.18",
        architecture="x86_64",
        log_digest=hashlib.sha256(log).hexdigest(),
        frozen_milliseconds=200,
        parts=parts or (OUTER, INNER),
    )


def test_what_is_written_is_read_again_and_keeps_to_the_published_schema() -> None:
    """A change of the schema needs a new format_version: then write the file anew with `planner.checkpoint.manifest.schema`."""
    data = manifests.encode(manifest())
    assert manifests.decode(data) == manifest()
    assert meaning(SCHEMA.read_bytes()) == meaning(manifests.schema())
    jsonschema.validate(json.loads(data), json.loads(SCHEMA.read_bytes()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "crplan-plan"}, "expected 'crplan-checkpoint'"),
        ({"format_version": 2}, "this crplan reads version 1"),
        ({"parts": []}, "names no part for the root"),
        ({"log": "../../etc/passwd"}, "names the event log"),
        ({"parts": "many"}, "is no manifest"),
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, Any], words: str) -> None:
    document = json.loads(manifests.encode(manifest())) | change
    with pytest.raises(BadImage, match=words):
        manifests.decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "../part1", "expected 'part1'"),
        ("enclosing", "part9", "no part before it"),
        ("level", 3, "expected 4"),
    ],
)
def test_parts_that_lead_elsewhere_are_refused(field: str, value: object, words: str) -> None:
    document = json.loads(manifests.encode(manifest()))
    document["parts"][1][field] = value
    with pytest.raises(BadImage, match=words):
        manifests.decode(json.dumps(document).encode())


def test_a_log_that_was_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / manifests.FILE).write_bytes(manifests.encode(manifest(log=b"one")))
    (tmp_path / manifests.LOG).write_bytes(b"two")
    with pytest.raises(BadImage, match="its digest differs"):
        manifests.read(str(tmp_path))
    (tmp_path / manifests.LOG).write_bytes(b"one")
    assert manifests.read(str(tmp_path))[1] == b"one"


def test_the_digest_of_a_part_is_of_the_names_sizes_and_contents(tmp_path: Path) -> None:
    (tmp_path / "b.img").write_bytes(b"12")
    (tmp_path / "a.img").write_bytes(b"")
    lines = "".join(
        f"{name} {len(data)} {hashlib.sha256(data).hexdigest()}\n" for name, data in (("a.img", b""), ("b.img", b"12"))
    )
    assert manifests.digest_of(str(tmp_path)) == (hashlib.sha256(lines.encode()).hexdigest(), 2)
    (tmp_path / "c.img").symlink_to("a.img")
    with pytest.raises(BadImage, match="cannot be read"):
        manifests.digest_of(str(tmp_path))
