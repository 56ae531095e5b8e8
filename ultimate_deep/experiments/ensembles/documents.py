"""The ensemble of the specification as experiments and what is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.models.document_names import document_model
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig

# `voting` and `weights` of the document, by the method that does it.
METHODS = {
    ("average", None): "average",
    ("soft", None): "average",
    ("weighted", None): "weighted",
    ("weighted", "learned"): "weighted",
    ("stacking", None): "logistic_stack",
}


@dataclass(frozen=True, kw_only=True)
class SpecifiedEnsemble:
    """What an `ensemble_config` stands for.

    Args:
        members: Experiment of each member; every one has a name of its own.
        config: How they are combined.
    """

    members: tuple[ExperimentConfig, ...]
    config: EnsembleConfig


def ensemble_from_specification(
    ensemble_config: Mapping[str, Any], **settings: Any
) -> SpecifiedEnsemble:
    """Return the experiments and the combination that an `ensemble_config` stands for.

    Args:
        ensemble_config: Dictionary with `models`, `voting` and `weights`. A model is a name of the
            documents (`transformer_large`), of the registry, or a name and a preset
            (`transformer:large`).
        settings: Further settings of every member, as `ExperimentConfig` takes them.

    Raises:
        ValueError: A key, model, vote or weight that there is not, with the remedy.
    """
    unknown = sorted(set(ensemble_config) - {"models", "voting", "weights"})
    if unknown:
        raise ValueError(
            f"ensemble_config has no key {unknown[0]!r}; it has models, voting and weights"
        )
    names = list(ensemble_config.get("models", ()))
    if not names:
        raise ValueError("ensemble_config.models names no model; name at least two")
    vote = (ensemble_config.get("voting", "weighted"), ensemble_config.get("weights"))
    if vote not in METHODS:
        known = ", ".join(sorted({f"{first!r}" for first, _ in METHODS}))
        raise ValueError(
            f"voting must be one of {known}, with weights 'learned' or none, got {vote[0]!r} and "
            f"{vote[1]!r}; equal weights are voting 'average'"
        )
    members = []
    for name in names:
        model, preset = document_model(name)
        own = ModelConfig(name=model, preset=preset)
        members.append(ExperimentConfig(name=name.replace(":", "_"), model=own, **settings))
    method: Any = METHODS[vote]
    return SpecifiedEnsemble(members=tuple(members), config=EnsembleConfig(method=method))
