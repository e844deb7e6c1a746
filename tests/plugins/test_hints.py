"""Every hint of a finding that decides a verdict, followed: it leads to "ok", or it says honestly that nothing does.

`BEFORE` has a case for each code in which the code decides or asks; `AFTER` the same case when the hint was followed.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.events.records import (
    AnyEvent,
    FactRecorded,
    ImageOpened,
    NamespaceRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
)
from planner.findings.report import ImageReport
from planner.findings.verdicts import ConsumerName
from planner.host.facts import Answers, ExecutorFact, Host
from planner.identity import NamespaceId, ProcessId
from planner.plugins import load
from planner.testing.forests import events
from tests.helpers.criu_images import criu_image
from tests.helpers.verdicts import report_of
from tests.plugins.test_checks_host import ABLE, NO, change, feature, limits


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An image, and how it is brought back."""

    image: list[AnyEvent]
    consumer: ConsumerName = "criu-restore"
    options: tuple[str, ...] | None = ()
    host: Host | None = None
    complete: bool = False

    def report(self) -> ImageReport:
        return report_of(self.image, self.consumer, self.options, self.host, complete=self.complete)


def tree(text: str, *, own: bool = True, **fields: Any) -> Case:
    return Case(image=criu_image(text, own_pid_namespace=own), **fields)


def fact(property: str, value: str, *, pid: int = 0, text: str = "1 2:1", **fields: Any) -> Case:
    *history, last = criu_image(text, own_pid_namespace=fields.pop("own", True))
    return Case(image=[*history, FactRecorded(pid=ProcessId(pid), property=property, value=value, at="x.img#0"), last], **fields)


def header(case: Case, **facts: str) -> Case:
    """Add facts of the whole image."""
    image = [msgspec.structs.replace(each, facts=facts) if isinstance(each, ImageOpened) else each for each in case.image]
    return msgspec.structs.replace(case, image=image)


def also(case: Case, **fields: Any) -> Case:
    return msgspec.structs.replace(case, **fields)


def run(case: Case) -> Case:
    """The same by `crplan run`."""
    return also(case, consumer="run")


def net(created: str) -> Case:
    *history, last = criu_image("1 2:1")
    added: list[AnyEvent] = [
        NamespaceRecorded(kind="net", id=NamespaceId(0), facts={"created": created}, at="ids-1.img#0"),
        TaskNamespacesRecorded(pid=ProcessId(1), namespaces={"net": NamespaceId(0)}, at="ids-1.img#0"),
        TaskNamespacesRecorded(pid=ProcessId(2), namespaces={"net": NamespaceId(5)}, at="ids-2.img#0"),
    ]
    return Case(image=[*history, *added, last])


SHARED = [SharingRecorded(pid=ProcessId(pid), memory=7, files=pid, fs=pid, signal_handlers=7, at="x") for pid in (1, 2)]


def sharing() -> Case:
    *history, last = criu_image("1 2:1")
    return Case(image=[*history, *SHARED, last])


def captured(text: str, *more: AnyEvent, **fields: Any) -> Case:
    """A capture of a running tree."""
    history: list[AnyEvent] = [
        msgspec.structs.replace(each, format="capture") if isinstance(each, ImageOpened) else each for each in events(text)
    ]
    return Case(image=[*history[:-1], *more, history[-1]], consumer="criu-dump", **fields)


def known(case: Case, host: Host = ABLE) -> Case:
    """The same on a host, with the architecture that it has."""
    return also(header(case, architecture="x86_64"), host=host)


PROFILE = "docker-default"
LOADED = change(answers=Answers(profiles={PROFILE: True}))
PODMAN = change(tools={"criu": "4.2", "podman": "yes", "runc": "yes"})


def labelled(host: Host) -> Case:
    """A tree with a task that has a profile of AppArmor, on a host."""
    case = fact("security_label", f"{PROFILE} (enforce)", pid=2)
    return header(also(case, host=host), architecture="x86_64", security_module="apparmor")


def by_podman(host: Host) -> Case:
    """A container that was made with runc, on a host."""
    return header(tree("1 2:1", consumer="podman", host=host), architecture="x86_64", runtime="runc")


def executor(missing: str) -> Host:
    """A host with one executor, which lacks something or nothing."""
    return change(executors=(ExecutorFact(name="python", abilities=("threads", "namespaces"), missing=missing),))


