"""Pictures of a plan: every state is the model's, no name means anything to a format, and large trees are folded."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import crplan_pictures
import msgspec
import networkx as nx
import pytest
from crplan_pictures import dot, html, mermaid, svg, trace
from crplan_pictures.states import ABSENT, DIES, FIELDS, GONE, IS_ZOMBIE, LEADER_ENDED, NOTHING, RUNS, Growth
from crplan_pictures.story import story
from crplan_pictures.timing import run_spans, timing

from planner.errors import CannotEmit
from planner.events.records import AnyEvent, LogOpened, RunEnded, RunStarted, StepDone, StepFailed, TaskStateRecorded
from planner.findings.registry import finding
from planner.hookspecs import Artefact
from planner.identity import ProcessId, StepNumber
from planner.kernel.objects import LIVING, ZOMBIE
from planner.kernel.simulation import simulate
from planner.pipeline.resolve import resolve
from planner.plans.graph import to_networkx
from planner.plans.model import Plan
from planner.steps import Verify
from planner.testing.backends import HOSTILE_NAME, artefact, conforms, hostile
from planner.testing.drafts import with_init
from planner.testing.forests import events
from planner.testing.plans import FAILURES, PLANS, wide
from tests.generators.random_plans import random_plan
from tests.helpers.places import GOLDEN

plans = pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())


def planned(text: str, names: dict[int, str] | None = None) -> Artefact:
    """Return what a back end gets for a tree in the notation."""
    log = [LogOpened(format_version=1)]
    for event in events(text):
        if isinstance(event, TaskStateRecorded) and names and event.pid in names:
            event = msgspec.structs.replace(event, name=names[event.pid])
        log.append(event)  # type: ignore[arg-type]
    return resolve(log).artefact()  # type: ignore[arg-type]


def run_of(plan: Plan) -> list[AnyEvent]:
    """Return the events of a run in which each step is done a millisecond after the one before it."""
    done = [StepDone(step=step.number, clock=7_000_000 + place * 1_000_000) for place, step in enumerate(plan.steps, 1)]
    return [RunStarted(plan_id=plan.plan_id, executor="moon", clock=7_000_000), *done, RunEnded(code=0, clock=1 << 40)]


def states_after(plan: Plan, count: int) -> list[tuple[int, ...]]:
    """Return how every process of the plan stands on the model after its first steps, all looked at anew.

    What stood before and is no more has ended, and keeps what was last known of it; so the list says only that it is gone.
    """
    kernel = simulate(msgspec.structs.replace(plan, steps=plan.steps[:count])).kernel
    states: list[tuple[int, ...]] = []
    for process in plan.processes:
        pid = kernel.find(process.pid)
        if pid is None or pid.owner is None or pid.thread != (process.role == "thread"):
            states.append(NOTHING)
        elif pid.thread:
            states.append((RUNS, process.thread_group, pid.owner.session.first, pid.owner.group.first, 0, 0, 0))
        else:
            owner = pid.owner
            assert owner.state in (LIVING, ZOMBIE) or owner.namespace.init is owner
            state = (
                IS_ZOMBIE
                if owner.state == ZOMBIE
                else LEADER_ENDED
                if owner.main_ended
                else RUNS
                if owner.state == LIVING
                else DIES
            )
            entered = owner.births.init.pid.first if owner.births is not owner.namespace and owner.births.init else 0
            belongs = (owner.parent.pid.first, owner.session.first, owner.group.first)
            states.append((state, *belongs, int(owner.subreaper), entered, owner.status))
    return states


def assert_states(grown: list[list[int]], stands: list[tuple[int, ...]]) -> None:
    """Compare the fold of differences with what the model says."""
    for state, expected in zip(grown, stands, strict=True):
        if expected[0] == ABSENT:
            assert state[0] in (ABSENT, GONE)
        else:
            assert tuple(state) == expected


def assert_grows_as_the_model(plan: Plan) -> None:
    growth = Growth(plan)
    assert growth.refused is None
    grown = [list(NOTHING) for _ in plan.processes]
    for count, delta in enumerate(growth.deltas, 1):
        for at in range(0, len(delta), 3):
            grown[delta[at]][delta[at + 1]] = delta[at + 2]
        assert_states(grown, states_after(plan, count))
    assert len(growth.deltas) == len(plan.steps)


@plans
def test_every_state_of_a_plan_is_that_of_the_model(make: Callable[[], Plan]) -> None:
    assert_grows_as_the_model(make())


@pytest.mark.parametrize("seed", range(25))
def test_every_state_of_a_random_plan_is_that_of_the_model(seed: int) -> None:
    assert_grows_as_the_model(random_plan(seed, tries=60))


@pytest.mark.parametrize("make", [make for make, _, _ in FAILURES.values()], ids=FAILURES.keys())
def test_a_plan_that_the_model_refuses_is_shown_up_to_there(make: Callable[[], Plan]) -> None:
    plan = make()
    growth = Growth(plan)
    if growth.refused is None:
        assert len(growth.deltas) == len(plan.steps)
    else:
        assert len(growth.deltas) == growth.refused.step - 1
        assert story(Artefact(plan=plan, forest=planned("1").forest))["refused"][0] == growth.refused.step


def test_differences_grow_with_steps_and_not_with_their_square() -> None:
    few, many = (sum(map(len, Growth(wide(count)).deltas)) for count in (100, 1000))
    assert many < 11 * few
    assert len(FIELDS) == len(NOTHING)


@pytest.mark.parametrize("name", ["html", "svg", "dot", "mermaid", "trace"])
def test_the_back_ends_conform(name: str) -> None:
    conforms(next(found for found in crplan_pictures.crplan_backends() if found.name == name))


TREE = "1 10:1/10 11:10 12:11z512 13:10/10/13+30 20.1:1/20 21.2:20s 22.3:20/9"
NAMES = {1: "init", 10: "sh", 11: "make", 12: "cc", 13: "tee", 20: "inner", 21: "worker", 22: '"quoted\\'}


@pytest.mark.parametrize("name", ["dot", "mermaid", "svg"])
def test_a_small_tree_is_drawn_like_this(name: str) -> None:
    """The files are for people to read: a nested namespace, a zombie, a helper for a dead leader, and a name with a quote."""
    given = planned(TREE, NAMES)
    drawn = {"dot": lambda: dot.emit(given, {}), "mermaid": lambda: mermaid.emit(given, {}), "svg": lambda: svg.emit(given, {})}[
        name
    ]()
    assert drawn == (GOLDEN / f"pictures.{name}").read_text()


def test_the_page_tells_this_story() -> None:
    assert lines_of(story(planned("1 2:1/9/2", {2: "x"}))) == (GOLDEN / "pictures_story.txt").read_text()


def lines_of(told: dict[str, Any]) -> str:
    """Return a story with a line for each process, step and difference."""
    lines = []
    for key, value in told.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"  {json.dumps(entry)}" for entry in value)]
        elif isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {json.dumps(entry)}" for name, entry in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def parts_of(page: str) -> list[tuple[str, str]]:
    """Return name and text of the elements with data as a browser cuts them out, in their order."""
    return re.findall(r'<script type="application/json" data-part="([a-z]+)">(.*?)</script', page, re.S)


def test_the_page_holds_its_data_in_pieces() -> None:
    given = artefact(wide(html.PIECE + 1))
    found: dict[str, list[object]] = {}
    for name, text in parts_of(html.emit(given)):
        found.setdefault(name, []).append(json.loads(text))
    told = story(given)
    assert list(found) == list(told)
    assert len(found["processes"]) == 2
    for name, pieces in found.items():
        joined = [each for piece in pieces for each in piece] if isinstance(told[name], list) else pieces[0]  # type: ignore[attr-defined]
        assert joined == json.loads(json.dumps(told[name]))


@pytest.mark.parametrize(
    "name", [HOSTILE_NAME, "<!--<script>", "]]>", "\u2028\u2029", "&lt;b&gt;", "<img src=x onerror=alert(1)>"]
)
def test_no_name_leaves_the_data_of_the_page(name: str) -> None:
    given = planned("1 2:1", {1: name, 2: name})
    page = html.emit(given)
    parts = parts_of(page)
    assert not set("<>&\u2028\u2029\x1b") & {letter for _, text in parts for letter in text}
    assert len({process[3] for process in json.loads(dict(parts)["processes"])}) == 1
    assert page.count("<script") == page.count("</script") == html.emit(planned("1 2:1")).count("<script")
    for _, text in parts:
        page = page.replace(f">{text}<", "><")
    assert "onerror" not in page


def test_a_hostile_format_cannot_leave_the_title() -> None:
    given = planned("1")
    given.forest.format = "</title><script>alert(1)</script>"
    head = html.emit(given).split("<body>")[0]
    assert "<script" not in head
    assert "&lt;/title&gt;" in head


def test_the_page_fetches_nothing() -> None:
    page = html.emit(planned(TREE, NAMES))
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href|action)\s*=|url\(|@import|https?://|fetch\(|XMLHttp|import\(", page)


@plans
def test_every_picture_is_well_formed_whatever_the_names(make: Callable[[], Plan]) -> None:
    for given in (artefact(make()), artefact(hostile(make()))):
        root = ElementTree.fromstring(svg.emit(given, {}))
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        graph = dot.emit(given, {})
        for line in graph.splitlines():
            assert len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) % 2 == 0, "quotes come in pairs"
        for line in mermaid.emit(given, {}).splitlines():
            for label in re.findall(r'"([^"]*)"', line):
                assert not set("<>&`;\\'") & set(re.sub(r"#\d+;", "", label.replace("<br>", "")))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_the_graph() -> None:
    for given in (planned(TREE, NAMES), planned(TREE, dict.fromkeys(NAMES, HOSTILE_NAME))):
        run = subprocess.run(["dot", "-Tplain"], input=dot.emit(given, {}), capture_output=True, text=True, timeout=60)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.count("\nnode ") == len(given.plan.processes) - 1, "helpers are drawn, threads are counted"


def test_a_name_shows_as_it_is_in_a_label_of_graphviz() -> None:
    """Labels take entities (`&lt;`), so an ampersand of a name has to be one."""
    assert "a&amp;lt;b" in dot.emit(planned("1", {1: "a&lt;b"}), {})


def test_a_large_forest_is_folded_for_graphviz() -> None:
    drawn = dot.emit(planned("1 " + " ".join(f"{pid}:{pid // 2}" for pid in range(2, 5001))), {})
    nodes = re.findall(r"^ +([pf]\d+) \[label", drawn, re.M)
    assert len(nodes) == len(set(nodes)) <= dot.MOST
    assert sum(int(count) for count in re.findall(r"(\d+) (?:more|tasks)", drawn)) + sum(node[0] == "p" for node in nodes) == 5000


def test_many_siblings_stand_in_several_columns_for_graphviz() -> None:
    drawn = dot.emit(planned("1 " + " ".join(f"{pid}:1" for pid in range(2, 202))), {})
    assert set(re.findall(r"minlen=(\d)", drawn)) == {"3", "5", "7", "9"}
    assert "minlen" not in dot.emit(planned(TREE, NAMES), {})


@pytest.mark.parametrize("tasks", [300, 5000])
def test_a_large_picture_is_about_square_and_counts_what_it_folds(tasks: int) -> None:
    given = planned("1 " + " ".join(f"{pid}:{pid // 2}" for pid in range(2, tasks + 1)))
    drawn = svg.emit(given, {})
    width, height = map(int, re.findall(r'(?:width|height)="(\d+)"', drawn)[:2])
    assert 0.5 < width / height < 2
    assert max(width, height) < 5000
    left = sum(int(count) for count in re.findall(r">(\d+) (?:more|tasks)", drawn))
    lines = drawn.count("<text") - drawn.count('class="q"') - 1  # the title; a namespace and a task have one more text for facts
    assert lines - 1 + left == tasks


def test_leaves_that_are_folded_are_told_apart_from_helpers() -> None:
    nodes = planned("1 2:1/9/2 3:1 4:1 5:1", {})
    assert "4 tasks, 2 to 5; 1 helper" in dot.emit(nodes, {"most": 4}) + svg.emit(nodes, {"most": 4})


def test_three_hundred_tasks_are_all_drawn_for_graphviz() -> None:
    drawn = dot.emit(planned("1 " + " ".join(f"{pid}:{pid // 2}" for pid in range(2, 301))), {})
    assert len(re.findall(r"^ +p\d+ \[label", drawn, re.M)) == 300


@plans
def test_a_trace_has_every_step_where_it_can_begin(make: Callable[[], Plan]) -> None:
    plan = make()
    told = json.loads(trace.emit(artefact(plan)))
    slices = {event["args"]["step"]: event for event in told["traceEvents"] if event["ph"] == "X"}
    assert sorted(slices) == [step.number for step in plan.steps]
    assert all(slices[step.number]["tid"] == step.actor for step in plan.steps)
    graph = to_networkx(plan)
    for before, after in graph.edges:
        assert slices[before]["ts"] + slices[before]["dur"] <= slices[after]["ts"]
    for number, event in slices.items():
        last = max((slices[before]["ts"] + trace.UNIT for before in graph.predecessors(number)), default=0)
        assert event["ts"] == last, "it begins as early as it can"
    chain = told["otherData"]["longest_chain"]
    assert len(chain) == nx.dag_longest_path_length(graph) + 1
    assert all(graph.has_edge(*pair) for pair in pairwise(chain))
    assert [slices[number]["cat"] for number in chain] == ["longest chain"] * len(chain)


def test_the_trace_of_a_run_has_its_clock() -> None:
    given = planned("1 2:1 3:1")
    told = json.loads(trace.emit(msgspec.structs.replace(given, events=[*given.events, *run_of(given.plan)])))
    slices = [event for event in told["traceEvents"] if event["ph"] == "X"]
    assert [(event["ts"], event["dur"]) for event in slices] == [(place * 1000, 1000) for place in range(len(given.plan.steps))]
    assert told["otherData"]["clock"] == "of the run"


def test_a_run_without_a_clock_and_a_run_before_the_last_have_no_spans() -> None:
    first, second = StepNumber(1), StepNumber(2)
    begun = RunStarted(plan_id="p", executor="moon", clock=50)
    assert run_spans([RunStarted(plan_id="p", executor="moon"), StepDone(step=first)]) == {}
    assert run_spans([begun, StepDone(step=first, clock=60), begun]) == {}
    assert run_spans([begun, StepDone(step=first, clock=60), StepFailed(step=second, error="EPERM", clock=55)]) == {
        2: (0, 5),
        1: (5, 10),
    }


@plans
def test_the_line_of_the_page_leaves_checks_out(make: Callable[[], Plan]) -> None:
    plan = make()
    found = timing(plan, checks=False)
    acting = [step.number for step in plan.steps if not isinstance(step, Verify)]
    assert list(found.begins) == acting
    graph = to_networkx(plan).subgraph(acting)
    assert len(found.longest) == nx.dag_longest_path_length(graph) + 1
    assert found.widest == max(map(len, nx.topological_generations(graph)))


def test_what_waits_for_another_process_has_an_arrow() -> None:
    plan = PLANS["entered_and_adopted"]()
    told = json.loads(trace.emit(artefact(plan)))
    arrows = [event for event in told["traceEvents"] if event["ph"] in "sf"]
    assert len(arrows) == 2 * sum(len(step.waits) for step in plan.steps)


def test_siblings_of_a_large_forest_are_folded() -> None:
    drawn = mermaid.emit(planned("1 " + " ".join(f"{pid}:1" for pid in range(2, 1002))), {})
    assert '["1000 tasks, 2 to 1001"]' in drawn
    assert len(drawn) < 600


@pytest.mark.parametrize("most", [2, 7, 150, 240])
@pytest.mark.parametrize(
    "text",
    [
        "1 " + " ".join(f"{pid}:{pid - 1}" for pid in range(2, 600)),
        "1 " + " ".join(f"{pid}:{pid // 2}" for pid in range(2, 600)),
        "1 " + " ".join(f"{pid}.1:1/{pid}" for pid in range(2, 600)),
    ],
    ids=["chain", "binary", "namespaces"],
)
def test_a_large_forest_is_cut_to_what_hosts_draw(text: str, most: int) -> None:
    """Nodes keep to the bound, what is left out is counted, and nothing is drawn twice."""
    given = planned(text)
    drawn = mermaid.emit(given, {"most": most})
    nodes = re.findall(r"^    ([pf]\d+)[\[(]", drawn, re.M)
    assert len(nodes) == len(set(nodes)) <= most
    left = sum(int(count) for count in re.findall(r"(\d+) (?:more|tasks)", drawn))
    assert left + sum(node[0] == "p" for node in nodes) == len(given.forest.tasks)
    assert drawn.count("-->") < 500
    assert len(drawn) < 50_000


@pytest.mark.parametrize("most", [1, 241, -5])
def test_a_bound_that_cannot_be_kept_is_refused(most: int) -> None:
    with pytest.raises(CannotEmit, match="between 2 and 240"):
        mermaid.emit(planned("1"), {"most": most})


def test_findings_and_evidence_come_with_their_places() -> None:
    given = msgspec.structs.replace(planned("1 2:1"), findings=(finding("namespace-ambiguous", pid=2, at=77),))
    told = story(given)
    assert told["findings"][0][:2] == ["note", "namespace-ambiguous"]
    assert told["findings"][0][3:5] == [ProcessId(2), "at offset 77"]
    texts = [text for _, _, text in told["evidence"]]
    assert any(text.startswith("TaskRecorded pids (2)") for text in texts)
    assert {rule for rule, sentence, _ in told["rules"] if sentence} >= {"root-first", "parent-creates", "verify"}


def test_an_init_that_waits_for_its_namespace_is_seen_to_end() -> None:
    """Its killed child is a zombie of another parent; when that one reaps it, the init is done without any step of its own."""
    draft = with_init("dying init")
    draft.create(1, 10, 1, new_namespace=True)
    draft.enter(1, 10)
    draft.create(1, 11, 2)
    draft.exit(10, 0)
    draft.reap(1, 11)
    draft.reap(1, 10)
    draft.verify(1, 0, 1, 1)
    plan = draft.plan(1)
    assert_grows_as_the_model(plan)
    place = next(place for place, process in enumerate(plan.processes) if process.pid == 10)
    states = [
        delta[at + 2] for delta in Growth(plan).deltas for at in range(0, len(delta), 3) if delta[at : at + 2] == [place, 0]
    ]
    assert states == [RUNS, DIES, IS_ZOMBIE, GONE]
