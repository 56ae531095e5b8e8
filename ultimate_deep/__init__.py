"""Deep trading models of any depth on causal features, honestly backtested, in Keras 3.

    import ultimate_deep as ud

    bars = ud.read_bars("bars.csv")
    run = ud.run(ud.ExperimentConfig(model={"name": "lstm"}), bars=bars)
    print(run)

`read_bars` and `simulate_bars` give bars, `compute_features` and `FeatureStream` their features,
`build_model` a Keras net of any depth. `run` walks from bars to a verdict and a saved bundle;
`load`, `predict` and `backtest` use one. `judge` asks of anybody's predictions whether they are
real, `hypermodel` gives a net with its search space to KerasTuner, `prepare` what it is trained on.
What is your own comes in by `plugins`.

Importing this takes a moment: pandas, numba and TensorFlow are loaded when they are needed, with no
more threads than there are cores for them. Once Keras is imported too, `keras.models.load_model`
reads our files.
"""

import importlib
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

from ultimate_deep.machine.threads import set_thread_pools

if TYPE_CHECKING:
    from ultimate_deep.experiments.bars import read_bars, simulate_bars
    from ultimate_deep.experiments.face import (
        backtest,
        hypermodel,
        judge,
        load,
        predict,
        run,
    )
    from ultimate_deep.experiments.preparing import prepare
    from ultimate_deep.features.compute import compute_features
    from ultimate_deep.features.stream import FeatureStream
    from ultimate_deep.models.registry import build_model
    from ultimate_deep.pipeline.config import ExperimentConfig

__version__ = "0.1.0"

_BARS = "ultimate_deep.experiments.bars"
_FACE = "ultimate_deep.experiments.face"
_HOMES = {
    "ExperimentConfig": "ultimate_deep.pipeline.config",
    "FeatureStream": "ultimate_deep.features.stream",
    "backtest": _FACE,
    "build_model": "ultimate_deep.models.registry",
    "compute_features": "ultimate_deep.features.compute",
    "hypermodel": _FACE,
    "judge": _FACE,
    "load": _FACE,
    "predict": _FACE,
    "prepare": "ultimate_deep.experiments.preparing",
    "read_bars": _BARS,
    "run": _FACE,
    "simulate_bars": _BARS,
}


def __getattr__(name: str) -> Any:
    if name == "plugins":
        return importlib.import_module("ultimate_deep.plugins")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "plugins"})


def _register_layers(keras: Any) -> None:
    """Tell Keras about every layer of ours, so that it loads files that hold them."""
    importlib.import_module("ultimate_deep.models.layers")


register_post_import_hook(_register_layers, "keras")
set_thread_pools()

__all__ = [
    "ExperimentConfig",
    "FeatureStream",
    "backtest",
    "build_model",
    "compute_features",
    "hypermodel",
    "judge",
    "load",
    "predict",
    "prepare",
    "read_bars",
    "run",
    "simulate_bars",
]
