"""Gives tests and their child processes the signals of an ordinary program, holds slow tests back, shows what was counted."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.counts import LINES

# Tests count work and assert no time, so neither does the library that draws their input.
settings.register_profile("crplan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crplan")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slow`."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow, too")


def pytest_configure(config: pytest.Config) -> None:
    """Hear the signals that whoever started this run ignores, as `nohup`, a shell's `&` and some CI runners do.

    A child process inherits what is ignored, and not what is handled: so every command under test has the default signals.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        if signal.getsignal(number) == signal.SIG_IGN:
            # The run itself goes on without noticing.
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow tests unless they are asked for."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: --slow runs it"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the counts of this run, in the order in which they came."""
    if LINES:
        terminalreporter.section("counted")
        for line in LINES:
            terminalreporter.write_line(line)
