"""Trees in the notation of `planner.testing.forests` as CRIU images, for tests of checks."""

import msgspec

from planner.events.records import AnyEvent, FactRecorded, ImageOpened, NamespaceRecorded
from planner.identity import NamespaceId
from planner.testing.forests import events


def criu_image(text: str, *, own_pid_namespace: bool = True, generation: str = "4.1+") -> list[AnyEvent]:
    """Return the log of a CRIU image of the tree, which says whose its pid namespace is and how its tasks were made."""
    created = {"created": "yes" if own_pid_namespace else "no"}
    history: list[AnyEvent] = []
    for event in events(text):
        match event:
            case ImageOpened():
                history.append(msgspec.structs.replace(event, format="criu", generation=generation))
            case NamespaceRecorded(kind="pid", id=0):
                history.append(msgspec.structs.replace(event, facts=created))
            case _:
                history.append(event)
    *before, last = history
    before.append(FactRecorded(property="clear_child_tid", value="recorded of living tasks", at="inventory.img#0"))
    if not any(isinstance(event, NamespaceRecorded) for event in before):
        before.append(NamespaceRecorded(kind="pid", id=NamespaceId(0), facts=created, at="ids-1.img#0"))
    return [*before, last]
