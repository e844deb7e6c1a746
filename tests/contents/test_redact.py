"""A redacted log has the tree and the structure of what is held, and no name, path or address of its owner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import planner
from planner.cli.main import main
from planner.contents.redact import KEPT_FACTS, KEPT_FIELDS, redacted
from planner.events import log
from planner.events.contents import CommandRecorded, FileRecorded
from planner.events.log import Log
from planner.events.records import AnyEvent, ImageOpened
from planner.forest.fold import fold
from planner.identity import ProcessId
from tests.fuzz import texts
from tests.helpers import criu_dumps
from tests.helpers.amounts import first
from tests.helpers.places import DATA

OWN = ("server", "task-10", "task-11", "gone", "abstract", "log")


def test_names_paths_and_addresses_are_replaced_each_by_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = criu_dumps.write(tmp_path / "img", criu_dumps.small())
    assert main(["log", str(image), "--detail", "all", "--redact"]) == 0
    log = capsys.readouterr().out
    assert not [word for word in OWN if f"/{word}" in log or f'"{word}' in log or f"@{word}" in log]
    assert "127.0.0.1" in log and "/usr/bin/word-" in log
    redacted = tmp_path / "redacted.jsonl"
    redacted.write_text(log)
    forest, known = fold(planner.read(redacted)), fold(planner.read(image))
    assert [task.parent for task in forest.tasks.values()] == [task.parent for task in known.tasks.values()]
    assert len({task.name for task in forest.tasks.values()}) == len({task.name for task in known.tasks.values()})


@pytest.mark.parametrize("name", ["nginx", "dash_pipeline", "vz_ctr_nested_pidns_clean"])
def test_a_redacted_log_is_planned_as_the_image_is(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = DATA / "criu" / name / "img"
    assert main(["log", str(image), "--redact"]) == 0
    redacted = tmp_path / "redacted.jsonl"
    redacted.write_text(capsys.readouterr().out)
    assert len(planner.plan(redacted).steps) == len(planner.plan(image).steps)


MARKER = "kestrel"
KINDS = tuple(kind for kind in get_args(AnyEvent) if kind.__name__ in texts.types())


def planted(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield a document once for each text in it, with the marker in its place; names in objects are texts, too."""
    if isinstance(value, str):
        for marked in (MARKER, f"/{MARKER}/file", f"a {MARKER}=x", f"{MARKER}.img", f"@{MARKER}"):
            yield path, marked
    elif isinstance(value, dict):
        for key, part in value.items():
            for where, changed in planted(part, (*path, key)):
                yield where, value | {key: changed}
            if path and key == "x":
                yield path, {MARKER: part}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            for where, changed in planted(part, (*path, at)):
                yield where, [*value[:at], changed, *value[at + 1 :]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_text_of_any_event_remains(kind: type) -> None:
    """A field that is added later is found here: it is replaced, or it is listed with a reason."""
    whole = texts.whole(kind)
    free = {field: value for field, value in whole.items() if field not in ("type", "seq")}
    looked_at = set()
    for path, changed in planted(free):
        try:
            event = msgspec.json.decode(msgspec.json.encode(whole | changed), type=AnyEvent)
        except msgspec.ValidationError:
            # One of a few words that the type lists.
            continue
        assert MARKER.encode() in b"".join(log.lines([event]))
        left = b"".join(log.lines(redacted([event])))
        field = next(part for part in reversed(path) if isinstance(part, str))
        assert MARKER.encode() not in left or field in KEPT_FIELDS, (path, left)
        looked_at.add(path[0])
    assert looked_at or not any(isinstance(value, (str, dict, list)) for value in free.values())


def test_each_kept_field_is_a_field_of_an_event_and_has_a_reason() -> None:
    """Fields of nested records count, too."""
    fields = {field for kind in KINDS for field in _names(texts.whole(kind))}
    assert {*KEPT_FIELDS} <= fields and all(KEPT_FIELDS.values()) and all(KEPT_FACTS.values())


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _names(part)
    elif isinstance(value, list):
        for part in value:
            yield from _names(part)


@pytest.mark.parametrize("fact", sorted(KEPT_FACTS))
def test_facts_that_are_kept_are_kept_and_others_are_not(fact: str) -> None:
    events = [ImageOpened(format="x", generation="", facts={fact: "5.10", "container": MARKER, "image": f"{MARKER}:1"}, at=0)]
    (event,) = redacted(events)
    assert isinstance(event, ImageOpened) and event.facts[fact] == "5.10" and MARKER not in str(event.facts)


def test_values_and_arguments_leave_nothing() -> None:
    command = CommandRecorded(
        pid=ProcessId(1), arguments=("run", f"--password={MARKER}"), variables=(MARKER,), values={MARKER: MARKER}, at="mm-1.img#0"
    )
    (event,) = redacted([command])
    assert isinstance(event, CommandRecorded) and event.values == {} and len(event.arguments) == 2 and event.at == command.at
    assert MARKER not in str(event)


def test_the_same_name_is_replaced_by_the_same_word() -> None:
    file = FileRecorded(id=1, kind="file", path=f"/srv/{MARKER}/x", at="files.img#0")
    other = FileRecorded(id=2, kind="file", path=f"/srv/{MARKER}/y", at=f"{MARKER}/files.img#1")
    first, second = redacted([file, other])
    assert isinstance(first, FileRecorded) and isinstance(second, FileRecorded)
    assert first.path.rpartition("/")[0] == second.path.rpartition("/")[0] == f"/srv/{str(second.at).partition('/')[0]}"
    assert first.path != second.path and first.at == file.at


SAMPLES = sorted((DATA / "criu").glob("*/img")) + sorted((DATA / "linux-cr").glob("*.ckpt"))


@pytest.mark.parametrize("image", first(SAMPLES, 12), ids=lambda path: path.parent.name if path.name == "img" else path.stem)
def test_a_redacted_log_replays_plans_the_same_and_proves(image: Path) -> None:
    """Whether an image is planned does not depend on a name, and no name of the image is in the plan of the other."""
    facts = planner.read(image)
    assert came(facts) == came(Log(redacted(facts)))


def came(events: Log) -> list[tuple[str, int | None]] | str:
    """Return the steps of the proved plan by what they do and to which process, or why there is none."""
    try:
        found = planner.plan(events)
    except planner.CrplanError as error:
        return type(error).__name__
    return [(type(step).__name__, getattr(step, "pid", None)) for step in found.steps]
