"""Expressions over bars: every indicator and feature is a node of one shared graph.

A node is an operator, its inputs and its parameters. Equal nodes are the same object, so that a
moving average that forty features use is computed once. From the operators a node knows

- `first`: the first row (0-based) where its arithmetic is defined, and
- `settled`: the first row whose value no longer depends on where the bars began, exactly for
  windows and within `SETTLED` for recursive averages. This is what a feature declares as warm-up.

`features.program` turns nodes into arrays of instructions that one compiled interpreter runs.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from features import opcodes as op

# Weight left on bars before the warm-up of a recursive average.
SETTLED = 1e-9

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

    def __add__(self, other: "Node | float") -> "Node":
        return _arithmetic(op.ADD, self, other)

    def __sub__(self, other: "Node | float") -> "Node":
        return _arithmetic(op.SUB, self, other)

    def __mul__(self, other: "Node | float") -> "Node":
        return _arithmetic(op.MUL, self, other)

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
        """Names of the bar columns that this node depends on, in their usual order."""
        if self.code < 0:
            return (COLUMNS[self.output],)
        found = {name for node in self.inputs for name in node.columns}
        return tuple(name for name in COLUMNS if name in found)

    @cached_property
    def endless(self) -> bool:
        """Whether some operator below never forgets its first bar."""
        return self.code == op.CUMULATIVE or any(node.endless for node in self.inputs)


_NODES: dict[tuple[object, ...], Node] = {}


def _node(
    code: int,
    inputs: tuple[Node, ...],
    parameters: tuple[float, ...] = (),
    *,
    window: int = 1,
    settle: int = 0,
    output: int = 0,
    outputs: int = 1,
) -> Node:
    """The one node of this description; `window` counts bars that the operator reads."""
    key = (code, tuple(id(node) for node in inputs), parameters, output)
    if key not in _NODES:
        first = max((node.first for node in inputs), default=0) + window - 1
        settled = max((node.settled for node in inputs), default=0) + window - 1 + settle
        _NODES[key] = Node(
            code, inputs, parameters, output, outputs, first, settled, lookback=window - 1
        )
    return _NODES[key]


def column(name: str) -> Node:
    """A column of the bars; `timestamp` is the open time in UTC seconds since 1970."""
    return _node(-1, (), (), output=COLUMNS.index(name))


def _window(window: int, least: int = 1) -> int:
    if window < least:
        raise ValueError(f"a window must have at least {least} bars; got {window}")
    return window


# Of one bar.


def _arithmetic(code: int, x: Node, y: Node | float) -> Node:
    if isinstance(y, Node):
        return _node(code, (x, y))
    value = float(y)
    if code == op.MUL:
        return affine(x, value)
    return affine(x, 1.0, value if code == op.ADD else -value)


def affine(x: Node, scale: float, offset: float = 0.0) -> Node:
    """`scale * x + offset`."""
    return _node(op.AFFINE, (x,), (float(scale), float(offset)))


def absolute(x: Node) -> Node:
    """`|x|`."""
    return _node(op.ABS, (x,))


def square_root(x: Node) -> Node:
    """Square root; of negative values (rounding) 0."""
    return _node(op.SQRT, (x,))


def tanh(x: Node) -> Node:
    """Hyperbolic tangent."""
    return _node(op.TANH, (x,))


def sine(x: Node) -> Node:
    """Sine of radians."""
    return _node(op.SIN, (x,))


def cosine(x: Node) -> Node:
    """Cosine of radians."""
    return _node(op.COS, (x,))


def log1p(x: Node) -> Node:
    """`log(1 + x)`; negative values count as 0."""
    return _node(op.LOG1P, (x,))


def clip(x: Node, low: float = -math.inf, high: float = math.inf) -> Node:
    """`x` limited to `[low, high]`."""
    return _node(op.CLIP, (x,), (float(low), float(high)))


def between(x: Node, low: float, high: float) -> Node:
    """1 where `low <= x < high`, else 0."""
    return _node(op.BETWEEN, (x,), (float(low), float(high)))


def ratio(x: Node, y: Node, neutral: float = 0.0) -> Node:
    """`x / y`; `neutral` where `y` is 0 or the quotient overflows."""
    return _node(op.DIV, (x, y), (float(neutral),))


def log_ratio(x: Node, y: Node) -> Node:
    """`log(x / y)`; 0 where either is not positive."""
    return _node(op.LOG_RATIO, (x, y))


def logarithm(x: Node) -> Node:
    """`log(x)` of a number without unit; 0 where it is not positive. Prices: `log_ratio`."""
    return log_ratio(x, affine(x, 0.0, 1.0))


def soft_log_ratio(x: Node, y: Node) -> Node:
    """`log((x / y + 0.01) / 1.01)` for `x`, `y` >= 0: a log ratio that is continuous at `x = 0`.

    There it is -4.6, and where `y` is 0 it is 0.
    """
    return logarithm(affine(ratio(x, y, neutral=1.0), 1.0 / 1.01, 0.01 / 1.01))


def difference(x: Node, y: Node) -> Node:
    """`x - y`, exactly 0 where both are equal up to rounding: a denominator that may vanish."""
    return (x - y) * absolute(compare(x, y))


def maximum(x: Node, y: Node) -> Node:
    """The greater of both."""
    return _node(op.MAXIMUM, (x, y))


def minimum(x: Node, y: Node) -> Node:
    """The lesser of both."""
    return _node(op.MINIMUM, (x, y))


def compare(x: Node, y: Node) -> Node:
    """1 where `x` is above `y`, -1 below, 0 where equal within rounding."""
    return _node(op.COMPARE, (x, y))


def where(condition: Node, x: Node, y: Node) -> Node:
    """`x` where `condition` is above zero, else `y`."""
    return _node(op.WHERE, (condition, x, y))


def calendar(part: str) -> Node:
    """A part of the bar's open time in UTC.

    `hour` [0, 24), `weekday` (0 is Monday), `month_day` and `year_day` (fractions of the month
    and the year in [0, 1)), `month` (0 is January).
    """
    parts = ("hour", "weekday", "month_day", "month", "year_day")
    return _node(op.CALENDAR, (column("timestamp"),), output=parts.index(part), outputs=5)


# Of a window.


def lag(x: Node, bars: int) -> Node:
    """`x`, `bars` earlier (0 is `x` itself)."""
    if bars == 0:
        return x
    return _node(op.LAG, (x,), (float(bars),), window=_window(bars) + 1)


def rolling_sum(x: Node, window: int) -> Node:
    """Sum over the window."""
    return _node(op.SUM, (x,), (float(window),), window=_window(window))


def mean(x: Node, window: int) -> Node:
    """Mean over the window."""
    if window == 1:
        return x
    return _node(op.MEAN, (x,), (float(window),), window=_window(window))


def absolute_deviation(x: Node, window: int) -> Node:
    """Mean absolute deviation from the window's mean."""
    inputs = (x, mean(x, window))
    return _windowed(op.ABSOLUTE_DEVIATION, inputs, window)


