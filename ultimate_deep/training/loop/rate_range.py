"""Learning-rate range test: the loss while the rate rises from step to step."""

import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.array_fit import check_arrays
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.compiled import check_targets, compile_fit, training_batches
from ultimate_deep.training.progress import Progress

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 200
# A loss so many times as far above the first one as the best is below it ends the test.
WORSE = 2.0
SMOOTHED_SHARE = 0.05
# Standard errors by which the smoothed loss must fall before a rate is suggested.
CLEARLY = 4.0


def rate_range(
    model: keras.Model,
    train: Arrays,
    config: FitConfig,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train for some steps at rates that rise by one factor, and leave the model as it was.

    Args:
        model: Built model; its weights and states are put back.
        train: Rows to train on, in the order of the fit's seed.
        config: The fit, whose learning rate and schedule are not used.
        lowest: Rate of the first step.
        highest: Rate of the last one.
        steps: Number of steps; it ends sooner where the loss is no longer finite, or has risen
            well above the first one.
        progress: Who is told.

    Returns:
        Columns `learning_rate`, `loss` and `smoothed`, a row for each step: the batch's loss, and
        its mean over the steps around, with normal weights a twentieth of the steps wide.

    Raises:
        ValueError: Rates or steps that make no range, or arrays that do not fit the model.

    Source: Smith (2017), arXiv:1506.01186, sec. 3.3, with rates that rise by a factor.
    """
    if not 0 < lowest < highest < math.inf:
        raise ValueError(
            f"rates must rise from above 0 to a finite one, got {lowest} to {highest}; "
            f"{LOWEST} to {HIGHEST} is usual"
        )
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}; {STEPS} is usual")
    check_arrays(model, train, "train")
    # Losses do not depend on the workers, which are worth starting for a whole fit alone.
    step = compile_fit(model, dataclasses.replace(config, workers=1, engine="processes")).step
    check_targets(step.loss, train, "train")
    batches = training_batches(model, train, config)
    kept = [(variable, to_numpy(variable)) for variable in step.variables().values()]
    told = progress or Progress()
    rows: list[tuple[float, float]] = []
    try:
        told.start(epochs=1, steps_per_epoch=steps, epoch=0, step=0)
        for number in range(steps):
            rate = lowest * (highest / lowest) ** (number / (steps - 1))
            epoch, place = divmod(number, batches.steps_per_epoch)
            batch = batches.take(batches.rows(epoch)[place])
            loss = float(step(batch.x, batch.targets, batch.weight, rate)[0])
            rows.append((rate, loss))
            told.step(1, number + 1, loss)
            if _is_over([loss for _, loss in rows], steps):
                break
    finally:
        told.close()
        for variable, value in kept:
            variable.assign(value)
    table = pd.DataFrame(rows, columns=["learning_rate", "loss"])
    table = table[np.isfinite(table["loss"])]
    return table.assign(smoothed=_smoothed(table["loss"].to_numpy(), steps))


def suggested_rate(table: pd.DataFrame) -> float:
    """Return the rate at which the smoothed loss falls fastest, by the logarithm of the rate.

    Args:
        table: What `rate_range` returns.

    Raises:
        ValueError: A loss that falls by no more than the noise of its batches would, or that falls
            fastest where the range begins.
    """
    smoothed = table["smoothed"].to_numpy()
    until = int(smoothed.argmin())
    slopes = np.gradient(smoothed[: until + 1]) if until > 1 else np.zeros(1)
    noise = float(np.std(table["loss"].to_numpy() - smoothed))
    fall = float(smoothed[0] - smoothed[until])
    # What is left of the noise of single losses in the smoothed one.
    width = max(2 * math.sqrt(math.pi) * SMOOTHED_SHARE * len(table), 1.0)
    if slopes.min() >= 0 or fall < CLEARLY * noise / math.sqrt(width):
        raise ValueError(
            f"the loss falls clearly at no rate of the range, by {fall:.2g} where batches differ "
            f"by {noise:.2g}, so none can be suggested; go higher, take more steps, or look at the "
            "labels"
        )
    at, rates = int(slopes.argmin()), table["learning_rate"]
    if at < SMOOTHED_SHARE * len(table):
        raise ValueError(
            f"the loss falls fastest at {rates.iloc[at]:.1e}, where the range begins: that is the "
            "noise of its first batches; take more steps, or a range that begins higher"
        )
    return float(rates.iloc[at])


def draw_rate_range(table: pd.DataFrame, path: Path, *, suggested: float | None = None) -> None:
    """Draw the loss over the rate, to a PNG.

    Args:
        table: What `rate_range` returns.
        path: Path of the PNG.
        suggested: A rate to mark; None marks none.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(table["learning_rate"], table["loss"], color="0.8", label="loss of a batch")
    axes.plot(table["learning_rate"], table["smoothed"], color="#0072b2", label="smoothed")
    if suggested is not None:
        axes.axvline(suggested, color="#d55e00", label=f"falls fastest at {suggested:.1e}")
    axes.set_xscale("log")
    low, high = table["smoothed"].min(), table["smoothed"].iloc[0]
    spread = max(high - low, 1e-3)
    axes.set_ylim(low - spread, high + 2 * spread)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _smoothed(losses: np.ndarray, steps: int) -> np.ndarray:
    found: np.ndarray = gaussian_filter1d(losses, max(SMOOTHED_SHARE * steps, 1.0), mode="nearest")
    return found


def _is_over(losses: list[float], steps: int) -> bool:
    """Return whether the loss is no longer finite, or has risen well above where it began."""
    if not math.isfinite(losses[-1]):
        return True
    width = max(round(SMOOTHED_SHARE * steps), 2)
    if len(losses) < 3 * width:
        return False
    means = [float(np.mean(losses[at : at + width])) for at in range(0, len(losses), width)]
    first, best, last = means[0], min(means), float(np.mean(losses[-width:]))
    return last > first + WORSE * max(first - best, 0.05 * abs(first))
