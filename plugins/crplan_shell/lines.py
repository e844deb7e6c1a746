"""One step as one line of shell: what it does as a sentence, and the words that the agent is told."""

import re
from typing import Final

from crplan_runtime import lines

from planner import steps
from planner.identity import ProcessId
from planner.plans import wording

CHECK_COLUMNS: Final = ["process", "parent", "session", "group", "state", "signal", "more"]
"""What stands in a row of the table of checks."""

_BARE_WORD: Final = re.compile(r"[A-Za-z0-9_./,@%+:=-]+")


def quoted(text: str) -> str:
    """Quote a text as one word of shell: printable ASCII on one line, without blanks, whatever the text was.

    Words are joined by blanks on their way to the agent, so a blank inside a word is escaped like any odd character.
    """
    word = escaped(text).replace(" ", r"\x20")
    return word if _BARE_WORD.fullmatch(word) else in_quotes(word)


def in_quotes(text: str) -> str:
    """Return a text in quotes of the shell, which leave it as it is."""
    return "'" + text.replace("'", r"'\''") + "'"


def escaped(text: str) -> str:
    """Write a text in printable ASCII on one line; every other character, and the backslash, as its UTF-8 bytes in hex."""
    return "".join(
        character
        if " " <= character <= "~" and character != "\\"
        else "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in text
    )


def sentence(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> str:
    """Return what a step does as a sentence in printable ASCII, the same that every dry run prints."""
    return escaped(wording.step_words(step, processes))


def step_words(step: steps.AnyStep, processes: dict[ProcessId, steps.Process]) -> str:
    """Return a step's words for the agent: who does what, the numbers and the name of a child, and the rule."""
    words = [lines.step_words(step)]
    if isinstance(step, steps.Create | steps.CreateThread):
        child = processes[step.child]
        words += [f"as={lines.slashed(child.pids)}"]
        words += [f"named={lines.name_word(child)}"] * (bool(child.name) and isinstance(step, steps.Create))
        words += [f"role={child.role}"] * (child.role == "reaper")
    return " ".join((*words, quoted(f"rule={step.rule}")))


def check_words(step: steps.Verify) -> list[str]:
    """Return the words of a verify step as the table of checks has them: first those of CHECK_COLUMNS, without their names."""
    _, _, process, parent, group, session, *more = lines.step_words(step).split()
    state = f"zombie={step.status}" if step.zombie else "alive"
    signal = str(step.exit_signal) if step.exit_signal >= 0 else "any"
    rest = [word for word in more if word != "zombie" and not word.startswith(("status=", "exit_signal="))]
    return [process, *(word.partition("=")[2] for word in (parent, session, group)), state, signal, " ".join(rest)]
