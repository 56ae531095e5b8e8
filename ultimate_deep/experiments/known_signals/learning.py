"""Whether a model finds a planted signal, as a share of the oracle's edge.

    python -m ultimate_deep.experiments.known_signals.learning --model lstm --signal linear
    python -m ultimate_deep.experiments.known_signals.learning --model '[mlp, tcn]' \
        --signal '[linear, long_memory]' --rows 40000 --edge 0.1 --preset default

Simulated bars, scored against the true probability of each label, so that noise does not decide.
A model sees a signal where it reaches 0.8 of the oracle on the last 15% of the bars.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
from jsonargparse import CLI

from ultimate_deep.evaluation.measures.metrics import accuracy
from ultimate_deep.evaluation.measures.oracle import (
    expected_accuracy,
    oracle_accuracy,
    share_of_edge,
)
from ultimate_deep.experiments.known_signals.signals import SIGNALS, MarketCase, Task, make_task
from ultimate_deep.models.inputs import Reads
from ultimate_deep.models.registry import (
    build_model,
    memory_filler,
    named_presets,
    preset_config,
    presets,
    reads,
)
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.gradient_pass import uses_xla
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import CompiledFit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.participants import build_participants
from ultimate_deep.training.loop.step import ForwardPass
from ultimate_deep.training.loop.train_step import Forward, TrainStep
from ultimate_deep.training.participant import FitOutline, Participant

SEEN = 0.8  # share of the oracle's edge from which a signal counts as seen
TEST_BATCH = 512
LEARNING_RATE = 2e-3  # of models that name none with their preset


@dataclass(frozen=True, kw_only=True)
class LearningCase:
    """One model on one market.

    Args:
        model: A name of `models.BUILDERS`.
        market: Market to learn.
        reads: Kind of input; None takes what the model reads.
        preset: Preset of the model; `default` where the model has no such preset.
        options: Fields of the model's configuration that replace the preset's.
        epochs: Most passes over the training part.
        patience_epochs: Epochs without a better validation loss before the fit ends.
        batch_size: Rows of a step.
        learning_rate: Peak learning rate; None takes the preset's.
        weight_decay: Weight decay of kernels.
        seed: Seed of weights and data order.
        jit_compile: Whether XLA compiles the step, as in `training.config.FitConfig`.
        enough: Share of the oracle's edge on the validation part with which the fit ends; None
            trains on.
    """

    model: str
    market: MarketCase
    reads: Reads | None = None
    preset: str = "tiny"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 12
    patience_epochs: int = 3
    batch_size: int = 128
    learning_rate: float | None = None
    weight_decay: float = 0.05
    seed: int = 0
    jit_compile: Literal["auto"] | bool = "auto"
    enough: float | None = None


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What came of it.

    Args:
        share_of_edge: Part of the oracle's edge that the model has on the test part; NaN where
            the market has none.
        expected_accuracy: Accuracy over all labels that could have come.
        oracle_accuracy: Best accuracy that is possible.
        accuracy: Accuracy on the labels that came.
        parameters: Number of parameters of the model.
        epochs: Epochs that were run.
        fit_seconds: Seconds of training, without building and without making the inputs.
        seconds: Seconds of all but making the inputs.
        cpu_seconds: Seconds of all cores for the same; what other programs take does not count.
    """

    share_of_edge: float
    expected_accuracy: float
    oracle_accuracy: float
    accuracy: float
    parameters: int
    epochs: int
    fit_seconds: float
    seconds: float
    cpu_seconds: float


