"""Verdicts: what comes of bringing a tree back in one way, by everything that is known of the image, the host and the request."""

from typing import Final, Literal

import msgspec

ConsumerName = Literal["criu-restore", "podman", "cri-o", "containerd", "run", "run-into", "criu-dump", "trust"]
"""A way of bringing a tree back: criu by itself, by a container engine, or crplan; for a running tree, criu's dump."""

Outcome = Literal["ok", "refused", "wrong", "hangs", "unknown"]
"""`wrong`: the program reports success, and the tree differs. `hangs`: it may not end in at least one try of eight."""

ORDER: Final[tuple[Outcome, ...]] = ("refused", "hangs", "wrong", "unknown", "ok")
"""Outcomes by weight: a verdict is the first of them that an answer leads to."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A consumer with what it is given.

    `options` are CRIU's own, as on its command line; None means that they are not known, which differs from none. `into` is a
    process of the host in whose pid namespace the tree is to stand, 0 for a new one.
    """

    consumer: ConsumerName
    options: tuple[str, ...] | None = None
    into: int = 0
