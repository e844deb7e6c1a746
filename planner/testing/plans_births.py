"""Plans of how processes come about: births, sessions, groups, entered namespaces, siblings and adoption."""

from planner.plans.model import Plan
from planner.testing.drafts import Draft, with_init


def single() -> Plan:
    """An init alone."""
    draft = with_init("single")
    draft.verify(1, 0, 1, 1)
    return draft.plan(1)


def parent_and_child() -> Plan:
    """An init and its child, in one session and group."""
    draft = with_init("parent and child")
    draft.create(1, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    return draft.plan(1)


def sparse_numbers() -> Plan:
    """Numbers far apart, up to 4194303, born in another order than they count."""
    draft = with_init("sparse numbers")
    draft.create(1, 4194303)
    draft.create(1, 32768)
    draft.create(32768, 300)
    draft.verify(1, 0, 1, 1)
    draft.verify(4194303, 1, 1, 1)
    draft.verify(32768, 1, 1, 1)
    draft.verify(300, 32768, 1, 1)
    return draft.plan(1)


def fork_before_setsid() -> Plan:
    """Session leaders with children of the session that they left, and of the one that they lead."""
    draft = with_init("fork before setsid")
    draft.create(1, 2)
    draft.create(2, 3)
    draft.setsid(2)
    draft.create(2, 4)
    draft.create(4, 5)
    draft.setsid(4)
    draft.create(4, 6)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 2, 1, 1)
    draft.verify(4, 2, 4, 4)
    draft.verify(5, 4, 2, 2)
    draft.verify(6, 4, 4, 4)
    return draft.plan(1)


def process_groups() -> Plan:
    """A group led by its member, one joined by a sibling, and one set by the parent for its child."""
    draft = with_init("process groups")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 4)
    lead = draft.setpgid(2, 2, 2)
    draft.setpgid(3, 3, 2, after=(lead,))
    put = draft.setpgid(1, 4, 2, after=(lead,))
    draft.create(4, 5, after=(put,))
    draft.setpgid(5, 5, 5)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 1)
    draft.verify(3, 1, 2, 1)
    draft.verify(4, 1, 2, 1)
    draft.verify(5, 4, 5, 1)
    return draft.plan(1)


def crossed_groups() -> Plan:
    """Two leaders, each in the other's group; a helper holds one group while its leader leaves."""
    draft = with_init("crossed groups")
    draft.create(1, 2)
    draft.create(1, 3)
    draft.create(1, 90, role="helper")
    lead_2 = draft.setpgid(2, 2, 2)
    lead_3 = draft.setpgid(3, 3, 3)
    anchor = draft.setpgid(90, 90, 2, after=(lead_2,))
    left_2 = draft.setpgid(2, 2, 3, after=(anchor, lead_3))
    left_3 = draft.setpgid(3, 3, 2, after=(left_2,))
    ended = draft.exit(90, after=(left_3,))
    draft.reap(1, 90, after=(ended,))
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 3, 1)
    draft.verify(3, 1, 2, 1)
    return draft.plan(1)


def nested_namespaces() -> Plan:
    """Namespaces three deep, with inits that lead sessions, and tasks on every level."""
    draft = with_init("nested namespaces")
    draft.create(1, 10, 1, new_namespace=True)
    draft.setsid(10)
    draft.create(1, 2)
    draft.create(10, 11, 7)
    draft.create(10, 20, 5, 1, new_namespace=True)
    draft.create(20, 21, 6, 2)
    draft.setsid(21)
    draft.create(21, 30, 9, 4, 1, new_namespace=True)
    draft.create(30, 31, 12, 8, 2)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 10, 10)
    draft.verify(2, 1, 1, 1)
    draft.verify(11, 10, 10, 10)
    draft.verify(20, 10, 10, 10)
    draft.verify(21, 20, 21, 21)
    draft.verify(30, 21, 21, 21)
    draft.verify(31, 30, 21, 21)
    return draft.plan(1)


def entered_from_outside() -> Plan:
    """Tasks whose parent, session and group are outside: the executor enters level 0 and a nested namespace."""
    draft = with_init("entered from outside")
    nested = draft.create(1, 10, 1, new_namespace=True)
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.enter(0, 10, after=(nested,))
    draft.create(0, 31, 2)
    draft.enter(0, 0)
    draft.setsid(31)
    draft.create(30, 32)
    draft.setpgid(32, 32, 32)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1)
    draft.verify(30, 0, 0, 0)
    draft.verify(31, 0, 31, 31)
    draft.verify(32, 30, 32, 0)
    return draft.plan(1)


def moved_from_outside() -> Plan:
    """Tasks that their parent outside, the executor, puts into a group: one of its own and a nested init that a sibling made."""
    draft = with_init("moved from outside")
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.create(30, 31)
    nested = draft.create(30, 40, 1, new_namespace=True, sibling=True)
    lead = draft.setpgid(31, 31, 31)
    draft.enter(0, 0)
    draft.setpgid(0, 30, 31, after=(lead,))
    draft.setpgid(0, 40, 31, after=(lead, nested))
    draft.verify(1, 0, 1, 1)
    draft.verify(30, 0, 31, 0)
    draft.verify(31, 30, 31, 0)
    draft.verify(40, 0, 31, 0)
    return draft.plan(1)


