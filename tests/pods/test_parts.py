"""Images among several: labels that tell them apart, places that begin with them, and what is no container."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadImage
from planner.events.records import AnyEvent, FactRecorded, FindingRaised, ImageOpened, LogOpened
from planner.pods.parts import labelled, labels, part_of


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.tar", "b.tar"], ["a.tar", "b.tar"]),
        (["/x/a.tar", "/y/b.tar"], ["a.tar", "b.tar"]),
        (["/x/a.tar", "/y/a.tar"], ["x/a.tar", "y/a.tar"]),
        (["web/img/", "./db/img", "img"], ["web/img", "db/img", "img"]),
        (["a.tar", "a.tar"], ["1:a.tar", "2:a.tar"]),
        (["a\x1b[2J", "b"], ["a\\x1b[2J", "b"]),
        (["bytes", "bytes"], ["1:bytes", "2:bytes"]),
        (["/", "."], ["/", "."]),
    ],
)
def test_labels_are_short_and_tell_images_apart(names: list[str], expected: list[str]) -> None:
    assert labels(names) == expected


@given(st.lists(st.text(alphabet="ab./", min_size=1, max_size=8), min_size=2, max_size=5))
def test_labels_are_never_absolute_and_never_equal(names: list[str]) -> None:
    found = labels(names)
    assert len(set(found)) == len(names)
    assert not [label for label in found if label.startswith("/") and label.strip("/")]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("core-1.img#0", "x/a.tar/core-1.img#0"),
        (96, "x/a.tar#96"),
        ("a.tar", "x/a.tar"),
        ("a.tar#512", "x/a.tar#512"),
        ("a.tarry#5", "x/a.tar/a.tarry#5"),
    ],
)
def test_a_place_begins_with_its_image(at: int | str, expected: str) -> None:
    assert labelled("x/a.tar", at) == expected


OPENED = ImageOpened(format="criu", generation="", at=0)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([LogOpened(format_version=1)], "holds no image"),
        ([OPENED, OPENED], "holds several containers already; give their images instead"),
        ([ImageOpened(format="linux-\ncr", generation="", at=0)], "is of format linux-\\x0acr; "),
    ],
)
def test_what_is_no_container_says_so(events: list[AnyEvent], words: str) -> None:
    with pytest.raises(BadImage) as caught:
        part_of("x", events, ["criu", "moon"])
    assert caught.value.at == "x"
    assert caught.value.message.startswith(words)


def test_what_was_decided_for_one_image_is_left_out() -> None:
    fact = FactRecorded(property="x", value="y", at=0)
    decided = FindingRaised(code="sharing-lost")
    assert part_of("x", [LogOpened(format_version=1), OPENED, fact, decided], ["criu"]).events == [OPENED, fact]
