"""The transformers on JAX: predictions with given weights, a step, and memory of attention."""

import json
from pathlib import Path
from unittest import mock

import jax
import keras
import numpy as np

from ultimate_deep import models
from ultimate_deep.models.layers import SequenceAttention
from ultimate_deep.models.layers.attention.flash import flash_runs
from ultimate_deep.models.registry import config_class

TIME, WIDTH = 2048, 32
STEPPED = (0, 3)  # experts and chunks; several timeframes


def main(cases_json, cases_npz, results_npz):
    cases = json.loads(Path(cases_json).read_text())
    arrays = np.load(cases_npz)
    results = {}
    for number, (name, fields) in enumerate(cases):
        given = {key: arrays[key] for key in arrays.files if key.startswith(f"{number}/")}
        x = {k.split("/")[2]: v for k, v in given.items() if k.split("/")[1] == "x"}
        inputs = {key: value.shape[1:] for key, value in x.items()}
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        model = built(name, inputs, config_class(name)(**fields))
        model.set_weights([given[f"{number}/w/{i}"] for i in range(len(model.weights))])
        fed = x if len(x) > 1 else x["bars"]
        results[f"{number}"] = predicted(model, fed)
        if number not in STEPPED:
            continue
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(optimizer="sgd", loss=loss)
        results[f"{number}/loss"] = model.train_on_batch(fed, np.ones((len(results["0"]), 1)))
    for kind in ("full", "chunked"):
        results[f"bytes/{kind}"] = bytes_beside_arguments(kind)
    results["flash"] = flash_runs(16, "bfloat16").runs
    np.savez(results_npz, **results)


def built(name, inputs, config):
    """A model whose weights are to be set: drawing them first would compile in vain."""

    def zeros(self, shape, dtype=None, **_):
        return np.zeros(shape, dtype)

    drawn = (keras.initializers.RandomNormal, keras.initializers.VarianceScaling)
    with (
        mock.patch.multiple(drawn[0], __call__=zeros),
        mock.patch.multiple(drawn[1], __call__=zeros),
    ):
        return models.build_model(name, inputs, config=config)


def predicted(model, fed):
    """One program rather than one for each operation."""
    weights = [
        [v.value for v in kind]
        for kind in (model.trainable_variables, model.non_trainable_variables)
    ]
    return np.asarray(jax.jit(lambda x: model.stateless_call(*weights, x)[0])(fed))


def bytes_beside_arguments(kind):
    """What XLA reserves for a forward and backward pass of one long window."""
    layer = SequenceAttention(2, kind=kind, chunk_bars=128)
    layer.build((1, TIME, WIDTH))
    weights = [weight.value for weight in layer.trainable_variables]

    def loss(weights, x):
        y, _ = layer.stateless_call(weights, [], x)
        return (y * y).sum()

    x = np.zeros((1, TIME, WIDTH), "float32")
    compiled = jax.jit(jax.grad(loss)).lower(weights, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes
