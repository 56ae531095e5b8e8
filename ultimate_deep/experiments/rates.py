"""Which learning rates and which sizes of a step an experiment's net can do with."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.learners.net import build
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.memory_range import MemoryRange, memory_range
from ultimate_deep.training.loop.rate_range import draw_rate_range, rate_range, suggested_rate
from ultimate_deep.training.progress import Progress

PLOTS = (".png", ".pdf", ".svg")


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
        plot: Path of the picture; the table is written beside it as CSV.
        progress: Who is told.
        lowest: Rate of the first step.
        highest: Rate of the last one.
        steps: Number of steps.

    Raises:
        ValueError: Trees, bars that cannot be used, or a loss that falls at no rate.
    """
    _check_net(config)
    if plot.suffix not in PLOTS:
        raise ValueError(
            f"the plot must end in {' or '.join(PLOTS)}, got {str(plot)!r}; rates.png is usual"
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
    plot.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(plot.with_suffix(".csv"), index=False)
    try:
        suggested = suggested_rate(table)
    except ValueError as error:
        draw_rate_range(table, plot)
        raise ValueError(f"{error} ({plot} shows it)") from error
    draw_rate_range(table, plot, suggested=suggested)
    return RateRange(table=table, suggested=suggested, configured=fit.peak_rate, plot=plot)


def find_batch(config: ExperimentConfig, progress: Progress, *, most_gib: float) -> MemoryRange:
    """Measure how many rows of a step an experiment's net can take within a budget of memory.

    Args:
        config: The experiment, of a net.
        progress: Who is told.
        most_gib: Memory that the process may take, in GiB.

    Raises:
        ValueError: Trees, bars that cannot be used, or a budget that one row passes.
    """
    _check_net(config)
    prepared = prepare(config, progress)
    train = prepared.arrays("train")
    fit = prepared.config.fit
    return memory_range(build(prepared), train, fit, most_gib=most_gib, progress=progress)


def _check_net(config: ExperimentConfig) -> None:
    if learner_of(config.model.name).predicts != "keras":
        raise ValueError(
            f"steps are those of nets, got {config.model.name!r}, which grows trees; name a net"
        )
