"""Dumps by CRIU 4.2, and what `criu restore` or podman did with each: no verdict is falsely ok, and none a false refusal."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crplan_checks import kinds

from planner.findings.verdicts import ConsumerName, Verdict
from planner.hookspecs import ReadRequest
from planner.pipeline import sources
from planner.pipeline.reading import default_registry, stream_events
from tests.helpers.places import DATA
from tests.helpers.verdicts import verdict_of

ALIKE = {"refused": {"refused", "hangs"}}
"""A member of a group whose leader has moved on is refused or waits for ever: which of both is a race."""


class Dump:
    """A dump with what came of it."""

    def __init__(self, directory: Path) -> None:
        outcome = json.loads((directory / "outcome.json").read_text())
        self.name = directory.name
        self.image = directory / "img" if (directory / "img").exists() else next(directory.glob("*.tar"))
        self.happened: str = "hangs" if "hangs" in outcome.get("note", "") else outcome["restore"]
        self.options = tuple(outcome.get("options", ()))

    def verdict(self, consumer: ConsumerName | None = None) -> Verdict:
        consumer = consumer or ("podman" if self.image.suffix == ".tar" else "criu-restore")
        # What the command reads: the process tree, and what the processes hold.
        log = list(stream_events(sources.from_path(str(self.image)), default_registry(), ReadRequest(detail="all")))
        return verdict_of(log, consumer, self.options)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> list[Dump]:
    directory = tmp_path_factory.mktemp("dumps")
    with tarfile.open(DATA / "criu-dumps.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return [Dump(each) for each in sorted(directory.iterdir()) if each.is_dir()]


def differing(dumps: list[Dump]) -> Iterator[tuple[str, str, str]]:
    for dump in dumps:
        foretold = dump.verdict().verdict
        if foretold not in ALIKE.get(dump.happened, {dump.happened}):
            yield dump.name, dump.happened, foretold


def test_the_verdict_on_every_dump_is_what_happened(dumps: list[Dump], capsys: pytest.CaptureFixture[str]) -> None:
    wrong = list(differing(dumps))
    unknown = [each for each in wrong if each[2] == "unknown"]
    with capsys.disabled():
        print(f"\n{len(dumps)} dumps: {len(dumps) - len(wrong)} foretold, {len(unknown)} unknown")
    assert len(dumps) > 70
    assert [each for each in wrong if each not in unknown] == []
    assert len(unknown) * 30 <= len(dumps)


def test_hangs_are_foretold_for_their_reason(dumps: list[Dump]) -> None:
    hanging = [dump for dump in dumps if dump.happened == "hangs"]
    assert len(hanging) > 10
    for dump in hanging:
        assert set(dump.verdict().codes) <= {"criu-zombie-hang", "criu-group-leader-moved"}, dump.name


def test_what_is_missing_is_named(dumps: list[Dump]) -> None:
    lost = {dump.name: dump.verdict() for dump in dumps if dump.name.startswith("lost_")}
    assert {verdict.codes for verdict in lost.values()} == {("criu-file-missing",)}
    assert "files.img" in lost["lost_files"].reason


def test_the_command_shows_where_the_source_of_an_external_mount_is_to_be_named(dumps: list[Dump]) -> None:
    verdict = next(dump for dump in dumps if dump.name == "zdtm_ns_stopped").verdict()
    assert (verdict.verdict, verdict.command) == ("ok", "criu restore --images-dir images '--external=mnt[ZDTM_DEV]:SOURCE'")
    assert verdict.reason == "given --external=mnt[ZDTM_DEV]:SOURCE", "criu refuses to restore without, and the line says so"


def test_where_the_advice_is_to_let_crplan_rebuild_the_tree_it_does(dumps: list[Dump]) -> None:
    """Seven of them were rebuilt by hand, one of each shape; here all have a plan that is proved."""
    advised = {kind.code for kind in kinds.CRIU if kind.hint.startswith("`crplan run` rebuilds")}
    told = {dump.name: dump.verdict("run").verdict for dump in dumps if advised.intersection(dump.verdict().codes)}
    assert len(told) > 20
    assert set(told.values()) == {"ok"}