def learn(case: LearningCase) -> Learned:
    """Train the case's model on its market and score it on the part that it has not seen."""
    task = make_task(case.market, case.reads or reads(case.model))
    began, cpu_began = time.perf_counter(), time.process_time()
    keras.utils.clear_session()
    keras.utils.set_random_seed(case.seed)
    model = build_case(case, task)
    _fill_memory(case.model, model, task)
    config = FitConfig(
        epochs=case.epochs,
        patience_epochs=case.patience_epochs,
        batch_size=case.batch_size,
        learning_rate=_learning_rate(case),
        weight_decay=case.weight_decay,
        seed=case.seed,
        jit_compile=case.jit_compile,
    )
    train, validation = task.parts["train"], task.parts["validation"]
    compiled = _compiled(case, model, task, config)
    fitted = fit(model, train, validation, config, checkpoint_folder=None, compiled=compiled)
    up = _says_up(compiled.forward, task.parts["test"])
    return Learned(
        share_of_edge=share_of_edge(task.truth, up),
        expected_accuracy=expected_accuracy(task.truth, up),
        oracle_accuracy=oracle_accuracy(task.truth),
        accuracy=accuracy(task.parts["test"].y[:, 0], up),
        parameters=model.count_params(),
        epochs=fitted.epochs_run,
        fit_seconds=fitted.seconds,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu_began,
    )


class FoundEnough(Participant):
    """Ends a fit once the model has found its share of the edge on the validation part.

    Args:
        forward: The model's forward pass.
        task: Task whose validation part it reads.
        enough: Share of the edge that is enough.
    """

    def __init__(self, forward: Forward, task: Task, enough: float) -> None:
        self._forward, self._task, self._enough = forward, task, enough
        self._found = False

    def begin(self, outline: FitOutline) -> None:
        self._found = False

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        up = _says_up(self._forward, self._task.parts["validation"])
        self._found = share_of_edge(self._task.validation_truth, up) >= self._enough

    def wants_to_stop(self) -> str:
        return "found enough" if self._found else ""


def _compiled(case: LearningCase, model: keras.Model, task: Task, config: FitConfig) -> CompiledFit:
    participants = build_participants(config, model)
    forward = Forward(model, TEST_BATCH, jit_compile=uses_xla(model, config))
    if case.enough is not None:
        participants.members["found_enough"] = FoundEnough(forward, task, case.enough)
    return CompiledFit(step=TrainStep(model, config, participants), forward=forward)


def _says_up(forward: ForwardPass, part: Arrays) -> np.ndarray:
    return (forward(part)[:, 0] >= 0).astype(np.float64)


def build_case(case: LearningCase, task: Task) -> keras.Model:
    """Return the case's model, untrained, for the task's inputs."""
    preset = case.preset if case.preset in presets(case.model) else "default"
    config = replace(preset_config(case.model, preset), **({"seed": case.seed} | case.options))
    return build_model(case.model, task.inputs, config=config)


def _fill_memory(name: str, model: keras.Model, task: Task) -> None:
    """Let a model with an index of past windows fill it with the training part's."""
    fill = memory_filler(name)
    if fill is not None:
        train = task.parts["train"]
        fill(model, train.x, train.y, task.returns, task.known)


def _learning_rate(case: LearningCase) -> float:
    if case.learning_rate is not None:
        return case.learning_rate
    preset = named_presets(case.model).get(case.preset)
    return LEARNING_RATE if preset is None else float(preset.learning_rate)


def main(
    model: str | Sequence[str],
    signal: str | Sequence[str] = SIGNALS,
    preset: str = "tiny",
    rows: int = 20_000,
    edge: float = 0.2,
    epochs: int = 12,
    patience_epochs: int = 3,
    batch_size: int = 128,
    learning_rate: float | None = None,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    market_seed: int = 11,
) -> None:
    """Print one line for each model and signal."""
    lines = []
    for name in [model] if isinstance(model, str) else model:
        for one in [signal] if isinstance(signal, str) else signal:
            market = MarketCase(signal=one, rows=rows, edge=edge, seed=market_seed)
            learned = learn(
                LearningCase(
                    model=name,
                    market=market,
                    preset=preset,
                    options=options or {},
                    epochs=epochs,
                    patience_epochs=patience_epochs,
                    batch_size=batch_size,
                    learning_rate=learning_rate,
                    seed=seed,
                )
            )
            seen = "yes" if learned.share_of_edge >= SEEN else "no"
            lines.append({"model": name, "signal": one, "sees": seen} | vars(learned))
            print(pd.DataFrame(lines[-1:]).to_string(index=False), flush=True)
    if len(lines) > 1:
        print(pd.DataFrame(lines).to_string(index=False))


if __name__ == "__main__":
    CLI(main, as_positional=False)
