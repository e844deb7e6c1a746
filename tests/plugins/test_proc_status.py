"""What /proc says of a task, read from files made by hand."""

from pathlib import Path

import pytest
from crplan_proc.status import Gone, read_status

STATUS = """Name:\tworker
Umask:\t0022
State:\t{state}
Tgid:\t4100
Ngid:\t0
Pid:\t4100
PPid:\t4000
Uid:\t1000\t1000\t1000\t1000
Gid:\t100\t100\t100\t100
Groups:\t{groups}
NStgid:\t4100\t7\t1
NSpid:\t4100\t7\t1
NSpgid:\t4000\t3\t0
NSsid:\t4000\t3\t0
CapInh:\t0000000000000000
CapPrm:\t00000000a80425fb
CapEff:\t00000000a80425fb
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000000
NoNewPrivs:\t{privileges}
Seccomp:\t{seccomp}
"""


def files(
    directory: Path,
    *,
    name: bytes = b"worker",
    state: str = "S (sleeping)",
    flags: int = 0x400040,
    code: int = 0,
    groups: str = " ",
    privileges: int = 0,
    seccomp: int = 0,
) -> str:
    """Write `stat` and `status` of a task whose exit signal is 10 and which began at 77 ticks."""
    status = STATUS.format(state=state, groups=groups, privileges=privileges, seccomp=seccomp)
    (directory / "status").write_text(status)
    fields = [state[0], "4000", "4000", "4000", "0", "-1", str(flags)] + ["0"] * 12 + ["77"] + ["0"] * 15 + ["10"]
    fields += ["0"] * (49 - len(fields)) + [str(code)]
    (directory / "stat").write_bytes(b"4100 (" + name + b") " + " ".join(fields).encode() + b"\n")
    return str(directory)


def test_vectors_are_outermost_first_and_the_leader_may_be_out_of_sight(tmp_path: Path) -> None:
    status = read_status(files(tmp_path))
    assert (status.pids, status.groups, status.sessions) == ((4100, 7, 1), (4000, 3, 0), (4000, 3, 0))
    assert (status.number, status.thread_group, status.parent) == (4100, 4100, 4000)
    assert (status.exit_signal, status.started) == (10, 77)


@pytest.mark.parametrize("name", [b"a) S 1 (b", b"two words", b"(((", b")))", b"line\nend", b"\xff\xfe"])
def test_a_name_cannot_shift_the_fields(tmp_path: Path, name: bytes) -> None:
    status = read_status(files(tmp_path, name=name, state="Z (zombie)", code=0x8B))
    assert status.name == name.decode("utf-8", "backslashreplace")
    assert (status.state, status.exit_status, status.exit_signal) == ("zombie", 0x8B, 10)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("R (running)", "running"),
        ("S (sleeping)", "running"),
        ("D (disk sleep)", "running"),
        ("t (tracing stop)", "running"),
        ("T (stopped)", "stopped"),
        ("Z (zombie)", "zombie"),
    ],
)
def test_states_come_down_to_three(tmp_path: Path, state: str, expected: str) -> None:
    assert read_status(files(tmp_path, state=state)).state == expected


def test_an_exit_code_counts_for_zombies_only(tmp_path: Path) -> None:
    assert read_status(files(tmp_path, state="T (stopped)", code=0x137F)).exit_status == 0


def test_a_task_on_its_way_out_is_neither_alive_nor_zombie(tmp_path: Path) -> None:
    assert read_status(files(tmp_path, flags=0x400044)).ending
    assert not read_status(files(tmp_path, flags=0x400044, state="Z (zombie)")).ending
    assert not read_status(files(tmp_path)).ending


def test_a_dead_task_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Gone):
        read_status(files(tmp_path, state="X (dead)"))
    with pytest.raises(Gone):
        read_status(str(tmp_path / "nowhere"))


def test_facts_with_their_ordinary_value_are_left_out(tmp_path: Path) -> None:
    capabilities = "00000000a80425fb"
    ordinary = [("uid", "1000 1000 1000 1000"), ("gid", "100 100 100 100")]
    kept = [("cap_permitted", capabilities), ("cap_effective", capabilities), ("cap_bounding", capabilities)]
    assert list(read_status(files(tmp_path)).facts) == ordinary + kept
    special = dict(read_status(files(tmp_path, groups="4 27", privileges=1, seccomp=2)).facts)
    assert (special["groups"], special["no_new_privs"], special["seccomp"]) == ("4 27", "1", "filter")
