"""The rules of process groups that some members do not see, and of inits that a group keeps from dying.

A group is inherited from the creator, or set by setpgid on oneself or one's child, in one session and with a number that the
caller sees. So a process that sees its group joins it last of all, and such groups need no rule.
"""

from collections.abc import Iterator

from planner.identity import OUTSIDE, NamespaceId, ProcessId
from planner.planning.solver.engine import FALSE, TRUE, Literal
from planner.planning.solver.problem import EXECUTOR_NAMESPACE, INIT
from planner.planning.solver.vocabulary import Vocabulary, constant

Edge = tuple[Literal, int, int]
"""A literal, and two processes, of which the first comes before the second where the literal holds."""


def say_groups(words: Vocabulary, before: list[Edge], waits: list[Edge]) -> None:
    """Write down the rules of the hidden groups; add to `before` the order of births, and to `waits` which init awaits which."""
    for pid in words.core:
        _say_final_group(words, pid)
        words.at_most_one(words.born_in(pid, group) for group in words.groups(pid))
        for group in words.groups(pid):
            if pid != INIT and words.born_in(pid, group) != FALSE:
                _say_birth_group(words, pid, group)
                if group != OUTSIDE:
                    before.append((words.born_in(pid, group), group, pid))
        waits += _waits(words, pid)


def _say_final_group(words: Vocabulary, pid: ProcessId) -> None:
    """A process sees its group and joins it, or is moved into it, or stays in it from birth.

    Only one that never left its birth group stays in it: none whose own group has members, and none that was moved for a while.
    """
    group = words.problem.processes[pid].group
    if group not in words.hidden or group is None or group == pid:
        return
    stays = words.named("stays", pid)
    words.clause(-words.row(pid), words.sees(pid, group), _is_moved(words, pid, group), stays)
    words.clause(-stays, words.born_in(pid, group))
    for member in words.problem.led.get(pid, ()):
        words.clause(-stays, -words.row(member))
    for other in words.groups(pid):
        words.clause(-stays, -words.visits(pid, other))


def _say_birth_group(words: Vocabulary, pid: ProcessId, group: ProcessId) -> None:
    """The creator of a process, or a helper of it, is in the group that the process is born in, and in the group's session."""
    born = words.born_in(pid, group)
    words.clause(-born, words.born_of(pid, words.problem.sessions[group]))
    for creator in words.creators(pid):
        words.clause(-born, -words.creator(pid, creator), _forks_in(words, creator, group))


def _forks_in(words: Vocabulary, pid: ProcessId, group: ProcessId) -> Literal:
    """A process or a helper of it is in a group at some time: born in it, joining it in its session, or moved into it."""
    if group == OUTSIDE:
        return TRUE if pid in (OUTSIDE, INIT) else words.born_in(pid, group)
    if pid == OUTSIDE:
        return constant(words.problem.sessions[group] == OUTSIDE)
    if words.is_new("forks", pid, group):
        forks, joins = words.named("forks", pid, group), words.named("joins", pid, group)
        visits = words.visits(pid, group)
        words.clause(-forks, words.born_in(pid, group), joins, visits)
        words.clause(-joins, words.sees(pid, group))
        words.clause(-joins, words.has_been_in(pid, words.problem.sessions[group]))
        words.clause(-visits, _is_moved(words, pid, group))
        _say_never_held(words, pid, group)
    return words.named("forks", pid, group)


def _is_moved(words: Vocabulary, pid: ProcessId, group: ProcessId) -> Literal:
    """A parent outside the namespace of a process, in the same session, puts it into a group that the parent sees.

    That parent is a helper of the creator, which lives where the final parent does and leaves the process to it. A placeholder
    without a final parent is moved by its creator. Into the executor's own group, which has no number inside, the executor alone
    moves its children.
    """
    if group == OUTSIDE:
        return _is_moved_out(words, pid)
    if pid == INIT:
        return FALSE
    if words.is_new("moved", pid, group):
        moved = words.named("moved", pid, group)
        words.clause(-moved, words.born_of(pid, words.problem.sessions[group]))
        words.clause(-moved, -words.is_sibling(pid))
        adopted = [words.is_child(pid, parent) for parent in words.parents(pid)]
        for parent, child in zip(words.parents(pid), adopted, strict=True):
            words.clause(-moved, -child, words.is_outside(parent, pid))
            words.clause(-moved, -child, words.covers(parent, group))
        for creator in words.creators(pid):
            words.clause(-moved, *adopted, -words.creator(pid, creator), words.is_outside(creator, pid))
            words.clause(-moved, *adopted, -words.creator(pid, creator), words.covers(creator, group))
    return words.named("moved", pid, group)


def _is_moved_out(words: Vocabulary, pid: ProcessId) -> Literal:
    """The executor puts its child, in its own session, back into its own group."""
    child, born = words.is_child(pid, OUTSIDE), words.born_of(pid, OUTSIDE)
    if FALSE in (child, born) or (child, born) == (TRUE, TRUE):
        return constant(FALSE not in (child, born))
    if words.is_new("moved", pid, OUTSIDE):
        moved = words.named("moved", pid, OUTSIDE)
        words.clause(-moved, child)
        words.clause(-moved, born)
    return words.named("moved", pid, OUTSIDE)


def _say_never_held(words: Vocabulary, pid: ProcessId, group: ProcessId) -> None:
    """An init does not even visit a group that could keep it from dying."""
    if not words.problem.is_init(pid):
        return
    for own in words.places(pid):
        for place in words.places(group):
            if not words.problem.namespaces.is_above(_counted_in(words, group, place), own):
                words.clause(-words.visits(pid, group), -words.lives_in(pid, own), -words.lives_in(group, place))


def _waits(words: Vocabulary, pid: ProcessId) -> Iterator[Edge]:
    """Yield which inits cannot finish dying before the init `pid`, by the place where its group is led.

    An init that dies waits until no number but its own is in use in its namespace. A living init in a group that is led there,
    or below, keeps the number of that group in use. So no init may wait for itself, directly or through others.
    """
    process, namespaces = words.problem.processes[pid], words.problem.namespaces
    group = process.group
    if not process.is_init or process.ended or group not in words.hidden or group in (None, OUTSIDE, pid):
        return
    for place in words.places(group):
        counted = _counted_in(words, group, place)
        if counted == EXECUTOR_NAMESPACE or namespaces.is_above(counted, process.places[0]):
            continue
        held = words.named("held", pid, place)
        words.clause(-words.row(pid), -words.lives_in(group, place), held)
        for around in namespaces.line(counted):
            yield held, namespaces.init[around], pid


def _counted_in(words: Vocabulary, group: ProcessId, place: NamespaceId) -> NamespaceId:
    """Return the innermost namespace whose init waits for a group's number: an init's own number does not count."""
    return words.problem.namespaces.parent[place] if words.problem.is_init(group) else place
