"""CRIU's options, parsed as CRIU parses them: by getopt_long, with short names, values behind `=` or a blank, and abbreviations.

The names are a fact of CRIU's command line (criu(8); CRIU 2.0 to 4.2). A switch may be taken back by `--no-NAME`. Later words
count, as they do for CRIU.
"""

import shlex
from typing import Final, Literal

from planner.errors import UsageError
from planner.findings.verdicts import CRIU_NS

_Takes = Literal["nothing", "value", "maybe"]

SWITCHES: Final = tuple(
    " ".join(
        (
            "restore-detached restore-sibling daemon tcp-established log-pid evasive-devices link-remap shell-job file-locks",
            "page-server track-mem auto-dedup force-irmap extra experimental skip-in-flight deprecated display-stats",
            "weak-sysctls tcp-close stream tls skip-file-rwx-check mntns-compat-mode unprivileged ghost-fiemap allow-uprobes",
        )
    ).split()
)
"""Options that are on or off, which `--no-NAME` takes back."""

PLAIN: Final = tuple(
    " ".join(
        (
            "leave-stopped leave-running ms exec-cmd enable-external-sharing enable-external-masters lazy-pages all",
            "tls-no-cn-verify no-default-config version help",
        )
    ).split()
)
"""Options without a value that cannot be taken back."""

VALUES: Final = tuple(
    " ".join(
        (
            "tree images-dir work-dir log-file join-ns root close pidfile veth-pair action-script address port prev-images-dir",
            "libdir ext-mount-map cgroup-root inherit-fd feature skip-mnt enable-fs freeze-cgroup ghost-limit irmap-scan-path",
            "lsm-profile timeout external empty-ns cgroup-props cgroup-props-file cgroup-dump-controller status-fd ps-socket",
            "config tls-cacert tls-cacrl tls-cert tls-key cgroup-yard pre-dump-mode file-validation lsm-mount-context",
            "network-lock",
        )
    ).split()
)
"""Options that must have a value."""

MAYBE: Final = ["ext-unix-sk", "manage-cgroups", "cpu-cap", "verbosity"]
"""Options whose value, if there is one, stands behind `=`."""

SHORT: Final[dict[str, str]] = {
    "t": "tree",
    "r": "root",
    "d": "restore-detached",
    "S": "restore-sibling",
    "D": "images-dir",
    "W": "work-dir",
    "o": "log-file",
    "x": "ext-unix-sk",
    "v": "verbosity",
    "s": "leave-stopped",
    "R": "leave-running",
    "j": "shell-job",
    "l": "file-locks",
    "L": "libdir",
    "M": "ext-mount-map",
    "J": "join-ns",
    "V": "version",
    "h": "help",
}

_TAKES: Final[dict[str, _Takes]] = {
    **dict.fromkeys(SWITCHES, "nothing"),
    **{f"no-{name}": "nothing" for name in SWITCHES},
    **dict.fromkeys(PLAIN, "nothing"),
    **dict.fromkeys(VALUES, "value"),
    **dict.fromkeys(MAYBE, "maybe"),
}


def parse(text: str) -> tuple[str, ...]:
    """Return the options of a command line by their long names, each as `--name` or `--name=value`.

    A switch that is taken back is left out. A command of criu-ns keeps that word in front. Raises `UsageError` for what CRIU
    would not accept.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--criu-options cannot be split into words: {error}") from None
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word in ("criu", CRIU_NS, "restore", "dump") and not found and place <= 2:
            continue
        if word == "--":
            break  # what follows is the command of --exec-cmd
        if word.startswith("--") and len(word) > 2:
            name, sign, value = word[2:].partition("=")
            options = [(_long(name), value if sign else None)]
        elif word.startswith("-") and len(word) > 1:
            options = _cluster(word[1:])
        else:
            raise UsageError(f"--criu-options: {word!r} is no option of CRIU")
        for name, given in options:
            if _TAKES[name] == "value" and given is None:
                if place == len(words):
                    raise UsageError(f"--criu-options: --{name} needs a value")
                given = words[place]
                place += 1
            elif _TAKES[name] == "nothing" and given is not None:
                raise UsageError(f"--criu-options: --{name} takes no value")
            found.append((name, given or ""))
    return (CRIU_NS,) * (words[:1] == [CRIU_NS]) + _written(found)


def _long(name: str) -> str:
    """Return the whole name of a long option, which may be cut short as long as it is clear."""
    if name in _TAKES:
        return name
    meant = sorted(known for known in _TAKES if known.startswith(name))
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(f"--criu-options: --{name} may mean {', '.join(f'--{each}' for each in meant)}")
    raise UsageError(f"--criu-options: CRIU has no option --{name}")


def _cluster(letters: str) -> list[tuple[str, str | None]]:
    """Return the options of a word such as `-jd` or `-Dimages`."""
    options: list[tuple[str, str | None]] = []
    for place, letter in enumerate(letters):
        name = SHORT.get(letter)
        if name is None:
            raise UsageError(f"--criu-options: CRIU has no option -{letter}")
        rest = letters[place + 1 :]
        if _TAKES[name] != "nothing":
            options.append((name, rest or None))
            return options
        options.append((name, None))
    return options


def _written(found: list[tuple[str, str]]) -> tuple[str, ...]:
    options: dict[str, None] = {}
    for name, value in found:
        if name.startswith("no-") and name.removeprefix("no-") in SWITCHES:
            options.pop(f"--{name.removeprefix('no-')}", None)
        else:
            options[f"--{name}={value}" if value else f"--{name}"] = None
    return tuple(options)
