"""`crplan completion SHELL`: the completion script of a shell, with the names of what is installed now."""

import argparse

from planner.cli.arguments import all_commands
from planner.cli.completion import SHELLS, script
from planner.cli.terminal import write_artefact
from planner.plugins import Registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Write the script to standard output."""
    write_artefact(script(args.shell, all_commands(registry)), None)
    return 0
