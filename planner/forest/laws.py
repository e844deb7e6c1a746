"""Facts that exclude each other, because no kernel can have held them together.

Each check names the smallest set of events that contradict each other. Only laws that hold for every task at every moment stand
here; whether a tree can be *reached* is the planner's question. Sources: fork, setsid, setpgid and pid allocation in the
kernel; the rules are those of the model kernel. The cost is linear in tasks and levels.
"""

from planner.forest.laws_namespaces import check_namespaces
from planner.forest.laws_processes import check_processes
from planner.forest.laws_status import check_statuses
from planner.forest.model import Forest


def check(forest: Forest) -> None:
    """Raise `Contradiction` for the first set of facts that cannot be true together; the forest must be whole."""
    check_processes(forest)
    check_statuses(forest)
    check_namespaces(forest)