def moved_back() -> Plan:
    """Tasks that made a group, in which a child stays, and that the executor puts back into its own group."""
    draft = Draft("moved back")
    draft.create(0, 1, new_namespace=True)
    draft.setpgid(1, 1, 1)
    first = draft.create(1, 2)
    draft.enter(0, 1)
    draft.create(0, 30)
    draft.setpgid(30, 30, 30)
    second = draft.create(30, 31)
    draft.enter(0, 0)
    draft.setpgid(0, 1, 0, after=(first,))
    draft.setpgid(0, 30, 0, after=(second,))
    draft.verify(1, 0, 0, 0)
    draft.verify(2, 1, 1, 0)
    draft.verify(30, 0, 0, 0)
    draft.verify(31, 30, 30, 0)
    return draft.plan(1)


def entered_from_inside() -> Plan:
    """A task that enters a namespace one and two levels below, has children there, and goes back for one of its own."""
    draft = with_init("entered from inside")
    nested = draft.create(1, 10, 1, new_namespace=True)
    deep = draft.create(10, 20, 2, 1, new_namespace=True)
    draft.create(1, 5)
    draft.enter(5, 10, after=(nested,))
    draft.create(5, 11, 3)
    draft.enter(5, 20, after=(deep,))
    draft.create(5, 21, 4, 2)
    draft.enter(5, 1)
    draft.create(5, 6)
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 1, 1)
    draft.verify(20, 10, 1, 1)
    draft.verify(5, 1, 1, 1)
    draft.verify(11, 5, 1, 1)
    draft.verify(21, 5, 1, 1)
    draft.verify(6, 5, 1, 1)
    return draft.plan(1)


def siblings() -> Plan:
    """Children of a sibling (CLONE_PARENT): a task, a nested init, and a nested init born by one who had entered."""
    draft = with_init("siblings")
    draft.create(1, 2)
    draft.setsid(2)
    draft.create(2, 3, sibling=True)
    nested = draft.create(2, 10, 1, new_namespace=True, sibling=True)
    draft.create(10, 11, 2)
    draft.enter(3, 10, after=(nested,))
    draft.create(3, 12, 3, sibling=True)
    draft.create(12, 20, 4, 1, new_namespace=True, sibling=True)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 2, 2)
    draft.verify(3, 1, 2, 2)
    draft.verify(10, 1, 2, 2)
    draft.verify(11, 10, 2, 2)
    draft.verify(12, 1, 2, 2)
    draft.verify(20, 1, 2, 2)
    return draft.plan(1)


def adopted_by_init() -> Plan:
    """A dead session leader whose children the init adopted, one of them in a group whose leader is dead too."""
    draft = with_init("adopted by init")
    draft.create(1, 40, role="helper")
    draft.setsid(40)
    draft.create(40, 41)
    draft.create(40, 42, role="helper")
    draft.setpgid(42, 42, 42)
    born = draft.create(42, 43)
    ended = draft.exit(42)
    draft.reap(40, 42, after=(ended,))
    gone = draft.exit(40, after=(born,))
    draft.reap(1, 40, after=(gone,))
    draft.verify(1, 0, 1, 1)
    draft.verify(41, 1, 40, 40)
    draft.verify(43, 1, 42, 40)
    return draft.plan(1)


def adopted_by_subreaper() -> Plan:
    """A dead session leader whose child a task adopted that was a subreaper for a moment, and one that stays a subreaper."""
    draft = with_init("adopted by subreaper")
    draft.create(1, 2)
    draft.create(2, 50, role="helper")
    draft.setsid(50)
    draft.create(50, 60, role="helper")
    born = draft.create(60, 51)
    on = draft.subreaper(2, True)
    ended = draft.exit(60, after=(on,))
    draft.reap(50, 60, after=(ended,))
    gone = draft.exit(50, after=(born,))
    draft.reap(2, 50, after=(gone,))
    draft.subreaper(2, False)
    draft.create(1, 3)
    draft.subreaper(3, True)
    draft.verify(1, 0, 1, 1)
    draft.verify(2, 1, 1, 1)
    draft.verify(51, 2, 50, 50)
    draft.verify(3, 1, 1, 1, subreaper=True)
    return draft.plan(1)


def entered_and_adopted() -> Plan:
    """A helper that enters a nested namespace from above, has a child there and dies: the nested init adopts."""
    draft = with_init("entered and adopted")
    nested = draft.create(1, 10, 1, new_namespace=True)
    draft.setsid(10)
    draft.create(1, 70, role="helper")
    draft.enter(70, 10, after=(nested,))
    draft.create(70, 71, 5, role="helper")
    born = draft.create(71, 72, 6)
    ended = draft.exit(71)
    draft.reap(70, 71, after=(ended,))
    gone = draft.exit(70, after=(born,))
    draft.reap(1, 70, after=(gone,))
    draft.verify(1, 0, 1, 1)
    draft.verify(10, 1, 10, 10)
    draft.verify(72, 10, 1, 1)
    return draft.plan(1)
