"""Every model in a line of its own, nets and trees read from their files without loading Keras."""

import textwrap

from ultimate_deep.commands.known_models import all_declared
from ultimate_deep.models.trees.registry import TREES

WIDTH = 120


def listed_models() -> list[str]:
    """Return a line for each model: its name, what it reads, the planted signals that it finds."""
    rows = []
    for name, told in all_declared().items():
        finds = "trees" if name in TREES else ", ".join(told.sees) or "-"
        rows.append((name, told.reads, finds, ", ".join(told.presets)))
    head = ("model", "reads", "finds the planted signals", "presets")
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(3)]
    lines = []
    for row in (head, *rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        indent = " " * (sum(widths) + 6)
        lines += textwrap.wrap(
            "  ".join([*cells, row[3]]), max(len(indent) + 30, WIDTH), subsequent_indent=indent
        )
    return lines
