"""Whether a changed image is planned and proved, or refused in words: nothing of a plan of its own may fail to prove.

Without commands and outputs around it this is fast: 50,000 changed directories and logs take half an hour.
"""

import tempfile
import traceback
from pathlib import Path

import planner
from planner.errors import BadImage, Contradiction, NotProved
from tests.fuzz.judge import WATCHDOG, Fault, Hangs, watched
from tests.fuzz.seeds import Input

KINDS = frozenset({"archive", "directory", "log"})
"""Inputs of these kinds are planned; a plan of a changed plan file proves nothing about planning."""


def outcome(made: Input) -> str | Fault:
    """Return "proved", or the type of the refusal of an input, or the fault that planning it shows."""
    with tempfile.TemporaryDirectory(prefix="crplan-fuzz-") as place:
        path = made.write(Path(place))
        try:
            with watched():
                planner.plan(str(path))
        except (BadImage, Contradiction) as error:
            return "refused as unreadable" if isinstance(error, BadImage) else "refused as contradictory"
        except NotProved as error:
            # A plan that came with the log may be wrong; one that was made from its facts must prove.
            return "refused as not proved" if error.recorded else Fault("not proved", str(error)[:300])
        except Hangs:
            return Fault("hang", f"no end after {WATCHDOG} s")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return Fault("traceback", f"{type(error).__name__} at {where.filename}:{where.lineno}: {str(error)[:300]}")
    return "proved"
