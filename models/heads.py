"""What a model is asked to say: the shape of its output."""

from dataclasses import dataclass

import keras

from models.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class Heads:
    """One float32 logit of "up" per horizon; `Heads()` is one horizon."""

    horizons: int = 1

    def __post_init__(self) -> None:
        if self.horizons < 1:
            raise ValueError(
                f"Heads.horizons must be at least 1, got {self.horizons}: "
                "give one horizon per label column."
            )


def logits_layer(heads: Heads, *, seed: int, l2: float = 0.0) -> keras.layers.Layer:
    """The last layer of every builder: `(batch, width)` to `(batch, horizons)` float32 logits.

    It stays in float32 under every precision policy, since a bfloat16 logit has only 8 bits.
    """
    return keras.layers.Dense(
        heads.horizons,
        kernel_initializer=keras.initializers.GlorotUniform(seed=derive_seed(seed, "logits")),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32",
        name="logits",
    )
