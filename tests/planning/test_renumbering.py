"""Plans depend on what the facts are, never on which numbers and names stand for them, and least of all on the samples."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from random import Random

import msgspec
import pytest

import planner
from planner.events.records import (
    AnyEvent,
    NamespaceRecorded,
    OuterNumberRecorded,
    PidRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.plans.model import Plan
from tests.helpers.places import ROOT
from tests.helpers.trials import image_of, planned, random_history

DATA = ROOT / "tests" / "data"
SAMPLES = [path for path in sorted((DATA / "linux-cr").glob("*.ckpt")) if "error" not in path.name]


class Renumbering:
    """A monotone renumbering at every level: 0 and 1 stay, all others move up, by gaps that the seed decides."""

    def __init__(self, events: Iterable[AnyEvent], seed: int) -> None:
        random = Random(seed)
        seen: dict[int, set[int]] = {}
        for event in events:
            for pids in (getattr(event, "pids", ()), getattr(event, "numbers", ())):
                for level, number in enumerate(pids):
                    seen.setdefault(level, set()).add(number)
            if isinstance(event, TaskRecorded):
                seen.setdefault(0, set()).update((event.session, event.group))
        self.new: dict[int, dict[int, int]] = {}
        for level, numbers in seen.items():
            moved = {0: 0, 1: 1}
            here = random.randrange(2, 700)
            for number in sorted(numbers - {0, 1}):
                here += random.randrange(1, 9)
                moved[number] = here
            self.new[level] = moved

    def vector(self, pids: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.new[level][number] for level, number in enumerate(pids))

    def first(self, number: int) -> int:
        return self.new.get(0, {}).get(number, number)

    def event(self, event: AnyEvent) -> AnyEvent:
        """Return the same fact about the renumbered task, which bears another name."""
        changes: dict[str, object] = {}
        if isinstance(event, (TaskRecorded, ThreadRecorded)):
            changes["pids"] = self.vector(event.pids)
        if isinstance(event, TaskRecorded):
            changes |= {name: self.first(getattr(event, name)) for name in ("parent", "session", "group")}
        if isinstance(event, PidRecorded):
            changes["numbers"] = self.vector(event.numbers)
        if isinstance(event, ThreadRecorded):
            changes["thread_group"] = self.first(event.thread_group)
        if isinstance(event, (TaskStateRecorded, TaskNamespacesRecorded, SharingRecorded, OuterNumberRecorded)):
            changes["pid"] = self.first(event.pid)
        if isinstance(event, TaskStateRecorded) and event.name:
            changes["name"] = event.name[::-1] + "x"
        return msgspec.structs.replace(event, **changes) if changes else event

    def plan(self, plan: Plan, other: Plan) -> object:
        """Return the plan's processes and steps with the new numbers; a helper has the number that it has in the other plan."""
        helpers = [process.pid for process in plan.processes if process.role == "helper" and process.pid not in self.new[0]]
        others = [process.pid for process in other.processes if process.role == "helper"]
        given = [pid for pid in others if pid not in self.new[0].values()]
        assert len(helpers) == len(given)
        names = {**self.new[0], **dict(zip(helpers, given, strict=True))}
        return _facts(plan, names)


NUMBERS = ("actor", "child", "target", "group", "session", "parent", "namespace", "pid", "thread_group")


def _facts(plan: Plan, names: dict[int, int]) -> object:
    """Return who is planned and what is done, by the numbers at level 0; inner numbers of helpers are theirs alone."""
    done = []
    for record in (*plan.processes, *plan.steps):
        row = msgspec.to_builtins(record)
        row.pop("name", None)
        row.pop("pids", None)
        row["kind"] = type(record).__name__
        for name in NUMBERS:
            if name in row:
                row[name] = names.get(row[name], row[name])
        row["threads"] = [names.get(thread, thread) for thread in row.get("threads", ())]
        done.append(row)
    return done


def check(events: list[AnyEvent], seed: int) -> None:
    """Plan an image and the renumbered one, and compare the plans."""
    renumbering = Renumbering(events, seed)
    moved = [renumbering.event(event) for event in events]
    assert moved != events
    plan, other = planned(events).plan, planned(moved).plan
    assert renumbering.plan(plan, other) == _facts(other, {})
    vectors = other.process_table()
    for process in plan.processes:
        if process.role != "helper":
            assert vectors[renumbering.first(process.pid)].pids == renumbering.vector(process.pids)  # type: ignore[index]


