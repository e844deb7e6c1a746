"""Which consumers are judged: by the kind of image, and by what the command asks for."""

from typing import Final

from planner.findings.verdicts import ENGINES, WORDS, ConsumerName, Invocation
from planner.forest.model import Forest

_OF_ENGINE: Final[dict[str, ConsumerName]] = {"podman": "podman", "CRI-O": "cri-o", "containerd": "containerd"}
"""Names of engines as readers record them."""

ARCHIVE_FACTS: Final = ("container_id", "container", "runtime", "engine")
"""Facts of an image that an engine's own files state."""


def consumers(forest: Forest | None, *, into: int = 0, engine: str = "", wanted: str = "") -> tuple[ConsumerName, ...]:
    """Return the consumers whose verdicts are shown, first the one that the exit code follows.

    By default an image of CRIU is judged for `criu restore` and, where an engine made it, for that engine; a running tree for
    `criu dump` and `crplan run`; every other image for `crplan run`. `engine` and `wanted` put theirs first. `forest` is None
    where no plan could be made.
    """
    run: ConsumerName = "run-into" if into else "run"
    chosen: list[ConsumerName] = [name for name in WORDS if name in (wanted, engine)]
    chosen.sort(key=lambda name: name != wanted)
    source = forest.format if forest is not None else ""
    if source == "criu":
        chosen.append("criu-restore")
        chosen += engine_of(forest) if not engine and forest is not None else ()
        chosen += [run] if into else []
    elif source == "capture":
        chosen += ["criu-dump", run]
    else:
        chosen.append(run)
    return tuple(dict.fromkeys(chosen))


def engine_of(forest: Forest) -> tuple[ConsumerName, ...]:
    """Return the engine that made a checkpoint archive, as far as its files tell; podman where they name none."""
    facts = forest.image_facts
    if not any(name in facts for name in ARCHIVE_FACTS):
        return ()
    return (_OF_ENGINE.get(facts.get("engine", ""), "podman"),)


def invocations(
    names: tuple[ConsumerName, ...], *, options: tuple[str, ...] | None, into: int = 0, complete: bool = False
) -> tuple[Invocation, ...]:
    """Return the consumers with what they are given; CRIU's options are given to those behind which it stands."""
    return tuple(
        Invocation(
            consumer=name,
            options=options if name in ("criu-restore", "criu-dump", "checkpoint", *ENGINES) else (),
            into=into,
            complete=complete,
        )
        for name in names
    )
