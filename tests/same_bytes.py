"""`python -m tests.same_bytes`: a checksum of everything that crplan writes about the sample images, a line each.

Two runs print the same lines, whatever the version of Python and of the dependencies; `.ci/run` compares them. It takes what
crplan itself takes, and nothing of the tests' own.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import planner
from planner.errors import CrplanError
from planner.events import log
from planner.events.records import AnyEvent
from planner.pipeline.resolve import Resolved, emit_with, resolve
from planner.plugins import Registry, load
from tests.helpers.places import DATA, EXAMPLES, ROOT


def samples() -> Iterator[Path]:
    """Yield the sample images of every kind."""
    yield from sorted((DATA / "linux-cr").glob("*.ckpt"))
    yield from sorted((DATA / "criu").glob("*/img"))
    yield from sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".ckpt", ".tar", ".zst"})


def written(image: Path, registry: Registry) -> Iterator[tuple[str, str | bytes]]:
    """Yield what is written about an image, each with its name: the log, what every back end makes of it, and refusals."""
    facts = planner.read(image)
    yield "facts", b"".join(log.lines(facts))
    history: list[AnyEvent] = list(facts)
    try:
        outcome = resolve(history)
    except CrplanError as error:
        yield "refusal", str(error)
        yield "log", b"".join(log.lines(history))
        return
    yield "log", b"".join(log.lines(history))
    yield from emitted(outcome, registry)


def emitted(outcome: Resolved, registry: Registry) -> Iterator[tuple[str, str | bytes]]:
    """Yield what every back end makes of a plan."""
    artefact = outcome.artefact()
    for back_end in registry.backends:
        try:
            yield back_end.name, emit_with(back_end, artefact, {}, registry)
        except CrplanError as error:
            yield back_end.name, f"{type(error).__name__}: {error}"


def main() -> None:
    """Print the checksums."""
    registry = load(third_party=False)
    for image in samples():
        for name, data in written(image, registry):
            digest = hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:32]
            print(f"{digest}  {image.relative_to(ROOT)}  {name}")


if __name__ == "__main__":
    main()
