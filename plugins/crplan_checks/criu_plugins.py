"""Plugins that a dump requires: an open question, unless the host has a file of each where CRIU looks.

A directory that is named by CRIU_LIBS_DIR alone is not known here, so a plugin that is not found stays an open question.
Source: CRIU 4.2, `cr_plugin_init`.
"""

from collections.abc import Iterable, Iterator

from crplan_checks.kinds_contents import CRIU_PLUGIN
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.forest.model import Forest
from planner.host.facts import Host
from planner.host.questions import places, plugin_files


def known(answers: Iterable[Answer], forest: Forest, host: Host | None, invocation: Invocation) -> Iterator[Answer]:
    """Yield the answers; where the host has all plugins, the question for them is one that passed."""
    files = plugin_files(forest, places(invocation.options))
    there = bool(files) and host is not None and all(_is_file(host, path) for path in files)
    for answer in answers:
        if not (there and isinstance(answer, Unknown) and answer.code == CRIU_PLUGIN.code):
            yield answer
    if there:
        yield Passed(code=CRIU_PLUGIN.code, detail=f"the host has {', '.join(files)}")


def _is_file(host: Host, path: str) -> bool:
    fact = host.answers.paths.get(path)
    return fact is not None and fact.kind == "file"
