"""Expressions over bars: every indicator and feature is a node of one shared graph.

A node is an operator, its inputs and its parameters. Equal nodes are the same object, so that a
moving average that forty features use is computed once. From the operators a node knows

- `first`: the first row (0-based) where its arithmetic is defined, and
- `settled`: the first row whose value no longer depends on where the bars began, exactly for
  windows and within `SETTLED` for recursive averages. This is what a feature declares as warm-up.

`features.engine.windows` builds means, deviations and extremes of windows out of the operators
here, and `features.engine.program` turns nodes into arrays of instructions for two compiled
executors: one takes a block of bars, the other a single bar, and both do the same arithmetic in the
same order.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ultimate_deep.features.engine import opcodes as op

# Weight left on bars before the warm-up of a recursive average.
SETTLED = 1e-11

COLUMNS = ("open", "high", "low", "close", "volume", "timestamp")


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied to nodes; made by the functions of this module, never directly."""

    code: int
    inputs: tuple["Node", ...]
    parameters: tuple[float, ...]
    output: int
    outputs: int
    first: int
    settled: int
    lookback: int
    name: str = ""

    def __add__(self, other: "Node | float") -> "Node":
        if isinstance(other, Node):
            return make_node(op.ADD, (self, other))
        return affine(self, 1.0, float(other))

    def __sub__(self, other: "Node | float") -> "Node":
        if isinstance(other, Node):
            return make_node(op.SUB, (self, other))
        return affine(self, 1.0, -float(other))

    def __mul__(self, other: "Node | float") -> "Node":
        if isinstance(other, Node):
            return make_node(op.MUL, (self, other))
        return affine(self, float(other))

    def __truediv__(self, other: float) -> "Node":
        return affine(self, 1.0 / other)

    def __neg__(self) -> "Node":
        return affine(self, -1.0)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> "Node":
        return affine(self, -1.0, other)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the bar columns that this node depends on: the usual six first."""
        if self.code == op.COLUMN:
            return (self.name,)
        found = {name for node in self.inputs for name in node.columns}
        usual = tuple(name for name in COLUMNS if name in found)
        return usual + tuple(sorted(found.difference(COLUMNS)))

    @cached_property
    def endless(self) -> bool:
        """Whether some operator below never forgets its first bar."""
        return self.code == op.CUMULATIVE or any(node.endless for node in self.inputs)


_NODES: dict[tuple[object, ...], Node] = {}


def _delay(node: Node) -> int:
    return int(node.parameters[0]) if node.code == op.LAG else 0


def _sooner(node: Node, bars: int) -> Node:
    """The node of which `node` is the lag, `bars` bars less late."""
    if bars == 0 or node.code == op.CONSTANT:
        return node
    return lag(node.inputs[0], _delay(node) - bars)


def make_node(
    code: int,
    inputs: tuple[Node, ...],
    parameters: tuple[float, ...] = (),
    *,
    window: int = 1,
    settle: int = 0,
    output: int = 0,
    outputs: int = 1,
) -> Node:
    """The one node of this description; `window` counts bars of its first input that it reads.

    An operator on series that are all late by some bars is the late result of the operator:
    `mean(lag(x, 3), 20)` and `lag(mean(x, 20), 3)` are the same node.
    """
    late = min((_delay(node) for node in inputs if node.code != op.CONSTANT), default=0)
    if late:
        sooner = tuple(_sooner(node, late) for node in inputs)
        options = {"window": window, "settle": settle, "output": output, "outputs": outputs}
        return lag(make_node(code, sooner, parameters, **options), late)
    key = (code, tuple(id(node) for node in inputs), parameters, output)
    if key not in _NODES:
        reach = [window - 1] + [0] * (len(inputs) - 1)
        first = max(node.first + bars for node, bars in zip(inputs, reach, strict=True))
        settled = max(node.settled + bars for node, bars in zip(inputs, reach, strict=True))
        _NODES[key] = Node(
            code, inputs, parameters, output, outputs, first, settled + settle, window - 1
        )
    return _NODES[key]


def column(name: str) -> Node:
    """A column of the bars; `timestamp` is the open time in UTC seconds since 1970.

    Beside the usual six any column may be named: features that use it need bars that have it.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"a column's name must be snake_case; got {name!r}")
    return _leaf(op.COLUMN, (), name)


def constant(value: float) -> Node:
    """0 or 1 at every bar."""
    if value not in (0.0, 1.0):
        raise ValueError(f"only the constants 0 and 1 are kept; got {value}")
    return _leaf(op.CONSTANT, (float(value),), "")


