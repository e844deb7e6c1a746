"""`crplan host`: what this machine can do, as JSON, for `crplan check --host` anywhere."""

import argparse

from planner.cli.streams import say
from planner.cli.terminal import write_artefact
from planner.host.facts import encode
from planner.host.record import record
from planner.plugins import Registry
from planner.text import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whole or not at all")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being tried")


def run(args: argparse.Namespace, registry: Registry) -> int:
    """Record and write; what cannot be found out is unknown in the file, and no failure."""
    write_artefact(encode(record(_say if args.verbose else lambda words: None)), args.output)
    return 0


def _say(words: str) -> None:
    say(shown(words))
