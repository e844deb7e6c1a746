"""The page in a real browser: it plays the model's states, explains, serves keys and screen readers, and bears 5,000 tasks."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crplan_pictures.html import emit

from planner.findings.registry import finding
from planner.hookspecs import Artefact
from planner.plans.model import Plan
from planner.testing.backends import HOSTILE_NAME, artefact, hostile
from planner.testing.plans import PLANS, wide
from tests.generators.random_plans import random_plan
from tests.helpers.amounts import first
from tests.helpers.browser import MISSING, Browser, browser
from tests.plugins.test_pictures import NAMES, TREE, assert_states, planned, run_of, states_after

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

WIDE_AND_NARROW = (1280, 390)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the module."""
    with browser() as found:
        yield found


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Open the page of an artefact; whatever happens, its console stays empty."""

    def opened(given: Artefact, width: int = 1280) -> Browser:
        page = tmp_path / "page.html"
        page.write_text(emit(given), encoding="utf-8")
        chromium.open(page, width)
        chromium.settle()
        assert chromium.complaints() == []
        return chromium

    return opened


def axe_core() -> str:
    """Return axe-core's script: the file that CRPLAN_AXE names, or the one that comes with the package for Python."""
    named = os.environ.get("CRPLAN_AXE")
    if named:
        return Path(named).read_text(encoding="utf-8")
    package = find_spec("axe_core_python")
    assert package is not None and package.origin is not None, "axe-core-python is in the dev extra"
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(page: Browser) -> list[Any]:
    """Return what axe-core finds, with the places."""
    page.run(axe_core())
    return list(
        page.run_later(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations.map("
            "(one) => [one.id, one.impact, one.nodes.map((node) => node.target.join(' '))])))"
        )
    )


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS.keys())
def test_the_page_holds_the_states_of_the_model_at_every_step(show: Callable[..., Browser], make: Callable[[], Plan]) -> None:
    plan = make()
    page = show(artefact(plan))
    for step in range(len(plan.steps) + 1):
        assert_states(page.run("return crplan.stateAt(arguments[0])", step), states_after(plan, step))


def test_going_back_and_forth_ends_in_the_same_state(show: Callable[..., Browser]) -> None:
    plan = random_plan(7)
    page = show(artefact(plan))
    for step in (len(plan.steps), 3, 11, 0, 12, 5, len(plan.steps)):
        page.run("crplan.goTo(arguments[0])", step)
        assert_states(page.run("return crplan.stateAt(arguments[0])", step), states_after(plan, step))


def rows(page: Browser) -> list[str]:
    """Return the rows of the forest as a reader hears them, in the order in which they stand."""
    page.settle()
    found = page.run(
        "return [...document.querySelectorAll('#tree [role=treeitem]')].sort((a, b) => a.offsetTop - b.offsetTop).map("
        "(row) => `${row.getAttribute('aria-level')} ${[...row.children].filter((part) => !part.matches('[aria-hidden]')).map("
        "(part) => part.innerText.replace(/\\s+/g, ' ').trim()).join(' | ')}`)"
    )
    return [str(row) for row in found]


def test_the_forest_reads_like_this(show: Callable[..., Browser]) -> None:
    page = show(planned("1 10:1/10 12:10z512 20.1:1/20 21.2:20//21", {1: "init", 10: "sh", 12: "cc", 20: "inner", 21: "job"}))
    assert rows(page) == [
        "1 pid namespace of the container | 3 processes, init 1, level 0",
        "2 1 init | session 1 group 1",
        "3 10 sh | session 10 group 10",
        "4 12 cc | zombie (exit 2) session 10 group 10",
        "3 pid namespace of 20 | 2 processes, init 20/1, level 1",
        "4 20/1 inner | session 20 group 20",
        "5 21/2 job | session 20 group 21",
    ]


def test_the_forest_grows_with_the_slider(show: Callable[..., Browser]) -> None:
    page = show(artefact(PLANS["adopted_by_subreaper"]()))
    page.click("#first")
    assert rows(page) == []
    assert "Nothing stands yet" in page.text("#empty")
    page.click("#forward")
    assert len(rows(page)) == 2
    assert page.text("#now").startswith("Step 1 of ")
    move = (
        "const slider = document.getElementById('slider'); slider.value = arguments[0]; slider.dispatchEvent(new Event('input'))"
    )
    page.run(move, 8)
    assert any("helper" in row for row in rows(page))
    page.click("#last")
    assert not any("helper" in row for row in rows(page)), "helpers have ended"


