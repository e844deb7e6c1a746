"""`python -m planner` is `crplan`."""

import os
import sys

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# Python puts the current directory first, where others may have left modules and plugins: `crplan` does not look there either.
if not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(os.curdir) != HERE:
    del sys.path[0]

from planner.cli.main import main  # noqa: E402 - what it imports must not come from there

if __name__ == "__main__":
    sys.exit(main())
