"""Files, addresses and registers that a restore needs: what CRIU refuses is found, and what it restores is no alarm.

The cases of files and addresses were made for real: a process that holds this was dumped by CRIU 4.2, the host was changed, and
`criu restore` did what is said here. Those of registers follow CRIU's source (`criu/cr-restore.c`, `arch/x86/crtools.c`) alone.
"""

from pathlib import Path

import msgspec
import pytest
from crplan_checks import criu_held, kinds_held
from crplan_criu.messages_contents import FIFO, INET_SOCKET, MOUNT, UNIX_SOCKET

from planner.findings.registry import Answer, Finding, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.hookspecs import Artefact
from planner.host.facts import Answers, Host, PathFact
from planner.host.questions import places, questions
from tests.helpers import criu_dumps
from tests.helpers.held import artefact, held

FILE, DIRECTORY = 0o100644, 0o40755


def answers(given: Artefact, host: Host | None, *options: str) -> list[Answer]:
    return list(criu_held.check(given, host, Invocation(consumer="criu-restore", options=options)))


def codes(given: Artefact, host: Host, *options: str) -> list[str]:
    found = answers(given, host, *options)
    assert not [each for each in found if isinstance(each, Unknown)]
    return [each.code for each in found if isinstance(each, Finding)]


def at(path: str, kind: str, size: int | None = None, mode: int = FILE) -> Host:
    fact = msgspec.convert({"kind": kind, "size": size, "mode": mode}, PathFact)
    return Host(processor=("avx",), answers=Answers(paths={path: fact}))


RECORDED = criu_dumps.regular(1, "/srv/a", 5, FILE)


@pytest.mark.parametrize(
    ("there", "options", "expected"),
    [
        (at("/srv/a", "file", 5), (), []),
        (at("/srv/a", "missing"), (), ["criu-path-missing"]),
        (at("/srv/a", "file", 6), (), ["criu-file-size"]),
        (at("/srv/a", "file", 5, 0o100600), (), ["criu-file-mode"]),
        (at("/srv/a", "file", 5, 0o100600), ("--skip-file-rwx-check",), []),
        (at("/srv/a", "file", 5, 0o104644), ("--skip-file-rwx-check",), ["criu-file-mode"]),
        (at("/srv/a", "directory", None, DIRECTORY), (), ["criu-file-kind"]),
        (at("/srv/a", "fifo", None, 0o10644), ("--skip-file-rwx-check",), ["criu-file-kind"]),
    ],
)
def test_a_file_by_a_descriptor(tmp_path: Path, there: Host, options: tuple[str, ...], expected: list[str]) -> None:
    assert codes(held(tmp_path, RECORDED), there, *options) == expected


def test_a_file_that_is_written_has_no_size_and_may_grow(tmp_path: Path) -> None:
    entry = criu_dumps.file(1, "reg", criu_dumps.messages_contents.REGULAR_FILE, flags=1025, name="/srv/a", mode=FILE)
    assert codes(held(tmp_path, entry), at("/srv/a", "file", 999)) == []
    assert codes(held(tmp_path, entry), at("/srv/a", "missing")) == ["criu-path-missing"]


def test_a_mount_may_forbid_writing_and_code(tmp_path: Path) -> None:
    there = PathFact(kind="file", size=5, mode=FILE, read_only=True, no_code=True)
    host = Host(processor=(), answers=Answers(paths={"/srv/a": there}))
    assert codes(held(tmp_path / "read", RECORDED), host) == []
    written = criu_dumps.regular(1, "/srv/a", 5, FILE, flags=2)
    assert codes(held(tmp_path / "written", written), host) == ["criu-file-read-only"]
    code = {"mm-10.img": criu_dumps.memory(0, criu_dumps.area(1, 4096, prot=5))}
    assert codes(held(tmp_path / "code", RECORDED, **code), host) == ["criu-mount-noexec"]


