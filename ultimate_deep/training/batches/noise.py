"""How noisy gradients are: the batch size beyond which a larger one stops to pay."""

import keras
import tensorflow as tf

from ultimate_deep.training.batches.accumulation import Accumulation
from ultimate_deep.training.participant import Compute, StepGradients, StepTensors

DECAY = 0.95


class NoiseScale:
    """The gradient noise scale, measured from the halves of every batch.

    With `g` of the whole batch of `B` rows and `h` the mean square of its halves, `|G|^2` is
    estimated by `2 |g|^2 - h` and the trace of the noise by `B (h - |g|^2)`; both are averaged
    over steps, and their ratio is the scale. Halves see statistics of norms of their own.

    Args:
        model: The model that is trained.

    Source: McCandlish, Kaplan, Amodei & OpenAI Dota Team (2018), arXiv:1812.06162, eq. 2.9 and
    appendix A.1.
    """

    def __init__(self, model: keras.Model) -> None:
        self._halves = Accumulation(model, 2)
        self._model = model
        self.noise = keras.Variable(0.0, trainable=False, name="noise")
        self.signal = keras.Variable(0.0, trainable=False, name="signal")

    def reset(self) -> None:
        """Forget what was measured."""
        self.noise.assign(0.0)
        self.signal.assign(0.0)

    @property
    def rows(self) -> float:
        """The scale in rows of a batch; infinite where no gradient stands out of its noise."""
        noise, signal = float(self.noise.numpy()), float(self.signal.numpy())
        return noise / signal if signal > 0 else float("inf")

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        """Return the gradients of a batch, and measure."""
        rows, kept = int(tensors.weight.shape[0]), self._halves.values_before_gradients
        parts = [self._halves.sums(tensors, compute, 1, first) for first in (0, 1)]
        mean = sum(_square(part[kept:]) for part in parts) / 2
        found = self._halves.finished([a + b for a, b in zip(*parts, strict=True)])
        whole = _square(found.gradients)
        self._move(self.noise, rows * (mean - whole))
        self._move(self.signal, 2 * whole - mean)
        return found

    def _move(self, variable: keras.Variable, value: tf.Tensor) -> None:
        # A gradient that overflows in float16 is no measurement: the optimizer leaves it out too.
        moved = DECAY * variable.value + (1 - DECAY) * value
        variable.assign(tf.where(tf.math.is_finite(value), moved, variable.value))


def _square(gradients: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(tf.square(tf.cast(one, tf.float32))) for one in gradients])
