"""What is foretold of `criu restore`, held against what CRIU did with each sample, and against every rule by a small tree."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from planner import read
from planner.checks.ask import Asked, ask
from planner.events.contents import ContentsRecorded, MemoryRecorded
from planner.events.records import (
    AnyEvent,
    FactRecorded,
    ImageOpened,
    NamespaceRecorded,
    SharingRecorded,
    TaskNamespacesRecorded,
    TaskStateRecorded,
)
from planner.findings.registry import Finding
from planner.findings.verdicts import Invocation
from planner.forest.fold import fold
from planner.forest.model import Forest
from planner.host.facts import Host, PidNamespace
from planner.identity import NamespaceId, ProcessId
from planner.pipeline import reading
from planner.pipeline import resolve as pipeline
from planner.testing.forests import events, notation
from tests.helpers.amounts import amount
from tests.helpers.criu_images import criu_image
from tests.helpers.criu_restore import fits, outcome
from tests.helpers.places import DATA
from tests.helpers.trials import image_of, random_history
from tests.helpers.verdicts import report_of, verdict_of

SAMPLES = DATA / "criu"
CRIU = Invocation(consumer="criu-restore", options=())


def asked_of(history: list[AnyEvent]) -> Asked:
    asked = ask(reading.default_registry(), pipeline.resolve(history).artefact(), (CRIU,))
    return next(each for each in asked if each.check == "criu")


def samples() -> Iterator[tuple[str, Path]]:
    for directory in sorted(SAMPLES.iterdir()):
        images = [directory / "img"] if (directory / "img").exists() else sorted(directory.glob("*.tar"))
        for image in images:
            yield f"{directory.name}/{image.name}", image


def test_the_forecast_is_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """Every restore that was tried. "unknown" counts as neither; a false "ok" and a false alarm both fail, and are told apart."""
    rows, false_fine, false_alarm, unknown = [], [], [], []
    for name, image in samples():
        happened = json.loads((image.parent / "outcome.json").read_text())
        forecast = verdict_of(read(image))
        rows.append(f"{name:40} {forecast.verdict:10} {happened['restore']:10} {', '.join(forecast.codes)}")
        if happened["restore"] == "not tried":
            continue
        if forecast.verdict == "unknown":
            unknown.append(name)
        elif forecast.verdict not in (happened["restore"], *(("hangs",) if happened["restore"] == "refused" else ())):
            (false_fine if forecast.verdict == "ok" else false_alarm).append(name)
    with capsys.disabled():
        print("\n" + f"{'image':40} {'foretold':10} {'happened':10} because\n" + "\n".join(rows))
    assert len(rows) > 25
    assert false_fine == []
    assert false_alarm == []
    assert len(unknown) <= 3, unknown


REASONS = {
    "Can't restore sub-task in NS": "criu-namespace-of-child",
    "Can't restore pgid": "criu-group-leader-moved",
    "exit_code": "criu-exit-status",
    "missing in restored": "criu-adopted-by-root",
    "exit_signal": "criu-exit-signal",
}


def test_the_reason_is_the_one_that_criu_gave() -> None:
    seen = set()
    for _, image in samples():
        happened = json.loads((image.parent / "outcome.json").read_text())
        words = " ".join(happened.get("errors", []) + happened.get("difference", []))
        forecast = verdict_of(read(image))
        for text, code in REASONS.items():
            if text in words:
                assert code in forecast.codes, image
                seen.add(code)
    assert seen == set(REASONS.values())


def codes(history: list[AnyEvent]) -> list[str]:
    return [found.code for found in asked_of(history).findings]


def unknown(history: list[AnyEvent]) -> list[str]:
    return [answer.code for answer in asked_of(history).unknown]


def test_an_ordinary_container_passes_every_question() -> None:
    asked = asked_of(criu_image("1 2:1/2 3:2/2/3 4:1"))
    assert asked.findings == ()
    assert asked.unknown == ()
    assert verdict_of(criu_image("1 2:1/2 3:2/2/3 4:1")).verdict == "ok"


def test_an_orphan_of_a_subreaper_in_the_middle_is_in_a_session_that_criu_cannot_find() -> None:
    # 5 was created in session 4, below 2, and adopted by 2, a subreaper in session 1.
    assert codes(criu_image("1 2:1s 4:2/4 5:2/4")) == ["criu-session-leader-elsewhere"]
    assert codes(criu_image("1 2:1s 5:2/9")) == ["criu-session-leader-elsewhere"]


def test_the_same_orphan_below_the_root_is_no_trouble_for_an_init_and_goes_astray_below_any_other_root() -> None:
    assert codes(criu_image("1 4:1/4 5:1/4")) == []
    assert codes(criu_image("1 5:1/9")) == []
    assert codes(criu_image("10s 14:10/14 15:10/14", own_pid_namespace=False)) == ["criu-adopted-by-root"]
    assert codes(criu_image("10s 15:10/19", own_pid_namespace=False)) == ["criu-adopted-by-root"]


def test_a_child_of_before_setsid_is_no_trouble() -> None:
    assert codes(criu_image("1 2:1/2 3:2/1")) == []


def test_two_birth_sessions_are_refused_where_an_image_that_nobody_planned_has_them() -> None:
    """No kernel holds such a tree and no plan exists for it, so the check is asked by itself."""
    from crplan_checks.criu import check

    planned = pipeline.resolve(criu_image("1 2:1")).artefact()
    artefact = msgspec.structs.replace(planned, forest=fold(criu_image("1 5:1/5 2:5/2 3:2/5 4:2/1")))
    assert [answer.code for answer in check(artefact, CRIU) if isinstance(answer, Finding)] == ["criu-two-birth-sessions"]


def test_who_left_the_group_that_bears_its_number() -> None:
    assert codes(criu_image("1 2:1 3:1//2 4:1//4")) == ["criu-group-leader-moved"]
    assert codes(criu_image("1 2:1//2 3:1//2")) == []


def test_a_namespace_of_its_own_below_a_root_without_one() -> None:
    def with_net(own: str) -> list[AnyEvent]:
        history = criu_image("1 2:1")
        added: list[AnyEvent] = [
            NamespaceRecorded(kind="net", id=NamespaceId(0), facts={"created": own}, at="ids-1.img#0"),
            TaskNamespacesRecorded(pid=ProcessId(1), namespaces={"net": NamespaceId(0)}, at="ids-1.img#0"),
            TaskNamespacesRecorded(pid=ProcessId(2), namespaces={"net": NamespaceId(5)}, at="ids-2.img#0"),
        ]
        return history[:-1] + added + history[-1:]

    assert codes(with_net("no")) == ["criu-namespace-of-child"]
    assert codes(with_net("yes")) == []


@pytest.mark.parametrize(("status", "found", "open_question"), [(127 << 8, [], []), (128 << 8, ["criu-exit-status"], []),
    (255 << 8, ["criu-exit-status"], []), (9, [], []), (11 | 0x80, [], ["criu-zombie-core"])])  # fmt: skip
def test_how_zombies_ended(status: int, found: list[str], open_question: list[str]) -> None:
    history = criu_image(f"1 2:1z{status}")
    assert codes(history) == found
    assert unknown(history) == open_question


def test_number_one_and_a_pid_namespace_of_its_own_go_together() -> None:
    assert codes(criu_image("1 2:1", own_pid_namespace=False)) == ["criu-namespace-of-root"]
    assert codes(criu_image("10 11:10", own_pid_namespace=True)) == ["criu-namespace-of-root"]
    assert codes(criu_image("10 11:10", own_pid_namespace=False)) == []


def test_what_the_image_does_not_say_is_unknown() -> None:
    bare = [event for event in criu_image("1 2:1") if not isinstance(event, FactRecorded | NamespaceRecorded)]
    assert unknown(bare) == ["criu-namespace-of-root", "criu-exit-signal"]
    fact = FactRecorded(pid=ProcessId(2), property="clear_child_tid", value="0", at="core-2.img#0")
    assert unknown([*criu_image("1 2:1")[:-1], fact]) == ["criu-exit-signal"]
    old = FactRecorded(property="subreaper", value="not recorded", at="inventory.img#0")
    assert unknown([*criu_image("1 2:1")[:-1], old]) == ["criu-subreaper"]


def test_what_is_lost_silently_and_what_needs_a_terminal() -> None:
    lost = FactRecorded(pid=ProcessId(2), property="pid_for_children", value="4", at="ids-2.img#0")
    assert codes([*criu_image("1 2:1")[:-1], lost]) == ["criu-pid-for-children"]


def terminal(role: str, session: int) -> list[AnyEvent]:
    fact = FactRecorded(property=f"terminal {role} 3", value=f"session {session} group 0", at="tty-info.img#0")
    return [*criu_image("1 2:1")[:-1], fact]


@pytest.mark.parametrize("session", [0, 77])
def test_a_slave_without_its_master_depends_on_an_option(session: int) -> None:
    image = terminal("slave", session)
    assert verdict_of(image, options=None).reason == "depends on --shell-job"
    assert verdict_of(image, options=()).codes == ("criu-option-missing",)
    assert verdict_of(image, options=("--shell-job",)).verdict == "ok"
    assert verdict_of(image, "podman", None).verdict == "ok", "runc and crun give --orphan-pts-master"


def test_a_master_goes_back_to_the_leader_of_its_session() -> None:
    assert verdict_of(terminal("master", 77), options=("--shell-job",)).codes == ("criu-terminal-foreign",)
    assert verdict_of(terminal("master", 1)).verdict == "ok"


def test_a_shell_job_is_refused_without_its_option_and_needs_no_outer_number() -> None:
    job = criu_image("10:0/5/5 11:10", own_pid_namespace=False)
    assert verdict_of(job, options=None).verdict == "unknown"
    assert verdict_of(job, options=()).needs == ("--shell-job",)
    host = Host(root=True, namespaces=(PidNamespace(id=0, taken="1-5,7", pid_max=100),))
    report = report_of(job, options=("--shell-job",), host=host)
    assert "number-taken" not in {found.code for found in report.findings}
    taken = Host(root=True, namespaces=(PidNamespace(id=0, taken="1-5,11", pid_max=100),))
    assert "number-taken" in verdict_of(job, options=("--shell-job",), host=taken).codes


def fact(property: str, value: str) -> list[AnyEvent]:
    return [*criu_image("1 2:1")[:-1], FactRecorded(property=property, value=value, at="files.img#0")]


@pytest.mark.parametrize(
    ("property", "value", "verdict", "code"),
    [
        ("missing image", "mm-2.img", "refused", "criu-file-missing"),
        ("required plugin", "cuda_plugin", "unknown", "criu-plugin"),
        ("parent dump", "missing: ../before", "refused", "criu-parent-missing"),
        ("open file of a thread", "/proc/2/task/3/stat", "refused", "criu-open-thread-file"),
        ("mount through a link /run/init", "/usr/a/b -> /usr/b", "refused", "criu-mount-link"),
        ("connected TCP sockets", "2", "refused", "criu-option-missing"),
    ],
)
def test_what_the_image_holds_or_lacks_decides(property: str, value: str, verdict: str, code: str) -> None:
    told = verdict_of(fact(property, value))
    assert (told.verdict, told.codes) == (verdict, (code,))


def test_a_copy_for_inspection_is_judged_as_the_whole_dump_unless_asked_otherwise() -> None:
    image = fact("stripped of", "pages")
    assert verdict_of(image).verdict == "ok"
    assert report_of(image, complete=True).verdicts[0].codes == ("criu-incomplete",)


def test_an_option_that_the_image_does_not_need_is_a_note() -> None:
    report = report_of(criu_image("1 2:1"), options=("--tcp-established", "--shell-job"))
    assert [found.code for found in report.findings] == ["criu-option-in-vain"] * 2
    assert report.verdicts[0].verdict == "ok"
    assert verdict_of(fact("connected TCP sockets", "2"), options=("--tcp-close",)).verdict == "ok"


def test_a_zombie_below_a_helper_is_waited_for_for_ever() -> None:
    assert verdict_of(criu_image("10s 14:10/14 15:10/14z0", own_pid_namespace=False)).verdict == "hangs"
    assert verdict_of(criu_image("1 4:1/4z0 5:1/4z0")).verdict == "hangs"
    assert verdict_of(criu_image("1 4:1/4 5:1/4z0")).verdict == "ok"
    assert verdict_of(criu_image("1 5:1/4z0")).verdict == "ok"


def test_a_stopped_shell_job_is_ended_after_the_restore() -> None:
    job = criu_image("10:0/5/10 11:10//10", own_pid_namespace=False)
    stopped = TaskStateRecorded(pid=ProcessId(11), state="stopped", at="core-11.img#0")
    assert "criu-stopped-job" in codes([*job[:-1], stopped])


def test_virtuozzo_is_told_apart_and_other_formats_are_not_asked() -> None:
    assert codes(criu_image("1 2:1", generation="vz")) == ["criu-virtuozzo"]
    asked = asked_of(events("1 2:1"))
    assert (asked.findings, asked.passed, asked.unknown) == ((), (), ())


def test_the_cost_is_linear_in_a_chain_that_is_walked_again_and_again() -> None:
    """A chain of leaders where every second level has a child of the session above it all: each walk ends where one has been."""
    depth = 1500
    words = ["1"]
    for number in range(2, depth):
        words.append(f"{number}:{number - 1}/1" if number % 2 else f"{number}:{number - 1}/1/{number}")
    assert codes(criu_image(" ".join(words))) == []


def test_unused_events_are_not_needed() -> None:
    """The check reads forest and facts alone, so what a log adds does not change it."""
    history = criu_image("1 2:1z32768")
    extra = SharingRecorded(pid=ProcessId(1), files=1, at="ids-1.img#0")
    state = TaskStateRecorded(pid=ProcessId(1), state="running", at="core-1.img#0")
    assert codes([*history[:-1], extra, state]) == codes(history)


def moved(text: str, by: int) -> str:
    """Add to every number of a tree but 0; states, exit signals and threads are left out then."""
    bare = re.sub(r"z\d*|x\d+|\+\S*", "", text)
    return re.sub(r"\d+", lambda found: str(int(found[0]) + by * bool(int(found[0]))), bare) if by else text


def flat_images(number: int) -> Iterator[tuple[str, list[AnyEvent], Forest]]:
    """Yield the ends of random histories in one pid namespace as CRIU images: a container's, and the same on a host's numbers."""
    for seed in range(number):
        history = image_of(random_history(f"criu {seed}", "flat", (20, 60, 120)[seed % 3]))
        text = notation(fold(history))
        for shift in (0, 5000):
            image = criu_image(moved(text, shift), own_pid_namespace=not shift)
            yield f"{seed}+{shift}", image, fold(image)


def test_the_forecast_is_what_comes_of_carrying_the_restore_out(capsys: pytest.CaptureFixture[str]) -> None:
    """On generated images: what the check foretells by rules against what a restore comes to that is carried out step by step."""
    table: Counter[tuple[str, str]] = Counter()
    differing = []
    for name, image, forest in flat_images(amount("CRPLAN_FORECASTS", 150, 150)):
        if not fits(forest):
            continue
        forecast = verdict_of(image)
        happened = outcome(forest)
        table[forecast.verdict, happened] += 1
        if forecast.verdict not in ("unknown", happened, *(("hangs",) if happened != "ok" else ())):
            differing.append((name, forecast.verdict, forecast.codes, happened, notation(forest)))
    with capsys.disabled():
        print("\nforetold   comes to   images")
        for (foretold, happened), count in sorted(table.items()):
            print(f"{foretold:10} {happened:10} {count}")
    assert differing == []
    assert {happened for _, happened in table} == {"ok", "refused", "wrong"}


@pytest.mark.parametrize(
    ("options", "signal", "verdict"),
    [
        ((), 9, "ok"),
        (("--restore-detached",), 9, "wrong"),
        (("--restore-detached",), 15, "unknown"),
        (("--restore-detached",), 17, "ok"),
        (None, 9, "unknown"),
    ],
)
def test_the_root_is_sent_its_parent_death_signal_when_criu_ends(
    options: tuple[str, ...] | None, signal: int, verdict: str
) -> None:
    """Watched on CRIU 4.2: the root task of `unshare --kill-child` was gone after a detached restore that reported success."""
    *history, last = criu_image("1 2:1")
    of_root = FactRecorded(pid=ProcessId(1), property="parent_death_signal", value=str(signal), at="core-1.img#0")
    assert verdict_of([*history, of_root, last], options=options).verdict == verdict
    of_child = msgspec.structs.replace(of_root, pid=ProcessId(2))
    assert verdict_of([*history, of_child, last], options=options).verdict == "ok", "its parent is in the image"
    engine = verdict_of([*history, of_root, last], "podman", options)
    assert engine.verdict == ("ok" if signal == 17 else "unknown")


def test_criu_ns_brings_a_pid_namespace_in_which_two_numbers_are_taken() -> None:
    assert verdict_of(criu_image("50", own_pid_namespace=False), options=("criu-ns",)).verdict == "ok"
    taken = verdict_of(criu_image("2:0/2 3:2", own_pid_namespace=False), options=("criu-ns",))
    assert (taken.verdict, taken.codes, taken.namespace) == ("refused", ("number-taken",), "new")
    assert verdict_of(criu_image("1 2:1"), options=("criu-ns",)).verdict == "ok", "a container has a namespace of its own"


def test_one_option_serves_for_sockets_that_the_dump_closed() -> None:
    *history, last = criu_image("1 2:1")
    sockets = FactRecorded(property="connected TCP sockets", value="2", at="files.img#0")
    image = [
        msgspec.structs.replace(each, facts={"tcp_close": "1"}) if isinstance(each, ImageOpened) else each
        for each in [*history, sockets, last]
    ]
    told = verdict_of(image, options=None)
    assert (told.verdict, told.needs, told.command) == (
        "unknown",
        ("--tcp-close",),
        "criu restore --images-dir images --tcp-close",
    )
    assert verdict_of(image, options=("--tcp-close",)).verdict == "ok"


@pytest.mark.parametrize(
    ("files", "there", "verdict"),
    [(2, 8192, "ok"), (3, 12288, "ok"), (2, 8191, "refused"), (0, 0, "ok"), (1, 4096, "ok"), (1, 4095, "refused")],
)
def test_pages_that_were_cut_are_missed_and_a_copy_without_any_is_not(files: int, there: int, verdict: str) -> None:
    """Nothing is known of the pages where there are none: such a copy is for inspection."""
    *history, last = criu_image("1 2:1")
    sizes = {"pages": there} if there else {}
    held = [
        ContentsRecorded(images={"pagemap": 2, "pages": files}, sizes=sizes, at="inventory.img#0"),
        *(MemoryRecorded(pid=ProcessId(pid), stored=4096, at=f"pagemap-{pid}.img#1") for pid in (1, 2)),
    ]
    told = verdict_of([*history, *held, last])
    assert told.verdict == verdict
    assert set(told.codes) <= {"criu-file-damaged"}