def test_a_file_whose_name_was_gone_comes_back_from_the_image(tmp_path: Path) -> None:
    remap = criu_dumps.encoded(criu_dumps.messages_contents.REMAP, {"orig_id": 1, "remap_id": 7, "remap_type": 1})
    given = held(tmp_path, RECORDED, **{"remap-fpath.img": criu_dumps.image("remap-fpath", remap)})
    assert codes(given, at("/srv/a", "missing")) == [] and questions(given.forest, given.contents).paths == ()


@pytest.mark.parametrize(("there", "expected"), [("file", []), ("missing", ["criu-path-missing"])])
def test_a_file_that_comes_back_from_a_link_needs_the_link_and_not_its_name(
    tmp_path: Path, there: str, expected: list[str]
) -> None:
    remap = criu_dumps.encoded(criu_dumps.messages_contents.REMAP, {"orig_id": 1, "remap_id": 7, "remap_type": 0})
    link = criu_dumps.regular(7, "/srv/link_remap.1", 5, FILE)
    images = {"remap-fpath.img": criu_dumps.image("remap-fpath", remap), "files.img": criu_dumps.image("files", RECORDED, link)}
    given = held(tmp_path, RECORDED, **images)
    assert questions(given.forest, given.contents).paths == ("/srv/link_remap.1",)
    assert codes(given, at("/srv/link_remap.1", there, 5)) == expected


def test_an_executable_a_library_and_a_directory_have_findings_of_their_own(tmp_path: Path) -> None:
    files = criu_dumps.tree() | {
        "files.img": criu_dumps.image(
            "files", criu_dumps.regular(1, "/bin/x", 9, 0o100755), criu_dumps.regular(2, "/w", 0, DIRECTORY)
        ),
        "mm-10.img": criu_dumps.memory(1, criu_dumps.area(1, 4096, prot=5)),
        "fs-10.img": criu_dumps.directories(2, 2),
    }  # fmt: skip
    given = artefact(tmp_path, files)
    missing = PathFact(kind="missing")
    host = Host(processor=(), answers=Answers(paths={"/bin/x": missing, "/w": missing}))
    assert codes(given, host) == ["criu-executable-missing", "criu-directory-missing"]
    other = PathFact(kind="file", size=10, mode=0o100755)
    host = Host(processor=(), answers=Answers(paths={"/bin/x": other, "/w": PathFact(kind="directory", mode=0o40700)}))
    assert codes(given, host) == ["criu-executable-changed", "criu-file-mode"]


def test_a_fifo_is_asked_for_by_the_file_that_names_it(tmp_path: Path) -> None:
    images = criu_dumps.tree() | {"fdinfo-2.img": criu_dumps.descriptors((3, 2))}
    fifo = criu_dumps.file(2, "fifo", FIFO, pipe_id=4, regf_id=1)
    images["files.img"] = criu_dumps.image("files", criu_dumps.regular(1, "/q", 0, 0o10644), fifo)
    given = artefact(tmp_path, images)
    assert codes(given, at("/q", "missing")) == ["criu-path-missing"]
    assert codes(given, at("/q", "fifo", None, 0o10600)) == ["criu-file-mode"]
    assert codes(given, at("/q", "fifo", None, 0o10644)) == []


def listening(**fields: object) -> bytes:
    given = {"ino": 7, "family": 2, "type": 1, "proto": 6, "state": 10, "src_port": 80, "src_addr": [0x0100007F], "opts": b""}
    return criu_dumps.file(1, "isk", INET_SOCKET, **(given | fields))


@pytest.mark.parametrize(
    ("found", "expected"), [("free", []), ("EADDRINUSE", ["criu-address-taken"]), ("EADDRNOTAVAIL", ["criu-address-missing"])]
)
def test_an_address(tmp_path: Path, found: str, expected: list[str]) -> None:
    host = Host(processor=(), answers=Answers(addresses={"tcp 127.0.0.1:80": found}))
    assert codes(held(tmp_path, listening()), host) == expected


