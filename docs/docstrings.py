"""Docstrings as people write them, made into what docutils reads."""

import re
from typing import Any

SECTION = re.compile(
    r"(Args|Attributes|Class attributes|Example|Examples|Raises|Returns|Yields)( and .*)?:$"
)
LISTED = re.compile(r"(-|\d+\.) ")


def mend(app: Any, what: str, name: str, given: Any, options: Any, lines: list[str]) -> None:
    """Make an indented block a literal one, and let a list begin after a line of text."""
    lines[:] = literal_blocks(apart(lines))
    lines[:] = [line if line.startswith(" ") else _plain(line) for line in lines]


def untyped(app: Any, what: str, name: str, given: Any, options: Any, lines: list[str]) -> None:
    """Give a property's sentence back what was taken for a type because a colon follows it."""
    typed = [line for line in lines if line.startswith(":type: ")]
    if what in ("property", "attribute", "data") and typed and lines:
        lines[:] = [f"{typed[0].removeprefix(':type: ')}: {lines[0]}", *lines[1:]]
        lines[:] = [line for line in lines if not line.startswith(":type: ")]


def shorten(
    app: Any, what: str, name: str, given: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str, Any] | None:
    """Leave out what a default that is a configuration holds: its own page has it."""
    return None if signature is None else (without_contents(signature), returns)


def without_contents(signature: str) -> str:
    """Return a signature with `=LabelSpec()` for `=LabelSpec(kind='direction', horizon_bars=1)`."""
    result, place = "", 0
    for start in re.finditer(r"=[A-Z]\w*(?=\()", signature):
        if start.start() < place:
            continue  # inside of one that was left out
        depth = 0
        for end in range(start.end(), len(signature)):
            depth += (signature[end] == "(") - (signature[end] == ")")
            if not depth:
                break
        result += signature[place : start.end()] + "()"
        place = end + 1
    return result + signature[place:]


def apart(lines: list[str]) -> list[str]:
    """Put an empty line between a paragraph and the list that follows it."""
    result: list[str] = []
    inside = False
    for line in lines:
        if LISTED.match(line):
            if not inside and result and result[-1].strip():
                result.append("")
            inside = True
        elif not line.startswith(" "):
            inside = False
        result.append(line)
    return result


def literal_blocks(lines: list[str]) -> list[str]:
    """Mark blocks that stand apart and indented as literal, outside of lists and sections."""
    result: list[str] = []
    owner = ""
    for number, line in enumerate(lines):
        after_blank = number > 0 and not lines[number - 1].strip()
        starts = line.startswith("    ") and after_blank and owner != "block"
        if starts and not SECTION.match(owner) and not LISTED.match(owner):
            result += ["::", ""]
            owner = "block"
        elif line.strip() and not line.startswith(" "):
            owner = line
        result.append(line)
    return result


def _plain(line: str) -> str:
    """Escape bars outside of backticks, which are no substitutions, and part `code`s from its s."""
    parts = line.split("`")
    for number in range(0, len(parts), 2):
        parts[number] = parts[number].replace("|", r"\|")
        if number and parts[number][:1].isalnum():
            parts[number] = rf"\ {parts[number]}"
    return "`".join(parts)
