"""The verdicts that need no host, as back ends get them."""

import planner
from planner.checks.forecast import forecasts, with_forecasts
from planner.events.records import AnyEvent
from planner.findings.verdicts import verdict_line
from planner.hookspecs import Artefact, BackEnd
from planner.pipeline.reading import default_registry
from planner.pipeline.resolve import as_it_stood, resolve
from planner.testing.forests import events
from tests.helpers.criu_images import criu_image


def artefact_of(history: list[AnyEvent]) -> Artefact:
    return resolve(history).artefact()


def back_end(**flags: bool) -> BackEnd:
    return BackEnd(name="mine", help="", emit=lambda artefact, options, terminal: "", **flags)  # type: ignore[arg-type]  # flags


def test_the_first_verdict_is_that_of_the_usual_consumer() -> None:
    (verdict,) = forecasts(artefact_of(criu_image("1 2:1s 5:2/9")), default_registry())
    assert (verdict.consumer, verdict.verdict, verdict.host) == ("criu-restore", "refused", "")
    assert "criu restore: refused" in verdict_line(verdict)
    (verdict,) = forecasts(artefact_of(events("1 2:1")), default_registry())
    assert (verdict.consumer, verdict.verdict) == ("run", "ok")


def test_options_are_not_known_so_what_depends_on_one_names_it() -> None:
    (verdict,) = forecasts(artefact_of(criu_image("10:0/4", own_pid_namespace=False)), default_registry())
    assert (verdict.verdict, verdict.needs) == ("unknown", ("--shell-job",))


def test_a_part_of_a_log_and_a_plan_alone_have_no_verdicts() -> None:
    whole = artefact_of(criu_image("1 2:1"))
    assert forecasts(as_it_stood(list(whole.events), 5), default_registry()) == ()
    assert forecasts(Artefact(plan=whole.plan, forest=whole.forest), default_registry()) == ()


def test_only_a_back_end_that_shows_forecasts_has_them_asked() -> None:
    whole, registry = artefact_of(criu_image("1 2:1")), default_registry()
    assert with_forecasts(whole, back_end(), registry) is whole
    assert with_forecasts(whole, back_end(forecasts=True), registry).verdicts != ()
    assert {each.name for each in registry.backends if each.forecasts} & {"python", "c", "shell", "json"} == set()


def test_the_preview_shows_the_verdict() -> None:
    assert "criu restore: ok (image only, new pid namespace)" in str(planner.emit(criu_image("1 2:1"), "text"))
