"""A program in criu's place: it checks what it is given, finds tasks as criu does, and writes down what it saw.

RECORDER_SECONDS is how long a dump takes, RECORDER_FAILS the name of a directory whose dump fails.
"""

import json
import os
import sys
import time


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


def found(root: int) -> list[int]:
    """Return the tasks that criu would find (criu/seize.c, collect_children)."""
    tasks, waiting = [], [root]
    while waiting:
        number = waiting.pop()
        tasks.append(number)
        for thread in os.listdir(f"/proc/{number}/task"):
            with open(f"/proc/{number}/task/{thread}/children", encoding="ascii") as stream:
                waiting += map(int, stream.read().split())
    return tasks


def frozen(cgroup: str) -> bool:
    for name, words in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
        if os.path.exists(f"{cgroup}/{name}"):
            with open(f"{cgroup}/{name}", encoding="ascii") as stream:
                return stream.read().strip() == words
    return False


def members(cgroup: str) -> set[int]:
    with open(f"{cgroup}/cgroup.procs", encoding="ascii") as stream:
        return {int(line) for line in stream}


def space(number: int) -> int:
    return os.stat(f"/proc/{number}/ns/pid").st_ino


def dump() -> str:
    """Return what is wrong with a dump as it is asked for, "" where it is as it should be."""
    root, directory, cgroup = int(option("--tree")), option("--images-dir"), option("--freeze-cgroup")
    if "--leave-running" not in sys.argv or "--manage-cgroups=ignore" not in sys.argv:
        return "an option is missing"
    if os.listdir(directory):
        return "the directory is not empty"
    if not frozen(cgroup):
        return "the tree is not frozen"
    tasks = found(root)
    if nested := [number for number in tasks if space(number) != space(root)]:
        return f"Can't dump nested pid namespace for {nested[0]}"
    if outside := [n for n in tasks if n not in members(cgroup) and os.path.exists(f"/proc/{n}/exe")]:
        return f"task {outside[0]} is not in the cgroup"
    with open(f"{directory}/seen.json", "w", encoding="ascii") as stream:
        json.dump({"root": root, "tasks": sorted(tasks), "mounts": os.stat("/proc/self/ns/mnt").st_ino, "argv": sys.argv}, stream)
    time.sleep(float(os.environ.get("RECORDER_SECONDS", "0")))
    return "it was told to fail" if os.environ.get("RECORDER_FAILS") == os.path.basename(directory) else ""


def main() -> int:
    if "--version" in sys.argv:
        print("Version: 4.2")
        return 0
    wrong = dump()
    if wrong:
        with open(os.path.join(option("--images-dir"), option("--log-file")), "w", encoding="utf-8") as stream:
            stream.write(f"(00.000001) Error (criu/recorder.c:1): {wrong}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
