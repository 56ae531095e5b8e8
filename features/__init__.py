"""Features: 200+ causal numbers per bar, from one graph of operators, float32 out.

`compute_features(frame)` gives a `FeatureMatrix`, `iter_features(frame)` the same in blocks, and
a `FeatureStream` the same bits one bar at a time; `feature_table()` lists what there is.
`compute_indicators(frame)` gives textbook indicators in textbook units.
"""

from features.catalogue import compute_indicators, standard_indicators
from features.compute import FeatureMatrix, compute_features, iter_features
from features.registry import feature_names, feature_table, timeframe_names
from features.runner import compile_engine
from features.stream import BarRefusedError, FeatureStream

__all__ = [
    "BarRefusedError",
    "FeatureMatrix",
    "FeatureStream",
    "compile_engine",
    "compute_features",
    "compute_indicators",
    "feature_names",
    "feature_table",
    "iter_features",
    "standard_indicators",
    "timeframe_names",
]
