"""Checks: what a restore by CRIU would refuse or get wrong, and what a rebuild or a restore would meet on a host."""

from collections.abc import Iterator

from planner.findings.registry import Answer
from planner.findings.verdicts import BY_CRIU
from planner.hookspecs import Check, CheckRequest, hookimpl


@hookimpl
def crplan_checks() -> tuple[Check, ...]:
    """Return the checks."""
    from crplan_checks import kinds, kinds_checkpoint, kinds_dump, kinds_held, kinds_machine, kinds_trust

    return (
        Check(
            name="criu",
            help="what `criu restore` would refuse or get wrong, by the image alone",
            check=_criu,
            kinds=kinds.CRIU,
            consumers=BY_CRIU,
            priority=20,
        ),
        Check(
            name="host",
            help="what `crplan run` needs and the host lacks",
            check=_host,
            kinds=kinds.HOST,
            consumers=("run", "run-into"),
            priority=30,
        ),
        Check(
            name="numbers",
            help="numbers that are taken in the pid namespace that the tree is to go to, or above its limit",
            check=_numbers,
            kinds=kinds.NUMBERS,
            consumers=(*BY_CRIU, "run", "run-into"),
            priority=40,
        ),
        Check(
            name="criu-host",
            help="what `criu restore` needs and the host lacks",
            check=_criu_host,
            kinds=kinds.CRIU_HOST,
            consumers=BY_CRIU,
            priority=50,
        ),
        Check(
            name="criu-held",
            help="files, addresses and registers that `criu restore` needs and the host lacks",
            check=_criu_held,
            kinds=kinds_held.HELD,
            consumers=BY_CRIU,
            priority=55,
        ),
        Check(
            name="criu-machine",
            help="cgroups, a processor, limits and tools that `criu restore` needs and the host lacks",
            check=_criu_machine,
            kinds=kinds_machine.MACHINE,
            consumers=BY_CRIU,
            priority=56,
        ),
        Check(
            name="trust",
            help="what an archive of a stranger would have the machine do that restores it",
            check=_trust,
            kinds=kinds_trust.TRUST,
            consumers=("trust",),
            priority=70,
        ),
        Check(
            name="criu-dump",
            help="what `criu dump` would refuse of a running tree",
            check=_criu_dump,
            kinds=kinds_dump.DUMP,
            consumers=("criu-dump",),
            priority=60,
        ),
        Check(
            name="checkpoint",
            help="what `crplan checkpoint` would refuse of a running tree that it dumps in parts",
            check=_checkpoint,
            kinds=kinds_checkpoint.CHECKPOINT,
            consumers=("checkpoint",),
            priority=65,
        ),
    )


def _criu(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.criu import check
    from crplan_checks.criu_plugins import known
    from crplan_checks.criu_versions import doubted, version

    assert request.invocation is not None
    answers = known(check(request.artefact, request.invocation), request.artefact.forest, request.host, request.invocation)
    return doubted(answers, None if request.host is None else version(request.host.tools.get("criu")))


def _host(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.host import check

    return check(request.artefact, request.host)


def _numbers(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.numbers import check

    assert request.invocation is not None
    return check(request.artefact, request.host, request.invocation)


def _criu_host(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.criu_host import check

    assert request.invocation is not None
    return check(request.artefact, request.host, request.invocation)


def _criu_held(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.criu_held import check

    assert request.invocation is not None
    return check(request.artefact, request.host, request.invocation)


def _criu_machine(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.criu_machine import check

    assert request.invocation is not None
    return check(request.artefact, request.host, request.invocation)


def _trust(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.trust import check

    return check(request.artefact.forest, request.artefact.contents)


def _criu_dump(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.criu_dump import check

    assert request.invocation is not None
    return check(request.artefact.forest, request.invocation)


def _checkpoint(request: CheckRequest) -> Iterator[Answer]:
    from crplan_checks.checkpoint import check

    assert request.invocation is not None
    return check(request.artefact.forest, request.invocation)
