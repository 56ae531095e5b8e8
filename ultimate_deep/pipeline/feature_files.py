"""Features of any number of symbols as Parquet files, one for each, written block by block.

What is in memory is the bars of one symbol and one block of its features, for each worker.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ultimate_deep.features.compute import FeatureMatrix, iter_features
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.files import (
    FinishedError,
    finish_folder,
    read_json,
    remove_drafts,
    remove_folder,
    unfinished_folder,
    whole_file,
    write_json,
)
from ultimate_deep.machine.locks import FolderLock, claim_folder
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.market.reading.files import find_files
from ultimate_deep.market.reading.symbols import symbol_of_name
from ultimate_deep.pipeline.feature_files_config import FeatureFilesConfig

ABOUT = "features.json"
TIME = "timestamp"
_SETTINGS, _NOTES = "settings.json", "notes"
# Files are handed out so many at a time, so that many small ones cost little beside their work.
_MOST_FILES = 32
_SHARES = 8  # of each worker, so that all end at about the same time


@dataclass(frozen=True, eq=False)
class FeatureFiles:
    """What is to be written.

    Args:
        data: How bars are read; its path names all files.
        config: Which features, and where.
        draft: Folder of the files until all are there.
    """

    data: DataConfig
    config: FeatureFilesConfig
    draft: Path

    def note(self, name: str) -> Path:
        """Where it is kept what the files of a name came to."""
        return self.draft / _NOTES / f"{name}.json"


def write_feature_files(
    data: DataConfig,
    config: FeatureFilesConfig,
    *,
    workers: Workers = Workers(),
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write `SYMBOL.parquet` for every symbol, and `features.json` about all of them.

    Each has the column `timestamp`, open times in UTC, and one float32 column for each feature, NaN
    in its warm-up: the bits of `compute_features`.

    Args:
        data: Files of bars; those whose names mean the same symbol are read together.
        config: Which features, and where.
        workers: How many files at a time.
        resume: Go on with what was interrupted.
        say: Told what was found about bars.
        report: Told how many files are done, and of how many.

    Returns:
        The finished folder.

    Raises:
        FileExistsError: The folder is there.
        FileNotFoundError: No bars, or nothing to resume.
        ValueError: No path, bars or features that are refused, or other settings than those of
            the resumed call.
        KeyboardInterrupt: Interrupted; finished files are kept.
    """
    if not data.paths:
        raise ValueError(
            "features are written of files of bars, got no data.path; name a file or a folder "
            "with --data.path, or use ud.compute_features on simulated bars"
        )
    groups = _groups(data)
    folder = Path(config.output)
    settings = _settings(data, config)
    with _opened(folder, settings, resume=resume):
        files = FeatureFiles(data, config, unfinished_folder(folder))
        left = {name: paths for name, paths in groups.items() if not files.note(name).exists()}
        say(f"{how_many(len(left), 'symbol')} to go of {len(groups):,}")
        done = len(groups) - len(left)

        def told(count: int) -> None:
            nonlocal done
            done += count
            report(done, len(groups))

        try:
            _write_all(files, left, workers, told, say)
        except Exception:
            if not any((files.draft / _NOTES).iterdir()):  # nothing is there to resume
                remove_folder(files.draft)
            raise
        write_json(files.draft / ABOUT, settings | {"symbols": _collected(files, groups)})
        remove_folder(files.draft / _NOTES)
        (files.draft / _SETTINGS).unlink()
        finish_folder(folder)
    return folder


def _groups(data: DataConfig) -> dict[str, tuple[str, ...]]:
    """Return the files by the symbol that their names mean, in order."""
    groups: dict[str, list[str]] = {}
    for path in find_files(list(data.paths)):
        groups.setdefault(data.symbol or symbol_of_name(path.name), []).append(str(path))
    return {name: tuple(paths) for name, paths in groups.items()}


def _settings(data: DataConfig, config: FeatureFilesConfig) -> dict[str, Any]:
    told = {"data": dataclasses.asdict(data), "names": config.names}
    return json.loads(json.dumps(told, default=str))


