"""Names: whatever an image calls its tasks, it shows in one line and moves no cursor."""

from hypothesis import given
from hypothesis import strategies as st

from planner.text import ascii_only, escaped


@given(st.text())
def test_what_is_shown_is_printable(name: str) -> None:
    assert escaped(name).isprintable()
    assert ascii_only(escaped(name)).isascii()


@given(st.text(), st.text())
def test_two_names_never_look_the_same(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


def test_ordinary_names_are_left_alone() -> None:
    assert escaped("nginx: worker") == "nginx: worker"
    assert escaped("größe") == "größe"
    assert escaped("a\nb\\\u202e\udc80") == r"a\x0ab\\\u202e\udc80"
