"""The loop over densely connected blocks on TensorFlow, with a hand-written backward loop.

A unit's final buffer holds every block's output, so keeping one buffer for each unit is all
that the backward loop needs: block b's input is the buffer up to its own slot. Memory is
linear in the number of blocks, where joining anew in each block would make it quadratic.

Source: Pleiss et al. (2017), "Memory-Efficient Implementation of DenseNets", arXiv:1707.06990,
sec. 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from models.layers.dense_block import (
    DenseLayout,
    DenseSettings,
    Weights,
    dense_layer,
    padded_rows,
)
from models.layers.masks_tensorflow import MaskSource, mask_source

PARTS = ("block", "transition")


def run_dense(
    x: Any,
    weights: Weights,
    moving: Weights,
    *,
    layout: DenseLayout,
    settings: DenseSettings,
    seed: Any,
    batch_moments: bool,
) -> tuple[Any, Weights]:
    """Run every block and transition of every unit.

    Args:
        x: `(batch, width)` float32.
        weights: name to packed trainable weight.
        moving: name to packed moving statistic, empty but for batch normalisation.
        layout: where each block's rows lie.
        settings: what all blocks share.
        seed: int `(2,)`, of the dropout masks; None is no dropout.
        batch_moments: normalise by the batch's own moments rather than the moving ones.

    Returns:
        The units' outputs `(units, batch, width)`, and, with `batch_moments`, the batch's
        moments, packed, under the names of the moving statistics.
    """
    names = tuple(weights)
    padding = {
        "block": padded_rows(layout.block_fans, layout.buffer_width),
        "transition": padded_rows(layout.transition_fans, layout.buffer_width),
    }
    shape = (tf.shape(x)[0], layout.growth_rate)
    masks = mask_source(shape, len(layout.block_fans), seed, settings.dropout_rate)
    padded_moving = {name: _pad(name, value, padding) for name, value in moving.items()}
    unit = _Unit(layout, settings, padded_moving, masks, batch_moments)

    @tf.custom_gradient
    def stack(x: Any, *packed: Any) -> tuple[Any, Callable[..., Any]]:
        padded = {n: _pad(n, w, padding) for n, w in zip(names, packed, strict=True)}
        taps, moments, saved = _forward(x, padded, unit)
        moments = [
            _pack(f"{part}_norm", values, padding)
            for part, pair in zip(PARTS, moments, strict=True)
            for values in pair
        ]

        def backward(taps_gradient: Any, *_: Any) -> tuple[Any, ...]:
            dx, gradients = _backward(taps_gradient, padded, unit, saved)
            return (dx, *(_pack(name, gradients[name], padding) for name in names))

        return (taps, *moments), backward

    # In eager mode Keras hands over variables, which a custom gradient takes for captured ones.
    taps, *moments = stack(x, *(tf.convert_to_tensor(w) for w in weights.values()))
    return taps, dict(zip(moving, moments, strict=True)) if batch_moments else {}


def _pad(name: str, packed: Any, padding: dict[str, Any]) -> Any:
    """Packed rows to `(readers, buffer_width, ...)`; a bias has one row for each reader as is."""
    if name.endswith("_bias"):
        return packed
    return tf.gather(packed, padding[name.split("_")[0]][0])


def _pack(name: str, padded: Any, padding: dict[str, Any]) -> Any:
    """The reverse of `_pad`: drop the rows that no reader owns."""
    if name.endswith("_bias"):
        return padded
    flat = tf.reshape(padded, (-1, *padded.shape[2:]))
    return tf.gather(flat, padding[name.split("_")[0]][1])


@dataclass(frozen=True)
class _Unit:
    """One unit's blocks and its transition."""

    layout: DenseLayout
    settings: DenseSettings
    moving: Weights
    masks: MaskSource | None
    batch_moments: bool

    def first(self, unit: Any) -> Any:
        """The number of the unit's first block."""
        return tf.constant(self.layout.first_block)[unit]

    def blocks(self, unit: Any) -> Any:
        """How many blocks the unit has."""
        return tf.constant(self.layout.blocks_per_unit)[unit]

    def block(self, unit: Any, block: Any, buffer: Any, weights: Weights) -> tuple[Any, Any]:
        """The output of one block `(batch, growth_rate)`, and its moments."""
        fan = self.layout.width + block * self.layout.growth_rate
        number = self.first(unit) + block
        weights = {**weights, **_reader(self.moving, "block", number)}
        y, moments = dense_layer(buffer, fan, weights, self.settings, training=self.batch_moments)
        if self.masks is not None:
            y = y * tf.ensure_shape(self.masks.mask(number), y.shape)
        return y, moments

    def transition(self, unit: Any, buffer: Any, weights: Weights) -> tuple[Any, Any]:
        """The unit's output `(batch, width)`, and the transition's moments."""
        fan = self.layout.width + self.blocks(unit) * self.layout.growth_rate
        weights = {**weights, **_reader(self.moving, "transition", unit)}
        return dense_layer(buffer, fan, weights, self.settings, training=self.batch_moments)

    def slot(self, block: Any) -> Any:
        """A `(slots, 1)` float32 array, 1 at the block's slot and 0 elsewhere."""
        return tf.one_hot(block, self.layout.slots)[:, None]

    def write(self, buffer: Any, block: Any, y: Any) -> Any:
        """The buffer with `y` added to the block's slot, which is still zero."""
        slots = y[:, None, :] * self.slot(block)
        slots = tf.reshape(slots, (-1, self.layout.slots * self.layout.growth_rate))
        return buffer + tf.pad(slots, ((0, 0), (self.layout.width, 0)))

    def read(self, buffer: Any, block: Any) -> Any:
        """What lies in the block's slot, `(batch, growth_rate)`."""
        slots = buffer[:, self.layout.width :]
        slots = tf.reshape(slots, (-1, self.layout.slots, self.layout.growth_rate))
        return tf.reduce_sum(slots * self.slot(block), axis=1)


