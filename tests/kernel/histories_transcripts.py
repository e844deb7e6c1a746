"""Transcripts: histories that the running kernel has played, with every answer and every change, so that all can replay them.

A transcript is a text file with one JSON array a line: the operation, the answer, and what changed in the world by it. A change
is `-NUMBER` for a process that is gone, or `VECTOR:PARENT/SESSION/GROUP STATE +THREAD... xEXITSIGNAL` with dotted vectors. The
creation of the container begins the next transcript of the file. `stories.jsonl` holds the stories of `test_kernel.py`.

`python -m tests.kernel.histories_transcripts` records those in `tests/data/histories` anew; it needs root and a C compiler.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tests.kernel.histories import PROFILES, Answer, Historian, Operation, Player, Standing, World

DIRECTORY = Path(__file__).parents[1] / "data" / "histories"
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


def record() -> None:
    """Let the running kernel play `EACH` histories of every profile, and the stories, and keep the transcripts."""
    from tests.kernel.puppets import Arena
    from tests.test_kernel import STORIES, Story

    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for profile in PROFILES:
        lines: list[Line] = []
        for number in range(1, EACH + 1):
            with Arena() as arena:
                recorder = Recorder(arena)
                Historian(Random(f"transcript {profile} {number}"), profile, recorder).run(STEPS)
                lines += recorder.lines
        write(DIRECTORY / f"{profile}.jsonl", lines)
    lines = []
    for story in STORIES:
        with Arena() as arena:
            recorder = Recorder(arena)
            story(Story(recorder))
            lines += recorder.lines
    write(DIRECTORY / "stories.jsonl", lines)


def _word(standing: Standing) -> str:
    state = standing.state if standing.leading else "led-by-zombie"
    ended = f" {standing.status}" if standing.status else ""
    threads = "".join(f" +{_dotted(pids)}" for pids in standing.threads)
    signal = f" x{standing.exit_signal}" if standing.exit_signal != 17 else ""
    return f"{_dotted(standing.pids)}:{standing.parent}/{standing.session}/{standing.group} {state}{ended}{threads}{signal}"


def _dotted(pids: tuple[int, ...]) -> str:
    return ".".join(map(str, pids))


if __name__ == "__main__":
    record()
