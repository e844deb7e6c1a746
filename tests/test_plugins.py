"""Plugins: whatever an installed plugin does, the tool stays up and says by name what it left out."""

import importlib.metadata
import io
import os
import random
import signal
import types
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from planner import entry_points as entries
from planner import hookspecs, plugins
from planner.entry_points import Entry
from planner.hookspecs import API, BackEnd, Check, Executor, Reader, ReportFormat, hookimpl


def entry(name: str, distribution: str = "third-party", version: str = "2.5", *, own: bool = False) -> Entry:
    return Entry(name, f"{name}_module", distribution, version, own)


def back_end(name: str, priority: int = 50, api: str = API) -> BackEnd:
    return BackEnd(name=name, help="Writes nothing.", emit=lambda artefact, options, terminal: "", priority=priority, api=api)


def module(**hooks: Callable[[], object]) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{name: hookimpl(hook) for name, hook in hooks.items()})


def load(modules: dict[Entry, object], **options: object) -> plugins.Registry:
    def importer(name: str) -> object:
        found = next(found for entry, found in modules.items() if entry.module == name)
        if isinstance(found, BaseException):
            raise found
        return found

    options.setdefault("blocked", ())
    return plugins.load(entries=list(modules), importer=importer, **options)  # type: ignore[arg-type]


def test_the_built_in_plugins_come_through_entry_points() -> None:
    registry = plugins.load(())
    assert not registry.broken()
    assert "linux-cr" in {reader.name for reader in registry.readers}
    assert {"text", "json"} <= {back_end.name for back_end in registry.backends}
    assert all(report.built_in == (report.distribution == "crplan") for report in registry.plugins)


def test_contributions_are_sorted_by_priority_and_name_in_any_order_of_installation() -> None:
    modules: dict[Entry, object] = {
        entry("gamma"): module(crplan_backends=lambda: (back_end("zeta", 10), back_end("beta"))),
        entry("alpha"): module(crplan_backends=lambda: (back_end("delta"),)),
        entry("beta"): module(crplan_backends=lambda: (back_end("alpha", 90),)),
    }
    shuffled = list(modules.items())
    for seed in range(6):
        random.Random(seed).shuffle(shuffled)
        assert [found.name for found in load(dict(shuffled)).backends] == ["zeta", "beta", "delta", "alpha"]


@pytest.mark.parametrize(
    "error",
    [ImportError("no module named moon"), RuntimeError("a\nb"), SystemExit(3), KeyboardInterrupt(), GeneratorExit("x")],
    ids=lambda error: type(error).__name__,
)
def test_a_plugin_that_does_not_import_is_reported_and_the_others_work(error: BaseException) -> None:
    registry = load({entry("bad"): error, entry("good"): module(crplan_backends=lambda: (back_end("good"),))})
    assert [found.name for found in registry.backends] == ["good"]
    (report,) = registry.broken()
    assert report.name == "bad"
    assert report.reason.startswith(type(error).__name__)
    assert "\n" not in report.reason