def test_play_walks_to_the_end_and_pause_holds(show: Callable[..., Browser]) -> None:
    page = show(artefact(PLANS["zombies"]()))
    page.run("document.getElementById('speed').value = '50'")
    page.click("#play")
    page.run_later(
        "const done = arguments[0], now = document.getElementById('now'); const look = () => now.textContent.startsWith("
        "`Step ${crplan.steps} of`) ? done(null) : setTimeout(look, 20); look()"
    )
    assert page.text("#playword") == "Play"
    page.run("document.getElementById('speed').value = '1'")
    page.click("#play")
    assert page.text("#playword") == "Pause"
    page.click("#play")
    assert page.text("#playword") == "Play"


@pytest.mark.parametrize(
    ("query", "hits", "title"),
    [("21", "1 of 1", "Task 21/2 worker"), ("21/2", "1 of 1", "Task 21/2 worker"), ("MAKE", "1 of 1", "Task 11 make")],
)
def test_search_finds_numbers_vectors_and_names(show: Callable[..., Browser], query: str, hits: str, title: str) -> None:
    page = show(planned(TREE, NAMES))
    page.type("#query", query)
    page.settle()
    assert (page.text("#hits"), page.text("#abouthead")) == (hits, title)


def test_search_goes_to_the_step_where_a_helper_stands(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    page.type("#query", "9")
    page.settle()
    assert page.text("#abouthead") == "Helper 9"
    assert any(row.endswith("helper session 1 group 1") or "helper" in row for row in rows(page))
    page.type("#query", "moon")
    assert page.text("#hits") == "none"


@pytest.mark.parametrize(
    ("query", "hits", "title"),
    [
        ("step:3", "1 of 1", "Step 3 of "),
        ("pid:21", "1 of 1", "Task 21/2 worker"),
        ("pid:21/2", "1 of 1", "Task 21/2 worker"),
        ("ns:20", "1 of 1", "Pid namespace of 20"),
        ("pid:2", "none", ""),
        ("ns:10", "none", ""),
        ("step:999", "none", ""),
    ],
)
def test_search_takes_the_notations_that_are_printed(show: Callable[..., Browser], query: str, hits: str, title: str) -> None:
    page = show(planned(TREE, NAMES))
    page.run(
        "const box = document.getElementById('query'); box.value = arguments[0]; box.dispatchEvent(new Event('input'))", query
    )
    page.settle()
    assert page.text("#hits") == hits
    assert page.text("#abouthead").startswith(title or "About the plan")


ADDRESS = """
const [wanted, done] = arguments, now = () => decodeURIComponent(location.hash);
const end = performance.now() + 5000, over = () => now() === wanted || performance.now() > end;
const look = () => over() ? done(now()) : setTimeout(look, 20);
look();
"""
"""Waits for an address, which is written with a delay, and returns the one that there is."""


def test_the_address_names_what_is_chosen(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    page.type("#query", "21/2")
    assert page.run_later(ADDRESS, "#pid:21/2") == "#pid:21/2"
    page.run("crplan.goTo(7)")
    assert page.run_later(ADDRESS, "#pid:21/2&step:7") == "#pid:21/2&step:7"
    for words in ("#step:3", "#step=4"):
        page.run("location.hash = arguments[0]", words)
        page.settle()
        assert page.text("#abouthead").startswith(f"Step {words[-1]}")
        assert page.text("#now").startswith(f"Step {words[-1]} of")
    page.click("#forward")
    assert page.run_later(ADDRESS, "#step:5") == "#step:5"


@pytest.mark.parametrize(
    ("fragment", "title", "now"),
    [
        ("#step=5", "Step 5 of", "Step 5 of"),
        ("#pid=21/2", "Task 21/2 worker", "Step {last} of"),
        ("#pid:21/2&step:2", "Task 21/2 worker", "Step 2 of"),
        ("#ns:20/1", "Pid namespace of 20", "Step {last} of"),
        ("#pid:9", "Helper 9", "Step "),
        ("#%E0%A4%A", "About the plan", "Step {last} of"),
        ("#pid:31", "About the plan", "Step {last} of"),
    ],
)
def test_the_address_of_a_new_page_chooses(show: Callable[..., Browser], fragment: str, title: str, now: str) -> None:
    page = show(planned(TREE, NAMES))
    page.run("location.hash = arguments[0]", fragment)
    page.do("POST", "/refresh", {})
    page.settle()
    assert page.text("#abouthead").startswith(title)
    assert page.text("#now").startswith(now.format(last=page.run("return crplan.steps")))


def test_a_click_explains_with_rule_source_and_evidence(show: Callable[..., Browser]) -> None:
    found = finding("namespace-ambiguous", pid=21, at=77)
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=(found,)))
    assert any("21/2 worker | i note" in row for row in rows(page)), "the finding is beside its task"
    page.run("[...document.querySelectorAll('.row.task')].find((row) => row.innerText.includes('21/2')).click()")
    told = page.text("#details")
    for words in ("parent-creates", "Source: ", "TaskRecorded pids (21 2)", "event ", "A task fits into several", "at offset 77"):
        assert words in told
    page.run("document.querySelector('.row.step').click()")
    assert page.text("#abouthead").startswith("Step ")
    assert "Why it is there" in page.text("#details")
    page.click("#overview")
    assert "no executor restores" in page.text("#details")


