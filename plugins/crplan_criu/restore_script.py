"""Back end `criu`: a restore through criu as one shell script, which is run on a machine without crplan. Experimental.

The files and commands are those of `crplan restore` (`planner.checkpoint.restoring`), with words in place of what is known only
on the machine. The text is a pure function of the forest, and numbers are all that it takes from an image.
"""

import shlex
from collections.abc import Iterable, Iterator
from pkgutil import get_data
from typing import Final

from planner.checkpoint.commands import entered, foreign_kinds
from planner.checkpoint.parts import Part, parts_of
from planner.checkpoint.plain import shared
from planner.checkpoint.restoring import Places, files, led_from_outside, outermost, refuse_parts, refuse_plain, standing
from planner.checks.criu_options import parse
from planner.errors import CannotEmit, UsageError
from planner.forest.model import Forest
from planner.hookspecs import Artefact

END: Final = "END_OF_FILE"
"""The line that ends a file in the script."""

HEAD: Final = """\
#!/bin/sh
# Restores images of CRIU through criu, as root: sh SCRIPT DIRECTORY. Experimental. It needs no crplan.
#
"""

ABOUT: Final = """\
#
# All stands still until numbers, parents, groups, sessions, threads and dead tasks have been compared through /proc. On any
# difference, and where this script is interrupted, everything that it made is ended. Otherwise it prints `ready` and the number
# of the root; the tree runs on in the cgroup of this shell.
#
# It takes criu (CRPLAN_CRIU names another), a cgroup hierarchy that can freeze, util-linux, awk, diff{needs}.
# Not handled: a root file system other than the host's, external mounts, user namespaces, cgroups of the image.
# `crplan restore DIRECTORY` does more: it judges the image for the machine{digests}, tries again where
# another process took a number, sees an init that cannot end, and undoes what a script leaves that is killed by SIGKILL
# (the cgroup restore-PID below that of the shell, and /run/restore.*).
# shellcheck disable=SC2317,SC2329
set -eu
"""


def emit(artefact: Artefact, options: str = "") -> str:
    """Return the script; `options` are those for criu, as one word. Raises CannotEmit for what criu or a restore cannot do."""
    forest = artefact.forest
    plain = forest.format == "criu"
    _refuse(forest, plain=plain)
    places = _places(options, plain=plain)
    parts = parts_of(forest)
    about = ABOUT.format(
        needs="" if plain else ",\n# CRIU 3.14 or later in a dynamically linked build, and a C compiler (cc)",
        digests="" if plain else ", compares the digests of the parts",
    )
    return "".join(
        (
            HEAD,
            *_order(forest, parts),
            about,
            f"\nparts='{' '.join(part.name for part in parts)}'\n",
            f"plain={'yes' if plain else 'no'}\n",
            f"length_of_root={len(forest.tasks[forest.root].pids)}\n\n",
            *_function("write_files", _puts(forest, places)),
            *_function("expected", [_document("cat", "".join(expected(forest)))]),
            _data("restore_script.sh", "crplan_criu"),
        )
    )


def _refuse(forest: Forest, *, plain: bool) -> None:
    if forest.images:
        raise CannotEmit("back end criu takes one image; `crplan restore` takes those of a pod together")
    if not plain and forest.format != "checkpoint":
        given = forest.source or "a plan alone"
        raise CannotEmit(f"back end criu is for images of criu and of `crplan checkpoint`; what was given is {given}")
    if not plain:
        kinds = {part.name: entered(forest, part, foreign_kinds(forest, part)) for part in parts_of(forest)[1:]}
        refuse_parts(forest, kinds, forest.image_facts.get("criu", ""))
        return
    refuse_plain(forest)
    if key := shared(forest):
        raise CannotEmit(f"the image joins the pid namespace {key!r}; `crplan restore` takes the images of a pod together")


def _places(given: str, *, plain: bool) -> Places:
    """Return words that the script replaces on its machine; raises CannotEmit for options that it cannot hold."""
    try:
        options = parse(given)
    except UsageError as error:
        raise CannotEmit(str(error)) from None
    if "\n" in given:
        raise CannotEmit("option criu-options of back end criu: a line's end cannot be written into the script")
    return Places(
        work="@WORK@",
        image="@IMAGE@",
        cgroup="@CGROUP@",
        outside="@OUTSIDE@",
        freeze_file="@FREEZE_FILE@",
        freeze_word="@FREEZE_WORD@",
        criu="@CRIU@",
        options=options,
        plain=plain,
    )


def _order(forest: Forest, parts: tuple[Part, ...]) -> Iterator[str]:
    """Yield a line of the head for each part, in the order in which they are restored."""
    for part in parts:
        pids = "/".join(map(str, forest.tasks[part.root].pids))
        born = f", a child of task {part.parent} in {part.enclosing}" if part.enclosing else ""
        yield f"# {part.name}: {len(part.tasks)} task{'' if len(part.tasks) == 1 else 's'}, root {pids}{born}\n"


def _puts(forest: Forest, places: Places) -> Iterator[str]:
    """Yield the commands that write the files of the private directory, those that start criu last."""
    for name, content in files(forest, places).items():
        if not (places.plain and name.endswith(".table")):
            yield _document(f"put {name}", content)
    for name, mounts in (("start", False), ("start-mounts", True)):
        enter = f"echo $$ > {places.work}/criu.pid\necho 0 > {places.cgroup_of('part0')}/cgroup.procs || exit 1\n"
        yield _document(f"put {name}", f"{enter}exec {shlex.join(outermost(places, mounts=mounts))}\n")
    if not places.plain:
        yield _document("put numbers.c", _data("checkpoint/numbers.c", "planner"))


def expected(forest: Forest) -> Iterator[str]:
    """Yield the lines by which the script compares what stands: each task and each thread, with numbers outermost first."""
    for pids, parent, group, session, zombie, status, threads in standing(forest, led_from_outside(forest)).values():
        mine = "/".join(map(str, pids))
        above = parent if parent in forest.tasks else 0
        yield f"task {mine} parent {above} group {group} session {session} {'dead' if zombie else 'alive'} {status}\n"
        for thread in threads:
            yield f"thread {'/'.join(map(str, thread))} of {mine}\n"


def _document(command: str, content: str) -> str:
    """Return a command of the script that is given a text as it stands."""
    return f"{command} <<'{END}'\n{content}{END}\n"


def _function(name: str, body: Iterable[str]) -> tuple[str, ...]:
    return (f"{name}() {{\n", *body, "}\n\n")


def _data(name: str, package: str) -> str:
    data = get_data(package, name)
    assert data is not None
    return data.decode()
