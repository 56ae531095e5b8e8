"""Trading frictions seen through bars: spreads, illiquidity, price impact and order flow.

Bars carry no quotes, so that all of these are estimates. Spreads are in percent of the price,
full (ask less bid). Estimators of two days use this bar and the last; monthly averages become
rolling ones.
"""

import math
from functools import reduce
from operator import add

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    between,
    clip,
    compare,
    lag,
    log_ratio,
    maximum,
    minimum,
    normal_cdf,
    ratio,
    soft_log_ratio,
    square_root,
    tanh,
    where,
)
from ultimate_deep.features.engine.windows import covariance, deviation, mean, rolling_sum
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.families.volume import price_impact
from ultimate_deep.features.indicators.classic import (
    close,
    correlation,
    high,
    low,
    opening,
    signed_volume,
    volume,
)
from ultimate_deep.features.registry import Feature

PERCENT = "percent of the price"


# Spreads, as fractions of the price.


def corwin_schultz(window: int) -> Node:
    """Mean spread from the ranges of pairs of bars, negative pairs as 0.

    The last bar's range is held against this one's after removing the gap between its close and
    this range. Source: Corwin & Schultz (2012), eq. 14 and 18.
    """
    before = lag(close(), 1)
    gap = clip(low() - before, low=0.0) - clip(before - high(), low=0.0)
    top, bottom = high() - gap, low() - gap
    last, this = log_ratio(lag(high(), 1), lag(low(), 1)), log_ratio(top, bottom)
    beta = last * last + this * this
    both = log_ratio(maximum(lag(high(), 1), top), minimum(lag(low(), 1), bottom))
    root = 3.0 - 2.0 * math.sqrt(2.0)
    # (sqrt(2) - 1) sqrt(beta) / root - sqrt(gamma / root), and 2 (e^a - 1) / (e^a + 1).
    alpha = square_root(beta) * ((math.sqrt(2.0) - 1.0) / root) - both / math.sqrt(root)
    return mean(tanh(clip(alpha, low=0.0) * 0.5) * 2.0, window)


def close_to_middle() -> Node:
    """Log of the close over the middle of the bar's log range."""
    return (log_ratio(close(), high()) + log_ratio(close(), low())) * 0.5


def abdi_ranaldo(window: int) -> Node:
    """Mean spread from the last close and the mid-ranges around it, negative pairs as 0.

    Source: Abdi & Ranaldo (2017), the two-day corrected estimator.
    """
    before = lag(close(), 1)
    onward = (log_ratio(before, high()) + log_ratio(before, low())) * 0.5
    return mean(square_root(lag(close_to_middle(), 1) * onward * 4.0), window)


def roll(window: int) -> Node:
    """Spread from the bounce between bid and ask; 0 where returns do not reverse.

    Source: Roll (1984).
    """
    moves = return_log()
    return square_root(-covariance(moves, lag(moves, 1), window)) * 2.0


def _differs(x: Node, y: Node) -> Node:
    """1 where two prices differ, else 0."""
    return absolute(compare(x, y))


def edge(window: int) -> Node:
    """Efficient spread estimate of opens, highs, lows and closes, signed: below 0 is noise.

    Over the window's bars with a trade (`tau`: a range, or a move from the last close), with
    `a` = middle less open, `b` = open less last close and `g` = last close less last middle, all
    logs, `A B C` the means of `a b c` over those bars, `c = a + b`, and `P Q` = -4 over the
    frequencies of opens and last closes inside their ranges:
    `x1 = P (a - A) (b + g) + Q (c - C) g`, `x2 = P (a - A) b + Q (b - B) g`. The squared spread
    is the mean of their expectations, each weighted by the other's variance; 0 where no open or
    no close lies inside its range or fewer than two bars traded.

    Source: Ardia, Guidotti & Kroencke (2024), J. Financial Economics 161, as in
    the authors' `bidask` package; squares are multiplied out so that every mean is one rolling
    sum.
    """
    traded = maximum(_differs(high(), low()), _differs(low(), lag(close(), 1)))
    before = lag(close(), 1)
    total = _Sums(
        a=(log_ratio(high(), opening()) + log_ratio(low(), opening())) * 0.5,
        b=log_ratio(opening(), before),
        # Without a trade a and b are 0 of themselves.
        g=lag(close_to_middle(), 1) * traded,
        window=window,
    )
    bars = rolling_sum(traded, window)
    opens = (_differs(opening(), high()) + _differs(opening(), low())) * traded
    closes = lag(_differs(close(), high()) + _differs(close(), low()), 1) * traded
    opens, closes = rolling_sum(opens, window), rolling_sum(closes, window)
    # -4 over a frequency, over the window: weights of sums in place of means.
    p, q = ratio(affine(bars, 0.0, -4.0), opens), ratio(affine(bars, 0.0, -4.0), closes)
    mean_a, mean_b = ratio(total("a"), bars), ratio(total("b"), bars)
    mean_c = mean_a + mean_b
    first = p * (total("ab", "ag") - mean_a * total("b", "g"))
    first = first + q * (total("ag", "bg") - mean_c * total("g"))
    second = p * (total("ab") - mean_a * total("b")) + q * (total("bg") - mean_b * total("g"))
    spread_1 = total.square_1(p, q, mean_a, mean_c) * float(window) - first * first
    spread_2 = total.square_2(p, q, mean_a, mean_b) * float(window) - second * second
    spread_1, spread_2 = clip(spread_1, low=0.0), clip(spread_2, low=0.0)
    both = spread_1 + spread_2
    weighted = ratio(spread_2 * first + spread_1 * second, both)
    square = where(both, weighted, (first + second) * 0.5)
    usable = minimum(bars - 1.5, minimum(opens, closes))
    signed = square_root(square) - square_root(-square)
    return where(usable, signed, signed * 0.0)


