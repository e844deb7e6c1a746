"""Which part of the tests is run, what they have in common, and what is said at the end of a run.

There are two parts. The fast one is what `pytest` runs; tests marked `slow` are the other one: `--part slow`, `--part all`. With
CRPLAN_FULL=1 there are more tests and larger amounts (`tests.helpers.amounts`).
"""

import os
import signal
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.amounts import FULL
from tests.helpers.counts import LINES, SUMS, lines, tally

PARTS = ("fast", "slow", "all")
SLOW_TIMEOUT = 1800
"""Seconds after which a slow test is stopped, where it has no marker that says otherwise."""

left_out: dict[str, int] = {}
"""How many tests the part, and the time for it, have left out of this run."""

# Tests count work and assert no time, so neither does the library that draws their input.
settings.register_profile("crplan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crplan")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of the part."""
    group = parser.getgroup("crplan")
    group.addoption("--part", choices=PARTS, default="fast", help="run the fast tests (default), those marked slow, or all")
    group.addoption("--budget", type=float, default=0, metavar="SECONDS", help="skip slow tests that would begin later than this")


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests and their children default signals: a shell in the background ignores SIGINT and SIGQUIT for them."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.stash[BEGAN] = time.monotonic()


BEGAN = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other part; tests that need root run in one process, after one another, and only as root."""
    part = config.getoption("part")
    others = [item for item in items if part != "all" and (item.get_closest_marker("slow") is None) == (part == "slow")]
    if others:
        left_out["part"] = len(others)
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    for item in items:
        if item.get_closest_marker("slow") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))
        if item.get_closest_marker("root") is not None:
            item.add_marker(pytest.mark.xdist_group("root"))
            item.add_marker(pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a slow test that would begin after the time for this run."""
    budget = item.config.getoption("budget")
    if budget and item.get_closest_marker("slow") is not None and time.monotonic() - item.config.stash[BEGAN] > budget:
        left_out["time"] = left_out.get("time", 0) + 1
        pytest.skip(f"the {budget:g} seconds for slow tests are over")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a process of pytest-xdist to the one that reports."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counted"], output["sums"], output["left_out"] = LINES, {name: dict(sums) for name, sums in SUMS.items()}, left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of pytest-xdist has counted; each has left out the same by its part, and others for lack of time."""
    output = getattr(node, "workeroutput", {})
    LINES.extend(output.get("counted", ()))
    for subject, numbers in output.get("sums", {}).items():
        tally(subject, **numbers)
    left = output.get("left_out", {})
    left_out["part"] = left.get("part", left_out.get("part", 0))
    left_out["time"] = left_out.get("time", 0) + left.get("time", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the counts of this run, in the order in which they came, and what the run has left out."""
    if counted := lines():
        terminalreporter.section("counted")
        for line in counted:
            terminalreporter.write_line(line)
    part = config.getoption("part")
    words = []
    if left_out.get("part"):
        others = {"fast": "slow tests: `pytest --part slow` runs them, `.ci/run` all", "slow": "fast tests: `pytest` runs them"}
        words.append(f"{left_out['part']} {others[part]}")
    if left_out.get("time"):
        words.append(f"{left_out['time']} slow tests for lack of time: `--budget` sets it")
    if not FULL and (words or part == "all"):
        words.append("most seeds of the random tests: CRPLAN_FULL=1 tries all of them, `.ci/run --full` together with all tests")
    if not words:
        return
    terminalreporter.section("left out")
    for line in words:
        terminalreporter.write_line(line)
