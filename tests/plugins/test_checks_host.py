"""What a host lacks: each fact that is missing on it is named, and each that is missing in its file is unknown."""

from collections.abc import Iterable

import msgspec
import pytest
from crplan_checks.host import check

from planner.checks.ask import Asked, ask
from planner.checks.executors import executor_of, with_executors
from planner.events.records import AnyEvent, FactRecorded, ImageOpened, NamespaceRecorded
from planner.findings.registry import Finding
from planner.findings.verdicts import Invocation, verdict_line
from planner.forest.model import Forest
from planner.hookspecs import Artefact
from planner.host.facts import CAPABILITIES, Answers, ExecutorFact, Feature, Host, Limits, PidNamespace
from planner.identity import NamespaceId, ProcessId
from planner.pipeline import reading
from planner.pipeline import resolve as pipeline
from planner.pipeline.reading import default_registry
from planner.testing.forests import events
from planner.testing.plans import PLANS
from tests.helpers.criu_images import criu_image
from tests.helpers.verdicts import verdict_of

CONSUMERS = (Invocation(consumer="run"), Invocation(consumer="criu-restore", options=()))
YES = Feature(state="yes")
NO = Feature(state="no", detail="EPERM")
KINDS = ("pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time")
FEATURES = ("set_tid", "set_tid_without_root", "pidfd", "enter_by_pidfd", "own_proc", "subreaper")

ABLE = Host(
    kernel="6.18",
    machine="x86_64",
    root=True,
    capabilities=CAPABILITIES,
    features=dict.fromkeys((*FEATURES, *(f"{kind}_namespaces" for kind in KINDS)), YES),
    limits=Limits(
        processes=1000,
        processes_in_use=10,
        threads_max=1000,
        tasks_in_use=10,
        cgroup_tasks=-1,
        pid_namespaces=100,
        levels_below=31,
    ),
    new_namespace_pid_max=4194304,
    namespaces=(
        PidNamespace(id=0, taken="1-9,60", members="1-9", pid_max=32768),
        PidNamespace(id=1, parent=0, level=1, taken="1,7", members="8-9", pid_max=500),
    ),
    security_modules=("capability", "apparmor"),
    tools={"criu": "4.2"},
)


def asked_of(history: list[AnyEvent], host: Host) -> dict[str, Asked]:
    """Return the answers of each check, of the last consumer that it speaks for."""
    answers = ask(reading.default_registry(), pipeline.resolve(history).artefact(), CONSUMERS, {"host": host})
    return {asked.check: asked for asked in answers}


def found(asked: Iterable[Asked]) -> list[Finding]:
    return [finding for each in asked for finding in each.findings]


def change(host: Host = ABLE, **fields: object) -> Host:
    return msgspec.structs.replace(host, **fields)


def limits(**fields: object) -> Host:
    return change(limits=msgspec.structs.replace(ABLE.limits, **fields))


def feature(name: str, state: Feature) -> Host:
    return change(features=ABLE.features | {name: state})


def test_a_host_that_can_do_it_passes_every_question() -> None:
    asked = asked_of(with_facts(architecture="x86_64"), ABLE)
    assert found(asked.values()) == []
    assert [question for each in asked.values() for question in each.unknown] == []
    for consumer in ("criu-restore", "run"):
        assert verdict_of(with_facts(architecture="x86_64"), consumer, (), ABLE).verdict == "ok"


def test_without_a_host_nothing_is_asked_of_one() -> None:
    answers = ask(reading.default_registry(), pipeline.resolve(criu_image("1 2:1")).artefact(), CONSUMERS)
    assert [asked.check for asked in answers if asked.passed or asked.unknown or asked.findings] == ["criu"]


