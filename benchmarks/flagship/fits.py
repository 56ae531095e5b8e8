"""One fit of one model on one market, for the benchmarks of the flagship."""

import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd
from jsonargparse import ArgumentParser

from benchmarks.processes import side_by_side
from benchmarks.tables import RESULTS, append_lines, machine_name, stored, write_table

if TYPE_CHECKING:
    from ultimate_deep.pipeline.config import ExperimentConfig

SIGNALS = ("interaction", "linear", "long_memory", "cross_timeframe")
COMPOSED = ("nested", "threshold", "distant")
FILES = ("btcusd_1h", "spy_1h", "gbpusd_1h")
FITS_PER_PROCESS = 12
# Cycles of geometric snapshots, and how far from a market's seed that of other bars is.
CYCLES, OTHER_BARS = 3, 10_000
HOME = "ULTIMATE_DEEP_HOME"
KEYS = ("market", "rows", "seed", "model", "variant")
Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What stands in the table under one name.

    Args:
        model: Name of the model.
        options: Values of its own options, of which every combination is tried.
        fit: Values of settings of its training, of which every combination is tried.
    """

    model: str
    options: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    fit: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def variants(self) -> Iterator[Options]:
        """Yield what is set, by the name of its option on the command line."""
        grid = {f"model.options.{name}": values for name, values in self.options.items()}
        grid |= {f"fit.{name}": values for name, values in self.fit.items()}
        for values in itertools.product(*grid.values()):
            yield dict(zip(grid, values, strict=True))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One line of the file of fits.

    Args:
        market: `SIGNAL_EDGE`, or the name of a file of bars.
        seed: Number of the seed, from 0.
        name: What stands in the table.
        variant: What is set, by the name of its option on the command line.
        config: Experiment that is run.
        way: How: `alone`, in `snapshots`, or `transferred` from a net of other bars.
    """

    market: str
    seed: int
    name: str
    variant: Options
    config: "ExperimentConfig"
    way: str = "alone"

    @property
    def keys(self) -> dict[str, Any]:
        """What tells the line from others; `rows` are the bars of a simulated market."""
        rows = self.config.data.simulated_rows
        found = (self.market, rows, self.seed, self.name, json.dumps(self.variant))
        return dict(zip(KEYS, found, strict=True))


@dataclass(frozen=True, kw_only=True)
class Markets:
    """On which bars everything is fitted.

    Args:
        rows: Bars of a simulated market.
        first_seed: Seed of the first draw of bars and model.
        bars: Folder of real bars.
    """

    rows: int
    first_seed: int
    bars: Path | None = None

    def fit(
        self,
        market: str,
        seed: int,
        name: str,
        model: str,
        variant: Options,
        way: str = "alone",
    ) -> Fit:
        """Return a fit; a model, an option or a setting that there is not is refused."""
        from ultimate_deep.commands.settings import experiment_from
        from ultimate_deep.experiments.experiment import builder_config

        said = [f"--{option}={_text(value)}" for option, value in variant.items()]
        drawn = self.first_seed + seed
        config = experiment_from(["--model", model, "--seed", str(drawn), *said])
        config = dataclasses.replace(config, data=self._data(market, drawn), baselines=False)
        builder_config(config)
        return Fit(market=market, seed=seed, name=name, variant=variant, config=config, way=way)

    def _data(self, market: str, seed: int) -> Any:
        from ultimate_deep.market.config import DataConfig
        from ultimate_deep.market.simulation_spec import SimulationSpec

        signal, _, edge = market.rpartition("_")
        if signal in SIGNALS + COMPOSED:
            return DataConfig(
                simulated_rows=self.rows,
                simulated_edge=float(edge),
                simulated_seed=seed,
                simulation=SimulationSpec(signal=signal),  # type: ignore[arg-type]
            )
        assert self.bars is not None
        return DataConfig(path=str(self.bars / f"{market}.parquet"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def check_names(kind: str, asked: Iterable[str], known: Sequence[str]) -> None:
    """Refuse a name that there is not.

    Raises:
        ValueError: One of them is not known.
    """
    if unknown := sorted(set(asked) - set(known)):
        raise ValueError(f"no {kind} is called {unknown[0]!r}; there are {', '.join(known)}")


def run_fit(config: "ExperimentConfig") -> dict[str, Any]:
    """Train one model and read the test part once.

    Returns:
        JSON-able figures; None where one is undefined, as the share of an edge on real bars.
    """
    import keras

    from ultimate_deep.experiments.experiment import evaluate, prepare
    from ultimate_deep.experiments.learners.registry import learner_of
    from ultimate_deep.training.progress import Progress

    keras.utils.clear_session()
    prepared = prepare(config, Progress())
    began, spent = time.monotonic(), time.process_time()
    predictor, fitted = learner_of(config.model.name).fit(prepared, Progress())
    took = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - spent}
    outcome = evaluate(prepared, predictor, fitted, Progress())
    parameters = predictor.model.count_params() if predictor.kind == "keras" else 0
    return figures_of(prepared, outcome, parameters) | took


def run_snapshots(config: "ExperimentConfig") -> dict[str, Any]:
    """Train in geometric snapshots, whose mean answers (`ensemble.snapshot_cycles geometric`)."""
    from ultimate_deep.experiments.ensembles.config import EnsembleConfig
    from ultimate_deep.experiments.ensembles.run import run_ensemble
    from ultimate_deep.experiments.ensembles.snapshot import with_snapshots
    from ultimate_deep.experiments.series import open_series
    from ultimate_deep.training.progress import Progress

    with _elsewhere() as folder:
        began, spent = time.monotonic(), time.process_time()
        runs, follows = with_snapshots([_at(config, folder)], CYCLES, "geometric")
        with open_series("snapshots", folder, runs, follows=follows) as series:
            folders = series.run(Progress())
            series.close()
        took = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - spent}
        combine = EnsembleConfig(artifacts=folder, method="average")
        run = run_ensemble(folders, combine, Progress())
        return figures_of(run.prepared, run.outcome, 0) | took


