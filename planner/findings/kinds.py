"""The table of errors: code, one sentence, what to do, and the documentation. Warnings and notes are in `kinds_milder`.

A code is never reused, never changes its meaning, and stays here when nothing raises it any more. Plugins bring kinds of their
own in `Check.kinds`.
"""

from typing import Final

_TAKE_AGAIN: Final = "Take the checkpoint again, or repair the image where `crplan log IMAGE` says that the facts stand."
_EXPLAIN: Final = "Take the checkpoint again; `crplan explain IMAGE PID` shows on which facts the decision about a task rests."

Row = tuple[str, str, str]
"""Code, sentence, documentation."""

_FACTS: Final[tuple[Row, ...]] = (
    ("no-task", "The image holds no task.", "A plan needs at least one task whose parent is outside the image."),
    (
        "task-unknown",
        "A fact is recorded for a pid that no task has.",
        "A state, a namespace or a shared object names a level-0 pid that no task or thread of the image has.",
    ),
    (
        "impossible-number",
        "A task has a pid below 1, or none at all.",
        "The kernel gives pids from 1 on in each pid namespace; an image records one pid for each level.",
    ),
    (
        "too-deep",
        "A task has more pids than the kernel allows levels of pid namespaces.",
        "The limit is the kernel's MAX_PID_NS_LEVEL, 32 levels, which also bounds clone3's set_tid.",
    ),
    (
        "duplicate-number",
        "Two tasks have one pid in one pid namespace.",
        "A pid belongs to one task, or to the session or group of a dead one, for as long as anything uses it.",
    ),
    (
        "number-too-high",
        "A pid is above what any pid namespace gives.",
        "A 64-bit kernel gives pids up to 4194303 (PID_MAX_LIMIT less one), at every level.",
    ),
    (
        "two-inits",
        "A pid namespace has two tasks with pid 1.",
        "The first task of a pid namespace gets pid 1, and only it.",
    ),
    (
        "init-with-parent",
        "The init of the image's root namespace has a parent inside it.",
        "All tasks of a pid namespace are created after its init and none of them can be its parent.",
    ),
    (
        "parent-unknown",
        "A task's parent is no process of the image.",
        "Every task's parent is a task of the image or outside it; a parent that is neither was lost.",
    ),
    (
        "parent-is-thread",
        "A task's parent is a thread that leads no thread group.",
        "Images name the parent by the pid of its thread group.",
    ),
    ("parent-cycle", "Tasks are each other's ancestors.", "The parents of a task lead outside the image in finitely many steps."),
    (
        "parent-below-child",
        "A task's parent lives in a deeper pid namespace than the task.",
        "A child is created at its creator's level or deeper, and adoption leads upwards only.",
    ),
    (
        "thread-group-unknown",
        "A thread belongs to a thread group that the image does not hold.",
        "The leader of a thread group stays, if only as a zombie, while any thread lives.",
    ),
    (
        "thread-level",
        "A thread and its thread group are at different levels.",
        "Threads are in the pid namespace of their group.",
    ),
    (
        "thread-disagrees",
        "A thread has another parent, session or group than its thread group.",
        "Parent, session and process group belong to the thread group.",
    ),
    (
        "session-leader-group",
        "A session leader is in another group than its own.",
        "setsid puts the caller into a group of its own, and a session leader can never leave it (setpgid(2): EPERM).",
    ),
    (
        "session-leader-elsewhere",
        "A task has the pid of a session and is in another session.",
        "A session leader never leaves its session.",
    ),
    (
        "session-leader-below",
        "A session's leader lives in a deeper pid namespace than a member.",
        "A session passes from creator to child, so to the same level or deeper.",
    ),
    (
        "group-in-two-sessions",
        "A process group has members in two sessions.",
        "setpgid joins a group of the caller's own session only (EPERM).",
    ),
    (
        "group-of-outer-session",
        "A task is in a group that was made outside, and in a session that was made inside.",
        "A session passes from creator to child, so no process above the session's leader was ever in it.",
    ),
    (
        "leader-is-thread",
        "A session or group has the pid of a thread.",
        "Sessions and groups have the pid of the process that made them.",
    ),
    (
        "zombie-with-child",
        "A process that has ended has a child.",
        "The kernel gives the children of a process to a reaper before the process becomes a zombie.",
    ),
    (
        "zombie-init",
        "A pid namespace whose init has ended has tasks.",
        "When an init ends, the kernel kills every task of its namespace and waits for them.",
    ),
    (
        "namespace-level",
        "A task has more or fewer pids than its pid namespace has levels.",
        "A task has a pid in each namespace from the image's root down to its own.",
    ),
    (
        "impossible-status",
        "A task has a status or an exit signal that no process has.",
        "A status in the format of wait(2) is 256 times an exit code, or the number of a signal, which is from 1 to 64.",
    ),
    (
        "init-signal",
        "The init of a pid namespace was ended by a signal that a rebuild cannot end it by.",
        "An init ignores all signals but SIGKILL from above; a fault of its own ends it too, and restored tasks make none.",
    ),
    (
        "namespace-cycle",
        "Pid namespaces lie inside each other.",
        "A namespace is created inside another one, and every line of them ends at the root's.",
    ),
    (
        "checkpoint-failed",
        "The image says that its checkpoint failed.",
        "linux-cr writes an ERROR record into the stream when it gives up; what follows or is missing cannot be relied on.",
    ),
)

