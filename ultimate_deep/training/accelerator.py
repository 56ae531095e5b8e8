"""The GPU that this process computes on, as the backend in use tells of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Accelerator:
    """A GPU.

    Args:
        number: Its number, from 0.
        name: What its maker calls it.
        capability: Compute capability, `(0, 0)` where it is not told.
    """

    number: int
    name: str
    capability: tuple[int, int]


def on_jax() -> bool:
    """Return whether Keras runs on JAX."""
    import keras

    return bool(keras.backend.backend() == "jax")


def accelerator() -> Accelerator | None:
    """Return the GPU that computes; None without one."""
    return _of_jax() if on_jax() else _of_tensorflow()


def peak_bytes() -> int | None:
    """Return the peak of the GPU's memory so far; None without one, or where it is not told."""
    if accelerator() is None:
        return None
    if on_jax():
        stats = _first_device().memory_stats() or {}
        peak: int | None = stats.get("peak_bytes_in_use")
        return peak
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def _first_device() -> Any:
    import jax

    # `--device gpu:1` has chosen one.
    return jax.config.jax_default_device or jax.local_devices()[0]


def _of_jax() -> Accelerator | None:
    device = _first_device()
    if device.platform != "gpu":
        return None
    major, _, minor = str(getattr(device, "compute_capability", "0.0")).partition(".")
    return Accelerator(device.id, device.device_kind, (int(major), int(minor or 0)))


def _of_tensorflow() -> Accelerator | None:
    import tensorflow as tf

    visible = tf.config.get_visible_devices("GPU")
    if not visible:
        return None
    details = tf.config.experimental.get_device_details(visible[0])
    major, minor = details.get("compute_capability", (0, 0))
    number = int(visible[0].name.rpartition(":")[2])
    return Accelerator(number, details.get("device_name", "a GPU"), (int(major), int(minor)))
