"""`planner.check` and the reports that it returns."""

from pathlib import Path

import pytest

import planner
from planner.host.facts import Host, encode

IMAGES = Path(planner.__file__).parent.parent / "examples" / "images"
HOST = Host(new_namespace_pid_max=15)
"""A machine on which no pid above 14 fits."""


def test_without_a_host_what_a_machine_lacks_is_not_checked() -> None:
    report = planner.check(IMAGES / "nested.ckpt")
    assert report.exit_code == 0
    assert any("no host was given" in sentence for sentence in report.images[0].not_checked)


def test_a_host_is_a_record_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_bytes(encode(HOST))
    reports = [planner.check(IMAGES / "nested.ckpt", host=host) for host in (HOST, encode(HOST), file, str(file))]
    assert reports[0].hosts == ("host",)
    assert all(report == reports[0] for report in reports)
    assert reports[0].findings


def test_what_cannot_be_planned_is_in_the_report_and_raises_nothing() -> None:
    report = planner.check(IMAGES / "contradictory.ckpt")
    assert report.exit_code == 3
    assert report.images[0].error is not None
    assert planner.check(b"moon").exit_code == 1


def test_what_is_ignored_or_known_before_does_not_count() -> None:
    first = planner.check(IMAGES / "nested.ckpt", host=HOST)
    codes = {found.code for found in first.findings}
    ignored = planner.check(IMAGES / "nested.ckpt", host=HOST, ignore=codes)
    known = planner.check(IMAGES / "nested.ckpt", host=HOST, baseline=first)
    assert first.counting()
    assert not ignored.counting()
    assert not known.counting()


def test_the_verdict_of_a_consumer_can_be_asked_for() -> None:
    first, second = planner.check(IMAGES / "kubernetes.tar", criu_options="").verdicts[:2]
    assert (first.consumer, second.consumer, first.options) == ("criu-restore", "cri-o", ())
    assert planner.check(IMAGES / "kubernetes.tar", consumer="run").verdicts[0].consumer == "run"


def test_options_and_codes_that_do_not_exist_are_usage_errors() -> None:
    with pytest.raises(planner.UsageError, match="moon"):
        planner.check(IMAGES / "nested.ckpt", options={"moon": 1})
    with pytest.raises(planner.UsageError, match="moon"):
        planner.check(IMAGES / "nested.ckpt", ignore=["moon"])
    with pytest.raises(planner.UsageError, match="host"):
        planner.check(IMAGES / "nested.ckpt", into=7)
