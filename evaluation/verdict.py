"""Is there an edge? One rule, written before the results are seen.

Edge: with `1 - error_rate` confidence each, the accuracy is above the majority's AND the mean net
return is above zero. The majority is the better of the two constant predictions with hindsight
on the judged rows, so that a model which only bets on the trend of the test part never claims.

Where that fails:
- no edge, when the estimate itself is not above zero (more of the same data would not help), or
  when even the upper bound of the advantage is below the smallest edge of interest;
- cannot tell, otherwise: the estimates point the right way, but chance explains them. Then the
  number of bars that would settle it is given, by the usual power rule: a true effect as large
  as the estimate is found with probability `power` once
  `bars = rows * ((z(1 - error_rate) + z(power)) * standard_error / estimate) ** 2`.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from evaluation.arrays import Array1D, binary, same_length, vector
from evaluation.bootstrap import Interval, block_bars_for, bootstrap_sums, interval_from
from evaluation.metrics import majority_accuracy

Kind = Literal["edge", "no edge", "cannot tell"]
_MOST_BARS = 10**12


@dataclass(frozen=True, kw_only=True)
class VerdictConfig:
    """How strict the verdict is.

    Args:
        error_rate: chance of each bound to be wrong, hence at most the rate of claims without an
            edge; in (0, 0.5).
        power: with which probability the bars of a "cannot tell" would settle it; in (0.5, 1).
        smallest_edge: advantage in accuracy below which an edge is of no interest (fraction).
        minimum_decisions: distinct decision times below which nothing is claimed.
        minimum_active_bars: bars with a position's return below which nothing is claimed.
        resamples: bootstrap histories.
    """

    error_rate: float = 0.02
    power: float = 0.8
    smallest_edge: float = 0.005
    minimum_decisions: int = 100
    minimum_active_bars: int = 30
    resamples: int = 4000

    def __post_init__(self) -> None:
        for name, low, high in (("error_rate", 0.0, 0.5), ("power", 0.5, 1.0)):
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(f"{name} must lie in ({low}, {high}), got {value}.")
        if not 0.0 <= self.smallest_edge < 0.5:
            raise ValueError(
                f"smallest_edge must lie in [0, 0.5), got {self.smallest_edge}; "
                "0.005 is half a percentage point of accuracy."
            )
        if self.resamples * self.error_rate < 10:
            raise ValueError(
                f"resamples must put at least 10 histories beyond the bound, got {self.resamples} "
                f"at error_rate {self.error_rate}; take {math.ceil(10 / self.error_rate)} or more."
            )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may be claimed, in one sentence and in figures.

    Args:
        kind: "edge", "no edge" or "cannot tell".
        sentence: the verdict for people, with its figures.
        accuracy: share of right decisions with its interval.
        majority_accuracy: accuracy of the better constant prediction.
        advantage: accuracy minus the majority's, paired on the same resamples.
        net_return: mean net return per bar (fraction) with its interval.
        bars_needed: only for "cannot tell": bars of test data that would settle it.
        decisions: distinct decision times judged.
        bars: bars of net returns judged.
        simulated: whether the bars were simulated.
    """

    kind: Kind
    sentence: str
    accuracy: Interval
    majority_accuracy: float
    advantage: Interval
    net_return: Interval
    bars_needed: int | None
    decisions: int
    bars: int
    simulated: bool


def judge_edge(
    label: npt.ArrayLike,
    predicted_up: npt.ArrayLike,
    return_net: npt.ArrayLike,
    *,
    decision_time: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    seed: int = 0,
    simulated: bool = False,
    config: VerdictConfig = VerdictConfig(),
) -> Verdict:
    """Judge a model on its test part.

    Args:
        label: 0 or 1 per decision, shape `(rows,)`, in order of time.
        predicted_up: 0 or 1 per decision, shape `(rows,)`.
        return_net: net return per bar of the backtest, shape `(bars,)`, in order of time; the
            bars may be more than the decisions.
        decision_time: time of each decision, shape `(rows,)`. Give it when several symbols are
            pooled: decisions of one time are then drawn together, since symbols move together.
        horizon_bars: over how many bars the labels reach.
        seed: of the bootstrap.
        simulated: said in the sentence.

    Raises:
        ValueError: shapes that differ, values other than 0 and 1, NaN.
    """
    truth, guess = binary("label", label), binary("predicted_up", predicted_up)
    same_length(label=truth, predicted_up=guess)
    returns = vector("return_net", return_net)
    if not len(returns):
        raise ValueError("return_net must have at least one bar, got none.")
    level = 1.0 - 2.0 * config.error_rate
    table = _per_time(truth, guess, decision_time)
    accuracy, advantage = _accuracy_intervals(table, level, horizon_bars, seed, config)
    net_return = _return_interval(returns, level, horizon_bars, seed, config)
    finding = _decide(
        accuracy, majority_accuracy(truth), advantage, net_return, len(table), returns, config
    )
    kind, reason, bars_needed = finding
    heading = kind.capitalize() + (" (simulated bars)" if simulated else "")
    return Verdict(
        kind=kind,
        sentence=f"{heading}: {reason}",
        accuracy=accuracy,
        majority_accuracy=majority_accuracy(truth),
        advantage=advantage,
        net_return=net_return,
        bars_needed=bars_needed,
        decisions=len(table),
        bars=len(returns),
        simulated=simulated,
    )


