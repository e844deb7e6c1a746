"""The arguments of every command as records, for what is made from them beside `--help`: completion and the manual page."""

import argparse
from collections.abc import Iterator

import msgspec

from planner.cli.commands import COMMANDS
from planner.cli.main import parser_of
from planner.plugins import Registry


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """An option, or a positional argument where `flags` is empty.

    `metavar` is what stands for its value, "" for a switch. `values` are the words that it takes, () where those are any or none.
    """

    flags: tuple[str, ...]
    metavar: str
    help: str
    values: tuple[str, ...] = ()


def of_command(command: str, registry: Registry) -> Iterator[Argument]:
    """Yield the arguments of a command, with the names of what is installed where an argument takes such a name."""
    installed = {
        ("plan", "--emit"): tuple(record.name for record in registry.backends),
        ("check", "--format"): tuple(record.name for record in registry.reports),
        ("run", "--executor"): tuple(record.name for record in registry.executors),
    }
    for action in parser_of(command)._actions:
        if action.help == argparse.SUPPRESS:
            continue
        flags = tuple(action.option_strings)
        values = tuple(map(str, action.choices or ()))
        for flag in flags:
            values = installed.get((command, flag), values)
        yield Argument(flags=flags, metavar=_metavar(action), help=_help(action), values=values)


def _metavar(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def all_commands(registry: Registry) -> dict[str, tuple[Argument, ...]]:
    """Return the arguments of every command, in the order of `crplan --help`."""
    return {command: tuple(of_command(command, registry)) for command in COMMANDS}
