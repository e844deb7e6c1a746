"""The CRIU of this machine, for tests that need one that works on this kernel."""

import functools
import os
import shutil
import subprocess

import pytest


def working_criu() -> str:
    """Return the path of criu; skips the test where there is none, or none that works here."""
    program, reason = _found()
    if reason:
        pytest.skip(reason)
    return program


@functools.cache
def _found() -> tuple[str, str]:
    program = shutil.which("criu")
    if program is None:
        return "", "no criu is on PATH"
    if os.geteuid():
        return "", "criu is tried as root"
    run = subprocess.run([program, "check"], capture_output=True, text=True, timeout=60, check=False)
    if run.returncode or "Looks good" not in run.stdout + run.stderr:
        return "", f"{program} check says that criu does not work on this kernel"
    return program, ""
