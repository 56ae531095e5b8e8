"""Training that starts from a finished run's weights, unless that run has seen too much."""

import keras
import pandas as pd

from ultimate_deep.bundles.bundle import Bundle, load_bundle
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.prepared import Prepared


def refuse_start(config: ExperimentConfig, why: str) -> None:
    """Raise ValueError, with the reason, where training is to start from a run's weights."""
    if config.model.start_from is not None:
        raise ValueError(
            f"{config.name} starts from the weights of {config.model.start_from}, which {why}"
        )


def start_from(prepared: Prepared, model: keras.Model) -> None:
    """Give a new net the weights of the bundle that `model.start_from` names.

    Weights know the bars that they were trained on. A run that was trained or stopped on bars of
    this one's validation or test part would hand them on, so that it is refused.

    Args:
        prepared: Data of the new run.
        model: Built net whose weights are replaced.

    Raises:
        BundleError: No sound bundle.
        ValueError: Trees, another architecture, other features, or a run whose parts end later
            than this one's.
    """
    folder = prepared.config.model.start_from
    if folder is None:
        return
    if stages := prepared.config.fit.growing_stages:
        raise ValueError(
            f"model.start_from starts from all blocks of {folder}, got fit.growing_stages "
            f"{stages}, which begins with few; leave one of both out"
        )
    bundle = load_bundle(folder)
    parts = ("validation_from", "test_from")
    for part, here in zip(parts, prepared.split.boundaries, strict=True):
        there = pd.Timestamp(bundle.metrics["split"][part])
        if there > here:
            raise ValueError(
                f"model.start_from: the {part.split('_')[0]} part of {folder} begins at {there}, "
                f"after this run's at {here}: its weights know bars that this run is judged on; "
                "start from a run that ended earlier, or from random weights"
            )
    weights = bundle.predictor.weights()
    if not weights:
        raise ValueError(
            f"model.start_from: {folder} holds {bundle.predictor.kind}, which have no weights to "
            "go on; name a run of a net"
        )
    _check_features(bundle, prepared)
    before = [(name, values.shape) for name, values in weights]
    now = [(variable.name, tuple(variable.shape)) for variable in model.weights]
    if before != now:
        other = next(
            (f"{a} and {b}" for a, b in zip(before, now, strict=False) if a != b),
            f"{len(before)} and {len(now)} weights",
        )
        raise ValueError(
            f"model.start_from: {folder} is of another architecture ({other}); give it the same "
            "model, options, features and heads"
        )
    model.set_weights([values for _, values in weights])


def _check_features(bundle: Bundle, prepared: Prepared) -> None:
    """Refuse weights of other features, whose number may be the same by chance."""
    there, here = bundle.feature_names, prepared.rows.names
    if there == here or prepared.config.inputs.kind in ("gaf", "bar_image"):  # drawn of bars
        return
    lacking = [name for name in there if name not in here]
    further = [name for name in here if name not in there]
    remedy = "name those of it, in its order, as features.names, with features.drop_constant false"
    if lacking and not further and all(name in prepared.left_out.dropped for name in lacking):
        remedy = "set features.drop_constant to false, and features.select likewise"
    raise ValueError(
        f"model.start_from: {bundle.folder} reads {len(there)} features and this run {len(here)}"
        f"{_differing('which this run leaves out', lacking)}"
        f"{_differing('which it does not read', further)}; {remedy}"
    )


def _differing(words: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f", {', '.join(names[:5])}{more} {words}" if names else ""
