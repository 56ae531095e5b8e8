"""Features: 200+ causal numbers per bar, from one graph of operators, float32 out.

`compute_features(bars)` gives a `FeatureMatrix`, `iter_features(frame)` the same in blocks, and
a `FeatureStream` the same bits one bar at a time; `feature_table()` lists what there is.
`join_peers` puts another market beside the bars, `PeerJoin` does so live.
`compute_indicators(frame)` gives textbook indicators in textbook units, `gaf_images` pictures of
windows. `RobustLimits`, `select_features` and `information_coefficients` judge features on the
training part.
"""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.features.catalogue import compute_indicators, standard_indicators
    from ultimate_deep.features.compute import FeatureMatrix, compute_features, iter_features
    from ultimate_deep.features.engine.timeframes import compile_engine
    from ultimate_deep.features.gaf import gaf_images, gaf_numbers
    from ultimate_deep.features.judging.config import ScoringConfig, SelectionConfig
    from ultimate_deep.features.judging.outliers import RobustLimits
    from ultimate_deep.features.judging.scoring import Outcomes, Scores, information_coefficients
    from ultimate_deep.features.judging.selection import Selection, select_features
    from ultimate_deep.features.judging.stability import Stability, population_stability
    from ultimate_deep.features.peers import PeerJoin, join_peers
    from ultimate_deep.features.registry import feature_names, feature_table, timeframe_names
    from ultimate_deep.features.stream import BarRefusedError, FeatureStream

# Imported when first asked for: whoever wants a configuration need not wait for numba, nor a live
# feed for SciPy.
_HOMES = {
    "catalogue": ("compute_indicators", "standard_indicators"),
    "compute": ("FeatureMatrix", "compute_features", "iter_features"),
    "engine.timeframes": ("compile_engine",),
    "gaf": ("gaf_images", "gaf_numbers"),
    "judging.config": ("ScoringConfig", "SelectionConfig"),
    "judging.outliers": ("RobustLimits",),
    "judging.scoring": ("Outcomes", "Scores", "information_coefficients"),
    "judging.selection": ("Selection", "select_features"),
    "judging.stability": ("Stability", "population_stability"),
    "peers": ("PeerJoin", "join_peers"),
    "registry": ("feature_names", "feature_table", "timeframe_names"),
    "stream": ("BarRefusedError", "FeatureStream"),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

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
