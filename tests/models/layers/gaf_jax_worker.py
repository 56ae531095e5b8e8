"""Images and their gradients on JAX for `test_gaf_images.py`."""

import jax
import numpy as np

from ultimate_deep.models.layers import GafImages


def main(source, target):
    given, layer = np.load(source), GafImages()

    def total(x):
        return (layer(x) * given["upstream"]).sum()

    x = given["numbers"]
    np.savez(target, images=jax.jit(layer)(x), gradient=jax.jit(jax.grad(total))(x))
