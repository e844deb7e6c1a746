"""The draft of a plan: the steps so far, and the state that they have led to.

Each phase of `planner.planning.steps.phases` adds steps here and reads what the phases before it have left: who was created by
which step, who is in which group, which step every process did last. From that come the steps of other processes that a step
waits for.
"""

from planner.events.records import StepPlanned
from planner.identity import EventNumber, ProcessId, StepNumber
from planner.planning.cast import Cast
from planner.planning.steps.entered_namespaces import Key
from planner.planning.steps.exit_signals import ExitSignals
from planner.planning.steps.other_namespaces import OtherNamespaces
from planner.planning.steps.sharing import Sharing
from planner.planning.steps.waits import Known
from planner.steps import AnyStep, Wait

Needs = list[tuple[int, str]]
"""Step numbers and the rules by which they come before; 0 is no step."""


class Book:
    """The draft of a plan's steps, numbered from 1, and the state after them."""

    def __init__(self, cast: Cast, born: list[ProcessId]) -> None:
        """Begin without a step; `born` are all actors in the order of their births."""
        self.cast = cast
        sharing = Sharing(cast, born)
        self.share = sharing.flags
        """What each process shares with its creator."""
        self.others = OtherNamespaces(cast, born, self.share)
        self.exit_signals = ExitSignals(cast, born)
        self.findings = sharing.findings + self.exit_signals.findings + self.others.findings
        self.planned: list[StepPlanned] = []
        self._known = Known()
        self.actors_of = self._known.actors
        """The actor of each step, by number."""
        self.created: dict[ProcessId, int] = {}
        """The step that created each process."""
        self.changed: dict[ProcessId, int] = {}
        """The step that made each leader's session or group."""
        self.groups: dict[ProcessId, ProcessId] = {}
        """The group that each process is in."""
        self.parents: dict[ProcessId, ProcessId] = {}
        """The parent at birth."""
        self.inside: dict[ProcessId, ProcessId] = {}
        """The namespace, by its init, that an actor's children are born in, where it is not its own."""
        self.siblings: dict[ProcessId, list[int]] = {}
        """Steps of others that gave a process a child."""
        self.moved: dict[ProcessId, int] = {}
        """The last step by which a parent in an ancestor pid namespace moved a process."""
        self.last: dict[ProcessId, int] = {}
        """The last step of each process so far."""
        self.entries: dict[ProcessId, list[int]] = {}
        """Steps that created a process in a namespace from outside it, by the namespace's init."""
        self.joins: dict[ProcessId, list[int]] = {}
        """Steps that joined a group."""
        self.reaps: dict[ProcessId, list[int]] = {}
        """Steps that reaped a helper of a namespace, by its init."""
        self.made: dict[Key, int] = {}
        """The step that made each namespace of another kind than pid."""
        self.mapped: dict[Key, int] = {}
        """The step that wrote the id maps of each user namespace."""
        self.adoption = 0
        """The last step of the last adoption."""

    def next(self) -> StepNumber:
        """Return the number of the step that is added next."""
        return StepNumber(len(self.actors_of))

    def add(self, step: AnyStep, because: tuple[EventNumber, ...]) -> int:
        """Add a step, with the evidence behind it, and return its number."""
        self._known.add(step)
        self.last[step.actor] = step.number
        self.planned.append(StepPlanned(step=step, because=because))
        return step.number

    def waits(self, actor: ProcessId, needs: Needs) -> tuple[Wait, ...]:
        """Return what the next step, by `actor`, waits for: of `needs` what it does not know to be done, in step order.

        Each step is named with the first rule for it.
        """
        others: dict[int, str] = {}
        for number, rule in needs:
            if number and self.actors_of[number] != actor:
                others.setdefault(number, rule)
        return tuple(Wait(StepNumber(number), others[number]) for number in self._known.new(actor, others)) if others else ()
