"""The manual page, in the macros of man(7), from the same parsers as every `--help`."""

from collections.abc import Iterator, Mapping

from planner import __version__
from planner.cli.arguments import Argument
from planner.cli.commands import COMMANDS
from planner.cli.main import EXIT_CODES


def page(commands: Mapping[str, tuple[Argument, ...]]) -> str:
    """Return the page; equal commands give equal bytes."""
    return "".join(f"{line}\n" for line in _lines(commands))


def _lines(commands: Mapping[str, tuple[Argument, ...]]) -> Iterator[str]:
    yield f'.TH CRPLAN 1 "" "crplan {_text(__version__)}" "User Commands"'
    yield ".SH NAME"
    yield r"crplan \- plan the restart of a checkpointed tree of processes"
    yield ".SH SYNOPSIS"
    yield ".B crplan"
    yield r".RI [ OPTIONS ] \ IMAGE \ [ IMAGE \ ... ]"
    yield ".br"
    yield ".B crplan"
    yield r".IR COMMAND \ [ ARGUMENTS ]"
    yield ".SH DESCRIPTION"
    yield "Reads a checkpoint image, plans in which order its tasks must be created again, by which process and with which pids,"
    yield "proves the plan on a model kernel, and writes it in any form or carries it out."
    yield "IMAGE is recognised by its content; \\- reads standard input. Several are the containers of one pod, and are planned"
    yield "together when they share a pid namespace."
    yield ".SH COMMANDS"
    first = next(iter(commands))
    for name, arguments in commands.items():
        positional = " ".join(argument.metavar for argument in arguments if not argument.flags)
        yield f'.SS "crplan {_text(f"{name} {positional}".rstrip())}"'
        words = COMMANDS[name]
        yield _sentence(words[0].upper() + words[1:] + ".")
        if name == first:
            yield f"This is what \\fBcrplan {_text(positional)}\\fR means."
        for argument in arguments:
            yield from _argument(argument)
    yield ".SH EXIT STATUS"
    for line in EXIT_CODES.splitlines()[1:]:
        number, _, words = line.strip().partition("  ")
        yield ".TP"
        yield f".B {_text(number)}"
        yield _sentence(words.strip() + ".")
    yield ".SH ENVIRONMENT"
    for variable, words in (
        ("CRPLAN_DRY_RUN", "Set to 1, crplan run and the programs that crplan writes print their steps and do nothing."),
        ("CRPLAN_TIMEOUT", "Seconds without progress after which a step of a rebuild has failed; 30 where it is not set."),
        ("CRPLAN_DISABLE_PLUGINS", "Names of plugins that are not to be imported, separated by commas."),
        ("NO_COLOR, FORCE_COLOR", "Decide on colours where --color is auto."),
        ("GITHUB_STEP_SUMMARY", "The file to which crplan check --format github appends its summary."),
    ):
        yield ".TP"
        yield f".B {_text(variable)}"
        yield _sentence(words)


def _argument(argument: Argument) -> Iterator[str]:
    yield ".TP"
    if argument.flags:
        value = f" \\fI{_text(argument.metavar)}\\fR" if argument.metavar else ""
        yield ", ".join(f"\\fB{_text(flag)}\\fR{value}" for flag in argument.flags)
    else:
        yield f"\\fI{_text(argument.metavar)}\\fR"
    yield _sentence(argument.help)


def _text(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")


def _sentence(text: str) -> str:
    """Return a line of text, which must not begin like a request."""
    shown = _text(text)
    return f"\\&{shown}" if shown[:1] in {".", "'"} else shown
