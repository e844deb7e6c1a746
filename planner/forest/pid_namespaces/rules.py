"""The rules by which a task or a namespace is where it is, as the decisions of the inference name them."""

from typing import Final

RULES: Final = {
    "number-1": "A task with pid 1 is the init of its own pid namespace.",
    "level-1": "A namespace at level 1 lies in the root namespace.",
    "parent": "A child at its parent's level is in its parent's pid namespace, and a child one level below is in one inside it.",
    "session": "A member of a session at its leader's level is in the leader's pid namespace, and a deeper one is below it.",
    "only-one": "There is one pid namespace at that level below those of the parent and of the session's leader.",
    "only-one-fits": "In every other pid namespace at that level a pid would be used twice.",
    "several-fit": "Several pid namespaces fit; the numbers of this one rise together with the outer ones.",
    "recorded": "The image says of a task in this pid namespace, or of a pid namespace below it, which one it is.",
    "recorded-free": "The image names a pid namespace there, and no task says that it is in it.",
}
"""Why a task or namespace is where it is: the rules that the decisions name."""
