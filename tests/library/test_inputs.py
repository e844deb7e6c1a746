"""What the library's functions accept, and what they say of everything else."""

import inspect
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.cli import main as cli
from planner.errors import place_words
from planner.events.log import Log
from planner.events.records import AnyEvent

ROOT = Path(planner.__file__).parent.parent
IMAGE = ROOT / "examples" / "images" / "nested.ckpt"
CONTRADICTORY = ROOT / "examples" / "images" / "contradictory.ckpt"

ON_ONE_INPUT: dict[str, Callable[[Any], object]] = {
    "read": planner.read,
    "plan": planner.plan,
    "simulate": planner.simulate,
    "emit": lambda given: planner.emit(given, "json"),
    "check": planner.check,
    "diff": lambda given: planner.diff(given, IMAGE),
    "explain": lambda given: planner.explain(given, "step:3"),
    "run": planner.run,
}
"""Every function of the library that takes an image, a log or a plan, on one argument."""

FORMS: dict[str, Callable[[], object]] = {
    "text": lambda: str(IMAGE),
    "path": lambda: IMAGE,
    "bytes": IMAGE.read_bytes,
    "bytearray": lambda: bytearray(IMAGE.read_bytes()),
    "stream": lambda: io.BytesIO(IMAGE.read_bytes()),
    "log": lambda: planner.read(IMAGE),
    "iterator of events": lambda: iter(planner.read(IMAGE)),
    "plan": lambda: planner.plan(IMAGE),
    "plan document": lambda: planner.emit(IMAGE, "json"),
    "encoded log": lambda: planner.read(IMAGE).encoded(),
}
"""One image in every form that is accepted."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted(ON_ONE_INPUT.keys() - {"run"}))
def test_every_form_of_an_image_is_accepted_everywhere(name: str, form: str) -> None:
    given = FORMS[form]()
    if isinstance(given, str) and form == "plan document":
        given = given.encode()
    result = ON_ONE_INPUT[name](given)
    if name == "plan":
        assert result.plan_id == planner.plan(IMAGE).plan_id  # type: ignore[attr-defined]
    if name == "simulate":
        assert result.tasks.keys() == planner.simulate(IMAGE).tasks.keys()  # type: ignore[attr-defined]
    if name == "diff":
        assert not result.tasks and not result.plan.differs  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [None, 7, 3.5, {}, object(), [1, 2], io.StringIO("{}")], ids=lambda wrong: type(wrong).__name__)
@pytest.mark.parametrize("name", ON_ONE_INPUT)
def test_anything_else_is_a_type_error_that_says_what_is_accepted(name: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=rf"planner\.{name} takes a (path, bytes, an open binary stream|log of events|binary)"):
        ON_ONE_INPUT[name](wrong)


def test_read_and_read_many_take_no_logs_beside_each_other() -> None:
    with pytest.raises(TypeError, match=r"planner\.read takes paths"):
        planner.read(IMAGE, planner.plan(IMAGE))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"planner\.read_many takes several images"):
        planner.read_many("image.ckpt")


def test_what_went_wrong_names_the_file_the_place_the_facts_and_what_to_do() -> None:
    with pytest.raises(planner.CrplanError) as caught:
        planner.plan(CONTRADICTORY)
    error = caught.value
    assert isinstance(error, planner.Contradiction)
    assert str(error) == f"{CONTRADICTORY}: {error.message}"
    assert [fact.seq for fact in error.facts] == list(error.because)
    assert all(fact.at is not None and fact.text for fact in error.facts)
    assert error.hint
    assert error.exit_code == 3


def test_bytes_that_are_cut_say_where_in_which_file(tmp_path: Path) -> None:
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(IMAGE.read_bytes()[:300])
    with pytest.raises(planner.BadImage) as caught:
        planner.plan(cut)
    assert str(caught.value) == f"{cut}: {place_words(caught.value.at)}: {caught.value.message}"
    assert caught.value.exit_code == 1


def test_an_error_passes_between_processes() -> None:
    with pytest.raises(planner.CrplanError) as caught:
        planner.plan(CONTRADICTORY)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.facts) == (type(caught.value), str(caught.value), caught.value.facts)


@pytest.mark.parametrize("name", ["BadImage", "CannotEmit", "Contradiction", "NotProved", "PluginFailed", "UsageError"])
def test_every_public_exception_has_the_one_base(name: str) -> None:
    assert issubclass(getattr(planner, name), planner.CrplanError)


def test_a_name_that_would_move_the_cursor_is_escaped(tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[31mb"
    hostile.write_bytes(b"moon")
    with pytest.raises(planner.BadImage) as caught:
        planner.read(hostile)
    assert "\x1b" not in str(caught.value)
    assert "a\\x1b[31mb" in str(caught.value)


def test_big_records_have_short_reprs() -> None:
    log = planner.read(IMAGE)
    plan = planner.plan(log)
    for record in (log, plan, planner.simulate(plan), planner.check(log), planner.diff(log, plan), *planner.explain(log, 3)):
        assert len(repr(record)) < 200, type(record)
        assert "\n" not in repr(record)
    assert plan.plan_id in repr(plan)
    assert str(IMAGE) in repr(log)


def test_notebooks_show_a_plan_as_the_preview_and_as_the_picture() -> None:
    plan = planner.plan(IMAGE)
    svg, page = plan._repr_svg_(), plan._repr_html_()
    assert svg is not None and svg.startswith("<svg") and svg == planner.emit(plan, "svg")
    assert page is not None and page.startswith("<pre>") and plan.plan_id in page
    assert "<td>TaskRecorded</td><td>7</td>" in planner.read(IMAGE)._repr_html_()


def test_a_log_is_a_list_of_its_events_and_a_file() -> None:
    log = planner.read(IMAGE)
    events: list[AnyEvent] = list(log)
    assert log == events
    assert planner.read(log.encoded()) == events
    assert isinstance(log, Log)


def test_the_functions_are_what_the_command_line_does(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["explain", str(IMAGE), "pid:20", "--json"]) == 0
    shown = json.loads(capsysbinary.readouterr().out)["explanations"]
    assert [each["headline"] for each in shown] == [each.headline for each in planner.explain(IMAGE, "pid:20")]
    assert cli.main(["diff", str(IMAGE), str(CONTRADICTORY.with_name("orphan.ckpt")), "--format", "json"]) == 0
    compared = json.loads(capsysbinary.readouterr().out)
    found = planner.diff(IMAGE, CONTRADICTORY.with_name("orphan.ckpt"))
    assert [task["after"] for task in compared["tasks"]] == [task.after for task in found.tasks]


def test_everything_public_is_documented_and_listed() -> None:
    for name in ("read", "read_many", "plan", "simulate", "emit", "check", "diff", "explain", "capture", "run"):
        assert name in dir(planner)
        documentation = inspect.getdoc(getattr(planner, name))
        assert documentation is not None
        assert "Raises" in documentation, name
