"""What people meet when they restore: each made with criu, foretold by `crplan check --here`, or restored and no alarm.

`failures.md` beside this file is the table of them. "Real" are those that this machine has; what another machine would have is an
image that is changed as that machine would have written it.
"""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from crplan_criu import messages_contents

from tests.helpers import nested
from tests.helpers.criu_dumps import encoded
from tests.helpers.failures import Failure, Place, dumped, edit, judged, limited, restored, without

SYS_NICE, SETUID = "23", "7"
LINE: Final = "| {area} | {what} | {made} | {crplan} | {criu} |"


def shell(command: str) -> Callable[[Place], None]:
    """Return what runs a command in the directory of the trial."""

    def spoil(place: Place) -> None:
        subprocess.run(["sh", "-c", command], cwd=place.directory, check=True)

    return spoil


def listening(address: tuple[str, int]) -> Callable[[Place], socket.socket]:
    """Return what listens at an address while the restore runs."""

    def keep(place: Place) -> socket.socket:
        taken = socket.socket()
        taken.bind(address)
        taken.listen()
        return taken

    return keep


def abstract(name: str) -> Callable[[Place], socket.socket]:
    """Return what has a name in the abstract namespace while the restore runs."""

    def keep(place: Place) -> socket.socket:
        taken = socket.socket(socket.AF_UNIX)
        taken.bind(f"\0{name}")
        return taken

    return keep


def both(*spoils: Callable[[Place], None]) -> Callable[[Place], None]:
    """Return what spoils in several ways."""

    def spoil(place: Place) -> None:
        for each in spoils:
            each(place)

    return spoil


WRITTEN = "f = open(D + '/a', 'w+'); f.write('abc'); f.flush()"
READ = "open(D + '/a', 'w').write('abc'); f = open(D + '/a')"
LIBRARY = (
    "import mmap, shutil; shutil.copy('/bin/true', D + '/a'); f = open(D + '/a', 'rb'); "
    "m = mmap.mmap(f.fileno(), 4096, prot=5, flags=2)"
)
MOUNTED = "import subprocess; os.mkdir(D + '/m'); subprocess.run(['mount', '-t', 'tmpfs', 'none', D + '/m'], check=True); "
ON_MOUNT = MOUNTED + WRITTEN.replace("'/a'", "'/m/a'")
LISTENS = "s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('{}', {})); s.listen()"
CONNECTED = (
    "a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen(); b = socket.create_connection(a.getsockname()); c = a.accept()"
)
IN_CGROUP = (
    "p = '/sys/fs/cgroup/pids/crplan-failures-' + str(os.getppid()); os.makedirs(p, exist_ok=True); "
    "open(p + '/cgroup.procs', 'w').write(str(os.getpid()))"
)
CGROUP = f"/sys/fs/cgroup/pids/crplan-failures-{os.getpid()}"
CPUSET = CGROUP.replace("/pids/", "/cpuset/")
SET_UP = "[open(p + n, 'w').write('0') for n in ('/cpuset.cpus', '/cpuset.mems')]; open("
IN_CPUSET = IN_CGROUP.replace("/pids/", "/cpuset/").replace("open(", SET_UP, 1)


def no_cgroup(place: Place) -> None:
    """Remove the cgroups of the trial, where a restore is to find none."""
    for path in (CGROUP, CPUSET):
        if os.path.isdir(path):
            os.rmdir(path)


def more_processors(place: Place) -> None:
    """Have the cgroup of the image be for processors that no machine has."""
    file = place.image / "cgroup.img"
    data = file.read_bytes()
    wanted = encoded(messages_contents.CG_PROPERTY, {"name": "cpuset.cpus", "value": "0"})
    other = encoded(messages_contents.CG_PROPERTY, {"name": "cpuset.cpus", "value": "9"})
    assert wanted in data
    file.write_bytes(data.replace(wanted, other))


