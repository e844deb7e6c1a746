"""Shows what was counted at the end of a run."""

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.counts import LINES

# Tests count work and assert no time, so neither does the library that draws their input.
settings.register_profile("crplan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crplan")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the counts of this run, in the order in which they came."""
    if LINES:
        terminalreporter.section("counted")
        for line in LINES:
            terminalreporter.write_line(line)
