"""The model kernel is held by transcripts of the running kernel: no rule of it can be turned around unnoticed.

Each mutant is the model with one condition turned around, one half of a condition left out, or one statement left out. Replaying
the transcripts in `tests/data/histories` on it must fail.
"""

import ast
import signal
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from itertools import product

import pytest

from planner.kernel import proof, simulation
from planner.kernel.rules import KERNEL_RULES
from tests.generators.histories_model import ModelPlayer
from tests.generators.histories_transcripts import DIRECTORY, read, replay
from tests.helpers.counts import count
from tests.helpers.places import ROOT, TESTS
from tests.kernel import test_namespaces, test_proof
from tests.planning.steps import test_other_namespaces, test_sharing

DIRECTORIES = {"planner": ROOT / "planner", "tests": TESTS}
MODEL = (
    "planner.kernel.objects",
    "planner.kernel.sharing",
    "planner.kernel.namespaces",
    "planner.kernel.deaths",
    "planner.kernel.model",
)
"""The modules of the model, each after those that it needs."""

PLAYER = "tests.generators.histories_model"
TRANSCRIPTS = [lines for path in sorted(DIRECTORY.glob("*.jsonl")) for lines in read(path)]
PATIENCE = 20

UNSEEN = {
    # No fixed transcript is deep enough on every machine; tests/linux plays as many levels as the running kernel gives.
    "clone: space.level + 1 >= self.levels as space.level + 1 > self.levels",
    "clone: raise KernelError('level-limit') left out",
    # The count of subreapers saves a search; any number but 0 leads to the same end.
    "_end: process.namespace.subreapers -= 1 left out",
    "set_subreaper: not (on)",
    # A leader is for ever in its own group, so the rule that comes next refuses it with the same errno.
    "setsid: raise KernelError('setsid-leader') left out",
    # Who stands outside creates nothing beside itself in a transcript; test_proof.py has a plan that tries.
    "_allocate: (len(pids) != space.level + 1 or not pids) without not pids [vector-length]",
    # The player maps its ids as soon as it has a user namespace; test_kernel_namespaces.py tells this rule.
    "unshare: (USER in kinds and (not others[USER].mapped)) without USER in kinds [user-unmapped]",
    "unshare: raise KernelError('user-unmapped') left out",
    # Only a plan names a kind that there is not, or one twice; test_kernel_namespaces.py has such plans.
    *(
        "unshare: (not kinds or len(set(kinds)) != len(kinds) or (not caller.others.keys() >= set(kinds))) without "
        f"{half} [namespace-kind]"
        for half in ("not kinds", "len(set(kinds)) != len(kinds)", "not caller.others.keys() >= set(kinds)")
    ),
    "unshare: caller.others.keys() >= set(kinds) as caller.others.keys() > set(kinds)",
    "unshare: raise KernelError('namespace-kind') left out",
    "join: raise KernelError('namespace-kind') left out",
    # The model never asks this itself: proofs and tests do.
    "is_init: return not (process.namespace.init is process)",
    # No transcript stops a task; test_stopping.py tells these, and rebuilds of stopped tasks compare their state with /proc.
    "stop: stop(self.find(number)) left out",
    "stop: self._any_stopped = True left out",
    "_end: orphans = tuple(process.children or ()) if self._any_stopped else () left out",
    "_end: not (self._any_stopped)",
    "_end: not (member.namespace.init is not member)",
    "_end: self._end(member, SIGHUP) left out",
    # All numbers of the container have one at level 0, so that what is asked for there is the same.
    "number_in: namespace.level < 0 as namespace.level <= 0",
    # Every line of namespaces ends at the host's, and none has a lower level.
    "within: (space is not None and space.level > other.level) without space is not None",
    # Every namespace but the outermost user namespace has an owner.
    "_has_rights: return (namespace.owner is not None and namespace.owner.within(user)) without namespace.owner is not None",
}
"""Mutants that no transcript tells from the model, each with the reason; there are no others."""