def test_everything_can_be_done_with_keys(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    down, left, right, end, enter = "\ue015", "\ue012", "\ue014", "\ue010", "\ue007"
    page.type("#tree", down + down + enter)
    assert page.text("#abouthead") == "Task 10 sh"
    before = len(rows(page))
    page.type("#tree", left)
    assert len(rows(page)) < before, "a branch is closed"
    page.type("#tree", right)
    assert len(rows(page)) == before
    page.type("#tree", end + enter)
    assert page.text("#abouthead").startswith("Task ")
    page.type("#steps", end)
    page.type("#steps", "\ue013")
    steps = page.run("return crplan.steps")
    assert page.text("#abouthead") == f"Step {steps - 1} of {steps}"
    active = page.run(
        "const active = document.getElementById('steps').getAttribute('aria-activedescendant');"
        "return document.getElementById(active) !== null"
    )
    assert active, "a screen reader is told which row is meant"


def test_siblings_that_are_alike_are_one_row_until_it_is_opened(show: Callable[..., Browser]) -> None:
    names = {1: "init", **{pid: f"worker{pid}" for pid in range(2, 40)}, 20: "odd"}
    page = show(planned("1 " + " ".join(f"{pid}:1" for pid in range(2, 40)), names))
    assert rows(page)[2:] == [
        "3 2 … 19 worker# | x 18 session 1 group 1",
        "3 20 odd | session 1 group 1",
        "3 21 … 39 worker# | x 19 session 1 group 1",
    ]
    assert ("treeitem", "19 alike, 21 to 39 worker#, session 1, group 1", "") in spoken(page, "treeitem")
    page.run("document.querySelector('.row.fold').click()")
    assert rows(page)[2:5] == [
        "3 2 … 19 worker# | x 18 session 1 group 1",
        "4 2 worker2 | session 1 group 1",
        "4 3 worker3 | session 1 group 1",
    ]
    page.type("#query", "worker33")
    page.settle()
    assert page.text("#abouthead") == "Task 33 worker33"
    assert "4 33 worker33 | session 1 group 1" in rows(page), "what hides a process is opened"


def test_siblings_with_sessions_of_their_own_are_alike_and_one_with_a_finding_is_not(show: Callable[..., Browser]) -> None:
    given = planned("1 " + " ".join(f"{pid}:1/{pid}" for pid in range(2, 12)))
    page = show(msgspec.structs.replace(given, findings=(finding("state-missing", pid=6),)))
    assert [row.partition(" | ")[0] for row in rows(page)[2:]] == ["3 2 … 5", "3 6", "3 7 … 11"]
    assert rows(page)[2].endswith("x 4 session own group own")


def test_a_namespace_explains_itself_and_has_an_address(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    page.run("[...document.querySelectorAll('.row.namespace')].find((row) => row.innerText.includes('of 20')).click()")
    assert page.text("#abouthead") == "Pid namespace of 20"
    told = page.text("#details")
    for words in ("numbers of their own, which begin at 1", "20/1 inner", "the kernel kills all others", "Made by"):
        assert words in told
    assert page.run_later(ADDRESS, "#ns:20/1") == "#ns:20/1"
    page.run("location.hash = '#ns:1'")
    page.settle()
    assert page.text("#abouthead") == "Pid namespace of the container"


def test_the_findings_stand_before_the_facts(show: Callable[..., Browser]) -> None:
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=(finding("two-inits", pid=10),)))
    told = page.text("#details")
    assert told.index("A pid namespace has two tasks") < told.index("plan\n")


