"""The library that is preloaded into criu, under a small program that clones as criu does (criu/clone-noasan.c)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from planner.checkpoint.bring_back import compile_library

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc")]

PROGRAM = r"""
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *name) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "NSpid:", 6))
            printf("%s%s", name, line + 6);
    fflush(stdout);
}

/* Be a task 70 that is the init of a namespace, and have a child there by a call with one number, as criu's threads are made. */
static int traced(const char *born) {
    pid_t both[] = {1, 70}, one = 5;
    struct clone_args first = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)both, .set_tid_size = 2};
    struct clone_args second = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&one, .set_tid_size = 1};
    if (!syscall(SYS_clone3, &first, sizeof first)) {
        FILE *file = fopen(born, "w");
        fputc('.', file);
        fclose(file);
        usleep(500000);
        if (!syscall(SYS_clone3, &second, sizeof second)) {
            show("traced");
            _exit(0);
        }
        wait(NULL);
        _exit(0);
    }
    return wait(NULL) < 0;
}

int main(int count, char **arguments) {
    if (!strcmp(arguments[1], "traced"))
        return traced(arguments[2]);
    pid_t number = atoi(arguments[1]);
    struct clone_args wanted = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
    wanted.flags = count > 2 ? CLONE_NEWPID : 0;
    long child = syscall(SYS_clone3, &wanted, sizeof wanted);
    if (child < 0)
        return perror("clone3"), 1;
    if (!child) {
        show("child");
        return 0;
    }
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "clones.c").write_text(PROGRAM)
    subprocess.run(["cc", "-o", tmp_path / "clones", tmp_path / "clones.c"], check=True)
    compile_library(str(tmp_path))
    return tmp_path / "clones"


def numbers(program: Path, table: str, *words: str) -> tuple[int, list[list[str]]]:
    """Return the exit code, and the words of each line, of the program in a pid namespace of its own."""
    work = program.parent
    (work / "table").write_text(table)
    environment = {
        "LD_PRELOAD": f"{work}/numbers.so",
        "CRPLAN_TABLE": f"{work}/table",
        "CRPLAN_SEEN": f"{work}/seen",
        "PATH": "/usr/bin:/bin",
    }
    # The instance of proc is that of the new namespace, so vectors begin there.
    command = ["unshare", "-pfm", "--mount-proc", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    return done.returncode, [line.split() for line in done.stdout.splitlines()]


def test_one_number_becomes_the_whole_vector(program: Path) -> None:
    code, lines = numbers(program, "pid 1 1 77\n", "1", "nested")
    assert (code, lines) == (0, [["child", "77", "1"]])


def test_a_number_that_the_table_does_not_name_is_left_alone(program: Path) -> None:
    code, lines = numbers(program, "pid 5 5 77\n", "60")
    assert (code, lines) == (0, [["child", "60"]])
    assert (program.parent / "seen").read_text() == "60 0\n"


def test_a_birth_runs_its_script_as_a_child_of_the_process_before_that_goes_on(program: Path) -> None:
    script = program.parent / "script"
    script.write_text("echo helper $$ $PPID\n")
    code, lines = numbers(program, f"birth 60 {script} 90\n", "60")
    assert (code, lines) == (0, [["helper", "90", "60"], ["child", "60"]])


def test_a_birth_that_fails_ends_the_process(program: Path) -> None:
    script = program.parent / "script"
    script.write_text("exit 3\n")
    assert numbers(program, f"birth 60 {script} 90\n", "60") == (1, [])


def test_calls_with_one_number_in_a_born_part_are_given_the_vector(program: Path) -> None:
    work = program.parent
    (work / "script").write_text(f"exec {program} traced {work}/born\n")
    (work / "threads").write_text("70 5 80\n")
    code, lines = numbers(program, f"threads 60 {work}/threads {work}/born 1 91\nbirth 60 {work}/script 90\n", "60")
    assert (code, lines) == (0, [["traced", "80", "5"], ["child", "60"]])
