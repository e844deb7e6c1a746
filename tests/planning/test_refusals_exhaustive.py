"""Every small forest that is refused: the facts that the refusal names contradict each other, and each of them is needed.

Both are decided by look-up: in all forests of the same sizes that can be, and in random ones of one task more that hold the facts
(`tests.helpers.evidence` says what a fact is). A forest that would hold the evidence with two tasks more is beyond this; so are
pid namespaces below the second level. Where a fact is needed only against forests that the sets do not hold, it looks
superfluous: this is looked for among forests of one task more, too.

One code is of its own kind. The trap (`init-trap`) can be reached, and is refused because it could never end: its evidence has to
be what makes a trap, so traps are no good forests there. Every other code says that no history leads to the image, so what holds
its evidence must not be reached, as a trap or not.
"""

from collections import Counter, defaultdict
from functools import cache

import pytest

from tests.generators.exhaustive import Shape, reached, text_of
from tests.helpers.evidence import Facts, Pattern, Verdict, all_verdicts, held, is_held_with_one_more, pattern, profile

pytestmark = pytest.mark.xdist_group("exhaustive")

TRAP = "init-trap"

DRAWS = 20
"""How many forests of one task more are drawn for each pattern of evidence, each to hold it."""

MORE_DRAWS = 400
"""How many are drawn where a fact seems superfluous."""


def judged(name: str, verdicts: dict[Shape, Verdict], good: set[Shape]) -> Counter[str]:
    """Print the counts, fail for evidence that can be held, and return how many refusals name a fact too many.

    What holds evidence is a good forest, or one that is reached through a trap where the refusal is for another reason.
    """
    refused: dict[tuple[str, Pattern], list[tuple[Shape, Facts]]] = defaultdict(list)
    for shape, (code, facts) in sorted(verdicts.items()):
        assert not code.startswith("!"), f"{text_of(shape)}: {code}"
        if code:
            refused[code, pattern(shape, facts)].append((shape, facts))
    samples = [same[0] for same in refused.values()]
    profiles = {profile(facts - {fact}) for _, facts in samples for fact in facts} | {profile(facts) for _, facts in samples}
    known_good = held(good, profiles)
    known_reached = known_good | held(traps(), profiles)
    counts: Counter[str] = Counter()
    superfluous: Counter[str] = Counter()
    wrong: list[str] = []
    for (code, evidence), same in refused.items():
        shape, facts = same[0]
        counts[code] += len(same)
        known = known_good if code == TRAP else known_reached
        if evidence in known or is_held_with_one_more(shape, facts, DRAWS):
            wrong.append(f"{len(same)} like {text_of(shape)}: {code} {sorted(facts)}")
        elif any(not _is_held(shape, facts - {fact}, known) for fact in facts):
            superfluous[code] += len(same)
    print(f"\n{name}: {len(good)} good forests, {counts.total()} refused, {len(refused)} patterns of evidence")
    for code, count in counts.most_common():
        print(f"  {count:6} {code}" + (f", {superfluous[code]} with a fact too many" if superfluous[code] else ""))
    assert not wrong, "the facts do not contradict each other:\n" + "\n".join(wrong)
    return superfluous


def _is_held(shape: Shape, facts: Facts, known: set[Pattern]) -> bool:
    return not facts or pattern(shape, facts) in known or is_held_with_one_more(shape, facts, MORE_DRAWS)


def planned(verdicts: dict[Shape, Verdict]) -> set[Shape]:
    """Return the forests that are planned, and so proved."""
    return {shape for shape, (code, _) in verdicts.items() if not code}


@cache
def small_reached() -> set[Shape]:
    """Return the forests of up to 3 tasks on two levels that the search reaches, at no moment in a trap."""
    return reached(3, 2, 0) | reached(3, 2, 1, groups=False)


@cache
def traps() -> set[Shape]:
    """Return those that it reaches only if it may come into a trap, most of which are traps themselves."""
    return reached(3, 2, 0, traps=True) - small_reached()


def good_forests() -> set[Shape]:
    """Return the forests of up to 3 tasks on two levels that can be: reached without a trap, or planned."""
    return small_reached().union(*(planned(all_verdicts(size, 2)) for size in (1, 2, 3)))


@pytest.mark.slow
def test_up_to_3_tasks_on_one_level() -> None:
    """Here what is planned is all that is reached, traps apart (`tests.planning.test_exhaustive`)."""
    verdicts = all_verdicts(1, 1) | all_verdicts(2, 1) | all_verdicts(3, 1)
    assert not judged("3 tasks on one level", verdicts, planned(verdicts))


@pytest.mark.slow
def test_4_tasks_on_one_level_whatever_their_sessions() -> None:
    """Groups come last on one level, so that they contradict nothing here but in traps."""
    verdicts = {shape: verdict for size in range(1, 5) for shape, verdict in all_verdicts(size, 1, groups=False).items()}
    assert not judged("4 tasks on one level, in their sessions' groups", verdicts, planned(verdicts))


@pytest.mark.slow
def test_up_to_3_tasks_on_two_levels() -> None:
    verdicts = all_verdicts(1, 2) | all_verdicts(2, 2) | all_verdicts(3, 2)
    assert not judged("3 tasks on two levels", verdicts, good_forests())


@pytest.mark.slow
def test_evidence_that_says_too_little_or_too_much_is_found() -> None:
    """The judge itself: without one of its facts a refusal is wrong, and with one of another task it says too much."""
    verdicts = all_verdicts(1, 1) | all_verdicts(2, 1) | all_verdicts(3, 1)
    good = planned(verdicts)
    shape, (code, facts) = next(
        (shape, verdict)
        for shape, verdict in sorted(verdicts.items())
        if verdict.code and len(verdict.facts) == 2 and len(shape[0]) == 3
    )
    for fact in facts:
        with pytest.raises(AssertionError, match="do not contradict each other"):
            judged("one fact less", {shape: Verdict(code, facts - {fact})}, good)
    more = {("task", index) for index in range(len(shape[0]))} - facts
    assert judged("one fact more", {shape: Verdict(code, facts | more)}, good) == {code: 1}
