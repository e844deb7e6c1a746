"""How long the C program takes from start to `ready`, against a bare loop of the same clone3 calls.

    python tests/benchmarks/bench_c.py [TASKS [ROUNDS]]

Prints the medians of interleaved runs and their ratio, for a wide tree (20,000 tasks) with every check included, and the cost
of a chain of 500 against a chain of plain forks. Needs root.
"""

import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crplan_syscalls.program import emit_program

from planner.testing.plans import chain, wide

BARE = """
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long clone3(uint64_t flags, int number)
{
	struct clone_args arguments = {
		.flags = flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1
	};

	return syscall(SYS_clone3, &arguments, sizeof arguments);
}

/* `bare COUNT wide|chain`: an init and COUNT tasks, its children or each the child of the last; all pause. */
int main(int argc, char **argv)
{
	int count = atoi(argv[1]), is_chain = argc > 2 && argv[2][0] == 'c', ends[2], number;
	long init;
	char byte;

	if (pipe(ends))
		return 1;
	init = clone3(CLONE_NEWPID, 1);
	if (init < 0)
		return 1;
	if (!init) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (number = 2; number <= count + 1; number++) {
			long child = clone3(0, number);

			if (child < 0)
				return 1;
			if ((child == 0) != is_chain)
				goto hold;
		}
		if (write(ends[1], "x", 1) != 1)
			return 1;
hold:
		for (;;)
			pause();
	}
	if (read(ends[0], &byte, 1) != 1)
		return 1;
	printf("ready %ld\\n", init);
	fflush(stdout);
	pause();
	return 0;
}
"""


def compiled(source: str, directory: Path, name: str) -> str:
    """Compile a program and return its path."""
    (directory / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-O2", "-o", name, f"{name}.c"], cwd=directory, check=True)
    return str(directory / name)


def seconds_to_ready(command: list[str]) -> float:
    """Run a program, and return the seconds from its start to its first line; it is ended and gone when this returns."""
    began = time.perf_counter()
    program = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert program.stdout is not None
    try:
        assert select.select([program.stdout], [], [], 120)[0], "not ready"
        line = program.stdout.readline()
        took = time.perf_counter() - began
        assert line.startswith(b"ready "), line
    finally:
        program.terminate()
        program.wait()
        program.stdout.close()
    init = int(line.split()[1])
    while Path(f"/proc/{init}").exists():
        time.sleep(0.01)
    return took


def compare(name: str, ours: list[str], bare: list[str], rounds: int) -> None:
    """Print the medians of interleaved runs, and their ratio."""
    pairs = [(seconds_to_ready(ours), seconds_to_ready(bare)) for _ in range(rounds)]
    mine, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    print(f"{name}: {mine:.3f} s, bare loop {theirs:.3f} s, ratio {mine / theirs:.2f}", flush=True)


def main() -> None:
    """Compare a wide tree and a chain."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        bare = compiled(BARE, directory, "bare")
        compare(f"wide {tasks}", [compiled(emit_program(wide(tasks)), directory, "wide")], [bare, str(tasks), "wide"], rounds)
        compare("chain 500", [compiled(emit_program(chain(500)), directory, "chain")], [bare, "500", "chain"], rounds)


if __name__ == "__main__":
    main()