def test_a_host_file_without_facts_gives_unknown_and_never_a_pass() -> None:
    asked = asked_of(criu_image("10 11:10", own_pid_namespace=False), Host())
    for name in ("host", "numbers"):
        # Whether a task entered from outside is in the image, and needs no fact of a host.
        assert [passed.code for passed in asked[name].passed if passed.code != "new-namespace-needed"] == [], name
        assert asked[name].unknown != ()
    missing = {question.code for each in asked.values() for question in each.unknown}
    assert {"capability-missing", "feature-missing", "limit-too-low", "number-taken", "number-above-limit"} <= missing
    assert {"criu-not-installed", "criu-machine", "criu-capability-missing"} <= missing


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        (change(capabilities=(), features=ABLE.features | {"set_tid_without_root": NO}), "capability-missing", "CAP_SYS_ADMIN"),
        (feature("pidfd", NO), "feature-missing", "step 1 needs pidfd"),
        (limits(tasks_in_use=998), "limit-too-low", "kernel.threads-max"),
        (limits(cgroup_tasks=12, cgroup_tasks_in_use=10), "limit-too-low", "pids.max"),
        (limits(levels_below=0), "limit-too-low", "levels of pid namespaces"),
        (limits(pid_namespaces=0), "limit-too-low", "max_pid_namespaces"),
        (change(limits(processes=12), root=False), "limit-too-low", "RLIMIT_NPROC"),
        (change(new_namespace_pid_max=3), "number-above-limit-of-new-namespace", "creates 3 with pid 3 at level 0"),
    ],
)
def test_what_crplan_run_lacks_is_named(host: Host, code: str, words: str) -> None:
    asked = asked_of(events("1 2:1/2 3:1"), host)["host"]
    assert [finding.code for finding in asked.findings] == [code]
    assert words in asked.findings[0].message
    verdict = verdict_of(events("1 2:1/2 3:1"), "run", None, host)
    assert (verdict.verdict, verdict.codes) == ("refused", (code,))


def test_what_makes_up_for_something_and_what_nobody_needs_is_no_finding() -> None:
    without_root = change(
        root=False, capabilities=(), features=ABLE.features | {"set_tid": NO, "pid_namespaces": NO, "subreaper": NO}
    )
    for host in (without_root, limits(processes=12), feature("enter_by_pidfd", NO), limits(cgroup_tasks=None)):
        assert asked_of(events("1 2:1/2 3:1"), host)["host"].findings == ()


def test_a_feature_is_needed_by_the_first_step_that_uses_it() -> None:
    entered = events("1 5.1:1 6.2:1")
    (finding,) = asked_of(entered, feature("enter_by_pidfd", NO))["host"].findings
    assert finding.code == "feature-missing"
    plan = pipeline.resolve(events("1 5.1:1 6.2:1")).plan
    number = int(finding.message.split()[1])
    assert type(plan.steps[number - 1]).__name__ == "Enter"


def test_numbers_clash_only_where_the_tree_goes_to_an_old_namespace() -> None:
    tree = "50s 60:50 7:50//70"
    on_host = asked_of(criu_image(tree, own_pid_namespace=False), ABLE)["numbers"]
    assert sorted((finding.code, finding.pid) for finding in on_host.findings) == [("number-taken", 7), ("number-taken", 60)]
    container = asked_of(criu_image("1 60:1 7:1"), ABLE)["numbers"]
    assert container.findings == ()
    assert [passed.code for passed in container.passed] == ["number-taken"]
    linux_cr = asked_of(events("50 60:50"), ABLE)["numbers"]
    assert linux_cr.findings == ()


def test_another_namespace_of_the_host_has_numbers_and_a_limit_of_its_own() -> None:
    asked = asked_of(events("1 7:1 600:1/600/600+601"), change(target=1, root=False))["numbers"]
    assert {(finding.code, finding.pid) for finding in asked.findings} == {
        ("number-taken", 1),
        ("number-taken", 7),
        ("number-above-limit", 600),
        ("number-above-limit", 601),
    }
    assert all("namespace 1 of the host" in finding.message for finding in asked.findings)


def test_criu_raises_the_limit_of_pids_as_root() -> None:
    image = criu_image("600s 601:600", own_pid_namespace=False)
    host = change(namespaces=(PidNamespace(id=0, taken="1-9", pid_max=500),))
    asked = asked_of(image, host)["numbers"]
    assert {(finding.code, finding.severity) for finding in asked.findings} == {("pid-max-raised", "warning")}
    assert {finding.code for finding in asked_of(image, change(host, root=False))["numbers"].findings} == {"number-above-limit"}


