"""Completion scripts of shells, made from the arguments of the commands; nothing runs while the user types."""

import shlex
from collections.abc import Iterator, Mapping

from planner.cli.arguments import Argument
from planner.cli.commands import COMMANDS

SHELLS = ("bash", "zsh", "fish")

Commands = Mapping[str, tuple[Argument, ...]]


def script(shell: str, commands: Commands) -> str:
    """Return the completion script of a shell, one of `SHELLS`."""
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)
    return "".join(f"{line}\n" for line in lines)


def _flags(arguments: tuple[Argument, ...]) -> list[str]:
    return [flag for argument in arguments for flag in argument.flags]


def _bash(commands: Commands) -> Iterator[str]:
    first = next(iter(commands))
    yield '# Completion of crplan for bash: eval "$(crplan completion bash)"'
    yield "_crplan() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command="
    yield "    local position"
    yield "    for ((position = 1; position < COMP_CWORD; position++)); do"
    yield "        case ${COMP_WORDS[position]} in"
    yield f"            {'|'.join(commands)}) command=${{COMP_WORDS[position]}}; break ;;"
    yield "            --color) ((position++)) ;;"
    yield "            -*) ;;"
    yield f"            *) command={first}; break ;;"
    yield "        esac"
    yield "    done"
    yield "    local words="
    yield "    case $command:$before in"
    for name, arguments in commands.items():
        for argument in arguments:
            if argument.flags and argument.metavar:
                pattern = "|".join(f"{name}:{flag}" for flag in argument.flags)
                if argument.values:
                    yield f"        {pattern}) words={shlex.quote(' '.join(argument.values))} ;;"
                elif argument.metavar == "FILE":
                    yield f"        {pattern}) COMPREPLY=(); compopt -o default; return ;;"
                else:
                    yield f"        {pattern}) COMPREPLY=(); return ;;"
    yield "        *)"
    yield "            case $command in"
    for name, arguments in commands.items():
        values = [value for argument in arguments if not argument.flags for value in argument.values]
        yield f"                {name}) words={shlex.quote(' '.join([*_flags(arguments), *values]))} ;;"
    top = " ".join([*commands, *_flags(commands[first]), "--version"])
    yield f"                *) words={shlex.quote(top)} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")'
    yield "    [[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o default"
    yield "}"
    yield "complete -F _crplan crplan checkpointctl-plan"


def _zsh(commands: Commands) -> Iterator[str]:
    yield "#compdef crplan checkpointctl-plan"
    yield '# Completion of crplan for zsh: crplan completion zsh > "${fpath[1]}/_crplan"'
    yield "_crplan() {"
    yield "    local -a commands"
    listed = " ".join(shlex.quote(f"{name}:{_zsh_text(words)}") for name, words in COMMANDS.items())
    yield f"    commands=({listed})"
    first = next(iter(commands))
    yield f"    local position command={first}"
    yield "    for (( position = 2; position < CURRENT; position++ )); do"
    yield "        case $words[position] in"
    yield f"            {'|'.join(commands)}) command=$words[position]; break ;;"
    yield "            --color) (( position++ )) ;;"
    yield "            -*) ;;"
    yield "            *) break ;;"
    yield "        esac"
    yield "    done"
    yield "    if (( position == CURRENT )) && [[ $words[CURRENT] != -* ]]; then"
    yield "        _describe -t commands command commands"
    yield "        _files"
    yield "        return"
    yield "    fi"
    yield "    case $command in"
    for name, arguments in commands.items():
        yield f"        {name}) _arguments {_zsh_arguments(arguments)} ;;"
    yield "    esac"
    yield "}"
    yield '_crplan "$@"'


def _zsh_arguments(arguments: tuple[Argument, ...]) -> str:
    specifications = []
    for argument in arguments:
        action = (
            f"({' '.join(argument.values)})" if argument.values else "_files" if argument.metavar in {"FILE", "IMAGE"} else ""
        )
        value = f":{_zsh_text(argument.metavar)}:{action}" if argument.metavar else ""
        if not argument.flags:
            specifications.append(f"*{value}")
        for flag in argument.flags:
            specifications.append(f"*{flag}[{_zsh_text(argument.help)}]{value}")
    return " ".join(map(shlex.quote, specifications))


def _zsh_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("[", "\\[").replace("]", "\\]")


def _fish(commands: Commands) -> Iterator[str]:
    first = next(iter(commands))
    yield "# Completion of crplan for fish: crplan completion fish > ~/.config/fish/completions/crplan.fish"
    others = " ".join(name for name in commands)
    for name, words in COMMANDS.items():
        yield (
            f"complete -c crplan -n {_fish_text(f'not __fish_seen_subcommand_from {others}')} -a {name} -d {_fish_text(words)}"
        )
    for name, arguments in commands.items():
        seen = f"__fish_seen_subcommand_from {name}"
        if name == first:
            seen = f"{seen}; or not __fish_seen_subcommand_from {others}"
        for argument in arguments:
            parts = [f"complete -c crplan -n {_fish_text(seen)}"]
            parts += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in argument.flags]
            if argument.flags and argument.metavar:
                parts.append("-r" if argument.metavar == "FILE" else "-x")
            if argument.values:
                parts.append(f"-a {_fish_text(' '.join(argument.values))}")
            if argument.flags or argument.values:
                yield " ".join([*parts, f"-d {_fish_text(argument.help)}"])


def _fish_text(text: str) -> str:
    """Quote for fish, whose single quotes know two escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
