"""Everything that a bundle is made of, before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import RobustScaler

from ultimate_deep.bundles import files
from ultimate_deep.bundles.kinds import as_predictor
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.features.judging.outliers import RobustLimits


@dataclass(frozen=True, kw_only=True, eq=False)
class BundleContents:
    """Everything a bundle is made of.

    Args:
        model: A predictor, or what becomes one: a net as `models.build_model` builds it, or grown
            trees.
        feature_names: Features in order.
        families: Family of each feature.
        scaler: Fitted on the training rows of those features.
        temperature: Divides the logits; one for all horizons or one each, positive.
        threshold: Least probability of the side taken, in [0.5, 1].
        config: What the run was asked to do.
        metrics: What came out; NaN and infinity are written as null.
        history: One row per epoch, or lists by column.
        architecture: One row per weighted layer.
        data_fingerprint: What identifies the bars.
        scalers: Input name to scaler, of inputs that are no features of the decision's own bars.
        limits: Input name to the limits between which it is clipped before it is scaled, the
            features' own under `features`; none where nothing is clipped.

    Raises:
        BundleError: Parts do not fit each other.
    """

    model: Any
    feature_names: Sequence[str]
    families: Sequence[str]
    scaler: RobustScaler
    temperature: float | Sequence[float] | np.ndarray
    threshold: float
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    history: pd.DataFrame | Mapping[str, Sequence[float]]
    architecture: pd.DataFrame
    data_fingerprint: str | dict[str, str]
    scalers: Mapping[str, RobustScaler] = field(default_factory=dict)
    limits: Mapping[str, RobustLimits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {
            **feature_widths(self.predictor.shapes),
            "feature_names": len(self.feature_names),
            "families": len(self.families),
            "scaler features": len(self.scaler.center_),
        }
        if len(set(counts.values())) > 1:
            raise BundleError(
                f"model, features and scaler differ in width: {counts}; "
                "build and fit all of them for the same features"
            )
        for name, scaler in files.all_scalers(self.scaler, self.scalers, self.limits).items():
            files.check_scaler(scaler, name)
        files.check_names(self.feature_names)
        files.check_temperature(self.temperatures, self.horizons)
        files.check_threshold(self.threshold)

    @cached_property
    def predictor(self) -> Predictor:
        """The model behind one interface."""
        return as_predictor(self.model)

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return self.predictor.horizons

    @property
    def temperatures(self) -> np.ndarray:
        """Temperature of each horizon, float64 `(horizons,)`."""
        given = np.asarray(self.temperature, dtype=np.float64)
        return np.full(self.horizons, given) if given.ndim == 0 else given


def feature_widths(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the width of the input that holds the bars' own features; none for pictures."""
    if len(shapes) == 1:
        (name, shape) = next(iter(shapes.items()))
        return {} if name.startswith(("gaf_", "bar_image")) else {"model inputs": shape[-1]}
    return {"model inputs": shapes["bars"][-1]} if "bars" in shapes else {}
