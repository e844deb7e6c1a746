"""What engines put beside the images is shown: annotations, networks, mounts, statistics, the size of what changed."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from crplan_criu import messages_contents

from planner.cli.main import main
from tests.helpers import criu_dumps

STATISTICS = criu_dumps.image(
    "stats-dump",
    criu_dumps.encoded(
        messages_contents.STATISTICS, {"dump": criu_dumps.encoded(messages_contents.DUMP_STATISTICS, {"frozen_time": 1234})}
    ),
)
SPECIFICATION = {
    "annotations": {"io.kubernetes.cri-o.IP.0": "10.0.0.7", "odd\x1b": "two\nlines"},
    "mounts": [{"destination": "/data", "type": "bind", "source": "/srv/data"}],
}
NETWORK = {
    "podman": {
        "interfaces": {
            "eth0": {"mac_address": "aa:bb:cc:00:00:01", "subnets": [{"ipnet": "10.88.0.9/16", "gateway": "10.88.0.1"}]}
        }
    }
}


def files(**change: bytes) -> dict[str, bytes]:
    found = {f"checkpoint/{name}": data for name, data in criu_dumps.tree().items()}
    found |= {"config.dump": b"{}", "spec.dump": json.dumps(SPECIFICATION).encode(), "stats-dump": STATISTICS}
    return found | {"network.status": json.dumps(NETWORK).encode(), "rootfs-diff.tar": bytes(10240)} | change


def properties(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["inspect", str(path), "--format", "json"]) == 0
    [entry] = json.loads(capsys.readouterr().out)["images"]
    found: dict[str, str] = entry["properties"]
    return found


def packed(path: Path, given: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in given.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", ["archive", "unpacked"])
def test_they_are_shown_of_an_archive_packed_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    path = packed(tmp_path / "a.tar", files())
    if form == "unpacked":
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / "a", filter="data")
        path = tmp_path / "a"
    found = properties(path, capsys)
    assert found["annotation io.kubernetes.cri-o.IP.0"] == "10.0.0.7"
    assert found["network podman interface eth0"] == "IP 10.88.0.9/16, gateway 10.88.0.1, MAC aa:bb:cc:00:00:01"
    assert found["specified mount /data"] == "bind /srv/data" and found["changed files of the root (bytes)"] == "10240"
    assert found["statistics frozen_time"] == "1234 us"
    assert main(["inspect", str(path)]) == 0
    page = capsys.readouterr().out
    assert "\x1b" not in page and "two\nlines" not in page and "statistics of the dump" not in page


@pytest.mark.parametrize(
    "change",
    [{"network.status": b"null"}, {"network.status": b"[1"}, {"spec.dump": b"{"}, {"stats-dump": b"x"}, {"stats-dump": b""}],
    ids=lambda change: "=".join(map(str, next(iter(change.items())))),
)
def test_damage_is_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]) -> None:
    assert properties(packed(tmp_path / "a.tar", files(**change)), capsys)["changed files of the root (bytes)"] == "10240"


def test_a_directory_of_images_has_its_own_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = criu_dumps.write(tmp_path / "img", criu_dumps.tree() | {"stats-dump": STATISTICS})
    assert properties(path, capsys)["statistics frozen_time"] == "1234 us"
