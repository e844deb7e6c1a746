"""Options: typed, with their defaults, and refused with the list of what there is."""

import pytest

from planner.errors import UsageError
from planner.options import Option, filled, split

OPTIONS = (
    Option(name="abi", help="which calls", choices=("clone3", "eclone"), default="clone3"),
    Option(name="width", help="columns", kind="number", default=80),
    Option(name="quiet", help="say less", kind="switch", default=False),
)


def test_what_is_not_given_has_its_default() -> None:
    assert filled(OPTIONS, {}, "it") == {"abi": "clone3", "width": 80, "quiet": False}


def test_values_are_of_their_kind_and_a_bare_switch_is_on() -> None:
    given = split(["abi=clone3", "width=7", "quiet", "abi=eclone"])
    assert filled(OPTIONS, given, "it") == {"abi": "eclone", "width": 7, "quiet": True}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"moon": "1"}, r"it has no option 'moon'.*abi=clone3\|eclone.*width=NUMBER.*quiet=yes\|no"),
        ({"abi": "moon"}, "one of clone3, eclone"),
        ({"width": "moon"}, "a whole number"),
        ({"quiet": "moon"}, "yes or no"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        filled(OPTIONS, given, "it")