def _reader(stacked: Weights, part: str, number: Any) -> Weights:
    """One block's or one transition's weights, without the part's name."""
    prefix = f"{part}_"
    return {n.removeprefix(prefix): w[number] for n, w in stacked.items() if n.startswith(prefix)}


def _array(size: int, shape: Any) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, size=size, element_shape=shape)


def _write(arrays: Any, index: Any, values: Any) -> Any:
    return tuple(array.write(index, value) for array, value in zip(arrays, values, strict=True))


def _forward(x: Any, weights: Weights, unit: _Unit) -> tuple[Any, Any, Any]:
    """The forward loop: units' outputs, moments of blocks and transitions, final buffers."""
    layout = unit.layout
    wide = (x.shape[0], layout.buffer_width)
    pair = range(2 if unit.batch_moments else 0)

    def step(index: Any, x: Any, taps: Any, buffers: Any, moments: Any) -> tuple[Any, ...]:
        def block(number: Any, buffer: Any, arrays: Any) -> tuple[Any, ...]:
            reader = _reader(weights, "block", unit.first(index) + number)
            y, values = unit.block(index, number, buffer, reader)
            arrays = _write(arrays, unit.first(index) + number, values)
            return number + 1, unit.write(buffer, number, y), arrays

        buffer = tf.pad(x, ((0, 0), (0, layout.buffer_width - layout.width)))
        _, buffer, inner = tf.while_loop(
            lambda number, *_: number < unit.blocks(index),
            block,
            (tf.constant(0), buffer, moments[0]),
            maximum_iterations=layout.slots,
        )
        y, values = unit.transition(index, buffer, _reader(weights, "transition", index))
        moments = (inner, _write(moments[1], index, values))
        return index + 1, y, taps.write(index, y), buffers.write(index, buffer), moments

    moments = tuple(
        tuple(_array(size, (layout.buffer_width,)) for _ in pair)
        for size in (len(layout.block_fans), layout.units)
    )
    _, _, taps, buffers, moments = tf.while_loop(
        lambda index, *_: index < layout.units,
        step,
        (tf.constant(0), x, _array(layout.units, x.shape), _array(layout.units, wide), moments),
        maximum_iterations=layout.units,
    )
    stacked = tuple(tuple(array.stack() for array in part) for part in moments)
    return taps.stack(), stacked, buffers.stack()


def _backward(
    taps_gradient: Any, weights: Weights, unit: _Unit, buffers: Any
) -> tuple[Any, Weights]:
    """The backward loop: gradients of the input and of each padded weight."""
    layout = unit.layout

    def step(index: Any, dx: Any, arrays: Any) -> tuple[Any, ...]:
        buffer = buffers[index]
        arrays = dict(arrays)

        def block(number: Any, gradient: Any, inner: Any) -> tuple[Any, ...]:
            reader = _reader(weights, "block", unit.first(index) + number)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((buffer, reader))
                y, _ = unit.block(index, number, buffer, reader)
            upstream = unit.read(gradient, number)
            dbuffer, gradients = tape.gradient(y, (buffer, reader), upstream)
            place = unit.first(index) + number
            inner = {
                n: a.write(place, gradients[n.removeprefix("block_")]) for n, a in inner.items()
            }
            return number - 1, gradient + dbuffer, inner

        reader = _reader(weights, "transition", index)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((buffer, reader))
            y, _ = unit.transition(index, buffer, reader)
        gradient, gradients = tape.gradient(y, (buffer, reader), dx + taps_gradient[index])
        for name in gradients:
            name_of_array = f"transition_{name}"
            arrays[name_of_array] = arrays[name_of_array].write(index, gradients[name])
        inner = {name: array for name, array in arrays.items() if name.startswith("block_")}
        _, gradient, inner = tf.while_loop(
            lambda number, *_: number >= 0,
            block,
            (unit.blocks(index) - 1, gradient, inner),
            maximum_iterations=layout.slots,
        )
        return index - 1, gradient[:, : layout.width], {**arrays, **inner}

    arrays = {name: _array(w.shape[0], w.shape[1:]) for name, w in weights.items()}
    _, dx, arrays = tf.while_loop(
        lambda index, *_: index >= 0,
        step,
        (tf.constant(layout.units - 1), tf.zeros_like(taps_gradient[0]), arrays),
        maximum_iterations=layout.units,
    )
    return dx, {name: array.stack() for name, array in arrays.items()}