def _leaf(code: int, parameters: tuple[float, ...], name: str) -> Node:
    key = (code, parameters, name)
    if key not in _NODES:
        _NODES[key] = Node(code, (), parameters, 0, 1, 0, 0, 0, name)
    return _NODES[key]


def check_window(window: int, least: int = 1) -> int:
    """`window`, refused when it has fewer bars than `least`."""
    if window < least:
        raise ValueError(f"a window must have at least {least} bars; got {window}")
    return window


def lag(x: Node, bars: int) -> Node:
    """`x`, `bars` earlier (0 is `x` itself)."""
    if bars == 0 or x.code == op.CONSTANT:
        return x
    check_window(bars)
    if x.code == op.LAG:
        return lag(x.inputs[0], _delay(x) + bars)
    key = (op.LAG, id(x), bars)
    if key not in _NODES:
        first, settled = x.first + bars, x.settled + bars
        _NODES[key] = Node(op.LAG, (x,), (float(bars),), 0, 1, first, settled, 0)
    return _NODES[key]


# Of one bar.


def affine(x: Node, scale: float, offset: float = 0.0) -> Node:
    """`scale * x + offset`."""
    if scale == 1.0 and offset == 0.0:
        return x
    late = _delay(x)
    if late:
        return lag(affine(x.inputs[0], scale, offset), late)
    if x.code == op.AFFINE:
        before, start = x.parameters
        return affine(x.inputs[0], scale * before, scale * start + offset)
    return make_node(op.AFFINE, (x,), (float(scale), float(offset)))


def absolute(x: Node) -> Node:
    """`|x|`."""
    return make_node(op.ABS, (x,))


def square_root(x: Node) -> Node:
    """Square root; of negative values (rounding) 0."""
    return make_node(op.SQRT, (x,))


def tanh(x: Node) -> Node:
    """Hyperbolic tangent, within 3e-16."""
    return make_node(op.TANH, (x,))


def sine(turns: Node) -> Node:
    """Sine of an angle in turns (1 is a full circle), within 3e-16."""
    return make_node(op.SIN, (turns,))


def cosine(turns: Node) -> Node:
    """Cosine of an angle in turns (1 is a full circle), within 3e-16."""
    return make_node(op.COS, (turns,))


def normal_cdf(x: Node) -> Node:
    """Standard normal distribution function, within 8e-8. Source: Abramowitz & Stegun, 26.2.17."""
    return make_node(op.NORMAL_CDF, (x,))


def arctangent(x: Node) -> Node:
    """Arc tangent in radians, within 3e-16."""
    return make_node(op.ARCTANGENT, (x,))


def log1p(x: Node) -> Node:
    """`log(1 + x)`; negative values count as 0."""
    return logarithm(clip(x, low=0.0) + 1.0)


def clip(x: Node, low: float = -math.inf, high: float = math.inf) -> Node:
    """`x` limited to `[low, high]`."""
    if x.code == op.COMPARE and (low, high) == (0.0, 1.0):
        return above(*x.inputs)
    return make_node(op.CLIP, (x,), (float(low), float(high)))


def between(x: Node, low: float, high: float) -> Node:
    """1 where `low <= x < high`, else 0."""
    return make_node(op.BETWEEN, (x,), (float(low), float(high)))


def ratio(x: Node, y: Node, neutral: float = 0.0) -> Node:
    """`x / y`; `neutral` where `y` is 0 or the quotient overflows."""
    return make_node(op.DIV, (x, y), (float(neutral),))


def log_ratio(x: Node, y: Node) -> Node:
    """`log(x / y)`; 0 where either is not positive."""
    return make_node(op.LOG_RATIO, (x, y))


def logarithm(x: Node) -> Node:
    """`log(x)` of a number without unit; 0 where it is not positive. Prices: `log_ratio`."""
    return make_node(op.LOG, (x,))


def soft_log_ratio(x: Node, y: Node) -> Node:
    """`log((x / y + 0.01) / 1.01)` for `x`, `y` >= 0: a log ratio that is continuous at `x = 0`.

    There it is -4.6, and where `y` is 0 it is 0.
    """
    return logarithm(affine(ratio(x, y, neutral=1.0), 1.0 / 1.01, 0.01 / 1.01))


def difference(x: Node, y: Node) -> Node:
    """`x - y`, exactly 0 where both are equal up to rounding: a denominator that may vanish."""
    return make_node(op.DIFFERENCE, (x, y))


def maximum(x: Node, y: Node) -> Node:
    """The greater of both."""
    return make_node(op.MAXIMUM, (x, y))


