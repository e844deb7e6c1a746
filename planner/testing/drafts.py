"""A builder of hand-written plans for tests."""

from typing import Final

from planner import steps
from planner.identity import Number, ProcessId, StepNumber
from planner.plans.model import Plan

SIGCHLD: Final = 17


class Draft:
    """A plan in the making; every method adds one step and returns its number.

    `after` names steps of other processes that must be done first. Numbers of processes are level-0 numbers; 0 is the executor.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: list[steps.AnyStep] = []
        self._processes: dict[int, steps.Process] = {}
        self._entered: dict[int, int] = {}

    @property
    def last(self) -> tuple[int, ...]:
        """The number of the last step, as `after` wants it; steps of one actor need not wait for each other."""
        return (len(self._steps),) if self._steps else ()

    def create(
        self,
        actor: int,
        *pids: int,
        role: steps.Role = "task",
        new_namespace: bool = False,
        new_user: bool = False,
        sibling: bool = False,
        share: tuple[str, ...] = (),
        exit_signal: int = SIGCHLD,
        after: tuple[int, ...] = (),
    ) -> int:
        """Create the process with the vector `pids`, outermost first; a `sibling` gets exit signal 0 as the kernel wants."""
        child = pids[0]
        namespace = child if new_namespace else self._namespace_for_children(actor)
        self._add_process(pids, role, namespace)
        return self._add(
            steps.Create(
                number=self._next(),
                actor=ProcessId(actor),
                rule="birth",
                waits=self._waits(actor, after),
                child=ProcessId(child),
                new_namespace=new_namespace,
                new_user=new_user,
                sibling=sibling,
                share=share,
                exit_signal=0 if sibling else exit_signal,
            )
        )

    def thread(self, actor: int, *pids: int, after: tuple[int, ...] = ()) -> int:
        """Create a thread of `actor`."""
        self._add_process(pids, "thread", self._processes[actor].namespace, thread_group=actor)
        return self._add(
            steps.CreateThread(
                number=self._next(),
                actor=ProcessId(actor),
                rule="thread",
                waits=self._waits(actor, after),
                child=ProcessId(pids[0]),
            )
        )

    def setsid(self, actor: int, after: tuple[int, ...] = ()) -> int:
        """Make the actor a session leader."""
        return self._add(
            steps.SetSession(number=self._next(), actor=ProcessId(actor), rule="session", waits=self._waits(actor, after))
        )

    def setpgid(self, actor: int, target: int, group: int, after: tuple[int, ...] = ()) -> int:
        """Put `target` into `group`."""
        return self._add(
            steps.SetGroup(
                number=self._next(),
                actor=ProcessId(actor),
                rule="group",
                waits=self._waits(actor, after),
                target=ProcessId(target),
                group=ProcessId(group),
            )
        )

    def subreaper(self, actor: int, on: bool, after: tuple[int, ...] = ()) -> int:
        """Turn the actor's subreaper flag on or off."""
        return self._add(
            steps.SetSubreaper(
                number=self._next(), actor=ProcessId(actor), rule="adoption", waits=self._waits(actor, after), on=on
            )
        )

    def enter(self, actor: int, namespace: int, after: tuple[int, ...] = ()) -> int:
        """Let the actor's next children be born in `namespace`, named by its init; the actor's own leads back."""
        self._entered[actor] = namespace
        return self._add(
            steps.Enter(
                number=self._next(),
                actor=ProcessId(actor),
                rule="entry",
                waits=self._waits(actor, after),
                namespace=ProcessId(namespace),
            )
        )

    def exit(self, actor: int, status: int = 0, thread_only: bool = False, after: tuple[int, ...] = ()) -> int:
        """End the actor with a wait status."""
        return self._add(
            steps.Exit(
                number=self._next(),
                actor=ProcessId(actor),
                rule="end",
                waits=self._waits(actor, after),
                status=status,
                thread_only=thread_only,
            )
        )

    def kill(self, actor: int, target: int, signal: int, after: tuple[int, ...] = ()) -> int:
        """Kill a namespace's init from above."""
        return self._add(
            steps.Kill(
                number=self._next(),
                actor=ProcessId(actor),
                rule="end",
                waits=self._waits(actor, after),
                target=ProcessId(target),
                signal=signal,
            )
        )

    def reap(self, actor: int, child: int, after: tuple[int, ...] = ()) -> int:
        """Take the ended child away."""
        return self._add(
            steps.Reap(
                number=self._next(), actor=ProcessId(actor), rule="reap", waits=self._waits(actor, after), child=ProcessId(child)
            )
        )

    def unshare(self, actor: int, *kinds: str, after: tuple[int, ...] = ()) -> int:
        """Give the actor namespaces of its own."""
        return self._add(
            steps.Unshare(number=self._next(), actor=ProcessId(actor), rule="made", waits=self._waits(actor, after), kinds=kinds)
        )

    def map_ids(
        self,
        actor: int,
        target: int,
        *,
        uid: tuple[tuple[int, int, int], ...] = (),
        gid: tuple[tuple[int, int, int], ...] = (),
        after: tuple[int, ...] = (),
    ) -> int:
        """Map the ids of the target's user namespace: lines of first inside, first above, count; without any, its own ids."""
        return self._add(
            steps.MapIds(
                number=self._next(),
                actor=ProcessId(actor),
                rule="mapped",
                waits=self._waits(actor, after),
                target=ProcessId(target),
                own=not uid and not gid,
                uid_map=tuple(steps.Extent(*line) for line in uid),
                gid_map=tuple(steps.Extent(*line) for line in gid),
            )
        )

    def join(self, actor: int, kind: str, target: int, after: tuple[int, ...] = ()) -> int:
        """Have the actor enter the target's namespace of a kind."""
        return self._add(
            steps.Join(
                number=self._next(),
                actor=ProcessId(actor),
                rule="joined",
                waits=self._waits(actor, after),
                kind=kind,
                target=ProcessId(target),
            )
        )

    def verify(
        self,
        target: int,
        parent: int,
        group: int,
        session: int,
        *,
        zombie: bool = False,
        status: int = 0,
        threads: tuple[int, ...] = (),
        subreaper: bool = False,
        exit_signal: int = -1,
        namespaces: dict[str, int] | None = None,
    ) -> int:
        """State what /proc must say about `target` when the plan has run."""
        return self._add(
            steps.Verify(
                number=self._next(),
                actor=ProcessId(0),
                rule="verify",
                target=ProcessId(target),
                parent=ProcessId(parent),
                group=ProcessId(group),
                session=ProcessId(session),
                zombie=zombie,
                status=status,
                threads=tuple(ProcessId(thread) for thread in threads),
                subreaper=subreaper,
                exit_signal=exit_signal,
                namespaces={kind: ProcessId(holder) for kind, holder in (namespaces or {}).items()},
            )
        )

    def stop(self, target: int) -> int:
        """Stop `target`, which comes last."""
        return self._add(steps.Stop(number=self._next(), actor=ProcessId(0), rule="stopped-last", target=ProcessId(target)))

    def plan(self, root: int) -> Plan:
        """Return the finished plan."""
        return Plan(
            image_id=self._name, root=ProcessId(root), processes=tuple(self._processes.values()), steps=tuple(self._steps)
        )

    def _waits(self, actor: int, after: tuple[int, ...]) -> tuple[steps.Wait, ...]:
        return tuple(steps.Wait(step=StepNumber(step), rule="after") for step in after if self._steps[step - 1].actor != actor)

    def _next(self) -> StepNumber:
        return StepNumber(len(self._steps) + 1)

    def _add(self, step: steps.AnyStep) -> int:
        self._steps.append(step)
        return step.number

    def _namespace_for_children(self, actor: int) -> int:
        own = self._processes[actor].namespace if actor in self._processes else 0
        return self._entered.get(actor, own)

    def _add_process(self, pids: tuple[int, ...], role: steps.Role, namespace: int, thread_group: int = 0) -> None:
        if pids[0] in self._processes:
            raise ValueError(f"number {pids[0]} is used twice")
        self._processes[pids[0]] = steps.Process(
            pid=ProcessId(pids[0]),
            pids=tuple(Number(number) for number in pids),
            role=role,
            namespace=ProcessId(namespace),
            name=f"{role}{pids[0]}",
            thread_group=ProcessId(thread_group),
        )


def with_init(name: str) -> Draft:
    """Begin a container: the executor creates number 1, which leads its own session."""
    draft = Draft(name)
    draft.create(0, 1, new_namespace=True)
    draft.setsid(1)
    return draft
