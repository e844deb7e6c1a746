"""Command lines and environment come from the pages of a dump, where it can be read twice, and show no secret and no value."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from crplan_criu import messages_contents
from crplan_criu.read import read

from planner.cli.main import main
from planner.contents.fold import content_id
from planner.events.contents import CommandRecorded
from planner.hookspecs import Detail, ReadRequest
from planner.pipeline import sources
from tests.helpers import criu_dumps

PAGE = 4096
STACK = 0x7FFF_0000_0000
ARGUMENTS = b"/bin/server\0--password=hunter2\0--port=80\0"
ENVIRONMENT = b"PATH=/bin\0API_TOKEN=sesame\0A\xff=\x1b[2J\0"
"""They lie one behind the other and go over the end of the first of two pages."""
BEGIN = STACK + PAGE - 20


def dump(**given: Any) -> dict[str, bytes]:
    """Return a dump whose stack is stored behind three other pages."""
    files = criu_dumps.small()
    end = BEGIN + len(ARGUMENTS)
    areas = {"arg_start": BEGIN, "arg_end": end, "env_start": end, "env_end": end + len(ENVIRONMENT)} | given
    files["mm-10.img"] = criu_dumps.image("mm", criu_dumps.encoded(messages_contents.MM, {"exe_file_id": 1, **areas}))
    files["pagemap-10.img"] = pagemap(7, (PAGE, 3, 4), (PAGE * 8, 2, 1), (STACK, 2, 4))
    files["pages-7.img"] = b"x" * 3 * PAGE + (b"\0" * (PAGE - 20) + ARGUMENTS + ENVIRONMENT).ljust(2 * PAGE, b"\0")
    return files


def pagemap(number: int, *runs: tuple[int, int, int]) -> bytes:
    entries = [
        criu_dumps.encoded(messages_contents.PAGEMAP, {"vaddr": address, "nr_pages": count, "flags": flags})
        for address, count, flags in runs
    ]
    return criu_dumps.image("pagemap", criu_dumps.encoded(messages_contents.PAGEMAP_HEAD, {"pages_id": number}), *entries)


def packed(path: Path, files: dict[str, bytes], mode: str) -> Path:
    """Pack the images with the pages in front, so that nothing is known of them when they come by."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # a mode is a text here
        for name in sorted(files, key=lambda name: not name.startswith("pages")):
            member = tarfile.TarInfo(f"checkpoint/{name}")
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return path


def commands(source: sources.Source, detail: Detail = "commands") -> list[CommandRecorded]:
    return [event for event in read(source, ReadRequest(detail=detail)) if isinstance(event, CommandRecorded)]


@pytest.mark.parametrize("form", ["directory", "w", "w:gz"])
def test_they_are_read_from_every_form_of_image(tmp_path: Path, form: str) -> None:
    files = dump()
    path = criu_dumps.write(tmp_path / "img", files) if form == "directory" else packed(tmp_path / "a.tar", files, form)
    [found] = commands(sources.from_path(str(path)))
    assert found.pid == 10 and found.arguments == ("/bin/server", "--password=***", "--port=80")
    assert found.variables == ("PATH", "API_TOKEN", "A\\xff") and found.values == {}
    assert found.secrets == ("--password", "API_TOKEN")
    [found] = commands(sources.from_path(str(path)), "values")
    assert found.values["API_TOKEN"] == "sesame"
    assert commands(sources.from_path(str(path)), "all") == []


def test_a_pipe_is_read_once_and_shows_none(tmp_path: Path) -> None:
    data = packed(tmp_path / "a.tar", dump(), "w").read_bytes()
    assert commands(sources.from_stream(io.BytesIO(data), "pipe")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"pagemap-10.img": pagemap(7, (PAGE, 3, 4), (STACK, 2, 1))},
        {"pagemap-11.img": pagemap(7, (PAGE, 1, 4))},
        {"pages-7.img": b"cut"},
        {"pagemap-10.img": pagemap(7, ((1 << 64) - PAGE, (1 << 62), 4), (STACK, 2, 4))},
    ],
    ids=["pages of an earlier dump", "two page maps of one file", "pages cut short", "runs without end"],
)
def test_pages_that_are_not_there_show_none(tmp_path: Path, change: dict[str, bytes]) -> None:
    path = criu_dumps.write(tmp_path / "img", dump() | change)
    assert commands(sources.from_path(str(path))) == []


def test_without_an_environment_there_is_a_command_line_alone(tmp_path: Path) -> None:
    path = criu_dumps.write(tmp_path / "img", dump(env_start=1 << 20, env_end=2 << 20))
    [found] = commands(sources.from_path(str(path)))
    assert found.arguments[0] == "/bin/server" and found.variables is None


def test_the_digest_of_contents_is_that_of_an_image_from_a_pipe(tmp_path: Path) -> None:
    source = sources.from_path(str(criu_dumps.write(tmp_path / "img", dump())))
    assert content_id(read(source, ReadRequest(detail="commands")), "") == content_id(read(source, ReadRequest(detail="all")), "")


def test_what_is_shown_is_escaped_and_a_redacted_log_has_none_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = criu_dumps.write(tmp_path / "img", dump())
    assert main(["inspect", str(path), "--with-values"]) == 0
    page = capsys.readouterr().out
    assert "/bin/server --password=*** --port=80" in page and "hunter2" not in page
    assert "variable API_TOKEN=sesame" in page and "\x1b" not in page
    assert main(["log", str(path), "--detail", "all", "--with-values", "--redact"]) == 0
    log = capsys.readouterr().out
    assert "CommandRecorded" in log and not [word for word in ("sesame", "API_TOKEN", "--port") if word in log]


def test_a_stranger_s_archive_names_the_secrets_and_a_check_does_not_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = criu_dumps.write(tmp_path / "img", dump())
    for words, expected in ((("--untrusted",), ["--password", "API_TOKEN"]), ((), [])):
        main(["check", str(path), *words, "--format", "json"])
        report = capsys.readouterr().out
        [entry] = json.loads(report)["images"]
        assert [each["recorded"] for each in entry["findings"] if each["code"] == "trust-secret"] == expected
        assert "sesame" not in report and "hunter2" not in report
