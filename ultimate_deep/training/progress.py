"""What a person sees while a model trains: a bar on a terminal, lines in a log."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars

HEARTBEAT_SECONDS = 10.0
# Column of the history: steps of the epoch whose gradients overflowed in float16.
OVERFLOWS = "overflow_steps"


class Progress:
    """Receives what happens; this one stays silent, which suits tests and tuners."""

    def message(self, text: str) -> None:
        """Say one sentence."""

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show that something without steps is going on, for as long as the block runs."""
        yield

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        """Training starts, or goes on, at `step` of `epoch` (both from 0)."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Step `step` of `epoch` (both from 1) is done; `loss` is the epoch's mean so far."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch is done; `row` is its line of the history."""

    def close(self) -> None:
        """Training is over."""


class LineProgress(Progress):
    """Plain lines, never silent for longer than `every_seconds` while steps are shorter.

    Args:
        stream: Where lines go; standard output where absent.
        every_seconds: Most seconds between two lines.
    """

    def __init__(
        self, stream: IO[str] | None = None, every_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._stream = stream
        self._every = every_seconds
        self._last = -float("inf")
        self._first_step = True
        self._epochs = self._steps = 0

    def message(self, text: str) -> None:
        """Print one line."""
        print(text, file=self._stream or sys.stdout, flush=True)
        self._last = time.monotonic()

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Print a line at the start, one every `every_seconds`, and the duration at the end."""
        self.message(f"{text} ...")
        started = time.monotonic()
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._every):
                self.message(f"{text} ... {time.monotonic() - started:.0f} s so far")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        self.message(f"{text}: done in {time.monotonic() - started:.1f} s")

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        """Remember the totals; say where a resumed run goes on."""
        self._epochs, self._steps = epochs, steps_per_epoch
        if epoch or step:
            self.message(f"going on at epoch {epoch + 1}, after {step} of {steps_per_epoch} steps")

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Print the first step and then whenever `every_seconds` have gone by."""
        if self._first_step or time.monotonic() - self._last >= self._every:
            self._first_step = False
            self.message(f"epoch {epoch}/{self._epochs} step {step}/{self._steps} loss {loss:.4f}")

    def epoch(self, row: Mapping[str, float]) -> None:
        """Print the epoch's summary."""
        self.message(epoch_sentence(row, self._epochs))


class TogetherProgress(Progress):
    """Tells several what happens, such as a screen and a file.

    Args:
        several: Who is told, in order.
    """

    def __init__(self, *several: Progress) -> None:
        self._several = several

    def message(self, text: str) -> None:
        """Say one sentence to each."""
        for one in self._several:
            one.message(text)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show to each that something without steps is going on."""
        with ExitStack() as stack:
            for one in self._several:
                stack.enter_context(one.busy(text))
            yield

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        """Tell each that training starts, or goes on."""
        for one in self._several:
            one.start(epochs=epochs, steps_per_epoch=steps_per_epoch, epoch=epoch, step=step)

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Tell each of a step."""
        for one in self._several:
            one.step(epoch, step, loss)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Tell each of an epoch."""
        for one in self._several:
            one.epoch(row)

    def close(self) -> None:
        """Tell each that training is over."""
        for one in self._several:
            one.close()


class BarProgress(Progress):
    """A rich bar of steps with the current loss, and one line for each finished epoch.

    Args:
        console: Where to draw; standard output where absent.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bars: RichBars | None = None
        self._epochs = self._steps = 0

    def message(self, text: str) -> None:
        """Print one line above the bar."""
        self._console.print(text, highlight=False)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show a spinner with the seconds gone by."""
        columns = (TextColumn("{task.description}"), TextColumn("{task.elapsed:.0f} s"))
        started = time.monotonic()
        with RichBars(*columns, console=self._console, transient=True) as bars:
            bars.add_task(f"{text} ...", total=None)
            yield
        self.message(f"{text}: done in {time.monotonic() - started:.1f} s")

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        """Draw the bar."""
        self._epochs, self._steps = epochs, steps_per_epoch
        self._bars = RichBars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        total = epochs * steps_per_epoch
        self._bars.add_task("training", total=total, completed=epoch * steps_per_epoch + step)
        self._bars.start()

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Move the bar; rich redraws it ten times a second at most."""
        if self._bars is not None:
            self._bars.update(
                self._bars.task_ids[0],
                completed=(epoch - 1) * self._steps + step,
                description=f"epoch {epoch}/{self._epochs} loss {loss:.4f}",
            )

    def epoch(self, row: Mapping[str, float]) -> None:
        """Print the epoch's summary above the bar."""
        self.message(epoch_sentence(row, self._epochs))

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Heartbeat:
    """Says how far something is, at most once every `every_seconds`.

    Args:
        progress: Told; None says nothing.
        what: What is done with each part, such as `shuffled`.
        total: Number of parts.
        parts: Their name, such as `features`.
        every_seconds: Least seconds between two lines.
    """

    def __init__(
        self,
        progress: Progress | None,
        what: str,
        total: int,
        parts: str,
        every_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._progress, self._what, self._total, self._parts = progress, what, total, parts
        self._every = every_seconds
        self._started = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        """`done` parts are done."""
        now = time.monotonic()
        if self._progress is None or done >= self._total or now - self._last < self._every:
            return
        self._last = now
        rest = (now - self._started) / done * (self._total - done)
        left = f"{rest:.0f} s" if rest < 120 else f"{rest / 60:.0f} min"
        self._progress.message(
            f"{self._what} {done} of {self._total} {self._parts}, about {left} to go"
        )


def make_progress(console: Console | None = None) -> Progress:
    """Return a bar where the output is a terminal, lines where it is not."""
    console = console or Console()
    return BarProgress(console) if console.is_terminal else LineProgress(console.file)


def epoch_sentence(row: Mapping[str, float], epochs: int) -> str:
    """Return the summary line of one epoch of the history."""
    overflows = f"{row[OVERFLOWS]:.0f} steps overflowed " if row.get(OVERFLOWS) else ""
    return (
        f"epoch {row['epoch']:.0f}/{epochs} loss {row['loss']:.4f} "
        f"validation loss {row['validation_loss']:.4f} "
        f"accuracy {row['validation_accuracy']:.4f} AUC {row['validation_auc']:.4f} "
        f"learning rate {row['learning_rate']:.2e} {overflows}{row['seconds']:.1f} s"
    )
