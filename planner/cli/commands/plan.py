"""`crplan plan IMAGE`: plan an image, prove the plan, and write what a back end makes of it."""

import argparse
from collections.abc import Mapping

from planner.checks.forecast import with_forecasts
from planner.cli.image_job import Job, add_detail_argument, add_image_arguments, errors_of, groups_of, refusal_lines, worst
from planner.cli.progress import each
from planner.cli.several import ENDINGS, files_of
from planner.cli.streams import say
from planner.cli.terminal import write_artefact
from planner.errors import CANNOT_RESTART, EXPECTED, UsageError
from planner.findings.problems import Problem, problem_of
from planner.hookspecs import BackEnd
from planner.options import Options, chosen, filled, split
from planner.pipeline.resolve import emit_with
from planner.plugins import Registry
from planner.text import escaped, shown

PREVIEW = "text"
"""The back end that is used where none is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_image_arguments(parser)
    parser.add_argument(
        "--emit", metavar="NAME", default=PREVIEW, help="back end to use (see `crplan plugins`); a preview without it"
    )
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="an option of the back end; may be repeated"
    )
    add_detail_argument(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Plan and write the artefact; returns the exit code."""
    back_end = chosen(registry.backends, args.emit, "back end")
    given = split(args.option)
    try:
        options = filled(back_end.options, given, f"back end {back_end.name}")
        groups = groups_of(args, registry)
        if (len(groups) > 1 and back_end.name != PREVIEW) or args.output is not None:
            placed = list(files_of(groups, args.output, ENDINGS.get(back_end.name, back_end.name), f"outputs of {back_end.name}"))
        else:
            placed = [(group, None) for group in groups]
    except UsageError as error:
        problem = problem_of(error)
        if (document := _document(back_end, problem, {}, registry)) is not None:
            write_artefact(document, args.output)
        raise
    codes = []
    for group, file in each("planning", placed):
        if len(placed) > 1 and file is None:
            write_artefact(f"{escaped(group.name)}:\n", None)
        codes.append(_one(Job(args, registry, group), back_end, given, options, file))
    return worst(codes)


def _one(job: Job, back_end: BackEnd, given: Mapping[str, str], options: Options, file: str | None) -> int:
    """Plan one group and write the artefact; returns the exit code."""
    registry = job.registry
    try:
        artefact = job.artefact()
        if back_end.executable and not artefact.proved:
            raise UsageError(
                f"the plan is not proved at event {artefact.cut_at}, and {back_end.name} is a program; use --emit text"
            )
        errors = errors_of(artefact)
        if errors and back_end.executable:
            say(*refusal_lines(job, errors))
            return CANNOT_RESTART
        data = emit_with(back_end, with_forecasts(artefact, back_end, registry), given, registry, job.terminal())
        code = CANNOT_RESTART if errors else 0
    except EXPECTED as error:
        problem = job.refuse(error)
        code = problem.exit_code
        document = _document(back_end, problem, options, registry)
        if document is None:
            return code
        data = document
    write_artefact(data, file, executable=back_end.executable)
    return code


def _document(back_end: BackEnd, problem: Problem, options: Options, registry: Registry) -> str | bytes | None:
    """Return the document that holds the error, for a machine format."""
    if back_end.problem is None:
        return None
    try:
        return back_end.problem(problem, options)
    except Exception as error:  # the first error counts; this one is only named
        plugin = registry.provider("back end", back_end.name)
        failed = f"back end {back_end.name} of plugin {plugin} failed on an error, too"
        say(shown(f"crplan: {failed}: {type(error).__name__}: {error}"))
        return None
