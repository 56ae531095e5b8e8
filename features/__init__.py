"""Features: 200+ causal numbers per bar, from one graph of operators, float32 out.

`compute_features(frame)` gives a `FeatureMatrix`, `iter_features(frame)` the same in blocks, and
a `FeatureStream` the same bits one bar at a time; `feature_table()` lists what there is.
`join_peers` puts another market beside the bars, `PeerJoin` does so live.
`compute_indicators(frame)` gives textbook indicators in textbook units, `gaf_images` pictures of
windows. `RobustLimits`, `select_features` and `information_coefficients` judge features on the
training part.
"""

import importlib
from typing import TYPE_CHECKING, Any

from features.catalogue import compute_indicators, standard_indicators
from features.compute import FeatureMatrix, compute_features, iter_features
from features.cross_asset import PeerJoin, join_peers
from features.registry import feature_names, feature_table, timeframe_names
from features.runner import compile_engine
from features.stream import BarRefusedError, FeatureStream

if TYPE_CHECKING:
    from features.gaf import gaf_images, gaf_numbers
    from features.outliers import RobustLimits
    from features.scoring import Outcomes, Scores, ScoringConfig, information_coefficients
    from features.selection import Selection, SelectionConfig, select_features
    from features.stability import Stability, population_stability

# Imported when first asked for: SciPy and scikit-learn take seconds that a live feed can spare.
_LATER = {
    "gaf_images": "gaf",
    "gaf_numbers": "gaf",
    "RobustLimits": "outliers",
    "Outcomes": "scoring",
    "Scores": "scoring",
    "ScoringConfig": "scoring",
    "information_coefficients": "scoring",
    "Selection": "selection",
    "SelectionConfig": "selection",
    "select_features": "selection",
    "Stability": "stability",
    "population_stability": "stability",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"features.{_LATER[name]}"), name)


__all__ = [
    "BarRefusedError",
    "FeatureMatrix",
    "FeatureStream",
    "Outcomes",
    "PeerJoin",
    "RobustLimits",
    "Scores",
    "ScoringConfig",
    "Selection",
    "SelectionConfig",
    "Stability",
    "compile_engine",
    "compute_features",
    "compute_indicators",
    "feature_names",
    "feature_table",
    "gaf_images",
    "gaf_numbers",
    "information_coefficients",
    "iter_features",
    "join_peers",
    "population_stability",
    "select_features",
    "standard_indicators",
    "timeframe_names",
]
