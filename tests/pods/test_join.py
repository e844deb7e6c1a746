"""Containers of one pod become one log: what every event says, in which order, and what comes of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planner
from planner.cli import main as cli
from planner.errors import BadImage, Contradiction
from planner.events import log
from planner.events.records import AnyEvent, ImageClosed, ImageOpened, PidRecorded, TaskRecorded, TaskStateRecorded
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.identity import Number, Pids, ProcessId
from planner.pipeline.resolve import resolve
from planner.pods.join import join
from planner.pods.parts import Part
from tests.generators.memberships import History
from tests.helpers.containers import POD_NAMESPACES, Dump, cri_o, packed, shipper, web
from tests.helpers.places import GOLDEN, ROOT

EXAMPLES = ROOT / "examples" / "images" / "pod"

Crplan = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a pod with two containers, `web.tar` and `shipper.tar`, where commands are run."""
    (tmp_path / "web.tar").write_bytes(web())
    (tmp_path / "shipper.tar").write_bytes(shipper())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def crplan(capsysbinary: pytest.CaptureFixture[bytes]) -> Crplan:
    """Run a command in this process; returns exit code, standard output and standard error."""

    def call(*argv: object) -> tuple[int, bytes, str]:
        code = cli.main([str(argument) for argument in argv])
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return call


# What a pod comes to.


def test_the_preview_of_a_pod_reads_like_this(pod: Path, crplan: Crplan) -> None:
    code, out, err = crplan("web.tar", "shipper.tar")
    assert (code, err) == (0, "")
    assert out == (GOLDEN / "pod.txt").read_bytes()


def test_the_example_is_this_pod() -> None:
    assert (EXAMPLES / "web.tar").read_bytes() == web()
    assert (EXAMPLES / "shipper.tar").read_bytes() == shipper()


def test_the_order_in_which_images_are_given_does_not_matter(pod: Path, crplan: Crplan) -> None:
    for command in (["log"], ["plan", "--emit", "shell"], ["plan", "--emit", "json"]):
        assert crplan(*command, "web.tar", "shipper.tar") == crplan(*command, "shipper.tar", "web.tar")


def test_the_log_of_a_pod_is_an_image_like_any_other(pod: Path, crplan: Crplan) -> None:
    _, program, _ = crplan("web.tar", "shipper.tar", "--emit", "shell")
    assert crplan("log", "web.tar", "shipper.tar", "-o", "pod.jsonl")[0] == 0
    assert crplan("pod.jsonl", "--emit", "shell") == (0, program, "")
    assert crplan("pod.jsonl", "--replan", "--emit", "shell") == (0, program, "")


def test_logs_of_containers_are_containers(pod: Path, crplan: Crplan) -> None:
    _, program, _ = crplan("web.tar", "shipper.tar", "--emit", "shell")
    for name in ("web", "shipper"):
        assert crplan("log", f"{name}.tar", "-o", f"{name}.jsonl")[0] == 0
    assert crplan("web.jsonl", "shipper.jsonl", "--emit", "shell") == (0, program, "")
    assert crplan("web.tar", "shipper.jsonl", "--emit", "shell") == (0, program, "")


def test_every_event_says_which_archive_file_and_entry_it_is_of(pod: Path) -> None:
    events = planner.read("web.tar", "shipper.tar")
    places = [event.at for event in events if hasattr(event, "at")]
    assert len(places) == len(events) - 1
    assert all(str(at).startswith(("web.tar/", "shipper.tar/")) and "#" in str(at) for at in places)
    tasks = {event.pids[0]: event.at for event in events if isinstance(event, TaskRecorded)}
    assert tasks[Number(25)] == "shipper.tar/pstree.img#1"


def test_each_image_stands_between_its_own_opening_and_closing(pod: Path) -> None:
    image = ""
    opened = []
    for event in planner.read("web.tar", "shipper.tar"):
        if isinstance(event, ImageOpened):
            assert image == ""
            image = event.image
            opened.append(image)
        elif isinstance(event, (TaskRecorded, TaskStateRecorded)):
            assert str(event.at).startswith(f"{image}/")
        elif isinstance(event, ImageClosed):
            assert str(event.at).startswith(f"{image}/")
            image = ""
    assert opened == ["web.tar", "shipper.tar"]


def test_the_forest_knows_the_images_and_whose_each_fact_is(pod: Path) -> None:
    forest = fold(planner.read("web.tar", "shipper.tar"))
    assert forest.images == ("web.tar", "shipper.tar")
    assert forest.source == "pod of 2 containers, criu 4.1+"
    assert forest.complete
    assert forest.image_facts["pod"] == "shop"
    assert forest.image_facts["web.tar command"] == "/bin/web"
    assert forest.image_facts["shipper.tar command"] == "/bin/shipper"
    assert "command" not in forest.image_facts


