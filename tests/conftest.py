"""Shows what was counted at the end of a run."""

import pytest

from tests.helpers.counts import LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the counts of this run, in the order in which they came."""
    if LINES:
        terminalreporter.section("counted")
        for line in LINES:
            terminalreporter.write_line(line)
