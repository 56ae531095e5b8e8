"""Spellings of times that mean the same as another: written in the one way that is read."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_WEEKDAYS = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_PLACE = r"[A-Z][A-Za-z]+/[A-Za-z_/+0-9-]+"
_SHORT = r"(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|[A-Z]{1,5}"
# What is replaced, one after the other; the offset is what counts where a place stands behind it.
_RULES = (
    ("\u2212", "-"),
    (rf"(?i)[\s,(]*\b{_WEEKDAYS}\b[.,)]*", " "),
    (rf"(\d[Zz]|[+-]\d{{2}}(?::?\d{{2}})?)\s*\[{_PLACE}\]$", r"\1"),
    (rf"\s*[\[(]({_PLACE}|{_SHORT})[\])]$", r" \1"),
    (r"(?i)(\d|\s)([ap])\.\s?m\b\.?", r"\1\2m"),
    (r"(?i)\s*\buhr$", ""),
)


def plain_spelling(text: pd.Series) -> pd.Series:
    """Return times without weekdays and brackets, and `pm` for `p.m.`.

    Args:
        text: Trimmed cells, single blanks inside.
    """
    cells = pa.array(text, pa.string())
    if not pc.any(pc.match_substring_regex(cells, "[A-Za-z)\\]\u2212]")).as_py():
        return text
    for pattern, plain in _RULES:
        if pc.any(pc.match_substring_regex(cells, pattern)).as_py():
            cells = pc.replace_substring_regex(cells, pattern, plain)
    cells = pc.utf8_trim_whitespace(pc.replace_substring_regex(cells, r"\s+", " "))
    return cells.to_pandas().set_axis(text.index).astype("str")
