"""What of an experiment can be refused before anything heavy is loaded or any bar is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultimate_deep.models.evaluated import UnknownValueError, configuration, searched
from ultimate_deep.models.registry import BUILDERS
from ultimate_deep.models.trees.registry import TREES

if TYPE_CHECKING:
    from ultimate_deep.pipeline.config import ExperimentConfig


def check_experiment(config: ExperimentConfig) -> None:
    """Refuse features that are not there, a run to start from that is none, and a PDF for which
    there is no library.

    Raises:
        ValueError: Naming them, and the nearest that there are.
    """
    from ultimate_deep.evaluation.reporting.pdf import check_form
    from ultimate_deep.pipeline.inputs.config import COARSE_FEATURES

    check_form(config.report)
    check_features(config.features.names)
    if config.inputs.coarse_features != COARSE_FEATURES:
        check_features(config.inputs.coarse_features)
    if config.model.start_from is not None:
        from ultimate_deep.bundles.manifest import check_manifest

        check_manifest(Path(config.model.start_from))


def check_features(names: Sequence[str]) -> None:
    """Refuse features that are not there; no name means all that there are.

    Raises:
        ValueError: Naming them, and the nearest that there are.
    """
    if names:
        from ultimate_deep.features.registry import registry

        registry().choose(names)


def check_option_values(name: str, preset: str, options: Mapping[str, Any]) -> None:
    """Refuse values that a model's configuration refuses, as its file says.

    Args:
        name: Name of the model.
        preset: Name of a preset that it has.
        options: Its options by name, of the types that they have.

    Raises:
        ValueError: What the model says of them.
    """
    target = (BUILDERS | TREES).get(name)
    if target is None:
        return  # of a further family, which is asked before the bars are read
    try:
        told = configuration(target, preset)
    except UnknownValueError:
        return  # likewise
    try:
        dataclasses.replace(told, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"--model.options of {name}: {error}") from error


def check_search_fields(config: ExperimentConfig, fields: Sequence[str]) -> None:
    """Refuse to search what the model's file declares no range for.

    Raises:
        ValueError: Naming it, and what can be searched.
    """
    from ultimate_deep.experiments.tuning.spaces import chosen_space

    target = (BUILDERS | TREES).get(config.model.name)
    if target is None:
        return
    try:
        space = searched(target)
    except UnknownValueError:
        return
    chosen_space(space, config, fields)
