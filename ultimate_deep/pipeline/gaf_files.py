"""Gramian angular fields as files: pre-allocated `.npy` memory maps, chronological, resumable.

`GafImages` computes the same pictures inside a net from `size` numbers a row; files are for
programs that cannot. A folder appears under its name only when all of it is written.
"""

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.features.gaf import gaf_images, gaf_numbers
from ultimate_deep.machine.files import (
    LOCK_FILE,
    FinishedError,
    ForeignFileError,
    finish_folder,
    read_json,
    remove_drafts,
    unfinished_folder,
    whole_file,
    write_json,
)
from ultimate_deep.machine.litter import remove_litter
from ultimate_deep.machine.locks import FolderLock, claim_folder
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import label_end_times, make_labels
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import close_times
from ultimate_deep.pipeline.gaf_config import GafFilesConfig

PARTS = ("train", "val")
BLOCK_ROWS = 512
# Blocks between two notes of what is safely on disk; at most these are written again.
NOTED_BLOCKS = 16
_SCHEMA = "ultimate-deep-gaf-1"
_PROGRESS = "progress.json"
_METADATA = "metadata.json"

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class GafRows:
    """The rows of one part in order of time; all arrays `(rows,)`.

    Args:
        labels: 0 or 1, float64.
        symbol_code: Position of the row's symbol in the market.
        bar_row: Bar at which the window ends and the decision is made.
        decision_time: That bar's close in UTC, `datetime64[ns]`.
        label_end_time: When the label is known, likewise.
    """

    labels: np.ndarray
    symbol_code: np.ndarray
    bar_row: np.ndarray
    decision_time: np.ndarray
    label_end_time: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray | slice) -> "GafRows":
        """Return these rows, by number, mask or slice."""
        return GafRows(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True, eq=False)
class GafPlan:
    """What will be written.

    Args:
        parts: Rows of `train` and `val`.
        boundary: First decision of `val`; every label of `train` was known before it.
        purged: Rows left out since their label reaches the boundary.
        unlabelled: Rows with a whole window left out for want of a label: ties and the end.
        image_shape: Shape of one row.
    """

    parts: dict[str, GafRows]
    boundary: np.datetime64
    purged: int
    unlabelled: int
    image_shape: tuple[int, int, int]

    @property
    def rows(self) -> int:
        """Rows of both parts."""
        return sum(len(rows) for rows in self.parts.values())

    @property
    def bytes(self) -> int:
        """Size of the pictures in float32."""
        return self.rows * 4 * int(np.prod(self.image_shape))


def plan_gaf_files(market: Market, label: LabelSpec, config: GafFilesConfig) -> GafPlan:
    """Find the labelled rows with a whole window and part them at one time for all symbols.

    Raises:
        ValueError: A part would be empty.
    """
    pooled = [_symbol_rows(market, code, label, config) for code in range(len(market.bars))]
    columns = {
        field.name: np.concatenate([getattr(rows, field.name) for rows, _ in pooled])
        for field in dataclasses.fields(GafRows)
    }
    rows = GafRows(**columns)
    rows = rows.take(np.argsort(rows.decision_time, kind="stable"))
    if len(rows) == 0:
        raise ValueError(
            f"no bar has a window of {config.window_bars} bars and a label; give more bars, a "
            "shorter window or a shorter horizon"
        )
    cut = min(int(config.train_fraction * len(rows)), len(rows) - 1)
    boundary = rows.decision_time[cut]
    early = rows.decision_time < boundary
    known = rows.label_end_time < boundary
    parts = {"train": rows.take(early & known), "val": rows.take(~early)}
    for name, part in parts.items():
        if len(part) == 0:
            raise ValueError(
                f"the {name} part is empty: {len(rows):,} rows, of which "
                f"{int((early & ~known).sum()):,} are purged at {boundary}; give more bars, "
                "another train_fraction or a shorter horizon"
            )
    return GafPlan(
        parts=parts,
        boundary=boundary,
        purged=int((early & ~known).sum()),
        unlabelled=sum(unlabelled for _, unlabelled in pooled),
        image_shape=(config.size, config.size, 2),
    )


