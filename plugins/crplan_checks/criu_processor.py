"""The processor of the dump and that of the host, where `--cpu-cap` has `criu restore` compare them.

Source: CRIU 4.2, `parse_cpu_cap` in criu/config.c, `cpu_validate_cpuinfo` in criu/arch/x86/cpu.c. The bits are those of CRIU's
own words (compel, asm/cpu.h), the names those of /proc/cpuinfo. What a kernel hides there for reasons of its own is left out.
"""

from collections.abc import Iterator
from typing import Final

from crplan_checks import kinds_machine as kinds
from planner.contents.model import Contents
from planner.events.contents import ProcessorRecorded
from planner.findings.registry import Answer, Passed, Unknown
from planner.findings.verdicts import Invocation
from planner.host.facts import Host

OPTION: Final = "--cpu-cap"
EVERYTHING: Final = frozenset(("fpu", "cpu", "ins"))
DEFAULT: Final = frozenset(("fpu", "ins"))

_BITS: Final = (
    (0, "fpu:0 tsc:4 cx8:8 sep:11 cmov:15 clflush:19 mmx:23 fxsr:24 sse:25 sse2:26"),
    (1, "syscall:11 mmxext:22 rdtscp:27 3dnowext:30 3dnow:31"),
    (4, "pni:0 pclmulqdq:1 ssse3:9 cx16:13 sse4_1:19 sse4_2:20 movbe:22 popcnt:23 aes:25 xsave:26 avx:28 f16c:29 rdrand:30"),
    (6, "abm:5 sse4a:6 misalignsse:7 3dnowprefetch:8 xop:11 fma4:16 tbm:21"),
    (9, "fsgsbase:0 bmi1:3 avx2:5 bmi2:8 erms:9 avx512f:16 avx512dq:17 rdseed:18 adx:19 clflushopt:23 avx512pf:26 avx512er:27"),
    (9, "avx512cd:28 sha_ni:29 avx512bw:30 avx512vl:31"),
    (10, "xsaveopt:0 xsavec:1 xgetbv1:2"),
    (11, "avx512vbmi:1 avx512_vbmi2:6 gfni:8 vaes:9 vpclmulqdq:10 avx512_vnni:11 avx512_bitalg:12 avx512_vpopcntdq:14 rdpid:22"),
)
INSTRUCTIONS: Final = {
    (word, int(named.partition(":")[2])): named.partition(":")[0] for word, line in _BITS for named in line.split()
}
"""Instructions that CRIU compares, by the word and the bit of the capability."""

REGISTERS: Final = {2: "avx", 5: "avx512f", 9: "ospke"}
"""Extended state by its bit, with the feature of a processor that has it enabled."""


def capabilities(value: str) -> frozenset[str]:
    """Return what is compared with a value of --cpu-cap; "" is the option alone. What is no value is passed over."""
    if not value:
        return EVERYTHING
    found = set(DEFAULT)
    for word in value.split(","):
        inverse = word.count("^") % 2 == 1
        name = word.strip("^ ")
        if name == "none":
            found = set(EVERYTHING if inverse else ())
        else:
            named = EVERYTHING if name == "all" else EVERYTHING & {name}
            found = found - named if inverse else found | named
    return frozenset(found)


def answers(contents: Contents, host: Host, invocation: Invocation) -> Iterator[Answer]:
    """Yield by what criu would refuse the processor; where it does not compare, what it passes over."""
    wanted = capabilities(invocation.value(OPTION)) if invocation.has(OPTION) else frozenset[str]()
    if wanted and not contents.processors:
        yield kinds.CRIU_PROCESSOR_UNRECORDED.found(property="processor", recorded="not recorded", target="asked for")
    for recorded in contents.processors[:1]:
        if host.processor is None:
            if wanted:
                yield Unknown(code=kinds.CRIU_PROCESSOR.code, missing="the features of the host's processor")
            return
        yield from _compared(recorded, frozenset(host.processor), wanted)
    yield Passed(code=kinds.CRIU_PROCESSOR.code)


def _compared(recorded: ProcessorRecorded, have: frozenset[str], wanted: frozenset[str]) -> Iterator[Answer]:
    words = [int(word, 16) for word in recorded.features]
    had = {name for (word, bit), name in INSTRUCTIONS.items() if word < len(words) and words[word] >> bit & 1}
    lost = sorted(had - have)
    odd = [name for bit, name in REGISTERS.items() if (recorded.mask >> bit & 1) != (name in have)] if recorded.mask else []
    more = sorted(frozenset(INSTRUCTIONS.values()) & have - had) if "cpu" in wanted else []
    if "ins" in wanted or "cpu" in wanted:
        differs = (lost, "which the dump's had") if lost else (more, "beyond the dump's")
    else:
        differs = ([], "")
    if differs[0]:
        yield kinds.CRIU_PROCESSOR.found(
            f"the host's processor {'lacks' if lost else 'has'} {' '.join(differs[0])}, {differs[1]}",
            property="instructions", recorded=" ".join(sorted(had)), target=" ".join(sorted(have & set(INSTRUCTIONS.values()))),
            at=recorded.at,
        )  # fmt: skip
    elif "fpu" in wanted and odd:
        words_of = [f"{'has' if name in have else 'lacks'} the registers of {name}" for name in odd]
        yield kinds.CRIU_PROCESSOR.found(
            f"the host's processor {', '.join(words_of)}, other than the dump's",
            property="registers", recorded=f"{recorded.mask:#x}", target=" ".join(sorted(have & set(REGISTERS.values()))),
            at=recorded.at,
        )  # fmt: skip
    elif not wanted and lost:
        yield kinds.CRIU_PROCESSOR_UNCOMPARED.found(
            f"the host's processor lacks {' '.join(lost)}", property="instructions", recorded=" ".join(lost), target="missing",
            at=recorded.at,
        )  # fmt: skip
