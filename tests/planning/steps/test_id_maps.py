"""Id maps: read from an image, taken through the user namespace above, and refused where they are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.planning.steps.id_maps import MOST_LINES, below, parse, text_of
from planner.steps import Extent


def lines(extents: tuple[Extent, ...]) -> list[tuple[int, int, int]]:
    return [(extent.inside, extent.outside, extent.count) for extent in extents]


def test_a_map_is_read_in_ascending_order() -> None:
    assert lines(parse("70000 5000 10, 0 100000 65536")) == [(0, 100000, 65536), (70000, 5000, 10)]
    assert parse("") == ()
    assert text_of(parse("0 4294967294 1")) == "0 4294967294 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "0 1",
        "0 1 2 3",
        "0 1 x",
        "-1 0 1",
        "0 0 0",
        "0 0 4294967296",
        "4294967295 0 1",
        "0 4294967295 1",
        "0 0 99999999999",
        "0 0 10, 9 20 1",
        "0 0 10, 20 9 1",
        "٣ 0 1",
        ", ".join(f"{place} {place} 1" for place in range(MOST_LINES + 1)),
        ", ".join(f"{4000000000 + place} {4000000000 + place} 1" for place in range(200)),
    ],
)
def test_what_no_kernel_takes_is_no_map(text: str) -> None:
    with pytest.raises(ValueError, match=r"line|longer"):
        parse(text)


def test_a_map_below_another_leads_through_it() -> None:
    above = parse("0 100000 65536, 70000 5000 10")
    assert lines(below(parse("0 101000 10, 20 5000 5"), above)) == [(0, 1000, 10), (20, 70000, 5)]


def test_a_line_that_crosses_two_lines_above_is_cut() -> None:
    assert lines(below(parse("0 100 10"), parse("0 100 4, 50 104 20"))) == [(0, 0, 4), (4, 50, 6)]


@pytest.mark.parametrize("text", ["0 99 1", "0 99 2", "0 110 1", "0 105 6"])
def test_ids_that_the_namespace_above_does_not_have_cannot_be_mapped(text: str) -> None:
    with pytest.raises(ValueError, match="does not have"):
        below(parse(text), parse("0 100 10"))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6), st.integers(0, 30), st.integers(1, 12))
def test_every_id_leads_to_the_same_id_outside(spans: list[tuple[int, int]], begin: int, count: int) -> None:
    """Whatever the namespace above maps: going through it ends where the recorded map says, or is refused."""
    inside, outside, words = 0, 0, []
    for gap, length in spans:
        words.append(f"{inside} {outside + gap} {length}")
        inside, outside = inside + length + 3, outside + gap + length
    above = parse(", ".join(words))
    known = {extent.outside + step: extent.inside + step for extent in above for step in range(extent.count)}
    recorded = parse(f"7 {begin} {count}")
    try:
        found = below(recorded, above)
    except ValueError:
        assert any(begin + step not in known for step in range(count))
        return
    led = {extent.inside + step: extent.outside + step for extent in found for step in range(extent.count)}
    assert led == {7 + step: known[begin + step] for step in range(count)}
