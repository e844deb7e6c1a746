"""Reader of CRIU image directories and engines' archives, and back end `criu`, a restore through criu as a script."""

from collections.abc import Iterator
from typing import Final

from planner.events.records import AnyEvent
from planner.hookspecs import Artefact, BackEnd, Member, Reader, ReadRequest, Source, hookimpl
from planner.options import Option, Options
from planner.text import Terminal

CRIU_OPTIONS: Final = Option(name="criu-options", help="options for each criu restore, as one word")


def _recognises(source: Source) -> bool:
    from crplan_criu.recognise import recognises
    from planner.checkpoint.manifest import there

    return not (source.directory and there(source.directory)) and recognises(source)


def _recognises_parts(source: Source) -> bool:
    from planner.checkpoint.manifest import there

    return bool(source.directory) and there(source.directory)


def _read_parts(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_criu.in_parts import read

    return read(source, request)


def _members_of_parts(source: Source) -> Iterator[Member]:
    from crplan_criu.in_parts import members

    return members(source)


def _whole_in_parts(path: str) -> bool:
    from planner.checkpoint.manifest import there

    return there(path)


def _read(source: Source, request: ReadRequest) -> Iterator[AnyEvent]:
    from crplan_criu.read import read

    return read(source, request)


def _members(source: Source) -> Iterator[Member]:
    from crplan_criu.read import members

    return members(source)


def _whole(path: str) -> bool:
    from crplan_criu.search import kind_of

    return kind_of(path) is not None


def _advise(source: Source) -> str:
    from crplan_criu.advice import advise

    return advise(source)


def _emit(artefact: Artefact, options: Options, terminal: Terminal) -> str:
    from crplan_criu.restore_script import emit

    return emit(artefact, str(options.get("criu-options", "")))


@hookimpl
def crplan_backends() -> tuple[BackEnd, ...]:
    """Return the back end."""
    return (
        BackEnd(
            name="criu",
            help="a shell script that restores images of criu through criu, compared before they run (experimental)",
            emit=_emit,
            options=(CRIU_OPTIONS,),
            executable=True,
        ),
    )


@hookimpl
def crplan_readers() -> tuple[Reader, ...]:
    """Return the readers."""
    return (
        Reader(
            name="checkpoint",
            help="checkpoints in parts of `crplan checkpoint`: a directory with crplan-checkpoint.json",
            recognises=_recognises_parts,
            read=_read_parts,
            members=_members_of_parts,
            whole=_whole_in_parts,
            priority=55,
        ),
        Reader(
            name="criu",
            help="CRIU and Virtuozzo image directories, container checkpoint archives (tar, gzip, zstd, OCI layout)",
            recognises=_recognises,
            read=_read,
            members=_members,
            whole=_whole,
            advise=_advise,
            containers=True,
            priority=60,
        ),
    )