def write_gaf_files(
    market: Market,
    label: LabelSpec,
    config: GafFilesConfig,
    *,
    resume: bool = False,
    report: Report | None = None,
) -> Path:
    """Write `{train,val}_{images,labels}.npy` and `metadata.json`; return their folder.

    Images are float32 `(rows, size, size, 2)`, summation field first; labels float32 `(rows, 1)`.
    Until all is written the folder is called `<output>.unfinished`; a run that was killed goes on
    with `resume` and ends with the same bytes.

    Args:
        market: Bars by symbol.
        label: What is predicted.
        config: Which pictures, and where.
        resume: Whether to go on with unfinished files.
        report: Told rows done and rows in all after each block.

    Raises:
        FileExistsError: The folder exists, or unfinished files do and `resume` is off.
        FinishedError: These very pictures are in the folder already, with `resume`.
        FileNotFoundError: There is nothing to resume.
        LockedError: A living process writes these files.
        ValueError: Too few bars, too little space, or unfinished files of other bars or settings.
        KeyboardInterrupt: Interrupted; says how far it came.
    """
    folder = Path(config.output)
    plan = plan_gaf_files(market, label, config)
    remove_litter(folder.parent)
    draft = _open_draft(folder, _identity(market, label, config), plan, resume=resume)
    with draft.lock:
        _write_draft(draft, plan, market, config, report)
        finish_folder(folder)
        (folder / _PROGRESS).unlink()
    return folder


def _write_draft(
    draft: "_Draft", plan: GafPlan, market: Market, config: GafFilesConfig, report: Report | None
) -> None:
    """Write all files of the folder into its draft."""
    for part, rows in plan.parts.items():
        _allocate(draft.path / f"{part}_images.npy", (len(rows), *plan.image_shape))
        with whole_file(draft.path / f"{part}_labels.npy") as path, path.open("wb") as file:
            np.save(file, rows.labels.astype(np.float32)[:, None])
    try:
        for part in PARTS:
            _fill(draft, part, plan, market, config, report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; {draft.path} keeps {sum(draft.done.values()):,} of {plan.rows:,} pictures"
        ) from None
    write_json(draft.path / _METADATA, _metadata(plan, market, draft.identity))


@dataclass(frozen=True)
class _Draft:
    """The unfinished folder, what its files belong to, and the rows of each part safely there."""

    path: Path
    identity: dict[str, Any]
    done: dict[str, int]
    lock: FolderLock

    def note(self) -> None:
        write_json(self.path / _PROGRESS, {"identity": self.identity, "done": self.done})


def _symbol_rows(
    market: Market, code: int, label: LabelSpec, config: GafFilesConfig
) -> tuple[GafRows, int]:
    """Return a symbol's labelled rows, and how many rows with a whole window have no label."""
    bars = list(market.bars.values())[code]
    labels = make_labels(bars.frame, label)
    whole = np.arange(len(bars)) >= config.window_bars - 1
    row = np.flatnonzero(whole & np.isfinite(labels.values))
    rows = GafRows(
        labels=labels.values[row],
        symbol_code=np.full(len(row), code),
        bar_row=row,
        decision_time=close_times(bars)[row],
        label_end_time=label_end_times(bars, labels, label.horizon_bars)[row],
    )
    return rows, int(whole.sum()) - len(row)


def _identity(market: Market, label: LabelSpec, config: GafFilesConfig) -> dict[str, Any]:
    """What two runs must share for one to go on with the other's files."""
    return {
        "schema": _SCHEMA,
        "window_bars": config.window_bars,
        "size": config.size,
        "train_fraction": config.train_fraction,
        "label": dataclasses.asdict(label),
        "symbols": list(market.bars),
        "bars_sha256": market.fingerprint(),
    }


def _open_draft(folder: Path, identity: dict[str, Any], plan: GafPlan, *, resume: bool) -> _Draft:
    """Make or find the unfinished folder."""
    path = unfinished_folder(folder)
    if _is_finished(folder, identity):
        for left in (LOCK_FILE, _PROGRESS):  # by a kill after the folder had appeared
            (folder / left).unlink(missing_ok=True)
        if resume:
            raise FinishedError(f"{folder} is finished: there is nothing to resume")
    if folder.exists():
        raise FileExistsError(
            f"{folder} exists and is never overwritten; name another --output, or move it away"
        )
    if not resume:
        if path.exists():
            raise FileExistsError(
                f"{path} holds unfinished pictures; go on with --resume, or delete it"
            )
        _check_space(path.parent, plan.bytes)
        done = dict.fromkeys(PARTS, 0)
        noted = {"identity": identity, "done": done}
        lock = claim_folder(folder, lambda start: write_json(start / _PROGRESS, noted))
        return _Draft(path, identity, done, lock)
    if not (path / _PROGRESS).is_file():
        raise FileNotFoundError(
            f"nothing to resume: no {path / _PROGRESS}; start without --resume, after "
            "deleting what else lies there"
        )
    lock = FolderLock.taken(path)
    try:
        return _Draft(path, identity, _done(path, identity, plan), lock)
    except BaseException:
        lock.release()
        raise


