"""What every event is: a frozen record whose class name is its type in the log, and the place that a fact was read from."""

import msgspec

Place = int | str
"""Where in the image a fact stands: a byte offset, or `"file#entry"`."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag=True, tag_field="type"):
    """Something that was read, decided or done; the class name is its `type` in the log."""