class _Sums:
    """Rolling sums of products of the three log differences that EDGE is made of."""

    def __init__(self, *, a: Node, b: Node, g: Node, window: int) -> None:
        self._factors = {"a": a, "b": b, "g": g}
        self._window = window

    def __call__(self, *products: str) -> Node:
        """Sum of the rolling sums of some products, such as `abg`."""
        return reduce(add, (self._sum_of(product) for product in products))

    def _sum_of(self, product: str) -> Node:
        factors = (self._factors[name] for name in product)
        return rolling_sum(reduce(lambda x, y: x * y, factors), self._window)

    def square_1(self, p: Node, q: Node, mean_a: Node, mean_c: Node) -> Node:
        """Sum of squares of `p (a - A) (b + g) + q (a + b - C) g`."""
        left = (
            self("aabb", "aabg", "aabg", "aagg"),
            self("abb", "abg", "abg", "agg"),
            self("bb", "bg", "bg", "gg"),
        )
        right = (self("aagg", "abgg", "abgg", "bbgg"), self("agg", "bgg"), self("gg"))
        cross = self("aabg", "abbg", "aagg", "abgg") - mean_a * self("abg", "bbg", "agg", "bgg")
        cross = cross - mean_c * (self("abg", "agg") - mean_a * self("bg", "gg"))
        return p * p * _about(left, mean_a) + q * q * _about(right, mean_c) + p * q * cross * 2.0

    def square_2(self, p: Node, q: Node, mean_a: Node, mean_b: Node) -> Node:
        """Sum of squares of `p (a - A) b + q (b - B) g`."""
        left = (self("aabb"), self("abb"), self("bb"))
        right = (self("bbgg"), self("bgg"), self("gg"))
        cross = self("abbg") - mean_a * self("bbg")
        cross = cross - mean_b * (self("abg") - mean_a * self("bg"))
        return p * p * _about(left, mean_a) + q * q * _about(right, mean_b) + p * q * cross * 2.0


def _about(powers: tuple[Node, Node, Node], centre: Node) -> Node:
    """Sum of `(x - centre)^2 t^2` from the sums of `x^2 t^2`, `x t^2` and `t^2`."""
    return powers[0] - centre * (powers[1] * 2.0 - centre * powers[2])


# Illiquidity and impact.


def amihud(window: int) -> Node:
    """Mean absolute return per traded money over the bars that traded.

    Source: Amihud (2002), eq. 1.
    """
    traded = between(volume(), 5e-324, math.inf)
    return ratio(rolling_sum(price_impact(), window), rolling_sum(traded, window))


def kyle_lambda(window: int) -> Node:
    """Slope of returns on signed volume, in standard deviations per bar of mean volume.

    Volume takes the sign of its bar's move. Source: Kyle (1985), regressed as in
    Hasbrouck (2009), with volume in place of its root.
    """
    flow = signed_volume()
    usual = ratio(mean(volume(), window), deviation(flow, window))
    return clip(correlation(return_log(), flow, window) * usual, -20.0, 20.0)


def bulk_flow(window: int) -> Node:
    """Bought less sold share of each bar's volume, -1 to 1, classified by the size of its move.

    `2 N(z) - 1` with the normal distribution `N` and `z` the log return in its standard
    deviations. Source: Easley, Lopez de Prado & O'Hara (2012).
    """
    z = ratio(return_log(), deviation(return_log(), window))
    return affine(normal_cdf(z), 2.0, -1.0)


def vpin_proxy(window: int) -> Node:
    """Share of volume that is one-sided within its bar, 0 to 1.

    VPIN counts buckets of equal volume; bars of equal time weighted by their volume stand in for
    them. Source: Easley, Lopez de Prado & O'Hara (2012).
    """
    one_sided = rolling_sum(absolute(bulk_flow(window)) * volume(), window)
    return ratio(one_sided, rolling_sum(volume(), window))


def _spreads() -> list[Feature]:
    parts = [
        ("corwin_schultz_20", corwin_schultz(20), "Corwin & Schultz (2012)"),
        ("abdi_ranaldo_20", abdi_ranaldo(20), "Abdi & Ranaldo (2017)"),
        ("roll_spread_50", roll(50), "Roll (1984)"),
    ]
    return [
        *[Feature(name, node * 100.0, source, PERCENT, low=0.0) for name, node, source in parts],
        Feature(
            "edge_spread_64",
            edge(64) * 100.0,
            "Ardia, Guidotti & Kroencke (2024)",
            f"{PERCENT}, signed",
        ),
    ]


def _frictions() -> list[Feature]:
    flow = rolling_sum(bulk_flow(50) * volume(), 20)
    source = "Easley, Lopez de Prado & O'Hara (2012)"
    return [
        Feature(
            "amihud_20_200",
            soft_log_ratio(amihud(20), amihud(200)),
            "Amihud (2002)",
            "log of the shorter over the longer",
        ),
        Feature(
            "kyle_lambda_50",
            kyle_lambda(50),
            "Kyle (1985)",
            "standard deviations per bar of mean volume",
            low=-20.0,
            high=20.0,
        ),
        Feature("vpin_proxy_50", vpin_proxy(50), source, "0 to 1", low=0.0, high=1.0),
        Feature(
            "bulk_flow_20",
            ratio(flow, rolling_sum(volume(), 20)),
            source,
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_spreads(), *_frictions()]