FINE = tree("1 2:1")
VIRTUOZZO = Case(image=criu_image("1 2:1", generation="vz"))
MEMBER = Case(
    image=[
        msgspec.structs.replace(each, facts={"created": "yes", "external": "pod"})
        if isinstance(each, NamespaceRecorded)
        else each
        for each in criu_image("1 2:1")
    ]
)
JOB = tree("10:0/4/4 11:10", own=False)
TOO_MANY = known(FINE, limits(threads_max=11))
SOCKETS = fact("connected TCP sockets", "2")
PARENT_DIES = fact("parent_death_signal", "9", pid=1, options=("--restore-detached",))
TAKEN = known(tree("60", own=False))
HIGH = known(tree("40000", own=False), change(root=False))
RAISED = change(root=False, namespaces=(msgspec.structs.replace(ABLE.namespaces[0], pid_max=1 << 22), ABLE.namespaces[1]))

FOLLOWED: dict[str, tuple[Case, Case]] = {
    "criu-virtuozzo": (VIRTUOZZO, run(VIRTUOZZO)),
    "criu-namespace-of-child": (net("no"), net("yes")),
    "criu-session-leader-elsewhere": (tree("1 2:1s 5:2/9"), run(tree("1 2:1s 5:2/9"))),
    "criu-group-leader-moved": (tree("1 2:1 3:1//2 4:1//4"), run(tree("1 2:1 3:1//2 4:1//4"))),
    "criu-namespace-of-root": (tree("10 11:10"), tree("10 11:10", own=False)),
    "criu-root-dead": (tree("1z"), tree("1 2:1z")),
    "criu-adopted-by-root": (tree("10s 15:10/19", own=False), run(tree("10s 15:10/19", own=False))),
    "criu-exit-status": (tree(f"1 2:1z{200 << 8}"), run(tree(f"1 2:1z{200 << 8}"))),
    "criu-subreaper": (fact("subreaper", "not recorded"), FINE),
    "criu-image-refused": (header(FINE, fdinfo_per_id="no"), FINE),
    "criu-zombie-hang": (tree("1 4:1/4z0 5:1/4z0"), run(tree("1 4:1/4z0 5:1/4z0"))),
    "criu-sharing-lost": (sharing(), run(sharing())),
    "criu-parent-death-signal": (PARENT_DIES, also(PARENT_DIES, options=())),
    "criu-option-missing": (JOB, also(JOB, options=("--shell-job",))),
    "criu-option-needed": (header(FINE, tcp_close="1"), header(also(FINE, options=("--tcp-close",)), tcp_close="1")),
    "criu-option-in-vain": (also(FINE, options=("--shell-job",)), FINE),
    "criu-shell-job": (JOB, also(JOB, options=("--shell-job",))),
    "criu-terminal-session": (
        fact("terminal slave 3", "session 77 group 77"),
        fact("terminal slave 3", "session 77 group 77", options=("--shell-job",)),
    ),
    "criu-terminal-foreign": (fact("terminal master 3", "session 77 group 77"), fact("terminal master 3", "session 1 group 1")),
    "criu-tcp-connected": (SOCKETS, also(SOCKETS, options=("--tcp-established",))),
    "criu-parent-missing": (fact("parent dump", "missing: ../0"), fact("parent dump", "found: ../0")),
    "criu-file-missing": (fact("missing image", "mm-1.img"), FINE),
    "criu-file-damaged": (fact("damaged image", "files.img: is cut short"), FINE),
    "criu-incomplete": (fact("stripped of", "pages", complete=True), also(FINE, complete=True)),
    "criu-stripped": (fact("stripped of", "pages"), FINE),
    "criu-open-thread-file": (fact("open file of a thread", "/proc/1/task/2/stat"), FINE),
    "criu-mount-link": (fact("mount through a link /dev/init", "/sbin/a -> /bin/b"), FINE),
    "criu-external-pid-namespace": (
        MEMBER,
        FINE,
    ),
    "capability-missing": (
        run(known(FINE, change(capabilities=(), features=ABLE.features | {"set_tid_without_root": NO}))),
        run(known(FINE)),
    ),
    "feature-missing": (run(known(FINE, feature("pidfd", NO))), run(known(FINE))),
    "limit-too-low": (run(TOO_MANY), run(known(FINE))),
    "number-above-limit-of-new-namespace": (run(known(FINE, change(new_namespace_pid_max=2))), run(known(FINE))),
    "number-taken": (TAKEN, also(TAKEN, options=("criu-ns",))),
    "number-above-limit": (HIGH, also(HIGH, host=RAISED)),
    "criu-pid-max": (HIGH, also(HIGH, host=ABLE)),
    "criu-not-installed": (known(FINE, change(tools={"criu": "no"})), known(FINE)),
    "engine-not-installed": (
        also(known(FINE, change(tools={"criu": "4.2", "podman": "no"})), consumer="podman"),
        also(known(FINE, change(tools={"criu": "4.2", "podman": "yes"})), consumer="podman"),
    ),
    "criu-machine": (header(known(FINE), architecture="aarch64"), known(FINE)),
    "criu-feature-missing": (known(FINE, feature("pid_namespaces", NO)), known(FINE)),
    "criu-security-module": (labelled(change(security_modules=("capability",))), labelled(LOADED)),
    "criu-security-profile": (labelled(change(answers=Answers(profiles={PROFILE: False}))), labelled(LOADED)),
    "engine-runtime-missing": (by_podman(change(PODMAN, tools=PODMAN.tools | {"runc": "no"})), by_podman(PODMAN)),
    "executor-missing": (run(known(FINE, executor("no execveat"))), run(known(FINE, executor("")))),
    "criu-capability-missing": (known(FINE, change(capabilities=("chown",))), known(FINE)),
    "criu-limit-too-low": (TOO_MANY, known(FINE)),
    "criu-dump-session-outside": (captured("1 2:1/0"), captured("1 2:1")),
    "criu-dump-without-init": (
        captured("5", NamespaceRecorded(kind="pid", id=NamespaceId(0), facts={"created": "yes"}, at="x")),
        captured("1 5:1"),
    ),
    "criu-dump-shell-job": (captured("10:0/4/4", options=()), captured("10:0/4/4", options=("--shell-job",))),
    "criu-dump-zombie": (captured("1z"), captured("1 2:1z")),
    "criu-dump-nested-namespace": (captured("1 2.1:1"), run(captured("1 2.1:1"))),
    "criu-dump-shared": (captured("1 2:1", *SHARED), run(captured("1 2:1", *SHARED))),
}
"""A case in which the code is given, and the same when its hint was followed."""