def run_transferred(config: "ExperimentConfig") -> dict[str, Any]:
    """Train on other bars of the same law first, and go on from there at a quarter of the rate."""
    from ultimate_deep.bundles.bundle import load_bundle
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.experiments.transfer import transfer_configs
    from ultimate_deep.training.progress import Progress

    with _elsewhere() as folder:
        data = config.data
        other = dataclasses.replace(data, simulated_seed=data.simulated_seed + OTHER_BARS)
        source = dataclasses.replace(_at(config, folder), name="source", data=other)
        bundle = load_bundle(run_experiment(source, Progress()).folder)
        moved, _ = transfer_configs(bundle, data, artifacts=folder, seed=config.seed)
        return run_fit(moved)


def _at(config: "ExperimentConfig", folder: str) -> "ExperimentConfig":
    return dataclasses.replace(config, artifacts=folder)


@contextmanager
def _elsewhere() -> Iterator[str]:
    """Give a folder for runs that is gone afterwards, with a ledger of its own."""
    before = os.environ.get(HOME)
    with TemporaryDirectory() as folder:
        os.environ[HOME] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ[HOME]
            else:
                os.environ[HOME] = before


def figures_of(prepared: Any, outcome: Any, parameters: int) -> dict[str, Any]:
    """Return the figures of an outcome, JSON-able."""
    metrics, fitted = outcome.model.metrics, outcome.fit
    figures = {
        "validation_log_loss": outcome.temperature.log_loss_after,
        "log_loss": metrics["log_loss"],
        "share_of_edge": metrics.get("share_of_edge", math.nan),
        "accuracy": metrics["accuracy"],
        "roc_auc": metrics["roc_auc"],
        "oracle_accuracy": metrics.get("oracle_accuracy", math.nan),
        "temperature": outcome.temperature.temperature,
        "epochs": fitted.epochs_run,
        "best_epoch": fitted.best_epoch,
        "train_rows": len(prepared.labelled("train")),
        "parameters": parameters,
        "verdict": outcome.verdict.kind,
    }
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in figures.items()
    }


def fitted(fit: Fit) -> dict[str, Any]:
    """Return the line of a fit."""
    ways = {"alone": run_fit, "snapshots": run_snapshots, "transferred": run_transferred}
    return fit.keys | ways[fit.way](fit.config)


def fit_missing(path: Path, fits: Iterable[Fit], processes: int = 1) -> None:
    """Fit what the file does not hold, and append each line at once.

    Args:
        path: File of lines.
        fits: What is wanted; with one process each is asked for when those before it are there.
        processes: Fits side by side, each on one thread; 1 fits here, on all of them.
    """
    done = {tuple(row[key] for key in KEYS) for row in stored(path)}
    wanted = (fit for fit in fits if tuple(fit.keys.values()) not in done)
    if processes == 1:
        rows: Iterable[dict[str, Any]] = map(fitted, wanted)
    else:
        rows = side_by_side(fitted, list(wanted), processes, each=FITS_PER_PROCESS)
    for number, row in enumerate(rows, start=1):
        append_lines([row], path)
        done.add(tuple(row[key] for key in KEYS))
        share, seconds = row["share_of_edge"], row["seconds"]
        found = f"log loss {row['log_loss']:.5f}" if share is None else f"share {share:.3f}"
        said = f"fit {number}: {row['market']}, seed {row['seed']}, {row['model']}"
        print(f"{said} {row['variant']}: {found}, {seconds:.0f} s", flush=True)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A benchmark that keeps a line for each fit, writes a summary of all and draws it.

    Args:
        name: What its files begin with.
        summarise: Makes the summary of the lines.
        draw: Draws the summary to a PNG.
    """

    name: str
    summarise: Callable[[list[dict[str, Any]]], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Path], None] | None = None

    def rows(self, folder: Path) -> Path:
        """Return where the lines are kept."""
        return folder / f"{self.name}_{machine_name()}.jsonl"

    def summary(self, results: Path) -> Path:
        """Return where the summary is written."""
        return results / f"{self.name}_summary_{machine_name()}.csv"

    def run(
        self, fits: Iterable[Fit], *, folder: Path, results: Path, processes: int = 1
    ) -> pd.DataFrame:
        """Fit what is not there yet, then sum up and draw.

        Args:
            fits: What is wanted; nothing sums up what is there.
            folder: Where the figures of every fit are kept.
            results: Where the summary is written, and its plot beside it.
            processes: Fits side by side.

        Raises:
            ValueError: There is nothing to sum up.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = self.rows(folder)
        fit_missing(path, fits, processes)
        rows = stored(path)
        if not rows:
            raise ValueError("there are no figures to sum up; run without --redraw first")
        table = self.summarise(rows)
        write_table(table, self.summary(results), digits=5)
        if self.draw is not None:
            self.draw(table, self.summary(results).with_suffix(".png"))
        return table


def command(documentation: str | None, bench: Callable[..., pd.DataFrame], **options: Any) -> None:
    """Read the command line, run, and print the summary.

    Args:
        documentation: Text of the script, whose first line describes the command.
        bench: Function of the options, `redraw` and `folder`.
        options: Type, default and help of every option of its own.
    """
    parser = ArgumentParser(description=(documentation or "").splitlines()[0])
    for name, (kind, default, said) in options.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=said)
    parser.add_argument("--redraw", action="store_true", help="sums up what is there")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of every fit's figures")
    print(bench(**parser.parse_args().as_dict()).round(4).to_string(index=False))
