"""Comparing two checkpoints: what became of their tasks, and what that changes in the plan."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cli import main as cli
from planner.comparison import document as documents
from planner.comparison.document import DiffDocument, Side, document, encoded, markdown, text
from planner.comparison.forests import PropertyChange, compare, matches
from planner.comparison.plans import PlanChange, compare_plans
from planner.events import log
from planner.events.records import AnyEvent, LogOpened, TaskStateRecorded
from planner.forest.digest import image_id
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.pipeline import resolve as pipeline
from planner.pipeline.resolve import Resolved, resolve
from planner.plans.document import document as plan_document
from planner.plans.document import events_of
from planner.testing.backends import HOSTILE_NAME
from planner.testing.forests import events, forest
from planner.testing.plans import PLANS
from tests.helpers.places import DATA, EXAMPLES, GOLDEN
from tests.helpers.schemas import meaning

SAMPLES = DATA / "linux-cr"
SCHEMA = Path(documents.__file__).with_name("diff.schema.json")

Crplan = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def crplan(capsysbinary: pytest.CaptureFixture[bytes]) -> Crplan:
    """Run a command in this process; returns exit code, standard output and standard error."""

    def call(*argv: object) -> tuple[int, bytes, str]:
        code = cli.main([str(argument) for argument in argv])
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return call


def named(text: str, names: dict[int, str]) -> list[AnyEvent]:
    """Return the events of a tree in the notation, with names."""
    log: list[AnyEvent] = [LogOpened(format_version=1)]
    for event in events(text):
        if isinstance(event, TaskStateRecorded) and event.pid in names:
            event = msgspec.structs.replace(event, name=names[event.pid])
        log.append(event)
    return log


def told(before: str, after: str) -> list[str]:
    """Return the changes from one tree to another, each in a line."""
    lines = []
    for change in compare(forest(before), forest(after)):
        pid = change.after or change.before
        if change.kind == "changed":
            lines += [f"{pid} {fact.property} {fact.before} -> {fact.after}" for fact in change.changes]
        else:
            lines.append(f"{pid} {change.kind}")
    return lines


def planned(text: str, names: dict[int, str] | None = None) -> Resolved:
    return resolve(named(text, names or {}))


def compared(before: Resolved, after: Resolved) -> DiffDocument:
    same = matches(before.forest, after.forest)
    sides = [
        Side(image_id=side.plan.image_id, tasks=len(side.forest.tasks), plan_id=side.plan.plan_id) for side in (before, after)
    ]
    return document(*sides, compare(before.forest, after.forest, same), compare_plans(before.plan, after.plan, same))


def plan_change(before: str, after: str, names: tuple[dict[int, str], dict[int, str]] = ({}, {})) -> PlanChange:
    found = compared(planned(before, names[0]), planned(after, names[1])).plan
    assert isinstance(found, PlanChange)
    return found


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("1 2:1", "1 2:1", []),
        ("1 2:1", "1 2:1 3:1", ["3 added"]),
        ("1 2:1 3:1", "1 2:1", ["3 removed"]),
        ("1 2:1 3:2", "1 2:1 3:1/1/1", ["3 parent 2 -> 1"]),
        ("1 2:1 3:1", "1 2:1 3:1/3", ["3 session 1 -> 3", "3 group 1 -> 3"]),
        ("1 2:1 3:1", "1 2:1 3:1//3", ["3 group 1 -> 3"]),
        ("1 2:1", "1 2:1z256", ["2 state running -> zombie (exit 1)"]),
        ("1 2:1T", "1 2:1", ["2 state stopped -> running"]),
        ("1 2:1z9", "1 2:1z256", ["2 state zombie (signal 9) -> zombie (exit 1)"]),
        ("1 2.1:1 3.2:2", "1 2.1:1 3.5:2", ["3 number 3/2 -> 3/5"]),
        ("1 2:1+7", "1 2:1+7+8", ["2 threads 7 -> 7 8"]),
        ("1 2:1", "1 2:1s", ["2 subreaper off -> on"]),
        ("1 2:1x17", "1 2:1x10", ["2 exit signal 17 -> 10"]),
        ("1 2:1x17", "1 2:1", []),
        ("1 !9.3 2.1:1/9", "1 !9.4 2.1:1/9", ["9 dead leader 9/3 -> 9/4"]),
        ("1 !9.3 2.1:1/9", "1 !9 2.1:1/9", ["9 dead leader 9/3 -> 9"]),
        ("1 !9.3 2.1:1/9", "1 !9.. 2.1:1/9", []),
        ("1 !9 2:1/9", "1 !9.. 2:1/9", []),
    ],
)
def test_every_kind_of_change_is_told(before: str, after: str, words: list[str]) -> None:
    assert told(before, after) == words


def test_a_task_that_came_into_another_namespace_says_so() -> None:
    trees = "1 2.1:1@2 4.1:1@4 @2:0 @4:0 3.2:2@2", "1 2.1:1@2 4.1:1@4 @2:0 @4:0 3.2:4@4"
    assert told(*trees)[-1] == "3 namespace of 2 -> of 4"


def test_a_namespace_is_known_by_its_init_and_not_by_the_number_that_the_reader_gave_it() -> None:
    assert told("1 2.1:1@2 3.2:2@2 @2:0", "1 2.1:1@7 3.2:2@7 @7:0") == []


def test_a_task_with_another_number_is_known_again_with_all_that_named_it() -> None:
    """The shell got the number 20; its child, which is in its session, has not moved."""
    before = fold(named("1 10:1/10 11:10", {10: "sh", 11: "cc"}))
    after = fold(named("1 20:1/20 11:20", {20: "sh", 11: "cc"}))
    (change,) = compare(before, after)
    assert (change.kind, change.before, change.after) == ("changed", 10, 20)
    assert change.changes == (PropertyChange(property="number", before="10", after="20"),)


def test_a_whole_branch_with_other_numbers_is_known_again() -> None:
    names = {10: "sh", 11: "make", 12: "cc"}
    before = fold(named("1 10:1/10 11:10 12:11", names))
    after = fold(named("1 30:1/30 31:30 32:31", {pid + 20: name for pid, name in names.items()}))
    assert matches(before, after) == {1: 1, 10: 30, 11: 31, 12: 32}
    assert [[fact.property for fact in change.changes] for change in compare(before, after)] == [["number"]] * 3


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("1 10:1 11:1", "1 20:1 21:1", {10: "sh", 11: "sh", 20: "sh", 21: "sh"}),
        ("1 10:1 11:1", "1 20:1", {10: "sh", 11: "sh", 20: "sh"}),
        ("1 10:1", "1 20:1 21:1", {10: "sh", 20: "sh", 21: "sh"}),
        ("1 10:1", "1 20:1", {10: "sh", 20: "cc"}),
        ("1 10:1", "1 20:1", {}),
        ("1 10:1", "1 20.1:1", {10: "sh", 20: "sh"}),
    ],
    ids=["two of a name", "two before", "two after", "another name", "no name", "another level"],
)
def test_what_is_ambiguous_came_and_went(before: str, after: str, names: dict[int, str]) -> None:
    kinds = {change.kind for change in compare(fold(named(before, names)), fold(named(after, names)))}
    assert kinds == {"added", "removed"}


def test_a_helper_appears_when_a_leader_has_died() -> None:
    change = plan_change("1 9:1/9 2:1/9", "1 2:1/9")
    (helper,) = change.helpers
    assert (helper.kind, helper.after, helper.rule) == ("added", 9, "dead-session-leader")
    assert plan_change("1 2:1/9", "1 9:1/9 2:1/9").helpers[0].kind == "removed"


def test_another_creator_is_told_with_both_rules() -> None:
    """A member of its session creates the orphan once its parent has left that session."""
    change = plan_change("1 2:1/2 3:2 4:1/1", "1 2:1/2 3:2 4:1/2/2")
    (creator,) = [found for found in change.creators if found.after == 4]
    assert creator.was == "1"
    assert creator.was_rule == "parent-creates"
    assert creator.now != creator.was
    assert creator.now_rule != creator.was_rule


def test_an_order_turns_when_a_child_stays_in_the_old_session() -> None:
    change = plan_change("1 2:1/2 3:2/2", "1 2:1/2 3:2/1/1")
    (order,) = change.orders
    assert (order.first_words, order.second_words) == ("2 calls setsid", "2 creates 3")
    assert order.second < order.first


def test_plans_of_one_order_have_no_order_that_turned() -> None:
    change = plan_change("1 2:1 3:1", "1 2:1 3:1 4:1")
    assert change.orders == ()
    assert change.differs


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())
def test_a_plan_does_not_differ_from_itself_nor_from_its_document(make: Callable[[], object]) -> None:
    plan = make()
    read = pipeline.fold_plan(list(events_of(plan_document(plan, ()))), forest("1"), "x")  # type: ignore[arg-type]
    same = {pid: pid for pid in read.process_table()}
    assert not compare_plans(plan, read, same).differs  # type: ignore[arg-type]


@pytest.mark.parametrize("tree", ["1 2:1/9 3:2T 4:1z256+8", "1 9.1:1x10 10.2:9/10+11.3 12:1s"])
def test_an_image_does_not_differ_from_its_plan(tree: str) -> None:
    """A plan does not say that a task was stopped, so that is no difference."""
    image = planned(tree)
    plan = resolve([LogOpened(format_version=1), *events_of(plan_document(image.plan, image.findings))])
    assert not compared(image, plan).differs
    assert not compared(plan, image).differs


@pytest.mark.parametrize("image", sorted(SAMPLES.glob("*.b.ckpt")), ids=lambda path: path.name.split(".")[0])
def test_samples_differ_neither_from_their_plans_nor_from_other_generations(crplan: Crplan, tmp_path: Path, image: Path) -> None:
    plan = tmp_path / "plan"
    assert crplan(image, "--emit", "json", "-o", plan)[0] == 0
    others = [image.with_name(image.name.replace(".b.", f".{word}.")) for word in ("v23", "seed")]
    for other in (plan, *filter(Path.exists, others)):
        assert crplan("diff", image, other, "--exit-code")[:2] == (0, b"no difference\n")
        assert crplan("diff", other, image, "--exit-code")[:2] == (0, b"no difference\n")


@st.composite
def trees(draw: st.DrawFn) -> str:
    """A tree of session leaders and their children, of some ten tasks."""
    words = ["1"]
    for pid in range(2, draw(st.integers(2, 11))):
        parent = draw(st.integers(1, pid - 1))
        flags = draw(st.sampled_from(["", f"/{pid}", "s", f"//{pid}"]))
        words.append(f"{pid}:{parent}{flags}")
    return " ".join(words)


@given(trees(), trees())
def test_both_directions_tell_the_same_changes(before: str, after: str) -> None:
    one, other = forest(before), forest(after)
    assert bool(compare(one, other)) == (image_id(one) != image_id(other))
    turned = {(change.after, change.before) for change in compare(other, one)}
    assert {(change.before, change.after) for change in compare(one, other)} == turned


@given(trees(), trees())
def test_every_order_of_one_process_that_turned_is_found_or_there_is_none(before: str, after: str) -> None:
    """For each pair of steps of one process that stands the other way round, a pair of that process is told."""
    one, other = planned(before), planned(after)
    change = compared(one, other).plan
    assert isinstance(change, PlanChange)
    words = [
        {(step.actor, type(step), getattr(step, "child", 0)): step.number for step in side.plan.steps if step.rule != "verify"}
        for side in (one, other)
    ]
    told = {other.plan.steps[order.first - 1].actor for order in change.orders if not order.rule}
    both = [key for key in words[0] if key in words[1] and key[1].__name__ in {"Create", "SetSession"}]
    for first in both:
        for second in both:
            if first[0] == second[0] and words[0][first] < words[0][second] and words[1][first] > words[1][second]:
                assert first[0] in told


BEFORE = "1 9:1/9 10:1/10 11:10 12:11 13:10/10/13 20.1:1/20 21.2:20"
AFTER = "1 10:1/10 15:1/9/15 11:10/1/1 12:10z512 14:10/10/13 20.1:1/20 21.7:20s+22.8"
NAMES = {1: "init", 10: "sh", 11: "make", 12: "cc", 13: "tee", 14: "tee", 15: "cron", 20: "inner", 21: "worker"}


def golden(name: str, written: str | bytes) -> None:
    """Hold an output against the file that people can read."""
    data = written if isinstance(written, bytes) else written.encode()
    assert (GOLDEN / name).read_bytes() == data


def test_the_comparison_reads_like_this() -> None:
    found = compared(planned(BEFORE, NAMES), planned(AFTER, NAMES))
    golden("diff.txt", text(found))
    golden("diff.md", markdown(found))
    golden("diff.json", encoded(found))


def test_colours_add_nothing_but_colours() -> None:
    import re

    found = compared(planned(BEFORE, NAMES), planned(AFTER, NAMES))
    coloured = text(found, colour=True)
    assert "\x1b[32m" in coloured
    stripped = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()]
    assert stripped == text(found).splitlines()


def test_hostile_names_break_no_format() -> None:
    hostile = HOSTILE_NAME + "|@all#1<b>`*_[x](y)"
    found = compared(planned("1 2:1", {2: "x"}), planned("1 2:1 3:1", {2: hostile, 3: hostile}))
    assert all(character.isprintable() or character == "\n" for character in text(found))
    written = markdown(found)
    assert written.count("\n| ") == 4, "a table of two rows under its head"
    for ours in ("### ", "<code>", "</code>", "&#", "**Plan**"):
        written = written.replace(ours, "")
    assert not set("<>@#`*[]\\\x1b") & set(written)
    assert json.loads(encoded(found))["tasks"][0]["name"] == hostile


def test_documents_keep_to_the_published_schema() -> None:
    """A change of the schema needs a new format_version: then write the file anew with `planner.comparison.document.schema`."""
    assert meaning(SCHEMA.read_bytes()) == meaning(documents.schema())
    jsonschema.validate(json.loads(encoded(compared(planned(BEFORE), planned(AFTER)))), json.loads(SCHEMA.read_bytes()))


def test_the_exit_code_says_whether_they_differ_only_when_asked(crplan: Crplan) -> None:
    nested, orphan = EXAMPLES / "nested.ckpt", EXAMPLES / "orphan.ckpt"
    assert crplan("diff", nested, nested, "--exit-code") == (0, b"no difference\n", "")
    assert crplan("diff", nested, orphan)[0] == 0
    assert crplan("diff", nested, orphan, "--exit-code")[0] == 4
    assert crplan("diff", nested, orphan, "--exit-code", "--exit-zero")[0] == 0
    for form in ("json", "markdown"):
        assert crplan("diff", nested, orphan, "--exit-code", "--format", form)[0] == 4


def test_image_log_and_plan_are_compared_alike(crplan: Crplan, tmp_path: Path) -> None:
    image, written, plan = EXAMPLES / "nested.ckpt", tmp_path / "log", tmp_path / "plan"
    assert crplan("log", image, "-o", written)[0] == 0
    assert crplan(image, "--emit", "json", "-o", plan)[0] == 0
    assert log.recognises(written.read_bytes()[:100])
    for one in (image, written, plan):
        for other in (image, written, plan):
            assert crplan("diff", one, other, "--exit-code") == (0, b"no difference\n", "")


def test_what_cannot_be_folded_is_an_error_in_every_format(crplan: Crplan, tmp_path: Path) -> None:
    nested, broken = EXAMPLES / "nested.ckpt", EXAMPLES / "contradictory.ckpt"
    code, out, err = crplan("diff", nested, broken, "--format", "json")
    assert code == 3
    assert err
    read = json.loads(out)
    assert read["error"]["exit_code"] == 3
    jsonschema.validate(read, json.loads(SCHEMA.read_bytes()))
    assert crplan("diff", broken, nested)[:2] == (3, b"")
    (tmp_path / "x").write_bytes(b"moon")
    assert crplan("diff", nested, tmp_path / "x")[:2] == (1, b"")
    assert crplan("diff", "-", "-")[0] == 2


def test_what_cannot_be_planned_is_compared_all_the_same(crplan: Crplan, tmp_path: Path) -> None:
    """The second image has a group whose leader's session no task can enter: its tasks can still be compared."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"".join(log.lines(named("1 2:1", {}))))
    bad.write_bytes(b"".join(log.lines(named("1 2.2:1 3:1", {}))))
    code, out, err = crplan("diff", good, bad, "--exit-code", "--format", "json")
    assert code == 4
    read = json.loads(out)
    assert read["after"]["problem"]["exit_code"] == 3
    assert "plan" not in read
    assert "cannot be planned" in crplan("diff", good, bad)[1].decode()
    assert err


