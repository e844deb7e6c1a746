"""The table of warnings and notes: code, severity, one sentence, what to do, and the documentation."""

from typing import Final, Literal

OTHERS: Final[tuple[tuple[str, Literal["warning", "note"], str, str, str], ...]] = (
    (
        "state-missing",
        "warning",
        "The image has no state and no name of a task.",
        "The task is taken to be running; if it was a zombie, the rebuilt tree differs.",
        "A P generation writes the state of a task behind its pid objects; streams cut short lack it.",
    ),
    (
        "container-file-unreadable",
        "warning",
        "A file of the container engine cannot be used.",
        "The process tree was read without it; an engine that restores the container reads it.",
        "config.dump and spec.dump say which container the images are of; the images alone hold the process tree.",
    ),
    (
        "container-specification-missing",
        "warning",
        "The archive has no spec.dump.",
        "Take the checkpoint again with the engine, or restore the images by criu itself.",
        "podman, CRI-O and containerd create the container from spec.dump before criu restores its processes.",
    ),
    (
        "parent-dump-missing",
        "warning",
        "The dump was taken after an earlier one that is not there.",
        "Give the earlier dump, too (podman container restore --import-previous), where `parent` leads to.",
        "criu dump --prev-images-dir leaves memory pages out that the earlier dump holds; a restore needs both.",
    ),
    (
        "images-of-another-dump",
        "note",
        "Images of tasks that the process tree does not name lie beside the others.",
        "Dump into an empty directory: criu keeps what is there already.",
        "criu dump writes over files of the same name and leaves the others.",
    ),
    (
        "tail-missing",
        "warning",
        "The image ends after its tasks without the record that closes it.",
        "All that a plan needs is there; the copy of the image may be cut short.",
        "linux-cr closes a stream with a TAIL record; a restart by the kernel would refuse such an image.",
    ),
    (
        "revision-disagrees",
        "note",
        "The header's revision is not that of the image's structure.",
        "The image was read by its structure; compare the preview with what you expect.",
        "Development kernels changed the structure without changing the revision, so the structure is believed.",
    ),
    (
        "depth-disagrees",
        "warning",
        "A task's entry and its pid object have different depths.",
        "The pid object, which holds the pids, was believed.",
        "linux-cr writes the depth of a task twice.",
    ),
    (
        "unknown-record",
        "warning",
        "The image has records of a type that the reader does not know.",
        "They were passed over; a plan needs only tasks and their pids.",
        "Newer or patched kernels add records; each has a length, so the next one is found.",
    ),
    (
        "bytes-after-tail",
        "note",
        "The stream goes on after the record that closes the image.",
        "What follows was not read; split the stream if it holds a second image.",
        "Several images written into one pipe look like this.",
    ),
    (
        "namespace-ambiguous",
        "note",
        "A task fits into several pid namespaces, and the image does not say which it was in.",
        "Every fitting choice rebuilds the recorded pids, parents, sessions and groups; `crplan explain` shows what was chosen.",
        "linux-cr stores pids per level and no identity of namespaces; the choice is an event with its evidence.",
    ),
    (
        "sharing-lost",
        "warning",
        "A task shares an object with another, and clone flags cannot give it that in a rebuild.",
        "Expect the task to have an object of its own.",
        "Two processes share only what one of them was cloned with, and a rebuild clones once, from the creator of the task.",
    ),
    (
        "exit-signal-lost",
        "warning",
        "A task has an exit signal that it does not get in a rebuild.",
        "Expect the task to tell its parent of its end by another signal; the finding says which.",
        "clone sets the signal, CLONE_PARENT passes the creator's on, and adoption makes it SIGCHLD.",
    ),
    (
        "id-map-lost",
        "warning",
        "An id map of a user namespace cannot be written as recorded.",
        "Expect root of that namespace to be the user and group of the rebuilding process.",
        "A map gives ids of the user namespace above; the finding says why the recorded ones are none, or none that the kernel "
        "takes.",
    ),
    (
        "namespace-not-covered",
        "warning",
        "A task cannot get into its namespace of another kind than pid in a rebuild.",
        "Expect the task to be in the namespace of its creator.",
        "setns needs a process in the namespace that the task can see, rights over it, and in some kinds a task that shares"
        " nothing and has no threads yet; the finding says what is missing.",
    ),
    (
        "pid-namespace-assumed",
        "warning",
        "Nothing says whether containers that are planned together share a pid namespace.",
        "Make sure that they do (shareProcessNamespace, --pid), or plan each of them alone.",
        "Container engines write into spec.dump or config.dump what a container had joined; bare dumps have neither, and"
        " CRIU names no pid namespace in a way that two dumps could be compared by.",
    ),
)
"""Kinds with another severity: code, severity, sentence, hint, documentation."""
