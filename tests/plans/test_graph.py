"""What a plan's order leaves free."""

import itertools

import networkx as nx
import pytest

from planner.pipeline.resolve import resolve
from planner.plans.graph import constraint_graph, longest_path, side_by_side
from planner.plans.model import Plan
from planner.steps import AnyStep, Verify
from planner.testing.forests import events


def plan(text: str) -> Plan:
    """Plan a forest in the notation."""
    return resolve(events(text)).plan


def acting(plan: Plan) -> list[AnyStep]:
    """Return the steps but for those that verify."""
    return [step for step in plan.steps if not isinstance(step, Verify)]


FORESTS = ["1", "1 2 3", "1 2:1/2 3:2 4:3", "1 2:1/2 3:1/3 4:2/3 5:3/2", "1 5.1:1 6.2:5/6 7.3:5/1", "1 31:1/30 32:31/30"]


@pytest.mark.parametrize("text", FORESTS)
def test_plan_order_is_one_of_the_orders_that_the_graph_allows(text: str) -> None:
    graph = constraint_graph(plan(text))
    assert all(before < after for before, after in graph.edges)
    assert nx.is_directed_acyclic_graph(graph)


@pytest.mark.parametrize("text", FORESTS)
def test_the_longest_path_is_as_long_as_the_number_of_waves(text: str) -> None:
    planned = plan(text)
    path = longest_path(planned)
    graph = constraint_graph(planned)
    assert len(path) == len(side_by_side(planned)) == nx.dag_longest_path_length(graph, default_weight=1) + 1
    assert all(graph.has_edge(before, after) for before, after in itertools.pairwise(path))


@pytest.mark.parametrize("text", FORESTS)
def test_every_step_is_in_one_wave_and_needs_earlier_waves_only(text: str) -> None:
    planned = plan(text)
    waves = side_by_side(planned)
    place = {number: index for index, wave in enumerate(waves) for number in wave}
    assert sorted(place) == [step.number for step in acting(planned)]
    for step in acting(planned):
        assert all(place[wait.step] < place[step.number] for wait in step.waits)


def test_brothers_act_side_by_side_and_generations_do_not() -> None:
    wide = plan("1 " + " ".join(f"{pid}:1/{pid}" for pid in range(2, 8)))
    deep = plan("1 " + " ".join(f"{pid}:{pid - 1}/{pid}" for pid in range(2, 8)))
    assert len(acting(wide)) == len(acting(deep))
    assert len(longest_path(wide)) < len(longest_path(deep)) == len(acting(deep))


def test_an_edge_says_why() -> None:
    planned = plan("1 2:1/1/3 3:1/1/3")
    rules = {rule for _, _, rule in constraint_graph(planned).edges(data="rule")}
    assert rules == {"same-actor", "created-before-acting", "group-before-member"}