CHECKS = ("criu", "host", "numbers", "criu-host", "criu-dump")

HONEST: dict[str, str] = {
    "criu-two-birth-sessions": "no history leaves such a tree, so there is none to bring back",
    "criu-pid-for-children": "the hint says that nothing restores it",
    "criu-exit-signal": "the hint says that no image of CRIU records it",
    "criu-zombie-core": "the hint is to compare after the restore",
    "criu-plugin": "no host says yet which plugins it has",
    "criu-stopped-job": "a warning about what the kernel does after the restore",
    "criu-user-namespace": "a note",
    "criu-version": "a note",
    "pid-max-raised": "a warning about what criu changes",
    "new-namespace-needed": "a tree that was entered; the executors' own tests of --into try it",
    "criu-joined-namespace": "no host says yet whether a pod is there",
}
"""Codes whose hint leads to no "ok", with the reason."""


def codes(report: ImageReport) -> set[str]:
    return {found.code for found in report.findings} | {question.code for question in report.unknown}


def test_every_code_is_followed_or_says_why_not() -> None:
    all_codes = {kind.code for check in load(()).checks if check.name in CHECKS for kind in check.kinds}
    assert not FOLLOWED.keys() & HONEST.keys()
    assert FOLLOWED.keys() | HONEST.keys() == all_codes


OTHERS = {
    "criu-held": "test_checks_held.py",
    "criu-machine": "test_checks_machine.py",
    "checkpoint": "test_checks_checkpoint.py",
    "trust": "test_checks_trust.py",
}
"""Checks of what surrounds a tree, and the tests that have each of their codes with its way out beside it."""


def test_every_other_code_is_in_the_tests_of_its_check() -> None:
    checks = {check.name: check for check in load(()).checks if check.name not in CHECKS}
    assert checks.keys() == OTHERS.keys()
    for name, check in checks.items():
        text = (Path(__file__).parent / OTHERS[name]).read_text()
        assert [kind.code for kind in check.kinds if kind.outcome and kind.code not in text] == [], name


@pytest.mark.parametrize("code", FOLLOWED)
def test_a_hint_that_is_followed_leads_to_ok(code: str) -> None:
    before, after = (case.report() for case in FOLLOWED[code])
    assert code in codes(before)
    assert before.verdicts[0].verdict != "ok" or code in ("criu-option-in-vain", "criu-stripped")
    assert after.verdicts[0].verdict == "ok", after.verdicts[0]


@pytest.mark.parametrize("name", ["host", "criu-host"])
def test_a_feature_that_is_forbidden_is_no_matter_of_the_kernel(name: str) -> None:
    """NO is EPERM: another kernel would not change that."""
    case = known(FINE, feature("pid_namespaces" if name == "criu-host" else "pidfd", NO))
    report = (run(case) if name == "host" else case).report()
    (hint,) = {found.hint for found in report.findings if found.code.endswith("feature-missing")}
    assert "run as root" in hint
    assert "configured" not in hint
