"""Telling the directory of a process in /proc from image directories."""

import os
import re
from typing import Final

_PROCESS: Final = re.compile(r"/proc/([0-9]{1,10})")


def number_of(directory: str) -> int:
    """Return the process number of `/proc/PID`, 0 for any other directory."""
    if not directory:
        return 0
    match = _PROCESS.fullmatch(os.path.realpath(directory))
    return int(match[1]) if match and os.path.exists(os.path.join(directory, "ns")) else 0
