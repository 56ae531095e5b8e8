"""Growing boosted trees on arrays, with a net's manners.

model, result = fit_trees("hist_gradient_boosting", train, validation, config)
"""

import time

import numpy as np
import pandas as pd

from ultimate_deep.models.trees.booster import Growth, Sample, TreeError
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.models.trees.model import TreeModel, flat_inputs, shapes_of
from ultimate_deep.models.trees.registry import booster_class, preset_config
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


def fit_trees(
    name: str,
    train: Arrays,
    validation: Arrays | None = None,
    config: TreeConfig | None = None,
    *,
    weight: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[TreeModel, FitResult]:
    """Grow trees for every horizon; growing stops by the validation part where there is one.

    Args:
        name: Key of `models.trees.registry.TREES`.
        train: Training rows; a label of one half exactly belongs to no side and is left out.
        validation: Rows to validate on.
        config: Configuration of the library's own kind; its default preset where absent.
        weight: Weight of each training label, `(rows, horizons)`, such as
            `training.arrays.training_weight` gives; `train.weight` where absent.
        progress: Told what happens.

    Returns:
        The model, and how it went: `history` has one row per tree, the mean over horizons (a
        horizon that stopped early keeps its last value).

    Raises:
        TreeError: An unknown name, a library that is not installed, another library's
            configuration, or a horizon with one class only.
        ValueError: Validation that does not fit the training part.
    """
    kind = booster_class(name)
    config = config or preset_config(name)
    if type(config) is not kind.CONFIG:
        raise TreeError(
            f"{name!r} is configured by {kind.CONFIG.__name__}, got {type(config).__name__}"
        )
    progress = progress or Progress()
    started = time.monotonic()
    inputs = train.take(slice(None))
    shapes = shapes_of(inputs)
    x = flat_inputs(inputs, shapes, config.input_clip)
    if validation is not None:
        x_validation = flat_inputs(validation.take(slice(None)), shapes, config.input_clip)
        _check_horizons(train, validation)
    grown = []
    for horizon in range(train.horizons):
        sample = _sample(x, train, horizon, weight)
        _check_classes(sample, horizon)
        watched = None
        if validation is not None:
            watched = _sample(x_validation, validation, horizon, None)
        text = f"growing trees ({name}, horizon {horizon + 1} of {train.horizons})"
        with progress.busy(text):
            grown.append(kind.grow(sample, watched, config))
    model = TreeModel(name, config, shapes, tuple(booster for booster, _ in grown))
    return model, _result([growth for _, growth in grown], config, time.monotonic() - started)


def _sample(x: np.ndarray, arrays: Arrays, horizon: int, weight: np.ndarray | None) -> Sample:
    y = arrays.y[:, horizon]
    known = y != 0.5
    if weight is not None:
        each = weight[:, horizon]
    else:
        each = np.ones(len(y)) if arrays.weight is None else arrays.weight
    known &= each > 0
    return Sample(
        x=x if known.all() else np.ascontiguousarray(x[known]),
        y=(y[known] > 0.5).astype(np.float32),
        weight=each[known].astype(np.float32),
    )


def _check_classes(sample: Sample, horizon: int) -> None:
    if len(np.unique(sample.y)) < 2:
        raise TreeError(
            f"trees need both classes, horizon {horizon + 1} has {np.unique(sample.y).tolist()} "
            f"in {len(sample.y)} labelled training rows; widen the training part"
        )


def _check_horizons(train: Arrays, validation: Arrays) -> None:
    if train.horizons != validation.horizons:
        raise ValueError(
            f"train has {train.horizons} horizons and validation {validation.horizons}; "
            "give both the same labels"
        )


def _result(growths: list[Growth], config: TreeConfig, seconds: float) -> FitResult:
    longest = max(len(one.loss) for one in growths)
    loss = np.mean([_held(one.loss, longest) for one in growths], axis=0)
    validation = np.mean([_held(one.validation_loss, longest) for one in growths], axis=0)
    history = pd.DataFrame(
        {
            "epoch": np.arange(1, longest + 1),
            "loss": loss,
            "penalty": 0.0,
            "validation_loss": validation,
            "learning_rate": config.learning_rate,
            "seconds": seconds / longest,
        }
    )
    return FitResult(
        history=history,
        best_epoch=max(one.kept for one in growths),
        epochs_run=longest,
        seconds=seconds,
        stopped_reason="early stopping" if longest < config.trees else "finished",
        first_step_seconds=float("nan"),
        step_seconds=seconds / longest,
    )


def _held(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([values, np.full(length - len(values), values[-1])])
