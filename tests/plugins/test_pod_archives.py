"""The checkpoint of a pod (Kubernetes KEP-5823): a directory or an archive of both versions, and its earlier form."""

import gzip
import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crplan_criu.layout import INDEX
from crplan_criu.read import members, read

from planner.errors import BadImage, SeveralImages
from planner.events.records import ImageOpened
from planner.hookspecs import ReadRequest, Source
from planner.pipeline import sources
from planner.pipeline.inputs import grouped
from planner.pipeline.reading import default_registry
from tests.helpers.containers import Dump

SANDBOX = "ab" * 32
POD = {"metadata": {"name": "shop", "namespace": "default", "uid": "1"}, "hostname": "shop"}
ANNOTATIONS = {
    "org.criu.checkpoint.host.kernel": "6.8.0",
    "org.criu.checkpoint.host.arch": "x86_64",
    "org.criu.checkpoint.criu.version": "4.1",
    "org.criu.checkpoint.cgroup.version": "v2",
    "org.criu.checkpoint.distribution.name": "fedora",
    "org.criu.checkpoint.distribution.version": "43",
}
FACTS = ("host_kernel", "host_architecture", "criu_version", "cgroup_version", "distribution", "distribution_version")

ROOTS = {"web": 1, "log": 20}
"""The first task of each container."""

Files = dict[str, bytes]


def dump(root: int) -> Dump:
    return Dump(external="").task(root).task(root + 1, root)


def manifest(version: int, names: dict[str, str], mode: Any, **more: Any) -> bytes:
    options = {} if mode is None else {"pid": mode, "target_id": "web" * 8}
    config = {"image": {"image": "nginx"}, "linux": {"security_context": {"namespace_options": options}}}
    listed = [{"name": name, "id": name * 8, "archive": archive, "config": config} for name, archive in names.items()]
    return json.dumps({"version": version, "sandboxId": SANDBOX, "containers": listed} | more).encode()


def crio(mode: Any = None) -> Files:
    """Version 1, as CRI-O writes it."""
    names = {name: f"containers/{hashlib.sha256(name.encode()).hexdigest()}.tar" for name in ("web", "log")}
    files = {names[name]: gzip.decompress(dump(root).archive({"name": f"k8s_{name}"})) for name, root in ROOTS.items()}
    return files | {
        "checkpoint-manifest.json": manifest(1, names, mode, runtime="cri-o"),
        "pod-config.json": json.dumps(POD | {"annotations": ANNOTATIONS}).encode(),
    }


def layout(root: int) -> Files:
    """An OCI layout of a checkpoint, whose index has the annotations."""
    layer = dump(root).archive()
    digest = hashlib.sha256(layer).hexdigest()
    index = {"manifests": [{"digest": f"sha256:{digest}", "size": len(layer)}], "annotations": ANNOTATIONS}
    return {f"blobs/sha256/{digest}": layer, INDEX: json.dumps(index).encode(), "oci-layout": b"{}"}


def containerd(mode: Any = None) -> Files:
    """Version 2, as containerd writes it."""
    names = {"web": "container-1.tar", "log": "container-2.tar"}
    files = {names[name]: packed(layout(root)) for name, root in ROOTS.items()}
    return files | {"checkpoint-manifest.json": manifest(2, names, mode), "pod-config.json": json.dumps(POD).encode()}


def earlier(mode: Any = None) -> Files:
    """The form before the manifest: a directory a container."""
    files = {f"{name}/checkpoint/{file}": data for name, root in ROOTS.items() for file, data in dump(root).images().items()}
    return files | {"pod.options": b'{"version": 1, "containers": {"web": "k8s_web"}}', "pod.dump": json.dumps(POD).encode()}


