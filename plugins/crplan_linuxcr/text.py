"""Strings of an image: fixed arrays of bytes that need not be text."""


def text(raw: bytes) -> str:
    r"""Return the bytes before the first NUL as text; bytes that are no UTF-8 become `\xNN`."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
