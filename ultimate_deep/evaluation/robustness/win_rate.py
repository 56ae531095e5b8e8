"""Win rate against trades kept: does being choosier win more often, and is that more than noise?"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.measures.metrics import threshold_sweep
from ultimate_deep.evaluation.robustness.trade import Decisions

KEPT = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01)


def wilson_interval(
    wins: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.96
) -> tuple[Array1D, Array1D]:
    """Return lower and upper bounds of shares, each shape `(shares,)`; NaN without trials.

    Source: Wilson (1927), J. American Statistical Association 22(158).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1), got {level}; give for example 0.96")
    count = np.asarray(trials, dtype=np.float64)
    count = np.where(count > 0, count, np.nan)
    share = np.asarray(wins, dtype=np.float64) / count
    reach = float(ndtri(0.5 + level / 2.0))
    scale = 1.0 + reach**2 / count
    centre = (share + reach**2 / (2.0 * count)) / scale
    half = reach / scale * np.sqrt(share * (1.0 - share) / count + reach**2 / (4.0 * count**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def confidence_of(probability: Array1D, config: BacktestConfig) -> Array1D:
    """Return the probability of the side taken: of up, or of the likelier side where shorts are
    allowed; shape `(rows,)`, NaN where unknown."""
    if config.mode == "long_flat":
        return probability
    return np.maximum(probability, 1.0 - probability)


def thresholds_keeping(confidence: Array1D, kept: npt.ArrayLike) -> Array1D:
    """Return the thresholds that keep these shares of the rows, at least one half each, shape
    `(shares,)`; NaN where no row has a probability."""
    known = confidence[np.isfinite(confidence)]
    shares = np.clip(np.asarray(kept, dtype=np.float64), 0.0, 1.0)
    if not len(known):
        return np.full(len(shares), math.nan)
    cut = np.quantile(known, 1.0 - shares, method="higher")
    return np.clip(cut, 0.5, 1.0)


def win_rates(
    decisions: Decisions,
    config: BacktestConfig,
    *,
    threshold: float,
    level: float = 0.96,
) -> pd.DataFrame:
    """Win rate after costs by share of decisions kept, the threshold in use among them.

    Every decision is a trade of its own. Labels of horizon `h` overlap, so the intervals count
    only every `h`-th trade as independent.

    Returns:
        Columns `threshold`, `trades`, `coverage`, `win_rate`, `win_rate_lower`,
        `win_rate_upper` (Wilson), `hit_rate` (before costs), `net_return_bps` (mean per trade),
        `chosen`; from all trades to few. Without rows where there are no probabilities.
    """
    confidence = confidence_of(decisions.probability, config)
    steps = thresholds_keeping(confidence, KEPT)
    steps = np.unique(np.append(steps[np.isfinite(steps)], threshold))
    table = threshold_sweep(
        decisions.probability,
        decisions.return_log,
        mode=config.mode,
        costs=config.costs,
        thresholds=steps,
    )
    independent = table["trades"].to_numpy(dtype=np.float64) / config.horizon_bars
    rate = table["win_rate"].to_numpy(dtype=np.float64)
    lower, upper = wilson_interval(rate * independent, independent, level=level)
    table.insert(4, "win_rate_lower", lower)
    table.insert(5, "win_rate_upper", upper)
    table["chosen"] = table["threshold"] == threshold
    return table
