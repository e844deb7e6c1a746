"""A program of a user of the library: it is checked by `mypy --strict`, and it runs."""

import sys
from pathlib import Path

import crplan

import planner
from planner.steps import Create


def creators(image: str | Path) -> dict[int, int]:
    """Return who creates each process of an image, 0 for the executor."""
    plan = planner.plan(image)
    return {step.child: step.actor for step in plan.steps if isinstance(step, Create)}


def main(image: str) -> int:
    log = planner.read(image)
    plan = planner.plan(log, replan=True)
    forest = planner.simulate(plan)
    print(f"{len(forest.tasks)} tasks, {len(plan.steps)} steps, plan {plan.plan_id}")
    for step in plan.steps:
        earlier = ", ".join(f"{wait.step} ({wait.rule})" for wait in planner.predecessors(plan, step))
        print(step.number, step.rule, earlier)
    graph = planner.to_networkx(plan)
    print(graph.number_of_edges())
    report = planner.check(log, fail_on="warning", ignore=["namespace-ambiguous"])
    print(report.exit_code, [found.code for found in report.counting()])
    script: str | bytes = crplan.emit(plan, "shell")
    print(len(script))
    for explanation in planner.explain(log, f"pid:{forest.root}"):
        print(explanation.headline)
    print(planner.diff(log, plan).differs, [each.image for each in planner.read_many([image])])
    try:
        planner.plan(b"no image")
    except planner.CrplanError as error:
        print(error, error.at, error.hint, [fact.text for fact in error.facts], error.exit_code)
    return len(creators(Path(image)))


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1]) else 1)
