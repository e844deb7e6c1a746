"""A compact notation for forests, so that a test shows its tree in one line.

`forest("1 2:1/2 3:1/3 4:2/3 5:3/2")` is an init with two session leaders, each with a child of the other's session. Items are
separated by white space, in image order:

    pid[.inner...][:parent[/session[/group]]] flags     a process
    !pid[.inner...]                                     the pid object of a dead leader, fully known
    !pid[.inner...]..                                   the same, of which deeper levels are unknown
    @id:parent                                          a pid namespace whose identity the image holds; parent -1 is unknown

A vector is written outermost first with dots: `12.3.1:5/5` has the numbers 12, 3 and 1 at the levels 0, 1 and 2. Flags come in
any order, threads last: `z` or `z256` a zombie with its status in wait(2)'s format, `T` stopped, `s` subreaper, `x17` the exit
signal, `@3` the recorded pid namespace, `+20.4+21.5` threads, `+20z` a thread that has ended.

Defaults are what fork would do. The parent is 0 (outside). The session is the parent's, or the task's own number where the
parent is outside. The group is the task's own number for a session leader, the parent's group where the parent is in the same
session, and else the session's number. `3:2//5` gives a group and leaves the session to the default.
"""

import re
from collections.abc import Iterator

import msgspec

from planner.events.records import (
    AnyEvent,
    ImageClosed,
    ImageOpened,
    NamespaceRecorded,
    PidRecorded,
    TaskNamespacesRecorded,
    TaskRecorded,
    TaskState,
    TaskStateRecorded,
    ThreadRecorded,
)
from planner.forest.fold import fold
from planner.forest.model import Forest, Task
from planner.identity import OUTSIDE, NamespaceId, Number, Pids, ProcessId

_TASK = re.compile(r"(\d+(?:\.\d+)*)(?::(\d*)(?:/(\d*)(?:/(\d*))?)?)?(?![\d./:])(.*)")
_FLAG = re.compile(r"z\d*|T|s|x\d+|@\d+|\+\d+(?:\.\d+)*z?")
_LEADER = re.compile(r"!(\d+(?:\.\d+)*)(\.\.)?")
_NAMESPACE = re.compile(r"@(\d+):(-1|\d+)")


class _Item(msgspec.Struct):
    """A process as it is written, before defaults: -1 stands for what was left out."""

    at: int
    pids: Pids
    parent: int
    session: int
    group: int
    flags: list[str]


def events(text: str) -> list[AnyEvent]:
    """Return the image events that the notation stands for, in its order; `at` is the offset of the item in `text`.

    Raises ValueError with the item for anything that is not in the notation, and for a process that occurs twice. Facts that
    contradict each other are not refused: tests want to write them.
    """
    items: dict[int, _Item] = {}
    others: list[AnyEvent] = []
    for match in re.finditer(r"\S+", text):
        word, at = match.group(), match.start()
        if leader := _LEADER.fullmatch(word):
            others.append(PidRecorded(numbers=_vector(leader[1]), complete=leader[2] is None, at=at))
        elif namespace := _NAMESPACE.fullmatch(word):
            others.append(
                NamespaceRecorded(kind="pid", id=NamespaceId(int(namespace[1])), parent=NamespaceId(int(namespace[2])), at=at)
            )
        else:
            item = _item(word, at)
            if item.pids[0] in items:
                raise ValueError(f"process {item.pids[0]} occurs twice")
            items[item.pids[0]] = item
    belongs = _belongs(items)
    log: list[AnyEvent] = [ImageOpened(format="notation", generation="", at=0), *others]
    for item in items.values():
        session, group = belongs[item.pids[0]]
        log.append(
            TaskRecorded(
                pids=item.pids, parent=ProcessId(item.parent), group=ProcessId(group), session=ProcessId(session), at=item.at
            )
        )
        log.extend(_further(item))
    log.append(ImageClosed(tasks=len(items), complete=True, at=len(text)))
    return log


def forest(text: str) -> Forest:
    """Return the forest that the notation stands for; raises ValueError, or Contradiction where folding does."""
    return fold(events(text))


