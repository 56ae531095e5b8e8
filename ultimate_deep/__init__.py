"""Deep trading models of any depth on causal features, honestly backtested, in Keras 3.

    import ultimate_deep as ud

    bars = ud.read_bars("bars.csv")
    run = ud.run(ud.ExperimentConfig(model={"name": "lstm"}), bars=bars)
    print(run)

`read_bars` and `simulate_bars` give bars, `compute_features` and `FeatureStream` their features,
`build_model` a Keras net of any depth. `run` walks from bars to a verdict and a saved bundle;
`load`, `predict` and `backtest` use one. `judge` asks of anybody's predictions whether they are
real, `hypermodel` gives a net with its search space to KerasTuner.

Importing this takes a moment: TensorFlow, pandas and numba are loaded when they are needed.
"""

import importlib
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from ultimate_deep.bundles.bundle import load_any as load
    from ultimate_deep.experiments.face import (
        backtest,
        compute_features,
        hypermodel,
        judge,
        predict,
        read_bars,
        run,
        simulate_bars,
    )
    from ultimate_deep.features.stream import FeatureStream
    from ultimate_deep.models.registry import build_model
    from ultimate_deep.pipeline.config import ExperimentConfig

__version__ = "0.1.0"
