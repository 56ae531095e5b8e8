"""The order book at the bar's close: its balance, its cost and how orders flow into it.

An optional family: it needs the columns `bid_price_k bid_size_k ask_price_k ask_size_k` for the
levels `k` from 1 (best) to 5. Sizes share one unit; a level that is absent has size 0 and any
price above 0.
"""

from functools import reduce
from operator import add

from ultimate_deep.features.engine.graph import (
    Node,
    clip,
    column,
    compare,
    lag,
    log_ratio,
    ratio,
    soft_log_ratio,
)
from ultimate_deep.features.engine.windows import deviation, mean, rolling_sum
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.registry import Feature

LEVELS = 5
CONT = "Cont, Kukanov & Stoikov (2014)"


def book(kind: str, level: int) -> Node:
    """A column of the book; `kind` is `bid_price`, `bid_size`, `ask_price` or `ask_size`."""
    return column(f"{kind}_{level}")


def size_of(side: str, levels: int = LEVELS) -> Node:
    """Total size of a side (`bid` or `ask`) down to a level."""
    return reduce(add, (book(f"{side}_size", level) for level in range(1, levels + 1)))


def imbalance(levels: int) -> Node:
    """Bid less ask size over their sum, -1 to 1; 0 for an empty book."""
    bids, asks = size_of("bid", levels), size_of("ask", levels)
    return ratio(bids - asks, bids + asks)


def middle() -> Node:
    """Mean of the best bid and ask."""
    return (book("bid_price", 1) + book("ask_price", 1)) * 0.5


def relative_spread() -> Node:
    """Log of the best ask over the best bid."""
    return log_ratio(book("ask_price", 1), book("bid_price", 1))


def mean_relative_spread(window: int) -> Node:
    """Mean of the relative spread, crossed books as 0."""
    return mean(clip(relative_spread(), low=0.0), window)


def micro_price_offset(levels: int) -> Node:
    """Micro-price less middle: prices weighted by the size on the other side, level by level.

    In price units, 0 for an empty book. At the best quotes alone it is half the spread times
    `imbalance(1)`. Source: Gatheral & Oomen (2010), there for one level.
    """
    centre = middle()
    crossed = [
        (book("bid_price", k) - centre) * book("ask_size", k)
        + (book("ask_price", k) - centre) * book("bid_size", k)
        for k in range(1, levels + 1)
    ]
    return ratio(reduce(add, crossed), size_of("bid", levels) + size_of("ask", levels))


def order_flow() -> Node:
    """Net size that arrived at the best quotes since the last bar's book, buying above 0.

    A rising bid adds its whole size, a falling one removes the last bar's, one that stays adds
    the difference; asks the other way round. Source: Cont, Kukanov & Stoikov (2014).
    """
    parts = []
    for side, sign in (("bid", 1.0), ("ask", -1.0)):
        price, size = book(f"{side}_price", 1), book(f"{side}_size", 1)
        move = compare(price, lag(price, 1)) * sign
        # 1 where the new queue counts (price better or equal), and where the old one does.
        new, old = clip(move + 1.0, 0.0, 1.0), clip(1.0 - move, 0.0, 1.0)
        parts.append((new * size - old * lag(size, 1)) * sign)
    return parts[0] + parts[1]


def order_flow_imbalance(window: int) -> Node:
    """Order flow over the sizes at the best quotes of both ends of each step, -1 to 1."""
    sizes = size_of("bid", 1) + size_of("ask", 1)
    return ratio(rolling_sum(order_flow(), window), rolling_sum(sizes + lag(sizes, 1), window))


def depth_slope(side: str) -> Node:
    """Least-squares slope of a side's sizes against the level, over their mean.

    Above 0 the book thickens away from the best quote. Source: Naes & Skjeltorp (2006),
    who use elasticities, which are infinite for levels at one price.
    """
    centre = (LEVELS + 1) / 2.0
    spread = LEVELS * (LEVELS * LEVELS - 1.0) / 12.0
    weighted = (
        book(f"{side}_size", level) * (level - centre)
        for level in range(1, LEVELS + 1)
        if level != centre
    )
    return ratio(reduce(add, weighted) * (LEVELS / spread), size_of(side))


def _unit(name: str, node: Node, source: str) -> Feature:
    return Feature(name, node, source, "-1 to 1", low=-1.0, high=1.0)


def _balance() -> list[Feature]:
    source = "Cao, Hansch & Wang (2009)"
    bids, asks = depth_slope("bid"), depth_slope("ask")
    unit = "mean sizes per level"
    return [
        *[_unit(f"book_imbalance_{n}", imbalance(n), source) for n in (1, 3, 5)],
        Feature(
            "depth_slope", (bids + asks) * 0.5, "Naes & Skjeltorp (2006)", unit, low=-1, high=1
        ),
        Feature(
            "depth_slope_balance", bids - asks, "Naes & Skjeltorp (2006)", unit, low=-2, high=2
        ),
    ]


def _prices() -> list[Feature]:
    scale = deviation(return_log(), 50)
    quoted = book("ask_price", 1) - book("bid_price", 1)
    source = "Gatheral & Oomen (2010)"
    offset = micro_price_offset(1)
    return [
        Feature(
            "book_spread_bps",
            relative_spread() * 1e4,
            "Demsetz (1968)",
            "basis points of the price; below 0 where the book is crossed",
        ),
        Feature(
            "book_spread_to_mean_50",
            soft_log_ratio(clip(relative_spread(), low=0.0), mean_relative_spread(50)),
            "Demsetz (1968)",
            "log over the mean of 50 bars",
        ),
        Feature(
            "micro_price_1",
            clip(ratio(log_ratio(middle() + offset, middle()), scale), -20.0, 20.0),
            source,
            "log over the middle, in standard deviations of returns",
            low=-20.0,
            high=20.0,
        ),
        Feature(
            "micro_price_5",
            clip(ratio(micro_price_offset(LEVELS), quoted), -20.0, 20.0),
            source,
            "distance from the middle in spreads",
            low=-20.0,
            high=20.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    flows = [_unit(f"order_flow_imbalance_{w}", order_flow_imbalance(w), CONT) for w in (1, 5, 20)]
    return [*_balance(), *_prices(), *flows]
