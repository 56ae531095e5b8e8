"""The loop over blocks, for the backend that Keras runs on."""

import importlib
from collections.abc import Callable
from typing import Any

import keras

LOOPS: dict[str, str] = {"tensorflow": "models.layers.stack_tensorflow"}


def stack_loop() -> Callable[..., Any]:
    """`run_stack` of the current backend.

    Raises:
        NotImplementedError: the backend has no loop yet.
    """
    backend = keras.backend.backend()
    if backend not in LOOPS:
        raise NotImplementedError(
            f"ResidualStack runs on {', '.join(LOOPS)}, and Keras runs on {backend!r}: set "
            'KERAS_BACKEND=tensorflow before importing keras, or build with implementation="unrolled".'
        )
    return importlib.import_module(LOOPS[backend]).run_stack
