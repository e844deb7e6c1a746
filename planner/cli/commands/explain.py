"""`crplan explain IMAGE STEP|PID`: why this step, why this creator, and from which facts at which places."""

import argparse

import msgspec

from planner.cli.image_job import Job, add_image_arguments
from planner.cli.terminal import write_artefact
from planner.errors import EXPECTED
from planner.explanation.lookup import FORMAT_VERSION, Explanation, lines
from planner.findings.problems import Problem
from planner.library.explaining import explanations, subject_of
from planner.plugins import Registry
from planner.text import json_document


class ExplanationDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Explanations in JSON, or the problem that there is instead."""

    kind: str
    format_version: int
    explanations: tuple[Explanation, ...] = ()
    error: Problem | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_image_arguments(parser)
    parser.add_argument(
        "subject",
        metavar="STEP|PID",
        help="a number: the step and the process of that number; step:N or pid:N (at level 0) for one of them; pids as they are "
        "printed, 21/2; or a task's name",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Explain; exit code 2 when the plan has neither such a step nor such a process."""
    subject_of(args.subject)
    job = Job(args, registry)
    try:
        artefact = job.artefact()
    except EXPECTED as error:
        problem = job.refuse(error)
        if args.json:
            _write(ExplanationDocument(kind="crplan-explanation", format_version=FORMAT_VERSION, error=problem))
        return problem.exit_code
    end = len(job.history) if artefact.cut_at is None else artefact.cut_at + 1
    found = explanations(job.history[:end], artefact.plan, args.subject)
    if args.json:
        _write(ExplanationDocument(kind="crplan-explanation", format_version=FORMAT_VERSION, explanations=found))
    else:
        write_artefact("".join(f"{line}\n" for line in lines(*found)), None)
    return 0


def _write(document: ExplanationDocument) -> None:
    write_artefact(json_document(document), None)
