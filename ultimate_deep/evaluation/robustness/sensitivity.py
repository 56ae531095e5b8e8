"""Does the result hang on one number? Neighbouring thresholds, and a fill one bar later."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.measures.metrics import predicted_up
from ultimate_deep.evaluation.robustness.trade import Decisions, Trade, account_figures
from ultimate_deep.evaluation.robustness.win_rate import confidence_of, thresholds_keeping
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.accuracy import accuracy_interval
from ultimate_deep.evaluation.verdicts.bounds import ALONE, Bounds
from ultimate_deep.machine.counts import how_many, written

FACTORS = (0.5, 0.7, 0.85, 0.95, 1.0, 1.05, 1.15, 1.4, 2.0)
_NEAR = 0.2  # neighbours keep up to a fifth more or fewer decisions
RESAMPLES = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class ThresholdSensitivity:
    """Net figures at neighbouring thresholds.

    Args:
        table: Columns `threshold`, `coverage` (share of rows with a signal), `net_return`,
            `sharpe`, `net_return_bps`, `trades`, `chosen`, by rising threshold.
        neighbours_share: Median mean net return per bar of the near neighbours over that of
            the threshold in use; about 1 on a plateau. NaN where that is not above zero or
            nothing lies near.
        lonely: Whether the threshold in use gains and its near neighbours keep less than half.
        sentence: The same in words.
    """

    table: pd.DataFrame
    neighbours_share: float
    lonely: bool
    sentence: str


def threshold_sensitivity(
    trade: Trade,
    decisions: Decisions,
    config: BacktestConfig,
    *,
    threshold: float,
    factors: Sequence[float] = FACTORS,
) -> ThresholdSensitivity:
    """Trade at thresholds that keep somewhat fewer and somewhat more decisions.

    Neighbours are found by the share of decisions kept, since probabilities may all lie within
    a hundredth of one half. The table describes; choosing from it would be reading the test
    part for a threshold.

    Args:
        trade: The way from signals to the account, a `Trade`.
        decisions: The test part's `Decisions`.
        config: The rule and costs in use.
        threshold: The threshold in use, in [0.5, 1].
        factors: Shares of decisions to keep, relative to those kept now.
    """
    confidence = confidence_of(decisions.probability, config)
    with np.errstate(invalid="ignore"):
        kept = float((confidence >= threshold).sum()) / max(np.isfinite(confidence).sum(), 1)
    near = thresholds_keeping(confidence, [factor * kept for factor in factors if factor != 1.0])
    rows = []
    for step in np.unique(np.append(near[np.isfinite(near)], threshold)):
        signal = signal_from_probability(decisions.probability, float(step), mode=config.mode)
        rows.append(
            {"threshold": float(step), "coverage": float((signal != 0.0).mean())}
            | account_figures(trade(signal, config))
            | {"chosen": bool(step == threshold)}
        )
    table = pd.DataFrame(rows)
    return _judge_peak(table)


def _judge_peak(table: pd.DataFrame) -> ThresholdSensitivity:
    chosen = table["chosen"].to_numpy(dtype=bool)
    coverage = table["coverage"].to_numpy()
    gains = table["net_return_bps"].to_numpy()
    own, kept = float(gains[chosen][0]), float(coverage[chosen][0])
    near = ~chosen & (np.abs(coverage - kept) <= _NEAR * kept) & (coverage > 0.0)
    share = math.nan
    if own > 0.0 and near.any():
        share = float(np.median(gains[near])) / own
    lonely = share < 0.5  # NaN is not
    if not kept:
        sentence = "The threshold in use trades nothing."
    elif own <= 0.0:
        better = int((gains[~chosen] > 0.0).sum())
        others = how_many(int((~chosen).sum()), "other threshold")
        sentence = f"The threshold in use does not gain; of {others}, {better:,} do."
    elif math.isnan(share):
        sentence = "No other threshold keeps about as many decisions."
    elif lonely:
        sentence = (
            f"Lonely peak: thresholds beside the one in use keep {share:.0%} of its net return "
            "per bar. That points to luck."
        )
    else:
        left = written(share, "{:.0%}")
        sentence = f"Thresholds beside the one in use keep {left} of its net return per bar."
    return ThresholdSensitivity(
        table=table, neighbours_share=share, lonely=lonely, sentence=sentence
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class DelaySensitivity:
    """Net figures when every fill comes some bars later.

    Args:
        table: Columns `delay_bars` (beyond the rule's own latency), `accuracy` with
            `accuracy_lower`, `accuracy_upper` (each decision against the label that many bars
            later), `net_return`, `sharpe`, `net_return_bps` with `net_lower_bps`,
            `net_upper_bps`, `trades`.
        share_left: Mean net return per bar after the first delay over that without; NaN where
            there is none to lose.
        gone: Whether the account gains without the delay and does not with it.
        sentence: The same in words.
    """

    table: pd.DataFrame
    share_left: float
    gone: bool
    sentence: str


def delay_sensitivity(
    trade: Trade,
    signal: Array1D,
    config: BacktestConfig,
    decisions: Decisions,
    *,
    delays: Sequence[int] = (0, 1, 2),
    known: Sequence[Interval | None] = (),
    accuracy: Interval | None = None,
    error_rate: float = ALONE,
    seed: int = 0,
) -> DelaySensitivity:
    """Trade the same signals with the fills some bars later.

    An edge that lives within one bar is one that the data may have made (stale or repeated
    prices, stamps that are early) and that live trading may miss.

    Args:
        trade: The way from signals to the account, a `Trade`.
        signal: Wanted positions of the test rows, shape `(rows,)`.
        config: The rule and costs in use.
        decisions: The test part's `Decisions`.
        delays: Further bars between decision and fill; the first must be 0.
        known: Mean net return per bar (fraction) of the first delays, where they have been judged.
        accuracy: Accuracy without a delay, where it has been judged.
        error_rate: Chance of each bound to be wrong, the verdict's.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: Delays that do not start at 0, or are negative.
    """
    if not delays or delays[0] != 0 or min(delays) < 0:
        raise ValueError(f"delays must start at 0 and not be negative, got {tuple(delays)}")
    rows, bounds = [], Bounds(error_rate, RESAMPLES)
    for place, delay in enumerate(delays):
        account = trade(signal, replace(config, latency_bars=config.latency_bars + delay))
        net = known[place] if place < len(known) else None
        if net is None:
            net = bounds.of_mean(account.return_net, horizon_bars=config.horizon_bars, seed=seed)
        hits = accuracy if not delay else None
        if hits is None:
            hits = _accuracy_after(decisions, delay, bounds, config.horizon_bars, seed)
        rows.append(
            {
                "delay_bars": delay,
                "accuracy": hits.estimate if hits else math.nan,
                "accuracy_lower": hits.lower if hits else math.nan,
                "accuracy_upper": hits.upper if hits else math.nan,
            }
            | account_figures(account)
            | {"net_lower_bps": 1e4 * net.lower, "net_upper_bps": 1e4 * net.upper}
        )
    return _judge_delay(pd.DataFrame(rows))


def _accuracy_after(
    decisions: Decisions, delay: int, bounds: Bounds, horizon_bars: int, seed: int
) -> Interval | None:
    """Accuracy of each decision against its own symbol's label `delay` rows later."""
    later = np.full(len(decisions.label), math.nan)
    for rows in decisions.groups():
        later[rows[: max(len(rows) - delay, 0)]] = decisions.label[rows[delay:]]
    known = np.isfinite(later) & np.isfinite(decisions.probability)
    if not known.any():
        return None
    return accuracy_interval(
        later[known],
        predicted_up(decisions.probability[known]),
        decision_time=decisions.decision_time[known],
        horizon_bars=horizon_bars,
        seed=seed,
        bounds=bounds,
    )


def _judge_delay(table: pd.DataFrame) -> DelaySensitivity:
    gains = table["net_return_bps"].to_numpy()
    now, first = float(gains[0]), float(gains[1]) if len(gains) > 1 else math.nan
    share, gone = math.nan, False
    if now <= 0.0 or math.isnan(first):
        sentence = "There is no net return that a delay could take."
    else:
        share, gone = first / now, first <= 0.0
        bars = int(table["delay_bars"].iloc[1])
        after = f"after a delay of {bars} bar{'s' if bars > 1 else ''}"
        sentence = (
            f"The net return is gone {after} ({now:+.3f} to {first:+.3f} bps per bar): it lives "
            "for one bar, and hangs on fills right after the decision."
            if gone
            else _what_is_left(share, after, f"{now:+.3f} to {first:+.3f} bps per bar")
        )
    return DelaySensitivity(table=table, share_left=share, gone=gone, sentence=sentence)


def _what_is_left(share: float, after: str, span: str) -> str:
    if share >= 1.0:
        return f"Nothing of the net return is lost {after} ({span})."
    return f"{written(share, '{:.0%}')} of the net return is left {after} ({span})."
