"""Pictures of one file of fine bars at several lengths: a folder for each symbol and length."""

from __future__ import annotations

import dataclasses
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.machine.files import FinishedError, unfinished_folder
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.intervals import interval_of
from ultimate_deep.market.market import Market
from ultimate_deep.market.resampling import resampled
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.pipeline.gaf_files import (
    Report,
    check_resumable,
    check_space,
    write_gaf_files,
)
from ultimate_deep.pipeline.gaf_plan import GafPlan, bytes_by_storage, plan_gaf_files

LOGS = "logs"
# In the name of a symbol, what a folder's name does without.
_UNUSUAL = re.compile(r"[^\w.=^-]+")
LOGGED_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class WindowFiles:
    """One folder to write.

    Args:
        name: What it is called, such as `bnb_15m`.
        market: Its bars, of one symbol and length.
        config: Which pictures, and where.
        plan: What will be written.
    """

    name: str
    market: Market
    config: GafFilesConfig
    plan: GafPlan


def plan_windows(market: Market, label: LabelSpec, config: GafFilesConfig) -> list[WindowFiles]:
    """Return the folders of every symbol and length of `config.windows`, without writing.

    The bars of a length begin at its multiples in UTC. The label is that of those bars: its horizon
    counts them, and it is filled at their opens.

    Raises:
        ValueError: A length that is no multiple of the bars', irregular bars, or too few bars.
    """
    if market.irregular:
        raise ValueError(
            f"windows {config.windows!r} are of bars several times as long, and irregular bars "
            "have no length; leave windows out"
        )
    found: list[WindowFiles] = []
    for symbol, bars in market.bars.items():
        for text in config.lengths:
            length = interval_of(text, "each of windows")
            if length % bars.interval or length < bars.interval:
                raise ValueError(
                    f"windows must be multiples of the bars' length, {bars.length_in_words}, got "
                    f"{text!r}; name finer bars with --data.path, or a multiple"
                )
            name = f"{_UNUSUAL.sub('-', symbol.lower())}_{_suffix(length)}"
            if any(one.name == name for one in found):
                raise ValueError(
                    f"two folders would be called {name}, of {symbol} at {text} and another; name "
                    "each length once, and write symbols whose names differ so little apart"
                )
            one = resampled(bars, length)
            own = dataclasses.replace(config, output=str(Path(config.output) / name), windows="")
            alone = Market({symbol: one})
            try:
                plan = plan_gaf_files(alone, label, own)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            found.append(WindowFiles(name, alone, own, plan))
    return found


def plan_sentences(files: list[WindowFiles]) -> list[str]:
    """Return what will be written, and what it would take in other storage, in lines."""
    said = []
    total = dict.fromkeys(bytes_by_storage(0, files[0].config), 0)
    for one in files:
        rows, parts = one.plan.rows, one.plan.parts
        for storage, size in bytes_by_storage(rows, one.config).items():
            total[storage] += size
        said.append(
            f"{one.name}: {len(parts['train']):,} pictures to train on, {len(parts['val']):,} to "
            f"validate, {one.plan.bytes / 1e9:,.3f} GB"
        )
    storage = files[0].config.storage
    others = ", ".join(
        f"{name} {size / 1e9:,.3f} GB" for name, size in total.items() if name != storage
    )
    said.append(f"all as {storage}: {total[storage] / 1e9:,.3f} GB; instead {others}")
    return said