def test_the_numbers_of_dead_leaders_are_needed_too() -> None:
    asked = asked_of(criu_image("50s 51:50/60 52:50//9", own_pid_namespace=False), ABLE)["numbers"]
    assert [(finding.pid, "dead leader" in finding.message) for finding in asked.findings] == [(60, True), (9, True)]


def test_a_namespace_whose_facts_are_missing_is_unknown() -> None:
    asked = asked_of(events("1 2:1"), change(target=5))["numbers"]
    assert {question.code for question in asked.unknown} == {"number-taken", "number-above-limit"}


def with_facts(*facts: FactRecorded, **image_facts: str) -> list[AnyEvent]:
    history = criu_image("1 2:1")
    history[:] = [
        msgspec.structs.replace(event, facts=image_facts) if isinstance(event, ImageOpened) else event for event in history
    ]
    return [*history[:-1], *facts, history[-1]]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (change(tools={"criu": "no"}), "criu-not-installed"),
        (change(machine="aarch64"), "criu-machine"),
        (change(capabilities=("chown",)), "criu-capability-missing"),
        (feature("pid_namespaces", NO), "criu-feature-missing"),
        (change(security_modules=("capability",)), "criu-security-module"),
    ],
)
def test_what_criu_restore_lacks_is_named(host: Host, code: str) -> None:
    asked = asked_of(with_facts(LABEL, architecture="x86_64", security_module="apparmor"), host)["criu-host"]
    assert code in {finding.code for finding in asked.findings}
    assert verdict_of(with_facts(LABEL, architecture="x86_64", security_module="apparmor"), host=host).verdict == "refused"


def test_without_a_label_any_security_module_will_do_and_an_option_asks_for_one() -> None:
    host, unlabelled = change(security_modules=("capability",)), with_facts(architecture="x86_64", security_module="apparmor")
    assert asked_of(unlabelled, host)["criu-host"].findings == ()
    told = verdict_of(unlabelled, "criu-restore", ("--lsm-profile=selinux:a:b:c",), host)
    assert told.codes == ("criu-security-module",)


@pytest.mark.parametrize(("loaded", "codes"), [(True, []), (False, ["criu-security-profile"])])
def test_a_profile_must_be_loaded(loaded: bool, codes: list[str]) -> None:
    image = with_facts(LABEL, architecture="x86_64", security_module="apparmor")
    host = change(answers=Answers(profiles={"docker-default": loaded}))
    assert [finding.code for finding in asked_of(image, host)["criu-host"].findings] == codes
    assert [question.code for question in asked_of(image, ABLE)["criu-host"].unknown] == ["criu-security-profile"]


@pytest.mark.parametrize(
    ("property", "value", "capability"),
    [("uid", "1000 1000 1000 1000", "setuid"), ("gid", "0 0 0 7", "setgid"), ("cap_bounding", "1", "setpcap")],
)
def test_what_criu_changes_of_a_task_needs_its_capability(property: str, value: str, capability: str) -> None:
    fact = FactRecorded(pid=ProcessId(2), property=property, value=value, at="core-2.img#0")
    host = change(bounding=("chown", "kill"))
    image = in_the_users_namespace(fact)
    assert asked_of(image, host)["criu-host"].findings == ()
    lacking = change(host, capabilities=tuple(set(CAPABILITIES) - {capability}))
    (finding,) = asked_of(image, lacking)["criu-host"].findings
    assert (finding.code, f"CAP_{capability.upper()}" in finding.message) == ("criu-capability-missing", True)
    ordinary = "0 0 0 0" if capability != "setpcap" else "ffffffff"
    same = msgspec.structs.replace(fact, value=ordinary)
    assert asked_of(in_the_users_namespace(same), lacking)["criu-host"].findings == ()