def test_image_directories_can_be_containers_too(tmp_path: Path) -> None:
    for name, dump in (("a", Dump().task(7).task(8, 7, session=7)), ("b", Dump().task(20))):
        directory = tmp_path / name / "img"
        directory.mkdir(parents=True)
        for file, content in dump.images().items():
            (directory / file).write_bytes(content)
    outcome = resolve(planner.read(tmp_path / "b" / "img", tmp_path / "a" / "img"))
    assert list(outcome.forest.tasks) == [7, 8, 20]
    assert outcome.forest.images == ("a/img", "b/img")
    assert [found.code for found in outcome.findings] == ["pid-namespace-assumed"]


def test_an_init_among_the_roots_is_the_root_of_the_whole(tmp_path: Path) -> None:
    """podman run --pid container:one: the other's tasks are in the namespace of the first, whose init adopts them."""
    one = Dump(external="").task(1, name="init").task(30, 1, session=20, name="orphan")
    two = Dump().task(20).task(22, 20, session=20)
    spec = {"linux": {"namespaces": [{"type": "pid", "path": "/proc/99/ns/pid"}]}}
    (tmp_path / "one").write_bytes(one.archive({"id": "aaa"}, {"linux": {"namespaces": [{"type": "pid"}]}}))
    (tmp_path / "two").write_bytes(two.archive({"id": "bbb", "pidNsCtr": "aaa"}, spec))
    outcome = resolve(planner.read(tmp_path / "two", tmp_path / "one"))
    assert outcome.forest.root == 1
    assert not outcome.forest.leaders
    assert outcome.forest.tasks[ProcessId(30)].session == 20


# What the command line makes of images that are no pod.


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["web.tar", "-", "-"], 2, "only one image can be read from standard input"),
        (["explain", "web.tar", "shipper.tar"], 2, "the plan has no process of the name shipper.tar"),
        (["explain", "web.tar"], 2, "STEP|PID"),
        (["web.tar", "moon.tar", "--pod"], 1, "at moon.tar: cannot be opened: No such file or directory"),
        (["web.tar", ROOT / "examples/images/nested.ckpt", "--pod"], 1, "at nested.ckpt: is of format linux-cr"),
        (["web.tar", ROOT / "README.md", "--pod"], 1, "at README.md: is not a checkpoint image"),
        (["web.tar", "cut.tar", "--pod"], 1, "at cut.tar: is cut short"),
        (["web.tar", "plan.json", "--pod"], 1, "at plan.json: is of format plan"),
        (["web.tar", "pod.jsonl", "--pod"], 1, "at pod.jsonl: holds several containers already"),
        (["web.tar", "empty.jsonl", "--pod"], 1, "at empty.jsonl: holds no image"),
    ],
)
def test_what_is_no_container_is_named_in_one_line(pod: Path, crplan: Crplan, argv: list[object], code: int, words: str) -> None:
    (pod / "cut.tar").write_bytes(shipper()[:400])
    crplan("web.tar", "--emit", "json", "-o", "plan.json")
    crplan("log", "web.tar", "shipper.tar", "-o", "pod.jsonl")
    (pod / "empty.jsonl").write_bytes(next(iter(log.lines(planner.read("web.tar")))))
    found, out, err = crplan(*argv)
    assert found == code
    assert words in err
    assert argv[0] == "explain" or (out == b"" and err.count("\n") == 1)


def test_a_machine_format_holds_the_error_of_a_pod(pod: Path, crplan: Crplan) -> None:
    for other, code in (("moon.tar", 1), (ROOT / "README.md", 1), ("web.tar", 3)):
        found, out, _ = crplan("web.tar", other, "--pod", "--emit", "json")
        assert (found, json.loads(out)["error"]["exit_code"]) == (code, code)


def test_commands_take_their_own_arguments_behind_several_images(pod: Path, crplan: Crplan) -> None:
    code, out, _ = crplan("explain", "web.tar", "shipper.tar", "pid:25")
    assert code == 0
    assert b"shipper.tar/pstree.img#1" in out
    assert crplan("web.tar", "--emit", "shell", "shipper.tar") == crplan("web.tar", "shipper.tar", "--emit", "shell")
    os.rename("web.tar", "-web.tar")
    assert crplan("plan", "--emit", "shell", "--", "-web.tar", "shipper.tar")[0] == 0
    os.rename("-web.tar", "web.tar")
    code, out, _ = crplan("check", "web.tar", "shipper.tar", "--format", "json")
    assert code == 0
    assert json.loads(out)["images"][0]["image"] == "web.tar + shipper.tar"


