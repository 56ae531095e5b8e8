"""Whether FlashAttention runs here: found out by trying it, never assumed."""

import functools
from typing import NamedTuple

import keras
from keras import ops


class FlashSupport(NamedTuple):
    """Whether FlashAttention runs, and why, as a sentence for people."""

    runs: bool
    reason: str


@functools.cache
def flash_runs(head_width: int, compute_dtype: str = "float32") -> FlashSupport:
    """Try Keras' FlashAttention once on small arrays, on this backend and its first device.

    Keras has it for JAX and torch on accelerators, for 16-bit types and some widths of a head.
    On TensorFlow there is none: the plain attention is computed, whatever is asked for.

    Args:
        head_width: Width of one head.
        compute_dtype: What the layer computes in.

    Source: Dao et al. (2022), arXiv:2205.14135.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return FlashSupport(False, "Keras has no FlashAttention on TensorFlow: plain attention")
    if not _accelerated():
        return FlashSupport(False, f"no accelerator under {backend}: plain attention")
    x = ops.zeros((1, 128, 1, head_width), dtype=compute_dtype)
    try:
        ops.dot_product_attention(x, x, x, flash_attention=True)
    except Exception as error:
        # What a backend raises here differs by backend, driver and version.
        return FlashSupport(False, f"{backend} refuses it ({error}): plain attention")
    return FlashSupport(True, f"FlashAttention of {backend}")


def _accelerated() -> bool:
    return any(not name.startswith("cpu") for name in keras.distribution.list_devices())
