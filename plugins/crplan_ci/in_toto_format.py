"""The report and the plan as in-toto Statements, version 1, for tools that sign and verify attestations (cosign, policy engines).

Subjects are the files that were given, by their sha256. An image from standard input has no file, and is named by the digests of
its process tree and of all that was recorded of it. The predicate is the report as `json` has it, or the plan as `--emit json`
has it. Source: in-toto attestation framework, spec/v1/statement.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from planner.findings.problems import Problem
from planner.findings.report import FORMAT_VERSION, ImageReport, Report, Subject
from planner.hookspecs import Artefact
from planner.options import Options
from planner.plans import model
from planner.plans.document import KIND, PlanDocument, document
from planner.text import Terminal, json_document

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = f"urn:crplan:check:v{FORMAT_VERSION}"
PREDICATE_OF_PLAN: Final = f"urn:crplan:plan:v{model.FORMAT_VERSION}"


def render(report: Report, options: Options, terminal: Terminal) -> bytes:
    """Return the statement where no files are known; a report on no image has no subject."""
    return attest(report, {})


def attest(report: Report, files: Mapping[str, Sequence[Subject]]) -> bytes:
    """Return the statement; `files` are those of each image by the name that the report gives it."""
    whole = msgspec.structs.replace(report, images=tuple(report.images))
    subjects = [subject for image in whole.images for subject in _subjects(image, files.get(image.image, ()))]
    once = {json_document(subject): subject for subject in subjects}
    return _statement(list(once.values()), PREDICATE, whole)


def emit(artefact: Artefact, options: Options, terminal: Terminal) -> bytes:
    """Return the statement on a plan."""
    subjects = [_of_file(file) for file in artefact.subjects]
    named = {"name": artefact.plan.image_id, "digest": {"crplanImageId": artefact.plan.image_id}}
    plan = document(artefact.plan, artefact.findings, proved=artefact.proved)
    return _statement(subjects or [named], PREDICATE_OF_PLAN, plan)


def emit_problem(problem: Problem) -> bytes:
    """Return the statement that holds an error instead of a plan; it is about nothing."""
    return _statement([], PREDICATE_OF_PLAN, PlanDocument(kind=KIND, format_version=model.FORMAT_VERSION, error=problem))


def _statement(subjects: list[dict[str, Any]], predicate_type: str, predicate: object) -> bytes:
    names = Counter(subject["name"] for subject in subjects)
    for subject in subjects:
        if names[subject["name"]] > 1:
            # A name that is set is to be one subject's alone; subjects are matched by their digests.
            subject.pop("name")
    return json_document(
        {"_type": STATEMENT, "subject": subjects, "predicateType": predicate_type, "predicate": msgspec.to_builtins(predicate)}
    )


def _subjects(image: ImageReport, files: Sequence[Subject]) -> list[dict[str, Any]]:
    if files:
        return [_of_file(file) for file in files]
    if not image.image_id:
        return []
    digest = {"crplanImageId": image.image_id}
    return [{"name": image.image, "digest": digest | ({"crplanContentId": image.content_id} if image.content_id else {})}]


def _of_file(file: Subject) -> dict[str, Any]:
    return {"name": file.name, "digest": {"sha256": file.sha256}}
