"""One net of pictures for each timeframe, their ensemble, and the control without pictures."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

from ultimate_deep.bundles import files
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.experiment import Outcome
from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.experiments.run import Run
from ultimate_deep.experiments.series import open_series
from ultimate_deep.experiments.summary import COLUMNS, cells, render_summary
from ultimate_deep.machine.files import read_json
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.loop.plan import Planlike
from ultimate_deep.training.progress import Progress

TABLE_FILE = "models.csv"
CONTROL = "gaf_mlp"
SHOWN = ("accuracy", "return", "Sharpe")  # all of them are too wide for a terminal
FIGURES = (*COLUMNS.values(), "share_of_edge")


@dataclass(frozen=True, eq=False)
class PictureEnsemble:
    """What came of it.

    Args:
        folders: Bundles of the nets and, last, of the control.
        ensemble: The nets' mean probability, judged like any model; its bundle also holds
            `models.csv`, the table.
        table: One row for each model and the ensemble: `model`, figures of the test part,
            `verdict` and `fit_seconds`.
    """

    folders: tuple[Path, ...]
    ensemble: Run
    table: pd.DataFrame


def run_picture_ensemble(
    config: ExperimentConfig,
    progress: Progress,
    *,
    confirm: Callable[[Planlike], bool] | None = None,
    resume: bool = False,
) -> PictureEnsemble:
    """Train a net for each of `config.inputs.gaf_timeframes`, and the control on all of them.

    All have the same validation and test rows. Members are averaged with equal weights after each
    one's own temperature, so that the ensemble chooses nothing but its threshold, on validation.

    Args:
        config: Configuration of a model that reads pictures, such as `gaf_cnn`.
        progress: Told what happens.
        confirm: Shown the plan of each before it trains.
        resume: Go on with the newest series of that name.

    Raises:
        ValueError: Bad bars or configuration.
        DeclinedError: `confirm` returned false.
        FileNotFoundError: Nothing to resume.
        Interrupted: Ctrl-C or SIGTERM; resume.
    """
    if (kind := resolved(config).inputs.kind) != "gaf":
        raise ValueError(
            f"an ensemble of pictures is of a model that reads gaf, got {config.model.name!r}, "
            f"which reads {kind}; use e.g. --model.name gaf_cnn"
        )
    name = f"{config.name}_ensemble"
    average = EnsembleConfig(name=name, artifacts=config.artifacts, method="average")
    with open_series(name, config.artifacts, member_configs(config), resume=resume) as series:
        folders = series.run(progress, confirm=confirm)
        progress.message("== the ensemble")
        ensemble = run_ensemble(
            folders[:-1],
            average,
            progress,
            tables=lambda outcome: {TABLE_FILE: _table(folders, outcome)},
            named=series.keep_result,
        )
        series.close()
    return PictureEnsemble(tuple(folders), ensemble, pd.read_csv(ensemble.folder / TABLE_FILE))


def member_configs(config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the experiment of each timeframe's net, and last that of the control."""
    found = []
    for factor in config.inputs.gaf_timeframes:
        inputs = dataclasses.replace(config.inputs, gaf_timeframes=(factor,))
        name = f"{config.name}_{factor}x"
        found.append(dataclasses.replace(config, name=name, inputs=inputs, baselines=False))
    control = ModelConfig(name=CONTROL)
    name = f"{config.name}_control"
    return [*found, dataclasses.replace(config, name=name, model=control, baselines=False)]


def render_ensemble(done: PictureEnsemble) -> Group:
    """Return the ensemble's summary and everybody's figures."""
    simulated = done.ensemble.prepared.market.simulated
    where = "simulated bars, after costs" if simulated else "after costs"
    table = Table(title=f"Test part, {where}", title_justify="left", box=SIMPLE)
    table.add_column("", no_wrap=True)
    for name in (*SHOWN, "edge", "verdict", "fit"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in done.table.to_dict("records"):
        share = f"{row['share_of_edge']:.0%}" if math.isfinite(row["share_of_edge"]) else "-"
        seconds = f"{row['fit_seconds']:,.0f} s"
        figures = dict(zip(COLUMNS, cells({str(name): row[name] for name in FIGURES}), strict=True))
        shown = [figures[name] for name in SHOWN]
        table.add_row(row["model"], *shown, share, row["verdict"], seconds)
    return Group(render_summary(done.ensemble), table)


def _table(folders: list[Path], ensemble: Outcome) -> pd.DataFrame:
    """What the bundles say of the test part, and the ensemble."""
    rows = [_row(read_json(folder / files.METRICS_FILE)) for folder in folders]
    names = [read_json(folder / files.CONFIG_FILE)["name"] for folder in folders]
    last = _figures(ensemble.model.metrics) | {
        "verdict": ensemble.verdict.kind,
        "fit_seconds": sum(row["fit_seconds"] for row in rows[:-1]),
    }
    table = pd.DataFrame([*rows, last])
    table.insert(0, "model", [*names, "ensemble"])
    return table


def _row(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return _figures(metrics["test"]["model"]) | {
        "verdict": metrics["verdict"]["kind"],
        "fit_seconds": metrics["fit"]["seconds"],
    }


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics.get(name, math.nan) for name in FIGURES}