def in_the_users_namespace(fact: FactRecorded) -> list[AnyEvent]:
    """Return an image whose tasks are in the user namespace of the process that took it."""
    history = with_facts(fact, architecture="x86_64")
    shared = NamespaceRecorded(kind="user", id=NamespaceId(0), facts={"created": "no"}, at="ids-1.img#0")
    return [*history[:-1], shared, history[-1]]


LABEL = FactRecorded(pid=ProcessId(2), property="security_label", value="docker-default (enforce)", at="core-2.img#0")


def test_every_capability_of_a_task_must_be_there() -> None:
    fact = FactRecorded(pid=ProcessId(2), property="cap_permitted", value=f"{1 << 5 | 1 << 21:016x}", at="core-2.img#0")
    host = change(capabilities=("sys_admin",))
    own_user = asked_of(with_facts(fact, architecture="x86_64"), host)["criu-host"]
    assert own_user.findings == ()
    (finding,) = asked_of(in_the_users_namespace(fact), host)["criu-host"].findings
    assert (finding.code, finding.pid, finding.recorded) == ("criu-capability-missing", 2, "kill")


def test_a_namespace_that_was_joined_is_a_question_that_no_host_file_answers() -> None:
    fact = FactRecorded(property="joined net namespace", value="/run/netns/pod", at="spec.dump#0")
    asked = asked_of(with_facts(fact, architecture="x86_64"), ABLE)["criu-host"]
    assert [question.code for question in asked.unknown] == ["criu-joined-namespace"]


def test_criu_raises_the_limit_of_numbers_where_it_may() -> None:
    history = criu_image("1 60000:1 7:1//60001")
    (finding,) = asked_of(history, change(root=False))["criu-host"].findings
    assert (finding.code, finding.recorded, finding.target) == ("criu-pid-max", "60001", "32768")
    assert asked_of(history, ABLE)["criu-host"].findings == ()
    unknown = asked_of(history, change(root=None))["criu-host"].unknown
    assert "criu-pid-max" in {question.code for question in unknown}


def test_a_tree_that_goes_into_a_namespace_needs_none_for_itself() -> None:
    narrow = change(limits(levels_below=0, pid_namespaces=0), target=1, new_namespace_pid_max=None)
    narrow = change(narrow, features=narrow.features | {"pid_namespaces": NO, "set_tid_without_root": NO})
    asked = asked_of(events("50:0/0/0 51:50"), narrow)["host"]
    assert (asked.findings, asked.unknown) == ((), ())
    nested = asked_of(events("50:0/0/0 51.1:50"), narrow)["host"]
    assert {finding.property for finding in nested.findings} == {
        "pid_namespaces",
        "levels of pid namespaces",
        "user.max_pid_namespaces",
    }
    assert [question.code for question in nested.unknown] == ["number-above-limit-of-new-namespace"]


def test_a_user_namespace_does_not_help_into_a_namespace_that_is_there() -> None:
    without_root = change(root=False, capabilities=())
    assert asked_of(events("50:0/0/0"), without_root)["host"].findings == ()
    (finding,) = asked_of(events("50:0/0/0"), change(without_root, target=1))["host"].findings
    assert (finding.code, "--into" in finding.message) == ("capability-missing", True)


def test_criu_makes_no_more_tasks_than_its_cgroup_allows() -> None:
    narrow = limits(cgroup_tasks=11, cgroup_tasks_in_use=10)
    (finding,) = asked_of(with_facts(architecture="x86_64"), narrow)["criu-host"].findings
    assert (finding.code, finding.recorded, finding.target) == ("criu-limit-too-low", "2", "1")
    moved = FactRecorded(pid=ProcessId(2), property="cgroup_set", value="2", at="core-2.img#0")
    assert asked_of(with_facts(moved, architecture="x86_64"), narrow)["criu-host"].findings == ()
    podman = verdict_of(with_facts(architecture="x86_64"), "podman", host=narrow)
    assert podman.codes == (), "a container has a cgroup of its own"
    assert "threads-max" in verdict_of(with_facts(architecture="x86_64"), host=limits(threads_max=11)).reason
    assert "RLIMIT_NPROC" in verdict_of(with_facts(architecture="x86_64"), host=change(limits(processes=11), root=False)).reason
    open_questions = asked_of(with_facts(architecture="x86_64"), limits(threads_max=None))["criu-host"].unknown
    assert [question.code for question in open_questions] == ["criu-limit-too-low"]


