"""Prints the runtime dependencies of pyproject.toml, a line each: `newest` as they stand, `oldest` at the lowest version."""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

for requirement in PROJECT["dependencies"]:
    lowest = re.match(r"([\w.-]+)>=([\w.]+)", requirement)
    if lowest is None:
        sys.exit(f"{requirement} does not say from which version on it is allowed")
    print(f"{lowest[1]}=={lowest[2]}" if sys.argv[1] == "oldest" else requirement)
