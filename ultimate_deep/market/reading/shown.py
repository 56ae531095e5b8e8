"""Cells and lists of a file in messages, at a length that people read."""

from collections.abc import Iterable

MOST_CHARACTERS = 60
MOST_NAMES = 16


def cell(value: object) -> str:
    """Return a cell's text in quotes, cut where it is long."""
    try:
        text = str(value)
    except (ValueError, NotImplementedError):  # a time that Python cannot write, of year 107060
        text = "a time out of range"
    return repr(text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "...")


def shown(names: Iterable[object], most: int = MOST_NAMES) -> str:
    """Return names with commas between, the first of many and how many more there are."""
    texts = [str(name)[:MOST_CHARACTERS] or "(nameless)" for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return (", ".join(texts[:most]) or "(none)") + more
