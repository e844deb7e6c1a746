"""A pod's checkpoint: which archive is of which container, and what is known of the pod (Kubernetes KEP-5823).

Version 1 is CRI-O's (`containers/SHA256.tar`, `runtime`, `sha256` and `config` of each container), version 2 containerd's (an OCI
layout a container, with `config` and `status`); an earlier form has `pod.options` and `pod.dump` beside a directory a container.
Source: CRI-O `server/sandbox_checkpoint.go`, containerd `internal/cri/server/podsandbox`, checkpointctl `lib/metadata.go`, CRI
`api.proto` (`NamespaceMode`).
"""

from typing import Final

import msgspec

from crplan_criu.container import ENGINES, Container

POD_FILES: Final = ("checkpoint-manifest.json", "pod-config.json", "pod.options", "pod.dump")
"""What marks the checkpoint of a pod."""

MODES: Final = ("POD", "CONTAINER", "NODE", "TARGET")
"""Whose pid namespace a container is in, by the number that CRI gives it."""

CONTAINERD_VERSION: Final = 2
"""Version of the manifest that containerd writes, which names no runtime."""


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _NamespaceOptions(msgspec.Struct):
    pid: int | str = 0
    target_id: str = ""


class _SecurityContext(msgspec.Struct):
    namespace_options: _NamespaceOptions | None = None


class _Linux(msgspec.Struct):
    security_context: _SecurityContext | None = None


class _Image(msgspec.Struct):
    image: str = ""
    user_specified_image: str = ""


class _Configuration(msgspec.Struct):
    image: _Image | None = None
    annotations: dict[str, str] | None = None
    linux: _Linux | None = None


class _Listed(msgspec.Struct):
    name: str = ""
    id: str = ""
    archive: str = ""
    config: _Configuration | None = None


class _Manifest(msgspec.Struct):
    version: int = 0
    runtime: str = ""
    sandboxId: str = ""
    containers: list[_Listed] | None = None


class _Pod(msgspec.Struct):
    """What `pod-config.json` and `pod.dump` say, as far as it is used."""

    metadata: _Metadata | None = None
    annotations: dict[str, str] | None = None


class Pod:
    """What is known of a pod whose containers' archives or directories stand below one place."""

    def __init__(self) -> None:
        self.common = Container()
        """What holds for every container."""
        self.sandbox = ""
        self.listed: dict[str, _Listed] = {}
        """The containers by the path of their archive."""

    def add(self, name: str, data: bytes) -> None:
        """Take one of `POD_FILES`; one that cannot be understood says nothing."""
        try:
            if name == "checkpoint-manifest.json":
                self._manifest(msgspec.json.decode(data, type=_Manifest))
            elif name != "pod.options":
                self._configuration(msgspec.json.decode(data, type=_Pod))
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return

    def _configuration(self, pod: _Pod) -> None:
        self.common.annotate(pod.annotations or {})
        if pod.metadata is not None:
            self._fact(self.common, "pod", pod.metadata.name)
            self._fact(self.common, "pod_namespace", pod.metadata.namespace)

    def _manifest(self, manifest: _Manifest) -> None:
        self.sandbox = manifest.sandboxId
        self._fact(self.common, "pod_id", manifest.sandboxId)
        runtime = manifest.runtime or ("containerd" if manifest.version == CONTAINERD_VERSION else "")
        self._fact(self.common, "engine", ENGINES.get(runtime, runtime))
        self._fact(self.common, "pod_checkpoint_version", str(manifest.version or ""))
        for one in manifest.containers or ():
            self.listed.setdefault("/".join(part for part in one.archive.split("/") if part not in ("", ".")), one)

    def _fact(self, container: Container, fact: str, value: str) -> None:
        if value:
            container.facts.setdefault(fact, value)

    def name(self, path: str) -> str:
        """Return the name of the container whose archive stands at or above a path below the pod, "" where none is known."""
        one = self._at(path)
        return one.name if one is not None else ""

    def container(self, path: str) -> Container:
        """Return what is known of the container at a path below the pod."""
        found = Container()
        one = self._at(path)
        if one is not None:
            self._fact(found, "container", one.name)
            self._fact(found, "container_id", one.id)
            if one.config is not None:
                self._of_configuration(found, one.config)
        found.merge(self.common)
        return found

    def _at(self, path: str) -> _Listed | None:
        return next((one for archive, one in self.listed.items() if path == archive or path.startswith(f"{archive}/")), None)

    def _of_configuration(self, found: Container, configuration: _Configuration) -> None:
        found.annotate(configuration.annotations or {})
        if configuration.image is not None:
            self._fact(found, "image", configuration.image.user_specified_image or configuration.image.image)
        context = configuration.linux.security_context if configuration.linux is not None else None
        options = context.namespace_options if context is not None else None
        if options is None:
            return
        mode = MODES[options.pid] if isinstance(options.pid, int) and 0 <= options.pid < len(MODES) else options.pid
        joined = self.sandbox if mode == "POD" else options.target_id if mode == "TARGET" else ""
        if joined:
            found.joined_containers["pid"] = joined
        if mode in ("CONTAINER", "NODE"):
            found.specified["pid"] = "new" if mode == "CONTAINER" else "inherited"
