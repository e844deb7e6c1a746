"""What a machine gives a restore beside files and addresses: each finding where it is lacking, and none where it is there.

Every case was made for real, or with an image that was changed: `tests/linux/test_failures.py` has them with what CRIU did.
"""

import io
import json
import tarfile
from pathlib import Path

import msgspec
import pytest
from crplan_checks import criu_machine, criu_processor, kinds_machine
from crplan_criu import messages_contents

from planner.findings.registry import Answer, Finding, Passed, Unknown
from planner.findings.verdicts import ConsumerName, Invocation
from planner.hookspecs import Artefact
from planner.host import cgroups, stores
from planner.host.facts import CAPABILITIES, Answers, Host, Limits
from planner.host.questions import questions
from planner.library import checking
from planner.library.checking import check
from tests.helpers import criu_dumps
from tests.helpers.held import artefact, held

UNRAISED = tuple(set(CAPABILITIES) - {"sys_resource"})
ABLE = Host(
    capabilities=CAPABILITIES,
    processor=("avx", "ospke"),
    cgroup_controllers=("pids", "unified"),
    limits=Limits(resources={"nofile": (1024, 4096), "core": (0, -1)}),
    processors="0-3",
    tools={"ip": "yes"},
)


def answers(given: Artefact, host: Host | None, *options: str, consumer: ConsumerName = "criu-restore") -> list[Answer]:
    return list(criu_machine.check(given, host, Invocation(consumer=consumer, options=options)))


def codes(given: Artefact, host: Host, *options: str, consumer: ConsumerName = "criu-restore") -> list[str]:
    found = answers(given, host, *options, consumer=consumer)
    assert not [each for each in found if isinstance(each, Unknown)], found
    return [each.code for each in found if isinstance(each, Finding)]


def directory(name: str, *children: bytes, **limits: str) -> bytes:
    """Return a directory of cgroups; a limit's name has `_` where the file has a dot."""
    written = [
        criu_dumps.encoded(messages_contents.CG_PROPERTY, {"name": limit.replace("_", "."), "value": value})
        for limit, value in limits.items()
    ]
    fields = {"dir_name": name, "children": list(children), "properties": written}
    return criu_dumps.encoded(messages_contents.CG_DIRECTORY, fields)


def with_cgroups(place: Path, controller: str, *directories: bytes) -> Artefact:
    entry = criu_dumps.encoded(messages_contents.CG_CONTROLLER, {"cnames": [controller], "dirs": list(directories)})
    cgroup = criu_dumps.encoded(messages_contents.CGROUPS, {"controllers": [entry]})
    return artefact(place, criu_dumps.tree() | {"cgroup.img": criu_dumps.image("cgroup", cgroup)})


def there(**found: bool) -> Host:
    return msgspec.structs.replace(ABLE, answers=Answers(cgroups={f"pids /{name}": state for name, state in found.items()}))


@pytest.mark.parametrize(
    ("mode", "a", "b", "expected"),
    [
        ("", False, False, []),
        ("=soft", True, False, []),
        ("=full", False, True, []),
        ("=ignore", False, False, []),
        ("=none", True, True, []),
        ("=none", True, False, ["criu-cgroup-missing"]),
        ("=props", False, True, ["criu-cgroup-missing"]),
        ("=strict", False, False, []),
        ("=strict", True, False, ["criu-cgroup-exists"]),
    ],
)
def test_what_criu_wants_of_cgroups_depends_on_its_mode(tmp_path: Path, mode: str, a: bool, b: bool, expected: list[str]) -> None:
    given = with_cgroups(tmp_path, "pids", directory("a", directory("b")))
    host = msgspec.structs.replace(ABLE, answers=Answers(cgroups={"pids /a": a, "pids /a/b": b}))
    assert codes(given, host, f"--manage-cgroups{mode}") == expected
    assert questions(given.forest, given.contents).cgroups == ("pids /a", "pids /a/b")


@pytest.mark.parametrize(
    ("controller", "options", "expected"),
    [
        ("rdma", (), ["criu-cgroup-controller"]),
        ("rdma", ("--manage-cgroups=ignore",), []),
        ("pids", (), []),
        ("name=systemd", (), []),
        ("", (), []),
    ],
)
def test_a_controller_must_have_a_hierarchy(
    tmp_path: Path, controller: str, options: tuple[str, ...], expected: list[str]
) -> None:
    given = with_cgroups(tmp_path, controller, directory("a"))
    host = msgspec.structs.replace(ABLE, answers=Answers(cgroups={f"{controller or 'unified'} /a": True}))
    assert codes(given, host, *options) == expected
    assert codes(given, host, *options, consumer="podman") == []


@pytest.mark.parametrize(
    ("wanted", "made", "expected"),
    [("0-3", True, []), ("0,2-3", True, []), ("0-7", True, ["criu-cgroup-processors"]), ("0-7", False, []), ("", True, [])],
)
def test_a_cgroup_that_is_made_is_for_processors_that_are_there(
    tmp_path: Path, wanted: str, made: bool, expected: list[str]
) -> None:
    given = with_cgroups(tmp_path, "pids", directory("a", cpuset_cpus=wanted))
    assert codes(given, there(a=not made)) == expected


