"""Features: 200+ causal numbers per bar, from one graph of operators, float32 out.

`compute_features(frame)` gives a `FeatureMatrix`; `feature_table()` lists what there is.
"""

from features.compute import FeatureMatrix, compute_features
from features.registry import feature_names, feature_table

__all__ = ["FeatureMatrix", "compute_features", "feature_names", "feature_table"]
