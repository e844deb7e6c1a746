"""Inits that could never finish dying: images and plans with one are refused, whatever way they come, and on the model alone."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import planner
from planner.cli import main as cli
from planner.errors import Contradiction, NotProved
from planner.events import log
from planner.events.records import FORMAT_VERSION, LogOpened, PidRecorded, TaskRecorded
from planner.kernel.simulation import ModelRefusal, simulate
from planner.pipeline.reading import default_registry
from planner.pipeline.resolve import resolve
from planner.plans.document import document
from planner.plans.model import Plan
from planner.testing.drafts import Draft
from planner.testing.forests import events
from tests.helpers.stories import plan, told


def refused(text: str) -> tuple[str, list[int]]:
    """Return the code of a refusal, and the processes that its evidence is about."""
    image = events(text)
    with pytest.raises(Contradiction) as refusal:
        resolve(list(image))
    assert refusal.value.pid in {_about(image[seq]) for seq in refusal.value.because}
    return refusal.value.code, sorted(_about(image[seq]) for seq in refusal.value.because)


def _about(event: object) -> int:
    match event:
        case TaskRecorded(pids=numbers) | PidRecorded(numbers=numbers):
            return numbers[0]
    raise AssertionError(event)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("@1:0 1 2.1:1/1/3@1 3.2:2/1/3@1 4:1 5.3:2@1", [2, 3]),
        ("@1:0 @2:1 1 2.1:1/1/4@1 3.2.1:2@2 4.3.2:3/1/4@2", [2, 4]),
        ("1:0/0/2 2:1/0/2", [1]),
        ("@1:0 @2:0 1 2.1:1/1/5@1 4.2:2/1/4@1 3.1:1/1/4@2 5.2:3/1/5@2 6:1 7.9:2@1", [2, 3, 4, 5]),
        (
            "@1:0 @2:0 @3:0 1 2.1:1/1/5@1 4.2:2/1/4@1 3.1:1/1/7@2 5.2:3/1/5@2 6.1:1/1/4@3 7.2:6/1/7@3",
            [2, 3, 4, 5, 6, 7],
        ),
        ("@1:0 @2:0 @3:2 1 2.1:1/1/5@1 4.2:2/1/4@1 3.1:1/1/1@2 6.2.1:3/1/4@3 5.3.2:6/1/5@3", [2, 4, 5, 6]),
        ("@1:0 @2:0 @3:1 @4:2 1 3.1:1//16@1 14.1:1//4@2 4.6.1:3//4@3 47.13.7:3@3 16.2.1:14//16@4", [3, 4, 14, 16]),
        ("@1:0 @2:0 !5.2 !4.2 1 2.1:1/1/5@1 3.1:1/1/4@2", [2, 3, 4, 5]),
    ],
    ids=["one", "led below", "the container's", "two", "three", "over two levels", "led by inits", "dead leaders"],
)
def test_a_ring_is_refused_with_its_own_facts(text: str, because: list[int]) -> None:
    assert refused(text) == ("init-trap", because)


def test_of_a_ring_within_a_ring_the_facts_are_those_of_the_smaller_one() -> None:
    """2 waits for 3 and 3 for 6, which is in a group of 2's namespace, and 6 and 3 wait for each other, too."""
    code, because = refused(
        "@1:0 @2:0 @3:0 1 2.1:1/1/5@1 4.2:2/1/4@1 3.1:1/1/7@2 5.2:3/1/5@2 8.3:3/1/5@2 6.1:1/1/5@3 7.2:6/1/7@3 9.1:1/1/4@4 @4:0"
    )
    assert (code, because) == ("init-trap", [3, 5, 6, 7])


