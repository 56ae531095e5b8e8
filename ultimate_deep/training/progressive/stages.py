"""A fit in stages: few blocks of a stack first, more of them in every stage, at last all."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from ultimate_deep.models.surgery.grow import grow, places_of_blocks, shallower, stack_of
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import has_checkpoint, to_numpy
from ultimate_deep.training.loop.compiled import CompiledFit, compile_fit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.step import Step
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


def fit_as_configured(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    **how: Any,
) -> FitResult:
    """Fit in stages where the configuration has any, and at once otherwise.

    Args:
        model: Built model with all of its blocks.
        train: Rows to train on.
        validation: Rows to stop by.
        config: How to train.
        how: What both take besides, as `fit_in_stages` has it.
    """
    return (fit_in_stages if config.growing_stages else fit)(
        model, train, validation, config, **how
    )


def check_growable(model: keras.Model, config: FitConfig) -> None:
    """Refuse stages for a model without the one stack that they deepen.

    Raises:
        ValueError: No such stack, or several.
    """
    if not config.growing_stages:
        return
    if len(config.growing_stages) >= config.most_epochs:
        raise ValueError(
            f"each of fit.growing_stages has an epoch and more, got {len(config.growing_stages)} "
            f"stages and all blocks after them for {config.most_epochs} epochs; set fit.epochs, or "
            "fewer stages"
        )
    try:
        stack_of(model)
    except ValueError as error:
        raise ValueError(
            f"fit.growing_stages deepens the one stack of residual or attention blocks of a net, "
            f"got {model.name!r} ({error}); leave it out, or choose a net with such a stack"
        ) from error


def fit_in_stages(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    *,
    checkpoint_folder: Path | None,
    resume: bool = False,
    progress: Progress | None = None,
    compiled: CompiledFit | None = None,
    on_epoch: Callable[[int, keras.Model], None] | None = None,
) -> FitResult:
    """Train the model in place, its stack growing from stage to stage as `growing_stages` says.

    Each stage is a fit of its own: its epochs are its share of all, the learning rate runs its
    course anew, and its best epoch's weights go on. The next stage's net computes the same at
    first, as its new blocks do nothing yet (`models.surgery.grow`), and takes over the optimizer's
    moments, which are zero for what is new.

    Args:
        model: Built model with all of its blocks.
        train: Rows to train on.
        validation: Rows to stop by.
        config: How to train, with `growing_stages`.
        checkpoint_folder: Where checkpoints go, those of each stage into a folder; None keeps none.
        resume: Go on from the newest checkpoint of every stage.
        progress: Who is told; nobody where absent.
        compiled: Compiled functions of the model, for the last stage.
        on_epoch: Called as `fit` calls it, with the epoch over all stages and the stage's model.

    Returns:
        History and counts over all stages; the best epoch is one of the last stage.

    Raises:
        ValueError: A model without a stack that can grow, or whatever `fit` refuses.
        CheckpointError: Another run's checkpoint, or none that is sound.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.

    Source: Gong et al. (2019), "Efficient Training of BERT by Progressively Stacking", PMLR 97,
    alg. 1. Deviation: new blocks begin with nothing rather than as copies of old ones.
    """
    check_growable(model, config)
    told, results = progress or Progress(), list[FitResult]()
    plans = _stage_configs(config)
    net, moments = shallower(model, config.growing_stages[0]), dict[str, np.ndarray]()
    for number, (_, own) in enumerate(plans, start=1):
        last = number == len(plans)
        if last:
            model.set_weights(net.get_weights())
            net = model
        ready = compiled if last and compiled is not None else compile_fit(net, own)
        _put(ready.step, moments)
        blocks = sum(stack_of(net).blocks_per_unit)
        told.message(f"stage {number} of {len(plans)}: {blocks:,} blocks, {own.most_epochs} epochs")
        folder = None if checkpoint_folder is None else checkpoint_folder / f"stage_{number}"
        done = sum(result.epochs_run for result in results)
        results.append(
            fit(
                net,
                train,
                validation,
                own,
                checkpoint_folder=folder,
                resume=resume and folder is not None and has_checkpoint(folder),
                progress=told,
                compiled=ready,
                on_epoch=None if on_epoch is None else _later(on_epoch, done),
            )
        )
        if not last:
            net, moments = _grown(net, model, plans[number][0], ready.step)
    return _joined(results)


def _stage_configs(config: FitConfig) -> list[tuple[float, FitConfig]]:
    """Return each stage's share of the blocks and its fit."""
    shares = (*config.growing_stages, 1.0)
    each, more = divmod(config.most_epochs, len(shares))
    return [
        (share, dataclasses.replace(config, growing_stages=(), epochs=each + (place < more)))
        for place, share in enumerate(shares)
    ]


def _grown(
    net: keras.Model, whole: keras.Model, share: float, step: Step
) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """Return the net of the next stage, and the optimizer's variables for it."""
    units = [max(1, round(share * unit)) for unit in stack_of(whole).blocks_per_unit]
    before = list(stack_of(net).blocks_per_unit)
    if units == before:
        same = enumerate(step.optimizer.variables)
        return net, {f"{place}": to_numpy(variable) for place, variable in same}
    deeper = grow(net, [new - old for new, old in zip(units, before, strict=True)])
    kept = places_of_blocks(before, units)
    blocks = {sum(before): sum(units)}
    moments: dict[str, np.ndarray] = {}
    for place, variable in enumerate(step.optimizer.variables):
        values = to_numpy(variable)
        if values.ndim and len(values) in blocks and _of_stack(variable, stack_of(net).name):
            wider = np.zeros((blocks[len(values)], *values.shape[1:]), values.dtype)
            wider[kept] = values
            values = wider
        moments[f"{place}"] = values
    return deeper, moments


def _of_stack(variable: keras.Variable, stack: str) -> bool:
    """Return whether an optimizer's variable is of a weight of the stack."""
    return stack in variable.path


def _put(step: Step, moments: Mapping[str, np.ndarray]) -> None:
    for name, values in moments.items():
        step.optimizer.variables[int(name)].assign(values)
    step.go_on_from_moments()


def _later(
    on_epoch: Callable[[int, keras.Model], None], done: int
) -> Callable[[int, keras.Model], None]:
    return lambda epoch, model: on_epoch(done + epoch, model)


def _joined(results: list[FitResult]) -> FitResult:
    """Return the fits of all stages as one."""
    done, histories = 0, []
    for result in results:
        histories.append(result.history.assign(epoch=result.history["epoch"] + done))
        done += result.epochs_run
    last = results[-1]
    return dataclasses.replace(
        last,
        history=pd.concat(histories, ignore_index=True),
        best_epoch=done - last.epochs_run + last.best_epoch,
        epochs_run=done,
        seconds=sum(result.seconds for result in results),
    )
