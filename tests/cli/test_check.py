"""`crplan check` and `crplan host`: exit codes, where things go, and that a document holds whatever happened."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.cli import main as cli
from planner.events.log import lines
from planner.events.records import FORMAT_VERSION, AnyEvent, DefectRecorded, LogOpened
from planner.host.facts import Feature, Host, Limits, encode
from planner.testing.forests import events
from tests.helpers.criu_images import criu_image
from tests.helpers.places import ROOT

Crplan = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crplan(capsysbinary: pytest.CaptureFixture[bytes]) -> Crplan:
    """Run a command in this process; returns exit code, standard output and standard error."""

    def call(*argv: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in argv])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


def write(directory: Path, history: list[AnyEvent]) -> Path:
    file = directory / "image.jsonl"
    file.write_bytes(b"".join(lines([LogOpened(format_version=FORMAT_VERSION), *history])))
    return file


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    return write(tmp_path, events("1 2:1/2 3:1"))


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """An image on which CRIU fails for one reason."""
    return write(tmp_path, criu_image("1 2:1 3:1//2 4:1//4"))


def test_an_image_without_a_problem(crplan: Crplan, fine: Path) -> None:
    code, out, err = crplan("check", fine)
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("credentials, capabilities, security labels, seccomp filters and cgroups")
    assert "no host was given" in out


def test_what_is_found_is_exit_code_3_in_every_format(crplan: Crplan, refused: Path) -> None:
    for form in ("text", "json", "github", "gitlab", "sarif", "junit", "markdown"):
        code, out, err = crplan("check", refused, "--format", form)
        assert (code, err) == (3, ""), form
        assert "criu-group-leader-moved" in out.replace("&#58;", ":"), form


def test_exit_zero_and_ignoring(crplan: Crplan, refused: Path) -> None:
    assert crplan("check", refused, "--exit-zero")[0] == 0
    code, out, _ = crplan("check", refused, "--ignore", "criu-group-leader-moved")
    assert code == 0
    assert "ignored]" in out


def test_an_unknown_code_format_or_option_is_exit_code_2_with_the_list(crplan: Crplan, fine: Path) -> None:
    for words, expected in (
        (("--ignore", "moon"), "two-inits"),
        (("--format", "moon"), "sarif"),
        (("--option", "moon=1"), "'moon'"),
        (("--namespace", "7"), "--here"),
        (("--until", "3"), "--until"),
        (("--host", "/nowhere/host.json"), "cannot be read"),
        (("--baseline", fine), "baseline"),
    ):
        code, out, err = crplan("check", fine, *words)
        assert (code, out) == (2, ""), words
        assert expected in err


def test_a_machine_format_holds_the_error_whatever_it_is(crplan: Crplan, fine: Path, tmp_path: Path) -> None:
    code, out, err = crplan("check", fine, "--format", "json", "--ignore", "moon")
    assert (code, json.loads(out)["error"]["code"], json.loads(out)["exit_code"]) == (2, "usage", 2)
    assert "moon" in err
    (tmp_path / "noise").write_bytes(b"\x00\x01")
    code, out, err = crplan("check", tmp_path / "noise", "--format", "sarif")
    assert code == 1
    (run,) = json.loads(out)["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert err


def test_a_contradiction_is_a_finding_with_its_evidence_and_cannot_be_ignored(crplan: Crplan) -> None:
    image = ROOT / "examples" / "images" / "contradictory.ckpt"
    code, out, _ = crplan("check", image)
    assert code == 3
    assert "parent-cycle" in out
    assert "event 3, offset" in out
    assert "without a plan no check can be asked" in out
    assert crplan("check", image, "--ignore", "parent-cycle")[0] == 3


def test_a_baseline_lets_pass_what_was_known(crplan: Crplan, refused: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    assert crplan("check", refused, "--format", "json", "-o", known)[0] == 3
    code, out, _ = crplan("check", refused, "--baseline", known)
    assert code == 0
    assert "baseline]" in out


def test_warnings_fail_when_asked(crplan: Crplan, tmp_path: Path) -> None:
    odd = DefectRecorded(code="tail-missing", detail="cut", at=4)
    image = write(tmp_path, [*events("1 2:1"), odd])
    assert crplan("check", image)[0] == 0
    assert crplan("check", image, "--fail-on", "warning")[0] == 3
    assert crplan("check", image, "--fail-on", "note")[0] == 3


def test_against_another_machine(crplan: Crplan, fine: Path, tmp_path: Path) -> None:
    yes = Feature(state="yes")
    host = Host(
        root=True,
        capabilities=("sys_admin",),
        features=dict.fromkeys(("pid_namespaces", "set_tid", "pidfd"), yes),
        limits=Limits(threads_max=5, tasks_in_use=4, pid_namespaces=9, levels_below=9),
        new_namespace_pid_max=400,
    )
    file = tmp_path / "host.json"
    file.write_bytes(encode(host))
    code, out, _ = crplan("check", fine, "--host", file, "--format", "json")
    report = json.loads(out)
    (image,) = report["images"]
    assert code == 3
    assert [found["property"] for found in image["findings"]] == ["kernel.threads-max"]
    assert [question["missing"] for question in image["unknown"]] == ["free pids of the host's pid namespace"]
    assert len(report["hosts"]) == 1
    assert [(each["consumer"], each["verdict"]) for each in image["verdicts"]] == [("run", "refused")]
    assert crplan("check", fine, "--host", file, "--ignore", "limit-too-low")[0] == 0
    assert crplan("check", fine, "--host", file, "--ignore", "limit-too-low", "--fail-on-unknown")[0] == 3


def test_the_summary_of_a_step_is_appended(
    crplan: Crplan, refused: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert crplan("check", refused, "--format", "json")[0] == 3
    assert summary.read_text() == "before\n"
    assert crplan("check", refused, "--format", "github")[0] == 3
    assert summary.read_text().startswith("before\n### crplan check")


def test_a_report_says_nothing_of_the_machine(crplan: Crplan, refused: Path) -> None:
    for form in ("text", "json", "github", "gitlab", "sarif", "junit", "markdown"):
        out = crplan("check", refused.resolve(), "--format", form)[1]
        assert str(refused.parent) not in out
        assert out == crplan("check", refused.resolve(), "--format", form)[1]


def first_line(out: str) -> str:
    return out.splitlines()[0]


def test_the_verdict_stands_first_and_names_the_consumer_and_what_decides(crplan: Crplan, refused: Path) -> None:
    _, out, _ = crplan("check", refused)
    assert first_line(out).startswith("criu restore: hangs (may hang), ")
    assert "[criu-group-leader-moved] (image only" in " ".join(out.split())


def test_an_image_of_no_engine_is_judged_for_crplan_itself(crplan: Crplan, fine: Path) -> None:
    assert first_line(crplan("check", fine)[1]).startswith("crplan run: ok (image only")


def test_an_ignored_finding_decides_nothing_and_the_line_says_so(crplan: Crplan, refused: Path) -> None:
    code, out, _ = crplan("check", refused, "--ignore", "criu-group-leader-moved", "--format", "json")
    (verdict,) = json.loads(out)["images"][0]["verdicts"]
    assert (code, verdict["verdict"], verdict["ignored"]) == (0, "ok", ["criu-group-leader-moved"])
    _, out, _ = crplan("check", refused, "--ignore", "criu-group-leader-moved")
    assert "not counted: criu-group-leader-moved" in " ".join(out.split())


def test_the_exit_code_follows_the_consumer_that_is_asked_for(crplan: Crplan, refused: Path) -> None:
    assert crplan("check", refused)[0] == 3
    code, out, _ = crplan("check", refused, "--for", "run")
    assert code == 0
    assert first_line(out).startswith("crplan run: ok")
    assert "\ncriu restore: hangs (may hang), " in out
    code, out, _ = crplan("check", refused, "--engine", "podman")
    assert first_line(out).startswith("podman container restore: hangs")


def test_each_host_has_a_verdict_of_its_own(crplan: Crplan, fine: Path, tmp_path: Path) -> None:
    small, large = tmp_path / "small.json", tmp_path / "large.json"
    small.write_bytes(encode(Host(limits=Limits(threads_max=5, tasks_in_use=4))))
    large.write_bytes(encode(Host(limits=Limits(threads_max=500, tasks_in_use=4))))
    code, out, _ = crplan("check", fine, "--host", small, "--host", large, "--format", "json")
    (image,) = json.loads(out)["images"]
    assert code == 3
    assert [(each["host"], each["verdict"]) for each in image["verdicts"]] == [
        ("small.json", "refused"),
        ("large.json", "unknown"),
    ]
    (found,) = [found for found in image["findings"] if found["code"] == "limit-too-low"]
    assert found["hosts"] == ["small.json"]


def test_options_that_criu_does_not_have_are_a_usage_error(crplan: Crplan, refused: Path) -> None:
    code, out, err = crplan("check", refused, "--criu-options=--moon")
    assert (code, out) == (2, "")
    assert "--moon" in err


def test_many_images_are_one_report_whose_parts_are_not_kept(
    crplan: Crplan, fine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file in files:
        file.write_bytes(fine.read_bytes())
    for form in ("json", "text", "sarif"):
        whole = crplan("check", *files, "--format", form)
        monkeypatch.setattr("planner.cli.commands.check.MANY", 2)
        assert crplan("check", *files, "--format", form) == whole
        assert crplan("check", *files, "--format", form, "-o", tmp_path / "report") == (whole[0], "", whole[2])
        assert (tmp_path / "report").read_text() == whole[1]
        monkeypatch.undo()


def test_a_url_is_named_as_it_was_given(crplan: Crplan) -> None:
    code, out, _ = crplan("check", "s3://bucket/a.tar", "./missing.tar", "--format", "json")
    assert (code, [image["image"] for image in json.loads(out)["images"]]) == (1, ["s3://bucket/a.tar", "missing.tar"])
