"""What a machine answers: paths are looked at and never opened, addresses are bound for a moment and free again."""

import os
import socket
from pathlib import Path

from planner.host.answers import answers
from planner.host.facts import Host, PathFact, decode, encode
from planner.host.questions import Address, Questions


def test_paths_are_told_by_kind_size_and_mode(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "file").chmod(0o640)
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "link").symlink_to("file")
    names = ("file", "fifo", "link", "none", "file/below", "odd\\xff", "nul\0")
    found = answers(Questions(paths=tuple(f"{tmp_path}/{name}" for name in names))).paths
    told = {path.removeprefix(f"{tmp_path}/"): fact for path, fact in found.items()}
    assert told == {
        "file": PathFact(kind="file", size=5, mode=0o100640),
        "link": PathFact(kind="file", size=5, mode=0o100640),
        "fifo": PathFact(kind="fifo", mode=0o10600),
        "none": PathFact(kind="missing"),
        "file/below": PathFact(kind="missing"),
    }


def test_addresses_are_free_taken_or_not_here_and_stay_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        here, elsewhere = Address("inet", "tcp", "127.0.0.1", port), Address("inet", "tcp", "192.0.2.1", port)
        asked = Questions(
            addresses=(here, elsewhere, Address("inet", "tcp", "nonsense", 1), Address("inet", "tcp", "127.0.0.1", 1 << 20))
        )
        assert answers(asked).addresses == {here.key: "EADDRINUSE", elsewhere.key: "EADDRNOTAVAIL"}
    for _ in range(2):
        assert answers(Questions(addresses=(here,))).addresses == {here.key: "free"}


def test_abstract_names_are_free_or_taken() -> None:
    name = f"@crplan-{os.getpid()}"
    asked = Questions(addresses=(Address("unix", "stream", name),))
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("\0" + name[1:])
        assert set(answers(asked).addresses.values()) == {"EADDRINUSE"}
    assert set(answers(asked).addresses.values()) == {"free"}


def test_interfaces_are_there_or_not() -> None:
    assert answers(Questions(interfaces=("no-such-0",))).interfaces == {"no-such-0": False}


def test_answers_survive_the_host_file() -> None:
    host = Host(processor=("avx",), answers=answers(Questions(paths=("/",))))
    assert decode(encode(host)) == host
