"""Dense blocks on JAX for `test_dense_stack.py`."""

import jax
import numpy as np

from ultimate_deep.models.layers.stacks.dense_block import DenseLayout, DenseSettings
from ultimate_deep.models.layers.stacks.dense_jax import run_dense


def main(source, target):
    given = np.load(source)
    layout = DenseLayout(tuple(given["units"].tolist()), 6, 3)
    results = {}
    for kind in ("layer", "batch"):
        settings = DenseSettings(
            normalization=kind,
            activation="tanh",
            dropout_rate=0.3,
            stochastic_depth=0.4,
            compute_dtype="float32",
        )

        def run(x, weights, moving, settings=settings):
            y, moments = run_dense(
                x,
                weights,
                moving,
                layout=layout,
                settings=settings,
                seed=np.array([7, 0], dtype="uint32"),
                batch_moments=settings.normalization == "batch",
            )
            return (y * given["upstream"]).sum(), (y, moments)

        ours = {
            name.removeprefix(f"{kind}/"): given[name]
            for name in given.files
            if name.startswith(f"{kind}/")
        }
        moving = {name: ours.pop(name) for name in sorted(ours) if "moving" in name}
        step = jax.jit(jax.grad(run, argnums=(0, 1), has_aux=True))
        (dx, gradients), (y, moments) = step(given["x"], ours, moving)
        for name, value in {"input": dx, "output": y, **gradients, **moments}.items():
            results[f"{kind}/{name}"] = np.asarray(value)
    np.savez(target, **results)
