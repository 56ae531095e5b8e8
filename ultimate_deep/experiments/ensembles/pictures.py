"""One net of pictures for each timeframe, their ensemble, trees, two stages, and the control."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.evaluation.reporting.comparison_data import FurtherTable
from ultimate_deep.evaluation.reporting.grid import Column
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.experiment import Outcome
from ultimate_deep.experiments.judging.comparing import ComparedBundles, compare_bundles
from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.experiments.run import Run
from ultimate_deep.experiments.series import open_series
from ultimate_deep.experiments.summary import COLUMNS, cells, render_summary
from ultimate_deep.machine.files import read_json
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.intervals import interval_of
from ultimate_deep.models.trees.libraries import is_installed
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.training.loop.plan import Planlike
from ultimate_deep.training.progress import Progress

TABLE_FILE = "models.csv"
CONTROL = "gaf_mlp"
TARGETS_FILE = "targets.csv"
SHOWN = ("accuracy", "return", "Sharpe")  # all of them are too wide for a terminal
FIGURES = (*COLUMNS.values(), "win_rate", "sortino", "share_of_edge")
BEST = "best_validation_accuracy"
_LUCK = "A figure that is reached may be luck: the verdicts say"


@dataclass(frozen=True, eq=False)
class PictureEnsemble:
    """What came of it.

    Args:
        folders: Bundles of the nets and, last, of the control and of the trees.
        ensemble: The nets' mean probability, judged like any model; its bundle also holds
            `models.csv`, the table.
        table: One row for each model, the two stages and the ensemble: `model`, figures of the
            test part, `best_validation_accuracy` of any epoch, `verdict` and `fit_seconds`.
        targets: What the specification and its literature hope for, beside what was measured, from
            `picture_targets`.
        compared: All of them on one page, from `compare_bundles`.
    """

    folders: tuple[Path, ...]
    ensemble: Run
    table: pd.DataFrame
    targets: pd.DataFrame
    compared: ComparedBundles


def run_picture_ensemble(
    config: ExperimentConfig,
    progress: Progress,
    *,
    confirm: Callable[[Planlike], bool] | None = None,
    resume: bool = False,
    two_stages: bool = False,
    workers: Workers = Workers(),
) -> PictureEnsemble:
    """Train a net for each of `config.inputs.gaf_timeframes`, the control, and trees on features.

    All have the same validation and test rows. Members are averaged with equal weights after each
    one's own temperature, so that the ensemble chooses nothing but its threshold, on validation.

    Args:
        config: Configuration of a model that reads pictures, such as `gaf_cnn`.
        progress: Told what happens.
        confirm: Shown the plan of each before it trains.
        resume: Go on with the newest series of that name.
        two_stages: Whether trees also read the features beside what the nets say, out of fold;
            every net is trained anew on every fold for it.
        workers: How many nets are trained at a time.

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
        folders = series.run(progress, confirm=confirm, workers=workers)
        nets = folders[: len(config.inputs.gaf_timeframes)]
        further: dict[str, Path] = {}
        if two_stages:
            progress.message("== the two stages")
            stages = EnsembleConfig(
                name=f"{config.name}_two_stages", artifacts=config.artifacts, method="two_stage"
            )
            further["two stages"] = run_ensemble(nets, stages, progress, workers=workers).folder
        progress.message("== the ensemble")

        def tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
            table = _table(folders, further, len(nets), outcome)
            return {TABLE_FILE: table, TARGETS_FILE: picture_targets(table, len(nets))}

        ensemble = run_ensemble(nets, average, progress, tables=tables, named=series.keep_result)
        series.close()
    table = pd.read_csv(ensemble.folder / TABLE_FILE)
    targets = pd.read_csv(ensemble.folder / TARGETS_FILE)
    progress.message("== the comparison")
    bundles = [load_any(one) for one in (*folders, *further.values(), ensemble.folder)]
    compared = compare_bundles(bundles, config.data, progress, tables=_shown(table, targets))
    return PictureEnsemble(tuple(folders), ensemble, table, targets, compared)