def _is_finished(folder: Path, identity: dict[str, Any]) -> bool:
    """Return whether a folder holds the whole pictures of these bars and settings."""
    try:
        told = read_json(folder / _METADATA)
    except (OSError, ForeignFileError):
        return False
    return isinstance(told, dict) and all(told.get(key) == identity[key] for key in identity)


def _done(path: Path, identity: dict[str, Any], plan: GafPlan) -> dict[str, int]:
    """Return the rows of each part that an unfinished folder holds safely."""
    remove_drafts(path)
    noted = read_json(path / _PROGRESS)
    if differing := [key for key in identity if noted["identity"].get(key) != identity[key]]:
        raise ValueError(
            f"{path} was begun with other {', '.join(differing)}; resume with the bars "
            "and settings it was begun with, or delete it"
        )
    there = sum(file.stat().st_blocks * 512 for file in path.glob("*_images.npy"))
    _check_space(path, plan.bytes - there)
    return dict(noted["done"])


def _check_space(folder: Path, needed: int) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ValueError(
            f"the pictures need {needed / 1e9:,.3f} GB and {existing} has {free / 1e9:,.3f} GB "
            "free; give another --output, a smaller --size or fewer bars, or write no files: "
            "ultimate_deep.models.layers.GafImages makes the pictures inside the net"
        )


def _allocate(path: Path, shape: tuple[int, ...]) -> None:
    """Create a float32 file of zeros whose blocks the disk has promised, if it is absent."""
    if path.exists():
        return
    with whole_file(path) as draft:
        np.lib.format.open_memmap(draft, mode="w+", dtype=np.float32, shape=shape)
        if not hasattr(os, "posix_fallocate"):
            return
        # Or a disk that fills up later would end the process (SIGBUS) without a word.
        with draft.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, draft.stat().st_size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise ValueError(
                    f"the disk has no room for {path}; make room and go on with --resume"
                ) from error


def _fill(
    draft: _Draft,
    part: str,
    plan: GafPlan,
    market: Market,
    config: GafFilesConfig,
    report: Report | None,
) -> None:
    """Write a part's pictures from where the draft's note leaves off."""
    rows = plan.parts[part]
    images = np.load(draft.path / f"{part}_images.npy", mmap_mode="r+")
    closes = [bars.frame["close"].to_numpy(np.float64) for bars in market.bars.values()]
    before = sum(len(plan.parts[name]) for name in PARTS[: PARTS.index(part)])
    for number, start in enumerate(range(draft.done[part], len(rows), BLOCK_ROWS), start=1):
        stop = min(start + BLOCK_ROWS, len(rows))
        _fill_block(rows.take(slice(start, stop)), closes, config, np.asarray(images[start:stop]))
        if number % NOTED_BLOCKS == 0 or stop == len(rows):
            images.flush()
            draft.done[part] = stop
            draft.note()
        if report is not None:
            report(before + stop, plan.rows)


def _fill_block(
    rows: GafRows, closes: list[np.ndarray], config: GafFilesConfig, out: np.ndarray
) -> None:
    for code in np.unique(rows.symbol_code):
        mine = rows.symbol_code == code
        ends = rows.bar_row[mine]
        first = int(ends.min()) - config.window_bars + 1
        near = closes[code][first : int(ends.max()) + 1]
        numbers = gaf_numbers(near, config.window_bars, config.size, rows=ends - first)
        if mine.all():
            gaf_images(numbers, out=out)
        else:
            out[mine] = gaf_images(numbers)


def _metadata(plan: GafPlan, market: Market, identity: dict[str, Any]) -> dict[str, Any]:
    return {
        **identity,
        "simulated": market.simulated,
        "interval": "irregular" if market.irregular else str(market.interval),
        "images": "float32 (rows, size, size, 2): channel 0 cos(a_i + a_j), 1 sin(a_i - a_j)",
        "labels": "float32 (rows, 1), 0 or 1",
        "order": "decision time (a bar's close, UTC), then symbol",
        "boundary": str(plan.boundary),
        "purged": plan.purged,
        "unlabelled": plan.unlabelled,
        "parts": {
            name: {
                "rows": len(rows),
                "images_shape": [len(rows), *plan.image_shape],
                "share_of_label_1": float(rows.labels.mean()),
                "first_decision": str(rows.decision_time[0]),
                "last_decision": str(rows.decision_time[-1]),
                "last_label_end": str(rows.label_end_time.max()),
            }
            for name, rows in plan.parts.items()
        },
    }
