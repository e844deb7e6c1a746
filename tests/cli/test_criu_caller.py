"""The options of the CRIU that calls the gate, from its command line and its configuration files."""

import os
from pathlib import Path

import pytest

from planner.cli import criu_files
from planner.cli.criu_caller import options_above, options_of
from planner.cli.criu_files import configuration


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files of a machine, by name; the process 7 is the caller."""
    found: dict[str, str] = {}
    monkeypatch.setattr(criu_files, "read", lambda name: found.get(name, "").encode())
    monkeypatch.delenv("CRIU_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", "/root")
    return found


def called(files: dict[str, str], *words: str) -> tuple[str, ...] | None:
    files["/proc/7/cmdline"] = command(*words)
    return options_of(7)


def command(*words: str) -> str:
    """Return a command line as /proc has it."""
    return "".join(f"{word}\0" for word in words)


def test_the_command_line_says_which_options_are_given(files: dict[str, str]) -> None:
    assert called(files, "/usr/sbin/criu", "restore", "-d", "-D", "a b", "--shell-job") == (
        "--restore-detached",
        "--images-dir=a b",
        "--shell-job",
    )
    assert called(files, "criu", "-j", "restore") == ("--shell-job",)


@pytest.mark.parametrize(
    "words",
    [(), ("criu", "swrk", "5"), ("criu: restore --rpc ",), ("sh", "restore"), ("criu", "restore", "--moon"), ("criu", "dump")],
)
def test_what_is_no_restore_on_a_command_line_says_nothing(files: dict[str, str], words: tuple[str, ...]) -> None:
    assert called(files, *words) is None


def test_configuration_files_are_read_before_the_command_line(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/etc/criu/default.conf"] = "tcp-established\n# shell-job\nfile-locks # here\n"
    files["/root/.criu/default.conf"] = "no-file-locks\nlog-file = mine.log\n"
    assert called(files, "criu", "restore", "-j") == ("--tcp-established", "--log-file=mine.log", "--shell-job")
    files["/own.conf"] = "tcp-close\n"
    assert called(files, "criu", "restore", "--config", "/own.conf") == ("--tcp-close", "--config=/own.conf")
    assert called(files, "criu", "restore", "--no-default-config") == ("--no-default-config",)
    monkeypatch.setenv("CRIU_CONFIG_FILE", "/own.conf")
    assert "--tcp-close" in (called(files, "criu", "restore") or ())


def test_a_line_of_a_configuration_file_is_a_name_and_perhaps_a_value() -> None:
    assert configuration('external mnt[/a b]:c\naction-script="/a b"\n\n\'\nshell-job') == [
        "--external=mnt[/a",
        "--action-script=/a b",
        "--shell-job",
    ]


BUNDLE = """{"root": {"path": "rootfs"}, "linux": {"maskedPaths": ["/proc/keys"]}, "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/data", "type": "bind", "source": "/srv/data"},
    {"destination": "/etc/hosts", "type": "none", "source": "/run/hosts", "options": ["rbind", "ro"]}
]}"""


def driven(files: dict[str, str], *words: str, criu: str = "criu: restore --rpc ") -> tuple[str, ...] | None:
    """Return the options of a criu that a runtime with this command line drives."""
    files |= {"/proc/7/cmdline": criu, "/proc/7/stat": "7 (criu) S 5 7 7 0", "/proc/5/cmdline": command(*words)}
    return options_above(7)


@pytest.mark.parametrize("criu", ["criu: restore --rpc ", "criu\0swrk\0003\0"])
def test_a_container_runtime_gives_the_options_over_rpc(files: dict[str, str], criu: str) -> None:
    files["/bundles/one/config.json"] = BUNDLE
    files["/etc/criu/runc.conf"] = "action-script=/usr/bin/crplan-gate\ntcp-close\n"
    found = driven(files, "/usr/bin/runc", "restore", "--bundle", "/bundles/one", "--file-locks", "name", criu=criu) or ()
    assert {"--orphan-pts-master", "--manage-cgroups", "--file-locks", "--tcp-close", "--root=/bundles/one/rootfs"} < set(found)
    assert [each for each in found if each.startswith("--external")] == [
        "--external=mnt[/data]:/srv/data",
        "--external=mnt[/dev/null]:/dev/null",
        "--external=mnt[/etc/hosts]:/run/hosts",
        "--external=mnt[/proc/keys]:/dev/null",
    ]


def test_the_bundle_is_the_directory_that_the_runtime_is_in_where_none_is_named(files: dict[str, str], tmp_path: Path) -> None:
    within = os.path.realpath("/proc/5/cwd")
    files[os.path.join(within, "config.json")] = BUNDLE
    assert f"--root={os.path.join(within, 'rootfs')}" in (driven(files, "crun", "restore", "name") or ())
    files[f"{tmp_path}/config.json"] = BUNDLE.replace("rootfs", "/elsewhere")
    assert "--root=/elsewhere" in (driven(files, "crun", "restore", f"--bundle={tmp_path}", "name") or ())


@pytest.mark.parametrize("bundle", ["", "[]", "{}", '{"root": {"path": 5}}', '{"root": {"path": "a"}, "mounts": [5]}'])
def test_a_bundle_that_is_none_says_nothing(files: dict[str, str], bundle: str) -> None:
    files["/one/config.json"] = bundle
    assert driven(files, "runc", "restore", "--bundle", "/one", "name") is None
    assert driven(files, "systemd") is None
    assert driven(files, "runc", "checkpoint", "--bundle", "/one", "name") is None


def test_control_groups_of_the_bundle_are_given_one_by_one(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    files["/one/config.json"] = '{"root": {"path": "/r"}, "mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup"}]}'
    monkeypatch.setattr("os.listdir", lambda name: ["pids", "cpu"])
    found = driven(files, "runc", "restore", "--bundle", "/one", "name") or ()
    assert {"--external=mnt[/sys/fs/cgroup/cpu]:/sys/fs/cgroup/cpu", "--external=mnt[/sys/fs/cgroup]:/sys/fs/cgroup"} < set(found)


def test_a_script_may_stand_between_criu_and_the_gate(files: dict[str, str]) -> None:
    called(files, "criu", "restore", "-j")
    files |= {"/proc/9/cmdline": command("/bin/sh", "/etc/criu/gate"), "/proc/9/stat": "9 (sh) S 7 7 7 0"}
    assert options_above(9) == ("--shell-job",)
