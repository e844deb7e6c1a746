"""The function of the library that shows what the processes of an image hold."""

from planner.hookspecs import Detail
from planner.inspection.build import inspected
from planner.inspection.document import InspectedImage
from planner.library.inputs import Input, log_of, naming


def inspect(source: Input, *, areas: bool = False, values: bool = False) -> InspectedImage:
    """Return what the processes of an image hold, by task and in sum: files, sockets, memory, mounts, sizes.

    The fields are those of the published schema `inspect.schema.json`. With `areas` every area of memory is there with its pages,
    with `values` the environment has its values. A log or plan shows what was recorded in it. Raises `BadImage` and
    `Contradiction`, and `TypeError` for what is no image, log or plan.
    """
    detail: Detail = "values" if values else "commands"
    log = log_of(source, "inspect", detail)
    with naming(log.image, log):
        return inspected(log.image, log, areas=areas)