def test_another_criu_than_the_one_that_was_tried_is_said() -> None:
    image = with_facts(architecture="x86_64")
    assert verdict_of(image, host=ABLE).judged_as == ""
    told = verdict_of(image, host=change(tools={"criu": "3.19"}))
    assert (told.verdict, told.judged_as) == ("ok", "CRIU 4.2")
    assert "judged as CRIU 4.2" in verdict_line(told)


@pytest.mark.parametrize(("version", "verdict"), [("4.2", "wrong"), ("3.17", "wrong"), ("4.3", "unknown"), ("1.8", "unknown")])
def test_what_another_criu_may_do_rightly_or_cannot_do_is_unknown(version: str, verdict: str) -> None:
    lost_status = [
        msgspec.structs.replace(event, facts={"architecture": "x86_64"}) if isinstance(event, ImageOpened) else event
        for event in criu_image(f"1 2:1z{200 << 8}")
    ]
    told = verdict_of(lost_status, host=change(tools={"criu": version}))
    assert (told.verdict, told.codes) == (verdict, ("criu-exit-status",))


def test_a_mount_through_a_link_is_a_matter_of_the_mount_engine_of_3_17() -> None:
    link = FactRecorded(property="mount through a link /dev/init", value="/sbin/init -> /bin/other", at="spec.dump#0")
    image = with_facts(link, architecture="x86_64")
    assert verdict_of(image, host=ABLE).verdict == "refused"
    assert verdict_of(image, host=change(tools={"criu": "3.16"})).verdict == "unknown"


def test_podman_needs_the_runtime_that_the_container_was_made_with() -> None:
    history = with_facts(architecture="x86_64", runtime="/usr/sbin/runc")
    for there, expected in (("yes", ()), ("no", ("engine-runtime-missing",))):
        host = change(tools={"criu": "4.2", "podman": "yes", "runc": there})
        assert verdict_of(history, "podman", host=host).codes == expected


def test_a_host_without_an_executor_for_the_plan_is_told_what_each_lacks() -> None:
    python = ExecutorFact(name="python", abilities=("threads", "files", "namespaces", "into"))
    compiler = "no C compiler (cc, gcc or clang) is in PATH"
    c = ExecutorFact(name="c", abilities=("threads", "files", "memory", "namespaces", "many"), missing=compiler)
    artefact = Artefact(plan=PLANS["shared_memory"](), forest=Forest())
    invocation = Invocation(consumer="run")

    def findings(*executors: ExecutorFact) -> list[Finding]:
        host = msgspec.structs.replace(ABLE, executors=executors)
        return [each for each in check(artefact, host) if isinstance(each, Finding)]

    (finding,) = findings(python, c)
    assert finding.code == "executor-missing"
    assert finding.message == f"no executor can do the plan: python cannot do shared memory; {compiler}"
    assert executor_of(invocation, msgspec.structs.replace(ABLE, executors=(python, c)), artefact) == "c"
    assert findings(python, msgspec.structs.replace(c, missing="")) == []
    assert findings() == [], "an older file of a host does not know"


def test_of_the_executors_of_this_machine_all_are_asked_where_none_serves() -> None:
    def refused() -> str:
        return "no compiler"

    registry = default_registry()
    lame = tuple(msgspec.structs.replace(each, missing=refused) for each in registry.executors)
    artefact = Artefact(plan=PLANS["shared_memory"](), forest=Forest())
    asked = with_executors(ABLE, msgspec.structs.replace(registry, executors=lame), artefact.plan)
    assert {each.name: each.missing for each in asked.executors} == dict.fromkeys(("python", "c"), "no compiler")
