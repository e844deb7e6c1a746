"""Every small forest: which ones there are, and which of them the model kernel reaches.

A *shape* is a forest up to renumbering: `tasks` and `dead` leaders, numbered from 0, task 0 the container's init. The search
goes from state to state of the model kernel, where a state is a shape whose dead leaders lie in a known pid namespace.

The search is made small by what changes nothing about the shapes that are reached:

* A subreaper's flag and an entered namespace are not part of a state: a task may set and clear them whenever it acts, so an exit
  comes with any adopter that a flag could choose, and a clone with any namespace that could be entered.
* A process that ends is reaped at once, as long as others still act. Zombies that stay come last: a zombie does nothing that the
  living process could not have done by staying, and what was adopted when it ended can be adopted when it ends later.

`plain` leaves both reductions out, to hold them against the whole truth on the smallest sizes.
"""

from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import permutations, product
from typing import NamedTuple

from planner.identity import Number
from planner.kernel.deadlocks import trapped
from planner.kernel.model import Kernel
from planner.kernel.objects import DYING, LIVING, ZOMBIE, Namespace, Pid, Process
from planner.kernel.rules import KernelError

NOBODY = -1
"""Parent, session or group outside the container."""

LOST = -1
"""The pid namespace of a dead leader that is gone."""

INNER = 40
"""Numbers at level 1 are those at level 0 and this much more, so that no number is mistaken for that of another level."""


class Task(NamedTuple):
    """A task of a shape: others are named by index, dead leaders by -2, -3 and so on, outside is -1.

    `space` is the index of the init of its pid namespace. `flagged` and `births` (an index) are used by the plain search alone.
    """

    parent: int
    session: int
    group: int
    space: int
    zombie: bool = False
    flagged: bool = False
    births: int = NOBODY


State = tuple[tuple[Task, ...], tuple[int, ...]]
"""Tasks, and the pid namespace of each dead leader: the index of its init, or `LOST`."""

Shape = tuple[tuple[Task, ...], tuple[tuple[int, int], ...]]
"""Tasks, and for each dead leader how many of its numbers are known and in which namespace (0, when it is only one)."""


def canonical(tasks: tuple[Task, ...], dead: tuple[tuple[int, ...], ...]) -> tuple[tuple[Task, ...], tuple[tuple[int, ...], ...]]:
    """Return the same shape for all that differ by numbering only; the last entry of each `dead` names a namespace."""
    colours: list[object] = []
    for index, task in enumerate(tasks):
        own = (task.session == index, task.group == index, task.space == index)
        colours.append((0, index != 0, task.zombie, task.flagged, own))
    colours += [(1, *entry[:-1]) for entry in dead]
    classes = _ranks(colours)
    for _ in range(3):
        before = len(set(classes))
        if before == len(classes):
            break
        classes = _refined(tasks, dead, classes)
        if len(set(classes)) == before:
            break
    groups: dict[int, list[int]] = {}
    for index, rank in enumerate(classes):
        groups.setdefault(rank, []).append(index)
    ordered = [groups[rank] for rank in sorted(groups)]
    if all(len(group) == 1 for group in ordered):
        return _renumbered(tasks, dead, [group[0] for group in ordered])
    choices = product(*(permutations(group) for group in ordered))
    return min(_renumbered(tasks, dead, [index for group in choice for index in group]) for choice in choices)


def _refined(tasks: tuple[Task, ...], dead: tuple[tuple[int, ...], ...], classes: list[int]) -> list[int]:
    """Return the classes of tasks and dead leaders, told apart by the classes of those that they name and that name them."""
    count = len(tasks)

    def node(label: int) -> int:
        return label if label >= NOBODY else count - 2 - label

    named = [(task.parent, node(task.session), node(task.group), task.space, task.births) for task in tasks]
    around: list[list[tuple[int, int]]] = [[] for _ in classes]
    rich: list[tuple[int, ...]] = []
    for index, (kinds, targets) in enumerate(
        [*((range(5), targets) for targets in named), *(((5,), entry[-1:]) for entry in dead)]
    ):
        rich.append((classes[index], *(-1 if target < 0 else classes[target] for target in targets)))
        for kind, target in zip(kinds, targets, strict=True):
            if target >= 0:
                around[target].append((kind, classes[index]))
    return _ranks([(own, tuple(sorted(others))) for own, others in zip(rich, around, strict=True)])


