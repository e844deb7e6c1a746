"""Every error that CRIU's restore has for a process tree, provoked in an image, and what is foretold of it.

Each row is a real dump with something changed in its files, or a tree that CRIU is known to fail on. "unreadable" and
"contradictory" are refusals of crplan's own, before any check is asked: CRIU refuses these images, too.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crplan_checks import kinds, kinds_contents

from planner import read
from planner.errors import BadImage, Contradiction
from planner.events.records import AnyEvent
from tests.helpers.criu_images import criu_image
from tests.helpers.places import DATA
from tests.helpers.verdicts import verdict_of

SAMPLES = DATA / "criu"
IMG_COMMON = bytes.fromhex("19435654")

Values = list[tuple[int, int | bytes]]
"""A protobuf message: field numbers with their values, as far as those are varints or bytes."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def decoded(data: bytes) -> Values:
    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    fields: Values = []
    at = 0
    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields.append((key >> 3, number()))
        else:
            assert key & 7 == 2
            size = number()
            fields.append((key >> 3, data[at : at + size]))
            at += size
    return fields


def encoded(fields: Values) -> bytes:
    return b"".join(
        varint(field << 3) + varint(value) if isinstance(value, int) else varint(field << 3 | 2) + varint(len(value)) + value
        for field, value in fields
    )


def changed(fields: Values, field: int, value: int | bytes | None, *inside: int) -> Values:
    """Return the message with a field changed, added or (None) taken out; `inside` leads to a message below it."""
    if inside:
        first, *deeper = inside
        below = next((part for number, part in fields if number == first), b"")
        assert isinstance(below, bytes)
        return changed(fields, first, encoded(changed(decoded(below), field, value, *deeper)))
    place = next((at for at, (number, _) in enumerate(fields) if number == field), len(fields))
    new: Values = [] if value is None else [(field, value)]
    return [*fields[:place], *new, *fields[place + 1 :]]


def edit(file: Path, field: int, value: int | bytes | None, *inside: int, entry: int = 0) -> None:
    """Change a field of an entry of an image file."""
    data = file.read_bytes()
    at = 8 if data.startswith(IMG_COMMON) else 4
    head, entries = data[:at], []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        entries.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    entries[entry] = encoded(changed(decoded(entries[entry]), field, value, *inside))
    file.write_bytes(head + b"".join(len(part).to_bytes(4, "little") + part for part in entries))


def numbers_of(directory: Path, kind: str) -> list[int]:
    return sorted(int(path.stem.partition("-")[2]) for path in directory.glob(f"{kind}-*.img"))


def inventory(field: int, value: int | bytes | None) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "inventory.img", field, value)


def core(position: int, field: int, value: int | bytes | None, *inside: int) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        edit(directory / f"core-{numbers_of(directory, 'core')[position]}.img", field, value, *inside)

    return change


def entry(position: int, field: int, value: int) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "pstree.img", field, value, entry=position)


def like_root(field: int) -> Callable[[Path], None]:
    """Give the second task the same object as the root's, by the field of its ids."""

    def change(directory: Path) -> None:
        first, second, *_ = numbers_of(directory, "ids")
        data = (directory / f"ids-{first}.img").read_bytes()[12:]
        edit(directory / f"ids-{second}.img", field, dict(decoded(data))[field])

    return change


def files_of_dumper(directory: Path) -> None:
    root = numbers_of(directory, "ids")[0]
    files = dict(decoded((directory / f"ids-{root}.img").read_bytes()[12:]))[2]
    edit(directory / "inventory.img", 2, files, 3)


def without(kind: str, position: int) -> Callable[[Path], None]:
    return lambda directory: (directory / f"{kind}-{numbers_of(directory, kind)[position]}.img").unlink()


def namespace(kind: int, position: int = 1) -> Callable[[Path], None]:
    """Give a task a namespace of its own, by the field of its ids."""
    return lambda directory: edit(directory / f"ids-{numbers_of(directory, 'ids')[position]}.img", kind, 77)


