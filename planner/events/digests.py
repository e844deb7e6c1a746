"""The digest that names a plan: of its processes and steps, without the names of the rules that put them there.

Format 1 of logs and plan documents counted the rules' names. A plan of that format is compared by the digest of its own format,
so that a rule can be given another name.
"""

import hashlib
import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from planner.steps import AnyStep, Process

_encode = msgspec.json.Encoder().encode

AT_ONCE: Final = 1024
"""How many steps are searched for rules together, which saves most of the time that it takes."""

_RULE: Final = re.compile(rb'"rule":"(?:[^"\\]|\\.)*",?')
"""A rule's name in an encoded step: a quotation mark inside a string has a backslash in front, so nothing else looks like it."""


def plan_digest(processes: Iterable[Process], steps: Iterable[AnyStep]) -> str:
    """Return the digest of a plan, 16 hexadecimal digits: equal for plans that create the same processes by the same steps."""
    digest = hashlib.sha256()
    for process in processes:
        digest.update(_encode(process))
    encoded = map(_encode, steps)
    while portion := b"".join(islice(encoded, AT_ONCE)):
        digest.update(_RULE.sub(b"", portion))
    return digest.hexdigest()[:16]


def plan_digest_1(processes: Iterable[Process], steps: Iterable[AnyStep]) -> str:
    """Return the digest of a plan as format 1 of logs and plan documents has it: with the names of rules."""
    digest = hashlib.sha256()
    for record in (*processes, *steps):
        digest.update(_encode(record))
    return digest.hexdigest()[:16]
