"""The commands, each a module of the same name with `add_arguments(parser)` and `run(args, registry)`.

A module is imported when its command is used. `run` returns the exit code; what it may raise is in `planner.cli.main`.
"""

from typing import Final

COMMANDS: Final = {
    "plan": "plan an image: a human-readable preview, or what --emit names",
    "log": "write the event log of an image: what it says and what was decided",
    "check": "report the problems of an image, on this host or another, human-readable or for pipelines",
    "host": "record what this machine can do, for `crplan check --host` elsewhere",
    "explain": "say why a step is there or who creates a process, and from which facts",
    "run": "rebuild the tree for real, and hold it",
    "inspect": "show what the processes of an image hold: files, sockets, memory, mounts",
    "list": "list the checkpoints inside an input, by the names that select them",
    "fleet": "look at many images with many processes, keep a table of them, and report on it",
    "diff": "compare two images, logs or plans, and say what changes in the plan",
    "capture": "read a running tree of processes from /proc as an event log",
    "checkpoint": "dump a running tree through CRIU, nested pid namespaces included, as one image",
    "gate": "stop a restore by CRIU that would fail, as CRIU's action script",
    "plugins": "list what is installed",
    "completion": "write the completion of a shell: bash, zsh or fish",
    "man": "write the manual page, of the same source as every --help",
}
"""What `crplan --help` says of each command; the first is what `crplan IMAGE` means."""
