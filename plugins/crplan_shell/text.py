"""The machinery of every script: functions of shell, and the agent in Python, in Perl or in both."""

import hashlib
import re
from functools import cache
from pkgutil import get_data
from typing import Final

PARTS: Final = ("kernel", "proc", "actor", "crowd", "executor", "program")
"""The parts of the agent, each after those that it imports."""

DIGEST_DIGITS: Final = 16

_DOCSTRING: Final = re.compile(r'\A"""(.*?)"""\n', re.DOTALL)
_FUTURE: Final = "from __future__ import annotations\n"
_LIBRARY_IMPORT: Final = re.compile(r"^(?:import \w+|from [a-z.]+ import \w+)\n", re.MULTILINE)
_PART_IMPORT: Final = re.compile(r"^from crplan_shell\.agent\.\w+ import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)


BOTH: Final = "embedded"
"""Both agents in one script: it takes python3 where the machine has one, and perl otherwise."""

_AGENTS: Final = {
    "python": """\
python_agent() {
    exec python3 -I -S - <<'PYTHON'
@PYTHON@
PYTHON
}
""",
    "perl": """\
perl_agent() {
    exec perl - <<'PERL'
@PERL@
PERL
}
""",
}

_LACKING: Final = {
    "python": "no python3 (3.8 or later, with ctypes) that could create processes",
    "perl": "no perl that could create processes",
    BOTH: "neither a python3 (3.8 or later, with ctypes) nor a perl that could create processes",
}


@cache
def machinery(kind: str = BOTH) -> str:
    """Return the part that is the same in every script, byte for byte; `kind` names the agent: embedded, python or perl."""
    kinds = tuple(_AGENTS) if kind == BOTH else (kind,)
    agents = "\n".join(_AGENTS[each] for each in kinds)
    begin = " || ".join(f"begin {each}_agent {'python3' if each == 'python' else each}" for each in kinds)
    text = _file("prelude.sh").replace("@AGENTS@\n", f"{agents}\n").replace("@BEGIN@", f"{begin} ||")
    text = text.replace("@LACKING@", _LACKING[kind])
    text = text.replace("@PYTHON@\n", agent()).replace("@PERL@\n", _file("agent.pl"))
    return f"machinery={hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]}\n{text}"


def digest(text: str) -> str:
    """Return the digest with which the text of a machinery begins."""
    return text.partition("\n")[0].partition("=")[2]


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
    # importlib.resources takes ten milliseconds to import, and this is what a small image waits for.
    return (get_data("crplan_shell", name) or b"").decode()


def _titled(text: str) -> tuple[str, str]:
    """Turn a module's docstring into comments; return them and the rest."""
    found = _DOCSTRING.match(text)
    if not found:
        raise ValueError("a part of the agent has no docstring")
    return "".join(f"# {line}".rstrip() + "\n" for line in found[1].strip().splitlines()), text[found.end() :]
