"""Nets of pictures: patterns that they recognise, files beside drawing, and what an epoch takes.

    python benchmarks/bench_pictures.py --bars ../shared/data          # all of it: hours
    python benchmarks/bench_pictures.py --only '[reading, ensemble]'
    python benchmarks/bench_pictures.py --only '[epoch]' --rows 20000

Cases:
    patterns  nets that name the candlestick pattern at the decision's bar, from charts of the
              bars, from Gramian fields of open, high, low and close, and from those of closes:
              simulated bars, and BTCUSD and SPY of `--bars`
    reading   the same net trained from float32 files and from numbers of which it draws the same
              pictures: pictures a second, and memory beside the system's own cache of files
    epoch     the ResNet-18 of the specification over 207,000 pictures: what the plan says, what is
              left to go after 1%, and what it takes (`--rows` for less)
    ensemble  `train_scripts/train_gaf_cnn.py --yes`: seconds of a default run

Writes `benchmarks/results/pictures_<case>_<machine>.csv`; `patterns` goes on where it ended. Run
`reading`, `epoch` and `ensemble` on an idle machine.
Expected: files at no less than 0.95 of the rate of drawing and in less than 1 GB; an epoch within
1.3 times of what was said after 1% of it; a default run in less than 15 minutes on two cores.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.depth.process import process_kib  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, store_row, write_table  # noqa: E402
from ultimate_deep.market.config import DataConfig, LabelSpec  # noqa: E402
from ultimate_deep.pipeline.gaf_config import GafFilesConfig  # noqa: E402
from ultimate_deep.training.config import FitConfig  # noqa: E402
from ultimate_deep.training.progress import Progress  # noqa: E402

Rows = list[dict[str, Any]]
FILES = ("btcusd_1h", "spy_1h")
PICTURES, HORIZON_BARS, WINDOW_BARS = ("bars", "gaf_ohlc", "gaf"), 4, 16
# A chart needs rows enough to tell where a body ends; the fields have a value for each bar.
SIZES = {"bars": 48, "gaf_ohlc": WINDOW_BARS, "gaf": WINDOW_BARS}
NET = {
    "channels": (48, 96), "first_stride": 1, "first_dilation": 1, "kernel_rows": 3,
    "dropout_rate": 0.2,
}  # fmt: skip
PATTERN_ROWS, PATTERN_EPOCHS = 40_000, 12
KEYS = ["market", "picture"]
SCORES = [
    "rows", "accuracy", "majority", "balanced_accuracy", "worst_recall", "best_epoch",
    "fit_seconds",
]  # fmt: skip
# Of all patterns that the net finds, and of the one that is worth most.
WORTH = ["net_bps", "best_pattern", "best_net_bps", "best_net_bps_error"]
FILES_OF = {"float32": "images", "numbers": "numbers"}
DOCUMENT_ROWS, DOCUMENT_BATCH = 207_000, 64
READING_ROWS, READING_STEPS, READING_TURNS = 20_000, 60, 5


class _EnoughError(Exception):
    """As many steps as were asked for are done."""


class _Steps(Progress):
    """Notes when each step ends, and stops a fit after so many."""

    def __init__(self, most: int) -> None:
        self.most, self.ends = most, []  # type: ignore[var-annotated]

    def step(self, epoch: int, step: int, loss: float) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) == self.most:
            raise _EnoughError


def patterns(bars: Path | None, rows: int, path: Path) -> None:
    """Train a net on each kind of picture of each market to name patterns, but for stored ones."""
    from ultimate_deep.experiments.ensembles.precomputed import train_precomputed
    from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
    from ultimate_deep.market.market import load_market
    from ultimate_deep.pipeline.gaf_files import write_gaf_files

    label = LabelSpec(kind="pattern", horizon_bars=HORIZON_BARS)
    markets = {"simulated": DataConfig(simulated_rows=rows, simulated_interval="15min")}
    if bars is not None:
        markets |= {name: DataConfig(path=str(bars / f"{name}.parquet")) for name in FILES}
    fit = FitConfig(
        epochs=PATTERN_EPOCHS, batch_size=128, learning_rate=2e-3, class_weights=True,
        patience_epochs=0, jit_compile=False,
    )  # fmt: skip
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEYS)
    done = set(zip(*(table[key] for key in KEYS), strict=True))
    for name, data in markets.items():
        market = load_market(data, LabelSpec(horizon_bars=HORIZON_BARS))
        for picture in PICTURES:
            if (name, picture) in done:
                continue
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / name
                config = GafFilesConfig(
                    output=str(folder), picture=picture, window_bars=WINDOW_BARS,  # type: ignore[arg-type]
                    size=SIZES[picture], train_fraction=0.85,
                )  # fmt: skip
                write_gaf_files(market, label, config)
                nets = PrecomputedConfig(
                    data=(str(folder),), output=str(Path(place) / "nets"), model="bar_image_cnn",
                    preset="tiny", options=NET, fit=fit,
                )  # fmt: skip
                scores = train_precomputed(nets, Progress()).iloc[0].to_dict()
                worth = pd.read_csv(Path(place) / "nets" / name / "patterns.csv")
            traded = worth[worth["net_bps"].notna()]
            row = {"market": name, "picture": picture} | {key: scores[key] for key in SCORES}
            if len(traded):
                best = traded.iloc[int(traded["net_bps"].argmax())]
                row |= {
                    "net_bps": float(np.average(traded["net_bps"], weights=traded["found"])),
                    "best_pattern": best["pattern"],
                    "best_net_bps": float(best["net_bps"]),
                    "best_net_bps_error": float(best["net_bps_error"]),
                }
            store_row(row, path, columns=[*KEYS, *SCORES, *WORTH], keys=KEYS)
            print(row, flush=True)


def reading(rows: int) -> Rows:
    """Train the same net from files and from numbers, in turns."""
    from ultimate_deep.experiments.ensembles.precomputed import (
        arrays_of,
        build_pair,
        fit_settings,
    )
    from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
    from ultimate_deep.pipeline.gaf_folders import read_gaf_folder

    with tempfile.TemporaryDirectory() as place:
        folders = {
            storage: read_gaf_folder(_written(Path(place) / storage, rows, storage))
            for storage in ("float32", "numbers")
        }
        config = PrecomputedConfig(
            data=(str(folders["float32"].path),), output=str(Path(place) / "nets"),
            fit=FitConfig(epochs=1, batch_size=DOCUMENT_BATCH),
        )  # fmt: skip
        given, drawing = build_pair(folders["float32"], config)
        assert drawing is not None
        nets = {"float32": given, "numbers": drawing}
        rates: dict[str, list[float]] = {way: [] for way in nets}
        grown: dict[str, float] = {}
        for _ in range(READING_TURNS):
            for way, net in nets.items():
                train, validation = (arrays_of(folders[way], part) for part in ("train", "val"))
                before = process_kib("RssAnon")
                seconds = _seconds_of_steps(
                    net, train, validation, fit_settings(config), READING_STEPS
                )
                rates[way].append(DOCUMENT_BATCH / np.median(seconds))
                grown[way] = max(grown.get(way, 0.0), (process_kib("RssAnon") - before) / 2**10)
        sizes = {
            way: sum(path.stat().st_size for path in one.path.glob(f"*_{FILES_OF[way]}.npy"))
            for way, one in folders.items()
        }
    drawn = float(np.median(rates["numbers"]))
    return [
        {
            "way": way,
            "rows": rows,
            "file_gb": sizes[way] / 1e9,
            "pictures_per_second": float(np.median(rates[way])),
            "beside_drawing": float(np.median(rates[way])) / drawn,
            "growth_mib": grown[way],
        }
        for way in nets
    ]


def epoch(rows: int) -> Rows:
    """Train the specification's ResNet-18 for an epoch, from numbers."""
    from ultimate_deep.experiments.ensembles.precomputed import (
        arrays_of,
        build_pair,
        fit_settings,
    )
    from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
    from ultimate_deep.pipeline.gaf_folders import read_gaf_folder
    from ultimate_deep.training.loop.compiled import time_fit
    from ultimate_deep.training.loop.plan import make_plan

    with tempfile.TemporaryDirectory() as place:
        folder = read_gaf_folder(_written(Path(place) / "numbers", rows, "numbers"))
        config = PrecomputedConfig(
            data=(str(folder.path),), output=str(Path(place) / "nets"), preset="gaf_resnet18",
            fit=FitConfig(epochs=1, patience_epochs=10, weight_decay=1e-5),
        )  # fmt: skip
        net, _ = build_pair(folder, config)
        train, validation = (arrays_of(folder, part) for part in ("train", "val"))
        settings = fit_settings(config)
        compiled = time_fit(net, train, validation, settings)
        plan = make_plan(net, train, validation, settings, compiled=compiled)
        steps = train.rows // DOCUMENT_BATCH
        seconds = _seconds_of_steps(net, train, validation, settings, steps, compiled=compiled)
    hundredth = max(1, steps // 100)
    taken = float(np.sum(seconds))
    after = float(np.sum(seconds[:hundredth])) * steps / hundredth
    return [
        {
            "rows": rows,
            "steps": steps,
            "planned_seconds": plan.step_seconds * steps,
            "after_1_percent_seconds": after,
            "taken_seconds": taken,
            "planned_over_taken": plan.step_seconds * steps / taken,
            "after_1_percent_over_taken": after / taken,
            "document_rows_hours": taken / rows * DOCUMENT_ROWS / 3_600,
        }
    ]


def ensemble() -> Rows:
    """Time a default run of three nets, their ensemble, the control and trees."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, str(ROOT / "train_scripts" / "train_gaf_cnn.py")]
        began = time.perf_counter()
        subprocess.run([*command, "--artifacts", place, "--yes"], check=True, cwd=ROOT)
        seconds = time.perf_counter() - began
        (path,) = Path(place).glob("*_ensemble-*/models.csv")
        table = pd.read_csv(path)
    table = table[["model", "accuracy", "sharpe", "verdict", "fit_seconds"]]
    return [*table.to_dict("records"), {"model": "the whole run", "fit_seconds": seconds}]  # type: ignore[list-item]


def _written(folder: Path, rows: int, storage: str) -> Path:
    """Write pictures of simulated bars, `rows` to train on."""
    from ultimate_deep.market.market import load_market
    from ultimate_deep.pipeline.gaf_files import write_gaf_files

    config = GafFilesConfig(output=str(folder), storage=storage)  # type: ignore[arg-type]
    bars = int(rows / config.train_fraction) + 2 * config.window_bars
    data = DataConfig(simulated_rows=bars, simulated_interval="15min")
    label = LabelSpec()
    return write_gaf_files(load_market(data, label), label, config)


def _seconds_of_steps(
    net: Any, train: Any, validation: Any, settings: FitConfig, steps: int, *, compiled: Any = None
) -> np.ndarray:
    """Return the seconds of each step after the first ones, which compile and fill caches."""
    from ultimate_deep.training.loop.fit import fit

    noted = _Steps(steps)
    with contextlib.suppress(_EnoughError):
        fit(
            net, train, validation, dataclasses.replace(settings, epochs=1),
            checkpoint_folder=None, progress=noted, compiled=compiled,
        )  # fmt: skip
    ends = np.asarray(noted.ends)
    return np.diff(ends)[min(5, len(ends) // 4) :]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and store each case."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=list[str], default=[], help="cases; all where empty")
    parser.add_argument("--bars", type=Path, help="folder of real bars; simulated ones alone")
    parser.add_argument("--rows", type=int, help="pictures of the case, instead of its own number")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the tables are kept")
    given = parser.parse_args(arguments)
    cases: dict[str, Callable[[Path], Rows | None]] = {
        "reading": lambda _: reading(given.rows or READING_ROWS),
        "ensemble": lambda _: ensemble(),
        "patterns": lambda path: patterns(given.bars, given.rows or PATTERN_ROWS, path),
        "epoch": lambda _: epoch(given.rows or DOCUMENT_ROWS),
    }
    if unknown := sorted(set(given.only) - set(cases)):
        parser.error(f"no case is called {unknown[0]!r}; there are {', '.join(cases)}")
    for name in given.only or cases:
        path = given.folder / f"pictures_{name}_{machine_name()}.csv"
        if (rows := cases[name](path)) is not None:
            write_table(pd.DataFrame(rows), path)
        print(pd.read_csv(path).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
