"""The processes of a rebuild as the phases of `planner.planning.steps` take them."""

from collections.abc import Iterable

from planner.forest.model import Forest
from planner.identity import ProcessId
from planner.planning.births.cast import ANY, Actor, Cast
from planner.planning.builder.clones import AS_BORN, LAST, Clone
from planner.planning.builder.spaces import Spaces
from planner.planning.solver.solution import Excluded


def cast_of(forest: Forest, spaces: Spaces, clones: dict[ProcessId, Clone], excluded: Iterable[Excluded]) -> Cast:
    """Return a cast with all its births decided, and why some are not as would be simplest."""
    cast = Cast(forest)
    cast.excluded = {one.pid: one for one in excluded}
    cast.spaces = dict(spaces.namespaces)
    cast.actors = {pid: _actor(cast, clone) for pid, clone in clones.items()}
    cast.leader_spaces = {clone.pid: clone.namespace for clone in clones.values() if clone.ends}
    return cast


def _actor(cast: Cast, clone: Clone) -> Actor:
    actor = cast.actors.get(clone.pid)
    if actor is None:
        actor = Actor(clone.pid, clone.pids, clone.namespace, ANY, clone.session, ANY if clone.group is None else clone.group)
    actor.parent = ANY if clone.ends or clone.parent is None else clone.parent
    actor.role = clone.role
    actor.zombie = clone.zombie
    actor.mortal = clone.ends
    actor.order = clone.order
    actor.creator = clone.creator
    actor.birth_session = clone.birth_session
    actor.birth_group = ANY if clone.keeps is None else clone.keeps
    actor.early = clone.stage == AS_BORN
    actor.stage = ANY if clone.stage in (AS_BORN, LAST) else clone.stage
    actor.sibling = clone.sibling
    actor.adopter = ANY if clone.adopter is None else clone.adopter
    actor.rule = clone.rule
    actor.because = clone.because
    return actor
