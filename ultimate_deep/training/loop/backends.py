"""Step and forward pass of the backend that Keras runs on, and what only one of them has."""

from typing import Any

import keras

from ultimate_deep.machine.devices import asked_device
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.step import ForwardPass, Step
from ultimate_deep.training.participant import Participant

TENSORFLOW, JAX = "tensorflow", "jax"


def build_step(model: keras.Model, config: FitConfig, participant: Participant) -> Step:
    """Return the training step of this backend, not yet traced.

    Raises:
        RuntimeError: A backend that trains nothing here.
        ValueError: A setting that the backend does not have.
    """
    if _backend() == JAX:
        from ultimate_deep.training.loop.jax_step import JaxStep

        return JaxStep(model, config, participant)
    from ultimate_deep.training.loop.train_step import TrainStep

    return TrainStep(model, config, participant)


def build_forward(
    model: keras.Model, batch_size: int, *, jit_compile: bool, step: Step | None = None
) -> ForwardPass:
    """Return the forward pass of this backend, not yet traced.

    Args:
        model: The model to run.
        batch_size: Rows of a batch.
        jit_compile: Whether to compile with XLA, where there is a choice.
        step: The step whose variables are where it has placed them; None on one device.
    """
    if _backend() == JAX:
        from ultimate_deep.training.loop.jax_placement import Placement
        from ultimate_deep.training.loop.jax_step import JaxForward

        placement = getattr(step, "placement", None) or Placement("none", model)
        return JaxForward(model, batch_size, placement)
    from ultimate_deep.training.loop.train_step import Forward

    return Forward(model, batch_size, jit_compile=jit_compile)


def check_backend(config: FitConfig) -> None:
    """Refuse settings that the backend does not have, before anything is built.

    Raises:
        RuntimeError: A backend that trains nothing here.
        ValueError: Such a setting, by name.
    """
    if _backend() == TENSORFLOW:
        if config.sharding != "none":
            raise ValueError(
                f"fit.sharding {config.sharding} shares work out among JAX's devices, and Keras "
                "runs on TensorFlow; set KERAS_BACKEND=jax, or share batches out among processes "
                "with fit.workers"
            )
        return
    if config.sharding != "none" and asked_device().startswith("gpu:"):
        raise ValueError(
            f"fit.sharding {config.sharding} takes all devices, got --device {asked_device()}, "
            "which is one; leave one of them out"
        )
    for name, value, here in _on_tensorflow_alone(config):
        if value != here:
            raise ValueError(
                f"{name} {value!r} needs the TensorFlow backend, and Keras runs on JAX; set it to "
                f"{here!r}, or KERAS_BACKEND=tensorflow"
            )


def _on_tensorflow_alone(config: FitConfig) -> list[tuple[str, Any, Any]]:
    """Return settings that JAX does not have: name, value, and the value that does without."""
    named: list[tuple[str, Any, Any]] = [
        ("fit.workers", config.workers, 1),
        ("fit.gradients.micro_batches", config.gradients.micro_batches, 1),
        ("fit.gradients.sharpness", config.gradients.sharpness, 0.0),
        ("fit.averaging.kind", config.averaging.kind, "none"),
        ("fit.averaging.lookahead_steps", config.averaging.lookahead_steps, 0),
    ]
    if config.optimizer == "schedule_free":
        named.append(("fit.optimizer", config.optimizer, "adamw"))
    if config.batch_size_by == "noise":
        named.append(("fit.batch_size_by", config.batch_size_by, "epoch"))
    if config.jit_compile is False:  # JAX compiles always
        named.append(("fit.jit_compile", False, "auto"))
    if config.precision == "mixed_float16":
        named.append(("fit.precision", config.precision, "mixed_bfloat16"))
    return named


def _backend() -> str:
    found: str = keras.backend.backend()
    if found not in (TENSORFLOW, JAX):
        raise RuntimeError(
            f"fit runs on TensorFlow or JAX, got the backend {found}; set KERAS_BACKEND=tensorflow"
        )
    return found
