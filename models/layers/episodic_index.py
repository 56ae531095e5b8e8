"""An index of past windows with what came of them, which answers only from what was known."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.seeds import derive_seed

NEVER_DAY = 1e7  # known in 29,000 years: an empty slot
HIDDEN = -1e9
DAY_SECONDS = 86_400.0
TINY = 1e-12


@keras.saving.register_keras_serializable(package="ultimate_deep")
class EpisodicIndex(keras.layers.Layer):
    """Find the `nearest` past windows whose outcome was known, and say what came of them.

    `[window (batch, bars, features), clock (batch, 2)]` -> `(batch, outcomes + 2)` float32: the
    neighbours' mean outcome, their mean cosine, and the share of `nearest` that was found. The
    key of a window is a fixed random projection of its bars, newer ones weighing more. Neighbours
    are those of the largest `sharpness * cosine - fading * log(1 + age)`, age in days since the
    outcome was known, and weigh as the softmax of it; both factors are learnt. An entry with a
    known time after the clock is never looked at. Where there is none, the answer is learnt.

    A clock is `(days since 1970-01-01, seconds of that day)` in UTC, exact in float32. All of this
    is in float32 under every policy.

    Args:
        outcomes: Numbers kept about each past window.
        slots: Entries that there is room for.
        nearest: Neighbours asked for.
        key_width: Numbers in a key.
        half_life_bars: Age of a bar at which it weighs half in the key.
        seed: Seed of the projection and of the learnt answer.

    Raises:
        ValueError: A value out of range, or more neighbours than slots.

    Source: Pritzel et al. (2017), "Neural Episodic Control", arXiv:1703.01988, sec. 3.1 (nearest
    entries of a table, weighted by likeness); fixed random projections as keys: Blundell et al.
    (2016), arXiv:1606.04460, sec. 3.2. The known time and the fading with age are ours.
    """

    def __init__(
        self,
        outcomes: int,
        *,
        slots: int = 2048,
        nearest: int = 16,
        key_width: int = 32,
        half_life_bars: float = 8.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**{**layer_options, "dtype": "float32"})
        check_range("outcomes", outcomes, 1)
        check_range("slots", slots, 1)
        check_range("nearest", nearest, 1, slots + 1)
        check_range("key_width", key_width, 1)
        check_range("half_life_bars", half_life_bars, 1e-3)
        self.outcomes, self.slots, self.nearest = int(outcomes), int(slots), int(nearest)
        self.key_width, self.half_life_bars = int(key_width), float(half_life_bars)
        self.seed = int(seed)

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Create the projection, the empty table and the three learnt parts."""
        (_, bars, features), _ = input_shape
        age = np.repeat(np.arange(bars)[::-1], features)[:, None]
        projection = np.random.default_rng(derive_seed(self.seed, self.name)).normal(
            size=(bars * features, self.key_width)
        )
        self.projection = self._kept("projection", projection * 0.5 ** (age / self.half_life_bars))
        self.keys = self._kept("keys", np.zeros((self.slots, self.key_width)))
        self.values = self._kept("outcomes", np.zeros((self.slots, self.outcomes)))
        never = np.tile([NEVER_DAY, 0.0], (self.slots, 1))
        self.known_clock = self._kept("known_clock", never)
        self.nothing = self.add_weight(
            name="nothing",
            shape=(self.outcomes + 2,),
            initializer=keras.initializers.RandomNormal(
                stddev=0.1, seed=derive_seed(self.seed, f"{self.name}/nothing")
            ),
        )
        # Before softplus: about 10 and 0.5.
        self.sharpness = self._learnt("sharpness", 10.0)
        self.fading = self._learnt("fading", -0.4)

    def call(self, inputs: list[Any]) -> Any:
        """Return what came of the neighbours, `(batch, outcomes + 2)`."""
        score, cosine, outcomes, found = self.neighbours(inputs)
        shares = ops.softmax(ops.where(found > 0, score, HIDDEN), axis=-1) * found
        mean = ops.sum(outcomes * shares[..., None], axis=1)
        likeness = ops.sum(cosine * shares, axis=1, keepdims=True)
        answer = ops.concatenate([mean, likeness, ops.mean(found, axis=1, keepdims=True)], axis=-1)
        nothing = ops.convert_to_tensor(self.nothing)
        return ops.where(ops.any(found > 0, axis=1, keepdims=True), answer, nothing)

    def neighbours(self, inputs: list[Any]) -> tuple[Any, Any, Any, Any]:
        """The nearest entries that were known.

        Returns:
            Score and cosine, each `(batch, nearest)`; outcomes `(batch, nearest, outcomes)`; and
            1 where there is an entry or else 0, `(batch, nearest)`. Zeros where there is none.
        """
        window, clock = inputs
        cosine = ops.matmul(self.key_of(window), ops.transpose(self.keys))
        days = clock[:, :1] - self.known_clock[:, 0]
        age = ops.maximum(days + (clock[:, 1:] - self.known_clock[:, 1]) / DAY_SECONDS, 0.0)
        score = ops.softplus(self.sharpness) * cosine - ops.softplus(self.fading) * ops.log1p(age)
        score, row = ops.top_k(ops.where(self._known(clock), score, HIDDEN), self.nearest)
        found = ops.cast(score > HIDDEN / 2, "float32")
        outcomes = ops.take(self.values, row, axis=0) * found[..., None]
        return score * found, ops.take_along_axis(cosine, row, axis=1) * found, outcomes, found

    def key_of(self, window: Any) -> Any:
        """Keys of length 1: `(batch, bars, features)` to `(batch, key_width)`."""
        rows = ops.reshape(window, (-1, window.shape[1] * window.shape[2]))
        key = ops.matmul(rows, self.projection)
        return key * ops.rsqrt(ops.sum(ops.square(key), axis=-1, keepdims=True) + TINY)

    def fill(self, keys: np.ndarray, outcomes: np.ndarray, known_clock: np.ndarray) -> None:
        """Replace the table; what it has room for beyond these entries stays empty.

        Args:
            keys: `(entries, key_width)` of length 1.
            outcomes: `(entries, outcomes)`.
            known_clock: `(entries, 2)`, when each outcome was known.

        Raises:
            ValueError: More entries than slots, or shapes that differ.
        """
        entries = len(keys)
        if entries > self.slots or not entries == len(outcomes) == len(known_clock):
            raise ValueError(
                f"an index of {self.slots} slots takes as many keys as outcomes and clocks, got "
                f"{entries}, {len(outcomes)} and {len(known_clock)}: choose fewer or add slots"
            )
        table = np.zeros((self.slots, self.key_width), "float32")
        values = np.zeros((self.slots, self.outcomes), "float32")
        clock = np.tile(np.array([NEVER_DAY, 0.0], "float32"), (self.slots, 1))
        table[:entries], values[:entries], clock[:entries] = keys, outcomes, known_clock
        self.keys.assign(table)
        self.values.assign(values)
        self.known_clock.assign(clock)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`(batch, outcomes + 2)`."""
        return (input_shape[0][0], self.outcomes + 2)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer; its entries are weights."""
        fields = ("outcomes", "slots", "nearest", "key_width", "half_life_bars", "seed")
        return {**super().get_config(), **{field: getattr(self, field) for field in fields}}

    def _known(self, clock: Any) -> Any:
        """Whether each entry was known at each clock: `(batch, slots)`."""
        day, second = clock[:, :1], clock[:, 1:]
        known_day, known_second = self.known_clock[:, 0], self.known_clock[:, 1]
        same_day = ops.logical_and(known_day == day, known_second <= second)
        return ops.logical_or(known_day < day, same_day)

    def _kept(self, name: str, values: np.ndarray) -> Any:
        """A weight that is filled, not trained."""
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype=dtype),
            trainable=False,
        )

    def _learnt(self, name: str, value: float) -> Any:
        return self.add_weight(name=name, shape=(), initializer=keras.initializers.Constant(value))