@pytest.mark.parametrize(
    "text",
    [
        "@1:0 @2:0 1 2.1:1/1/2@1 4.2:2/1/4@1 3.1:1/1/4@2 5.2:3/1/5@2",
        "@1:0 @2:0 1 2.1:1/1/3@1 3.1:1/1/2@2",
        "@1:0 @2:0 1 2.1:1/1@1 4.2:2/1/4@1 3.1:1/1/4z@2",
        "@1:0 @2:0 1 2.1:1/1/1@1 3.1:1/1/1@2 4.2:2/1/4@1 5.2:3/1/5@2 6.3:2/1/5@1 7.3:3/1/4@2",
    ],
    ids=["one way only", "own groups", "a zombie", "children of both in each"],
)
def test_inits_that_wait_in_no_ring_are_planned(text: str) -> None:
    plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "@1:0 @2:0 @3:0 !5.2 !4.3 1 2.1:1/1/5@1 3.1:1/1/4@2 6.1:1/1/1@3",
        "@1:0 @2:0 !5.2.. !4.. 1 2.1:1/1/5@1 3.1:1/1/4@2",
        "@1:0 @2:0 @3:0 !5.3 !4.2 1 2.1:1/1/5@1 3.1:1/1/4@2 6.1:1/1/1@3 7.2:6/1/7@3",
        "@1:0 @2:0 @3:0 !5.3 !4.2 1 3.1:1/1/4@2 2.1:1/1/5@1 6.1:1/1/1@3 7.2:6/1/7@3",
    ],
    ids=["in a third namespace", "further above", "only the first can give way", "only the second can give way"],
)
def test_dead_leaders_are_placed_where_no_init_waits_for_itself(text: str) -> None:
    plan(text)


def chained(size: int, closed: bool) -> str:
    """Inits beside each other, each in a group that is led in the next one's namespace."""
    inits, first = range(2, 2 + size), 2 + size
    words = [f"@{place}:0" for place in range(1, size + 1)] + ["1"]
    for place, init in enumerate(inits, 1):
        group = first + place % size if closed or place < size else init
        words += [f"{init}.1:1/1/{group}@{place}", f"{first + place - 1}.2:{init}/1/{first + place - 1}@{place}"]
    return " ".join(words)


def test_of_many_places_one_is_found_in_which_nobody_waits_in_a_ring() -> None:
    """The dead leader of each init's group may have lived with any other init, and all can have lived with the last one."""
    size = 100
    words = [f"@{place}:0 !{200 + place}.{1 + place}" for place in range(1, size)] + [f"@{size}:0 1"]
    words += [f"{1 + place}.1:1/1/{200 + place}@{place}" for place in range(1, size)]
    plan(" ".join([*words, f"{1 + size}.1:1/1/1@{size}"]))


def test_long_chains_and_rings_are_looked_through() -> None:
    plan(chained(400, closed=False))
    assert refused(chained(400, closed=True))[0] == "init-trap"


# Plans that come from a document or a log.


def own(leave: bool) -> Plan:
    """An init in a group that is led in its own namespace, from step 6 on, for ever or for a moment."""
    draft = Draft("own")
    draft.create(0, 1, new_namespace=True)
    draft.setsid(1)
    draft.create(1, 2, 1, new_namespace=True)
    draft.create(2, 3, 2)
    draft.setpgid(3, 3, 3)
    draft.setpgid(2, 2, 3, after=draft.last)
    if leave:
        draft.setpgid(2, 2, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2 if leave else 3, 1)
    draft.verify(3, 2, 3, 1)
    return draft.plan(1)


def ring(leave: bool) -> Plan:
    """Two inits, each in a group that is led in the other's namespace, from step 10 on."""
    draft = Draft("ring")
    draft.create(0, 1, new_namespace=True)
    draft.setsid(1)
    for init, leader in ((2, 4), (3, 5)):
        draft.create(1, init, 1, new_namespace=True)
        draft.create(init, leader, 2, after=draft.last)
        draft.setpgid(leader, leader, leader)
    draft.setpgid(1, 2, 5, after=draft.last)
    draft.setpgid(1, 3, 4)
    if leave:
        draft.setpgid(3, 3, 3, after=draft.last)
    draft.verify(1, 0, 1, 1)
    for init, group in ((2, 5), (3, 3 if leave else 4)):
        draft.verify(init, 1, group, 1)
    for init, leader in ((2, 4), (3, 5)):
        draft.verify(leader, init, leader, 1)
    return draft.plan(1)


TRAPS: dict[str, tuple[Plan, int]] = {
    "one, at the end": (own(leave=False), 6),
    "one, for a moment": (own(leave=True), 6),
    "a ring, at the end": (ring(leave=False), 10),
    "a ring, for a moment": (ring(leave=True), 10),
}
PROGRAMS = [back_end.name for back_end in default_registry().backends if back_end.executable]

Crplan = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crplan(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Crplan:
    """Run a command in this process; returns exit code, standard output and standard error. Nothing is ever rebuilt."""
    monkeypatch.setenv("CRPLAN_DRY_RUN", "1")

    def call(*argv: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in argv])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


