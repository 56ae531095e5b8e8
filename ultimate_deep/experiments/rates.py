"""The learning-rate range test of an experiment: its net, its bars, a table and a plot."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.learners.net import build
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.rate_range import draw_rate_range, rate_range, suggested_rate
from ultimate_deep.training.progress import Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class RateRange:
    """What a range test found.

    Args:
        table: Columns `learning_rate`, `loss` and `smoothed`, a row for each step.
        suggested: Rate at which the loss falls fastest.
        configured: Peak rate that the experiment would train with.
        plot: Where the plot was written.
    """

    table: pd.DataFrame
    suggested: float
    configured: float
    plot: Path


def find_rate(
    config: ExperimentConfig,
    plot: Path,
    progress: Progress,
    *,
    lowest: float,
    highest: float,
    steps: int,
) -> RateRange:
    """Test the rates of an experiment's net on its training part, and draw the loss.

    Args:
        config: The experiment, of a net.
        plot: Path of the PNG; the table is written beside it as CSV.
        progress: Who is told.
        lowest: Rate of the first step.
        highest: Rate of the last one.
        steps: Number of steps.

    Raises:
        ValueError: Trees, bars that cannot be used, or a loss that falls at no rate.
    """
    if learner_of(config.model.name).predicts != "keras":
        raise ValueError(
            f"a learning rate of nets is looked for, got {config.model.name!r}, which grows trees; "
            "name a net"
        )
    prepared = prepare(config, progress)
    model, fit = build(prepared), prepared.config.fit
    table = rate_range(
        model,
        prepared.arrays("train"),
        fit,
        lowest=lowest,
        highest=highest,
        steps=steps,
        progress=progress,
    )
    suggested = suggested_rate(table)
    plot.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(plot.with_suffix(".csv"), index=False)
    draw_rate_range(table, plot, suggested=suggested)
    return RateRange(table=table, suggested=suggested, configured=fit.peak_rate, plot=plot)