def minimum(x: Node, y: Node) -> Node:
    """The lesser of both."""
    return make_node(op.MINIMUM, (x, y))


def compare(x: Node, y: Node) -> Node:
    """1 where `x` is above `y`, -1 below, 0 where equal within rounding."""
    return make_node(op.COMPARE, (x, y))


def above(x: Node, y: Node) -> Node:
    """1 where `x` is above `y` by more than rounding, else 0."""
    return make_node(op.ABOVE, (x, y))


def where(condition: Node, x: Node, y: Node) -> Node:
    """`x` where `condition` is above zero, else `y`."""
    return make_node(op.WHERE, (condition, x, y))


def calendar(part: str) -> Node:
    """A part of the bar's open time in UTC.

    `hour` [0, 24), `weekday` (0 is Monday), `month_day` and `year_day` (fractions of the month
    and the year in [0, 1)), `month` (0 is January).
    """
    parts = ("hour", "weekday", "month_day", "month", "year_day")
    return make_node(op.CALENDAR, (column("timestamp"),), output=parts.index(part), outputs=5)


# Scans of a window.


def rank(x: Node, window: int) -> Node:
    """Rank of the newest value in its window: -1 lowest, 1 highest, ties halved.

    Values are tied when equal up to rounding relative to the newest; of small differences, such
    as returns, rank `x + 1.0`, which ties them by their absolute distance.
    """
    return make_node(op.RANK, (x,), (float(window),), window=check_window(window, 2))


def quantiles(x: Node, window: int, levels: Sequence[float]) -> tuple[Node, ...]:
    """Quantiles over the window, linear between order statistics; all share one sorted window."""
    if not levels or not all(0.0 <= level <= 1.0 for level in levels):
        raise ValueError(f"quantile levels must lie in [0, 1]; got {levels}")
    parameters = (float(check_window(window)), *map(float, levels))
    return tuple(
        make_node(op.QUANTILES, (x,), parameters, window=window, output=output, outputs=len(levels))
        for output in range(len(levels))
    )


def fir(x: Node, weights: Sequence[float]) -> Node:
    """Weighted sum of the last `len(weights)` values; `weights[0]` is the newest bar's."""
    return make_node(op.FIR, (x,), tuple(map(float, weights)), window=check_window(len(weights)))


# With a memory.


def streak(x: Node, window: int) -> Node:
    """Signed count of the latest values that share the newest one's sign, at most `window`."""
    limit = float(check_window(window))
    return make_node(op.STREAK, (x,), (limit,), settle=window - 1)


def settle_bars(alpha: float, cascade: int = 1) -> int:
    """Bars until `cascade` exponential averages in a row have forgotten what came before.

    Seeding the averages wrongly by one unit leaves `(1 - alpha)^k sum_j C(k + j - 1, j) alpha^j`,
    `j < cascade`, after `k` bars: the first `k` where this is below `SETTLED`.
    """
    bars = 1
    while True:
        ways = sum(math.comb(bars + j - 1, j) * alpha**j for j in range(cascade))
        if ways * (1.0 - alpha) ** bars < SETTLED:
            return bars
        bars += 1


def exponential(x: Node, alpha: float, cascade: int = 1) -> Node:
    """Exponential average with weight `alpha` on the newest value, seeded with the first.

    Args:
        x: What is averaged.
        alpha: Weight in (0, 1).
        cascade: How many averages of the same `alpha` lie in a row up to and with this one; the
            warm-up then counts them together instead of one after the other.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1; got {alpha}")
    settle = settle_bars(alpha, cascade)
    if cascade > 1:
        settle -= settle_bars(alpha, cascade - 1)
    return make_node(op.EXPONENTIAL, (x,), (float(alpha),), settle=settle)


def exponential_varying(x: Node, alpha: Node, least: float) -> Node:
    """Exponential average whose weight on the newest value changes from bar to bar.

    Args:
        x: What is averaged.
        alpha: Weight at each bar.
        least: Lower bound of `alpha` in (0, 1), from which the warm-up follows.

    Raises:
        ValueError: `least` is not between 0 and 1.
    """
    if not 0.0 < least < 1.0:
        raise ValueError(f"the least alpha must lie between 0 and 1; got {least}")
    return make_node(op.EXPONENTIAL_VARYING, (x, alpha), settle=settle_bars(least))


def cumulative(x: Node) -> Node:
    """Sum since the first bar. It never settles: for textbook indicators, not for features."""
    return make_node(op.CUMULATIVE, (x,))
