"""What must be done before a step: every order that the predecessors allow ends in the same forest, and no fewer of them do."""

from random import Random

import msgspec
import networkx as nx
import pytest

from planner.errors import NotProved
from planner.identity import StepNumber
from planner.pipeline.resolve import prove_plan, resolve
from planner.plans.document import forest_of
from planner.plans.graph import ALL_DONE, CREATED, SAME_ACTOR, predecessors, to_networkx
from planner.plans.model import Plan
from planner.steps import AnyStep, Create, CreateThread, Verify, Wait
from planner.testing.forests import events
from tests.helpers.trials import ALL_PROFILES, image_of, planned, random_history

FORESTS = ["1", "1 2 3", "1 2:1/2 3:2 4:3", "1 2:1/2 3:1/3 4:2/3 5:3/2", "1 5.1:1 6.2:5/6 7.3:5/1", "1 31:1/30 32:31/30"]


def plan(text: str) -> Plan:
    """Plan a forest in the notation."""
    return resolve(events(text)).plan


def acting(plan: Plan) -> list[AnyStep]:
    """Return the steps but for those that verify."""
    return [step for step in plan.steps if not isinstance(step, Verify)]


def another_order(plan: Plan, random: Random) -> Plan:
    """Return the plan with its steps in a random order that the predecessors of each allow, numbered anew."""
    before = {step.number: {wait.step for wait in predecessors(plan, step)} for step in plan.steps}
    order: list[AnyStep] = []
    left = list(plan.steps)
    numbers: dict[StepNumber, StepNumber] = {}
    while left:
        step = random.choice([step for step in left if before[step.number] <= set(numbers)])
        left.remove(step)
        order.append(step)
        numbers[step.number] = StepNumber(len(order))
    moved = [
        msgspec.structs.replace(
            step,
            number=numbers[step.number],
            waits=tuple(Wait(numbers[wait.step], wait.rule) for wait in step.waits),
        )
        for step in order
    ]
    return msgspec.structs.replace(plan, steps=tuple(moved))


@pytest.mark.parametrize("profile", ALL_PROFILES)
def test_every_order_that_the_predecessors_allow_is_as_good(profile: str) -> None:
    for seed in range(4):
        outcome = planned(image_of(random_history(f"predecessors {seed}", profile, 60)))
        for attempt in range(3):
            other = another_order(outcome.plan, Random(f"{seed} {attempt}"))
            prove_plan(other, outcome.forest, outcome.events, recorded=False)


def test_without_the_creation_of_the_actor_an_order_is_no_good() -> None:
    """The child acts before it is there: `waits` alone do not order a plan."""
    made = plan("1 2:1/2")
    assert not any(step.waits for step in acting(made))
    steps = list(made.steps)
    at = next(place for place, step in enumerate(steps) if step.actor == 2)
    steps[at], steps[at - 1] = steps[at - 1], steps[at]
    wrong = msgspec.structs.replace(made, steps=tuple(steps))
    with pytest.raises(NotProved):
        prove_plan(wrong, forest_of(made), (), recorded=False)


@pytest.mark.parametrize("text", FORESTS)
def test_the_first_step_of_a_process_comes_after_its_creation(text: str) -> None:
    made = plan(text)
    created = {step.child: step.number for step in made.steps if isinstance(step, (Create, CreateThread))}
    seen = set()
    for step in acting(made):
        rules = {wait.rule: wait.step for wait in predecessors(made, step)}
        if step.actor in seen:
            assert made.steps[rules[SAME_ACTOR] - 1].actor == step.actor
        elif step.actor:
            assert rules[CREATED] == created[step.actor]
        seen.add(step.actor)


def test_a_step_is_named_by_its_number_or_by_itself() -> None:
    made = plan("1 2:1/2")
    assert predecessors(made, 2) == predecessors(made, made.steps[1])
    for number in (0, len(made.steps) + 1):
        with pytest.raises(KeyError):
            predecessors(made, number)
    for given in ("1", None, True, 1.0):
        with pytest.raises(TypeError, match="takes a step or its number"):
            predecessors(made, given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["image.ckpt", None, 3])
def test_what_is_no_plan_is_a_type_error_that_names_the_function(given: object) -> None:
    with pytest.raises(TypeError, match=r"planner\.to_networkx takes a plan"):
        to_networkx(given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"planner\.predecessors takes a plan"):
        predecessors(given, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", FORESTS)
def test_the_graph_says_the_same_as_the_predecessors(text: str) -> None:
    made = plan(text)
    graph = to_networkx(made)
    assert nx.is_directed_acyclic_graph(graph)
    assert list(graph) == [step.number for step in made.steps]
    for step in acting(made):
        assert {wait.step: wait.rule for wait in predecessors(made, step)} == {
            before: graph.edges[before, step.number]["rule"] for before in graph.predecessors(step.number)
        }
    for step in made.steps:
        if isinstance(step, Verify):
            all_before = nx.ancestors(graph, step.number)
            assert {wait.step for wait in predecessors(made, step)} <= all_before


def test_brothers_act_side_by_side_and_generations_do_not() -> None:
    wide = to_networkx(plan("1 " + " ".join(f"{pid}:1/{pid}" for pid in range(2, 8))))
    deep = to_networkx(plan("1 " + " ".join(f"{pid}:{pid - 1}/{pid}" for pid in range(2, 8))))
    assert nx.dag_longest_path_length(wide, default_weight=1) < nx.dag_longest_path_length(deep, default_weight=1)


def test_nodes_and_edges_say_what_they_are() -> None:
    graph = to_networkx(plan("1 2:1/1/3 3:1/1/3"))
    assert graph.nodes[1] == {"op": "create", "actor": 0, "rule": "root-first"}
    rules = {rule for _, _, rule in graph.edges(data="rule")}
    assert rules == {SAME_ACTOR, CREATED, ALL_DONE, "group-before-member"}
