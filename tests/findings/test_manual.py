"""The document on findings: a section for each kind, as the registry has it."""

import pytest

from planner.checks.ask import known_kinds
from planner.cli import main as cli
from planner.findings.manual import DOCUMENT
from planner.plugins import load
from tests.helpers.places import ROOT

TEXT = (ROOT / DOCUMENT).read_text()


def test_the_document_is_what_the_command_writes(capsys: pytest.CaptureFixture[str]) -> None:
    """After a change: `crplan plugins --findings >plugins/FINDINGS.md`."""
    assert cli.main(["plugins", "--findings"]) == 0
    assert capsys.readouterr().out == TEXT


def test_every_code_has_a_section_with_its_sentence() -> None:
    for code, kind in known_kinds(load(())).items():
        section = TEXT.partition(f"\n### {code}\n")[2].partition("\n### ")[0]
        assert kind.sentence in section, code
        assert kind.hint in section, code
