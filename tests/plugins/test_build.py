"""The program of the executor `c`: compiled once, where no other user can change it."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from crplan_syscalls import build

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of one's own, as XDG_CACHE_HOME names it, and no other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "relative/is/not/taken")
    monkeypatch.setattr(build.pwd, "getpwuid", {}.__getitem__)
    return tmp_path / "crplan"


def test_it_is_compiled_once_into_a_private_directory(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = build.program()
    assert program.parent == cache
    assert stat.S_IMODE(cache.lstat().st_mode) == 0o700
    assert stat.S_IMODE(program.lstat().st_mode) == 0o700
    assert list(cache.iterdir()) == [program], "nothing is left of the making"
    monkeypatch.setenv("PATH", "")
    assert build.program() == program, "and needs no compiler any more"
    ended = subprocess.run([program], capture_output=True, check=False, timeout=10)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.count(b"\n") == 1
    with build.executable(program) as (name, descriptors):
        assert (name, descriptors) == (str(program), ())


def test_without_a_compiler_it_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache.parent))
    assert build.missing() == "no C compiler is on PATH (cc, gcc or clang)"


def test_a_compiler_that_fails_is_quoted(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'x.h: error: no such header' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.missing() == f"{compiler} cannot compile the C program: x.h: error: no such header"
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("spoil", ["mode", "link", "file", "parent", "owner"])
def test_a_directory_that_others_can_change_is_not_used(spoil: str, cache: Path, tmp_path: Path) -> None:
    if spoil == "owner" and os.geteuid():
        pytest.skip("only root gives directories away")
    if spoil == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        cache.symlink_to(tmp_path / "elsewhere")
    elif spoil == "file":
        cache.write_text("")
    else:
        cache.mkdir(mode=0o700)
    if spoil == "mode":
        cache.chmod(0o770)
    elif spoil == "parent":
        tmp_path.chmod(0o777)
    elif spoil == "owner":
        os.chown(cache, 65534, 65534)
    with pytest.raises(build.CannotBuild, match="no directory is fit for the compiled C program"):
        build.program()


def test_a_program_that_another_user_owns_or_can_write_to_is_not_taken(tmp_path: Path) -> None:
    program = tmp_path / "rebuild"
    program.write_text("x")
    program.chmod(0o700)
    assert build._is_own_file(program)
    program.chmod(0o720)
    assert not build._is_own_file(program)
    program.chmod(0o700)
    (tmp_path / "link").symlink_to(program)
    assert not build._is_own_file(tmp_path / "link")


@pytest.mark.slow
def test_two_that_compile_at_once_do_not_meet(cache: Path) -> None:
    command = [sys.executable, "-c", "from crplan_syscalls.build import program; print(program())"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [each.communicate(timeout=120)[0].strip() for each in both]
    assert len(set(answers)) == 1
    assert list(cache.iterdir()) == [Path(answers[0])]
