"""What a kernel can have recorded of how a process ended, and which of it a rebuild can lead to.

Sources: wait(2) for the format of a status, valid_signal for numbers, and for inits sig_task_ignored: they ignore all signals but
SIGKILL from above, and a fault of their own (force_sig), which no rebuild makes.
"""

from typing import Final

from planner.errors import Contradiction
from planner.forest.model import Forest, Task

LAST_SIGNAL: Final = 64
SIGKILL: Final = 9
UNKNOWN_SIGNAL: Final = -1


def check_statuses(forest: Forest) -> None:
    """Raise `Contradiction` for the first status or exit signal that no process has."""
    for task in forest.tasks.values():
        if task.exit_signal < UNKNOWN_SIGNAL:
            raise _impossible(task, f"task {task.pid} has the exit signal {task.exit_signal}, and none is below 0")
        if task.state != "zombie":
            continue
        status = task.exit_status
        signal = status & 0x7F
        exited, killed = status & ~0xFF00 == 0, 1 <= signal <= LAST_SIGNAL and status & ~0xFF == 0
        if not (exited or killed):
            raise _impossible(
                task,
                f"task {task.pid} has ended with status {status}, which stands neither for an exit code nor for a signal: it is "
                f"256 times the code, or the signal's number",
            )


def refuse_faults_of_inits(forest: Forest) -> None:
    """Raise `Contradiction` for an init that was ended by another signal than SIGKILL, which no rebuild can lead to."""
    for task in forest.tasks.values():
        signal = task.exit_status & 0x7F
        if task.state == "zombie" and signal not in (0, SIGKILL) and task.pids[-1] == 1:
            raise Contradiction(
                "init-signal",
                f"task {task.pid} is the init of a pid namespace and was ended by signal {signal}; an init ignores all signals "
                f"but SIGKILL from above, or has made a fault, which a rebuild does not make",
                (task.recorded, task.state_recorded),
                task.pid,
            )


def _impossible(task: Task, message: str) -> Contradiction:
    return Contradiction("impossible-status", message, (task.state_recorded,), task.pid)
