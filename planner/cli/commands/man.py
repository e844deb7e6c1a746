"""`crplan man`: the manual page; `crplan man | man -l -` shows it."""

import argparse

from planner.cli.arguments import all_commands
from planner.cli.manual import page
from planner.cli.terminal import write_artefact
from planner.plugins import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write the page."""
    write_artefact(page(all_commands(registry)), args.output)
    return 0
