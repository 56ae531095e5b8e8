"""Pictures of windows as files: pre-allocated `.npy` memory maps, chronological, resumable.

A net draws the same pictures of a few numbers a row; files of pictures are for programs that
cannot. A folder appears under its name only when all of it is written.
"""

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.features.pictures.registry import picture_of
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
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.pipeline.gaf_plan import (
    DIGEST,
    METADATA,
    PARTS,
    GafPlan,
    GafRows,
    digest_of,
    digest_of_rows,
    identity_of,
    metadata_of,
    plan_gaf_files,
)
from ultimate_deep.pipeline.gaf_storage import Storage

BLOCK_ROWS = 512
# Blocks between two notes of what is safely on disk; at most these are written again.
NOTED_BLOCKS = 16
_PROGRESS = "progress.json"
_PICKLED = "metadata.pkl"

Report = Callable[[int, int], None]


def write_gaf_files(
    market: Market,
    label: LabelSpec,
    config: GafFilesConfig,
    *,
    resume: bool = False,
    report: Report | None = None,
) -> Path:
    """Write `{train,val}_{images,labels,rows}.npy` and `metadata.{json,pkl}`; return their folder.

    Images are `(rows, height, width, channels)` in the storage's type; labels float32 `(rows, 1)`;
    rows of type `ROW_TYPE`. With the storage `numbers` there are `_numbers` in place of images.
    The pickle holds the JSON's own strings, numbers, lists and dictionaries.
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
    draft = _open_draft(folder, identity_of(market, label, config), plan, resume=resume)
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
        _allocate(draft.path / f"{part}_{plan.storage.file}.npy", plan.storage, len(rows))
        labels = rows.labels.astype(np.float32)[:, None]
        for name, values in (("labels", labels), ("rows", rows.table())):
            with whole_file(draft.path / f"{part}_{name}.npy") as path, path.open("wb") as file:
                np.save(file, values)
    try:
        for part in PARTS:
            _fill(draft, part, plan, market, config, report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; {draft.path} keeps {sum(draft.done.values()):,} of {plan.rows:,} pictures"
        ) from None
    metadata = metadata_of(plan, market, draft.identity)
    metadata["files"] = {
        path.name: digest_of_rows(np.load(path, mmap_mode="r"))
        for path in sorted(draft.path.glob("*.npy"))
    }
    metadata[DIGEST] = digest_of(metadata)
    write_json(draft.path / METADATA, metadata)
    with whole_file(draft.path / _PICKLED) as path:
        path.write_bytes(pickle.dumps(metadata, protocol=4))


@dataclass(frozen=True)
class _Draft:
    """The unfinished folder, what its files belong to, and the rows of each part safely there."""

    path: Path
    identity: dict[str, Any]
    done: dict[str, int]
    lock: FolderLock

    def note(self) -> None:
        write_json(self.path / _PROGRESS, {"identity": self.identity, "done": self.done})


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
        check_space(path.parent, plan.bytes)
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


def check_resumable(market: Market, label: LabelSpec, config: GafFilesConfig) -> None:
    """Refuse files that were begun, or finished, with other bars or settings; nothing is touched.

    Raises:
        FileExistsError: The folder exists and holds others.
        ValueError: Unfinished files of others.
    """
    folder, identity = Path(config.output), identity_of(market, label, config)
    if folder.exists():
        if not _is_finished(folder, identity):
            raise FileExistsError(
                f"{folder} exists and is of other bars or settings; resume with those it was "
                "written with, or name another --output"
            )
        return
    path = unfinished_folder(folder)
    if (path / _PROGRESS).is_file():
        _check_identity(path, read_json(path / _PROGRESS), identity)


def _check_identity(path: Path, noted: dict[str, Any], identity: dict[str, Any]) -> None:
    if differing := [key for key in identity if noted["identity"].get(key) != identity[key]]:
        raise ValueError(
            f"{path} was begun with other {', '.join(differing)}; resume with the bars "
            "and settings it was begun with, or delete it"
        )


def _is_finished(folder: Path, identity: dict[str, Any]) -> bool:
    """Return whether a folder holds the whole pictures of these bars and settings."""
    try:
        told = read_json(folder / METADATA)
    except (OSError, ForeignFileError):
        return False
    return isinstance(told, dict) and all(told.get(key) == identity[key] for key in identity)


def _done(path: Path, identity: dict[str, Any], plan: GafPlan) -> dict[str, int]:
    """Return the rows of each part that an unfinished folder holds safely."""
    remove_drafts(path)
    noted = read_json(path / _PROGRESS)
    _check_identity(path, noted, identity)
    there = sum(file.stat().st_blocks * 512 for file in path.glob(f"*_{plan.storage.file}.npy"))
    check_space(path, plan.bytes - there)
    return dict(noted["done"])


def check_space(folder: Path, needed: int) -> None:
    """Refuse to fill the disk.

    Raises:
        ValueError: More bytes are needed than are free where the folder is or will be.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ValueError(
            f"the pictures need {needed / 1e9:,.3f} GB and {existing} has {free / 1e9:,.3f} GB "
            "free; give another --output, --storage uint8 or a smaller --size, or keep the numbers "
            "of which a net draws the same pictures (GafImages): --storage numbers"
        )


def _allocate(path: Path, storage: Storage, rows: int) -> None:
    """Create a file of zeros whose blocks the disk has promised, if it is absent."""
    if path.exists():
        return
    with whole_file(path) as draft:
        np.lib.format.open_memmap(
            draft, mode="w+", dtype=storage.dtype, shape=(rows, *storage.row_shape)
        )
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
    images = np.load(draft.path / f"{part}_{plan.storage.file}.npy", mmap_mode="r+")
    names = picture_of(config.picture).series
    series = [
        {name: bars.frame[name].to_numpy(np.float64) for name in names}
        for bars in market.bars.values()
    ]
    before = sum(len(plan.parts[name]) for name in PARTS[: PARTS.index(part)])
    for number, start in enumerate(range(draft.done[part], len(rows), BLOCK_ROWS), start=1):
        stop = min(start + BLOCK_ROWS, len(rows))
        block = rows.take(slice(start, stop))
        _fill_block(block, series, config, plan.storage, np.asarray(images[start:stop]))
        if number % NOTED_BLOCKS == 0 or stop == len(rows):
            images.flush()
            draft.done[part] = stop
            draft.note()
        if report is not None:
            report(before + stop, plan.rows)


def _fill_block(
    rows: GafRows,
    series: list[dict[str, np.ndarray]],
    config: GafFilesConfig,
    storage: Storage,
    out: np.ndarray,
) -> None:
    picture = picture_of(config.picture)
    for code in np.unique(rows.symbol_code):
        mine = rows.symbol_code == code
        ends = rows.bar_row[mine]
        first = int(ends.min()) - picture.history(config.window_bars) + 1
        near = {name: one[first : int(ends.max()) + 1] for name, one in series[code].items()}
        numbers = picture.numbers(near, config.window_bars, config.size, ends - first)
        if storage.name == "numbers":
            out[mine] = numbers
        elif mine.all() and storage.name == "float32":
            picture.images(numbers, config.size, out)
        else:
            out[mine] = storage.encoded(picture.images(numbers, config.size))
