"""The machine's float32 matrix-product rate: what a step's products are held against."""

import time
from typing import Any

SQUARES = (512, 1024, 2048, 4096)
SECONDS_PER_SHAPE = 1.5
LEAST_CALLS = 3


def rate(width: int, batch: int) -> dict[str, Any]:
    """Products per second of `tf.matmul`, in GFLOP/s, the fastest call of each shape.

    A product of `(m, k)` and `(k, n)` counts `2 * m * k * n`.

    Returns:
        `same_shape_gflops` at `(batch, width)` times `(width, width)`, `best_gflops` and
        `best_shape` over that one and several large squares.
    """
    import tensorflow as tf

    shapes = [(batch, width, width), *((size, size, size) for size in SQUARES)]
    rates = {shape: _rate(tf, *shape) for shape in shapes}
    best = max(rates, key=lambda shape: rates[shape])
    return {
        "same_shape_gflops": rates[shapes[0]],
        "best_gflops": rates[best],
        "best_shape": "x".join(str(size) for size in best),
    }


def _rate(tf: Any, rows: int, inner: int, columns: int) -> float:
    left, right = tf.random.normal((rows, inner)), tf.random.normal((inner, columns))
    flops = 2 * rows * inner * columns
    # Several products per call where one is too short for the clock.
    calls = max(1, int(2e8 // flops))
    seconds: list[float] = []
    end = time.perf_counter() + SECONDS_PER_SHAPE
    while time.perf_counter() < end or len(seconds) < LEAST_CALLS:
        start = time.perf_counter()
        for _ in range(calls):
            product = tf.matmul(left, right)
        product.numpy()
        seconds.append((time.perf_counter() - start) / calls)
    return flops / min(seconds) / 1e9
