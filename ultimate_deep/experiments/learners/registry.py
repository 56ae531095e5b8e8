"""Every family of models that learns. A new one is one file and one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names are known without Keras
    from ultimate_deep.experiments.learners.learner import Learner
    from ultimate_deep.pipeline.config import ExperimentConfig

LEARNERS: dict[str, str] = {
    "nets": "ultimate_deep.experiments.learners.net:NetLearner",
    "trees": "ultimate_deep.experiments.learners.trees:TreesLearner",
}


def learner_class(kind: str) -> type[Learner]:
    """Return the class of a family, a key of `LEARNERS`."""
    module, name = LEARNERS[kind].split(":")
    return getattr(importlib.import_module(module), name)


def all_learners() -> tuple[Learner, ...]:
    """Return the learner of every model, family by family, by name within each."""
    families = [learner_class(kind) for kind in LEARNERS]
    return tuple(family(name) for family in families for name in sorted(family.names()))


def learner_of(name: str) -> Learner:
    """Return what trains the model called `name`.

    Raises:
        ValueError: No family has this model.
    """
    for kind in LEARNERS:
        family = learner_class(kind)
        if name in family.names():
            return family(name)
    known = sorted(learner.name for learner in all_learners())
    raise ValueError(
        f"no model is called {name!r}, known are {', '.join(known)}; a new net is one file in "
        "models/nets/ and one line in ultimate_deep.models.registry.BUILDERS: "
        '"name": "ultimate_deep.models.nets.name:build_name"; a new family of models is one line '
        "in ultimate_deep.experiments.learners.registry.LEARNERS"
    )


def simpler_than(name: str) -> frozenset[str]:
    """Return the baselines that are simpler than a model; all for one that is in no family."""
    from ultimate_deep.experiments.learners.learner import SIMPLEST, TREES

    known = {one.name: one for one in all_learners()}
    return known[name].simpler if name in known else SIMPLEST | TREES


def resolved(config: ExperimentConfig) -> ExperimentConfig:
    """Return the experiment with `inputs.kind` as its model reads it; see `Learner.resolved`."""
    return learner_of(config.model.name).resolved(config)
