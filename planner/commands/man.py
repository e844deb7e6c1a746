"""`crplan man`: the manual page; `crplan man | man -l -` shows it."""

import argparse

from planner.plugins import Registry
from planner.terminal import write_artefact


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write the page."""
    from planner.arguments import all_commands
    from planner.manual import page

    write_artefact(page(all_commands(registry)), args.output)
    return 0