def test_directories_of_cgroups_may_be_deep_and_many(tmp_path: Path) -> None:
    deep = directory("x")
    for _ in range(3000):
        deep = directory("x", deep)
    given = with_cgroups(tmp_path, "pids", deep)
    recorded = [each.value for each in given.contents.properties if each.property == "cgroup directory pids"]
    assert (len(recorded), recorded[1]) == (2048, "/x/x")  # what is deeper has a path that no kernel takes


HIERARCHIES = """\
30 20 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
31 20 0:27 / /sys/fs/cgroup/my\\040pids rw - cgroup cgroup rw,pids
32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
33 20 0:29 /inner /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
"""


def test_hierarchies_are_where_their_roots_are_mounted() -> None:
    found = cgroups.hierarchies(HIERARCHIES)
    assert {name: found.get(name) for name in ("unified", "pids", "name=systemd", "cpu")} == {
        "unified": "/sys/fs/cgroup/unified", "pids": "/sys/fs/cgroup/my pids", "name=systemd": "/sys/fs/cgroup/systemd",
        "cpu": None,
    }  # fmt: skip


def processor(place: Path, mask: int, **words: int) -> Artefact:
    capability = [words.get(f"w{number}", 0) for number in range(19)]
    entry = {"vendor_id": 1, "cpu_family": 6, "model": 1, "stepping": 1, "capability": capability, "xfeatures_mask": mask}
    info = criu_dumps.encoded(messages_contents.PROCESSOR, entry)
    cpuinfo = criu_dumps.image("cpuinfo", criu_dumps.encoded(messages_contents.CPUINFO, {"x86_entry": [info]}))
    return artefact(place, criu_dumps.tree() | {"cpuinfo.img": cpuinfo})


SAME = {"mask": 1 << 2 | 1 << 9, "w4": 1 << 28}
MORE = {"mask": 1 << 2 | 1 << 9, "w4": 1 << 28, "w9": 1 << 16}


@pytest.mark.parametrize(
    ("recorded", "options", "expected"),
    [
        (SAME, ("--cpu-cap",), []),
        (MORE, ("--cpu-cap=ins",), ["criu-processor"]),
        (MORE, ("--cpu-cap=^ins",), []),
        (MORE, ("--cpu-cap=none",), ["criu-processor-not-compared"]),
        (MORE, (), ["criu-processor-not-compared"]),
        (SAME | {"mask": 1 << 2}, ("--cpu-cap=fpu",), ["criu-processor"]),
        (SAME | {"mask": 0xE6 | 1 << 9}, ("--cpu-cap=fpu",), ["criu-processor"]),
        ({"mask": 1 << 2 | 1 << 9}, ("--cpu-cap=ins",), []),
        ({"mask": 1 << 2 | 1 << 9}, ("--cpu-cap=cpu",), ["criu-processor"]),
    ],
)
def test_processors_are_compared_as_the_option_says(
    tmp_path: Path, recorded: dict[str, int], options: tuple[str, ...], expected: list[str]
) -> None:
    assert codes(processor(tmp_path, **recorded), ABLE, *options) == expected


def test_a_dump_that_does_not_say_its_processor_cannot_be_compared(tmp_path: Path) -> None:
    given = artefact(tmp_path, criu_dumps.tree())
    assert codes(given, ABLE, "--cpu-cap=ins") == ["criu-processor-not-recorded"] and codes(given, ABLE) == []


@pytest.mark.parametrize(
    ("value", "compared"),
    [("", "cpu fpu ins"), ("fpu", "fpu ins"), ("cpu", "cpu fpu ins"), ("none", ""), ("^none", "cpu fpu ins"), ("^fpu", "ins"),
     ("none,fpu", "fpu"), ("all,^cpu", "fpu ins")],
)  # fmt: skip
def test_the_option_is_read_as_criu_reads_it(value: str, compared: str) -> None:
    assert criu_processor.capabilities(value) == set(compared.split())


def test_registers_that_criu_has_no_field_for_are_lost_everywhere(tmp_path: Path) -> None:
    given = artefact(tmp_path, criu_dumps.tree() | {"core-10.img": criu_dumps.core(10, 1 << 18)})
    assert [each.code for each in answers(given, None) if isinstance(each, Finding)] == ["criu-registers-not-restored"]
    assert kinds_machine.CRIU_REGISTERS_UNKNOWN.outcome == "wrong"
    without = artefact(tmp_path / "without", criu_dumps.tree())
    assert [type(each) for each in answers(without, None)] == [Passed]


