"""Transcripts: histories that the running kernel has played, with every answer and every change, so that all can replay them.

A transcript is a text file with one JSON array a line: the operation, the answer, and what changed in the world by it. A change
is `-NUMBER` for a process that is gone, or `VECTOR:PARENT/SESSION/GROUP STATE +THREAD... xEXITSIGNAL KIND=FIRST...` with dotted
vectors, where `FIRST` shares the table or namespace. The creation of the container begins the next transcript of the file.
`stories.jsonl` holds the stories of `tests/kernel/test_rules.py`.

`python -m tests.generators.histories_transcripts [PROFILE...]` records those in `tests/data/histories` anew; it needs root and a
C compiler.
"""

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.generators.histories import OUTER_PARENTS, PROFILES, Answer, Historian, Operation, Player, Standing, World
from tests.generators.scenes import scenes
from tests.helpers.places import DATA

DIRECTORY = DATA / "histories"
CONTAINER = ("clone", 0, 1)
STEPS = 150
EACH = 4

Line = tuple[Operation, Answer, list[str]]


class Recorder:
    """A player that passes operations on to another one and writes down what comes of them."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.lines: list[Line] = []
        self.before: World = {}

    def play(self, operation: Operation) -> Answer:
        """Have one operation carried out, and note the answer and what changed."""
        answer = self.player.play(operation)
        world = self.player.world()
        self.lines.append((operation, answer, changes(self.before, world)))
        self.before = world
        return answer

    def world(self) -> World:
        """Return all processes of the container by their level-0 numbers."""
        return self.before


def changes(before: World, after: World) -> list[str]:
    """Return what happened between two worlds, by number."""
    gone = [f"-{number}" for number in sorted(before.keys() - after.keys())]
    return gone + [_word(after[number]) for number in sorted(after) if after[number] != before.get(number)]


def replay(lines: Iterable[Line], player: Player) -> str:
    """Play a transcript; return what differs first, "" where nothing does."""
    before: World = {}
    for number, (operation, answer, changed) in enumerate(lines):
        found = player.play(operation)
        if found != answer:
            return f"operation {number}, {operation}: {found} instead of {answer}"
        world = player.world()
        if (differs := changes(before, world)) != changed:
            return f"operation {number}, {operation}: {differs} instead of {changed}"
        before = world
    return ""


def read(path: Path) -> list[list[Line]]:
    """Read the transcripts of a file."""
    transcripts: list[list[Line]] = []
    for line in path.read_text().splitlines():
        operation, answer, changed = json.loads(line)
        operation = tuple(tuple(part) if isinstance(part, list) else part for part in operation)
        if operation[:3] == CONTAINER:
            transcripts.append([])
        transcripts[-1].append((operation, answer, changed))
    return transcripts


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write transcripts, one after the other."""
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def record(only: Iterable[str] = ()) -> None:
    """Let the running kernel play `EACH` histories of every profile, and the stories, and keep the transcripts.

    `only` names some profiles, "stories" and "scenes" among them.
    """
    from tests.kernel.test_rules import STORIES, Story

    DIRECTORY.mkdir(parents=True, exist_ok=True)
    chosen = set(only) or {*PROFILES, *OUTER_PARENTS, "scenes", "stories"}
    for profile in [profile for profile in (*PROFILES, *OUTER_PARENTS) if profile in chosen]:
        historians = [Random(f"transcript {profile} {number}") for number in range(1, EACH + 1)]
        _keep(profile, [partial(_run, random, profile) for random in historians])
    if "scenes" in chosen:
        _keep("scenes", [partial(_replayed, scenes(f"transcript {number}", STEPS)) for number in range(1, EACH + 1)])
    if "stories" in chosen:
        _keep("stories", [partial(_tell, Story, story) for story in STORIES])


def _run(random: Random, profile: str, player: Player) -> None:
    Historian(random, profile, player).run(STEPS)


def _replayed(operations: list[Operation], player: Player) -> None:
    for operation in operations:
        player.play(operation)


def _tell(telling: Callable[[Player], Any], story: Callable[[Any], None], player: Player) -> None:
    story(telling(player))


def _keep(name: str, plays: Iterable[Callable[[Player], None]]) -> None:
    """Have histories played, each in an arena of its own, and write their transcripts."""
    from tests.helpers.puppets import Arena

    lines: list[Line] = []
    for play in plays:
        with Arena() as arena:
            recorder = Recorder(arena)
            play(recorder)
            lines += recorder.lines
    write((DIRECTORY / name.replace(" ", "-")).with_suffix(".jsonl"), lines)


def _word(standing: Standing) -> str:
    state = standing.state if standing.leading else "led-by-zombie"
    ended = f" {standing.status}" if standing.status else ""
    threads = "".join(f" +{_dotted(pids)}" for pids in standing.threads)
    signal = f" x{standing.exit_signal}" if standing.exit_signal != 17 else ""
    common = "".join(f" {kind}={first}" for kind, first in standing.common)
    belongs = f"{standing.parent}/{standing.session}/{standing.group}"
    return f"{_dotted(standing.pids)}:{belongs} {state}{ended}{threads}{signal}{common}"


def _dotted(pids: tuple[int, ...]) -> str:
    return ".".join(map(str, pids))


if __name__ == "__main__":
    record(sys.argv[1:])
