"""What a tuner may search: a builder's declared space and a few fit fields, for KerasTuner."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner

from ultimate_deep.models.registry import search_space
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.pipeline.config import ExperimentConfig

MODEL = "model."
FIT = "fit."
FIT_SPACE: SearchSpace = {
    "learning_rate": FloatRange(low=1e-4, high=1e-2, log=True),
    "weight_decay": FloatRange(low=1e-4, high=1e-1, log=True),
    "batch_size": Choice(values=(128, 256, 512)),
}
_SCALARS = (str, int, float)


def tuned_space(config: ExperimentConfig, fields: Sequence[str] = ()) -> SearchSpace:
    """Return what is searched, named as on the command line without `options`.

    Args:
        config: The experiment; options given to its model by hand are held fixed.
        fields: Names such as `model.width` and `fit.learning_rate`; empty means all that the
            builder declares, but for the fixed ones, and all of `FIT_SPACE`.

    Raises:
        ValueError: A name that cannot be searched.
    """
    declared = {MODEL + name: entry for name, entry in search_space(config.model.name).items()}
    known = declared | {FIT + name: entry for name, entry in FIT_SPACE.items()}
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(
            f"model {config.model.name!r} has no search range for {unknown}; "
            f"tune.fields may name {', '.join(known)}"
        )
    if fields:
        return {name: known[name] for name in dict.fromkeys(fields)}
    return {
        name: entry
        for name, entry in known.items()
        if name.removeprefix(MODEL) not in config.model.options or not name.startswith(MODEL)
    }


def to_hyperparameters(space: SearchSpace) -> keras_tuner.HyperParameters:
    """Declare a space to KerasTuner; choices that are no plain scalars of one type as JSON."""
    hyperparameters = keras_tuner.HyperParameters()
    for name, entry in space.items():
        if isinstance(entry, Choice):
            hyperparameters.Choice(name, list(_encoded(entry)))
        elif isinstance(entry, IntRange):
            hyperparameters.Int(name, entry.low, entry.high, step=entry.step)
        else:
            sampling = "log" if entry.log else "linear"
            hyperparameters.Float(name, entry.low, entry.high, sampling=sampling)
    return hyperparameters


def from_hyperparameters(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a space's own names, decoded; the tuner's further entries are left."""
    decoded = {}
    for name, entry in space.items():
        value = values[name]
        decoded[name] = _encoded(entry)[value] if isinstance(entry, Choice) else value
    return decoded


def with_values(config: ExperimentConfig, values: Mapping[str, Any]) -> ExperimentConfig:
    """Return the experiment with searched values in `model.options` and `fit`.

    Raises:
        ValueError: A name that is neither the model's nor the fit's, or a refused value.
    """
    options: dict[str, Any] = {}
    fitted: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith(MODEL):
            options[name.removeprefix(MODEL)] = value
        elif name.startswith(FIT):
            fitted[name.removeprefix(FIT)] = value
        else:
            raise ValueError(f"searched names start with {MODEL} or {FIT}, got {name!r}")
    model = dataclasses.replace(config.model, options=config.model.options | options)
    return dataclasses.replace(config, model=model, fit=dataclasses.replace(config.fit, **fitted))


def range_sentence(entry: Choice | IntRange | FloatRange) -> str:
    """Return one entry of a space as people read it."""
    if isinstance(entry, Choice):
        return "one of " + ", ".join(map(value_sentence, entry.values))
    if isinstance(entry, IntRange):
        return f"{entry.low} to {entry.high} in steps of {entry.step}"
    scale = ", log scale" if entry.log else ""
    return f"{entry.low:g} to {entry.high:g}{scale}"


def value_sentence(value: Any) -> str:
    """Return a searched value as people read it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list) and len(value) > 1 and len(set(value)) == 1:
        return f"{len(value)} x {value[0]}"
    return str(value)


def _encoded(entry: Choice) -> dict[Any, Any]:
    """Return what KerasTuner is told, each with the value that it stands for, in order."""
    kinds = {type(value) for value in entry.values}
    if len(kinds) == 1 and kinds < set(_SCALARS):
        return {value: value for value in entry.values}
    return {json.dumps(value): value for value in entry.values}
