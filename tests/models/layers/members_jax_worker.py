"""Nets with members on JAX: answers and readings with given weights, and a step of Keras' own."""

import json
from pathlib import Path

import jax
import keras
import numpy as np

from ultimate_deep import models
from ultimate_deep.models.registry import config_class
from ultimate_deep.models.surgery.readings import training_readings


def main(cases_json, cases_npz, results_npz):
    arrays = np.load(cases_npz)
    results = {}
    for number, (name, fields) in enumerate(json.loads(Path(cases_json).read_text())):
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        x = arrays["x"]
        config = config_class(name)(**fields)
        model = models.build_model(name, {"features": x.shape[1:]}, config=config)
        model.set_weights([arrays[f"{number}/{i}"] for i in range(len(model.weights))])
        results[f"{number}/answers"] = called(model, x, training=False)
        readings = training_readings(model).model
        for key, value in called(readings, x, training=True).items():
            results[f"{number}/{key}"] = value
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(optimizer="sgd", loss=loss)
        results[f"{number}/loss"] = model.train_on_batch(x, np.ones((len(x), 1)))
    np.savez(results_npz, **results)


def called(model, x, *, training):
    """One program rather than one for each operation."""
    weights = [
        [v.value for v in kind]
        for kind in (model.trainable_variables, model.non_trainable_variables)
    ]
    found = jax.jit(lambda x: model.stateless_call(*weights, x, training=training)[0])(x)
    return jax.tree.map(np.asarray, found)