_NAMESPACES: Final[tuple[Row, ...]] = (
    (
        "namespace-init-below",
        "The init of a pid namespace has its parent or its session's leader inside that namespace.",
        "An init comes from outside its namespace, with the session of its creator.",
    ),
    (
        "namespace-init-deeper",
        "A task has pid 1 in a pid namespace and lives in a deeper one.",
        "Pid 1 is that of the namespace's own first task; a task that lives deeper was created later.",
    ),
    (
        "namespace-without-init",
        "A task is in a nested pid namespace, and no living task can be that namespace's init.",
        "A pid namespace lives as long as its init; a task in it without an init cannot be.",
    ),
    (
        "namespace-none-fits",
        "Some tasks fit into no pid namespaces of the image without two of them having one pid.",
        "The image does not name their namespaces, and every way to place them contradicts a pid, parent, session or name.",
    ),
    (
        "namespace-recorded-apart",
        "A task would have to be in two pid namespaces that the image tells apart.",
        "What the image names and what follows from parents, sessions and groups exclude each other.",
    ),
    (
        "namespace-undecided",
        "The bounded search for the pid namespaces of the tasks came to no end.",
        "The image does not name every namespace, and neither a placing nor its impossibility was found within the bound.",
    ),
    (
        "plan-undecided",
        "No plan was found, and the bounded search for one has not seen every way.",
        "A dead leader or a task may have lived in more places than are tried; what was met first is told, and is no proof.",
    ),
    (
        "leader-without-namespace",
        "A dead leader lived in a pid namespace that the image does not hold.",
        "A helper must have the dead leader's pids, and there is no namespace at its level to create it in.",
    ),
)

_REACH: Final[tuple[Row, ...]] = (
    (
        "birth-circle",
        "A task would have to be born below itself.",
        "What sessions and groups ask of the births of some tasks leads in a circle, so no history ends in this tree.",
    ),
    (
        "order-circle",
        "Steps of the plan wait for each other in a circle, or for a process that takes no part.",
        "The message names the steps and the rules by which each waits for the one before.",
    ),
    (
        "session-from-above",
        "A task is in a session that no possible creator of it can have been in.",
        "A session passes from creator to child only, and its leader lives above the parent's pid namespace.",
    ),
    (
        "session-from-below",
        "A task is in a session whose leader lives deeper than the task's parent.",
        "Only a sibling of the leader, created with CLONE_PARENT, can come to this, and the facts exclude it.",
    ),
    (
        "session-not-below",
        "A session's leader must have been below a task once, and cannot have been.",
        "An orphan keeps the session of its creator; its adopter was above that session's leader at that time.",
    ),
    (
        "session-across-namespaces",
        "A session has members in pid namespaces that its leader cannot both enclose.",
        "A session's leader lives at or above the level of every member, in a namespace that encloses theirs.",
    ),
    (
        "two-birth-sessions",
        "A task would have to be born in two sessions.",
        "Children of a session leader that are in other sessions were created before its setsid, in the session of its birth.",
    ),
    (
        "root-session",
        "The root is in the session of another task of the image.",
        "A session comes from the creator, and the root's creator stands outside its pid namespace.",
    ),
    (
        "two-birth-groups",
        "A task would have to be born in two groups.",
        "A group without a pid in a pid namespace can only be inherited there, and only one can.",
    ),
    (
        "group-out-of-sight",
        "A task is in a group that it can neither join nor inherit.",
        "setpgid looks pids up in the caller's pid namespace; a group without a pid there is set from above or inherited.",
    ),
    (
        "crossing-sessions",
        "Session leaders each have children in sessions of others among them.",
        "Whichever of them was born last can have been born in one foreign session only.",
    ),
    (
        "births-excluded",
        "Some facts on parents, sessions and groups cannot all hold, and no well-known rule says why.",
        "An exact search over the rules of births found it, and that without any one of these facts the others can hold.",
    ),
    (
        "reaper-taken",
        "The image is a subtree, and a task that is not its root has pid 1.",
        "A subtree is rebuilt below an init of the plan, which needs pid 1.",
    ),
)

