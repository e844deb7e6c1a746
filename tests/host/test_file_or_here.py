"""A host file of `crplan host IMAGE` answers as the machine itself does: the same verdicts, findings and open questions."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crplan_criu import messages_contents

from planner.cli.main import main
from tests.helpers import criu_dumps

pytestmark = pytest.mark.slow


@pytest.fixture
def taken() -> Iterator[int]:
    """Listen at a port while the machine is asked."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def every_question(directory: Path, port: int) -> Path:
    """Return a dump that asks of everything: files that are there, that differ and that are not, a port, cgroups, a processor."""
    (directory / "there").write_text("abc")
    (directory / "there").chmod(0o644)
    contents = messages_contents
    cgroup = criu_dumps.encoded(contents.CG_DIRECTORY, {"dir_name": "crplan-none"})
    controller = criu_dumps.encoded(contents.CG_CONTROLLER, {"cnames": ["nosuch"], "dirs": [cgroup]})
    words = [0xFFFF_FFFF] * 19
    processor = {"vendor_id": 1, "cpu_family": 6, "model": 1, "stepping": 1, "capability": words, "xfeatures_mask": 0xE7}
    info = criu_dumps.encoded(contents.CPUINFO, {"x86_entry": [criu_dumps.encoded(contents.PROCESSOR, processor)]})
    unlimited = ((1 << 64) - 1, (1 << 64) - 1)
    files = criu_dumps.tree() | {
        "core-10.img": criu_dumps.core(10, 0xE7, limits=[unlimited] * 16),
        "fdinfo-2.img": criu_dumps.descriptors((3, 1), (4, 2), (5, 3), (6, 4), (70_000, 5), (8, 6)),
        "cgroup.img": criu_dumps.image("cgroup", criu_dumps.encoded(contents.CGROUPS, {"controllers": [controller]})),
        "cpuinfo.img": criu_dumps.image("cpuinfo", info),
        "files.img": criu_dumps.image(
            "files",
            criu_dumps.regular(1, f"{directory}/there", 3, 0o100644),
            criu_dumps.regular(2, f"{directory}/there", 4, 0o100644),
            criu_dumps.regular(3, f"{directory}/none", 3, 0o100644),
            criu_dumps.file(4, "isk", contents.INET_SOCKET, ino=7, family=2, type=1, proto=6, state=10, src_port=port,
                            src_addr=[0x0100007F], opts=b""),
            criu_dumps.regular(5, "/dev/null", 0, 0o20666),
            criu_dumps.file(6, "usk", contents.UNIX_SOCKET, ino=8, type=1, state=10, peer=0, name=f"{directory}/no/s", opts=b""),
        ),
    }  # fmt: skip
    return criu_dumps.write(directory / "image", files)


@pytest.mark.parametrize("options", ["", "--manage-cgroups=none --cpu-cap=ins", "--lsm-profile=selinux:x"])
def test_a_file_answers_as_the_machine(tmp_path: Path, taken: int, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    image, file = str(every_question(tmp_path, taken)), str(tmp_path / "host.json")
    assert main(["host", image, "-o", file]) == 0
    given = f"--criu-options={options}"
    by_file, here = report(image, capsys, "--host", file, given), report(image, capsys, "--here", given)
    assert by_file == here
    assert {found["code"] for found in here["findings"]} >= EXPECTED


EXPECTED = {
    "criu-path-missing",
    "criu-file-size",
    "criu-directory-missing",
    "criu-address-taken",
    "criu-cgroup-controller",
}


def report(image: str, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """Return what is said of the image, without the name of the host."""
    main(["check", image, *options, "--for", "criu-restore", "--format", "json"])
    (entry,) = json.loads(capsys.readouterr().out)["images"]
    (verdict,) = [each for each in entry["verdicts"] if each["consumer"] == "criu-restore"]
    kept = {name: verdict[name] for name in ("verdict", "codes", "needs", "reason")}
    hidden = ("host", "fingerprint")
    findings = [{name: value for name, value in found.items() if name not in hidden} for found in entry["findings"]]
    of_criu = [found for found in findings if found["code"].startswith("criu-")]
    return {"verdict": kept, "findings": of_criu}