def test_a_connected_socket_is_bound_with_its_option_alone(tmp_path: Path) -> None:
    host = Host(processor=(), answers=Answers(addresses={"tcp 127.0.0.1:80": "EADDRNOTAVAIL"}))
    given = held(tmp_path, listening(state=1, dst_port=9))
    assert codes(given, host, "--tcp-close") == [] and codes(given, host, "--tcp-established") == ["criu-address-missing"]
    assert codes(held(tmp_path, listening(state=7, dst_port=9)), host, "--tcp-close") == [], "the dump has closed it"


def test_a_unix_socket_needs_its_directory_and_its_abstract_name(tmp_path: Path) -> None:
    bound = criu_dumps.file(1, "usk", UNIX_SOCKET, ino=7, type=1, state=10, peer=0, name="/run/x/s", opts=b"")
    given = held(tmp_path / "a", bound)
    assert codes(given, at("/run/x", "missing")) == ["criu-directory-missing"]
    assert codes(given, at("/run/x", "directory", None, DIRECTORY)) == []
    for kind, expected in (
        ("socket", []),
        ("missing", []),
        ("file", ["criu-address-taken"]),
        ("directory", ["criu-address-taken"]),
    ):
        there = {"/run/x": PathFact(kind="directory", mode=DIRECTORY), "/run/x/s": msgspec.convert({"kind": kind}, PathFact)}
        assert codes(given, Host(processor=(), answers=Answers(paths=there))) == expected
    abstract = criu_dumps.file(1, "usk", UNIX_SOCKET, ino=7, type=1, state=10, peer=0, name=b"\0n", opts=b"")
    given = held(tmp_path / "b", abstract)
    for found, expected in (("free", []), ("EADDRINUSE", ["criu-address-taken"])):
        assert codes(given, Host(processor=(), answers=Answers(addresses={"unix stream @n": found}))) == expected


@pytest.mark.parametrize(
    ("state", "processor", "expected"),
    [
        (0b11, (), []),
        (0b111, ("avx",), []),
        (0b111, (), ["criu-registers-lost"]),
        (0b1110_0111, ("avx",), ["criu-registers-lost"]),
        (0b1110_0111, ("avx", "avx512f"), []),
    ],
)
def test_registers_that_the_processor_lacks_are_lost(
    tmp_path: Path, state: int, processor: tuple[str, ...], expected: list[str]
) -> None:
    given = artefact(tmp_path, criu_dumps.tree() | {"core-10.img": criu_dumps.core(10, state)})
    assert codes(given, Host(processor=processor)) == expected
    assert kinds_held.CRIU_REGISTERS_LOST.outcome == "wrong"


def test_the_keys_register_that_every_task_begins_with_is_no_value(tmp_path: Path) -> None:
    for value, expected in ((0x5555_5554, []), (0x5555_5550, ["criu-registers-lost"])):
        files = criu_dumps.tree() | {"core-10.img": criu_dumps.core(10, 1 << 9, keys=value)}
        assert codes(artefact(tmp_path / str(value), files), Host(processor=())) == expected


def test_what_is_in_namespaces_of_the_trees_own_is_not_asked(tmp_path: Path) -> None:
    files = criu_dumps.tree((1,), own=("mnt", "net")) | {
        "files.img": criu_dumps.image("files", RECORDED, listening(id=2)),
        "fdinfo-2.img": criu_dumps.descriptors((3, 1), (4, 2)),
    }
    given = artefact(tmp_path, files)
    assert codes(given, Host(processor=())) == []
    asked = questions(given.forest, given.contents, places(("--root=/root/fs/",)))
    assert (asked.paths, asked.addresses) == (("/root/fs/srv/a",), ())
    assert codes(given, at("/root/fs/srv/a", "missing"), "--root=/root/fs/") == ["criu-path-missing"]


def test_without_answers_nothing_is_known_and_without_a_host_nothing_is_asked(tmp_path: Path) -> None:
    given = held(tmp_path, RECORDED)
    assert [type(each) for each in answers(given, Host(processor=())) if each.code == "criu-path-missing"] == [Unknown]
    assert answers(given, None) == []