_TRAP: Final[Row] = (
    "init-trap",
    "An init could never finish dying: its group is led from its own pid namespace, or closes a cycle of such inits.",
    "A dying init waits until every pid in its namespace but its own is free, and a member of a group keeps the pid of"
    " the group's leader in use. So it waits for itself where its own group is led inside, and for another init that is in a"
    " group led inside; inits that wait for each other in a cycle stay until reboot. No executor begins such a tree.",
)
_TRAP_HINT: Final = (
    "Another checkpoint of the same tree is refused as well. First let one of the named inits leave its group, by its own setpgid"
    " or its parent's; and do so before anything ends the tree, since only a reboot removes an init that waits for itself."
)

OUTCOMES: Final[tuple[Row, ...]] = (
    (
        "bad-image",
        "The bytes cannot be decoded into facts.",
        "The message says where, what was found and what was expected. The exit code is 1.",
    ),
    (
        "not-proved",
        "The plan does not end in the image's forest on the model kernel.",
        "Nothing is handed out that is not proved. A plan that came with a log or a file was changed since (exit code 3); for a "
        "plan of crplan's own this is a defect (exit code 1).",
    ),
    (
        "cannot-emit",
        "A back end or an executor cannot do this plan.",
        "The message names the task and the reason; nothing was begun.",
    ),
    ("plugin-failed", "A reader or a back end raised something that it must not.", "The message names the plugin."),
    ("usage", "An argument does not exist, or does not fit the others.", "The message says what is allowed."),
    (
        "check-failed",
        "A check raised an exception, so that none of its questions is answered.",
        "The message names the check and its plugin. What the check would have found is unknown.",
    ),
)
"""Kinds with the severity "error" that stand for no fact of an image."""

_PODS: Final[tuple[tuple[Row, str], ...]] = (
    (
        (
            "pid-namespaces-apart",
            "Images that are to be planned together are of containers that do not share a pid namespace.",
            "A pid has a meaning in one pid namespace only. The message names the evidence: an init in each image, pods, paths"
            " that the runtime was given, or the ids of the dump.",
        ),
        "Plan each of them alone: every rebuild makes a pid namespace of its own, so both can stand beside each other.",
    ),
    (
        (
            "container-twice",
            "Images that are to be planned together are of one container.",
            "A container has one id and a dump one run id; two checkpoints of one container are two moments of the same tasks.",
        ),
        "Give each container once; `crplan diff A B` compares two checkpoints of one container.",
    ),
    (
        (
            "containers-clash",
            "Images of containers in one pid namespace give one pid two meanings.",
            "A pid is used once in a pid namespace, for as long as a task, a session or a group has it. The message"
            " names every conflict, and the evidence both places.",
        ),
        "The images were not taken of one pod at one time: take the checkpoints again together, or plan each alone.",
    ),
)

ERRORS: Final = (
    *((row, _TAKE_AGAIN) for row in (*_FACTS, *_NAMESPACES)),
    *((row, _EXPLAIN) for row in _REACH),
    (_TRAP, _TRAP_HINT),
    *_PODS,
)
"""Kinds with the severity "error", each with its hint."""