CORE = "core-*.img"
CREDS = (5, 10)
FAILURES = (
    Failure(area="files", what="nothing changed", holds=WRITTEN),
    Failure(
        area="files", what="an open file is gone", holds=WRITTEN, spoil=shell("rm a"), codes=("criu-path-missing",),
        criu="No such file or directory",
    ),
    Failure(
        area="files", what="a file that is read has grown", holds=READ, spoil=shell("echo more >> a"), codes=("criu-file-size",),
        criu="has bad size",
    ),
    Failure(area="files", what="a log file has grown", holds="f = open(D + '/a', 'a')", spoil=shell("echo more >> a")),
    Failure(
        area="files", what="the mode of a file has changed", holds=WRITTEN, spoil=shell("chmod 600 a"), codes=("criu-file-mode",),
        criu="has bad mode",
    ),
    Failure(
        area="files", what="the mode has changed, and criu is not to look", holds=WRITTEN, spoil=shell("chmod 600 a"),
        restored=("--skip-file-rwx-check",),
    ),
    Failure(
        area="files", what="a directory stands in the file's place", holds=READ, spoil=shell("rm a; mkdir a"),
        codes=("criu-file-kind",), criu="has bad",
    ),
    Failure(
        area="files", what="the working directory is gone", holds="os.mkdir(D + '/w'); os.chdir(D + '/w')",
        spoil=shell("rmdir w"), codes=("criu-directory-missing",), criu="No such file or directory",
    ),
    Failure(
        area="files", what="a library was replaced by a longer one", holds=LIBRARY, spoil=shell("echo >> a"),
        codes=("criu-executable-changed", "criu-file-size"), criu="has bad size",
    ),
    Failure(area="files", what="the name was gone at the dump", holds=WRITTEN + "; os.unlink(D + '/a')"),
    Failure(
        area="mounts", what="the mount that a file was on is gone", holds=ON_MOUNT, spoil=shell("umount m"),
        codes=("criu-path-missing",), criu="No such file or directory",
    ),
    Failure(
        area="mounts", what="another mount hides the file", holds=ON_MOUNT, spoil=shell("mount -t tmpfs none m"),
        codes=("criu-path-missing",), criu="No such file or directory",
    ),
    Failure(
        area="mounts", what="the mount is read-only", holds=ON_MOUNT, spoil=shell("mount -o remount,ro m"),
        codes=("criu-file-read-only",), criu="Read-only file system",
    ),
    Failure(
        area="mounts", what="the mount allows no code", holds=MOUNTED + LIBRARY.replace("'/a'", "'/m/a'"),
        spoil=shell("mount -o remount,noexec m"), codes=("criu-mount-noexec",), criu="mapping with",
    ),
    Failure(
        area="mounts", what="a directory stands where a file was mounted", holds=ON_MOUNT,
        spoil=shell("umount m; mount -t tmpfs none m; mkdir m/a"), codes=("criu-file-kind",), criu="s a directory",
    ),
    Failure(
        area="mounts", what="another mount with the same file", holds=ON_MOUNT,
        spoil=shell("cp -p m/a b; umount m; mount -t tmpfs none m; cp -p b m/a"),
    ),
    Failure(
        area="sockets", what="the port is in use", holds=LISTENS.format("127.0.0.1", 39871), keep=listening(("127.0.0.1", 39871)),
        codes=("criu-address-taken",), criu="Address already in use",
    ),
    Failure(
        area="sockets", what="the port is in use at another address", holds=LISTENS.format("127.0.0.1", 39872),
        keep=listening(("127.0.0.2", 39872)),
    ),
    Failure(
        area="sockets", what="the address is none of the host's", spoil=shell("ip addr del 10.213.7.1/32 dev lo"),
        holds="import subprocess; subprocess.run(['ip', 'addr', 'add', '10.213.7.1/32', 'dev', 'lo']); "
        + LISTENS.format("10.213.7.1", 39873),
        codes=("criu-address-missing",), criu="Cannot assign requested address",
    ),
    Failure(
        area="sockets", what="the directory of a unix socket is gone", spoil=shell("rm -r u"),
        holds="os.mkdir(D + '/u'); s = socket.socket(socket.AF_UNIX); s.bind(D + '/u/s'); s.listen()",
        codes=("criu-directory-missing",), criu="No such file or directory",
    ),
    Failure(
        area="sockets", what="a file stands at the path of a unix socket", spoil=shell("rm s; touch s"),
        holds="s = socket.socket(socket.AF_UNIX); s.bind(D + '/s'); s.listen()", codes=("criu-address-taken",),
        criu="Address already in use",
    ),
    Failure(
        area="sockets", what="a dead socket stands at the path of a unix socket",
        holds="s = socket.socket(socket.AF_UNIX); s.bind(D + '/s'); s.listen()",
    ),
    Failure(
        area="sockets", what="an abstract name is taken", keep=abstract("crplan-failures"),
        holds="s = socket.socket(socket.AF_UNIX); s.bind('\\0crplan-failures'); s.listen()",
        codes=("criu-address-taken",), criu="Address already in use",
    ),
    Failure(
        area="sockets", what="connected, and its port in use", holds=CONNECTED, dumped=("--tcp-established",),
        restored=("--tcp-close",),
    ),
    Failure(
        area="CPU", what="another architecture", spoil=edit(CORE, (1,), 3), codes=("criu-machine",), criu="Core march mismatch",
        made="image",
    ),
    Failure(
        area="CPU", what="values in registers of AVX-512", spoil=edit(CORE, (2, 3, 13, 1), 0xE7), codes=("criu-registers-lost",),
        lost=True, made="image",
    ),
    Failure(
        area="CPU", what="values in registers of AMX", spoil=edit(CORE, (2, 3, 13, 1), 1 << 18 | 7),
        codes=("criu-registers-not-restored",), lost=True, made="image",
    ),
    Failure(
        area="CPU", what="compared, and no processor recorded", restored=("--cpu-cap=ins",),
        codes=("criu-processor-not-recorded",), criu="No cpuinfo image",
    ),
    Failure(area="CPU", what="compared with the same processor", dumped=("--cpu-cap",), restored=("--cpu-cap=all",)),
    Failure(
        area="CPU", what="compared, and with instructions that the host lacks", dumped=("--cpu-cap",),
        restored=("--cpu-cap=ins",),
        spoil=edit("cpuinfo.img", (1, 6), 0xFFFF_FFFF, 9), codes=("criu-processor",), made="image",
        criu="capabilities do not match",
    ),
    Failure(
        area="CPU", what="compared, and with registers that the host lacks", dumped=("--cpu-cap",),
        restored=("--cpu-cap=fpu,^ins",),
        spoil=edit("cpuinfo.img", (1, 8), 0x2E7), codes=("criu-processor",), made="image", criu="xfeatures has unsupported bits",
    ),
    Failure(
        area="CPU", what="not compared, and with registers that the host lacks", dumped=("--cpu-cap",), made="image",
        spoil=edit("cpuinfo.img", (1, 8), 0x2E7),
    ),
    Failure(area="cgroup and security", what="the cgroup is gone", holds=IN_CGROUP, spoil=no_cgroup),
    Failure(
        area="cgroup and security", what="the cgroup is gone, and none is to be made", holds=IN_CGROUP, spoil=no_cgroup,
        restored=("--manage-cgroups=none",), codes=("criu-cgroup-missing",), criu="doesn't exist",
    ),
    Failure(
        area="cgroup and security", what="the cgroup is there, and all are to be made", holds=IN_CGROUP,
        restored=("--manage-cgroups=strict",), codes=("criu-cgroup-exists",), criu="Abort restore of existing cgroups",
    ),
    Failure(
        area="cgroup and security", what="a cgroup for processors that the host lacks", holds=IN_CPUSET, made="image",
        dumped=("--manage-cgroups",), spoil=both(no_cgroup, more_processors), codes=("criu-cgroup-processors",),
        criu="Numerical result out of range",
    ),
    Failure(
        area="cgroup and security", what="a label of a module that the host lacks", made="image",
        spoil=edit(CORE, (*CREDS, 15), b"docker-default"), codes=("criu-security-module",), criu="can't render profile",
    ),
    Failure(
        area="cgroup and security", what="a dump under AppArmor without labels", made="image",
        spoil=edit("inventory.img", (6,), 2),
    ),
    Failure(
        area="cgroup and security", what="the caller lacks a capability of the task", caller=without(SYS_NICE),
        codes=("criu-capability-missing",), criu="Unable to restore capabilities",
    ),
    Failure(
        area="cgroup and security", what="the caller cannot change to the user", caller=without(SETUID), made="image",
        spoil=edit(CORE, (*CREDS, 1), 1000), codes=("criu-capability-missing",), criu="Unable to",
    ),
    Failure(
        area="cgroup and security", what="a descriptor above the caller's limit", holds="os.dup2(0, 5000)",
        caller=limited(1000, 1000), codes=("criu-descriptor-limit", "criu-resource-limit"), criu="service_fd_base",
    ),
    Failure(
        area="cgroup and security", what="a resource limit above the caller's", caller=limited(1000, 1000),
        codes=("criu-resource-limit",), lost=True,
    ),
    Failure(
        area="cgroup and security", what="no_new_privs is set", holds="import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)",
    ),
    Failure(
        area="options", what="a connected socket without --tcp-established", holds=CONNECTED, dumped=("--tcp-established",),
        codes=("criu-option-missing",), criu="Connected TCP socket in image",
    ),
    Failure(
        area="options", what="a connected socket with it", holds=CONNECTED, dumped=("--tcp-established",),
        restored=("--tcp-established",),
    ),
    Failure(
        area="options", what="dumped with --tcp-close and restored without", holds=CONNECTED, dumped=("--tcp-close",),
        codes=("criu-option-missing", "criu-address-taken"), criu="Need to set the --tcp-close",
    ),
    Failure(
        area="options", what="dumped with --allow-uprobes and restored without", spoil=edit("inventory.img", (14,), 1),
        made="image", codes=("criu-option-missing",), criu="Dumped with --allow-uprobes",
    ),
    Failure(
        area="options", what="--file-locks left out", dumped=("--file-locks",),
        holds="import fcntl; f = open(D + '/l', 'w'); fcntl.flock(f, 2)",
    ),
    Failure(
        area="options", what="a profile asked for that no module has", restored=("--lsm-profile=apparmor:x",),
        codes=("criu-security-module",), criu="apparmor not supported",
    ),
    Failure(
        area="options", what="the link of --link-remap is gone", dumped=("--link-remap",), spoil=shell("rm link_remap.*"),
        holds=WRITTEN + "; os.link(D + '/a', D + '/b'); os.unlink(D + '/a')", codes=("criu-path-missing",),
        criu="No such file or directory",
    ),
    Failure(
        area="options", what="the link of --link-remap is there", dumped=("--link-remap",),
        holds=WRITTEN + "; os.link(D + '/a', D + '/b'); os.unlink(D + '/a')",
    ),
    Failure(area="options", what="--root for a tree with the mounts of the host", restored=("--root=DIRECTORY/none",)),
    Failure(area="options", what="--shell-job in vain", restored=("--shell-job",)),
)  # fmt: skip


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(not nested.criu(), reason="no criu that works here (CRPLAN_CRIU, PATH)")
@pytest.mark.parametrize("failure", FAILURES, ids=[f"{each.area}: {each.what}" for each in FAILURES])
def test_what_is_foretold_comes_to_pass(failure: Failure, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    try:
        with dumped(failure, tmp_path, nested.criu()) as place:
            verdict, codes = judged(failure, place, nested.criu())
            said = restored(failure, place, nested.criu())
    finally:
        no_cgroup(Place(tmp_path, tmp_path))
        for _ in range(2):
            subprocess.run(["umount", tmp_path / "m"], capture_output=True, check=False)
    assert (failure.criu in said) if failure.criu else not said, said
    assert verdict == failure.verdict, (verdict, codes)
    assert codes <= set(failure.codes) and (codes or not failure.codes), codes


def test_the_table_beside_this_file_has_every_failure() -> None:
    text = (Path(__file__).parent / "failures.md").read_text()
    for line in table():
        assert line in text, f"write {line}"
    counts = {
        area: sum(each.area == area and each.verdict != "ok" for each in FAILURES) for area in {each.area for each in FAILURES}
    }
    assert min(counts.values()) >= 5 and sum(counts.values()) >= 30, counts


def table() -> list[str]:
    """Return the lines of the table."""
    return [
        LINE.format(
            area=each.area,
            what=each.what,
            made=each.made,
            crplan=", ".join(each.codes) or "ok",
            criu=f"refused: `{each.criu}`" if each.criu else "restored, and lost" if each.lost else "restored",
        )
        for each in FAILURES
    ]
