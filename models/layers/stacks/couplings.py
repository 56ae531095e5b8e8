"""How the two halves of a block, f and g, act on the carry, forwards and backwards.

- `none`: `x <- g(f(x))`, a net without skips (also DeepNorm, whose halves hold their own).
- `residual`: `x <- x + g(f(x))`.
- `sequential`: `x <- x + f(x)`, then `x <- x + g(x)`.
- `additive`: the carry is `(a, b)`: `a <- a + f(b)`, then `b <- b + g(a)`. It starts with
  `a = b = x`, and its value is the mean of the two. Since the inputs can be computed back from
  the outputs, a backward pass needs no stored activations.

Source: `residual` He et al. (2016), arXiv:1603.05027, eq. 1; `additive` Gomez et al. (2017),
"The Reversible Residual Network", arXiv:1707.04585, eqs. 6 and 7, with the whole carry in both
streams as in Kitaev et al. (2020), "Reformer", arXiv:2001.04451, sec. 3.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from ultimate_deep.models.layers.stacks.block import Weights
from ultimate_deep.models.layers.stacks.normalization import Moments

COUPLINGS = ("none", "residual", "sequential", "additive")

Carry = tuple[Any, ...]
# half number, its input -> its output and moments
Half = Callable[[int, Any], tuple[Any, Moments | None]]
# half number, its input, gradient of its output -> output, gradients of input and weights
HalfGradient = Callable[[int, Any, Any], tuple[Any, Any, Weights]]

# Multiples of 2**-17 below 2**7 in magnitude have exact float32 sums.
GRID = 2.0**17


def round_to_grid(x: Any) -> Any:
    """The nearest multiple of 2**-17, on which sums of float32 numbers below 128 are exact."""
    return ops.round(x * GRID) * (1.0 / GRID)


def start(coupling: str, x: Any, *, exact: bool) -> Carry:
    """The carry before the first block."""
    if coupling != "additive":
        return (x,)
    x = round_to_grid(x) if exact else x
    return x, x


def start_gradient(gradient: Carry) -> Any:
    """The input's gradient from that of the carry before the first block."""
    return gradient[0] if len(gradient) == 1 else gradient[0] + gradient[1]


def value(carry: Carry) -> Any:
    """What the carry stands for, in the shape of the input."""
    return carry[0] if len(carry) == 1 else (carry[0] + carry[1]) * 0.5


def value_gradient(gradient: Any, carries: int) -> Carry:
    """The gradient of a carry of one or two arrays from that of its value."""
    return (gradient,) if carries == 1 else (gradient * 0.5, gradient * 0.5)


def advance(
    coupling: str, carry: Carry, half: Half, *, exact: bool
) -> tuple[Carry, tuple[Any, Any], tuple[Moments | None, ...]]:
    """One block forwards: the new carry, the inputs of both halves and their moments."""
    if coupling == "additive":
        a, b = carry
        f, first = half(1, b)
        new_a = a + (round_to_grid(f) if exact else f)
        g, second = half(2, new_a)
        new_b = b + (round_to_grid(g) if exact else g)
        return (new_a, new_b), (b, new_a), (first, second)
    (x,) = carry
    f, first = half(1, x)
    middle = x + f if coupling == "sequential" else f
    g, second = half(2, middle)
    skip = {"none": None, "residual": x, "sequential": middle}[coupling]
    return (g if skip is None else skip + g,), (x, middle), (first, second)


def pull_back(
    coupling: str, inputs: tuple[Any, Any], gradient: Carry, half: HalfGradient
) -> tuple[Carry, Weights]:
    """One block backwards, given the inputs of its halves: gradients of carry and weights."""
    first_input, second_input = inputs
    if coupling == "additive":
        da, db = gradient
        _, dx, second = half(2, second_input, db)
        da = da + dx
        _, dx, first = half(1, first_input, da)
        return (da, db + dx), {**first, **second}
    (dy,) = gradient
    _, dmiddle, second = half(2, second_input, dy)
    if coupling == "sequential":
        dmiddle = dmiddle + dy
    _, dx, first = half(1, first_input, dmiddle)
    if coupling == "residual":
        dx = dx + dy
    elif coupling == "sequential":
        dx = dx + dmiddle
    return (dx,), {**first, **second}


def retreat(carry: Carry, half: Half, *, exact: bool) -> tuple[Carry, tuple[Any, Any]]:
    """One additive block backwards: the carry before it and the inputs of both halves."""
    a, b = carry
    g, _ = half(2, a)
    new_b = b - (round_to_grid(g) if exact else g)
    f, _ = half(1, new_b)
    return (a - (round_to_grid(f) if exact else f), new_b), (new_b, a)


def reverse(carry: Carry, gradient: Carry, half: HalfGradient) -> tuple[Carry, Carry, Weights]:
    """One additive block backwards with its gradients, sharing work between the two.

    Returns:
        The carry before the block, its gradient and those of the weights.
    """
    a, b = carry
    da, db = gradient
    g, dx, second = half(2, a, db)
    b, da = b - g, da + dx
    f, dx, first = half(1, b, da)
    return (a - f, b), (da, db + dx), {**first, **second}