def _ranks(colours: list) -> list[int]:  # type: ignore[type-arg]
    order = {colour: rank for rank, colour in enumerate(sorted(set(colours)))}
    return [order[colour] for colour in colours]


def _renumbered(
    tasks: tuple[Task, ...], dead: tuple[tuple[int, ...], ...], order: list[int]
) -> tuple[tuple[Task, ...], tuple[tuple[int, ...], ...]]:
    count = len(tasks)
    new = [0] * len(order)
    place = place_dead = 0
    for old in order:
        if old < count:
            new[old] = place
            place += 1
        else:
            new[old] = -2 - place_dead
            place_dead += 1

    def label(value: int) -> int:
        return value if value == NOBODY else new[value if value >= 0 else count - 2 - value]

    moved = tuple(
        Task(
            label(task.parent),
            label(task.session),
            label(task.group),
            label(task.space),
            task.zombie,
            task.flagged,
            label(task.births),
        )
        for task in (tasks[old] for old in order if old < count)
    )
    return moved, tuple((*dead[old - count][:-1], label(dead[old - count][-1])) for old in order if old >= count)


# States of the model kernel.


def build(state: State) -> tuple[Kernel, list[Process]]:
    """Make the model kernel of a state, and its processes by index."""
    tasks, dead = state
    kernel = Kernel()
    spaces: dict[int, Namespace] = {}
    root = kernel.container = spaces[0] = Namespace(kernel.host, kernel.host.user)
    kernel.host.numbers = root.numbers
    processes: list[Process] = []
    for index, task in enumerate(tasks):
        if task.space not in spaces:
            spaces[task.space] = Namespace(root, root.user)
        space = spaces[task.space]
        process = Process(space, 17)
        process.others = kernel.outside.others
        if task.space == index:
            space.init = process
        process.pid = _pid(index + 1, space, task.space == index, process)
        processes.append(process)
    pids = [process.pid for process in processes]
    gone: list[Pid] = []
    for index, inside in enumerate(dead):
        if inside == LOST:
            space = Namespace(root, root.user)
            space.closed = True
            space.init = Process(space, 17)
            space.init.state = ZOMBIE
        else:
            space = spaces[inside]
        gone.append(_pid(len(tasks) + index + 1, space, inside == LOST, None))

    def pid(label: int) -> Pid:
        return kernel.outside.pid if label == NOBODY else pids[label] if label >= 0 else gone[-2 - label]

    for index, task in enumerate(tasks):
        process = processes[index]
        _belong(process, kernel.outside if task.parent == NOBODY else processes[task.parent], pid(task.session), pid(task.group))
        process.leads_session = task.session == index
        if task.zombie:
            process.state = ZOMBIE
            process.namespace.closed |= task.space == index
        if task.flagged:
            kernel.set_subreaper(process, True)
        if task.births != NOBODY:
            process.births = spaces[task.births]
    return kernel, processes


def _belong(process: Process, parent: Process, session: Pid, group: Pid) -> None:
    """Give a process its parent, its session and its group, and count it there."""
    process.parent = parent
    if parent.children is None:
        parent.children = {}
    parent.children[process] = None
    process.session = session
    session.sessions += 1
    process.group = group
    group.members += 1
    group.session = session


def _pid(number: int, space: Namespace, init: bool, owner: Process | None) -> Pid:
    numbers = (Number(number),) if space.level == 0 else (Number(number), Number(1 if init else number + INNER))
    pid = Pid(numbers, space, owner, False)
    level: Namespace | None = space
    for value in reversed(numbers):
        assert level is not None
        level.numbers[value] = pid
        level = level.parent
    return pid