@pytest.mark.parametrize(
    ("hard", "capabilities", "expected"),
    [
        (4096, UNRAISED, []),
        (8192, UNRAISED, ["criu-resource-limit"]),
        (-1, UNRAISED, ["criu-resource-limit"]),
        (8192, CAPABILITIES, []),
    ],
)
def test_a_limit_that_criu_may_not_raise_is_lost(
    tmp_path: Path, hard: int, capabilities: tuple[str, ...], expected: list[str]
) -> None:
    limits = [((1 << 64) - 1, (1 << 64) - 1)] * 7 + [(64, hard)]
    given = artefact(tmp_path, criu_dumps.tree() | {"core-10.img": criu_dumps.core(10, limits=limits)})
    assert codes(given, msgspec.structs.replace(ABLE, capabilities=capabilities)) == expected


@pytest.mark.parametrize(
    ("number", "capabilities", "expected"),
    [(990, UNRAISED, []), (993, UNRAISED, ["criu-descriptor-limit"]), (5000, CAPABILITIES, [])],
)
def test_a_descriptor_needs_room_above_itself(
    tmp_path: Path, number: int, capabilities: tuple[str, ...], expected: list[str]
) -> None:
    given = held(tmp_path, criu_dumps.regular(1, "/srv/a"), **{"fdinfo-2.img": criu_dumps.descriptors((number, 1))})
    assert codes(given, msgspec.structs.replace(ABLE, capabilities=capabilities)) == expected


@pytest.mark.parametrize(
    ("own", "there", "expected"), [(("net",), "no", ["criu-tool-missing"]), (("net",), "yes", []), ((), "no", [])]
)
def test_addresses_of_an_own_network_need_a_program(
    tmp_path: Path, own: tuple[str, ...], there: str, expected: list[str]
) -> None:
    given = artefact(tmp_path, criu_dumps.tree(own=own) | {"ifaddr-9.img": b"raw"})
    assert codes(given, msgspec.structs.replace(ABLE, tools={"ip": there})) == expected


def container(place: Path, *, specification: bool = True, digest: str = "b" * 64) -> Path:
    """Return an archive as engines write it."""
    files = {f"checkpoint/{name}": data for name, data in criu_dumps.tree().items()}
    files["config.dump"] = json.dumps({"rootfsImageName": "docker.io/x", "rootfsImageRef": f"sha256:{digest}"}).encode()
    files |= {"spec.dump": b"{}"} if specification else {}
    with tarfile.open(place, "w") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return place


@pytest.mark.parametrize(("specification", "expected"), [(True, False), (False, True)])
def test_engines_need_the_specification_and_criu_does_not(tmp_path: Path, specification: bool, expected: bool) -> None:
    report = check(container(tmp_path / "a.tar", specification=specification), engine="podman")
    told = {verdict.consumer: verdict.codes for verdict in report.images[0].verdicts}
    assert ("engine-specification-missing" in told["podman"]) == expected
    assert "engine-specification-missing" not in told["criu-restore"]


def test_an_image_of_a_container_is_looked_for_by_its_digest(tmp_path: Path) -> None:
    images = tmp_path / "images.json"
    images.write_text(json.dumps([{"id": "b" * 64, "names": ["docker.io/x"]}, {"id": "c" * 64}]))
    asked = ("a" * 64, "b" * 64)
    found = stores.container_images(asked, (str(images), str(tmp_path / "none")), str(tmp_path / "no-blobs"))
    assert found == {"a" * 64: False, "b" * 64: True}
    assert stores.container_images(asked, (str(tmp_path / "none"),), str(tmp_path / "no-blobs")) == {}, "no store is no answer"
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("a" * 64)).touch()
    assert stores.container_images(asked, (), str(tmp_path / "blobs")) == {"a" * 64: True, "b" * 64: False}
    images.write_text("[3]")
    assert stores.container_images(asked, (str(images),), str(tmp_path / "no-blobs")) == {}


@pytest.mark.parametrize(("found", "expected"), [({}, False), ({"b" * 64: True}, False), ({"b" * 64: False}, True)])
def test_an_image_that_is_not_on_the_host_is_told(tmp_path: Path, found: dict[str, bool], expected: bool) -> None:
    host = msgspec.structs.replace(ABLE, answers=Answers(container_images=found))
    report = checking.check(container(tmp_path / "a.tar"), host=host, engine="podman")
    assert ("engine-image-missing" in {each.code for each in report.findings}) == expected


def test_profiles_that_are_loaded_are_read_from_the_kernels_list(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("docker-default (enforce)\n/usr/bin/man (complain)\n")
    asked = ("docker-default", "other")
    assert stores.profiles(asked, str(tmp_path / "profiles")) == {"docker-default": True, "other": False}
    assert stores.profiles(asked, str(tmp_path / "none")) == {}


def test_without_a_host_file_that_says_it_nothing_is_known(tmp_path: Path) -> None:
    given = with_cgroups(tmp_path, "pids", directory("a", cpuset_cpus="0"))
    unknown = {each.code for each in answers(given, Host(), "--manage-cgroups=none") if isinstance(each, Unknown)}
    assert unknown == {"criu-cgroup-controller", "criu-cgroup-missing"}
    assert "criu-cgroup-processors" in {each.code for each in answers(given, Host()) if isinstance(each, Unknown)}
