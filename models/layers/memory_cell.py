"""One time step of a recurrent net with a short-term and a long-term memory bank."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_positive, check_range
from ultimate_deep.models.seeds import derive_seed

BANKS = 2  # short-term, long-term
SHORT_RETENTION_LOGIT = 3.0  # keeps 95% a bar at first
SHARPNESS_BIAS = 3.0  # of the cosine, before softplus
TAG_GAIN = 2.0  # addresses are told apart from the start
FORGET_BIAS = 1.0
TINY = 1e-8  # squared length below which a key or contents count as none


class Interface(NamedTuple):
    """What the controller says to both banks; the second axis is the bank.

    Attributes:
        tag_scores: `(batch, banks, 2, slots)` of the read and of the write.
        keys: `(batch, banks, 2, content_width)`, as long as their sharpness.
        erase: `(batch, banks, content_width, 1)` in (0, 1).
        add: `(batch, banks, content_width, 1)` in (-1, 1).
        importance: `(batch, banks, 1)` in (0, 1).
    """

    tag_scores: Any
    keys: Any
    erase: Any
    add: Any
    importance: Any


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MemoryCell(keras.layers.Layer):
    """An LSTM controller that reads and writes two banks; a cell for `keras.layers.RNN`.

    Each bar: the controller reads `(batch, features)` and what was read a bar ago; both banks are
    read, then written. A slot has a learnt tag, which stays, and contents, which start from learnt
    ones; it is found by the product of controller and tag, and by the cosine of a key and its
    contents times a sharpness. Writing is `c + g * w * (add - erase * c)` with `c = keep *
    contents`, the address `w` and `g = importance * rate`. Short-term: rate 1, `keep` learnt,
    below 1. Long-term: a small rate and `keep = 1`, so that it takes up little of each bar and
    holds it longer.

    Output `(batch, units + 2 * content_width)`: the controller's, then both banks' reads.

    Args:
        units: Units of the controller.
        slots: Slots of each bank.
        content_width: Numbers in a slot's contents.
        long_rate: Share of a write that the long-term bank takes, in (0, 1].
        seed: Seed of all weights.

    Raises:
        ValueError: A value out of range.

    Source: Graves, Wayne & Danihelka (2014), arXiv:1410.5401, eq. 2 (read), 3 and 4 (erase and
    add), 5 and 6 (content addressing); no shifts by location (eq. 7 to 9). Learnt tags beside the
    contents: Gulcehre et al. (2016), arXiv:1607.00036, sec. 3, theirs within one cosine. The
    importance gate plays the part of the write gate of Graves et al. (2016), Nature 538, methods;
    the two rates are ours.
    """

    def __init__(
        self,
        units: int,
        *,
        slots: int = 16,
        content_width: int = 16,
        long_rate: float = 0.1,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        sizes = {"units": units, "slots": slots, "content_width": content_width}
        for field, value in sizes.items():
            check_range(field, value, 1)
        check_positive("long_rate", long_rate)
        check_range("1 - long_rate", 1 - long_rate, 0.0)
        self.units, self.slots = int(units), int(slots)
        self.content_width = int(content_width)
        self.long_rate, self.seed = float(long_rate), int(seed)

    @property
    def state_size(self) -> list[int]:
        """Controller's output and cell, last reads, contents of both banks, all flat."""
        read = BANKS * self.content_width
        return [self.units, self.units, read, read * self.slots]

    @property
    def output_size(self) -> int:
        """Numbers given out at each bar."""
        return self.units + BANKS * self.content_width

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the controller, the interface, and the banks' beginnings."""
        features = input_shape[-1]
        given = features + self.units + BANKS * self.content_width
        self.controller = self._kernel("controller", given, 4 * self.units)
        gates = np.repeat([0.0, FORGET_BIAS, 0.0, 0.0], self.units)
        self.controller_bias = self._numbers("controller_bias", gates)
        heard = features + self.units
        self.interface = self._kernel("interface", heard, BANKS * sum(self._parts().values()))
        bias = {"sharpness": SHARPNESS_BIAS}
        ones = [np.full(size, bias.get(part, 0.0)) for part, size in self._parts().items()]
        self.interface_bias = self._numbers("interface_bias", np.tile(np.concatenate(ones), BANKS))
        self.tags = self._kernel("tags", heard, BANKS * 2 * self.slots, TAG_GAIN)
        self.contents = self.add_weight(
            name="initial_contents",
            shape=(BANKS, self.content_width, self.slots),
            initializer=keras.initializers.RandomNormal(
                stddev=0.1, seed=derive_seed(self.seed, f"{self.name}/initial_contents")
            ),
        )
        self.retention = self._numbers("retention", np.array([SHORT_RETENTION_LOGIT]))

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        """One bar: `(batch, features)` and the state to the output and the next state."""
        output, cell, last_reads, flat = states
        output, cell = self._control(inputs, output, cell, last_reads)
        interface = self._interface(ops.concatenate([inputs, output], axis=-1))
        contents = ops.reshape(flat, (-1, BANKS, self.content_width, self.slots))
        address = self._addresses(contents, interface)
        reads = ops.sum(contents * address[:, :, :1], axis=-1)
        reads = ops.reshape(reads, (-1, BANKS * self.content_width))
        written = self._written(contents, address[:, :, 1], interface)
        flat = ops.reshape(written, (-1, self.state_size[3]))
        return ops.concatenate([output, reads], axis=-1), [output, cell, reads, flat]

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros, and the learnt contents for every row."""
        zeros = [
            ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size[:3]
        ]
        flat = ops.reshape(ops.cast(self.contents, self.compute_dtype), (1, -1))
        return [*zeros, ops.tile(flat, (batch_size, 1))]

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this cell."""
        fields = ("units", "slots", "content_width", "long_rate", "seed")
        return {**super().get_config(), **{field: getattr(self, field) for field in fields}}

    def _parts(self) -> dict[str, int]:
        """Numbers of each part of one bank's interface; keys and sharpness of read and write."""
        width = self.content_width
        return {"keys": 2 * width, "sharpness": 2, "importance": 1, "erase": width, "add": width}

    def _control(self, inputs: Any, output: Any, cell: Any, last_reads: Any) -> tuple[Any, Any]:
        """One step of an LSTM on the bar and the last reads."""
        given = ops.concatenate([inputs, output, last_reads], axis=-1)
        gates = ops.matmul(given, self.controller) + self.controller_bias
        enter, keep, leave = ops.split(ops.sigmoid(gates[:, : 3 * self.units]), 3, axis=-1)
        cell = keep * cell + enter * ops.tanh(gates[:, 3 * self.units :])
        return leave * ops.tanh(cell), cell

    def _interface(self, heard: Any) -> Interface:
        """From `(batch, features + units)`."""
        raw = ops.matmul(heard, self.interface) + self.interface_bias
        raw = ops.reshape(raw, (-1, BANKS, sum(self._parts().values())))
        ends = np.cumsum(list(self._parts().values()))[:-1].tolist()
        keys, sharpness, importance, erase, add = ops.split(raw, ends, axis=-1)
        keys = ops.reshape(keys, (-1, BANKS, 2, self.content_width))
        length = ops.sqrt(ops.sum(ops.square(keys), axis=-1, keepdims=True) + TINY)
        tag_scores = ops.reshape(ops.matmul(heard, self.tags), (-1, BANKS, 2, self.slots))
        return Interface(
            tag_scores,
            keys * (ops.softplus(sharpness)[..., None] / length),
            ops.sigmoid(erase)[..., None],
            ops.tanh(add)[..., None],
            ops.sigmoid(importance),
        )

    def _addresses(self, contents: Any, interface: Interface) -> Any:
        """Shares of the slots in the read and in the write, `(batch, banks, 2, slots)`."""
        squares = ops.sum(ops.square(contents), axis=2, keepdims=True)
        cosine = ops.matmul(interface.keys, contents) * ops.rsqrt(squares + TINY)
        return ops.softmax(interface.tag_scores + cosine, axis=-1)

    def _written(self, contents: Any, write_at: Any, interface: Interface) -> Any:
        """The contents after this bar's writes."""
        short = ops.sigmoid(ops.convert_to_tensor(self.retention))
        keep = ops.concatenate([short, ops.ones_like(short)])
        kept = contents * ops.reshape(keep, (BANKS, 1, 1))
        rate = np.array([[1.0], [self.long_rate]], dtype="float32")
        weight = (write_at * (interface.importance * rate))[:, :, None]
        return kept + weight * (interface.add - interface.erase * kept)

    def _kernel(self, name: str, rows: int, columns: int, gain: float = 1.0) -> Any:
        seed = derive_seed(self.seed, f"{self.name}/{name}")
        limit = gain * math.sqrt(6.0 / (rows + columns))
        return self.add_weight(
            name=f"{name}_kernel",
            shape=(rows, columns),
            initializer=keras.initializers.RandomUniform(-limit, limit, seed=seed),
        )

    def _numbers(self, name: str, values: np.ndarray) -> Any:
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype=dtype),
        )
