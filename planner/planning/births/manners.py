"""How helpers are cast: each manner is less thrifty than the one before, and less easily in a circle or a trap.

*Thrifty* lets whoever is there anyway do what a helper would be cast for, *plain* does not. *Moved* has tasks moved by their
outer parents to groups that they cannot see, as soon as there are such groups, and not born in them. *Generous* asks no init to
have been in a group for its children's sake, where a helper that enters can create them.
"""

from typing import Final, Literal

Manner = Literal["thrifty", "plain", "moved", "generous"]

MANNERS: Final[tuple[Manner, ...]] = ("thrifty", "plain", "moved", "generous")
"""All manners, in the order in which they are tried."""