def test_every_question_is_passed_where_nothing_is_wrong(tmp_path: Path) -> None:
    passed = {each.code for each in answers(held(tmp_path, RECORDED), at("/srv/a", "file", 5)) if isinstance(each, Passed)}
    assert passed >= {"criu-path-missing", "criu-file-size", "criu-file-mode", "criu-registers-lost"}


def test_an_external_mount_needs_a_source_of_the_host_that_is_judged(tmp_path: Path) -> None:
    """Without a host there is no source to name."""
    mount = criu_dumps.encoded(
        MOUNT, {"fstype": 1, "mnt_id": 5, "root_dev": 1, "parent_mnt_id": 1, "flags": 0, "root": "/dev", "mountpoint": "/dev"}
        | {"source": "none", "options": "", "ext_mount": True, "ext_key": "DEV"},
    )  # fmt: skip
    images = criu_dumps.tree(pids=(1,), own=("mnt", "pid")) | {"mountpoints-2.img": criu_dumps.image("mountpoints", mount)}
    given = artefact(tmp_path, images)
    needed = "--external=mnt[DEV]:SOURCE"

    found = [each for each in answers(given, None) if isinstance(each, Finding)]
    assert [(each.code, each.outcome, each.needs) for each in found] == [("criu-external-source", "", (needed,))]
    assert "criu-external-mount" in [each.code for each in answers(given, Host()) if isinstance(each, Finding)]
    mapped = answers(given, None, "--external=mnt[DEV]:/dev")
    assert [each.code for each in mapped if isinstance(each, Finding)] == []


@pytest.mark.parametrize(("there", "expected"), [("directory", []), ("missing", ["criu-mount-source", "criu-mountpoint"])])
def test_a_mount_needs_its_source_and_its_place_below_the_root(tmp_path: Path, there: str, expected: list[str]) -> None:
    given = {"fstype": 1, "root_dev": 1, "flags": 0, "source": "none", "options": ""}
    mounts = [
        given | {"mnt_id": 1, "parent_mnt_id": 0, "root": "/", "mountpoint": "/"},
        given | {"mnt_id": 5, "parent_mnt_id": 1, "root": "/dev", "mountpoint": "/dev", "ext_mount": True, "ext_key": "DEV"},
    ]
    entries = [criu_dumps.encoded(MOUNT, each) for each in mounts]
    images = criu_dumps.tree(pids=(1,), own=("mnt", "pid")) | {"mountpoints-2.img": criu_dumps.image("mountpoints", *entries)}
    fact = msgspec.convert({"kind": there}, PathFact)
    host = Host(processor=(), answers=Answers(paths={"/srv/dev": fact, "/srv/root/dev": fact}))
    options = ("--root=/srv/root", "--external=mnt[DEV]:/srv/dev")
    assert codes(artefact(tmp_path, images), host, *options) == expected


@pytest.mark.parametrize(("there", "expected"), [(True, []), (False, ["criu-interface-missing"])])
def test_a_socket_that_is_bound_to_an_interface_needs_it(tmp_path: Path, there: bool, expected: list[str]) -> None:
    host = Host(processor=(), answers=Answers(addresses={"tcp 127.0.0.1:80": "free"}, interfaces={"eth7": there}))
    assert codes(held(tmp_path, listening(ifname="eth7")), host) == expected


@pytest.mark.parametrize(("there", "expected"), [("free", []), ("ECONNREFUSED", ["criu-unix-peer"])])
def test_a_peer_outside_of_the_image_must_receive(tmp_path: Path, there: str, expected: list[str]) -> None:
    given = {"ino": 7, "type": 2, "state": 7, "flags": 2, "uflags": 1, "peer": 0, "name": b"/run/log", "opts": b""}
    host = Host(processor=(), answers=Answers(addresses={"peer datagram /run/log": there}))
    assert codes(held(tmp_path, criu_dumps.file(1, "usk", UNIX_SOCKET, **given)), host) == expected