LANES = "const box = document.getElementById('lanes'), edge = box.getBoundingClientRect();"


def test_the_line_has_a_lane_for_each_actor_and_a_click_chooses_a_step(show: Callable[..., Browser]) -> None:
    page = show(planned("1 2:1 3:1 4:2", {1: "init"}))
    assert page.text("#lanesum").startswith("5 steps of 3 actors; longest chain 4 (blue); up to ")
    x = page.run(LANES + "return edge.left + 150 + (edge.width - 162) / 4 * 1.5")
    y = page.run(LANES + "return edge.top + 20 + 18 + 9")
    for kind in ("mousePressed", "mouseReleased"):
        page.cdp("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1})
    page.settle()
    assert page.text("#abouthead").startswith("Step 2 of")
    assert "It is on the longest chain" in page.text("#details")
    page.type("#lanes", "\ue014")
    assert page.text("#abouthead").startswith("Step 3 of")


def test_the_line_of_a_run_has_its_clock(show: Callable[..., Browser]) -> None:
    given = planned("1 2:1 3:1")
    page = show(msgspec.structs.replace(given, events=[*given.events, *run_of(given.plan)]))
    assert page.text("#lanesum").endswith("time: the run's clock.")
    page.run("location.hash = '#step:2'")
    page.settle()
    assert "In the run it was done 2 ms after the begin, 1 ms after the step before it." in page.text("#details")
    page.run("const box = document.getElementById('axis'); box.value = 'order'; box.dispatchEvent(new Event('change'))")
    assert page.text("#lanesum").endswith("time: how many steps must come before.")


def test_paper_gets_all_rows_and_the_screen_its_own_again(show: Callable[..., Browser]) -> None:
    page = show(planned("1 " + " ".join(f"{pid}:{pid - 1}" for pid in range(2, 201))))
    seen = len(rows(page))
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert len(rows(page)) == 201
    assert page.run("return document.querySelectorAll('.row.step').length") == page.run("return crplan.steps")
    page.run("dispatchEvent(new Event('afterprint'))")
    assert len(rows(page)) == seen < 201


@pytest.mark.parametrize("theme", ["", "dark"])
def test_paper_is_black_on_white_whatever_the_theme(show: Callable[..., Browser], chromium: Browser, theme: str) -> None:
    page = show(planned(TREE, NAMES))
    page.run(
        "const box = document.getElementById('theme'); box.value = arguments[0]; box.dispatchEvent(new Event('change'))", theme
    )
    chromium.cdp(
        "Emulation.setEmulatedMedia", {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        colours = page.run(
            "const of = (one, what) => getComputedStyle(document.querySelector(one))[what];"
            "return [of('body', 'backgroundColor'), of('body', 'color'), of('#proof', 'color'), of('.player', 'display')]"
        )
    finally:
        chromium.cdp("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)", "rgb(0, 0, 0)", "none"]


def spoken(page: Browser, *roles: str) -> list[tuple[str, str, str]]:
    """Return what the browser tells a screen reader: role, name and description of everything of these roles, in order."""
    page.settle()
    page.cdp("Accessibility.enable", {})
    nodes = page.cdp("Accessibility.getFullAXTree", {})["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}
    found, waiting = [], [nodes[0]["nodeId"]]
    while waiting:
        node = by_id.get(waiting.pop())
        if node is None:
            continue
        waiting += reversed(node.get("childIds", []))
        if not node["ignored"] and node["role"]["value"] in roles:
            found.append(
                (
                    str(node["role"]["value"]),
                    str(node.get("name", {}).get("value", "")),
                    str(node.get("description", {}).get("value", "")),
                )
            )
    return found


def test_a_screen_reader_hears_landmarks_headings_and_controls(show: Callable[..., Browser]) -> None:
    found = (finding("namespace-ambiguous", pid=21, at=77), finding("two-inits", pid=10))
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=found))
    assert [name for _, name, _ in spoken(page, "heading")][:4] == ["notation", "Forest", "Steps", "About the plan"]
    assert {role for role, _, _ in spoken(page, "banner", "search", "main")} == {"banner", "search", "main"}
    assert [name for _, name, _ in spoken(page, "region")] == ["Player", "Forest", "Steps", "About the plan", "Timeline"]
    assert [(role, name) for role, name, _ in spoken(page, "button", "slider", "combobox", "searchbox", "tree", "listbox")][
        :13
    ] == [
        ("button", "1 error, 1 note"),
        ("searchbox", "Find"),
        ("button", "Next"),
        ("button", "To the beginning"),
        ("button", "One step back"),
        ("button", "Play"),
        ("button", "One step forward"),
        ("button", "To the end"),
        ("slider", "Step of the plan"),
        ("combobox", "Speed"),
        ("combobox", "Theme"),
        ("tree", "Forest"),
        ("listbox", "Steps"),
    ]
    assert page.run("return document.getElementById('slider').getAttribute('aria-valuetext')").startswith("Step ")


def test_what_colours_rings_and_bold_type_show_is_said_in_words(show: Callable[..., Browser]) -> None:
    found = (finding("namespace-ambiguous", pid=21, at=77), finding("two-inits", pid=10))
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=found))
    page.type("#query", "tee")
    heard = [name for _, name, _ in spoken(page, "treeitem")]
    assert heard[:3] == [
        "pid namespace of the container, 5 processes, init 1, level 0",
        "1 init, leads session 1, leads group 1",
        "10 sh, error, leads session 10, leads group 10",
    ]
    assert "12 cc, zombie (exit 2), session 10, group 10" in heard
    assert "13 tee, session 10, leads group 13, found" in heard
    page.run("crplan.goTo(2)")
    heard = [name for _, name, _ in spoken(page, "treeitem")]
    assert [name for name in heard if "changed by this step" in name] == [
        "1 init, leads session 1, leads group 1, changed by this step"
    ]
    steps = spoken(page, "option")
    assert any(name == "2: 1 calls setsid, session-leader" for _, name, _ in steps)
    assert any(name.endswith(", to come") for _, name, _ in steps)
    assert all(not description for _, _, description in steps), "nothing is said twice"


