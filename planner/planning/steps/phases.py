"""The steps of a plan, phase by phase, each with its rule and what it waits for.

Births and first changes come as `planner.planning.builder.order` found them. Then every task moves to its final group; those that
leave a group with their own number go last. Then helpers end, in reverse order of their creation, which is a post-order of the
tree of births: the process that must adopt a helper's children is still its ancestor, and no other process has a subreaper's
flag. Then come namespaces of other kinds than pid, threads, the final subreaper flags, and zombies. When all has been compared
with /proc, the executor stops what is to be stopped. Nothing is left to chance between processes: a step names the steps of
others that it needs, and all else is the order of steps within one process.
"""

from planner.events.records import FindingRaised, StepPlanned
from planner.identity import OUTSIDE, ProcessId
from planner.planning.cast import Cast, Event
from planner.planning.steps.births import births
from planner.planning.steps.draft import Book, Needs
from planner.planning.steps.ends import end_helpers, end_zombies
from planner.planning.steps.groups import final_groups
from planner.planning.steps.namespaces import other_namespaces
from planner.steps import CreateThread, SetSubreaper, Stop, Verify


def write_steps(cast: Cast, order: list[Event]) -> tuple[list[StepPlanned], list[FindingRaised]]:
    """Return all steps of a cast whose births are in order, numbered from 1, and what no plan restores."""
    book = Book(cast, [event.pid for event in order if event.change is None])
    births(book, order)
    final_groups(book)
    end_helpers(book)
    other_namespaces(book)
    _threads(book)
    _subreapers(book)
    end_zombies(book)
    _verify(book)
    _stop(book)
    return book.planned, book.findings


def _threads(book: Book) -> None:
    for group, threads in book.cast.forest.threads.items():
        for thread in threads:
            step = CreateThread(number=book.next(), actor=group, rule="thread-of-process", child=ProcessId(thread.pids[0]))
            book.add(step, (thread.recorded,))


def _subreapers(book: Book) -> None:
    waits_for: Needs = [(book.adoption, "adoptions-in-order")]
    for task in book.cast.forest.tasks.values():
        if task.subreaper:
            waits = book.waits(task.pid, waits_for)
            step = SetSubreaper(number=book.next(), actor=task.pid, rule="final-subreaper", waits=waits, on=True)
            book.add(step, (task.recorded,))


def _verify(book: Book) -> None:
    forest = book.cast.forest
    actors = book.cast.clones
    threads = forest.threads
    for pid, task in forest.tasks.items():
        step = Verify(
            number=book.next(),
            actor=OUTSIDE,
            rule="verify",
            target=pid,
            parent=actors[pid].parent or OUTSIDE,
            group=task.group,
            session=task.session,
            zombie=task.state == "zombie",
            status=task.exit_status,
            threads=tuple(ProcessId(thread.pids[0]) for thread in threads.get(pid, ())),
            subreaper=task.subreaper,
            exit_signal=book.exit_signals.final.get(pid, -1),
            namespaces=book.others.held_with(pid),
        )
        book.add(step, (task.recorded,))


def _stop(book: Book) -> None:
    for pid, task in book.cast.forest.tasks.items():
        if task.state == "stopped":
            book.add(Stop(number=book.next(), actor=OUTSIDE, rule="stopped-last", target=pid), (task.recorded,))