def state_of(kernel: Kernel, plain: bool = False) -> State | None:
    """Return the state of a model kernel; None while an init is dying."""
    processes = list(kernel.processes())
    assert kernel.container is not None
    index = {process.pid: number for number, process in enumerate(processes)}
    first = kernel.container.init
    if any(process.state == DYING for process in processes) or not processes or processes[0] is not first:
        return None
    index[kernel.outside.pid] = NOBODY
    dead: list[Pid] = []
    tasks: list[Task] = []
    for process in processes:
        for pid in (process.session, process.group):
            if pid not in index:
                dead.append(pid)
                index[pid] = -1 - len(dead)
        births = NOBODY
        init, entered = process.namespace.init, process.births.init
        assert init is not None and entered is not None
        if plain and entered is not init and process.state == LIVING and entered.state == LIVING:
            births = index[entered.pid]
        tasks.append(
            Task(
                index[process.parent.pid],
                index[process.session],
                index[process.group],
                index[init.pid],
                process.state == ZOMBIE,
                plain and process.subreaper,
                births,
            )
        )
    spaces = tuple((LOST if pid.namespace.closed else index[pid.namespace.init.pid],) for pid in dead if pid.namespace.init)
    moved, gone = canonical(tuple(tasks), spaces)
    return moved, tuple(entry[0] for entry in gone)


def shape_of(state: State) -> Shape:
    """Return what an image would record of a state: of a dead leader, only what its members see."""
    tasks, dead = state
    recorded: list[tuple[int, int]] = []
    for number, space in enumerate(dead):
        label = -2 - number
        led = any(task.session == label for task in tasks)
        inside = space not in (0, LOST) and any(task.space == space and label in (task.session, task.group) for task in tasks)
        level = 2 if inside or (led and space != 0) else 1
        recorded.append((2 * level + led, space if inside else 0))
    bare = tuple(task._replace(flagged=False, births=NOBODY) for task in tasks)
    moved, gone = canonical(bare, tuple(recorded))
    return moved, tuple((entry[0], entry[1]) for entry in gone)


# All shapes.


Part = tuple[tuple[int, ...], tuple[int, ...]]
"""Shapes that have the same tree: the init of every task's namespace, and every task's parent."""


def candidates(tasks: int, levels: int, *, groups: bool = True, zombies: bool = True) -> set[Shape]:
    """Return every shape of `tasks` tasks on up to `levels` levels whose facts do not exclude each other one by one.

    Left out is what the fold refuses by looking at one fact: children of zombies, members of what another task leads elsewhere,
    parents in deeper namespaces, groups in two sessions, tasks in a namespace whose init has ended. Without `groups` every task
    is in the group of its session's number, without `zombies` nobody has ended.
    """
    shapes: set[Shape] = set()
    for part in parts(tasks, levels):
        shapes |= candidates_of(part, groups=groups, zombies=zombies)
    return shapes


def parts(tasks: int, levels: int) -> Iterator[Part]:
    """Yield the trees of all candidates, each in one numbering; no shape has two of them."""
    for spaces in _spaces(tasks, levels):
        for parents in _parents(spaces):
            if _is_first(spaces, parents):
                yield spaces, parents


def candidates_of(part: Part, *, groups: bool = True, zombies: bool = True) -> set[Shape]:
    """Return the candidates that have one tree."""
    spaces, parents = part
    tasks = len(spaces)
    shapes: set[Shape] = set()
    barren = [index for index in range(tasks) if index not in parents and spaces.count(index) <= (spaces[index] == index)]
    for sessions, dead in _belongings(tasks):
        if not _sessions_fit(sessions, spaces):
            continue
        for belonging, all_dead in _belongings(tasks, dead, sessions) if groups else [(sessions, dead)]:
            for known in _known(spaces, sessions, belonging, all_dead):
                for states in product((False, True), repeat=len(barren) if zombies else 0):
                    ended = {index for index, zombie in zip(barren, states, strict=False) if zombie}
                    rows = zip(parents, sessions, belonging, spaces, strict=True)
                    whole = tuple(Task(*row, index in ended) for index, row in enumerate(rows))
                    moved, gone = canonical(whole, known)
                    shapes.add((moved, tuple((entry[0], entry[1]) for entry in gone)))
    return shapes


def _spaces(tasks: int, levels: int) -> Iterator[tuple[int, ...]]:
    """Yield the init of every task's namespace, inits of nested ones before their namespaces' other tasks."""
    for spaces in product(*([0, *range(1, tasks)] if index and levels > 1 else [0] for index in range(tasks))):
        if all(spaces[space] == space for space in spaces):
            yield spaces


