"""Names: whatever an image calls its tasks, it shows in one line and moves no cursor."""

import re
import sys
import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.text import Line, ascii_only, clause, escaped, json_document, json_line, render, shown, without_controls

CONTROLLING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of characters that show nothing, or change what others show."""


@given(st.text())
def test_what_is_shown_is_printable(name: str) -> None:
    for text in (escaped(name), shown(name), shown(f"task {name}")):
        assert not CONTROLLING & {unicodedata.category(character) for character in text}
        assert not any(character.isspace() and character != " " for character in text)
        assert ascii_only(text).isascii()


def test_what_is_shown_does_not_depend_on_the_unicode_version() -> None:
    """Every control, and every character that has no form of its own, in the Unicode version at hand."""
    hidden = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in CONTROLLING]
    assert [character for character in hidden if escaped(character) == character] == []
    assert escaped("\U0001f980 \U0001fae9") == "\U0001f980 \U0001fae9"  # the second came with Unicode 16


@given(st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\x1b\x9b\x7f\u202e\r\n\t[m0"))))
def test_json_says_the_same_without_a_control_character(text: str) -> None:
    for encoded in (
        json_line(msgspec.json.encode({"text": text})),
        json_document({"text": text}, 0),
        json_document({"text": text}),
    ):
        characters = {unicodedata.category(character) for character in encoded.decode().replace("\n", "")}
        assert not CONTROLLING - {"Co"} & characters
        assert msgspec.json.decode(encoded) == {"text": text}


@given(st.text())
def test_a_text_of_lines_keeps_lines_and_colours_alone(text: str) -> None:
    safe = without_controls(f"\x1b[31m{text}\x1b[0m\n")
    assert safe.startswith("\x1b[31m")
    left = re.sub("\x1b\\[[0-9;]*m|[\n\t]", "", safe)
    assert not CONTROLLING - {"Co"} & {unicodedata.category(character) for character in left}


def test_every_span_of_a_drawing_is_escaped() -> None:
    lines: list[Line] = [[("a\x1b]0;title\x07", "loud"), ("\u202e", "")], [("b\nc\rd", "")]]
    for colour in (False, True):
        text = re.sub("\x1b\\[[0-9;]*m", "", render(lines, {"loud": "bold"}, colour=colour, unicode=True))
        assert text == "a\\x1b]0;title\\x07\\u202e\nb\\x0ac\\x0dd\n"


@given(st.text(), st.text())
def test_two_names_never_look_the_same(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


def test_ordinary_names_are_left_alone() -> None:
    assert escaped("nginx: worker") == "nginx: worker"
    assert escaped("größe") == "größe"
    assert escaped("a\nb\\\u202e\udc80") == r"a\x0ab\\\u202e\udc80"


def test_json_that_is_no_utf8_becomes_valid() -> None:
    """A line of an unknown event is kept as it is, and its text need not have been looked at."""
    assert json_line(b'{"text":"\xed\xa0\x80"}').decode().startswith('{"text":"\ufffd')


def test_an_abbreviation_keeps_its_letters_within_a_sentence() -> None:
    assert clause("JSON is malformed") == "JSON is malformed"
    assert clause("Object has no field") == "object has no field"
    assert clause("") == ""
