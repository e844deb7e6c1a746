"""How helpers are cast where the search for births meets its bound: each manner is less easily in a circle than the one before.

*Moved* has tasks moved by their outer parents to groups that they cannot see, as soon as there are such groups, and not born in
them. *Generous* asks no init to have been in a group for its children's sake, where a helper that enters can create them.
"""

from typing import Final, Literal

Manner = Literal["plain", "moved", "generous"]

PLAIN: Final = "plain"

MANNERS: Final[tuple[Manner, ...]] = (PLAIN, "moved", "generous")
"""All manners, in the order in which they are tried."""