def notation(forest: Forest) -> str:
    """Write a forest in the notation, leaving out what is default: `forest(notation(f))` has the same facts as `f`.

    Names, sharing, other namespaces and facts have no notation and are left out.
    """
    words = [f"@{space.id}:{space.parent}" for space in forest.namespaces.values() if _is_recorded(forest, space.id)]
    words += [f"!{_dotted(leader.pids)}{'' if leader.complete else '..'}" for leader in forest.leaders.values()]
    words += [_word(forest, task) for task in forest.tasks.values()]
    return " ".join(words)


def _is_recorded(forest: Forest, namespace: NamespaceId) -> bool:
    """Whether the image, and not inference, has named a nested namespace."""
    record = forest.namespaces.get(namespace)
    return namespace > 0 and (record is None or not record.inferred)


def _item(word: str, at: int) -> _Item:
    match = _TASK.fullmatch(word)
    flags = _FLAG.findall(match[5]) if match else []
    if match is None or "".join(flags) != match[5]:
        raise ValueError(f"item {word!r} is not in the notation")
    parent, session, group = (-1 if not field else int(field) for field in match.group(2, 3, 4))
    return _Item(at=at, pids=_vector(match[1]), parent=max(parent, 0), session=session, group=group, flags=flags)


def _belongs(items: dict[int, _Item]) -> dict[int, tuple[int, int]]:
    """Return session and group of every process, following parents upwards as far as defaults need it."""
    known: dict[int, tuple[int, int]] = {}
    for start in items:
        path: dict[int, None] = {}
        here = start
        while here in items and here not in known and here not in path:
            path[here] = None
            if items[here].session >= 0 and items[here].group >= 0:
                break
            here = items[here].parent
        for pid in reversed(path):
            item = items[pid]
            above = known.get(item.parent)
            session = item.session if item.session >= 0 else above[0] if above else pid
            group = item.group
            if group < 0:
                group = above[1] if above and above[0] == session != pid else session
            known[pid] = (session, group)
    return known


def _further(item: _Item) -> Iterator[AnyEvent]:
    """Yield what the flags of a process say."""
    pid = ProcessId(item.pids[0])
    state: TaskState = "running"
    status, signal, subreaper = 0, -1, False
    for flag in item.flags:
        if flag[0] == "z":
            state, status = "zombie", int(flag[1:] or 0)
        elif flag == "T":
            state = "stopped"
        elif flag == "s":
            subreaper = True
        elif flag[0] == "x":
            signal = int(flag[1:])
        elif flag[0] == "@":
            yield TaskNamespacesRecorded(pid=pid, namespaces={"pid": NamespaceId(int(flag[1:]))}, at=item.at)
    yield TaskStateRecorded(pid=pid, state=state, exit_status=status, exit_signal=signal, subreaper=subreaper, at=item.at)
    for flag in item.flags:
        if flag[0] == "+":
            pids = _vector(flag[1:].rstrip("z"))
            yield ThreadRecorded(pids=pids, thread_group=pid, at=item.at)
            yield TaskStateRecorded(pid=ProcessId(pids[0]), state="zombie" if flag[-1] == "z" else "running", at=item.at)


def _word(forest: Forest, task: Task) -> str:
    parent = forest.tasks.get(task.parent)
    session = parent.session if parent else task.pid
    group = parent.group if parent and parent.session == task.session != task.pid else task.session
    fields = [
        str(task.parent),
        str(task.session) if task.session != session else "",
        str(task.group) if task.group != group else "",
    ]
    belongs = "/".join(fields).rstrip("/")
    word = _dotted(task.pids) + ("" if belongs == str(OUTSIDE) else f":{belongs}")
    if task.zombie:
        word += f"z{task.exit_status or ''}"
    word += "T" if task.state == "stopped" else ""
    word += "s" if task.subreaper else ""
    word += f"x{task.exit_signal}" if task.exit_signal >= 0 else ""
    word += f"@{task.namespace}" if _is_recorded(forest, task.namespace) else ""
    for thread in forest.threads.get(task.pid, []):
        word += f"+{_dotted(thread.pids)}{'z' if thread.state == 'zombie' else ''}"
    return word


def _vector(text: str) -> Pids:
    return tuple(Number(int(number)) for number in text.split("."))


def _dotted(pids: Pids) -> str:
    return ".".join(map(str, pids))