def test_every_node_that_can_be_reached_has_a_name(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    roles = (
        "button",
        "slider",
        "combobox",
        "searchbox",
        "tree",
        "treeitem",
        "listbox",
        "option",
        "group",
        "region",
        "link",
        "heading",
    )
    for action in ("", "document.querySelector('.row.task').click()", "document.querySelector('.row.step').click()"):
        page.run(action)
        assert [entry for entry in spoken(page, *roles) if not entry[1].strip()] == []


LISTEN = """
window.heard = [];
const now = document.getElementById("now");
new MutationObserver(() => { if (now.getAttribute("aria-live") === "polite" && now.textContent) heard.push(now.textContent); })
    .observe(now, { childList: true, characterData: true, subtree: true });
"""
"""Notes what a screen reader would say of the live region: what changes in it while it is not off."""


def heard(page: Browser) -> list[str]:
    page.settle()
    return [str(words) for words in page.run("return heard.splice(0)")]


def test_a_step_is_announced_once_and_play_only_where_it_stops(show: Callable[..., Browser]) -> None:
    page = show(planned(TREE, NAMES))
    steps = page.run("return crplan.steps")
    page.run(LISTEN)
    page.click("#first")
    page.click("#forward")
    assert heard(page) == [f"Before step 1 of {steps}", f"Step 1 of {steps}: executor creates 1 in a new pid namespace"]
    page.type("#steps", "\ue015")
    page.type("#slider", "\ue014")
    assert heard(page) == [], "the list and the slider say by themselves where they are"
    page.run("document.getElementById('speed').value = '50'")
    page.click("#play")
    page.run_later("const done = arguments[0]; const look = () => crplan.playing() ? setTimeout(look, 20) : done(null); look()")
    page.settle()
    assert [words.partition(":")[0] for words in heard(page)] == [f"Step {steps} of {steps}"]


def test_the_count_of_findings_leads_to_them(show: Callable[..., Browser]) -> None:
    found = (finding("namespace-ambiguous", pid=21), finding("two-inits", pid=10))
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=found))
    page.run("document.querySelector('.row.step').click()")
    page.type("#found", "\ue007")
    assert page.run("return document.activeElement.id") == "abouthead"
    told = page.text("#details")
    assert 0 < told.index("A pid namespace has two tasks") < told.index("A task fits into several"), "the gravest comes first"


