"""Features: 200+ causal numbers per bar, from one graph of operators, float32 out.

`compute_features(frame)` gives a `FeatureMatrix`; `feature_table()` lists what there is.
`compute_indicators(frame)` gives textbook indicators in textbook units.
"""

from features.catalogue import compute_indicators, standard_indicators
from features.compute import FeatureMatrix, compute_features
from features.registry import feature_names, feature_table
from features.runner import compile_engine

__all__ = [
    "FeatureMatrix",
    "compile_engine",
    "compute_features",
    "compute_indicators",
    "feature_names",
    "feature_table",
    "standard_indicators",
]