def test_a_large_forest_costs_in_proportion() -> None:
    """20,000 tasks, every one changed: the comparison touches each a few times, whatever the shape of the tree."""
    chain: Forest = forest("1 " + " ".join(f"{pid}:{pid - 1}" for pid in range(2, 20_001)))
    wide: Forest = forest("1 " + " ".join(f"{pid}:1//{pid}" for pid in range(2, 20_001)))
    changes = compare(chain, wide)
    assert len(changes) == 19_999


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two directories of images: one the same, one changed, one on each side alone."""
    monkeypatch.chdir(tmp_path)
    for side, files in {
        "a": {"same.ckpt": "subtree.ckpt", "web.ckpt": "nested.ckpt", "old.ckpt": "orphan.ckpt"},
        "b": {"same.ckpt": "subtree.ckpt", "web.ckpt": "orphan.ckpt", "new.tar.zst": "podman.tar.zst"},
    }.items():
        (tmp_path / side).mkdir()
        for name, image in files.items():
            shutil.copy(EXAMPLES / image, tmp_path / side / name)
    return tmp_path


def test_several_checkpoints_are_paired_by_name(crplan: Crplan, sides: Path) -> None:
    code, out, _ = crplan("diff", "a", "b", "--exit-code", "--format", "json")
    assert code == 4
    told = json.loads(out)
    jsonschema.validate(told, json.loads(SCHEMA.read_bytes()))
    assert told["differs"] and "plan" not in told
    only = {one["name"]: one.get("only") or one["comparison"]["differs"] for one in told["images"]}
    assert only == {"new.tar.zst": "after", "old.ckpt": "before", "same.ckpt": False, "web.ckpt": True}


def test_pairs_read_like_single_comparisons(crplan: Crplan, sides: Path) -> None:
    _, alone, _ = crplan("diff", "a::web.ckpt", "b::web.ckpt")
    code, out, _ = crplan("diff", "a", "b")
    assert code == 0
    assert out.decode().startswith("+ new.tar.zst: added\n\n- old.ckpt: removed\n\nsame.ckpt: no difference\n\nweb.ckpt: tasks: ")
    assert alone in out
    _, written, _ = crplan("diff", "a", "b", "--format", "markdown")
    assert [line for line in written.decode().splitlines() if line.startswith("###")][2].endswith(": no difference")


def test_one_against_several_is_a_usage_error_that_names_them(crplan: Crplan, sides: Path) -> None:
    code, _, err = crplan("diff", "a/web.ckpt", "b")
    assert code == 2
    assert "holds 3: new.tar.zst, same.ckpt, web.ckpt; name one of them" in err


def test_one_of_a_pair_that_cannot_be_read_is_one_entry(crplan: Crplan, sides: Path) -> None:
    (sides / "b" / "same.ckpt").write_bytes((sides / "a" / "same.ckpt").read_bytes()[:300])
    code, out, err = crplan("diff", "a", "b", "--format", "json")
    assert code == 1
    assert "b::same.ckpt" in err
    told = {one["name"]: one for one in json.loads(out)["images"]}
    assert told["same.ckpt"]["comparison"]["error"]["exit_code"] == 1
    assert told["web.ckpt"]["comparison"]["tasks"]