@pytest.mark.parametrize("width", first(WIDE_AND_NARROW, 1))
@pytest.mark.parametrize("scheme", first(["dark", "light"], 1))
def test_axe_finds_nothing_serious(show: Callable[..., Browser], chromium: Browser, scheme: str, width: int) -> None:
    """At the beginning, in the middle with a process explained, and at the end with a step explained; by system and by choice."""
    found = (finding("namespace-ambiguous", pid=21, at=77), finding("state-missing", pid=11), finding("two-inits", pid=10))
    chromium.prefer(prefers_color_scheme=scheme)
    page = show(msgspec.structs.replace(planned(TREE, NAMES), findings=found), width)
    for action in (
        "",
        "crplan.goTo(0)",
        "crplan.goTo(12); document.querySelector('.row.task').click()",
        "document.querySelector('.row.step').click()",
        "const box = document.getElementById('theme'); box.value = arguments[0]; box.dispatchEvent(new Event('change'))",
    ):
        page.run(action, "dark" if scheme == "light" else "light")
        page.settle()
        assert violations(page) == []


@pytest.mark.parametrize("width", WIDE_AND_NARROW)
def test_nothing_is_wider_than_the_view(show: Callable[..., Browser], width: int) -> None:
    page = show(artefact(hostile(PLANS["nested_namespaces"]())), width)
    assert page.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "name", [HOSTILE_NAME, "<img src=x onerror=document.title='gone'>", "</script><script>document.title='gone'</script>"]
)
def test_hostile_names_inject_nothing(show: Callable[..., Browser], name: str) -> None:
    given = planned(TREE, dict.fromkeys(NAMES, name))
    found = finding("state-missing", pid=11, detail=name, recorded=name, property=name)
    page = show(msgspec.structs.replace(given, findings=(found,)))
    elements = page.run("return document.querySelectorAll('script').length")
    for _ in range(3):
        page.run("crplan.goTo(9); document.querySelector('.row.task').click()")
        page.run("document.querySelector('.row.step').click()")
    assert page.run("return document.title").endswith("- crplan")
    harmless = emit(planned(TREE, NAMES)).count("<script")
    assert page.run("return document.querySelectorAll('script').length") == elements == harmless
    assert page.run("return document.querySelectorAll('img').length") == 0


def test_five_thousand_tasks_cost_a_few_hundred_elements(show: Callable[..., Browser]) -> None:
    page = show(artefact(wide(5000)))
    assert page.run("return crplan.processes") == 5001
    for step in (0, 2500, 10_000):
        page.run("crplan.goTo(arguments[0])", step)
        page.settle()
        assert page.run("return document.querySelectorAll('*').length") < 1000
    page.type("#query", "4999")
    page.settle()
    assert page.text("#abouthead").startswith("Task 4999")
    assert any("4999" in row for row in rows(page)), "the row is in sight"


def test_a_deep_chain_is_drawn_without_recursion(show: Callable[..., Browser]) -> None:
    page = show(planned("1 " + " ".join(f"{pid}:{pid - 1}" for pid in range(2, 3001))))
    page.type("#query", "3000")
    page.settle()
    assert any("depth 3000 3000" in row for row in rows(page))
    assert violations(page) == []


def test_a_plan_that_the_model_refuses_plays_as_far_as_it_goes(show: Callable[..., Browser]) -> None:
    from planner.testing.plans import taken_number

    plan = taken_number()
    page = show(Artefact(plan=plan, forest=planned("1").forest, proved=False))
    assert "The model goes no further: step 5 (number-taken): EEXIST" in page.text("#now")
    assert "not proved" in page.text("#proof")
