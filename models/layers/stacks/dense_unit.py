"""The forward and the backward pass of densely connected units, for every backend.

A unit's final buffer holds every block's output, so one buffer for each unit, and two numbers
for each block and sample with layer norm, are all that the backward pass needs: block b's input
is the buffer up to its own rows. Memory is linear in the number of blocks, where joining anew
in each block would make it quadratic. Differentiation is by hand, for three reasons:
- A sample's mean and variance over a growing buffer are carried from block to block, merging
  the new rows into them, so no block sums over its input. (Welford, 1962, Technometrics 4(3),
  with several values at once, as in Chan, Golub & LeVeque, 1983, American Statistician 37(3).)
- Their gradient is `a + b * x` with the same `a` and `b` for all rows that a block reads. Two
  numbers for each sample are summed up on the way back and applied to a row when it is reached.
- A batch's moments of a row are the same for all its readers: the buffer holds rows that are
  normalised once, and the gradient goes through the normalisation once.

Source: Pleiss et al. (2017), "Memory-Efficient Implementation of DenseNets", arXiv:1707.06990,
sec. 3, for recomputing what blocks read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.layers.stacks.dense_block import Bucket, DenseSettings, Run
from ultimate_deep.models.layers.stacks.masks import MaskSource
from ultimate_deep.models.layers.stacks.normalization import EPSILON

Arrays = dict[str, Any]
# Shapes by name; None is the number of samples.
Shapes = dict[str, tuple[int | None, ...]]


class Backend(Protocol):
    """What differs between backends."""

    def scan(
        self,
        body: Callable[[Any, Any], tuple[Any, Arrays]],
        carry: Any,
        length: int,
        outputs: Shapes,
        *,
        reverse: bool = False,
    ) -> tuple[Any, Arrays]:
        """`carry, values = body(index, carry)` for each index; the last carry, stacked values."""

    def activation_gradient(self, activation: str, x: Any, upstream: Any) -> tuple[Any, Any]:
        """The activation of `x`, and the gradient of `x` from that of the result."""


@dataclass(frozen=True)
class DenseUnit:
    """The units of one run: arrays are `(rows, batch)`, so that rows are appended in place."""

    run: Run
    settings: DenseSettings
    masks: tuple[MaskSource, ...]
    batch_moments: bool
    backend: Backend

    @property
    def statistics(self) -> str:
        """What a reader normalises by: `layer`, `rms`, `moments`, `moving` or `none`."""
        if self.settings.normalization == "batch":
            return "moments" if self.batch_moments else "moving"
        return self.settings.normalization

    @property
    def saved_shapes(self) -> Shapes:
        """What `forward` keeps of a unit for `backward`."""
        readers = (self.run.blocks + 1, 1, None)
        shapes: Shapes = {"buffer": (self.run.end, None)}
        if self.statistics == "layer":
            shapes["centre"] = readers
        if self.statistics in ("layer", "rms"):
            shapes["inverse"] = readers
        if self.statistics == "moments":
            shapes |= {"mean": (self.run.end, 1), "variance": (self.run.end, 1)}
        return shapes

    def forward(self, unit: Any, x: Any, weights: Arrays, moving: Arrays) -> tuple[Any, Arrays]:
        """The unit's output `(width, batch)` from its input of that shape, and what to save."""
        rows, entry = self._enter(x)
        state, kept = self._summary(rows, None, 0.0), [entry]
        for bucket in self.run.buckets:
            rows, state, values = self._bucket(unit, bucket, rows, state, weights, moving)
            kept.append(values)
        affine = self._affine(state, float(self.run.end), moving, "transition", (0, self.run.end))
        y = self._read(rows, None, affine, _slices(weights, "transition", 0, self.run.end, 0))
        if self.statistics in ("layer", "rms"):
            kept.append({name: affine[name][None] for name in affine})
        saved = {"buffer": rows}
        for name in self.saved_shapes:
            if name != "buffer":
                saved[name] = joined([part[name] for part in kept if name in part])
        return y, saved

    def backward(
        self, unit: Any, upstream: Any, saved: Arrays, weights: Arrays, moving: Arrays
    ) -> tuple[Any, Arrays]:
        """Gradients of the unit's input and weights, from that of its output."""
        end, blocks = self.run.end, self.run.blocks
        affine = self._saved_affine(saved, blocks, moving, "transition", (0, end))
        reader = _slices(weights, "transition", 0, end, 0)
        gradient, deferred, ours = self._read_backward(
            upstream, saved["buffer"], None, float(end), affine, reader
        )
        gradients = {f"transition_{name}": value for name, value in ours.items()}
        gradients["transition_bias"] = gradients["transition_bias"][None]
        parts: list[Arrays] = []
        for bucket in reversed(self.run.buckets):
            gradient, deferred, part = self._bucket_backward(
                unit, bucket, gradient, deferred, saved, weights, moving
            )
            parts.insert(0, part)
        for name in parts[0]:
            gradients[f"block_{name}"] = joined([part[name] for part in parts])
        return self._leave(gradient, deferred, saved, (0, self.run.width)), gradients

    def _bucket(
        self, unit: Any, bucket: Bucket, prefix: Any, state: Any, weights: Arrays, moving: Arrays
    ) -> tuple[Any, Any, Arrays]:
        """Run a bucket's blocks: the buffer with their rows, its summary, what to save."""
        size, growth = bucket.blocks, bucket.growth_rate
        slots = ops.zeros((size * growth, ops.shape(prefix)[1]), dtype="float32")

        def block(index: Any, carry: Any) -> tuple[Any, Arrays]:
            slots, state = carry
            rows = prefix
            if size > 1:
                rows = ops.concatenate([prefix, slots[: (size - 1) * growth]], axis=0)
            fan = bucket.prefix + index * growth
            place = self._place(bucket, index)
            count = ops.cast(fan, "float32")
            affine = self._affine(state, count, moving, "block", place)
            y = self._read(
                rows, fan, affine, _slices(weights, "block", *place, bucket.first + index)
            )
            y, values = self._enter(self._masked(unit, bucket, index, y))
            if self.statistics in ("layer", "rms"):
                values = affine
            state = self._summary(y, state, count)
            return (ops.slice_update(slots, [index * growth, 0], y), state), values

        shapes: Shapes = {}
        for name, shape in self.saved_shapes.items():
            if name != "buffer":
                shapes[name] = (growth, 1) if self.statistics == "moments" else shape[1:]
        (slots, state), values = self.backend.scan(block, (slots, state), size, shapes)
        if self.statistics == "moments":
            values = {name: ops.reshape(v, (size * growth, 1)) for name, v in values.items()}
        return ops.concatenate([prefix, slots], axis=0), state, values

    def _bucket_backward(
        self,
        unit: Any,
        bucket: Bucket,
        gradient: Any,
        deferred: Any,
        saved: Arrays,
        weights: Arrays,
        moving: Arrays,
    ) -> tuple[Any, Any, Arrays]:
        """Go back through a bucket: gradient of its prefix, and packed gradients of weights.

        Reader j (a later block, or the transition) sees the first N rows x of the buffer as

            n = (x - c) v,  z = s n + o,  y = K^T f(z) + b

        (`centre`, `inverse`, `norm_scale`, `norm_offset`, kernel, activation, bias). With g the
        gradient of z, `_read_backward` gives row r its share `ours` v s_r g_r. Mean and variance
        depend on each row too, which adds A_j x_r + B_j (`more`), for layer norm

            A_j = -v^2 / N sum_r s_r g_r n_r,  B_j = -v / N sum_r s_r g_r - A_j c

        (RMS norm has c = 0 and no B_j). They are the same for every row that j reads, and all
        readers behind a block read all its rows: their sums (`deferred`) are added once, where
        the way back reaches the rows that the block made (`_leave`). So for block i, last
        first, with its rows [N_i, N_i + growth) (`begin` in `slots`) and its mask m_i,

            upstream u_i = m_i (slots_i + A x_i + B)
            before, slots += ours of u_i,  A, B += A_i, B_i

        where A, B are those of all readers behind i, and block i's kernel rows beyond its N_i are
        zero, so `ours` is zero there. A batch's moments are a row's own: no A, B, and `_leave`
        goes back through the normalisation of the row instead.
        """
        size, growth, width = bucket.blocks, bucket.growth_rate, bucket.width
        rows = saved["buffer"][:width]

        def block(index: Any, carry: Any) -> tuple[Any, Arrays]:
            before, slots, deferred = carry
            begin, fan = index * growth, bucket.prefix + index * growth
            upstream = ops.slice(slots, [begin, 0], (growth, ops.shape(slots)[1]))
            upstream = self._leave(upstream, deferred, saved, (fan, growth))
            upstream = self._masked(unit, bucket, index, upstream)
            place = self._place(bucket, index)
            affine = self._saved_affine(saved, bucket.first + index, moving, "block", place)
            reader = _slices(weights, "block", *place, bucket.first + index)
            ours, more, gradients = self._read_backward(
                upstream, rows, fan, ops.cast(fan, "float32"), affine, reader
            )
            deferred = tuple(old + new for old, new in zip(deferred, more, strict=True))
            if size > 1:
                slots = slots + ops.pad(ours[bucket.prefix :], ((0, growth), (0, 0)))
            return (before + ours[: bucket.prefix], slots, deferred), gradients

        shapes: Shapes = {"kernel": (width, growth), "bias": (growth,)}
        for name in ("norm_scale", "norm_offset"):
            if f"block_{name}" in weights:
                shapes[name] = (width,)
        carry = (gradient[: bucket.prefix], gradient[bucket.prefix :], deferred)
        (before, _, deferred), stacked = self.backend.scan(block, carry, size, shapes, reverse=True)
        block_of_row, row = bucket.packed_rows()
        packed = {}
        for name, value in stacked.items():
            if name != "bias":
                flat = ops.reshape(value, (size * width, *shapes[name][1:]))
                value = ops.take(flat, block_of_row * width + row, axis=0) if size > 1 else flat
            packed[name] = value
        return before, deferred, packed

    def _place(self, bucket: Bucket, index: Any) -> tuple[Any, int]:
        """First packed row and number of rows to read for a bucket's block.

        It never reaches beyond the unit's last row: later blocks own more rows.
        """
        starts = bucket.start(np.arange(bucket.blocks)) + self.run.first_row(bucket.prefix)
        return ops.convert_to_tensor(starts.astype("int32"))[index], bucket.width

    def _masked(self, unit: Any, bucket: Bucket, index: Any, y: Any) -> Any:
        """Dropout and stochastic depth of a block's output, or of its gradient."""
        number = self.run.first_block + unit * self.run.blocks + bucket.first + index
        for source in self.masks:
            y = y * source.mask(number)
        return y

    def _enter(self, y: Any) -> tuple[Any, Arrays]:
        """A row as the buffer holds it, and the batch's moments where it is normalised."""
        if self.statistics != "moments":
            return y, {}
        mean = ops.mean(y, axis=1, keepdims=True)
        y = y - mean
        variance = ops.mean(ops.square(y), axis=1, keepdims=True)
        return y * ops.rsqrt(variance + EPSILON["batch"]), {"mean": mean, "variance": variance}

    def _leave(self, gradient: Any, deferred: Any, saved: Arrays, place: tuple[Any, int]) -> Any:
        """The gradient of rows as blocks made them, from that of rows as readers saw them."""
        if self.statistics in ("none", "moving"):
            return gradient
        start, size = place
        rows = ops.slice(saved["buffer"], [start, 0], (size, ops.shape(gradient)[1]))
        if self.statistics == "rms":
            return gradient + deferred[0] * rows
        if self.statistics == "layer":
            return gradient + (deferred[0] * rows + deferred[1])
        variance = ops.slice(saved["variance"], [start, 0], (size, 1))
        gradient = gradient - ops.mean(gradient, axis=1, keepdims=True)
        gradient = gradient - rows * ops.mean(gradient * rows, axis=1, keepdims=True)
        return gradient * ops.rsqrt(variance + EPSILON["batch"])

    def _summary(self, rows: Any, state: Any, count: Any) -> Any:
        """Each sample's mean and sum of squared deviations, with `rows` merged in."""
        if self.statistics == "rms":
            squares = ops.sum(ops.square(rows), axis=0, keepdims=True)
            return (squares if state is None else squares + state[0],)
        if self.statistics != "layer":
            return ()
        mean = ops.mean(rows, axis=0, keepdims=True)
        if state is None:
            return (mean, ops.sum(ops.square(rows - mean), axis=0, keepdims=True))
        merged = state[0] + (mean - state[0]) * (rows.shape[0] / (count + rows.shape[0]))
        products = (rows - state[0]) * (rows - merged)
        return (merged, state[1] + ops.sum(products, axis=0, keepdims=True))

    def _affine(self, state: Any, count: Any, moving: Arrays, part: str, place: Any) -> Arrays:
        """What a reader subtracts (`centre`) and multiplies by (`inverse`)."""
        kind = self.settings.normalization
        if self.statistics == "moving":
            mean, variance = (
                ops.slice(moving[f"{part}_norm_moving_{name}"], [place[0]], (place[1],))[:, None]
                for name in ("mean", "variance")
            )
            return {"centre": mean, "inverse": ops.rsqrt(variance + EPSILON[kind])}
        if self.statistics == "layer":
            return {"centre": state[0], "inverse": ops.rsqrt(state[1] / count + EPSILON[kind])}
        if self.statistics == "rms":
            return {"inverse": ops.rsqrt(state[0] / count + EPSILON[kind])}
        return {}

    def _saved_affine(
        self, saved: Arrays, reader: Any, moving: Arrays, part: str, place: Any
    ) -> Arrays:
        if self.statistics in ("layer", "rms"):
            return {n: saved[n][reader] for n in ("centre", "inverse") if n in saved}
        return self._affine(None, None, moving, part, place)

    def _read(self, rows: Any, fan: Any, affine: Arrays, weights: Arrays) -> Any:
        """Norm, activation and dense of the first `fan` rows; `(outputs, batch)` float32."""
        _, x = _scaled(rows, affine, weights)
        x = keras.activations.get(self.settings.activation)(x)
        x = ops.einsum("io,ib->ob", self._kernel(weights, fan), self._compute(x))
        return ops.cast(x, "float32") + weights["bias"][:, None]

    def _read_backward(
        self, upstream: Any, rows: Any, fan: Any, count: Any, affine: Arrays, weights: Arrays
    ) -> tuple[Any, Any, Arrays]:
        """Gradients of what was read: row by row, by sample (`deferred`), and of the weights."""
        normal, x = _scaled(rows, affine, weights)
        y = self._compute(upstream)
        dx = ops.cast(ops.matmul(self._kernel(weights, fan), y), "float32")
        x, dx = self.backend.activation_gradient(self.settings.activation, x, dx)
        kernel = ops.cast(ops.einsum("ib,ob->io", self._compute(x), y), "float32")
        gradients = {"kernel": kernel, "bias": ops.sum(upstream, axis=1)}
        if "norm_offset" in weights:
            gradients["norm_offset"] = ops.sum(dx, axis=1)
        if "norm_scale" not in weights:
            return dx, (), gradients
        product = dx * normal
        gradients["norm_scale"] = ops.sum(product, axis=1)
        scale: Any = weights["norm_scale"]
        deferred: tuple[Any, ...] = ()
        if self.statistics in ("layer", "rms"):
            inverse = affine["inverse"]
            slope = ops.matmul(scale[None], product) * ops.square(inverse) / -count
            deferred = (slope,)
            if self.statistics == "layer":
                shift = ops.matmul(scale[None], dx) * inverse / -count
                deferred = (slope, shift - slope * affine["centre"])
        dx = dx * scale[:, None]
        return (dx * affine["inverse"] if affine else dx), deferred, gradients

    def _kernel(self, weights: Arrays, fan: Any) -> Any:
        kernel = weights["kernel"]
        if fan is not None:
            readable = ops.arange(kernel.shape[0], dtype="int32") < fan
            kernel = kernel * ops.cast(readable, "float32")[:, None]
        return self._compute(kernel)

    def _compute(self, x: Any) -> Any:
        return ops.cast(x, self.settings.compute_dtype)


def joined(parts: list[Any]) -> Any:
    """Arrays joined along their first axis; a single one as it is."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=0)


def _scaled(rows: Any, affine: Arrays, weights: Arrays) -> tuple[Any, Any]:
    """Rows normalised, and with the reader's own scale and offset."""
    if "centre" in affine:
        rows = rows - affine["centre"]
    normal = rows * affine["inverse"] if affine else rows
    x = normal
    if "norm_scale" in weights:
        x = x * weights["norm_scale"][:, None]
    if "norm_offset" in weights:
        x = x + weights["norm_offset"][:, None]
    return normal, x


def _slices(weights: Arrays, part: str, start: Any, size: int, reader: Any) -> Arrays:
    """One reader's weights, `size` rows from `start`, without the part's name."""
    ours: Arrays = {}
    for name, value in weights.items():
        if name == f"{part}_bias":
            ours["bias"] = value[reader]
        elif name.startswith(f"{part}_"):
            begin = [start, *(0 for _ in value.shape[1:])]
            ours[name.removeprefix(f"{part}_")] = ops.slice(value, begin, (size, *value.shape[1:]))
    return ours
