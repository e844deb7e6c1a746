"""The command line: which command, which plugins, and what the exit code says.

Nothing that only some commands need is imported here: `crplan --version` is to be as quick as Python itself.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from planner.cli import streams
from planner.cli.commands import COMMANDS

if TYPE_CHECKING:
    import argparse

    from planner.plugins import Registry

EXIT_CODES: Final = """\
exit codes:
  0  done
  1  the job could not be done: bytes that cannot be decoded into facts, a plugin that fails, a rebuild that fails
  2  usage error
  3  the facts are there, and they cannot be restarted
  4  differs
"""

COULD_NOT: Final = 1
GATE_ACTION: Final = "pre-restore"
"""The point of a restore at which CRIU's action script is listened to."""
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
"""As if SIGPIPE had ended the command: the reader of its output has ended."""

_SWITCHES: Final = frozenset({"--no-plugins", "--exit-zero"})

PLUGIN_DESCRIBED = 42
"""The exit code by which checkpointctl knows that a plugin has described itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for bad input."""
    # A run makes many records that live to its end and hardly any cycle: collecting would only cost time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _guarded(list(sys.argv[1:] if argv is None else argv))
    finally:
        if collecting:
            gc.enable()


def gate() -> int:
    """Run `crplan gate`: CRIU's action script is a program that is given no arguments.

    CRIU calls it at every point of dump and restore; where there is nothing to say it ends at once.
    """
    if os.environ.get("CRTOOLS_SCRIPT_ACTION", GATE_ACTION) != GATE_ACTION:
        return 0
    return main(["gate", *sys.argv[1:]])


def _guarded(argv: list[str]) -> int:
    """Turn what may happen to any command into an exit code."""
    streams.occupy()
    try:
        code = _dispatch(argv)
        if sys.stdout is not None:
            sys.stdout.flush()  # a plugin may have written something
        return code
    except BrokenPipeError:
        streams.silence(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except MemoryError:
        _say("not enough memory")
        return COULD_NOT
    except OSError as error:
        if error.filename == streams.OUTPUT_NAME:
            streams.silence(sys.stdout)
        name = f"{error.filename}: " if error.filename else ""
        _say(f"{name}{error.strerror or error}")
        return COULD_NOT
    except Exception as error:  # a defect of our own is one line, too
        if os.environ.get("CRPLAN_DEBUG"):
            raise
        _say(f"defect of crplan: {type(error).__name__}: {error} (CRPLAN_DEBUG=1 shows where)")
        return COULD_NOT


def _import_records() -> None:
    """Import msgspec with SIGINT held back: what a signal raises within that import is lost, and its extension fails later on."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        import msgspec  # noqa: F401 - for those that import it next
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _say(words: str) -> None:
    _import_records()
    from planner.text import shown

    streams.say(shown(f"crplan: {words}"))


def _dispatch(argv: list[str]) -> int:
    leading, rest = _leading(argv)
    if rest[:1] in (["-h"], ["--help"]):
        streams.write(_usage().encode())
        return 0
    if rest[:1] in (["-V"], ["--version"]):
        from planner import __version__

        streams.write(f"crplan {__version__}\n".encode())
        return 0
    if rest[:1] == ["--plugin-description"]:
        streams.write(b"Plan the restart of a checkpoint, and prove it\n")
        return PLUGIN_DESCRIBED
    _import_records()
    from planner.text import shown

    if not rest:
        streams.say(*map(shown, _usage().splitlines()))
        return 2
    explicit = rest[0] in COMMANDS
    if not explicit and (meant := _meant(rest[0])):
        _say(f"there is no command and no file {rest[0]}; did you mean {meant}?")
        return 2
    command = rest[0] if explicit else next(iter(COMMANDS))
    return _run(command, explicit, leading + (rest[1:] if explicit else rest))


def _meant(word: str) -> str:
    """Return the command that a word which names no file is a typing error of, "" where it is none."""
    if not word.isalpha() or not word.isascii() or os.path.lexists(word):
        return ""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, COMMANDS, 1, 0.7)), "")


def _leading(argv: list[str]) -> tuple[list[str], list[str]]:
    """Split off the options that may stand before the command."""
    end = 0
    while end < len(argv):
        if argv[end] in _SWITCHES or argv[end].startswith("--color="):
            end += 1
        elif argv[end] == "--color" and end + 1 < len(argv):
            end += 2
        else:
            break
    return argv[:end], argv[end:]


def parser_of(command: str, explicit: bool = True) -> "argparse.ArgumentParser":
    """Return the parser of a command; without `explicit` that of `crplan IMAGE`. Help, manual and completion come from it."""
    from importlib import import_module

    from planner.cli.parser import Formatter, Parser

    parser = Parser(
        prog=f"crplan {command}" if explicit else "crplan",
        description=(COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".") if explicit else _usage(),
        epilog=EXIT_CODES,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    import_module(f"planner.cli.commands.{command}").add_arguments(parser)
    common = parser.add_argument_group("for every command")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours of human-readable output")
    common.add_argument("--no-plugins", action="store_true", help="load only what comes with crplan itself")
    common.add_argument("--exit-zero", action="store_true", help="exit with 0 instead of 3 or 4")
    return parser


def _run(command: str, explicit: bool, arguments: list[str]) -> int:
    from importlib import import_module

    parser = parser_of(command, explicit)
    # Images may stand between options; where `--` ends the options, not every Python can tell them from each other like that.
    parse = parser.parse_args if "--" in arguments else parser.parse_intermixed_args
    try:
        args = parse(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    code = _with_plugins(command, import_module(f"planner.cli.commands.{command}").run, args)
    return 0 if args.exit_zero and code in {3, 4} else code


def _with_plugins(command: str, run: "Runner", args: "argparse.Namespace") -> int:
    from planner.errors import EXPECTED, UsageError
    from planner.findings.problems import lines, problem_of
    from planner.plugins import load

    registry = load(third_party=not args.no_plugins)
    if command != "plugins":
        for report in registry.broken():
            _say(f"plugin {report.name} ({report.distribution} {report.version}) is not fully loaded: {report.reason}")
    try:
        return run(args, registry)
    except UsageError as error:
        _say(error.message)
        return 2
    except EXPECTED as error:
        problem = problem_of(error)
        from planner.cli.image_job import image_words

        streams.say(*lines(problem, image_words(getattr(args, "images", [command]))))
        return problem.exit_code


def _usage() -> str:
    width = max(map(len, COMMANDS))
    listed = "".join(f"  {name:{width}}  {words}\n" for name, words in COMMANDS.items())
    return (
        "usage: crplan IMAGE [IMAGE ...] [--emit NAME] [--option NAME=VALUE] [-o FILE]\n"
        "       crplan COMMAND [ARGUMENTS]\n\n"
        "Plans the restart of a checkpointed tree of processes: in which order the tasks must be created again,\n"
        "by which process and with which pids; proves the plan on a model kernel; and writes it in any form.\n"
        "IMAGE is recognised by its content; - reads standard input. Several are grouped by what they say.\n\n"
        f"commands:\n{listed}\n"
        "`crplan COMMAND --help` lists the arguments of one; `crplan plan --help` those of `crplan IMAGE`.\n\n"
        f"{EXIT_CODES}"
    )


if TYPE_CHECKING:
    from collections.abc import Callable

    Runner = Callable[["argparse.Namespace", "Registry"], int]


if __name__ == "__main__":
    sys.exit(main())