def _parents(spaces: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for rest in product(range(-1, len(spaces)), repeat=len(spaces) - 1):
        parents = (NOBODY, *rest)
        if all(_ends(parents, index) for index in range(len(spaces))) and all(
            above == NOBODY or spaces[above] == 0 or (spaces[above] == spaces[index] != index)
            for index, above in enumerate(parents)
        ):
            yield parents


def _is_first(spaces: tuple[int, ...], parents: tuple[int, ...]) -> bool:
    """Tell whether no other numbering of the tasks comes first: one of them is enough to have every shape."""
    count = len(spaces)
    for order in permutations(range(1, count)):
        new = [0] * count
        for place, old in enumerate(order, 1):
            new[old] = place
        moved = (0, *order)
        if ([new[spaces[old]] for old in moved], [parents[old] if parents[old] < 0 else new[parents[old]] for old in moved]) < (
            list(spaces),
            list(parents),
        ):
            return False
    return True


def _ends(parents: tuple[int, ...], index: int) -> bool:
    for _ in parents:
        index = parents[index]
        if index == NOBODY:
            return True
    return False


def _belongings(tasks: int, dead: int = 0, sessions: tuple[int, ...] | None = None) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the sessions of all tasks, or given these the groups, and how many dead leaders there are then."""

    def go(chosen: tuple[int, ...], gone: int) -> Iterator[tuple[tuple[int, ...], int]]:
        index = len(chosen)
        if index == tasks:
            if sessions is None or _groups_fit(sessions, chosen):
                yield chosen, gone
            return
        if sessions is not None and sessions[index] == index:
            yield from go((*chosen, index), gone)
            return
        for label in range(-1 - gone - 1, tasks):
            yield from go((*chosen, label), max(gone, -1 - label))

    yield from go((), dead)


def _sessions_fit(sessions: tuple[int, ...], spaces: tuple[int, ...]) -> bool:
    return all(
        session < 0 or (sessions[session] == session and spaces[session] in (0, spaces[index]))
        for index, session in enumerate(sessions)
    )


def _groups_fit(sessions: tuple[int, ...], groups: tuple[int, ...]) -> bool:
    for index, group in enumerate(groups):
        session = sessions[index]
        if group == NOBODY:
            fits = session == NOBODY
        elif group >= 0:
            fits = sessions[group] == session
        else:
            led = group in sessions
            fits = (
                session == group if led else all(sessions[other] == session for other, its in enumerate(groups) if its == group)
            )
        if not fits:
            return False
    return True


def _known(
    spaces: tuple[int, ...], sessions: tuple[int, ...], groups: tuple[int, ...], dead: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield what may be known of the dead leaders: one number, or two in a nested namespace that a member lives in."""
    choices: list[list[tuple[int, int]]] = []
    for number in range(dead):
        label = -2 - number
        led = label in sessions
        members = {spaces[index] for index in range(len(spaces)) if label in (sessions[index], groups[index])}
        inside = [space for space in members if space and (not led or len(members) == 1)]
        choices.append([(2 + led, 0), *((4 + led, space) for space in inside)])
    return product(*choices)


def text_of(shape: Shape) -> str:
    """Write a shape in the notation of `planner.testing.forests`, with recorded pid namespaces."""
    tasks, dead = shape
    count = len(tasks)
    inits = [index for index, task in enumerate(tasks) if task.space == index and index]

    def number(label: int) -> int:
        return label + 1 if label >= NOBODY else count - 1 - label

    words = [f"@{place}:0" for place in range(1, len(inits) + 1)]
    for index, (known, _) in enumerate(dead):
        own = count + 1 + index
        words.append(f"!{own}" + (f".{own + INNER}" if known >= 4 else "") + ("" if known % 2 else ".."))
    for index, task in enumerate(tasks):
        nested = task.space != 0
        inner = f".{1 if task.space == index else index + 1 + INNER}" if nested else ""
        word = f"{index + 1}{inner}:{number(task.parent)}/{number(task.session)}/{number(task.group)}"
        words.append(word + ("z" if task.zombie else "") + (f"@{inits.index(task.space) + 1}" if nested else ""))
    return " ".join(words)


# The search.


def reached(
    tasks: int, levels: int, helpers: int, *, groups: bool = True, plain: bool = False, traps: bool = False
) -> set[Shape]:
    """Return the shapes of up to `tasks` tasks on `levels` levels that the model kernel reaches.

    At no time are there more than `helpers` processes beyond `tasks`. Without `groups` nobody calls setpgid. With `traps` there
    may be inits that could never finish dying (`planner.kernel.deadlocks`), without it there is none at any moment.
    """
    return set(fewest_births(tasks, levels, helpers, groups=groups, plain=plain, traps=traps))


@cache
def fewest_births(
    tasks: int, levels: int, helpers: int, *, groups: bool = True, plain: bool = False, traps: bool = False
) -> dict[Shape, int]:
    """Return the shapes that the model kernel reaches, each with the fewest processes that ever have to be created for it.

    The bounds are those of `reached`; what is more than the tasks of a shape are helpers. States are visited in order of their
    births, so that the first way to a state is the best. Without `traps` no history is looked at in which an init is ever in a
    group that is led from its own namespace: were it to end just then, it could not (rule "init-trap" of the kernel).
    """
    kernel = Kernel()
    first = kernel.clone(kernel.outside, (Number(1),), True)
    assert kernel.is_init(first)
    start = state_of(kernel)
    assert start is not None
    births = {start: 1}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for following, born in _following(state, tasks + helpers, levels, groups, plain, traps):
            count = births[state] + born
            if count < births.get(following, count + 1):
                births[following] = count
                if born:
                    queue.append(following)
                else:
                    queue.appendleft(following)
    ended = sorted((state for state in births if len(state[0]) <= tasks), key=lambda state: births[state])
    if not plain:
        known = set(ended)
        for state in ended:
            for following in _endings(state):
                if following not in known:
                    known.add(following)
                    births[following] = births[state]
                    ended.append(following)
    shapes: dict[Shape, int] = {}
    for state in ended:
        shape = shape_of(state)
        shapes[shape] = min(births[state], shapes.get(shape, births[state]))
    return shapes


def _following(state: State, most: int, levels: int, groups: bool, plain: bool, traps: bool) -> Iterator[tuple[State, int]]:
    """Yield the states that one operation leads to, and whether a process is born by it."""
    operations: Iterator[Operation] = _plain_operations(state, most, levels) if plain else _operations(state, most, levels)
    for operation in operations:
        if operation[0] == "setpgid" and not groups:
            continue
        kernel, processes = build(state)
        try:
            _carry_out(kernel, processes, operation)
        except KernelError:
            continue
        if not traps and operation[0] == "setpgid" and trapped(kernel.processes()):
            continue
        following = state_of(kernel, plain)
        if following is not None:
            yield following, int(operation[0] == "clone")


Operation = tuple[object, ...]


def _operations(state: State, most: int, levels: int) -> Iterator[Operation]:
    tasks, _ = state
    count = len(tasks)
    inits = [index for index, task in enumerate(tasks) if task.space == index]
    for actor in range(NOBODY, count):
        own = NOBODY if actor == NOBODY else tasks[actor].space
        nested = [] if own > 0 else inits if own == NOBODY else inits[1:]
        if count < most:
            for sibling in (False, True) if actor > 0 and own != actor else (False,):
                for space in [own, *nested] if actor != NOBODY else nested:
                    yield "clone", actor, space, False, sibling
                if own == 0 and levels > 1:
                    yield "clone", actor, 0, True, sibling
        if actor != NOBODY:
            yield ("setsid", actor)
        targets = [index for index, task in enumerate(tasks) if task.parent == actor]
        for target in targets if actor == NOBODY else [actor, *targets]:
            if tasks[target].session != target and (actor == NOBODY or tasks[target].session == tasks[actor].session):
                groups = {target, *(task.group for task in tasks)} - {NOBODY}
                for group in ({NOBODY, *groups} if actor == NOBODY else groups) - {tasks[target].group}:
                    yield "setpgid", actor, target, group
        if actor > 0:
            for adopter in _adopters(tasks, actor):
                yield "leave", actor, adopter


def _adopters(tasks: tuple[Task, ...], actor: int) -> Iterator[int]:
    """Yield who may adopt the children of a process that ends: -1 where no flag decides."""
    yield NOBODY
    if tasks[actor].space != actor and any(task.parent == actor for task in tasks):
        above = tasks[actor].parent
        while above != NOBODY and tasks[above].space == tasks[actor].space:
            yield above
            above = tasks[above].parent


def _plain_operations(state: State, most: int, levels: int) -> Iterator[Operation]:
    tasks, _ = state
    for operation in _operations(state, most, levels):
        word, actor = operation[0], operation[1]
        assert isinstance(actor, int)
        if actor != NOBODY and tasks[actor].zombie:
            continue
        if word == "clone" and actor != NOBODY:
            births = tasks[actor].births
            if operation[2] == (tasks[actor].space if births == NOBODY else births):
                yield operation
        elif word != "leave":
            yield operation
    for index, task in enumerate(tasks):
        if task.zombie:
            yield "reap", index
            continue
        yield "exit", index, NOBODY
        yield "flag", index
        for space in {NOBODY, *(other.space for other in tasks)} if task.space == 0 else ():
            yield "enter", index, space


def _carry_out(kernel: Kernel, processes: list[Process], operation: Operation) -> None:
    word, number, *rest = operation
    assert isinstance(number, int)
    actor = kernel.outside if number == NOBODY else processes[number]
    match word, rest:
        case "clone", (int(space), bool(new), bool(sibling)):
            births = actor.births
            where = actor.births = actor.namespace if space == NOBODY else processes[space].namespace
            fresh = Number(INNER // 2)
            inner = () if where.level + new == 0 else (Number(1 if new else fresh + INNER),)
            try:
                kernel.clone(actor, (fresh, *inner), new, sibling, 0 if sibling else 17)
            finally:
                actor.births = births
        case "setsid", []:
            kernel.setsid(actor)
        case "setpgid", (int(target), int(group)):
            if group == NOBODY:
                kernel.setpgid_to_own(actor, _seen(actor, processes[target].pid))
            else:
                kernel.setpgid(actor, _seen(actor, processes[target].pid), _seen(actor, _pid_of(processes, group)))
        case "leave", (int(adopter),):
            _end(kernel, processes, actor, adopter)
            _reap_all(kernel)
        case "exit", (int(adopter),):
            _end(kernel, processes, actor, adopter)
        case "reap", []:
            kernel.wait(actor.parent, _seen(actor.parent, actor.pid))
        case "flag", []:
            kernel.set_subreaper(actor, not actor.subreaper)
        case "enter", (int(space),):
            kernel.enter_namespace(actor, actor.namespace if space == NOBODY else processes[space].namespace)
        case _:
            raise AssertionError(operation)


def _pid_of(processes: list[Process], label: int) -> Pid:
    return processes[label].pid if label >= 0 else processes[0].namespace.numbers[len(processes) - 1 - label]


def _seen(actor: Process, pid: Pid) -> int:
    return pid.number_in(actor.namespace) or 999


def _end(kernel: Kernel, processes: list[Process], actor: Process, adopter: int) -> None:
    if adopter != NOBODY:
        kernel.set_subreaper(processes[adopter], True)
    kernel.exit(actor)
    if adopter != NOBODY:
        kernel.set_subreaper(processes[adopter], False)


def _reap_all(kernel: Kernel) -> None:
    while zombies := [process for process in kernel.processes() if process.state == ZOMBIE]:
        for zombie in zombies:
            kernel.wait(zombie.parent, _seen(zombie.parent, zombie.pid))


def _endings(state: State) -> Iterator[State]:
    """Yield the states in which one more process has become a zombie for good."""
    tasks, _ = state
    for actor, task in enumerate(tasks):
        if not task.zombie:
            for adopter in _adopters(tasks, actor):
                if adopter == NOBODY or not tasks[adopter].zombie:
                    kernel, processes = build(state)
                    _end(kernel, processes, processes[actor], adopter)
                    following = state_of(kernel)
                    if following is not None:
                        yield following