def test_an_interrupt_by_the_user_ends_the_loading() -> None:
    def interrupted(name: str) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return module()

    with pytest.raises(KeyboardInterrupt):
        plugins.load((), entries=[entry("slow")], importer=interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_what_is_part_of_this_crplan_is_left_without_third_parties() -> None:
    modules: dict[Entry, object] = {
        entry("false", "crplan"): module(crplan_backends=lambda: (back_end("false"),)),
        entry("own", "crplan", own=True): module(crplan_backends=lambda: (back_end("own"),)),
    }
    registry = load(modules, third_party=False)
    assert [found.name for found in registry.backends] == ["own"]
    assert [(report.name, report.built_in, report.status) for report in registry.plugins] == [
        ("false", False, "blocked"),
        ("own", True, "active"),
    ]


def test_a_hook_that_raises_costs_only_that_hook() -> None:
    def raises() -> object:
        raise ValueError("moon")

    registry = load({entry("half"): module(crplan_backends=lambda: (back_end("kept"),), crplan_readers=raises)})
    assert [found.name for found in registry.backends] == ["kept"]
    assert registry.broken()[0].reason == "crplan_readers: ValueError: moon"
    assert registry.broken()[0].provides == ("back end kept",)


def test_a_foreign_major_version_is_refused_with_both_versions() -> None:
    registry = load({entry("future"): module(crplan_backends=lambda: (back_end("old", api="1.9"), back_end("minor", api="2.9")))})
    assert [found.name for found in registry.backends] == ["minor"]
    reason = registry.broken()[0].reason
    assert all(word in reason for word in ("future", "third-party 2.5", "API 1.9", f"has {API}"))


def test_a_name_clash_names_both_distributions_and_ours_stays() -> None:
    registry = load(
        {
            entry("aaa", "theirs", "7"): module(crplan_backends=lambda: (back_end("text"),)),
            entry("ours", "crplan", "0.1", own=True): module(crplan_backends=lambda: (back_end("text", 60),)),
        }
    )
    assert [found.priority for found in registry.backends] == [60]
    assert "theirs 7 clashes with that of crplan 0.1" in registry.broken()[0].reason


def test_two_plugins_of_one_name_are_a_clash_too() -> None:
    first, second = Entry("same", "one_module", "one", "1"), Entry("same", "two_module", "two", "2")
    registry = load({second: module(), first: module()})
    assert [(report.distribution, report.reason) for report in registry.broken()] == [("two", "the name same is taken by one 1")]


def test_a_misspelt_hook_is_found() -> None:
    registry = load({entry("typo"): module(crplan_backend=lambda: ()), entry("good"): module(crplan_backends=lambda: ())})
    assert [report.name for report in registry.broken()] == ["typo"]
    assert "crplan_backend" in registry.broken()[0].reason


@pytest.mark.parametrize("offered", [42, ("text",), (back_end("a/b"),), (back_end(""),), None])
def test_what_is_no_record_is_refused(offered: object) -> None:
    registry = load({entry("odd"): module(crplan_backends=lambda: offered)})
    assert registry.backends == ()
    assert registry.broken()[0].name == "odd"


def test_a_wrapper_cannot_meddle_with_other_plugins() -> None:
    def wrapper() -> object:
        yield

    meddler = types.SimpleNamespace(crplan_backends=hookimpl(wrapper=True)(wrapper))
    registry = load({entry("meddler"): meddler, entry("good"): module(crplan_backends=lambda: (back_end("good"),))})
    assert [found.name for found in registry.backends] == ["good"]
    assert "wrapper" in registry.broken()[0].reason


def test_who_is_blocked_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    boom = AssertionError("imported")
    assert load({entry("some_name"): boom}, blocked=["Some-Name"]).plugins[0].status == "blocked"
    assert load({entry("some_name"): boom}, third_party=False).plugins[0].status == "blocked"
    monkeypatch.setenv(plugins.DISABLE_VARIABLE, "other, some-name")
    assert load({entry("some_name"): boom}, blocked=None).plugins[0].status == "blocked"


def test_every_hook_can_contribute() -> None:
    """One plugin that implements each hook; a hook without a case here fails the last line."""
    cases: dict[str, tuple[object, str]] = {
        "crplan_readers": (
            Reader(name="r", help="Reads.", recognises=lambda source: False, read=lambda source: iter(())),
            "reader r",
        ),
        "crplan_backends": (back_end("b"), "back end b"),
        "crplan_checks": (Check(name="c", help="Checks.", check=lambda request: iter(())), "check c"),
        "crplan_reports": (
            ReportFormat(name="f", help="Formats.", render=lambda report, options, terminal: ""),
            "report format f",
        ),
        "crplan_executors": (
            Executor(name="e", help="Runs.", run=lambda plan, record, timeout: 0, refuses=lambda plan: ""),
            "executor e",
        ),
    }
    every = module(**{hook: (lambda record=record: (record,)) for hook, (record, _) in cases.items()})
    registry = load({entry("every"): every})
    assert registry.plugins[0].provides == tuple(words for _, words in cases.values())
    assert registry.plugins[0].status == "active"
    assert registry.provider("executor", "e") == "every (third-party 2.5)"
    assert set(cases) == {name for name in vars(hookspecs) if name.startswith("crplan_")}


def test_every_hook_has_a_documented_signature() -> None:
    for name in vars(hookspecs):
        if name.startswith("crplan_"):
            hook = getattr(hookspecs, name)
            assert hook.__doc__, name
            assert "return" in hook.__annotations__, name


def test_entry_points_are_those_of_the_standard_library() -> None:
    for group in ("crplan", "console_scripts", "pytest11"):
        expected = {
            Entry(point.name, point.value.partition("[")[0].strip(), point.dist.name, point.dist.version)
            for point in importlib.metadata.entry_points(group=group)
            if point.dist
        }
        assert {msgspec.structs.replace(found, own=False) for found in entries.installed(group)} == expected


def test_the_scan_reads_directories_and_egg_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name, version in (("a", "one-1.dist-info", "1"), ("b", "One-2.dist-info", "2"), ("b", "two.egg-info", "3")):
        directory = tmp_path / place / name
        directory.mkdir(parents=True)
        (directory / "entry_points.txt").write_text("[other]\nx = y\n\n[crplan]\n# remark\nplug = mod:attr [extra]\n")
        metadata = "PKG-INFO" if name.endswith("egg-info") else "METADATA"
        distribution = name.partition("-")[0].partition(".")[0]
        (directory / metadata).write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n\nName: body\n")
    monkeypatch.setattr("sys.path", [str(tmp_path / "a"), str(tmp_path / "missing"), str(tmp_path / "b")])
    assert entries.installed("crplan") == [Entry("plug", "mod:attr", "one", "1"), Entry("plug", "mod:attr", "two", "3")]


def test_an_archive_on_the_path_is_left_to_the_standard_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("zipped-4.dist-info/entry_points.txt", "[crplan]\nzipped = zipped\n")
        archive.writestr("zipped-4.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 4\n")
    (tmp_path / "zipped.whl").write_bytes(buffer.getvalue())
    monkeypatch.setattr("sys.path", [str(tmp_path / "zipped.whl")])
    assert entries.installed("crplan") == [Entry("zipped", "zipped", "zipped", "4")]
