"""The ensemble of the specification as experiments and what is made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.run import Run
from ultimate_deep.experiments.series import open_series
from ultimate_deep.models.document_names import document_model
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.progress import Progress

# `voting` and `weights` of the document, by the method that does it.
METHODS = {
    ("average", None): "average",
    ("soft", None): "average",
    ("weighted", None): "weighted",
    ("weighted", "learned"): "weighted",
    ("stacking", None): "logistic_stack",
}
KEYS = ("models", "voting", "weights")
MEMBERS_OWN = ("name", "model")


@dataclass(frozen=True, kw_only=True)
class SpecifiedEnsemble:
    """What an `ensemble_config` stands for.

    Args:
        members: Experiment of each member; every one has a name of its own.
        config: How they are combined.
    """

    members: tuple[ExperimentConfig, ...]
    config: EnsembleConfig

    def run(
        self,
        progress: Progress | None = None,
        *,
        resume: bool = False,
        confirm: Callable[[Any], bool] = lambda plan: True,
    ) -> Run:
        """Train the members one after the other, combine them, judge and save the ensemble.

        Args:
            progress: Who is told; nobody where absent.
            resume: Go on with members of this ensemble that were interrupted.
            confirm: Asked before each member is trained, with its plan.
        """
        told = progress or Progress()
        with open_series(
            self.config.name, self.config.artifacts, self.members, resume=resume
        ) as series:
            folders = series.run(told, confirm=confirm)
            done = run_ensemble(folders, self.config, told, named=series.keep_result)
            series.close()
        return done


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
    if not isinstance(ensemble_config, Mapping):
        raise ValueError(
            f"ensemble_config must be a dictionary of {', '.join(KEYS)}, got {ensemble_config!r}; "
            "{'models': ['lstm', 'tcn'], 'voting': 'average'} is one"
        )
    if unknown := sorted(set(ensemble_config) - set(KEYS)):
        raise ValueError(
            f"ensemble_config has no key {unknown[0]!r}; it has models, voting and weights"
        )
    for name in MEMBERS_OWN:
        if name in settings:
            raise ValueError(
                f"{name} is each member's own, got {settings[name]!r} for all; leave it out"
            )
    names = _names(ensemble_config.get("models"))
    method = _method(ensemble_config.get("voting", "weighted"), ensemble_config.get("weights"))
    members = [
        ExperimentConfig(name=name.replace(":", "_"), model=_model(name), **settings)
        for name in names
    ]
    place = {name: settings[name] for name in ("artifacts",) if name in settings}
    return SpecifiedEnsemble(members=tuple(members), config=EnsembleConfig(method=method, **place))


def _names(models: Any) -> list[str]:
    listed = isinstance(models, (list, tuple)) and all(isinstance(one, str) for one in models)
    if not listed or len(models) < 2:
        raise ValueError(
            f"ensemble_config.models must be a list of at least two names, got {models!r}; "
            "['lstm', 'transformer:large'] is one"
        )
    if len(set(models)) < len(models):
        twice = next(name for name in models if list(models).count(name) > 1)
        raise ValueError(
            f"ensemble_config.models names {twice!r} twice; name each once, or another preset"
        )
    return list(models)


def _model(name: str) -> ModelConfig:
    model, preset = document_model(name)
    learner = learner_of(model)  # refuses a model that there is not
    learner.preset_config(preset)
    return ModelConfig(name=model, preset=preset)


def _method(voting: Any, weights: Any) -> Any:
    known = [vote for vote in METHODS if vote == (voting, weights)]
    if not known:
        votes = ", ".join(sorted({f"{first!r}" for first, _ in METHODS}))
        raise ValueError(
            f"voting must be one of {votes}, with weights 'learned' or none, got {voting!r} and "
            f"{weights!r}; equal weights are voting 'average'"
        )
    return METHODS[known[0]]
