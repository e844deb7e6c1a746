"""`python -m tests.fuzz --minutes N`: changed images of every kind against every output, until the time is over.

Inputs follow from `--seed`, which is fixed where it is not given; `--fresh` draws one and prints it. Exit code 1 where a fault
was found; `--save DIR` keeps the inputs that showed one. `--proofs` only plans changed directories, archives and logs, which must
prove or be refused: that takes a few milliseconds an input. `--wire` gives each field of each message of a CRIU dump each of its
forms, in an order that follows from the seed, and asks for all that an image holds.
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec

from tests.fuzz import proofs, wire
from tests.fuzz.judge import Fault, commands, faults
from tests.fuzz.seeds import Input, Seed, mutated, seeds

FIXED = 20261130
"""The seed that is used where none is given."""


class Tally(msgspec.Struct):
    """What a session has come to: inputs by kind, commands by exit code, faults by what they are with one example each."""

    inputs: Counter[str] = msgspec.field(default_factory=Counter)
    codes: Counter[int] = msgspec.field(default_factory=Counter)
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    examples: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        """Yield the tally as lines."""
        yield f"inputs: {self.inputs.total()} ({', '.join(f'{kind} {many}' for kind, many in sorted(self.inputs.items()))})"
        if self.outcomes:
            yield f"plans: {', '.join(f'{what} {many}' for what, many in sorted(self.outcomes.items()))}"
        else:
            codes = ", ".join(f"exit {code}: {many}" for code, many in sorted(self.codes.items()))
            yield f"commands: {self.codes.total()} ({codes})"
        yield f"faults: {self.faults.total()}"
        for what, many in self.faults.most_common():
            yield f"  {many} x {what}: {self.examples[what]}"


def input_of(found: list[Seed], seed: int, number: int) -> tuple[Input, random.Random]:
    """Return the input of a number in the session of a seed, and the source of chance that chooses the commands."""
    source = random.Random(f"{seed}:{number}")
    kind = source.choice(sorted({each.kind for each in found}))
    return mutated(source.choice([each for each in found if each.kind == kind]), source), source


def try_one(found: list[Seed], seed: int, number: int, tally: Tally, save: Path | None = None) -> None:
    """Try one input, and add what came of it to the tally."""
    made, source = input_of(found, seed, number)
    tally.inputs[made.kind] += 1
    with tempfile.TemporaryDirectory(prefix="crplan-fuzz-") as place:
        path = made.write(Path(place))
        for argv in commands(str(path), source):
            code, wrong = faults(argv)
            tally.codes[code] += 1
            for fault in wrong:
                _note(fault, argv, f"{seed}:{number}", tally)
                if save is not None:
                    made.write(save / f"{seed}-{number}")


def try_proof(found: list[Seed], seed: int, number: int, tally: Tally, save: Path | None = None) -> None:
    """Plan one input, where it is of a kind that is planned, and add what came of it to the tally."""
    made, _ = input_of(found, seed, number)
    if made.kind not in proofs.KINDS:
        return
    tally.inputs[made.kind] += 1
    came = proofs.outcome(made)
    if isinstance(came, str):
        tally.outcomes[came] += 1
        return
    _note(came, ["plan"], f"{seed}:{number}", tally)
    if save is not None:
        made.write(save / f"{seed}-{number}")


def try_wire(listed: list[Input], seed: int, number: int, tally: Tally, save: Path | None = None) -> None:
    """Try the field that comes next in the order of a seed with every command, and add what came of it to the tally."""
    made = listed[number % len(listed)]
    tally.inputs[made.name.partition("#")[0]] += 1
    with tempfile.TemporaryDirectory(prefix="crplan-fuzz-") as place:
        path = made.write(Path(place))
        for argv in wire.commands(str(path)):
            code, wrong = faults(argv)
            tally.codes[code] += 1
            for fault in wrong:
                _note(fault, argv, made.name, tally)
                if save is not None:
                    made.write(save / f"{seed}-{number}")


def _note(fault: Fault, argv: list[str], where: str, tally: Tally) -> None:
    what = f"{fault.what}" if fault.what != "traceback" else f"traceback {fault.detail.partition(': ')[0]}"
    tally.faults[what] += 1
    shown = " ".join(word for word in argv if not word.startswith("/"))
    tally.examples.setdefault(what, f"input {where}, {shown}: {fault.detail}")


def main() -> int:
    """Fuzz for the time or the number of inputs that is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--count", type=int, help="inputs at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=FIXED)
    parser.add_argument("--fresh", action="store_true", help="draw a seed")
    parser.add_argument("--save", type=Path, help="directory for inputs that showed a fault")
    parser.add_argument("--proofs", action="store_true", help="only plan what can be planned, instead of every command")
    parser.add_argument("--wire", action="store_true", help="only fields of CRIU messages, one after the other")
    args = parser.parse_args()
    seed = secrets.randbits(48) if args.fresh else args.seed
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}", flush=True)
    found, tally, end = [] if args.wire else seeds(), Tally(), time.monotonic() + 60 * args.minutes
    listed = list(wire.inputs()) if args.wire else []
    random.Random(seed).shuffle(listed)
    for number in count(args.first):
        if time.monotonic() > end or (args.count is not None and number >= args.first + args.count):
            break
        if args.wire:
            try_wire(listed, seed, number, tally, args.save)
        else:
            (try_proof if args.proofs else try_one)(found, seed, number, tally, args.save)
        if number % 500 == 499 and (number % 5000 == 4999 or not args.proofs):
            print(f"{number + 1} inputs, {tally.faults.total()} faults", file=sys.stderr, flush=True)
    print("\n".join(tally.lines()))
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
