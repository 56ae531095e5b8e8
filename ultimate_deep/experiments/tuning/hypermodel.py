"""Any net with its search space as a `keras_tuner.HyperModel`, for people's own tuners."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.tuning.keras_tuner_oracles import (
    declare_hyperparameters,
    from_hyperparameters,
)
from ultimate_deep.experiments.tuning.spaces import FIT, MODEL, tuned_space, with_values
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.inputs import Inputs
from ultimate_deep.models.registry import BUILDERS, build_model
from ultimate_deep.models.search_space import SearchSpace
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.optimizers.build import build_optimizer


class NetHyperModel(keras_tuner.HyperModel):
    """A net whose options, learning rate, weight decay and batch size a tuner chooses.

    Args:
        name: Name of the model.
        inputs: Input name to shape without batch.
        heads: What to predict: directions of one horizon or several.
        preset: Whose options hold where nothing is searched.
        options: Options of the model that are held fixed.
        fields: Names such as `model.width` and `fit.learning_rate`; empty means all that the model
            declares and that is not held fixed, and all searched fields of the fit.

    Raises:
        ValueError: An unknown model, preset, option or field, or heads that this loss cannot train.
    """

    def __init__(
        self,
        name: str,
        inputs: Inputs,
        heads: Heads | None = None,
        *,
        preset: str = "default",
        options: Mapping[str, Any] | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        if name not in BUILDERS:
            raise ValueError(
                f"hypermodel builds nets, and {name!r} is none; nets are {', '.join(BUILDERS)}"
            )
        super().__init__(name=name)
        self.inputs = dict(inputs)
        self.heads = heads or Heads()
        if not self.heads.plain:
            raise ValueError(
                f"hypermodel compiles directions up or down, got {self.heads}; leave classes, "
                "quantiles and variance out, or search with `ultimate-deep tune`"
            )
        model = ModelConfig(name=name, preset=preset, options=dict(options or {}))
        self.config = ExperimentConfig(model=model)
        learner_of(name).settings(self.config)  # a wrong option is refused now, not in a trial
        self.space: SearchSpace = tuned_space(self.config, fields)

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Return what a tuner chose, by names such as `model.width` and `fit.learning_rate`."""
        return from_hyperparameters(self.space, hp.values)

    def experiment(
        self, hp: keras_tuner.HyperParameters, config: ExperimentConfig | None = None
    ) -> ExperimentConfig:
        """Return an experiment with what a tuner chose, for `ultimate_deep.run`.

        Args:
            hp: Such as `tuner.get_best_hyperparameters()[0]`.
            config: Everything else: bars, label, epochs, costs.
        """
        config = config or ExperimentConfig()
        # A run that is called after its model is called after this one.
        name = "" if config.name == config.model.name else config.name
        given = dataclasses.replace(config, model=self.config.model, name=name)
        return with_values(given, self.values(hp))

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the net that a tuner chose, compiled: AdamW and cross-entropy of the logits."""
        declare_hyperparameters(hp, self.space)
        config = self.experiment(hp)
        learner = learner_of(self.name)
        model = build_model(self.name, self.inputs, self.heads, learner.settings(config))
        model.compile(
            optimizer=build_optimizer(model, learner.fit_of(config)),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
        )
        return model

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> Any:
        """Train with the batch size that the tuner chose, where the search did not say another."""
        chosen = self.values(hp).get(f"{FIT}batch_size")
        if chosen is not None:
            kwargs.setdefault("batch_size", chosen)
        return model.fit(*args, **kwargs)

    def __repr__(self) -> str:
        names = ", ".join(name.removeprefix(MODEL) for name in self.space)
        return f"<hypermodel {self.name}: searches {names}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"
