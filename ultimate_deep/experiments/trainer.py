"""The trainer of an experiment, with its bars prepared and its net built."""

from collections.abc import Sequence
from pathlib import Path

import keras

from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.learners.net import build
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.trainer import Trainer


def create_trainer(
    config: ExperimentConfig,
    *,
    market: Market | None = None,
    checkpoints: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: str | Path | None = None,
    progress: Progress | None = None,
) -> Trainer:
    """Prepare an experiment's bars, build its net, and return what trains it.

    `ultimate_deep.run` does this and then judges the model and saves it; a trainer ends with the
    trained net.

    Args:
        config: The experiment, of a net.
        market: Bars; None reads those that the configuration names.
        checkpoints: Folder of checkpoints; None keeps none.
        callbacks: Callbacks of Keras, as `Trainer` takes them.
        tensorboard: Folder of TensorBoard's log; None writes none.
        progress: Who is told; nobody where absent.

    Raises:
        ValueError: Trees, or whatever else `prepare` refuses.
    """
    kind = learner_of(config.model.name).predicts
    if kind != "keras":
        raise ValueError(
            f"a trainer trains nets, got {config.model.name!r}, which grows trees; use "
            "ultimate_deep.run, or name a net"
        )
    told = progress or Progress()
    prepared = prepare(config, told, market=market)
    return Trainer(
        build(prepared),
        prepared.arrays("train"),
        prepared.steps.stopping(prepared),
        prepared.config.fit,
        checkpoints=None if checkpoints is None else Path(checkpoints),
        callbacks=callbacks,
        tensorboard=None if tensorboard is None else Path(tensorboard),
        progress=told,
    )
