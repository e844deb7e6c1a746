"""What the page costs a browser: the time to open, and the longest task of Chromium's own trace while lists are scrolled.

Nothing is asserted on time. `python -m tests.benchmarks.bench_page [TASKS ...]` prints a line for each size, 50,000 by default.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_against import image
from tests.benchmarks.bench_plan import sessions
from tests.helpers.browser import Browser, browser

SCROLL = """
const [list, done] = arguments, box = document.getElementById(list);
let at = 0;
const next = () => {
  box.scrollTop += at % 40 < 30 ? 400 : box.scrollHeight / 23;
  at += 1;
  if (at < 240) requestAnimationFrame(next); else done(box.scrollTop);
};
next();
"""
"""Scrolls a list by steps and by leaps, one a frame."""


def emitted(tasks: int, directory: Path) -> Path:
    """Return the page of a tree in which sessions and groups are mixed."""
    from planner.cli.main import main

    source, page = directory / "image", directory / "page.html"
    source.write_bytes(image(list(sessions(tasks))))
    main([str(source), "--emit", "html", "--output", str(page)])
    return page


def longest_task(found: Browser, since: int) -> tuple[float, float]:
    """Return the longest task since a time of CLOCK_MONOTONIC in microseconds: by the clock and by the processor, in ms."""
    longest = processor = 0
    for _ in range(2):  # the second answer holds what was still under way at the first
        for entry in found.do("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            task = message["params"]
            if message["method"] == "Tracing.dataCollected" and task["name"].endswith("RunTask") and task["ts"] >= since:
                longest, processor = max(longest, task.get("dur", 0)), max(processor, task.get("tdur", 0))
        time.sleep(0.5)
    return longest / 1000, processor / 1000


def measure(found: Browser, page: Path) -> str:
    """Return in words how long the page took to open, and the longest task while each list was scrolled."""
    begin = time.perf_counter()
    found.open(page)
    found.settle()
    words = [f"{page.stat().st_size / 1e6:.1f} MB, opened in {time.perf_counter() - begin:.2f} s"]
    words.append("longest task while opening, by clock and by processor: {:.0f} and {:.0f} ms".format(*longest_task(found, 0)))
    for box in ("tree", "steps", "lanes"):
        since = time.monotonic_ns() // 1000
        reached = found.run_later(SCROLL, box)
        words.append("{} scrolled to {:.0f} px: {:.0f} and {:.0f} ms".format(box, reached, *longest_task(found, since)))
    return ", ".join(words)


def main() -> None:
    """Measure each size."""
    for tasks in map(int, sys.argv[1:] or ["50000"]):
        with tempfile.TemporaryDirectory() as directory:
            page = emitted(tasks, Path(directory))
            with browser(trace="devtools.timeline,toplevel") as found:
                print(f"{tasks} tasks: {measure(found, page)}")


if __name__ == "__main__":
    main()