def write_windows(
    files: list[WindowFiles],
    label: LabelSpec,
    *,
    resume: bool = False,
    report: Report | None = None,
) -> list[Path]:
    """Write every folder, side by side on the cores; return them.

    Folders that are finished are left as they are with `resume`, unfinished ones go on to the same
    bytes, and others are begun. Each also writes lines to `logs/gaf_NAME.log` beside the folders.

    Args:
        files: What to write, from `plan_windows`.
        label: What is predicted.
        resume: Whether to go on with what an earlier call left.
        report: Told rows done and rows in all, of all folders together.

    Raises:
        FileExistsError: A folder exists or is unfinished, and `resume` is off, or it holds others.
        ValueError: Too little space for all of them, or unfinished files of other bars or settings.
        KeyboardInterrupt: Interrupted; says how far it came.
    """
    parent = Path(files[0].config.output).parent
    if not resume:
        for one in files:
            folder = Path(one.config.output)
            if any(path.exists() for path in (folder, unfinished_folder(folder))):
                raise FileExistsError(
                    f"{folder} exists or is unfinished; go on with --resume, or name another "
                    "--output"
                )
    for one in files:  # all of them, before any is begun
        check_resumable(one.market, label, one.config)
    left = [one for one in files if not Path(one.config.output).exists()]
    drafts = [unfinished_folder(Path(one.config.output)) for one in left]
    there = sum(_on_disk(draft) for draft in drafts)
    check_space(parent, sum(one.plan.bytes for one in left) - there)
    count, stop = _Count(files, report), threading.Event()
    workers = max(1, min(len(files), os.cpu_count() or 1))
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        jobs = [pool.submit(_write, one, label, resume, count, stop) for one in files]
        try:
            return [job.result() for job in jobs]
        except BaseException as error:
            stop.set()
            for job in jobs:
                job.cancel()
            wait(jobs)
            if not isinstance(error, KeyboardInterrupt):
                raise
            ends = [job.exception() for job in jobs if not job.cancelled()]
            said = [str(end) for end in ends if isinstance(end, KeyboardInterrupt) and str(end)]
            raise KeyboardInterrupt("; ".join(said)) from None


def _write(
    one: WindowFiles, label: LabelSpec, resume: bool, count: _Count, stop: threading.Event
) -> Path:
    folder = Path(one.config.output)
    going_on = resume and (folder.exists() or unfinished_folder(folder).exists())
    with _log(folder) as log:

        def report(done: int, total: int) -> None:
            count.tell(one.name, done)
            log(f"{done:,} of {total:,} pictures", done == total)
            if stop.is_set():
                raise KeyboardInterrupt

        try:
            write_gaf_files(one.market, label, one.config, resume=going_on, report=report)
        except FinishedError:
            count.tell(one.name, one.plan.rows)
        except BaseException as error:
            log(f"ended: {error}", True)
            raise
        log(f"finished: {folder}", True)
    return folder


class _Count:
    """Rows done of all folders, told together."""

    def __init__(self, files: list[WindowFiles], report: Report | None) -> None:
        self.done = {one.name: 0 for one in files}
        self.total = sum(one.plan.rows for one in files)
        self.report, self.lock = report, threading.Lock()

    def tell(self, name: str, done: int) -> None:
        with self.lock:
            self.done[name] = done
            if self.report is not None:
                self.report(sum(self.done.values()), self.total)


@contextmanager
def _log(folder: Path) -> Iterator[Callable[[str, bool], None]]:
    """Append lines with their time to the folder's log; those of progress every ten seconds."""
    path = folder.parent / LOGS / f"gaf_{folder.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    last = -LOGGED_SECONDS
    with path.open("a", encoding="utf-8") as file:

        def line(text: str, due: bool) -> None:
            nonlocal last
            if due or time.monotonic() - last >= LOGGED_SECONDS:
                last = time.monotonic()
                file.write(f"{pd.Timestamp.now('UTC'):%Y-%m-%d %H:%M:%S} {text}\n")
                file.flush()

        yield line


def _on_disk(draft: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in draft.glob("*.npy")) if draft.exists() else 0


def _suffix(length: pd.Timedelta) -> str:
    """`15m` for 15 minutes, as the folders are called; `90s` for what is no whole minute."""
    seconds = int(length.total_seconds())
    return f"{seconds}s" if seconds % 60 else f"{seconds // 60}m"