def accuracy_interval(
    label: npt.ArrayLike,
    predicted_up: npt.ArrayLike,
    *,
    decision_time: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    seed: int = 0,
    config: VerdictConfig = VerdictConfig(),
) -> Interval:
    """Return the accuracy of any predictor with the same interval that `judge_edge` gives.

    Args and errors as for `judge_edge`.
    """
    truth, guess = binary("label", label), binary("predicted_up", predicted_up)
    same_length(label=truth, predicted_up=guess)
    table = _per_time(truth, guess, decision_time)
    level = 1.0 - 2.0 * config.error_rate
    return _accuracy_intervals(table, level, horizon_bars, seed, config)[0]


def _per_time(
    truth: Array1D, guess: Array1D, decision_time: npt.ArrayLike | None
) -> npt.NDArray[np.float64]:
    """Sums per distinct time, in order: right decisions, those of the majority, decisions."""
    majority = 1.0 if truth.mean() >= 0.5 else 0.0
    rows = np.column_stack(
        [truth == guess, truth == majority, np.ones(len(truth), dtype=bool)]
    ).astype(np.float64)
    if decision_time is None:
        return rows
    times = np.asarray(decision_time)
    if times.shape != (len(truth),):
        raise ValueError(
            f"decision_time must have shape ({len(truth)},) like the labels, got {times.shape}."
        )
    unique, which = np.unique(times, return_inverse=True)
    return np.column_stack(
        [np.bincount(which, weights=column, minlength=len(unique)) for column in rows.T]
    )


def _accuracy_intervals(
    table: npt.NDArray[np.float64],
    level: float,
    horizon_bars: int,
    seed: int,
    config: VerdictConfig,
) -> tuple[Interval, Interval]:
    right, majority, count = table.sum(axis=0)
    lead = (table[:, :1] - table[:, 1:2]) - table[:, 2:] * (right - majority) / count
    hits = table[:, :1] - table[:, 2:] * right / count
    block_bars = block_bars_for(np.hstack([lead, hits]), horizon_bars=horizon_bars)
    sums = bootstrap_sums(table, block_bars=block_bars, resamples=config.resamples, seed=seed)
    accuracy = interval_from(
        float(right / count), sums[:, 0] / sums[:, 2], level=level, block_bars=block_bars
    )
    advantage = interval_from(
        float((right - majority) / count),
        (sums[:, 0] - sums[:, 1]) / sums[:, 2],
        level=level,
        block_bars=block_bars,
    )
    return accuracy, advantage


def _return_interval(
    returns: Array1D, level: float, horizon_bars: int, seed: int, config: VerdictConfig
) -> Interval:
    block_bars = block_bars_for(returns[:, None], horizon_bars=horizon_bars)
    sums = bootstrap_sums(
        returns[:, None], block_bars=block_bars, resamples=config.resamples, seed=seed + 1
    )
    means = sums[:, 0] / len(returns)
    return interval_from(float(returns.mean()), means, level=level, block_bars=block_bars)


def _decide(
    accuracy: Interval,
    majority: float,
    advantage: Interval,
    net_return: Interval,
    decisions: int,
    returns: Array1D,
    config: VerdictConfig,
) -> tuple[Kind, str, int | None]:
    active = int(np.count_nonzero(returns))
    confidence = f"{1.0 - config.error_rate:.0%}"
    hits = f"right on {accuracy.estimate:.2%} of {decisions:,} decision times"
    lead = f"{100 * advantage.estimate:+.2f} points against the majority's {majority:.2%}"
    gain = f"{1e4 * net_return.estimate:+.3f} bps per bar after costs"
    if not active:
        return "no edge", f"the model never traded ({hits}, {lead}).", None
    if advantage.estimate <= 0.0:
        return "no edge", f"{hits}, {lead}, so not above it; {gain}.", None
    if net_return.estimate <= 0.0:
        return "no edge", f"{hits}, {lead}, but {gain}: costs eat the advantage.", None
    if advantage.upper < config.smallest_edge:
        limit = f"{100 * advantage.upper:.2f} points at most with {confidence} confidence"
        least = f"less than the {100 * config.smallest_edge:.2f} that would be of interest"
        return "no edge", f"{hits}, {lead}, {limit}, {least}; {gain}.", None
    enough = decisions >= config.minimum_decisions and active >= config.minimum_active_bars
    if advantage.lower > 0.0 and net_return.lower > 0.0 and enough:
        least = (
            f"at least {100 * advantage.lower:+.2f} points and {1e4 * net_return.lower:+.3f} bps"
        )
        return "edge", f"{hits}, {lead}, {gain}; {least} with {confidence} confidence each.", None
    needed = _bars_needed(advantage, net_return, decisions, returns, active, config)
    bounds = (
        f"the {confidence} lower bounds are {100 * advantage.lower:+.2f} points "
        f"and {1e4 * net_return.lower:+.3f} bps"
    )
    settle = f"about {needed:,} bars of test data would settle it"
    return "cannot tell", f"{hits}, {lead}, {gain}, but {bounds}; {settle}.", needed


def _bars_needed(
    advantage: Interval,
    net_return: Interval,
    decisions: int,
    returns: Array1D,
    active: int,
    config: VerdictConfig,
) -> int:
    reach = float(norm.ppf(1.0 - config.error_rate) + norm.ppf(config.power))
    bars = [
        float(config.minimum_decisions),
        len(returns) * config.minimum_active_bars / active,
    ]
    for interval, rows in ((advantage, decisions), (net_return, len(returns))):
        if interval.lower <= 0.0:
            ratio = reach * interval.standard_error / interval.estimate
            bars.append(rows * ratio**2)
    return math.ceil(min(max(bars), _MOST_BARS))