def _opened(folder: Path, settings: dict[str, Any], *, resume: bool) -> FolderLock:
    draft = unfinished_folder(folder)
    if not resume:
        for path in (folder, draft):
            if path.exists():
                raise FileExistsError(
                    f"{path} exists and is never overwritten; go on with --resume, or name "
                    "another --output"
                )

        def fill(start: Path) -> None:
            write_json(start / _SETTINGS, settings)
            (start / _NOTES).mkdir()

        return claim_folder(folder, fill)
    if folder.exists():
        raise FinishedError(f"{folder} is finished: there is nothing to resume")
    if not (draft / _SETTINGS).is_file():
        raise FileNotFoundError(
            f"nothing to resume: no {draft / _SETTINGS}; start without --resume"
        )
    lock = FolderLock.taken(draft)
    try:
        if differing := [
            key for key, value in read_json(draft / _SETTINGS).items() if settings[key] != value
        ]:
            raise ValueError(
                f"{draft} was begun with other {', '.join(differing)}; resume with those it was "
                "begun with, or delete it"
            )
        remove_drafts(draft)
    except BaseException:
        lock.release()
        raise
    return lock


def _write_all(
    files: FeatureFiles,
    left: dict[str, tuple[str, ...]],
    workers: Workers,
    told: Callable[[int], None],
    say: Callable[[str], None],
) -> None:
    if not workers.count:
        for group in left.items():
            for line in _write_group(files, *group):
                say(line)
            told(1)
        return
    each = min(_MOST_FILES, math.ceil(len(left) / (_SHARES * workers.count)))
    waiting = list(left.items())
    cases = [waiting[start : start + each] for start in range(0, len(waiting), max(1, each))]
    side_by_side(
        _groups_of_worker, cases, workers,
        make=_same, given=files, names=[case[0][0] for case in cases], say=say,
        done=lambda position, result: told(len(cases[position])),
    )  # fmt: skip


def _same(files: FeatureFiles) -> FeatureFiles:
    return files


def _groups_of_worker(
    files: FeatureFiles, case: Iterable[tuple[str, tuple[str, ...]]], lines: TextIO
) -> None:
    for group in case:
        for line in _write_group(files, *group):
            print(line, file=lines)


def _write_group(files: FeatureFiles, name: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Write the features of all symbols in files; return what was said of their bars."""
    market = load_market(dataclasses.replace(files.data, path=paths), LabelSpec())
    found = {
        symbol: _write_symbol(files, symbol, bars) | {"files": list(paths)}
        for symbol, bars in market.bars.items()
    }
    write_json(files.note(name), found)
    young = [symbol for symbol, told in found.items() if told["warmup_bars"] >= told["rows"]]
    return (
        *market.told,
        *(f"{symbol} has too few bars for some features, which are NaN" for symbol in young),
    )


def _write_symbol(files: FeatureFiles, symbol: str, bars: Bars) -> dict[str, Any]:
    config = files.config
    blocks = iter_features(
        bars.frame, config.names or None, interval=bars.interval, block_rows=config.block_rows
    )
    first = next(blocks)
    schema = pa.schema(
        [(TIME, pa.timestamp("ns", tz="UTC")), *((name, pa.float32()) for name in first.names)]
    )
    rows = warmup = 0
    with (
        whole_file(files.draft / f"{symbol}.parquet") as draft,
        # A dictionary is for values that repeat: features hardly do.
        pq.ParquetWriter(
            draft, schema, compression="zstd", compression_level=1, use_dictionary=False
        ) as writer,
    ):
        for block in chain([first], blocks):
            writer.write_table(_table(block, schema))
            rows, warmup = rows + len(block.values), warmup + block.warmup_bars
    told = {"rows": rows, "warmup_bars": warmup}
    return told | {"features": list(first.names), "dropped": first.dropped}


def _table(block: FeatureMatrix, schema: pa.Schema) -> pa.Table:
    columns = np.ascontiguousarray(block.values.T)
    times = block.index.as_unit("ns").asi8
    arrays = [pa.array(times).cast(schema.field(0).type), *map(pa.array, columns)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _collected(files: FeatureFiles, groups: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return what is said of each symbol.

    Raises:
        ValueError: A symbol is in files whose names mean several.
    """
    found: dict[str, Any] = {}
    for name in groups:
        for symbol, told in read_json(files.note(name)).items():
            if symbol in found:
                raise ValueError(
                    f"{symbol} is in {found[symbol]['files'][0]} and in {told['files'][0]}, whose "
                    "names mean different symbols; give files of one symbol names that begin alike"
                )
            found[symbol] = told
    return found