def packed(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def as_archive(files: Files, folder: Path) -> Source:
    return sources.from_bytes(packed(files), "pod.tar")


def as_nested_archive(files: Files, folder: Path) -> Source:
    return sources.from_bytes(packed({f"backup/{name}": data for name, data in files.items()}), "pod.tar")


def as_directory(files: Files, folder: Path) -> Source:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return sources.from_path(os.fspath(folder))


Packed = Callable[[Files, Path], Source]
packings = pytest.mark.parametrize("given", [as_archive, as_nested_archive, as_directory])
versions = pytest.mark.parametrize("version", [crio, containerd, earlier])


def facts(source: Source, member: str) -> dict[str, str]:
    (opened,) = (event for event in read(source, ReadRequest(member=member)) if isinstance(event, ImageOpened))
    return opened.facts


@packings
@versions
def test_containers_are_named_as_the_pod_names_them(given: Packed, version: Callable[[], Files], tmp_path: Path) -> None:
    source = given(version(), tmp_path)
    names = sorted(one.name.removeprefix("backup/") for one in members(source))
    assert names == ["log", "web"]
    for one in members(source):
        found = facts(source, one.name)
        assert (found["pod"], found["pod_namespace"]) == ("shop", "default")
        assert "found_in" not in found


@packings
@pytest.mark.parametrize(("version", "engine", "number"), [(crio, "CRI-O", "1"), (containerd, "containerd", "2")])
def test_what_is_known_of_the_host_is_a_fact(
    given: Packed, version: Callable[[], Files], engine: str, number: str, tmp_path: Path
) -> None:
    found = facts(given(version(), tmp_path), "web")
    assert tuple(found[fact] for fact in FACTS) == tuple(ANNOTATIONS.values())
    assert (found["engine"], found["pod_checkpoint_version"]) == (engine, number)
    assert (found["pod_id"], found["container_id"], found["image"]) == (SANDBOX, "web" * 8, "nginx")


@pytest.mark.parametrize(
    ("mode", "groups"), [(None, 1), (0, 1), ("POD", 1), (1, 2), ("CONTAINER", 2), (2, 2), (7, 2), ("MOON", 2)]
)
@pytest.mark.parametrize("version", [crio, containerd])
def test_the_pid_namespace_of_the_pod_is_evidence(
    version: Callable[[Any], Files], mode: Any, groups: int, tmp_path: Path
) -> None:
    path = os.fspath(tmp_path)
    as_directory(version(mode), tmp_path)
    assert len(grouped([path], sources.from_path, default_registry()).groups) == groups


@packings
def test_a_container_whose_archive_is_missing_is_named(given: Packed, tmp_path: Path) -> None:
    files = crio()
    del files[next(name for name in files if name.startswith("containers/"))]
    source = given(files, tmp_path)
    with pytest.raises(BadImage, match=r"is named by checkpoint-manifest\.json, and no images are there"):
        facts(source, "web")
    assert facts(source, "log")["pod"] == "shop"


@packings
@pytest.mark.parametrize("document", [b"", b"[]", b"{", b'{"containers": [7]}', b'{"containers": {"a": "b"}}', b"[" * 10_000])
def test_a_manifest_that_describes_nothing_takes_nothing_away(given: Packed, document: bytes, tmp_path: Path) -> None:
    source = given(crio() | {"checkpoint-manifest.json": document}, tmp_path)
    assert len(list(members(source))) == 2


def counted(data: bytes, name: str = "pod.tar") -> tuple[Source, list[int]]:
    """An archive as a file that can seek, and how many bytes were read of it."""
    taken = [0]

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            taken[0] += len(found)
            return found

    return msgspec.structs.replace(sources.from_bytes(data, name), open=lambda: Counting(data), range=None), taken


def annotated(layer: bytes, *, index: bool) -> Files:
    """An OCI layout of one image, with its annotations in the index or in the manifest."""
    said, other = (ANNOTATIONS, {}) if index else ({}, ANNOTATIONS)
    layer_digest = hashlib.sha256(layer).hexdigest()
    manifest = json.dumps({"layers": [{"digest": f"sha256:{layer_digest}", "size": len(layer)}], "annotations": other}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    named = {"org.opencontainers.image.ref.name": "monday"}
    listed = {"digest": f"sha256:{digest}", "size": len(manifest), "annotations": named | said}
    return {
        "oci-layout": b"{}",
        f"blobs/sha256/{layer_digest}": layer,
        f"blobs/sha256/{digest}": manifest,
        INDEX: json.dumps({"manifests": [listed]}).encode(),
    }


def told(source: Source, member: str = "") -> dict[str, str]:
    (opened,) = read(source, ReadRequest(member=member, detail="facts"))
    assert isinstance(opened, ImageOpened)
    return opened.facts


@pytest.mark.parametrize("index", [True, False])
def test_annotations_are_read_without_the_layers(index: bool, tmp_path: Path) -> None:
    """The layer is random bytes behind the first of a gzip archive: whatever reads it fails, and would be counted."""
    layer = b"\x1f\x8b" + random.Random(1).randbytes(8 << 20)
    files = annotated(layer, index=index)
    source, taken = counted(packed(files))
    assert [told(source)[fact] for fact in FACTS] == list(ANNOTATIONS.values())
    assert taken[0] < 1 << 20
    with pytest.raises(BadImage, match="damaged"):
        list(read(source))
    directory = as_directory(files, tmp_path)
    place = next(path for path in tmp_path.glob("blobs/sha256/*") if path.stat().st_size > 1 << 20)
    place.write_bytes(b"")
    os.truncate(place, len(layer))  # and nothing of it is looked at
    assert [told(directory)[fact] for fact in FACTS] == list(ANNOTATIONS.values())


@pytest.mark.parametrize("tagged", [True, False])
def test_a_checkpoint_of_ctr_is_one_image_whose_index_has_no_manifest(tagged: bool, tmp_path: Path) -> None:
    blobs = {"config+proto": b"\n\x05proto", "criu.tar": packed(dump(1).images()), "rw.tar": packed({"etc/hosts": b""})}
    files: Files = {"oci-layout": b"{}"}

    def described(data: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)} | more

    kind = "application/vnd.containerd.container.criu.checkpoint."
    listed = [described(data, mediaType=kind + name) for name, data in blobs.items()]
    if tagged:
        named = {"org.opencontainers.image.ref.name": "monday"} | ANNOTATIONS
        listed = [described(json.dumps({"manifests": listed}).encode(), annotations=named)]
    files[INDEX] = json.dumps({"manifests": listed, "annotations": ANNOTATIONS}).encode()
    for source in (as_archive(files, tmp_path), as_directory(files, tmp_path)):
        assert [one.help for one in members(source)] == ["2 tasks"]
        assert [told(source)[fact] for fact in FACTS] == list(ANNOTATIONS.values())


@pytest.mark.parametrize("version", [crio, containerd])
def test_facts_of_a_pod_are_read_without_what_its_containers_hold(version: Callable[[], Files]) -> None:
    files = version()
    pages = bytes(4 << 20)
    more = {name: content for name, content in files.items() if not name.endswith("json")}
    source, taken = counted(packed(files | {f"{name}.pages": pages for name in more}))
    with pytest.raises(SeveralImages) as several:
        list(read(source, ReadRequest(detail="facts")))
    assert sorted(several.value.names) == ["log", "web"]
    for name in ("web", "log"):
        found = told(source, name)
        assert (found["pod"], found["container_id"], found["host_kernel"]) == ("shop", name * 8, found.get("host_kernel"))
    assert taken[0] < 8 << 20
