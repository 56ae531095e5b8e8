"""One net trained in cycles, whose weights at each cycle's end vote together."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from training.ensembles.combiner import EnsembleError
from training.fitting.arrays import Arrays
from training.fitting.fit import FitResult, fit
from training.fitting.fit_config import FitConfig
from training.fitting.progress import Progress
from training.fitting.schedules import ScheduleConfig


def snapshot_configs(config: FitConfig, cycles: int) -> tuple[FitConfig, ...]:
    """Return how each cycle is trained: the learning rate falls from its peak to zero and restarts.

    Args:
        config: Of the whole training; its epochs are shared out, its schedule is not used.
        cycles: How many, at most the epochs.

    Raises:
        EnsembleError: Fewer than two cycles, or fewer epochs than cycles.

    Source: Huang, Li, Pleiss, Liu, Hopcroft & Weinberger (2017), arXiv:1704.00109, eq. 2.
    """
    if cycles < 2 or config.epochs < cycles:
        raise EnsembleError(
            f"snapshots need at least 2 cycles and one epoch each, got {cycles} cycles and "
            f"{config.epochs} epochs"
        )
    schedule = ScheduleConfig(kind="cosine", warmup_share=0.0, floor_share=0.0)
    shared, more = divmod(config.epochs, cycles)
    return tuple(
        dataclasses.replace(
            config,
            epochs=shared + (cycle < more),
            schedule=schedule,
            patience_epochs=0,
            seed=config.seed + cycle,
        )
        for cycle in range(cycles)
    )


def fit_snapshots(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    *,
    cycles: int = 5,
    checkpoint_folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> tuple[tuple[keras.Model, ...], FitResult]:
    """Train a net in cycles, each from the weights that the one before it left.

    Deviations from the paper: `fit` leaves each cycle's best epoch by validation, not its last
    one, and the optimizer starts each cycle afresh, which makes an interrupted run go on bit for
    bit.

    Args:
        model: Built; left with the weights of the last cycle.
        train: Training rows.
        validation: Validation rows.
        config: Of the whole training.
        cycles: How many snapshots.
        checkpoint_folder: Holds a folder for each cycle; None keeps no checkpoints.
        resume: Go on where an interrupted run stopped.
        progress: Who is told.

    Returns:
        One net for each cycle, to be combined by `average_pool`; and how it went, with a column
        `cycle` in the history.
    """
    progress = progress or Progress()
    snapshots, results = [], []
    for number, one in enumerate(snapshot_configs(config, cycles), start=1):
        progress.message(f"cycle {number} of {cycles}")
        folder = None if checkpoint_folder is None else checkpoint_folder / f"cycle_{number}"
        results.append(
            fit(
                model, train, validation, one,
                checkpoint_folder=folder, resume=resume, progress=progress,
            )
        )  # fmt: skip
        snapshot = keras.models.clone_model(model)
        snapshot.set_weights(model.get_weights())
        snapshots.append(snapshot)
    return tuple(snapshots), _joined(results)


def _joined(results: list[FitResult]) -> FitResult:
    history = pd.concat(
        [one.history.assign(cycle=number) for number, one in enumerate(results, start=1)],
        ignore_index=True,
    )
    history["epoch"] = np.arange(1, len(history) + 1)
    return FitResult(
        history=history,
        best_epoch=int(history["validation_loss"].argmin()) + 1,
        epochs_run=len(history),
        seconds=sum(one.seconds for one in results),
        stopped_reason="finished",
        first_step_seconds=results[0].first_step_seconds,
        step_seconds=float(np.mean([one.step_seconds for one in results])),
    )
