"""The whole command by which a consumer would bring an image back."""

import shlex

from planner.findings.verdicts import CRIU_NS, Invocation


def command(invocation: Invocation, image: str, needs: tuple[str, ...]) -> str:
    """Return the command with the options that were given and those that are needed; "" for a consumer that has none.

    `image` is the name of the image as it was given.
    """
    words: list[str]
    match invocation.consumer:
        case "criu-restore":
            words = [
                CRIU_NS if invocation.has(CRIU_NS) else "criu",
                "restore",
                "--images-dir",
                image,
                *_options(invocation, needs),
            ]
        case "criu-dump":
            words = ["criu", "dump", "--tree", "PID", "--images-dir", "DIRECTORY", *_options(invocation, needs)]
        case "checkpoint":
            words = ["crplan", "checkpoint", "PID", "-o", "DIRECTORY"]
        case "podman":
            words = ["podman", "container", "restore", "--import", image, *_of_podman(needs)]
        case "run":
            words = ["crplan", "run", image]
        case "run-into":
            words = ["crplan", "run", image, "--into", str(invocation.into)]
        case _:
            return ""
    return shlex.join(words)


PODMAN: dict[str, str] = {"--tcp-established": "--tcp-established", "--file-locks": "--file-locks", "--tcp-close": "--tcp-close"}
"""Options of CRIU that podman passes on, by podman's own names. Source: podman-container-restore(1)."""


def _of_podman(needs: tuple[str, ...]) -> list[str]:
    return [PODMAN[option] for option in needs if option in PODMAN]


def _options(invocation: Invocation, needs: tuple[str, ...]) -> list[str]:
    given = [option for option in invocation.options or () if option != CRIU_NS]
    return given + [option for option in needs if option not in given]
