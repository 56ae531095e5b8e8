"""What holding the asset over the window would have meant: reward, drawdown and tails."""

import math
from functools import reduce
from operator import add

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    clip,
    compare,
    log_ratio,
    quantiles,
    ratio,
)
from ultimate_deep.features.engine.windows import (
    deviation,
    max_drawdown,
    mean,
    rolling_max,
    rolling_min,
    rolling_sum,
)
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.indicators.classic import close, rms
from ultimate_deep.features.registry import Feature

WINDOW = 100
TAIL = 5
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def return_quantiles() -> dict[float, Node]:
    """Quantiles of the last 100 returns by level; `statistics` uses the same sorted window."""
    return dict(zip(LEVELS, _sorted_returns()[:5], strict=True))


def _sorted_returns() -> tuple[Node, ...]:
    """`LEVELS`, then the `TAIL` lowest and the `TAIL` highest returns."""
    steps = WINDOW - 1
    lowest = tuple(k / steps for k in range(TAIL))
    highest = tuple((steps - k) / steps for k in range(TAIL))
    return quantiles(return_log(), WINDOW, LEVELS + lowest + highest)


def _mean_of(nodes: tuple[Node, ...]) -> Node:
    return reduce(add, nodes) / len(nodes)


def downside(window: int) -> Node:
    """Root mean square of negative returns per bar."""
    return rms(clip(return_log(), high=0.0), window)


def sharpe(window: int) -> Node:
    """Mean over standard deviation of returns times the root of the window."""
    moves = return_log()
    node = ratio(mean(moves, window), deviation(moves, window)) * math.sqrt(window)
    return clip(node, -20.0, 20.0)


def sortino(window: int) -> Node:
    """Mean return over downside deviation times the root of the window."""
    node = ratio(mean(return_log(), window), downside(window)) * math.sqrt(window)
    return clip(node, -20.0, 20.0)


def ulcer(window: int) -> Node:
    """Root mean square of the closes' falls below the highest close of the window before each."""
    peak = rolling_max(close(), window)
    return rms(ratio(peak - close(), peak), window)


def _rewards() -> list[Feature]:
    moves = return_log()
    gains = rolling_sum(clip(moves, low=0.0), 50)
    total = rolling_sum(absolute(moves), 50)
    bounds = {"low": -20.0, "high": 20.0}
    return [
        *[
            Feature(f"sharpe_{w}", sharpe(w), "Sharpe (1994)", "t statistic", **bounds)
            for w in (20, 100)
        ],
        *[
            Feature(
                f"sortino_{w}", sortino(w), "Sortino & Price (1994)", "as a t statistic", **bounds
            )
            for w in (50, 100)
        ],
        Feature(
            "gain_share_50",
            ratio(gains * 2.0 - total, total),
            "Keating & Shadwick (2002), Omega",
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
    ]


def _drawdowns() -> list[Feature]:
    source = "Magdon-Ismail & Atiya (2004)"
    return [
        *[
            Feature(
                f"max_drawdown_{w}", max_drawdown(close(), w), source, "0 to 1", low=0.0, high=1.0
            )
            for w in (50, 100)
        ],
        Feature(
            "drawdown_100",
            log_ratio(close(), rolling_max(close(), 100)),
            source,
            "log of close over the highest close",
            high=0.0,
        ),
        Feature(
            "run_up_100",
            log_ratio(close(), rolling_min(close(), 100)),
            source,
            "log of close over the lowest close",
            low=0.0,
        ),
        Feature("ulcer_50", ulcer(50), "Martin & McCann (1989)", "0 to 1", low=0, high=1),
    ]


def _tails() -> list[Feature]:
    moves = return_log()
    levels = return_quantiles()
    lowest = _mean_of(_sorted_returns()[5 : 5 + TAIL])
    highest = _mean_of(_sorted_returns()[5 + TAIL :])
    scale = deviation(moves, WINDOW)
    unit = "standard deviations"
    source = "Artzner et al. (1999)"
    return [
        Feature("value_at_risk_5_100", ratio(levels[0.05], scale), "Jorion (2006)", unit),
        Feature("expected_shortfall_5_100", ratio(lowest, scale), source, unit),
        Feature(
            "tail_balance_5_100",
            ratio(highest + lowest, highest - lowest),
            source,
            "sum over difference of the mean of the 5 highest and the 5 lowest returns",
        ),
        Feature(
            "tail_loss_share_20",
            mean(clip(compare(levels[0.05], moves), 0.0, 1.0), 20),
            "Christoffersen (1998)",
            "share of bars beyond the value at risk",
            low=0.0,
            high=1.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_rewards(), *_drawdowns(), *_tails()]
