"""What a run may be asked to compute."""

import pytest

from ultimate_deep.experiments.exploring.config import ExplorationConfig
from ultimate_deep.experiments.exploring.exploration import explore
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.prepared import prepare
from ultimate_deep.pipeline.rows import check_feature_names
from ultimate_deep.training.progress import Progress

COARSE = {"names": ("rsi_14", "rsi_14_5x")}
NOWHERE = DataConfig(path="nowhere.csv")  # read only once all names are known
REMEDY = r"got rsi_14_5x of bars several times as long; leave it out: .* inputs\.coarse_features$"


def test_features_of_coarser_bars_are_refused_before_the_bars_are_read():
    inputs = {"kind": "features"}
    config = ExperimentConfig(data=NOWHERE, features=COARSE, inputs=inputs)
    with pytest.raises(ValueError, match=r"features\.names .*" + REMEDY):
        prepare(config, Progress())
    with pytest.raises(ValueError, match=r"features\.names .*" + REMEDY):
        explore(ExplorationConfig(data=NOWHERE, features=COARSE), Progress())
    inputs = {"kind": "timeframes", "coarse_features": ("rsi_14_5x",)}
    with pytest.raises(ValueError, match=r"inputs\.coarse_features .*" + REMEDY):
        prepare(ExperimentConfig(data=NOWHERE, inputs=inputs), Progress())
    check_feature_names((), "features.names")
    check_feature_names(("rsi_14",), "features.names")
    with pytest.raises(ValueError, match="rsi_41"):
        check_feature_names(("rsi_41",), "features.names")
