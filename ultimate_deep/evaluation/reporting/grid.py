"""Tables and figures that know where their values stand in the report's JSON.

Every number is written as an element with `data-figure="path"`, and `path` (a JSON pointer
without the leading slash, RFC 6901) leads to the same number in `report_json`: page and JSON
cannot drift apart unseen.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ultimate_deep.machine.counts import written

DASH = "\u2013"
Form = str | Callable[[float], str]  # a format such as `{:.2%}`, or what writes the number


@dataclass(frozen=True)
class Column:
    """One column: the key in each row, its heading, and how a number is written.

    Args:
        key: Key of its value in each row.
        title: Heading of the column.
        form: Format of a number, such as `{:.2%}`, or what writes it.
        lower, upper: Keys of bounds, written small under the number.
    """

    key: str
    title: str
    form: Form = "{}"
    lower: str = ""
    upper: str = ""


def at(path: str, *keys: str | int) -> str:
    """Return the pointer to an entry below `path`."""
    steps = [str(key).replace("~", "~0").replace("/", "~1") for key in keys]
    return "/".join([path, *steps] if path else steps)


def show(value: float | None, form: Form) -> str:
    """Return the formatted number; a dash for None and NaN, the sign for infinities."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return written(value, form) if isinstance(form, str) else form(value)


def figure_of(path: str, value: float | None, form: Form, *, scale: float = 1.0) -> str:
    """Return one number of the page with its place in the JSON.

    Args:
        path: Where the number stands in the JSON.
        value: The number that stands there; None is shown as a dash.
        form: Format of the number, such as `{:.2%}`, or what writes it.
        scale: The page shows `scale` times what the JSON holds (100 for points, 1e4 for bps).
    """
    scaled = f' data-scale="{scale:g}"' if scale != 1.0 else ""
    number = show(scale * value if scaled and value is not None else value, form)
    return f'<span class="n" data-figure="{escape(path)}"{scaled}>{number}</span>'


def figure_card(number: str, meaning: str, detail: str = "") -> str:
    """Return one figure, what it means, and a detail, all finished HTML."""
    return f'<div class="card"><b>{number}</b><span>{meaning}</span><span>{detail}</span></div>'


def grid(
    path: str,
    columns: Sequence[Column],
    rows: Iterable[Mapping[Any, Any]],
    *,
    caption: str,
    marked: Sequence[int] = (),
) -> str:
    """Return a table.

    Args:
        path: Where the list of rows stands in the JSON.
        columns: Columns in order; the first is written to the left.
        rows: One mapping per row; numbers are formatted, anything else is shown as text.
        caption: Caption in plain text.
        marked: Numbers of the rows to highlight.
    """
    head = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    body = ""
    for place, row in enumerate(rows):
        mark = ' class="model"' if place in marked else ""
        cells = "".join(_cell(at(path, place), column, row) for column in columns)
        body += f"<tr{mark}>{cells}</tr>"
    return (
        f'<div class="scroll"><table class="grid"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(path: str, column: Column, row: Mapping[Any, Any]) -> str:
    value = row.get(column.key)
    if value is not None and not isinstance(value, (bool, np.bool_, int, float, np.number)):
        return f"<td>{escape(str(value))}</td>"
    if isinstance(value, (bool, np.bool_)):
        return f"<td>{'yes' if value else ''}</td>"
    number = None if value is None else float(value)
    text = figure_of(at(path, column.key), number, column.form)
    if column.lower and not _undefined(row.get(column.lower)):
        low = figure_of(at(path, column.lower), row.get(column.lower), column.form)
        high = figure_of(at(path, column.upper), row.get(column.upper), column.form)
        text += f"<small>{low} to {high}</small>"
    return f"<td>{text}</td>"


def _undefined(value: Any) -> bool:
    return value is None or math.isnan(value)


@dataclass(frozen=True)
class Check:
    """One finding in a list: its tone ("right", "wrong", "unsure"), its name and a sentence."""

    tone: str
    name: str
    sentence: str


def checks(found: Sequence[Check]) -> str:
    """Return the findings as a list with a mark each; nothing where there are none."""
    marks = {"right": "✓", "wrong": "✗", "unsure": "?"}
    items = "".join(
        f'<li class="{one.tone}"><i aria-hidden="true">{marks[one.tone]}</i>'
        f"<div><b>{escape(one.name)}</b> {escape(one.sentence)}</div></li>"
        for one in found
    )
    return f'<ul class="checks">{items}</ul>' if items else ""
