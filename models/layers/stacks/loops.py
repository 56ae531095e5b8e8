"""The loops over blocks, for the backend that Keras runs on: one file per backend."""

import importlib
from collections.abc import Callable
from typing import Any

import keras

BACKENDS = ("tensorflow", "jax")


def stack_loop() -> Callable[..., Any]:
    """`run_stack` of the current backend, the loop of `ResidualStack`."""
    return importlib.import_module(
        f"ultimate_deep.models.layers.stacks.stack_{_backend()}"
    ).run_stack


def dense_loop() -> Callable[..., Any]:
    """`run_dense` of the current backend, the loop of `DenseStack`."""
    return importlib.import_module(
        f"ultimate_deep.models.layers.stacks.dense_{_backend()}"
    ).run_dense


def _backend() -> str:
    """The current backend's name.

    Raises:
        NotImplementedError: The backend has no loops yet.
    """
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise NotImplementedError(
            f"stacked layers run on {', '.join(BACKENDS)}, and Keras runs on {backend!r}: set "
            "KERAS_BACKEND=tensorflow, or jax after pip install ultimate-deep[jax], before Keras "
            'is imported, or build the model with implementation="unrolled"'
        )
    return backend
