"""`check --untrusted`: what an archive would have the machine do is found and named, and an ordinary container's is not."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from planner.cli.main import main
from tests.helpers import criu_dumps

USUAL: dict[str, Any] = {
    "process": {"args": ["sh"], "env": ["PATH=/bin"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/etc/hosts", "type": "bind", "source": "/run/containers/storage/x/hosts", "options": ["bind"]},
    ],
    "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "network", "ipc", "uts", "user")]},
}


def archive(path: Path, specification: bytes, *, deleted: bytes = b"", link: str = "", **more: bytes) -> Path:
    files = {f"checkpoint/{name}": data for name, data in criu_dumps.tree().items()} | more
    files |= {"spec.dump": specification, "config.dump": more.get("config.dump", b"{}")}
    files |= {"deleted.files": deleted} if deleted else {}
    with tarfile.open(path, "w") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo("ctr.log")
            member.type, member.linkname = tarfile.SYMTYPE, link
            packed.addfile(member)
    return path


def verdict(image: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[str]]]:
    code = main(["check", str(image), "--untrusted", "--format", "json"])
    [entry] = json.loads(capsys.readouterr().out)["images"]
    found: dict[str, list[str]] = {}
    for each in entry["findings"]:
        if each["code"].startswith("trust-"):
            found.setdefault(each["code"], []).append(each["recorded"])
    assert entry["verdicts"][0]["consumer"] == "trust"
    return code, found


def test_an_ordinary_container_is_no_alarm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(archive(tmp_path / "a.tar", json.dumps(USUAL).encode()), capsys) == (0, {})


@pytest.mark.parametrize(
    ("change", "code", "recorded"),
    [
        ({"hooks": {"prestart": [{"path": "/bin/evil"}]}}, "trust-hook", "prestart /bin/evil"),
        (
            {"mounts": [{"destination": "/h", "type": "bind", "source": "/etc", "options": ["ro"]}]},
            "trust-bind-mount",
            "/h is /etc, read-only",
        ),
        (
            {"mounts": [{"destination": "/h", "type": "bind", "source": "/run/containers/../../etc"}]},
            "trust-bind-mount",
            "/h is /run/containers/../../etc, writable",
        ),
        ({"annotations": {"cdi.k8s.io/x": "vendor.com/gpu=0"}}, "trust-device", "cdi.k8s.io/x"),
        ({"process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"]}}}, "trust-capabilities", "SYS_ADMIN"),
        ({"linux": {"namespaces": USUAL["linux"]["namespaces"][1:]}}, "trust-host-namespace", "pid"),
        (
            {"linux": {"namespaces": USUAL["linux"]["namespaces"], "devices": [{"path": "/dev/sda"}]}},
            "trust-device",
            "/dev/sda",
        ),
    ],
)
def test_what_a_specification_asks_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], code: str, recorded: str
) -> None:
    assert verdict(archive(tmp_path / "a.tar", json.dumps(USUAL | change).encode()), capsys) == (3, {code: [recorded]})


def test_paths_that_lead_out_and_links_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deleted = json.dumps(["/tmp/a", "../../etc/passwd"]).encode()
    image = archive(tmp_path / "a.tar", json.dumps(USUAL).encode(), deleted=deleted, link="/etc/shadow")
    code, found = verdict(image, capsys)
    assert code == 3 and found["trust-deleted-path"] == ["../../etc/passwd"]
    assert found["trust-archive-member"][0].startswith("ctr.log: ") and "/etc/shadow" in found["trust-archive-member"][0]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("../../etc/cron.d/x", tarfile.REGTYPE, "../../etc/cron.d/x"),
        ("/etc/cron.d/x", tarfile.REGTYPE, "etc/cron.d/x"),
        ("checkpoint/disk", tarfile.BLKTYPE, "block device"),
        ("checkpoint/hard", tarfile.LNKTYPE, "/etc/shadow"),
    ],
)
def test_members_that_lead_out_and_devices_are_refused_and_nothing_is_unpacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, kind: bytes, words: str
) -> None:
    image = archive(tmp_path / "a.tar", json.dumps(USUAL).encode())
    with tarfile.open(image, "a") as packed:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/shadow" if kind == tarfile.LNKTYPE else ""
        packed.addfile(member)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, found = verdict(image, capsys)
    assert code == 3 and words in found["trust-archive-member"][0], found
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.tar", "here"]


def test_root_inside_that_is_root_outside_is_noted_and_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [each for each in USUAL["linux"]["namespaces"] if each["type"] != "user"]
    specification = json.dumps(USUAL | {"linux": {"namespaces": kinds}}).encode()
    assert verdict(archive(tmp_path / "a.tar", specification), capsys) == (
        0,
        {"trust-no-user-namespace": ["root inside is root outside"]},
    )


def root_difference(*given: tuple[str, int, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, mode, kind in given:
            member = tarfile.TarInfo(name)
            member.mode, member.type = mode, kind
            archive.addfile(member)
    return packed.getvalue()


def test_files_of_the_root_with_more_rights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ordinary = [("bin/sh", 0o755, tarfile.REGTYPE), ("var/mail", 0o2775, tarfile.DIRTYPE), ("bin/x", 0o777, tarfile.SYMTYPE)]
    odd = [
        ("bin/su", 0o4755, tarfile.REGTYPE),
        ("dev/sda", 0o600, tarfile.BLKTYPE),
        ("../../etc/cron.d/x", 0o644, tarfile.REGTYPE),
    ]
    specification = json.dumps(USUAL).encode()
    image = archive(tmp_path / "a.tar", specification, **{"rootfs-diff.tar": root_difference(*ordinary)})
    assert verdict(image, capsys) == (0, {})
    image = archive(tmp_path / "b.tar", specification, **{"rootfs-diff.tar": root_difference(*ordinary, *odd)})
    code, found = verdict(image, capsys)
    assert code == 3 and {each.partition(":")[0] for each in found["trust-root-file"]} == {name for name, _, _ in odd}
    unpacked = tmp_path / "unpacked"
    with tarfile.open(image) as packed:
        packed.extractall(unpacked, filter="data")
    assert verdict(unpacked, capsys) == (code, found)
    image = archive(tmp_path / "c.tar", specification, **{"rootfs-diff.tar": b"\1" * 512})
    assert verdict(image, capsys)[1]["trust-root-file"][0].startswith("cannot be read")


def test_a_name_of_an_image_that_a_restore_would_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, expected in (("docker.io/library/nginx:latest", True), (f"nginx@sha256:{'a' * 64}", False)):
        given = json.dumps({"rootfsImageName": name, "rootfsImageRef": f"sha256:{'b' * 64}"}).encode()
        code, found = verdict(archive(tmp_path / "a.tar", json.dumps(USUAL).encode(), **{"config.dump": given}), capsys)
        assert code == 0 and ("trust-image-reference" in found) == expected


def test_secrets_are_named_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = {"env": ["DB_PASSWORD=hunter2", "EMPTY_TOKEN=", "HOME=/"], "args": ["x", "--api-key=hunter2"]}
    image = archive(tmp_path / "a.tar", json.dumps(USUAL | {"process": process}).encode())
    assert main(["check", str(image), "--untrusted", "--format", "json"]) == 0
    report = capsys.readouterr().out
    assert "variable DB_PASSWORD" in report and "EMPTY_TOKEN" not in report
    assert "hunter2" not in json.dumps(json.loads(report)["images"][0]["findings"])


def test_a_specification_that_cannot_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = verdict(archive(tmp_path / "a.tar", b'{"hooks": 3}'), capsys)
    assert code == 3 and list(found) == ["trust-unreadable"]


def test_an_attestation_names_the_image_and_holds_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = archive(tmp_path / "a.tar", json.dumps(USUAL).encode())
    assert main(["check", str(image), "--untrusted", "--format", "in-toto"]) == 0
    statement = json.loads(capsys.readouterr().out)
    [subject] = statement["subject"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["predicate"]["kind"] == "crplan-check"
    assert subject == {"name": "a.tar", "digest": {"sha256": hashlib.sha256(image.read_bytes()).hexdigest()}}


def test_subjects_of_one_name_are_told_apart_by_their_digests_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    images = [archive(tmp_path / "a.tar", json.dumps(USUAL).encode()), archive(tmp_path / "x" / "a.tar", b"{}")]
    assert main(["check", *map(str, images), "--apart", "--format", "in-toto"]) == 0
    subjects = json.loads(capsys.readouterr().out)["subject"]
    digests = [hashlib.sha256(image.read_bytes()).hexdigest() for image in images]
    assert sorted(subjects, key=str) == [{"digest": {"sha256": digest}} for digest in sorted(digests)]


def test_the_subject_of_a_directory_is_its_sorted_list_and_of_a_pipe_the_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = criu_dumps.write(tmp_path / "img", criu_dumps.tree())
    (image / "link").symlink_to("elsewhere")
    contents = {each.name: b"elsewhere" if each.is_symlink() else each.read_bytes() for each in image.iterdir()}
    listed = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    for command in (["check", str(image), "--format", "in-toto"], [str(image), "--emit", "in-toto"]):
        assert main(command) == 0
        statement = json.loads(capsys.readouterr().out)
        assert statement["subject"] == [{"name": "img", "digest": {"sha256": hashlib.sha256(listed.encode()).hexdigest()}}]
    assert statement["predicateType"].startswith("urn:crplan:plan:v") and statement["predicate"]["steps"]
    packed = archive(tmp_path / "a.tar", json.dumps(USUAL).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed.read_bytes())))
    assert main(["check", "-", "--format", "in-toto"]) == 0
    [subject] = json.loads(capsys.readouterr().out)["subject"]
    assert set(subject["digest"]) == {"crplanImageId", "crplanContentId"}


def test_a_plan_that_cannot_be_made_is_a_statement_on_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no image")
    assert main([str(tmp_path / "x"), "--emit", "in-toto"]) == 1
    statement = json.loads(capsys.readouterr().out)
    assert statement["subject"] == [] and "error" in statement["predicate"]