SPOILT: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("Not supported images version N", "children3", inventory(1, 3), "unreadable"),
    ("Too old image, no longer supported", "children3", inventory(2, None), "refused: criu-image-refused"),
    ("Corrupted root cgset", "children3", inventory(5, 0), "refused: criu-image-refused"),
    ("Need to set the --tcp-close options.", "children3", inventory(10, 1), "unknown: criu-option-needed"),
    ("Dumped with --allow-uprobes.", "children3", inventory(14, 1), "unknown: criu-option-needed"),
    ("No kIDs provided", "children3", inventory(3, None), "refused: criu-image-refused"),
    ("Image corruption on kIDs data", "children3", files_of_dumper, "refused: criu-image-refused"),
    ("No IDs for root task", "children3", without("ids", 0), "unreadable"),
    ("Core IDS data missed for non-zombie", "children3", without("ids", 1), "unreadable"),
    ("Core task state data missed", "children3", core(1, 3, None), "unreadable"),
    ("Core info data missed (no core)", "children3", without("core", 1), "unreadable"),
    ("Unknown task state N", "children3", core(1, 1, 9, 3), "unreadable"),
    ("Core march mismatch M (of one task)", "children3", core(1, 1, 3), "refused: criu-image-refused"),
    ("Can't find a parent for N", "children3", entry(1, 2, 999), "contradictory"),
    ("Parent missed on non-root task", "children3", entry(1, 2, 0), "refused: criu-image-refused, criu-session-leader-elsewhere"),
    (
        "BUG_ON: repeated pid",
        "children3",
        lambda at: edit(at / "pstree.img", 1, numbers_of(at, "core")[1], entry=2),
        "contradictory",
    ),
    ("BUG_ON: pgid is a thread's", "threads5", lambda at: edit(at / "pstree.img", 3, numbers_of(at, "core")[1]), "contradictory"),
    ("BUG_ON: sid is a thread's", "threads5", lambda at: edit(at / "pstree.img", 4, numbers_of(at, "core")[1]), "contradictory"),
    ("Can't make VM id (rc 0, lost)", "children3", like_root(1), "wrong: criu-sharing-lost"),
    ("Can't make FS id (rc 0, lost)", "children3", like_root(3), "wrong: criu-sharing-lost"),
    ("Can't make IO id (rc 0, lost)", "children3", like_root(4), "wrong: criu-sharing-lost"),
    ("FILES of the parent are fine", "children3", like_root(2), "ok"),
    ("Can't dump nested uts namespace", "container", namespace(8), "refused: criu-namespace-of-child"),
    ("Can't dump nested ipc namespace", "container", namespace(7), "refused: criu-namespace-of-child"),
    ("Can't dump nested user namespace", "container", namespace(10), "refused: criu-namespace-of-child"),
    ("Can't dump nested cgroup namespace", "container", namespace(11), "refused: criu-namespace-of-child"),
    ("nested net below a root with its own", "container", namespace(6), "ok"),
    ("Can't restore sub-task in NS (cflags 40000000)", "children3", namespace(6), "refused: criu-namespace-of-child"),
    ("Can't restore sub-task in NS (cflags 20000)", "children3", namespace(9), "refused: criu-namespace-of-child"),
    ("A root task is dead", "single", core(0, 1, 2, 3), "refused: criu-root-dead"),
    ("The root process N is not a session leader", "single", entry(0, 4, 5), "unknown: criu-shell-job"),
]
"""CRIU's error, a dump, what is changed in it, and what is foretold."""

TREES: list[tuple[str, list[AnyEvent], str]] = [
    ("Can't find a session leader for SID", criu_image("1 2:1s 4:2/4 5:2/4"), "refused: criu-session-leader-elsewhere"),
    ("A session leader is outside of its pid namespace", criu_image("1 2:1/0/2"), "refused: criu-session-leader-elsewhere"),
    ("Can't restore pgid", criu_image("1 2:1 3:1//2 4:1//4"), "hangs: criu-group-leader-moved"),
    ("rc 0, adopted by another", criu_image("10s 15:10/19", own_pid_namespace=False), "wrong: criu-adopted-by-root"),
    ("rc 0, another exit status", criu_image("1 2:1z51200"), "wrong: criu-exit-status"),
    (
        "can only be restored in a new pid namespace",
        criu_image("1 2:1", own_pid_namespace=False),
        "refused: criu-namespace-of-root",
    ),
    ("First PID in a PID namespace needs to be 1", criu_image("10 11:10"), "refused: criu-namespace-of-root"),
    ("vz image: required fields are missing", criu_image("1 2.1:1", generation="vz"), "refused: criu-virtuozzo"),
]