def seeing_windows(config: ExperimentConfig, windows: str) -> ExperimentConfig:
    """Return an experiment whose nets see bars of the lengths in `windows`.

    Bars are put together to the shortest of them (simulated ones are that long), and decided on at
    each; the others are its multiples. All share the shortest one's label, rows and holdout.

    Args:
        config: Configuration of a model that reads pictures.
        windows: Such as `15min,30min,60min`, of which the first is the shortest.

    Raises:
        ValueError: Lengths that are no multiples of the shortest, or `data.resample` beside them.
    """
    names = GafFilesConfig(windows=windows).lengths
    lengths = [interval_of(one, "each of windows") for one in names]
    if config.data.resample:
        raise ValueError(
            f"windows {windows!r} name the bars' length, and so does data.resample, "
            f"{config.data.resample!r}; leave one of them out"
        )
    if wrong := [name for name, one in zip(names, lengths, strict=True) if one % lengths[0]]:
        raise ValueError(
            f"windows must be multiples of the first, got {', '.join(wrong)} after {names[0]}; "
            "name the shortest first, and lengths that it divides"
        )
    data = (
        dataclasses.replace(config.data, resample=names[0])
        if config.data.paths
        else dataclasses.replace(config.data, simulated_interval=names[0])
    )
    factors = tuple(int(one // lengths[0]) for one in lengths)
    return dataclasses.replace(
        config,
        data=data,
        inputs=dataclasses.replace(config.inputs, gaf_timeframes=factors),
    )


def member_configs(config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the experiments of each timeframe's net, of the control and of the trees."""
    found = []
    for factor in config.inputs.gaf_timeframes:
        inputs = dataclasses.replace(config.inputs, gaf_timeframes=(factor,))
        name = f"{config.name}_{factor}x"
        found.append(dataclasses.replace(config, name=name, inputs=inputs, baselines=False))
    control = ModelConfig(name=CONTROL)
    name = f"{config.name}_control"
    found.append(dataclasses.replace(config, name=name, model=control, baselines=False))
    trees = ModelConfig(name="xgboost" if is_installed("xgboost") else "hist_gradient_boosting")
    inputs = dataclasses.replace(config.inputs, kind="auto")
    name = f"{config.name}_trees"
    return [
        *found,
        dataclasses.replace(config, name=name, model=trees, inputs=inputs, baselines=False),
    ]


def picture_targets(table: pd.DataFrame, nets: int) -> pd.DataFrame:
    """Return what was hoped for beside what was measured on the test part.

    Args:
        table: Table of a `PictureEnsemble`; its first rows are the nets.
        nets: How many they are.

    Returns:
        `target`, `hoped` in words, `measured`, and `answer`: `reached`, `not reached`, or `unknown`
        where there is no figure. They are figures, not intervals: the report's own table says which
        of them are more than luck.
    """
    by_name = table.set_index("model")
    ensemble = by_name.loc["ensemble"]
    trees = by_name[[str(name).endswith("_trees") for name in by_name.index]].iloc[0]
    best = table.iloc[:nets][BEST].to_numpy(float)
    single = table.iloc[int(np.nanargmax(best)) if np.isfinite(best).any() else 0]
    stages = by_name["win_rate"].get("two stages", math.nan)
    rows = [
        ("win rate of the ensemble", "0.65 to 0.70", ensemble["win_rate"], 0.65),
        ("Sharpe ratio of the ensemble", "2.0 to 2.5", ensemble["sharpe"], 2.0),
        ("Sortino ratio of the ensemble", "3.0 to 3.5", ensemble["sortino"], 3.0),
        (
            "accuracy of the ensemble above that of the net best on validation",
            "+0.02 to +0.05", ensemble["accuracy"] - single["accuracy"], 0.02,
        ),
        (
            "win rate of the two stages above that of the trees",
            "+0.05 to +0.10", stages - trees["win_rate"], 0.05,
        ),
    ]  # fmt: skip
    found = [
        (target, hoped, measured, _answer(measured, least))
        for target, hoped, measured, least in rows
    ]
    return pd.DataFrame(found, columns=["target", "hoped", "measured", "answer"])


def _shown(table: pd.DataFrame, targets: pd.DataFrame) -> tuple[FurtherTable, FurtherTable]:
    """Return what the comparison's page says of training and of hopes."""
    trained = FurtherTable(
        title="How each was trained",
        hint="The best validation accuracy is that of any epoch: it was chosen, and flatters.",
        columns=(
            Column("model", ""),
            Column(BEST, "best validation accuracy", "{:.1%}"),
            Column("accuracy", "accuracy, its own test part", "{:.1%}"),
            Column("fit_seconds", "seconds of the fit", "{:,.0f}"),
        ),
        rows=table[["model", BEST, "accuracy", "fit_seconds"]].to_dict("records"),
    )
    hoped = FurtherTable(
        title="What was hoped for",
        hint="The specification's figures and its literature's, beside what was measured on the "
        f"same test part. {_LUCK}.",
        columns=(
            Column("target", ""),
            Column("hoped", "hoped"),
            Column("measured", "measured", "{:.3f}"),
            Column("answer", ""),
        ),
        rows=targets.to_dict("records"),
    )
    return trained, hoped


def _answer(measured: float, least: float) -> str:
    if not math.isfinite(measured):
        return "unknown"
    return "reached" if measured >= least else "not reached"


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
    hoped = _rendered_targets(done.targets)
    return Group(render_summary(done.ensemble), table, hoped, f"{_LUCK} (the table above).")


def _rendered_targets(targets: pd.DataFrame) -> Table:
    table = Table(title="What was hoped for", title_justify="left", box=SIMPLE)
    for name in ("target", "hoped", "measured", "answer"):
        table.add_column(name)
    for row in targets.to_dict("records"):
        measured = row["measured"]
        figure = f"{measured:.3f}" if math.isfinite(measured) else "-"
        table.add_row(row["target"], row["hoped"], figure, row["answer"])
    return table


def _table(
    folders: list[Path], further: Mapping[str, Path], nets: int, ensemble: Outcome
) -> pd.DataFrame:
    """What the bundles say of the test part, and the ensemble."""
    rows = [{"model": read_json(one / files.CONFIG_FILE)["name"]} | _row(one) for one in folders]
    rows += [{"model": name} | _row(folder) for name, folder in further.items()]
    last = {"model": "ensemble"} | _figures(ensemble.model.metrics)
    last |= {
        BEST: math.nan,
        "verdict": ensemble.verdict.kind,
        "fit_seconds": sum(row["fit_seconds"] for row in rows[:nets]),
    }
    return pd.DataFrame([*rows, last])


def _row(folder: Path) -> dict[str, Any]:
    metrics = read_json(folder / files.METRICS_FILE)
    return _figures(metrics["test"]["model"]) | {
        BEST: _best_accuracy(folder),
        "verdict": metrics["verdict"]["kind"],
        "fit_seconds": metrics["fit"]["seconds"],
    }


def _best_accuracy(folder: Path) -> float:
    """Return the best validation accuracy of any epoch; NaN where there are no epochs."""
    path = folder / files.HISTORY_FILE
    history = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if "validation_accuracy" not in history:
        return math.nan
    return float(history["validation_accuracy"].max())


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics.get(name, math.nan) for name in FIGURES}
