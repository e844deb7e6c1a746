"""The program: refuses, prints, or rebuilds."""

from __future__ import annotations

import gc
import os
import platform
import resource
import signal
import sys
from collections.abc import Callable

from crplan_runtime.parts.actor import CORE_FLAG
from crplan_runtime.parts.executor import Executor
from crplan_runtime.parts.kernel import NR_EXIT, THREAD_CODE, error_name
from crplan_runtime.parts.privileges import enter_user_namespace, may_administrate, what_forbids
from crplan_runtime.parts.signals import END_SIGNALS, Failed, asking_signals
from crplan_runtime.parts.streams import complain, fill_standard_streams, write_in_time
from crplan_runtime.parts.tables import Plan


def refusal(plan: Plan) -> str:
    """Return why this machine cannot do the plan, or "": asked before the first step."""
    machine = platform.machine()
    for step in plan.steps:
        if step.op == "thread" and (machine not in THREAD_CODE or sys.maxsize < 2**32):
            return f"task {step.target} is a thread, and threads are made on x86_64 and aarch64 only, not on {machine}"
        if "thread_only" in step.words and machine not in NR_EXIT:
            return f"task {step.target} ends without its threads, which is not known for {machine}"
        if step.op == "exit" and int(step.words[0]) & CORE_FLAG and core_pattern()[:1] in ("|", "@", "/"):
            return f"task {step.target} left a core file, and core_pattern hands core files to others on this machine"
    return ""


def core_pattern() -> str:
    """Return where core files go, "" where that cannot be read."""
    try:
        with open("/proc/sys/kernel/core_pattern") as file:
            return file.read()
    except OSError:
        return ""


DEFAULT_TIMEOUT = 30.0

USAGE = """\
usage: python3 PROGRAM
Rebuilds the tree of processes that the head of the program describes, prints "ready PID", and holds it until
SIGTERM, SIGINT or the end of its root. It takes no arguments.
CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).
"""


def dry_run(plan: Plan, timeout: float) -> None:
    """Print the steps; raises OSError."""
    for number in asking_signals():
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
    for step in plan.steps:
        write_in_time(1, f"{step.number:5}  {step.sentence()}  [{step.rule}]\n", timeout)


def in_a_new_namespace(plan: Plan, timeout: float, events: list[int]) -> int:
    """Rebuild the tree in a pid namespace of its own, as root or in a user namespace; returns the exit code."""
    try:
        if not may_administrate():
            enter_user_namespace()
    except OSError as error:
        return give_up(plan, f"no root, and no user namespace: {what_forbids()}", error)
    return rebuild(plan, lambda: Executor(plan, events, timeout))


def rebuild(plan: Plan, make_executor: Callable[[], Executor]) -> int:
    """Rebuild the tree, hold it, and end it; returns the exit code."""
    hold_back_signals()
    executor = make_executor()
    gc.disable()
    gc.freeze()
    code = 0
    try:
        try:
            executor.build()
            executor.hold()
        finally:
            executor.finish()
    except Failed as failure:
        executor.report()
        tell_failure(plan, executor, failure)
        code = 1
    executor.tell(f"ended {code}")
    return code


def hold_back_signals() -> None:
    """Block all signals, and forget what the caller made of them, but for what `asking_signals` wants to know."""
    all_signals = signal.valid_signals()
    for number in all_signals - {signal.SIGKILL, signal.SIGSTOP} - (set(END_SIGNALS) - asking_signals()):
        if signal.getsignal(number) != signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, all_signals)


def tell_failure(plan: Plan, executor: Executor, failure: Failed) -> None:
    """Say in one line what failed."""
    what = failure.what
    if failure.error == "EPERM" and failure.index == 0 and not executor.outer:
        what += f" ({what_forbids()})"
    number, rule = (plan.steps[failure.index].number, plan.steps[failure.index].rule) if failure.index >= 0 else (0, "executor")
    executor.tell(f"failed {number} {failure.error} {what}")
    complain(f"step {number} ({rule}): task {failure.task}: {what}: {failure.error}", executor.timeout)


def main(plan: Plan, carry_out: Callable[[Plan, float, list[int]], int] = in_a_new_namespace) -> int:
    """Do what the environment asks for: CRPLAN_DRY_RUN, CRPLAN_TIMEOUT, CRPLAN_EVENTS; returns the exit code."""
    fill_standard_streams()
    if len(sys.argv) > 1:
        return answer(sys.argv[1])
    timeout = seconds(os.environ.get("CRPLAN_TIMEOUT") or str(DEFAULT_TIMEOUT))
    if not timeout:
        complain("CRPLAN_TIMEOUT is not a number of seconds", DEFAULT_TIMEOUT)
        return 2
    refused = refusal(plan)
    if refused:
        complain(f"cannot do this plan: {refused}", timeout)
        return 3
    try:
        if os.environ.get("CRPLAN_DRY_RUN", "0") not in ("", "0"):
            dry_run(plan, timeout)
            return 0
    except OSError as error:
        return give_up(plan, "the steps cannot be written to standard output", error)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    events = os.environ.get("CRPLAN_EVENTS", "")
    try:
        return carry_out(plan, timeout, [int(events)] if events.isdigit() else [])
    except OSError as error:
        return give_up(plan, "the executor itself", error)


def answer(argument: str) -> int:
    """Print the usage where it is asked for, and refuse any other argument; returns the exit code."""
    if argument not in ("-h", "--help"):
        complain("a rebuild takes no arguments; --help says what it does", DEFAULT_TIMEOUT)
        return 2
    try:
        write_in_time(1, USAGE, DEFAULT_TIMEOUT)
    except OSError:
        complain("the usage cannot be written to standard output", DEFAULT_TIMEOUT)
        return 1
    return 0


def seconds(text: str) -> float:
    """Return a number of seconds above 0, or 0 for anything else."""
    try:
        value = float(text)
    except ValueError:
        return 0
    return value if 0 < value < 1e9 else 0


def give_up(plan: Plan, what: str, error: OSError) -> int:
    """Say what failed outside of any step; returns the exit code."""
    complain(f"step 0 (executor): task {plan.root}: {what}: {error_name(error)}", DEFAULT_TIMEOUT)
    return 1