ELSEWHERE = {
    "Can't figure out which sid the process was born with": "test_checks_criu: no kernel holds such a tree",
    "Can't fork for N: File exists": "test_checks_host and test_into: number-taken",
    "Can't set kernel pid_max=N": "test_checks_host: criu-pid-max",
    "Core march mismatch M (of the host)": "test_checks_host: criu-machine",
    "rc 0, pid_for_children lost": "test_checks_criu: criu-pid-for-children; upstream does not record it at all",
    "rc 0, exit_signal lost": "test_checks_criu: unknown, because no image records it",
    "Current sid S intersects": "only with --shell-job, which an image cannot tell: criu-shell-job is unknown",
}
"""Errors with tests of their own."""

NOT_FORETOLD = {
    "rc 0, SYSVSEM lost": "no image records it, and tasks made by fork(3) do not share it; those cloned otherwise are unknown",
    "Requested sid A doesn't match inherited B": "guards against a mistake in CRIU's own plan; no image is known that meets it",
    "Unable to restore into an empty PID namespace": "needs an external pid namespace, which is given on the command line",
    "Pid X do not match expected N": "kernels before 5.5 only, and a race with another process that forks",
    "Unexpected task T in a tree I": "a task of a kind that only exists while CRIU runs",
    "N exited, N killed by signal": "what happens to a task while it is restored is in no image",
    "Zombie thread, individually stopped threads": "refused at the dump; the image has no field for it",
    "Timeout reached, Unseizable non-zombie": "at the dump only",
    "SysVIPC shmem map, /proc of another, rlimit": "at the dump only, and of what crplan does not cover",
}
"""Errors that nothing in an image or on a host foretells, and why."""


def foretold(history: list[AnyEvent]) -> str:
    verdict = verdict_of(history, options=None)
    return f"{verdict.verdict}: {', '.join(verdict.codes)}" if verdict.codes else verdict.verdict


def of_directory(directory: Path) -> str:
    try:
        return foretold(read(directory))
    except BadImage:
        return "unreadable"
    except Contradiction:
        return "contradictory"


@pytest.mark.parametrize(("error", "sample", "spoil", "expected"), SPOILT, ids=[row[0] for row in SPOILT])
def test_an_error_of_criu_is_foretold(
    error: str, sample: str, spoil: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    directory = tmp_path / "img"
    shutil.copytree(SAMPLES / sample / "img", directory)
    assert of_directory(directory) == "ok", "the dump itself is restored"
    spoil(directory)
    assert of_directory(directory) == expected


@pytest.mark.parametrize(("error", "history", "expected"), TREES, ids=[row[0] for row in TREES])
def test_an_error_of_criu_is_foretold_of_a_tree(error: str, history: list[AnyEvent], expected: str) -> None:
    assert foretold(history) == expected


def test_the_table_is_complete_and_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind of CRIU's is foretold in some row or has a test elsewhere; no row is both foretold and not."""
    rows = [(error, expected) for error, _, _, expected in SPOILT] + [(error, expected) for error, _, expected in TREES]
    with capsys.disabled():
        print(f"\n{'what CRIU says':52} foretold")
        for error, expected in [*rows, *ELSEWHERE.items(), *NOT_FORETOLD.items()]:
            print(f"{error:52} {expected}")
    assert len({error for error, _ in rows} | ELSEWHERE.keys() | NOT_FORETOLD.keys()) == len(rows) + len(ELSEWHERE) + len(
        NOT_FORETOLD
    )
    seen = {code for _, expected in rows for code in expected.partition(": ")[2].split(", ")}
    elsewhere = {
        "criu-two-birth-sessions",
        "criu-pid-for-children",
        "criu-terminal-session",
        "criu-exit-signal",
        "criu-subreaper",
        "criu-zombie-core",
    }
    of_contents = {kind.code for kind in kinds_contents.CONTENTS} | {"criu-zombie-hang", "criu-parent-death-signal"}
    assert {kind.code for kind in kinds.CRIU} == (seen | elsewhere | of_contents) - {""}
