"""A conformance suite for back ends: one line in a plugin author's test.

    from planner.testing.backends import conforms

    def test_conforms() -> None:
        conforms(back_end)

It needs no image: it uses the hand-written plans of `planner.testing.plans`, and the same plans with hostile names.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from planner.errors import CannotEmit
from planner.findings.problems import Problem
from planner.findings.registry import Finding
from planner.hookspecs import Artefact, BackEnd
from planner.options import filled
from planner.plans.document import forest_of
from planner.plans.model import Plan
from planner.testing.contracts import assert_record, assert_text
from planner.testing.plans import PLANS
from planner.text import FILE

HOSTILE_NAME: Final = "\x1b[2J'\"`$(id)\n</script>]]>%::error::\\\u202e"
"""A task's name that means harm to terminals, shells, pages and workflow commands."""

_PROBLEM: Final = Problem(exit_code=3, code="two-inits", message=f"number 1 twice: {HOSTILE_NAME}", pid=1)
_FINDING: Final = Finding(code="name", severity="note", message=f"task 1 is called {HOSTILE_NAME}")


def artefact(plan: Plan) -> Artefact:
    """Return what a back end gets for a plan."""
    return Artefact(plan=plan, forest=forest_of(plan))


def hostile(plan: Plan) -> Plan:
    """Return the plan with hostile names of all processes."""
    processes = tuple(msgspec.structs.replace(process, name=HOSTILE_NAME) for process in plan.processes)
    return msgspec.structs.replace(plan, processes=processes)


def conforms(back_end: BackEnd, options: Mapping[str, str] | None = None) -> None:
    """Assert that a back end keeps the contract; raises AssertionError that says what it broke.

    It has a fit name and a sentence of help, and was made for this version of the contract. For every plan it returns text or
    bytes or raises `CannotEmit`, twice the same, without changing what it was given. It lets no escape sequence of a name
    through, and holds no path of this machine. A machine format writes documents for errors, too.
    """
    assert_record(back_end, back_end.emit)
    assert not back_end.machine or back_end.problem is not None, "a machine format writes documents for errors"
    assert not (back_end.machine and back_end.executable), "a format that programs read is no program"
    settings = filled(back_end.options, options or {}, back_end.name)
    emitted = 0
    for name, make in PLANS.items():
        for given in (artefact(make()), msgspec.structs.replace(artefact(hostile(make())), findings=(_FINDING,))):
            before = msgspec.json.encode(given.plan)
            try:
                first = back_end.emit(given, settings, FILE)
            except CannotEmit as refusal:
                assert str(refusal), f"{name}: CannotEmit says why"
                continue
            emitted += 1
            assert back_end.emit(given, settings, FILE) == first, f"{name}: two calls, two artefacts"
            assert msgspec.json.encode(given.plan) == before, f"{name}: the plan was changed"
            _check_text(first, name)
    assert emitted, "every plan was refused"
    if back_end.problem is not None:
        _check_text(back_end.problem(_PROBLEM, settings), "an error")


def _check_text(artefact: str | bytes, name: str) -> None:
    data = assert_text(artefact, name)
    assert os.path.expanduser("~").encode() + b"/" not in data, f"{name}: a path of this machine is in it"


def digest_in_new_process(name: str, plan: str, seed: str) -> str:
    """Return the digest of what an *installed* back end makes of a plan of `PLANS`, in a new process with that hash seed."""
    code = (
        "import hashlib, sys, planner; from planner.testing.plans import PLANS\n"
        "data = planner.emit(PLANS[sys.argv[2]](), sys.argv[1])\n"
        "print(hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    run = subprocess.run([sys.executable, "-c", code, name, plan], env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def digest(artefact: str | bytes) -> str:
    """Return the digest to compare with that of another process."""
    return hashlib.sha256(artefact.encode() if isinstance(artefact, str) else artefact).hexdigest()
