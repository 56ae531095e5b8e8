"""One net of pictures for each timeframe, their ensemble, and the control without pictures."""

import dataclasses
import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy.special import expit

from evaluation.verdict import Verdict
from training.config import ExperimentConfig, ModelConfig
from training.ensembles.combiner import save_combiner
from training.ensembles.pooling import Pool, average_pool
from training.experiment import judge_trained, prepare, verdict_of
from training.fitting.progress import Progress
from training.judge import Judgement
from training.prepared import Prepared, resolved_kind, with_model
from training.run import Run, finish_run, plan_run
from training.runs import new_run_folder, start_run, unfinished_folder
from training.summary import COLUMNS, cells
from training.trials import TrialBook

PARTS = ("validation", "test")
FIGURES = ("accuracy", "roc_auc", "total_return", "sharpe", "max_drawdown", "share_of_edge")


@dataclass(frozen=True, eq=False)
class PictureEnsemble:
    """What came of it.

    Args:
        folder: Holds `combiner.json` and `models.csv`.
        runs: Of the members, then of the control; each is a bundle of its own.
        ensemble: The members' mean probability, judged on the same rows.
        verdict: Whether the ensemble has an edge.
        table: One row for each model and the ensemble: `model`, figures of the test part,
            `verdict` and `fit_seconds`.
    """

    folder: Path
    runs: tuple[Run, ...]
    ensemble: Judgement
    verdict: Verdict
    table: pd.DataFrame


def run_picture_ensemble(config: ExperimentConfig, progress: Progress) -> PictureEnsemble:
    """Train a net for each of `config.inputs.gaf_timeframes`, and the control on all of them.

    All see the same rows in the same parts: those that have every timeframe's window. Members are
    averaged with equal weights after each one's own temperature, so that the ensemble chooses
    nothing but its threshold, on validation.

    Args:
        config: Of a model that reads pictures, such as `gaf_cnn`.
        progress: Told what happens.

    Raises:
        ValueError: Bad bars or configuration.
    """
    if (kind := resolved_kind(config)) != "gaf":
        raise ValueError(
            f"an ensemble of pictures is of a model that reads gaf, got {config.model.name!r}, "
            f"which reads {kind}; use e.g. --model.name gaf_cnn"
        )
    shared = prepare(config, progress)
    runs = []
    for name, one in member_configs(config).items():
        progress.message(f"{name}: training")
        runs.append(_run(with_model(shared, one), progress))
    members = runs[:-1]
    pool, probability = _pooled(members)
    judged = judge_trained(shared, "ensemble", probability)
    folder = new_run_folder(dataclasses.replace(config, name=f"{config.name}_ensemble"))
    verdict = _judged(folder, shared, judged, probability["test"])
    seconds = sum(run.outcome.fit.seconds for run in members)
    last = _figures("ensemble", judged, verdict) | {"fit_seconds": seconds}
    table = pd.DataFrame([*(_row(run) for run in runs), last])
    _write(folder, pool, table)
    return PictureEnsemble(folder, tuple(runs), judged, verdict, table)


def member_configs(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """Return the experiment of each timeframe's net, and last that of the control, by name."""
    found = {}
    for factor in config.inputs.gaf_timeframes:
        name = f"{config.name}_{factor}x"
        inputs = dataclasses.replace(config.inputs, gaf_timeframes=(factor,))
        found[name] = dataclasses.replace(config, name=name, inputs=inputs, baselines=False)
    control = ModelConfig(name="gaf_mlp")
    found["gaf_mlp"] = dataclasses.replace(config, name="gaf_mlp", model=control, baselines=False)
    return found


def render_ensemble(done: PictureEnsemble) -> Group:
    """Return the verdict on the ensemble and everybody's figures."""
    where = (
        "simulated bars, after costs" if done.runs[0].prepared.market.simulated else "after costs"
    )
    table = Table(title=f"Test part, {where}", title_justify="left", box=SIMPLE)
    table.add_column("", no_wrap=True)
    for name in (*COLUMNS, "share of edge", "verdict", "fit"):
        table.add_column(name, justify="right", no_wrap=True)
    judged = [*(run.outcome.model for run in done.runs), done.ensemble]
    for one, row in zip(judged, done.table.to_dict("records"), strict=True):
        share = f"{row['share_of_edge']:.0%}" if math.isfinite(row["share_of_edge"]) else "-"
        seconds = f"{row['fit_seconds']:,.0f} s"
        table.add_row(row["model"], *cells(one.metrics), share, row["verdict"], seconds)
    kept = Text(f"Kept: {done.folder / 'models.csv'}")
    return Group(Text(f"Ensemble: {done.verdict.sentence}"), table, kept)


def _run(prepared: Prepared, progress: Progress) -> Run:
    folder = new_run_folder(prepared.config)
    planned = plan_run(prepared, progress)
    start_run(folder, prepared.config)
    return finish_run(folder, planned, progress, resume=False)


def _pooled(members: list[Run]) -> tuple[Pool, dict[str, np.ndarray]]:
    """The pool of equal weights and its probability of up, by part."""
    names = tuple(run.prepared.config.name for run in members)
    temperature = np.array([[run.outcome.temperature.temperature] for run in members])
    pool = average_pool(names, 1, temperature)
    logits = {
        part: np.stack([run.outcome.logits[part][:, None] for run in members]) for part in PARTS
    }
    combined = {part: pool.combine(values)[:, 0] for part, values in logits.items()}
    return pool, {part: expit(values.astype(np.float64)) for part, values in combined.items()}


def _judged(folder: Path, shared: Prepared, judged: Judgement, probability: np.ndarray) -> Verdict:
    """Record the ensemble's reading of the test part beside its members', then judge its edge."""
    book = TrialBook.opened(folder, shared.market, shared.config)
    if judged.choice is not None:
        book.threshold(judged.choice)
    book.reading(
        hashlib.sha256(probability.tobytes()).hexdigest(),
        sharpe_per_bar=judged.metrics["sharpe"] / math.sqrt(judged.backtest.bars_per_year),
        accuracy=judged.metrics["accuracy"],
    )
    return verdict_of(shared, judged, readings=book.count().test_readings)


def _row(run: Run) -> dict[str, object]:
    outcome = run.outcome
    row = _figures(run.prepared.config.name, outcome.model, outcome.verdict)
    return row | {"fit_seconds": outcome.fit.seconds}


def _figures(name: str, judged: Judgement, verdict: Verdict) -> dict[str, object]:
    figures = {key: judged.metrics.get(key, math.nan) for key in FIGURES}
    return {"model": name, **figures, "verdict": verdict.kind}


def _write(folder: Path, pool: Pool, table: pd.DataFrame) -> None:
    unfinished = unfinished_folder(folder)
    save_combiner(pool, unfinished)
    table.to_csv(unfinished / "models.csv", index=False)
    os.replace(unfinished, folder)