UNSEEN_IN_PLANS = {
    # A plan names processes that it has created: such a number is free once the task is reaped, or a session's or group's.
    "map_ids: (target is None or target.owner is None) without",
}

PLANNED = ("object_of", "keeps_sharing", "be_born_in_new_user", "map_ids")
"""What plans do and players don't: mutants of these are for the stories of plans."""


def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    package, *path = module.split(".")
    return ast.parse(DIRECTORIES[package].joinpath(*path).with_suffix(".py").read_text())


def mutants(module: str, planned: bool = False) -> Iterator[tuple[str, ast.Module]]:
    """Yield every mutant of a module with its name; `planned` are those of the functions that only plans use."""
    tree = parsed(module)
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name not in ("__init__", "outermost") and (node.name in PLANNED) == planned
    ]
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.If | ast.While | ast.IfExp):
                yield from _turned(tree, function, node)
            if isinstance(node, ast.Compare):
                yield from _off_by_one(tree, function, node)
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp):
                yield from _answered_otherwise(tree, function, node)
            for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
                if isinstance(body, list):
                    yield from _left_out(tree, function, body)


def _turned(tree: ast.Module, method: ast.FunctionDef, node: ast.If | ast.While | ast.IfExp) -> Iterator[tuple[str, ast.Module]]:
    test = node.test
    replacements = [(f"not ({ast.unparse(test)})", ast.UnaryOp(ast.Not(), test))]
    if isinstance(test, ast.BoolOp):
        for left_out in test.values:
            rest = [value for value in test.values if value is not left_out]
            shorter = rest[0] if len(rest) == 1 else ast.BoolOp(test.op, rest)
            replacements.append((f"({ast.unparse(test)}) without {ast.unparse(left_out)}", shorter))
    if isinstance(node, ast.While):
        del replacements[0]
    for name, replacement in replacements:
        node.test = replacement
        yield f"{method.name}: {name}{_rule(node)}", tree
    node.test = test


BOUNDARIES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


def _off_by_one(tree: ast.Module, method: ast.FunctionDef, node: ast.Compare) -> Iterator[tuple[str, ast.Module]]:
    """Yield the mutants in which a boundary is among what it was not among, or the other way round."""
    operators, name = node.ops, ast.unparse(node)
    for place, operator in enumerate(operators):
        if type(operator) in BOUNDARIES:
            node.ops = [*operators[:place], BOUNDARIES[type(operator)](), *operators[place + 1 :]]
            yield f"{method.name}: {name} as {ast.unparse(node)}", tree
    node.ops = operators


def _answered_otherwise(tree: ast.Module, method: ast.FunctionDef, node: ast.Return) -> Iterator[tuple[str, ast.Module]]:
    """Yield the mutants in which a condition that is given back is turned around, or lacks one half."""
    answer = node.value
    assert answer is not None
    node.value = ast.UnaryOp(ast.Not(), answer)
    yield f"{method.name}: return not ({ast.unparse(answer)})", tree
    if isinstance(answer, ast.BoolOp):
        for left_out in answer.values:
            rest = [value for value in answer.values if value is not left_out]
            node.value = rest[0] if len(rest) == 1 else ast.BoolOp(answer.op, rest)
            yield f"{method.name}: return ({ast.unparse(answer)}) without {ast.unparse(left_out)}", tree
    node.value = answer


def _left_out(tree: ast.Module, method: ast.FunctionDef, body: list[ast.stmt]) -> Iterator[tuple[str, ast.Module]]:
    for index, statement in enumerate(body):
        if isinstance(statement, ast.Assert | ast.Pass) or (ast.get_docstring(method) and index == 0 and body is method.body):
            continue
        # What is given back is turned around where it is a condition.
        if isinstance(statement, ast.If | ast.While | ast.For | ast.Return):
            continue
        body[index] = ast.Pass()
        yield f"{method.name}: {ast.unparse(statement)} left out", tree
        body[index] = statement


def _rule(node: ast.AST) -> str:
    raised = [item for item in ast.walk(node) if isinstance(item, ast.Constant) and item.value in KERNEL_RULES]
    return f" [{raised[0].value}]" if raised else ""


