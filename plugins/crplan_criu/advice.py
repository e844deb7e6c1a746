"""What an input is that no reader recognises, and what to give instead, by its first bytes or by the files of a directory.

Sources: magic numbers of elf(5), of the formats' specifications (xz, bzip2, zip, lz4, 7z, Git LFS `docs/spec.md`, age, OpenPGP),
DMTCP `src/util.h` (`DMTCP_FILE_HEADER`), gVisor `pkg/state/statefile` ("gVisorSF"), Firecracker `src/vmm/src/snapshot` (magic
number 0x0710_1984 and the architecture), CRIU `criu/include/magic.h`, `crit decode`.
"""

import os
import re
import zlib
from typing import Final

from crplan_criu import search
from crplan_criu.images import COMMON_TYPES, IMG_COMMON, INVENTORY_MAGIC, Order, shown, split_name
from crplan_criu.recognise import compression, head_of
from planner.hookspecs import Source

UNPACK: Final = "unpack it, or give it through a pipe: `{0} | crplan -`"

VIRTUAL: Final = "take a checkpoint of the processes inside it"

PACKED: Final = (
    (b"\xfd7zXZ\x00", "is compressed with xz", UNPACK.format("xz -dc FILE")),
    (b"BZh", "is compressed with bzip2", UNPACK.format("bzip2 -dc FILE")),
    (b"\x04\x22\x4d\x18", "is compressed with lz4", UNPACK.format("lz4 -dc FILE")),
    (b"\x02\x21\x4c\x18", "is compressed with lz4", UNPACK.format("lz4 -dc FILE")),
    (b"LZIP", "is compressed with lzip", UNPACK.format("lzip -dc FILE")),
    (b"\x89LZO\x00\r\n\x1a\n", "is compressed with lzop", UNPACK.format("lzop -dc FILE")),
    (b"\x1f\x9d", "is compressed with compress", UNPACK.format("gzip -dc FILE")),
    (b"\x5d\x00\x00", "is compressed with lzma", UNPACK.format("xz -dc --format=lzma FILE")),
    (b"PK\x03\x04", "is a zip archive", "unpack it (unzip) and give the directory"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", "unpack it and give the directory"),
    (b"Rar!", "is a rar archive", "unpack it and give the directory"),
)
OTHERS: Final = (
    (b"version https://git-lfs.github.com/spec/", "is a Git LFS pointer and not the file", "run `git lfs pull` first"),
    (
        b"DMTCP_CHECKPOINT",
        "is an image of DMTCP",
        "which its own dmtcp_restart restarts; images of CRIU and linux-cr are planned",
    ),
    (
        b"\x67\x56\x69\x73\x6f\x72\x53\x46",
        "is a snapshot of gVisor",
        "which `runsc restore` restores; it holds no Linux processes",
    ),
    (b"age-encryption.org/", "is encrypted with age", "decrypt it first"),
    (b"-----BEGIN PGP MESSAGE", "is encrypted with OpenPGP", "decrypt it first"),
    (b"Salted__", "is encrypted with OpenSSL", "decrypt it first"),
    (b"QFI\xfb", "is the disk of a virtual machine (qcow2)", VIRTUAL),
    (b"QEVM", "is the state of a virtual machine of QEMU", VIRTUAL),
    (b"LibvirtQemudSave", "is the state of a virtual machine of libvirt", VIRTUAL),
    (b"<!DOCTYPE", "is a web page, as a server sends it in place of a file", "download the checkpoint itself"),
    (b"<html", "is a web page, as a server sends it in place of a file", "download the checkpoint itself"),
    (b"SQLite format 3\x00", "is a database of SQLite", "give the checkpoint itself"),
)
FIRECRACKER: Final = b"\x84\x19\x10\x07"
"""Bytes 4 to 7 of a Firecracker snapshot, whose magic number is 0x0710_1984_8664_0000 on x86_64 and has AAAA on aarch64."""

CRIT: Final = re.compile(rb'^\s*\{\s*"magic"\s*:\s*"([A-Z0-9_]{1,32})"')
LOG: Final = re.compile(rb"\(\d{2,}\.\d{6}\) ")
"""How a line of CRIU's log begins (CRIU `criu/log.c`)."""
ELF_CORE: Final = 4
LAST_LINES: Final = 65536
"""Bytes at the end of a log in which the last error is looked for."""


def advise(source: Source) -> str:
    """Return one sentence on an input that no reader recognises, "" where nothing is known of it."""
    return _of_directory(source.directory) if source.directory else of_head(source.head, os.path.basename(source.name))


def of_head(head: bytes, name: str = "") -> str:
    """Return what a file is by its first bytes, and what to give instead, "" where nothing is known of such a file."""
    for magic, what, instead in (*PACKED, *OTHERS):
        if head.startswith(magic):
            return f"{what}; {instead}"
    if head[:4] == b"\x7fELF":
        core = int.from_bytes(head[16:18], "big" if head[5:6] == b"\x02" else "little") == ELF_CORE
        return (
            "is a core file (ELF) of one process, for debuggers; give the images of `criu dump`"
            if core
            else "is an ELF program or library; give a checkpoint image"
        )
    if LOG.match(head):
        return "is a log of CRIU and holds no images; give the directory of the images that it tells of"
    if match := CRIT.match(head):
        return (
            f"is the JSON that crit decoded from an image ({match[1].decode().lower()}); encode it again"
            " (`crit encode -i NAME.json -o NAME.img`) and give the directory of all .img files"
        )
    if compression(head) == "gzip":
        return _of_gzip(head)
    return _of_image(head, name)


def _of_gzip(head: bytes) -> str:
    try:
        inside = zlib.decompressobj(wbits=31).decompress(head, 512)
    except zlib.error:
        return "is compressed with gzip and damaged"
    if inside.startswith(b"DMTCP_CHECKPOINT"):
        return "is an image of DMTCP, compressed; its own dmtcp_restart restarts it; images of CRIU and linux-cr are planned"
    return "is compressed with gzip and no archive inside; give a tar archive, or unpack it"


def _of_image(head: bytes, name: str) -> str:
    if head[4:8] == FIRECRACKER:
        return "is a snapshot of a Firecracker virtual machine; take a checkpoint of the processes inside it"
    orders: tuple[Order, ...] = ("little", "big")
    for order in orders:
        first, second = (int.from_bytes(head[at : at + 4], order) for at in (0, 4))
        kinds = {magic: kind for kind, magic in COMMON_TYPES.items()}
        kind = "inventory" if first == INVENTORY_MAGIC else kinds.get(second, "") if first == IMG_COMMON else kinds.get(first, "")
        if kind or first == IMG_COMMON:
            what = f"a single {kind or 'image'} file of a CRIU dump"
            return f"is {what}; give the directory that it stands in, with all other files of the dump"
    if split_name(name)[0] == "pages":
        return "holds memory pages of a CRIU dump; give the directory that it stands in"
    return ""


def _of_directory(path: str) -> str:
    if closed := search.forbidden(path):
        return f"cannot be looked into: {shown(closed)}: Permission denied"
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        return f"cannot be looked into: {error.strerror}"
    if not names:
        return "is an empty directory; give one that holds the images of a dump"
    log = _failed_dump(path, names)
    if log:
        return log
    decoded = [name for name in names if name.endswith(".json") and CRIT.match(head_of(os.path.join(path, name), 256) or b"")]
    if decoded:
        return (
            f"holds the JSON that crit decoded from images ({shown(decoded[0])}); encode each file again"
            " (`crit encode -i NAME.json -o NAME.img`) and give the directory of the .img files"
        )
    if any(name.endswith(".dmtcp") for name in names):
        return "holds images of DMTCP, which its own dmtcp_restart restarts; images of CRIU and linux-cr are planned"
    return "is a directory in which no checkpoint was found; give one that holds inventory.img and pstree.img, or an archive"


def _failed_dump(path: str, names: list[str]) -> str:
    images = [name for name in names if split_name(name)[0]]
    if not images and "dump.log" not in names:
        return ""
    said = f"; dump.log says: {error}" if (error := last_error(os.path.join(path, "dump.log"))) else ""
    if not images:
        return f"holds dump.log and no images: the dump did not finish, or its images are elsewhere{said}"
    missing = "inventory.img and pstree.img are missing"
    return f"holds images of a dump that did not finish ({missing}){said}; take the checkpoint again"


def last_error(path: str) -> str:
    """Return the last error of a log of CRIU but for the line that says that the dump failed, "" where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        size = os.fstat(file).st_size
        tail = os.pread(file, LAST_LINES, max(0, size - LAST_LINES))
    except OSError:
        return ""
    finally:
        os.close(file)
    errors = [line for line in tail.decode("utf-8", "replace").splitlines() if " Error " in line]
    telling = [line for line in errors if "FAILED" not in line] or errors
    return shown(telling[-1].partition(" Error ")[2].strip()) if telling else ""
