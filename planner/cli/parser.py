"""The parser of a command's arguments; its messages also work where a standard stream is closed."""

import argparse
from typing import NoReturn

from planner.cli import streams
from planner.text import shown


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; argparse itself would import shutil for that, also where no help is asked for."""

    def __init__(self, prog: str) -> None:
        """Begin the help of a program."""
        super().__init__(prog, width=streams.columns(80) - 2)


class Parser(argparse.ArgumentParser):
    """An argument parser that shows arguments escaped, and fails as every command does where its help cannot be written."""

    def print_help(self, file: object = None) -> None:
        """Write the help to standard output; raises as `streams.write` does."""
        streams.write(self.format_help().encode())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end the command with 2."""
        streams.say(*map(shown, self.format_usage().splitlines()), shown(f"{self.prog}: error: {message}"))
        raise SystemExit(2)
