"""What is printed: wrapped at the edge of a terminal, whole in a pipe or a file."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

# Wider than any line, so that nothing is wrapped or cut where there is no screen.
NO_EDGE = 1_000_000


class Screen(Console):
    """Standard output: a pipe or a file has no edge to wrap at, and no line is ever cut."""

    def __init__(self) -> None:
        super().__init__()
        if not self.is_terminal:
            self.width = NO_EDGE

    def print(self, *objects: Any, crop: bool = False, **others: Any) -> None:
        """Print; see `rich.console.Console.print`."""
        super().print(*objects, crop=crop, **others)


class Fitting:
    """A table, or where the screen is too narrow for it, the same in lines.

    Args:
        table: Shown where its widest row fits.
        lines: Shown where it does not.
    """

    def __init__(self, table: Table, lines: RenderableType) -> None:
        self.table = table
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wanted = console.measure(self.table, options=options.update(width=NO_EDGE)).maximum
        yield self.table if wanted <= options.max_width else self.lines


def whole_line(text: str, style: str = "") -> Text:
    """Return a line with a name or a path in it, which is neither broken nor cut.

    A terminal breaks it by itself where it is too long, and copies it as one.
    """
    return Text(text, style=style, no_wrap=True, overflow="ignore")
