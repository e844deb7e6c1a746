"""Paths inside archives and directories, as text: nothing is looked up."""

from crplan_criu.recognise import DIRECTORIES


def below(path: str, root: str) -> str | None:
    """Return a path relative to a directory that it stands at or below, None for any other."""
    if not root or path == root:
        return "" if root else path
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else None


def spoken(directory: str) -> str:
    """Return where a checkpoint stands, as people name it: without the engine's `checkpoint` below it."""
    return "" if directory in DIRECTORIES else directory.removesuffix("/checkpoint")


def normalised(path: str) -> str:
    """Return a path of an archive without `.` and `..`; what leads out of it has no `..` left either."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