def deviation(x: Node, window: int) -> Node:
    """Population standard deviation; 0 where below 1e-9 of the window's mean."""
    return _windowed(op.STANDARD_DEVIATION, (x, mean(x, _window(window, 2))), window)


def skewness(x: Node, window: int) -> Node:
    """Population skewness; 0 for a constant window."""
    inputs = (x, mean(x, window), deviation(x, window))
    return _windowed(op.STANDARD_MOMENT, inputs, window, 3.0)


def kurtosis(x: Node, window: int) -> Node:
    """Population excess kurtosis; 0 for a constant window."""
    inputs = (x, mean(x, window), deviation(x, window))
    return _windowed(op.STANDARD_MOMENT, inputs, window, 4.0)


def covariance(x: Node, y: Node, window: int) -> Node:
    """Population covariance."""
    return _windowed(op.COVARIANCE, (x, mean(x, window), y, mean(y, window)), window)


def slope(x: Node, window: int) -> Node:
    """Least-squares slope against time, in units of `x` per bar."""
    return _windowed(op.SLOPE, (x, mean(x, _window(window, 2))), window)


def _windowed(code: int, inputs: tuple[Node, ...], window: int, *parameters: float) -> Node:
    """A node whose inputs are a series and statistics of the same window of it."""
    given = (float(window), *parameters)
    key = (code, tuple(id(node) for node in inputs), given, 0)
    if key not in _NODES:
        # The series is read back over the window; its statistics only at the newest bar.
        series = inputs[0::2] if code == op.COVARIANCE else inputs[:1]
        reach = window - 1
        first = max([node.first + reach for node in series] + [node.first for node in inputs])
        settled = [node.settled + reach for node in series] + [node.settled for node in inputs]
        _NODES[key] = Node(code, inputs, given, 0, 1, first, max(settled), reach)
    return _NODES[key]


