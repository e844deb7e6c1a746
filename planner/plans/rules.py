"""The named rules that stand behind every step and every order of a plan.

A rule is data: a name, one sentence, and where it comes from. Steps carry the name of the rule that put them there, waits the
name of the rule that orders them, and `explain` looks the sentence up here. The kernel's own rules, with their errnos, are in
`planner.kernel.rules`; a source that names one of them means that table.
"""

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """A rule of the planner: why a step is there, or why it stands where it does."""

    name: str
    sentence: str
    source: str


_RULES = (
    # Which process creates which.
    Rule("root-first", "The first process of the new pid namespace comes before all others.", "pid_namespaces(7)"),
    Rule(
        "reaper-for-subtree", "The image's root does not have pid 1, so an init stands above it and stays.", "pid_namespaces(7)"
    ),
    Rule("parent-creates", "A child in its parent's session is created by its parent.", "credentials(7)"),
    Rule("nested-init-first", "The first task of a pid namespace is its init, created from one level above.", "clone(2)"),
    Rule("entered", "A task whose parent stands outside its pid namespace is created by entering that namespace.", "setns(2)"),
    Rule(
        "before-setsid",
        "A child that is in the session its parent was born in is created before the parent's setsid.",
        "setsid(2)",
    ),
    Rule(
        "before-own-group",
        "A child in a group without a pid in its namespace inherits it before its creator leaves that group.",
        "setpgid(2)",
    ),
    Rule(
        "session-from-sibling",
        "A session passes from creator to child only, so a member of the session creates its own sibling (CLONE_PARENT).",
        "clone(2)",
    ),
    Rule(
        "session-below-parent",
        "A session passes from creator to child only, so a member of the session below the parent creates the task.",
        "credentials(7), exit(2): find_new_reaper",
    ),
    Rule(
        "session-enters",
        "A session passes from creator to child only, so a member of the session enters the parent's pid namespace.",
        "setns(2), exit(2): find_new_reaper",
    ),
    Rule(
        "born-below",
        "The task must serve a process below it in the tree, so it is born there and moves up by adoption.",
        "exit(2): find_new_reaper",
    ),
    # Helpers.
    Rule("dead-session-leader", "The session's leader has died, so a helper with its pid leads it anew.", "setsid(2)"),
    Rule("dead-group-leader", "The group's leader has died, so a helper with its pid makes the group anew.", "setpgid(2)"),
    Rule("orphan-helper", "A helper creates the task and ends, so that its reaper adopts the task.", "exit(2): find_new_reaper"),
    Rule("window-helper", "A helper keeps its creator's session and group until the task can be created.", "setsid(2)"),
    Rule("group-helper", "A helper joins the group that the task must be born in.", "setpgid(2)"),
    Rule("jump-helper", "An init several levels below its parent is created from one level above by CLONE_PARENT.", "clone(2)"),
    Rule("group-anchor", "A helper keeps the group alive while its members swap.", "setpgid(2)"),
    # What a process does for itself.
    Rule("session-leader", "A session leader gets its session by setsid.", "setsid(2)"),
    Rule("group-leader", "A group leader makes its group by setpgid.", "setpgid(2)"),
    Rule("group-member", "A member joins its group by setpgid.", "setpgid(2)"),
    Rule("group-visitor", "A process joins a group for a moment, so that a child inherits it.", "setpgid(2)"),
    Rule(
        "group-by-parent",
        "A group without a pid in the task's namespace is set by its parent in an ancestor pid namespace.",
        "setpgid(2)",
    ),
    Rule("thread-of-process", "A thread is created by its own thread group when the process is complete.", "clone(2)"),
    Rule("final-subreaper", "A subreaper flag is set when nothing more will be adopted.", "prctl(2)"),
    Rule("adopter", "The parent-to-be is the nearest subreaper while the helper ends.", "prctl(2), find_new_reaper"),
    Rule("adopter-done", "The parent-to-be was a subreaper only for the adoption.", "prctl(2)"),
    Rule("helper-ends", "A helper ends when it has served.", "exit(2)"),
    Rule("helper-reaped", "The parent of the helper reaps it, by pid.", "wait(2)"),
    Rule("zombie-last", "A zombie ends when nothing more is asked of it, and is not reaped.", "wait(2)"),
    Rule(
        "zombie-leaves-children",
        "A zombie that created others' children ends with the helpers, so that its reaper adopts them, and is not reaped.",
        "exit(2): find_new_reaper",
    ),
    Rule("init-killed", "An init cannot send itself a fatal signal, so its parent sends it.", "pid_namespaces(7)"),
    Rule(
        "namespaces-of-root",
        "What the root's namespaces differ in from its surroundings is made before any task inherits it.",
        "unshare(2)",
    ),
    Rule("namespace-made", "The first task of a namespace makes it, empty.", "unshare(2)"),
    Rule("user-namespace-made", "A user namespace is made before the namespaces that it owns.", "user_namespaces(7)"),
    Rule("ids-mapped", "A user namespace gets its id maps from the one above.", "user_namespaces(7)"),
    Rule("namespace-joined", "A task in a namespace that another task has made enters it.", "setns(2)"),
    Rule("verify", "Every task is compared with /proc before the rebuild counts as done.", "proc(5)"),
    Rule(
        "stopped-last",
        "A task is stopped when no process ends any more: the kernel continues the stopped members of an orphaned group.",
        "exit(2): kill_orphaned_pgrp",
    ),
    # What comes before what.
    Rule("init-before-entry", "A pid namespace is entered after its init was created.", "setns(2): ENOENT"),
    Rule("group-before-member", "A group is joined after it was made.", "setpgid(2): EPERM"),
    Rule(
        "member-before-leaving",
        "The last process that keeps a group alive leaves after the others have joined.",
        "setpgid(2): EPERM",
    ),
    Rule("adoptions-in-order", "Adoptions happen one after the other, the deepest first.", "find_new_reaper"),
    Rule("flag-before-adoption", "The adopter is a subreaper before the helper ends.", "find_new_reaper"),
    Rule("ended-before-reaped", "A helper has ended before it is reaped.", "wait(2)"),
    Rule("reaped-before-flag-off", "The adopter stays a subreaper until the helper is gone.", "find_new_reaper"),
    Rule("child-before-leaving", "A child that inherits a group is created before its creator is moved out of it.", "setpgid(2)"),
    Rule("entry-before-ending", "A pid namespace is entered before its init ends.", "setns(2): ESRCH, ENOENT"),
    Rule("namespace-before-joined", "A namespace is entered after it was made.", "setns(2)"),
    Rule("maps-before-below", "Who makes a user namespace has ids in the one that it is in.", "user_namespaces(7): EPERM"),
    Rule("served-before-ending", "A helper ends after everything that needs it.", "exit(2)"),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _RULES}
"""Every rule by name."""

RETIRED: dict[str, Rule] = {}
"""Rules that no plan of this version has, by the names that older logs and plans have; `explain` still says what they mean."""
