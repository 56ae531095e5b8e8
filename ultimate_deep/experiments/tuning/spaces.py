"""What a tuner may search: a builder's declared space and a few fit fields."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

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


def tuned_space(config: ExperimentConfig, fields: Sequence[str] = ()) -> SearchSpace:
    """Return what is searched, named as on the command line without `options`.

    Args:
        config: The experiment; options given to its model by hand are held fixed.
        fields: Names such as `model.width` and `fit.learning_rate`; empty means all that the
            builder declares, but for the fixed ones, and all of `FIT_SPACE`.

    Raises:
        ValueError: A name that cannot be searched.
    """
    return chosen_space(search_space(config.model.name), config, fields)


def chosen_space(
    declared: SearchSpace, config: ExperimentConfig, fields: Sequence[str] = ()
) -> SearchSpace:
    """Return what is searched of the ranges that a model declares; see `tuned_space`.

    Args:
        declared: Ranges by the names of the model's options.
        config: The experiment; options given to its model by hand are held fixed.
        fields: Names such as `model.width`; empty means all.

    Raises:
        ValueError: A name that cannot be searched.
    """
    declared = {MODEL + name: entry for name, entry in declared.items()}
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


def distinct_configurations(space: SearchSpace) -> float:
    """Return how many configurations a space holds; infinity where a range is continuous."""
    sizes = []
    for entry in space.values():
        if isinstance(entry, Choice):
            sizes.append(len(entry.values))
        elif isinstance(entry, IntRange):
            sizes.append((entry.high - entry.low) // entry.step + 1)
        else:
            return math.inf
    return math.prod(sizes)


def check_finite(space: SearchSpace, search: str) -> None:
    """Decline a space with a continuous range, for a search that goes through all values.

    Args:
        space: What is searched.
        search: Name of the search.

    Raises:
        ValueError: Naming the first such field, and how to leave it out.
    """
    for name, entry in space.items():
        if isinstance(entry, FloatRange):
            raise ValueError(
                f"a {search} search reads choices and whole numbers, got {name} "
                f"{range_sentence(entry)}; name fields without it in tune.fields, such as "
                f"{FIT}batch_size, or choose another tune.search"
            )


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
            raise ValueError(f"searched names start with {MODEL} or {FIT}, got {name!r}; rename it")
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
