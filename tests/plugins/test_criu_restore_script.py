"""Back end `criu`: the script does what `crplan restore` does, in its order; it is checked; what it cannot do is refused."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from planner.checkpoint import manifest as manifests
from planner.checkpoint.bring_back import LIBRARY
from planner.cli import main as cli
from planner.events import log
from planner.events.records import FORMAT_VERSION, LogOpened
from planner.pipeline.resolve import resolve
from planner.testing.forests import events
from tests.checkpoint.test_restoring import manifest
from tests.helpers.places import GOLDEN

THREADS_AND_LEVELS = "1 2.1:1/2+3.2+4.3 5.4:2/2 6.5.1:5/6+7.6.2"
WORDS = {
    "@WORK@": "WORK",
    "@CGROUP@": "CGROUP",
    "@OUTSIDE@": "OUTSIDE",
    "@FREEZE_FILE@": "cgroup.freeze",
    "@FREEZE_WORD@": "1",
    "@CRIU@": "criu",
}
"""What `crplan restore --dry-run` prints for what the script finds out on its machine."""


def recorded() -> bytes:
    return b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *events(THREADS_AND_LEVELS)]))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A checkpoint in parts without CRIU's images."""
    directory = tmp_path / "image"
    directory.mkdir()
    document = manifest(resolve(list(events(THREADS_AND_LEVELS))).forest)
    data = recorded()
    document = msgspec.structs.replace(document, log_digest=hashlib.sha256(data).hexdigest())
    (directory / manifests.LOG).write_bytes(data)
    (directory / manifests.FILE).write_bytes(manifests.encode(document))
    return directory


def script(image: Path, *options: str) -> str:
    out = image.parent / "restore"
    assert cli.main([str(image), "--emit", "criu", *options, "-o", str(out)]) == 0
    assert out.stat().st_mode & 0o111
    return out.read_text()


def put(text: str) -> dict[str, str]:
    """Return the files that a script writes, in its order."""
    return dict(re.findall(r"^put (\S+) <<'END_OF_FILE'\n(.*?)^END_OF_FILE$", text, re.MULTILINE | re.DOTALL))


def test_files_commands_and_what_is_expected_are_as_they_were(image: Path) -> None:
    made, library, machinery = script(image).partition("put numbers.c")
    golden = GOLDEN / "criu_restore.sh"
    assert made == golden.read_text()
    assert put(library + machinery)["numbers.c"] == LIBRARY.read_text()
    assert machinery.endswith('main "$@"\n')


def test_the_order_of_files_and_commands_is_that_of_a_restore(image: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    text = script(image, "--option", "criu-options=--tcp-established --external 'mnt[a b]:c'")
    capsysbinary.readouterr()
    options = ("--criu-options", "--tcp-established --external 'mnt[a b]:c'")
    assert cli.main(["restore", str(image), "--dry-run", *options]) == 0
    printed = capsysbinary.readouterr().out.decode()
    lines = []
    for name, content in put(text).items():
        for word, known in {**WORDS, "@IMAGE@": str(image)}.items():
            content = content.replace(word, known)
        if name == "start-mounts":
            _, _, command = content.partition("|| exit 1\nexec ")
            lines.append(command)
        elif name not in ("start", "numbers.c"):
            lines.append(f"# WORK/{name}\n{content.rstrip()}\n")
    assert "".join(lines) == printed


def test_a_checker_of_scripts_finds_nothing(image: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    script(image)
    done = subprocess.run(["shellcheck", "-s", "sh", str(image.parent / "restore")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_script_refuses_before_it_changes_anything(image: Path) -> None:
    script(image)
    for arguments in ([], [str(image / "missing")], [str(image)]):
        done = subprocess.run(["sh", str(image.parent / "restore"), *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.search(
            "^restore: (usage|criu restore takes root|.* is no directory|.* no images|there is no)", done.stderr, re.M
        )


def test_images_of_another_kind_are_refused_with_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tree.jsonl"
    file.write_bytes(recorded())
    assert cli.main([str(file), "--emit", "criu"]) == 3
    assert "is for images of criu and of `crplan checkpoint`; what was given is notation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"), [("--root 'a\nEND_OF_FILE\nreboot'", "a line's end cannot be written"), ("--moon", "--moon")]
)
def test_options_that_a_script_cannot_hold_are_refused(
    options: str, said: str, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([str(image), "--emit", "criu", "--option", f"criu-options={options}"]) == 3
    assert said in capsys.readouterr().err
