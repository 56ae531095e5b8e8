"""Kernels of costly operators for one bar: the instructions of a group are done side by side.

Inputs are laid out one after the other, so that the compiler does several of them at once, as it
does several bars at once in a block. No instruction of such a group reads another one's result.
"""

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine import scalars as s
from ultimate_deep.features.engine.bar_kernels import (
    IN_0,
    IN_1,
    LANES,
    NOW,
    OUT,
    TABLE,
    WIDTH,
    floats,
    integers,
    shorts,
)
from ultimate_deep.features.engine.scalars import compiled

Integers = npt.NDArray[np.int64]


@compiled
def of_one(code: int, at: int, a: int, n: int) -> None:
    """Costly functions of one value: `n` instructions from `a` (in fields) on."""
    places = integers(at)
    t, now, x = shorts(places[TABLE]), floats(places[NOW]), floats(places[LANES])
    for i in range(n):
        x[i] = now[t[a + i * WIDTH + IN_0]]
    if code == op.SQRT:
        for i in range(n):
            x[i] = np.sqrt(max(x[i], 0.0))
    elif code == op.TANH:
        for i in range(n):
            x[i] = s.hyperbolic_tangent(x[i])
    elif code == op.SIN or code == op.COS:
        quarter = 1.0 if code == op.COS else 0.0
        for i in range(n):
            x[i] = s.wave(x[i], quarter)
    elif code == op.LOG:
        for i in range(n):
            x[i] = s.safe_logarithm(x[i])
    elif code == op.NORMAL_CDF:
        for i in range(n):
            x[i] = s.normal_distribution(x[i])
    elif code == op.ARCTANGENT:
        for i in range(n):
            x[i] = s.arctangent(x[i])
    for i in range(n):
        now[t[a + i * WIDTH + OUT]] = x[i]


@compiled
def of_two(code: int, at: int, a: int, n: int) -> None:
    """Costly functions of two values: `n` instructions from `a` (in fields) on."""
    places = integers(at)
    t, now, x = shorts(places[TABLE]), floats(places[NOW]), floats(places[LANES])
    y = x[n : 2 * n]
    for i in range(n):
        k = a + i * WIDTH
        x[i] = now[t[k + IN_0]]
        y[i] = now[t[k + IN_1]]
    if code == op.LOG_RATIO:
        for i in range(n):
            x[i] = s.safe_log_ratio(x[i], y[i])
    elif code == op.DEVIATION:
        for i in range(n):
            x[i] = s.deviation_of(x[i], y[i])
    for i in range(n):
        now[t[a + i * WIDTH + OUT]] = x[i]