def test_the_forecast_of_criu_restore_is_unknown_for_a_pod(pod: Path, crplan: Crplan) -> None:
    _, out, _ = crplan("check", "web.tar", "shipper.tar")
    assert out.startswith(b"criu restore: unknown, ")


def test_standard_input_can_be_one_of_several(pod: Path, crplan: Crplan, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("shipper.tar", "rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": stream}))
        code, out, _ = crplan("log", "--facts", "web.tar", "-")
    assert code == 0
    assert b'"at":"standard input/pstree.img#0"' in out


# Dead leaders.


def vectors(*numbers: int) -> Pids:
    return tuple(map(Number, numbers))


def recorded(pids: Pids, *more: AnyEvent) -> list[AnyEvent]:
    pid = ProcessId(pids[0])
    return [
        ImageOpened(format="x", generation="", at=0),
        TaskRecorded(pids=pids, parent=ProcessId(0), group=pid, session=pid, at=1),
        TaskStateRecorded(pid=pid, state="running", at=1),
        *more,
        ImageClosed(tasks=1, complete=True, at=2),
    ]


def test_a_leader_that_one_image_misses_may_live_in_another() -> None:
    missed = PidRecorded(numbers=vectors(9), complete=False, at=3)
    joined = list(join([Part("a", recorded(vectors(5), missed)), Part("b", recorded(vectors(9)))]))
    assert not [event for event in joined if isinstance(event, PidRecorded)]
    assert set(fold(joined).tasks) == {5, 9}


def test_a_leader_with_other_numbers_contradicts_the_other_image() -> None:
    missed = PidRecorded(numbers=vectors(9, 4), complete=True, at=3)
    with pytest.raises(Contradiction) as caught:
        resolve(list(join([Part("a", recorded(vectors(5), missed)), Part("b", recorded(vectors(9)))])))
    assert caught.value.code == "duplicate-number"


# Random containers.


class Grown:
    """A container whose tree has a random history, with numbers from `first` on."""

    def __init__(self, seed: int, first: int, tasks: int) -> None:
        history = History(seed, depth=0)
        history.members[1].subreaper = True
        history.run(tasks, 200)
        self.dump = Dump()
        shift = first - 1
        for pid, member in history.members.items():
            self.dump.task(
                pid + shift,
                member.parent + shift if member.parent else 0,
                session=member.session + shift,
                group=member.group + shift,
                state="zombie" if member.zombie else "running",
                threads=tuple(vector[0] + shift for vector in member.threads),
            )

    def archive(self, name: str) -> bytes:
        return self.dump.archive(*cri_o(name, **POD_NAMESPACES))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_two_containers_with_other_numbers_always_have_a_proved_plan(
    one: int, other: int, few: int, many: int, with_init: bool
) -> None:
    first, second = Grown(one, 1 if with_init else 300, few).archive("one"), Grown(other, 5000, many).archive("other")
    outcome = resolve(planner.read(second, first))
    alone = [fold(planner.read(data)) for data in (first, second)]
    assert outcome.forest.tasks.keys() == alone[0].tasks.keys() | alone[1].tasks.keys()
    for forest in alone:
        assert said(forest).items() <= said(outcome.forest).items()
    assert resolve(planner.read(first, second)).plan.plan_id == outcome.plan.plan_id


def said(forest: Forest) -> dict[int, tuple[object, ...]]:
    """What a forest says of each task, without where it stands in the log."""
    return {
        int(task.pid): (
            task.pids,
            task.parent,
            task.group,
            task.session,
            task.state,
            task.name,
            [thread.pids for thread in forest.threads.get(task.pid, ())],
        )
        for task in forest.tasks.values()
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_whatever_a_byte_is_changed_to_a_pod_is_refused_or_planned(seed: int, data: st.DataObject) -> None:
    members = Dump().task(21).task(25, 21, session=21, group=25).images()
    name = data.draw(st.sampled_from(sorted(members)))
    content = bytearray(members[name])
    random = Random(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        content[random.randrange(len(content))] = random.randrange(256)
    changed = packed(members | {name: bytes(content)})
    try:
        resolve(planner.read(web(), changed))
    except (BadImage, Contradiction) as error:
        assert "\n" not in str(error)


def test_the_images_of_a_pod_are_named_without_their_directories(tmp_path: Path) -> None:
    (tmp_path / "web.tar").write_bytes(web())
    (tmp_path / "shipper.tar").write_bytes(shipper())
    written = b"".join(log.lines(planner.read(tmp_path / "web.tar", tmp_path / "shipper.tar")))
    assert os.fsencode(tmp_path) not in written