@pytest.mark.parametrize("name", TRAPS)
def test_the_model_refuses_the_step_that_closes_a_ring(name: str) -> None:
    made, step = TRAPS[name]
    with pytest.raises(ModelRefusal) as refusal:
        simulate(made)
    assert (refusal.value.step, refusal.value.rule) == (step, "init-trap")
    assert "could never finish dying" in refusal.value.message
    with pytest.raises(NotProved):
        planner.simulate(made)
    with pytest.raises(NotProved):
        planner.plan(planner.read(msgspec.json.encode(document(made, ()))))


def turns(waits: bool) -> Draft:
    """Two inits, each of which is moved by a parent of its own to the other's group and away again."""
    draft = Draft("turns")
    draft.create(0, 1, new_namespace=True)
    for parent, init, leader in ((6, 2, 4), (7, 3, 5)):
        draft.create(1, parent)
        draft.create(parent, init, 1, new_namespace=True)
        draft.create(init, leader, 2)
        draft.setpgid(leader, leader, leader)
    made = draft.last
    draft.setpgid(6, 2, 5, after=made)
    draft.setpgid(6, 2, 2)
    draft.setpgid(7, 3, 4, after=draft.last if waits else made)
    draft.setpgid(7, 3, 3)
    return draft


def test_who_takes_turns_waits_for_nobody_at_any_moment() -> None:
    """Only a look at every step tells that there is no ring, and only the waits that there is none in any order."""
    simulate(turns(waits=True).plan(1))
    made = turns(waits=False).plan(1)
    simulate(made, made.steps)
    with pytest.raises(ModelRefusal, match="leaves open when this is done") as refusal:
        simulate(made)
    assert (refusal.value.step, refusal.value.rule) == (12, "init-trap")


@pytest.mark.parametrize("name", TRAPS)
def test_no_command_makes_anything_of_a_trap(name: str, crplan: Crplan, tmp_path: Path) -> None:
    made, step = TRAPS[name]
    file, logged = tmp_path / "some.json", tmp_path / "some.log"
    file.write_bytes(msgspec.json.encode(document(made, ())))
    history = planner.read(file)
    assert isinstance(history[0], LogOpened)
    logged.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *history[1:]])))
    for source in (file, logged):
        for words in ([], ["run"], ["run", "--into", "1"], ["explain"], *(["--emit", name] for name in PROGRAMS)):
            what = [*words, source, *([2] if words == ["explain"] else [])]
            code, out, err = crplan(*what)
            assert (code, out) == (3, ""), words
            assert f"step {step} (init-trap)" in err, words
        code, out, err = crplan("check", source)
        assert code == 3
        assert f"step {step} (init-trap)" in out + err
        code, out, err = crplan("--emit", "json", source)
        assert code == 3
        assert json.loads(out)["error"]["code"] == "not-proved"


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_is_made_of_a_plan_that_only_says_it_was_proved(program: str, crplan: Crplan, tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    file.write_bytes(msgspec.json.encode(document(own(leave=False), ())))
    last = len(planner.read(file)) - 1
    code, out, err = crplan("--emit", program, "--until", last, file)
    assert (code, out) == (2, "")
    assert "not proved" in err
    assert "not proved" in crplan("--until", last, file)[1]


def test_what_to_do_helps(crplan: Crplan, tmp_path: Path) -> None:
    file = tmp_path / "some.log"
    image = events("@1:0 @2:0 1 2.1:1/1/5@1 4.2:2/1/4@1 3.1:1/1/4@2 5.2:3/1/5@2")
    file.write_bytes(b"".join(log.lines([LogOpened(format_version=FORMAT_VERSION), *image])))
    code, _, err = crplan(file)
    assert code == 3
    assert "task 2 is in group 5, led inside that of 3, task 3 is in group 4, led inside that of 2" in err
    assert "leave its group" in err
    code, out, _ = crplan("check", file)
    assert code == 3
    assert "init-trap" in out


@pytest.mark.parametrize("session", ["1", "0"])
def test_an_init_does_not_visit_a_group_where_that_would_close_a_ring_on_the_way(session: str) -> None:
    """Task 6 could be in group 102 for the child that it inherits, while 12 is in a group that is led below 6."""
    made = plan(f"1:0/{session} 6.1:1/6 12.1:1//13 13.5.1:6/{session}/13 113.17:6/{session}/102 102.11:12//102")
    assert not any(line.endswith("puts 6 into 102") for line in told(made))
