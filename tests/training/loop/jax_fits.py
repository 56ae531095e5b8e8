"""Fits on JAX in a process of their own, whose devices are simulated; prints what a test checks.

python jax_fits.py CASE [FOLDER]
"""

import json
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from ultimate_deep.bundles.saved_model import compile_outputs
from ultimate_deep.models.registry import build_model, config_class
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.backend import load_backend
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import compile_fit, time_fit
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.loop.plan import make_plan
from ultimate_deep.training.progress import Progress

ROWS, FEATURES = 96, 8


def rows():
    x = np.random.default_rng(1).normal(size=(ROWS, FEATURES)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + x[:, 1:2] > 0).astype(np.float32))


def with_norms():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((FEATURES,), name="features")
    x = keras.layers.Dense(8, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(0.3, seed=3)(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", kernel_regularizer="l2")(x))


def net(name, **options):
    keras.utils.set_random_seed(0)
    config = config_class(name)(**options)
    return build_model(name, {"features": (FEATURES,)}, config=config)


def deep():
    return net("stack", blocks=3, width=16, members=2, feature_dropout=0.2, dropout_rate=0.1)


def settings(**changes):
    return FitConfig(**{
        "epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "evaluation_batch_size": 32,
        "patience_epochs": 0, "checkpoint_every_seconds": 0.0, **changes,
    })  # fmt: skip


class StopAt(Progress):
    def __init__(self, steps):
        self.left = steps

    def step(self, epoch, step, loss):
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


def run(model, config, folder=None, compiled=None, **more):
    compiled = compiled or compile_fit(model, config)
    arrays = rows()
    result = fit(model, arrays, arrays, config, checkpoint_folder=folder, compiled=compiled, **more)
    weights = [np.asarray(v).tolist() for v in model.variables]
    return {"losses": result.history["loss"].tolist(),
            "validation": result.history["validation_loss"].tolist(),
            "weights": weights}  # fmt: skip


def shared(model, sharding):
    """Return what several devices find, how stacked weights lie, and what the plan says."""
    config = settings(sharding=sharding)
    arrays = rows()
    compiled = time_fit(model, arrays, arrays, config)
    plan = make_plan(model, arrays, arrays, config, compiled=compiled)
    parts = [v.value.addressable_shards[0].data.size / v.value.size for v in model.variables]
    found = run(model, config, compiled=compiled)
    return found | {"smallest_part": min(parts), "said": plan.lines().get("devices", "")}


def main():
    load_backend()
    case, folder = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if case == "one":
        changes = {"augmentations": {"jitter": 0.05, "feature_dropout": 0.2}}
        straight = run(with_norms(), settings(**changes))
        try:
            run(with_norms(), settings(**changes), folder, progress=StopAt(8))
        except Interrupted as stopped:
            said = str(stopped)
        model = with_norms()
        resumed = run(model, settings(**changes), folder, resume=True)
        model.save(folder / "net.keras")
        logits = compile_outputs(model, batch_rows=32)(rows().x)["logits"].tolist()
        found = {"straight": straight, "resumed": resumed, "said": said, "logits": logits}
        print(json.dumps(found))
    elif case == "devices":
        nets = {"with_norms": with_norms, "deep": deep}
        found = {
            f"{name} {sharding}": run(build(), settings()) if sharding == "none"
            else shared(build(), sharding)
            for name, build in nets.items()
            for sharding in ("none", "data" if name == "with_norms" else "stacks")
        }  # fmt: skip
        print(json.dumps(found))
    else:
        print(json.dumps(run(with_norms(), settings(sharding="data"))))


if __name__ == "__main__":
    main()