def player_of(mutated: str, tree: ast.Module) -> type[ModelPlayer]:
    """Return the player of a model of which one module is mutated; the modules after it are made anew upon it."""
    kept = {name: sys.modules[name] for name in (*MODEL, PLAYER)}
    try:
        for name in (*MODEL, PLAYER)[MODEL.index(mutated) :]:
            module = types.ModuleType(name)
            source = ast.fix_missing_locations(tree) if name == mutated else parsed(name)
            sys.modules[name] = module
            exec(compile(source, name, "exec"), module.__dict__)
        return sys.modules[PLAYER].ModelPlayer  # type: ignore[no-any-return]
    finally:
        sys.modules.update(kept)


def survives(mutated: str, tree: ast.Module) -> bool:
    """Whether the mutant replays every transcript."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        player = player_of(mutated, tree)
        return not any(replay(lines, player()) for lines in TRANSCRIPTS)
    except Exception:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError


def test_the_model_replays_every_transcript() -> None:
    assert len(TRANSCRIPTS) >= 20
    for lines in TRANSCRIPTS:
        assert replay(lines, ModelPlayer()) == ""


@pytest.mark.slow
@pytest.mark.timeout(1800, method="thread")  # the signal is used here
def test_no_mutant_replays_every_transcript() -> None:
    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        names = []
        left = []
        for module in MODEL:
            for name, tree in mutants(module):
                names.append(name)
                if survives(module, tree):
                    left.append(name)
    finally:
        signal.signal(signal.SIGALRM, before)
    refusing = {rule.name for rule in KERNEL_RULES.values() if rule.errno and "compared" in rule.verified}
    assert all(any(f"[{rule}]" in name for name in names) for rule in refusing)
    count(f"mutants of the model kernel: {len(names)}, of which transcripts of the running kernel do not tell {len(left)}")
    assert set(left) == UNSEEN, "\n".join(sorted(set(left) ^ UNSEEN))


def stories() -> Iterator[Callable[[], None]]:
    """Yield the tests of plans with namespaces and sharing, each with all its parameters."""
    for module in (test_namespaces, test_proof, test_other_namespaces, test_sharing):
        for name, story in vars(module).items():
            if name.startswith("test_"):
                choices = []
                for mark in getattr(story, "pytestmark", ()):
                    words, values = mark.args
                    choices.append(
                        [{words: row} if isinstance(words, str) else dict(zip(words, row, strict=True)) for row in values]
                    )
                for rows in product(*choices):
                    given = {word: value for row in rows for word, value in row.items()}
                    if given.keys() == signature(story).parameters.keys():
                        yield partial(story, **given)


def fails(story: Callable[[], None]) -> bool:
    try:
        story()
    except (Exception, pytest.fail.Exception):
        return True
    return False


@pytest.mark.slow
def test_stories_of_plans_tell_what_players_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [story for story in stories() if not fails(story)]
    assert len(told) > 50
    left = []
    for module in MODEL:
        for name, tree in mutants(module, planned=True):
            made = types.ModuleType(module)
            exec(compile(ast.fix_missing_locations(tree), module, "exec"), made.__dict__)
            function = name.partition(":")[0]
            with monkeypatch.context() as mutated:
                for user in (proof, simulation):
                    if hasattr(user, function):
                        mutated.setattr(user, function, getattr(made, function))
                if not any(fails(story) for story in told):
                    left.append(name)
    unexplained = [name for name in left if not any(known in name for known in UNSEEN_IN_PLANS)]
    assert not unexplained, "\n".join(unexplained)


@pytest.mark.parametrize("sign", ["dying", "led-by-zombie", "zombie 9", '["enter-root"', '["exec"', "ENOMEM", "EACCES", "ENOENT"])
def test_transcripts_hold_what_is_rare(sign: str) -> None:
    assert any(sign in path.read_text() for path in DIRECTORY.glob("*.jsonl"))
