"""What is printed: wrapped at the edge of a terminal, whole in a pipe or a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

# Wider than any line, so that nothing is wrapped or cut where there is no screen.
NO_EDGE = 1_000_000
# Between two lines of what is counted.
LINE_SECONDS = 10.0


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


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many are done: a bar on a terminal, elsewhere a line every ten seconds.

    Args:
        console: Where it is shown.
        what: What is counted, a plural.

    Yields:
        Told how many are done, and of how many.
    """
    if console.is_terminal:
        with Progress(console=console) as bars:
            task = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
        return
    last = -LINE_SECONDS

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS or done == total:
            last = time.monotonic()
            console.print(f"{done:,} of {total:,} {what}", highlight=False)

    yield line
