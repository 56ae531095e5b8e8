"""Exact attention in chunks of keys, whose memory grows with the chunk and not with the window."""

import math
from typing import Any, NamedTuple

from keras import ops

from ultimate_deep.models.layers.stacks.attention_block import HIDDEN


def chunked_attention(queries: Any, keys: Any, values: Any, *, chunk_bars: int) -> Any:
    """What `softmax(queries @ keys') @ values` gives, within rounding, without the whole map.

    A loop over chunks of keys keeps a running maximum and a running sum; the backward pass
    computes each chunk's shares again from the kept log of the sum. Beside its arguments it
    keeps `(batch, heads, time, chunk_bars)` scores at a time instead of `(.., time, time)`.

    Args:
        queries: `(batch, heads, time, width)`, already scaled.
        keys: `(batch, heads, context_time, width)`.
        values: Shape as `keys`.
        chunk_bars: Keys in one chunk.

    Returns:
        `(batch, heads, time, width)` in the type of `values`; sums are float32.

    Source: Rabe & Staats (2021), arXiv:2112.05682, sec. 2 and 3, with keys alone in chunks; the
    backward pass as Dao et al. (2022), arXiv:2205.14135, algorithm 4.
    """
    plan = _Plan(int(keys.shape[2]), min(chunk_bars, int(keys.shape[2])))

    @ops.custom_gradient
    def attention(queries: Any, keys: Any, values: Any) -> tuple[Any, Any]:
        padded = plan.pad(keys), plan.pad(values)
        context, log_sum = _forward(queries, *padded, plan)

        def backward(*upstream: Any, **_: Any) -> tuple[Any, Any, Any]:
            slope = upstream[0][0] if isinstance(upstream[0], tuple) else upstream[0]
            slope = ops.cast(slope, "float32")
            inner = ops.sum(slope * context, axis=-1, keepdims=True)
            return _backward(queries, *padded, _Kept(slope, log_sum, inner), plan)

        return ops.cast(context, values.dtype), backward

    return attention(queries, keys, values)


class _Plan(NamedTuple):
    """How `time` keys are cut into chunks of `size`."""

    time: int
    size: int

    @property
    def chunks(self) -> int:
        return math.ceil(self.time / self.size)

    def pad(self, x: Any) -> Any:
        short = self.chunks * self.size - self.time
        return ops.pad(x, ((0, 0), (0, 0), (0, short), (0, 0))) if short else x

    def cut(self, x: Any, index: Any) -> Any:
        """Chunk `index` of `(batch, heads, keys, width)`."""
        shape = ops.shape(x)
        size = (shape[0], shape[1], self.size, shape[3])
        return ops.slice(x, (0, 0, index * self.size, 0), size)

    def scores(self, queries: Any, keys: Any, index: Any) -> Any:
        """`(batch, heads, time, size)` float32; places beyond the last key are hidden."""
        product = ops.matmul(queries, ops.transpose(self.cut(keys, index), (0, 1, 3, 2)))
        product = ops.cast(product, "float32")
        if self.chunks * self.size == self.time:
            return product
        places = index * self.size + ops.arange(self.size)
        return product + ops.cast(places >= self.time, "float32") * HIDDEN


class _Kept(NamedTuple):
    """What the backward pass needs of each query: its slope, log of its sum, slope * output."""

    slope: Any
    log_sum: Any
    inner: Any


def _forward(queries: Any, keys: Any, values: Any, plan: _Plan) -> tuple[Any, Any]:
    """Context `(batch, heads, time, width)` and log of the sum `(batch, heads, time, 1)`."""
    wide = ops.cast(queries, "float32")
    column = wide[..., :1]

    def step(index: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        highest, total, context = state
        index = _after(context, index)
        scores = plan.scores(queries, keys, index)
        higher = ops.maximum(highest, ops.max(scores, axis=-1, keepdims=True))
        shares = ops.exp(scores - higher)
        fade = ops.exp(highest - higher)
        total = total * fade + ops.sum(shares, axis=-1, keepdims=True)
        return higher, total, context * fade + _product(shares, plan.cut(values, index), values)

    start = (ops.full_like(column, HIDDEN), ops.zeros_like(column), ops.zeros_like(wide))
    highest, total, context = ops.fori_loop(0, plan.chunks, step, start)
    return context / total, highest + ops.log(total)


def _backward(
    queries: Any, keys: Any, values: Any, kept: _Kept, plan: _Plan
) -> tuple[Any, Any, Any]:
    """Gradients of queries, keys and values, in their types and shapes.

    With the scores S = Q K^T, the shares P = softmax(S), the context O = P V and dO its gradient
    (`kept.slope`), for one chunk of keys at a time:

        P = exp(S - log_sum)                             `shares`
        dS = P (dO V^T - sum over width of dO O)         `to_scores`; the sum is `kept.inner`
        dQ = sum over chunks of dS K, dK = dS^T Q, dV = P^T dO
    """

    def step(index: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        to_queries, to_keys, to_values = state
        index = _after(to_queries, index)
        shares = ops.exp(plan.scores(queries, keys, index) - kept.log_sum)
        chunk_keys, chunk_values = plan.cut(keys, index), plan.cut(values, index)
        to_shares = _product(kept.slope, ops.transpose(chunk_values, (0, 1, 3, 2)), values)
        to_scores = shares * (to_shares - kept.inner)
        start = (0, 0, index * plan.size, 0)
        to_keys = ops.slice_update(to_keys, start, _across(to_scores, queries))
        to_values = ops.slice_update(to_values, start, _across(shares, kept.slope))
        return to_queries + _product(to_scores, chunk_keys, keys), to_keys, to_values

    zeros = tuple(ops.zeros_like(ops.cast(part, "float32")) for part in (queries, keys, values))
    found = ops.fori_loop(0, plan.chunks, step, zeros)
    parts = (found[0], found[1][:, :, : plan.time], found[2][:, :, : plan.time])
    return tuple(
        ops.cast(part, like.dtype)
        for part, like in zip(parts, (queries, keys, values), strict=True)
    )


def _after(state: Any, index: Any) -> Any:
    """`index`, once `state` is there.

    TensorFlow begins ten turns of a loop at once where nothing ties them, and would hold the
    scores of ten chunks: the index is made to wait for a number of the turn before.
    """
    number = ops.sum(state[:1, :1, :1, :1])
    return index * ops.cast(ops.isfinite(number), "int32")


def _product(left: Any, right: Any, like: Any) -> Any:
    """A product in the type of `like`, as the plain attention computes it, added up in float32."""
    return ops.cast(ops.matmul(ops.cast(left, like.dtype), right), "float32")


def _across(left: Any, right: Any) -> Any:
    """`left' @ right` over time, float32."""
    transposed = ops.transpose(left, (0, 1, 3, 2))
    return ops.matmul(transposed, ops.cast(right, "float32"))
