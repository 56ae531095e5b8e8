"""Stacks on JAX for `test_jax.py`: what TensorFlow computed, and small models that fit."""

import json
from pathlib import Path
from unittest import mock

import jax
import keras
import numpy as np

from ultimate_deep.models import layers


def load(kind, config, weights, shape):
    layer = getattr(layers, kind).from_config(config)
    # The numbers that are drawn here are replaced at once: drawing them would compile in vain.
    with mock.patch.object(keras.initializers.RandomNormal, "__call__", zeros):
        layer.build((None, *shape[1:]))
    for weight in layer.weights:
        weight.assign(weights[weight.name])
    layer.seed_generator.state.assign([7, 0])
    return layer


def zeros(self, shape, dtype=None):
    return np.zeros(shape, dtype)


def outputs_and_gradients(layer, x, upstream):
    """The same quantities as `test_jax.outputs_and_gradients`."""
    still = [variable.value for variable in layer.non_trainable_variables]

    @jax.jit
    def step(trained, x):
        def loss(trained, x):
            y, moved = layer.stateless_call(trained, still, x, training=True)
            return (y * upstream).sum(), (y, moved)

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(trained, x)

    trained = [variable.value for variable in layer.trainable_variables]
    (_, (y, moved)), (gradients, dx) = step(trained, x)
    names = [f"gradient/{variable.name}" for variable in layer.trainable_variables]
    moved = {
        f"moved/{variable.name}": value
        for variable, value in zip(layer.non_trainable_variables, moved, strict=True)
        if "moving" in variable.name
    }
    return {"output": y, "gradient/input": dx, **dict(zip(names, gradients, strict=True)), **moved}


def fit_losses(memory):
    """Losses of one small model trained by `fit`; in one mode, predictions too."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8)).astype("float32")
    y = x[:, :1]
    inputs = keras.Input((8,))
    stack = layers.ResidualStack(
        (12,), coupling="additive", dropout_rate=0.1, memory=memory, seed=3, name="stack"
    )
    outputs = keras.layers.Dense(1, kernel_initializer="zeros")(stack(inputs)[:, -1])
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mean_squared_error")
    history = model.fit(x, y, batch_size=32, epochs=4, verbose=0, shuffle=False)
    found = {"losses": history.history["loss"]}
    if memory == "store":
        found |= {"eager": model(x, training=False), "predicted": model.predict(x, verbose=0)}
    return found


def main(cases_json, cases_npz, results_npz):
    arrays = np.load(cases_npz)
    results = {}
    for number, (kind, config) in enumerate(json.loads(Path(cases_json).read_text())):
        prefix = f"{number}/"
        here = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        layer = load(kind, config, here, here["x"].shape)
        # Bits are compared as XLA leaves them with all its optimizations.
        jax.config.update("jax_disable_most_optimizations", not config["exact"])
        found = outputs_and_gradients(layer, here["x"], here["upstream"])
        results.update({prefix + name: value for name, value in found.items()})
    jax.config.update("jax_disable_most_optimizations", True)
    for memory in ("store", "checkpoint", "reversible"):
        for name, value in fit_losses(memory).items():
            results[f"fit/{memory}/{name}"] = value
    np.savez(results_npz, **{name: np.asarray(value) for name, value in results.items()})
