"""Whatever the facts of an image, the answer is a proved plan or a contradiction that names its facts; nothing else.

The forests here come from no history: parents, sessions, groups, namespaces and dead leaders are drawn at random.
"""

import time
from collections import Counter
from random import Random

import pytest

from planner.errors import Contradiction
from planner.pipeline.resolve import resolve
from planner.testing.forests import events
from tests.helpers.amounts import amount, blocks


def drawn(random: Random) -> str:
    """Return a small forest of random facts, in the notation."""
    root = random.choice((1, 1, 1, 5))
    pids = [root, *random.sample(range(10, 30), random.randint(1, 6))]
    nested = random.choice((0, 0, 1, 2))
    inits: list[int] = []
    words: list[str] = []
    for place, pid in enumerate(pids):
        space = random.randint(1, nested) if nested and place and random.random() < 0.5 else 0
        inner = ""
        if space:
            inner = f".{random.randint(2, 9)}" if space in inits else ".1"
            inits += [] if space in inits else [space]
        parent = random.choice((0, *pids[:place], *pids[:place])) if place else 0
        session = random.choice((0, 1, pid, pid, random.choice(pids), random.choice(pids), 98, 99))
        group = session if session == pid else random.choice((0, 1, session, session, session, pid, random.choice(pids), 96, 97))
        ended = "z" if random.random() < 0.1 else ""
        words.append(f"{pid}{inner}:{parent}/{session}/{group}{ended}" + (f"@{space}" if space else ""))
    if random.random() < 0.3:
        words.insert(0, random.choice(("!97", "!98..", "!97.5..", "!96.4..", "!98.3..") if inits else ("!97", "!98..")))
    return " ".join([*(f"@{space}:0" for space in inits), *words])


@pytest.mark.parametrize("block", blocks(amount("CRPLAN_HOSTILE", 4000, 3000), 1000, 1000))
@pytest.mark.parametrize("base", ["whatever", f"fresh {time.time_ns()}"], ids=["fixed", "fresh"])
def test_random_facts_are_planned_or_refused(base: str, block: range) -> None:
    seed = f"{base} {block.start}"
    random = Random(seed)
    answers: Counter[str] = Counter()
    for _ in block:
        text = drawn(random)
        try:
            resolve(events(text))
        except Contradiction as error:
            assert error.because, f"{seed}: {text}: {error.code} names no fact"
            answers[error.code] += 1
        except Exception as error:
            raise AssertionError(f"{seed}: {text}") from error
        else:
            answers["planned"] += 1
    assert answers["planned"] > len(block) / 20
    assert len(answers) > 10, answers
