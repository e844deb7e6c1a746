"""`crplan plugins`: what is installed, what it provides, and what could not be loaded and why."""

import argparse
from pathlib import Path

import msgspec

from planner.checks.ask import known_kinds
from planner.cli.scaffold import HOOKS, write
from planner.cli.terminal import write_artefact
from planner.errors import UsageError
from planner.findings.manual import document as document_of_findings
from planner.plugins import PluginReport, Registry
from planner.text import escaped, json_document

FORMAT_VERSION = 1


class PluginList(msgspec.Struct, frozen=True, kw_only=True):
    """The list as a document; unknown fields are to be ignored within a `format_version`."""

    kind: str
    format_version: int
    plugins: tuple[PluginReport, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("action", nargs="?", choices=("new",), help="new: write a package with a plugin, to begin with")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the new package's name")
    parser.add_argument("--hook", choices=HOOKS, default="backend", help="what the new plugin provides (backend)")
    parser.add_argument("-o", "--output", default=".", metavar="DIR", help="where the new package goes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write JSON")
    form.add_argument("--findings", action="store_true", help="write every kind of finding, as Markdown")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """List the plugins; the exit code is 0 also where some could not be loaded."""
    if args.action == "new":
        if not args.name:
            raise UsageError("name the package: crplan plugins new NAME --hook HOOK")
        folder = write(args.name, args.hook, Path(args.output))
        write_artefact(
            f"{escaped(str(folder))}: pip install -e {escaped(str(folder))}, then pytest {escaped(str(folder))}\n", None
        )
        return 0
    if args.json:
        document = PluginList(kind="crplan-plugins", format_version=FORMAT_VERSION, plugins=registry.plugins)
        write_artefact(json_document(document), None)
        return 0
    if args.findings:
        owners = {kind.code: check.name for check in registry.checks for kind in check.kinds}
        write_artefact(document_of_findings(known_kinds(registry), owners), None)
        return 0
    write_artefact("".join(f"{line}\n" for report in registry.plugins for line in _lines(report, registry)), None)
    return 0


def _lines(report: PluginReport, registry: Registry) -> list[str]:
    origin = "built in" if report.built_in else f"{report.distribution} {report.version}"
    result = [
        f"{escaped(report.name)} ({escaped(origin)}): {report.status}{': ' + escaped(report.reason) if report.reason else ''}"
    ]
    helps = {
        f"{word} {record.name}": record.help
        for word, records in (
            ("reader", registry.readers),
            ("back end", registry.backends),
            ("check", registry.checks),
            ("report format", registry.reports),
            ("executor", registry.executors),
        )
        for record in records
    }
    result += [f"    {provided}: {escaped(helps[provided])}" for provided in report.provides]
    return result
