"""The fixed text of every script: the prelude with the agent in it."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

PARTS: Final = ("kernel", "proc", "actor", "crowd", "executor", "program")
"""The parts of the agent, each after those that it imports."""

_DOCSTRING: Final = re.compile(r'\A"""(.*?)"""\n', re.DOTALL)
_FUTURE: Final = "from __future__ import annotations\n"
_LIBRARY_IMPORT: Final = re.compile(r"^(?:import \w+|from [a-z.]+ import \w+)\n", re.MULTILINE)
_PART_IMPORT: Final = re.compile(r"^from crplan_shell\.agent\.\w+ import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)


@cache
def prelude() -> str:
    """Return the part that is the same in every script, byte for byte."""
    text = _file("prelude.sh")
    return text.replace("@PYTHON@\n", agent()).replace("@PERL@\n", _file("agent.pl"))


@cache
def agent() -> str:
    """Return the agent as one program: the parts one after the other, with what they import from the library in front."""
    imports: set[str] = set()
    texts = []
    for part in PARTS:
        title, text = _titled(_read(part))
        text = _PART_IMPORT.sub("", text.replace(_FUTURE, ""))
        imports.update(_LIBRARY_IMPORT.findall(text))
        texts.append(f"\n\n{title}\n{_LIBRARY_IMPORT.sub('', text).strip()}\n")
    title, _ = _titled(_read("__init__"))
    texts.append('\n\nif __name__ == "__main__":\n    main()\n')
    return f"{title}\n{_FUTURE}\n{''.join(sorted(imports))}{''.join(texts)}"


def _read(part: str) -> str:
    return _file(f"agent/{part}.py")


def _file(name: str) -> str:
    return files("crplan_shell").joinpath(*name.split("/")).read_text("utf-8")


def _titled(text: str) -> tuple[str, str]:
    """Turn a module's docstring into comments; return them and the rest."""
    found = _DOCSTRING.match(text)
    if not found:
        raise ValueError("a part of the agent has no docstring")
    return "".join(f"# {line}".rstrip() + "\n" for line in found[1].strip().splitlines()), text[found.end() :]