def rolling_min(x: Node, window: int) -> Node:
    """Lowest value of the window."""
    return _node(op.MIN, (x,), (float(window),), window=_window(window))


def rolling_max(x: Node, window: int) -> Node:
    """Highest value of the window."""
    return _node(op.MAX, (x,), (float(window),), window=_window(window))


def bars_since_min(x: Node, window: int) -> Node:
    """Bars since the window's lowest value, the latest of ties."""
    return _node(op.BARS_SINCE_MIN, (x,), (float(window),), window=_window(window))


def bars_since_max(x: Node, window: int) -> Node:
    """Bars since the window's highest value, the latest of ties."""
    return _node(op.BARS_SINCE_MAX, (x,), (float(window),), window=_window(window))


def rank(x: Node, window: int) -> Node:
    """Rank of the newest value in its window: -1 lowest, 1 highest, ties halved.

    Values are tied when equal up to rounding relative to their size; of small differences, such
    as returns, rank `x + 1.0`, which ties them by their absolute distance.
    """
    return _node(op.RANK, (x,), (float(window),), window=_window(window, 2))


def quantiles(x: Node, window: int, levels: tuple[float, ...]) -> tuple[Node, ...]:
    """Quantiles over the window, linear between order statistics; all share one sorted window."""
    if not levels or not all(0.0 <= level <= 1.0 for level in levels):
        raise ValueError(f"quantile levels must lie in [0, 1]; got {levels}")
    parameters = (float(_window(window)), *map(float, levels))
    return tuple(
        _node(op.QUANTILES, (x,), parameters, window=window, output=output, outputs=len(levels))
        for output in range(len(levels))
    )


def fir(x: Node, weights: tuple[float, ...]) -> Node:
    """Weighted sum of the last `len(weights)` values; `weights[0]` is the newest bar's."""
    return _node(op.FIR, (x,), tuple(map(float, weights)), window=_window(len(weights)))


def max_drawdown(x: Node, window: int) -> Node:
    """Deepest fall from a running peak within the window, a fraction of the peak."""
    return _node(op.DRAWDOWN, (x,), (float(window),), window=_window(window))


def ulcer(x: Node, window: int) -> Node:
    """Root mean square of all falls from the running peak within the window."""
    return _node(op.ULCER, (x,), (float(window),), window=_window(window))


def cumulative_range(x: Node, window: int) -> Node:
    """Range of cumulated deviations from the mean within the window."""
    return _windowed(op.CUMULATIVE_RANGE, (x, mean(x, _window(window, 2))), window)


def entropy(x: Node, window: int, symbols: int) -> Node:
    """Shannon entropy of symbols 0 to `symbols - 1` over the window, as a share of its maximum."""
    return _node(op.ENTROPY, (x,), (float(window), float(symbols)), window=_window(window, 2))


def streak(x: Node, window: int) -> Node:
    """Signed count of the latest values that share the newest one's sign, at most `window`."""
    return _node(op.STREAK, (x,), (float(window),), window=_window(window))


# Recursive.


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
    return _node(op.EXPONENTIAL, (x,), (float(alpha),), settle=settle)


def cumulative(x: Node) -> Node:
    """Sum since the first bar. It never settles: for textbook indicators, not for features."""
    return _node(op.CUMULATIVE, (x,))