@pytest.mark.parametrize("image", SAMPLES, ids=lambda path: str(path.name))
def test_a_renumbered_and_renamed_sample_gives_the_renumbered_plan(image: Path) -> None:
    check(planner.read(image), 1)


@pytest.mark.parametrize("profile", ["mixture", "sessions", "groups", "entry", "deep"])
def test_a_renumbered_history_gives_the_renumbered_plan(profile: str) -> None:
    for seed in range(30):
        events = image_of(random_history(f"renumber {seed}", profile, 80))
        if sum(isinstance(event, TaskRecorded) for event in events) > 1:
            check(events, seed)


def test_another_identity_of_namespaces_gives_the_same_plan() -> None:
    """Ids of namespaces are names too, in the order in which the image has them."""
    for seed in range(30):
        events = image_of(random_history(f"spaces {seed}", "deep", 80))
        moved = [_respaced(event) for event in events]
        assert planned(moved).plan.steps == planned(events).plan.steps


def _respaced(event: AnyEvent) -> AnyEvent:
    def new(space: int) -> int:
        return 7 * space

    if isinstance(event, NamespaceRecorded):
        return msgspec.structs.replace(event, id=new(event.id), parent=new(event.parent))  # type: ignore[arg-type]
    if isinstance(event, TaskNamespacesRecorded):
        spaces = {kind: new(space) for kind, space in event.namespaces.items()}
        return msgspec.structs.replace(event, namespaces=spaces)  # type: ignore[arg-type]
    return event


def sources() -> dict[Path, str]:
    """Return the text of everything that ships."""
    kinds = {".py", ".sh", ".pl", ".c", ".json", ".md", ".html", ".css", ".js", ".txt"}
    return {
        path: path.read_text(errors="replace")
        for folder in ("planner", "plugins")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in kinds and "__pycache__" not in path.parts
    }


def stems() -> set[str]:
    """Return the names of the samples, and the parts of them that stand for what they hold."""
    whole = {path.name.split(".")[0] for folder in ("linux-cr", "criu") for path in (DATA / folder).glob("*")}
    return {stem for stem in whole if re.search(r"\d", stem) and len(stem) > 4}


def test_no_name_of_a_sample_occurs_in_what_ships() -> None:
    names = stems()
    assert len(names) > 5
    for path, text in sources().items():
        assert [name for name in names if name in text] == [], path


def test_no_digest_of_a_sample_occurs_in_what_ships() -> None:
    digests = set()
    for image in SAMPLES:
        plan = planner.plan(planner.read(image))
        digests |= {plan.plan_id, plan.image_id}
    together = "\n".join(sources().values())
    assert not [digest for digest in digests if digest in together]


def test_no_large_number_or_task_name_of_a_sample_occurs_in_what_ships() -> None:
    """Below 2100 a number may be a year or a field of a format; above, one that is also in the source is no accident."""
    numbers: set[int] = set()
    names: set[str] = set()
    for image in SAMPLES:
        for event in planner.read(image):
            if isinstance(event, TaskRecorded):
                numbers.update(number for number in event.pids if number > 2100)
            if isinstance(event, TaskStateRecorded):
                names.add(event.name)
    limits = {4194304, 32768, 4096, 65534, 65535}
    assert len(numbers) > 5
    common = {"init", "python", "python3", "sh", "bash", "sleep", "perl", "cat", ""}
    together = "\n".join(sources().values())
    spoken = set(re.findall(r"\b\d{4,}\b", together))
    assert sorted(number for number in numbers - limits if str(number) in spoken) == []
    quoted = set(re.findall(r"[\"']([^\"'\n]{3,15})[\"']", together))
    assert sorted((names - common) & quoted) == []


def test_the_counts_of_the_samples_are_in_no_condition() -> None:
    """A number of tasks that some sample has is compared with nothing, however many tasks that are."""
    counts = set()
    for path in (DATA / "linux-cr").glob("*.json"):
        described = json.loads(path.read_text())
        counts.add(len(described.get("tasks", described) if isinstance(described, dict) else described))
    large = {count for count in counts if count > 64}
    assert large
    for path, text in sources().items():
        compared = {int(number) for number in re.findall(r"(?:==|!=|<=|>=|<|>)\s*(\d+)\b", text)}
        assert not large & compared, path
