"""A fixed sample of the fuzzer's inputs, and that its judge sees what it is there to see."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from crplan_criu.holdings import READERS
from crplan_criu.images import split_name

from tests.fuzz import judge, texts, wire
from tests.fuzz.__main__ import FIXED, Tally, input_of, try_one
from tests.fuzz.seeds import Seed, seeds
from tests.helpers.amounts import first

INPUTS = 240


@pytest.fixture(scope="module")
def samples() -> list[Seed]:
    return seeds()


@pytest.mark.parametrize("part", first(range(4), 2))
def test_a_fixed_sample_shows_no_fault(samples: list[Seed], part: int) -> None:
    tally = Tally()
    for number in range(part, INPUTS, 4):
        try_one(samples, FIXED, number, tally)
    assert tally.faults.total() == 0, "\n".join(tally.lines())


@pytest.mark.parametrize("share", [72, pytest.param(1, marks=pytest.mark.slow)], ids=["some commands", "every command"])
def test_every_text_of_a_log_or_plan_is_clean_on_every_output(samples: list[Seed], share: int, tmp_path: Path) -> None:
    seen = set()
    wrong = []
    for number, made in enumerate(texts.inputs(samples)):
        seen.add(made.name.partition(".")[0])
        path = texts.named(tmp_path, made.data) if number % 7 == 0 else made.write(tmp_path / str(number))
        for place, argv in enumerate(judge.every_command(str(path))):
            if (number + place) % share == 0:
                wrong += [(made.name, argv[:1] + argv[2:], fault) for fault in judge.faults(argv)[1]]
    assert not wrong, "\n".join(map(str, wrong))
    assert seen == texts.types() | {"plan"}


@pytest.mark.parametrize("share", [600, pytest.param(40, marks=pytest.mark.slow)], ids=["some fields", "more fields"])
def test_fields_of_criu_messages_in_every_form_show_no_fault(share: int, tmp_path: Path) -> None:
    wrong, forms = [], set()
    for number, made in enumerate(wire.inputs()):
        if number % share == 7:
            path = made.write(tmp_path / str(number))
            forms.add(made.name.rpartition(":")[2].partition(" ")[2])
            for place, argv in enumerate(wire.commands(str(path))):
                if share > 100 and (number // share + place) % 4:
                    continue
                wrong += [(made.name, argv[:1] + argv[2:], fault) for fault in judge.faults(argv)[1]]
    assert not wrong, "\n".join(map(str, wrong))
    assert len(forms) > min(len(wire.FORMS) - 1, 4000 // share)


def test_the_dump_of_fields_has_every_kind_of_image_that_is_read() -> None:
    kinds = {split_name(name)[0] for name in wire.dump()} | {"stats-dump"}
    assert kinds >= {*READERS}


def test_an_input_follows_from_its_number_alone(samples: list[Seed]) -> None:
    for number in range(20):
        assert input_of(samples, FIXED, number)[0] == input_of(samples, FIXED, number)[0]


def test_the_sample_reaches_every_kind_and_outcome(samples: list[Seed]) -> None:
    kinds = {input_of(samples, FIXED, number)[0].kind for number in range(INPUTS)}
    assert kinds == {"archive", "directory", "log", "plan", "stream"}


@pytest.mark.parametrize(
    ("code", "output", "errors", "what"),
    [
        (0, b"{}", "raw \x1b[2J\n", "raw characters"),
        (0, b'{"name":"\xc2\x9b"}', "", "raw characters"),
        (0, b"not json", "", "document"),
        (4, b"{}", "", "exit code"),
        (1, b"{}", "crplan: defect of crplan: KeyError\n", "defect"),
        (1, b"{}", "line\n" * 100, "long refusal"),
    ],
)
def test_the_judge_sees(monkeypatch: pytest.MonkeyPatch, code: int, output: bytes, errors: str, what: str) -> None:
    monkeypatch.setattr(judge, "run", lambda argv: judge.Run(code, output, errors, 0))
    assert what in {fault.what for fault in judge.faults(["plan", "x", "--emit", "json"])[1]}


def _raise(argv: list[str]) -> judge.Run:
    raise KeyError("x")


def _hang(argv: list[str]) -> judge.Run:
    while True:
        random.random()


@pytest.mark.parametrize(("does", "what"), [(_raise, "traceback"), (_hang, "hang")])
def test_the_judge_ends(monkeypatch: pytest.MonkeyPatch, does: Callable[[list[str]], judge.Run], what: str) -> None:
    monkeypatch.setattr(judge, "WATCHDOG", 1)
    monkeypatch.setattr(judge, "run", does)
    assert [fault.what for fault in judge.faults(["plan", "x"])[1]] == [what]
