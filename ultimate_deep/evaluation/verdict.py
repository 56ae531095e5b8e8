"""Is there an edge? One rule, written before the results are seen.

Edge: with `1 - error_rate` confidence each, the accuracy is above the majority's AND the mean net
return is above zero. The majority is the better of the two constant predictions with hindsight
on the judged rows, so that a model which only bets on the trend of the test part never claims.

Where that fails:
- no edge, when the estimate itself is not above zero (more of the same data would not help), or
  when even the upper bound of the advantage is below the smallest edge of interest;
- cannot tell, where fewer than `minimum_decisions` were judged, whatever came of them;
- cannot tell, otherwise: the estimates point the right way, but chance explains them. Then the
  number of bars that would settle it is given, by the usual power rule: a true effect as large
  as the estimate is found with probability `power` once
  `bars = judged bars * ((z(1 - error_rate) + z(power)) * standard_error / estimate) ** 2`.

Whoever looks often enough finds something. When `readings` different models have been judged on the
same bars, this one included, each bound is held to `error_rate / readings` (Bonferroni).
"""

import html
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length, vector
from ultimate_deep.evaluation.measures.metrics import majority_accuracy
from ultimate_deep.evaluation.significance.bootstrap import (
    Interval,
    block_bars_for,
    bootstrap_sums,
    interval_from,
)
from ultimate_deep.evaluation.significance.decision_times import sums_per_time

Kind = Literal["edge", "no edge", "cannot tell"]
_MOST_BARS = 10**12
_LEAST_BEYOND = 10  # histories beyond a bound, for its percentile to mean anything
_MOST_RESAMPLES = 20_000


@dataclass(frozen=True, kw_only=True)
class VerdictConfig:
    """How strict the verdict is.

    Args:
        error_rate: Chance of each bound to be wrong, hence at most the rate of claims without an
            edge; in (0, 0.5).
        power: Probability with which the bars of a "cannot tell" would settle it, in (0.5, 1).
        smallest_edge: Advantage in accuracy below which an edge is of no interest (fraction).
        minimum_decisions: Distinct decision times below which nothing is claimed.
        minimum_active_bars: Bars with a position's return below which nothing is claimed.
        resamples: Number of bootstrap histories.
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
                raise ValueError(f"{name} must lie in ({low}, {high}), got {value}")
        if not 0.0 <= self.smallest_edge < 0.5:
            raise ValueError(
                f"smallest_edge must lie in [0, 0.5), got {self.smallest_edge}; "
                "0.005 is half a percentage point of accuracy"
            )
        if self.resamples * self.error_rate < _LEAST_BEYOND:
            raise ValueError(
                f"resamples must put at least {_LEAST_BEYOND} histories beyond the bound, got "
                f"{self.resamples} at error_rate {self.error_rate}; take "
                f"{math.ceil(_LEAST_BEYOND / self.error_rate)} or more"
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict:
    """What may be claimed, in one sentence and in figures.

    Args:
        kind: "edge", "no edge" or "cannot tell".
        sentence: The verdict for people, with its figures.
        accuracy: Share of right decisions with its interval.
        majority_accuracy: Accuracy of the better constant prediction.
        advantage: Accuracy minus the majority's, paired on the same resamples.
        net_return: Mean net return per bar (fraction) with its interval.
        bars_needed: Only for "cannot tell": bars of test data that would settle it.
        decisions: Distinct decision times judged.
        bars: Bars of net returns judged.
        simulated: Whether the bars were simulated.
        readings: Different models judged on these bars so far, this one included.
        error_rate: Chance of each bound to be wrong, already divided by the readings.
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
    readings: int
    error_rate: float

    def __repr__(self) -> str:
        return f"<verdict: {self.sentence}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.sentence)}</p>"


def judge_edge(
    label: npt.ArrayLike,
    predicted_up: npt.ArrayLike,
    return_net: npt.ArrayLike,
    *,
    decision_time: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    seed: int = 0,
    simulated: bool = False,
    readings: int = 1,
    config: VerdictConfig = VerdictConfig(),
) -> Verdict:
    """Judge a model on its test part.

    Args:
        label: 0 or 1 per decision, shape `(rows,)`, in order of time.
        predicted_up: 0 or 1 per decision, shape `(rows,)`.
        return_net: Net return per bar of the backtest, shape `(bars,)`, in order of time; the
            bars may be more than the decisions.
        decision_time: Time of each decision, shape `(rows,)`. Give it when several symbols are
            pooled: decisions of one time are then drawn together, since symbols move together.
        horizon_bars: Number of bars over which the labels reach.
        seed: Seed of the bootstrap.
        simulated: Whether the bars were simulated, which the sentence then says.
        readings: Different models judged on these bars so far, this one included; at least 1.
        config: Error rates, and what is too little to judge.

    Raises:
        ValueError: Shapes that differ, values other than 0 and 1, NaN, no reading.
    """
    truth, guess = binary("label", label), binary("predicted_up", predicted_up)
    same_length(label=truth, predicted_up=guess)
    returns = vector("return_net", return_net)
    if not len(returns):
        raise ValueError("return_net must have at least one bar, got none")
    if readings < 1:
        raise ValueError(f"readings counts this model too, so it is at least 1, got {readings}")
    bounds = _Bounds.shared_by(readings, config)
    table = _per_time(truth, guess, decision_time)
    accuracy, advantage = _accuracy_intervals(table, bounds, horizon_bars, seed)
    net_return = _return_interval(returns, bounds, horizon_bars, seed + 1)
    evidence = _Evidence(
        accuracy=accuracy,
        majority=majority_accuracy(truth),
        advantage=advantage,
        net_return=net_return,
        decisions=len(table),
        bars=len(returns),
        active=int(np.count_nonzero(returns)),
        error_rate=bounds.error_rate,
    )
    kind, reason, bars_needed = _decide(evidence, config)
    heading = kind.capitalize() + (" (simulated bars)" if simulated else "")
    looks = f" Counted: {readings} models judged on these bars." if readings > 1 else ""
    return Verdict(
        kind=kind,
        sentence=f"{heading}: {reason}{looks}",
        accuracy=accuracy,
        majority_accuracy=evidence.majority,
        advantage=advantage,
        net_return=net_return,
        bars_needed=bars_needed,
        decisions=len(table),
        bars=len(returns),
        simulated=simulated,
        readings=readings,
        error_rate=bounds.error_rate,
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
    return _accuracy_intervals(table, _Bounds.shared_by(1, config), horizon_bars, seed)[0]


@dataclass(frozen=True)
class _Bounds:
    """How intervals are made: the error of each bound, and from how many histories."""

    error_rate: float
    resamples: int

    @classmethod
    def shared_by(cls, readings: int, config: VerdictConfig) -> "_Bounds":
        error_rate = config.error_rate / readings
        wanted = math.ceil(_LEAST_BEYOND / error_rate)
        return cls(error_rate, max(config.resamples, min(wanted, _MOST_RESAMPLES)))

    def interval(self, estimate: float, draws: Array1D, block_bars: float) -> Interval:
        """Percentiles where enough histories lie beyond them, else the normal law's bounds."""
        level = 1.0 - 2.0 * self.error_rate
        percentile = interval_from(estimate, draws, level=level, block_bars=block_bars)
        if self.resamples * self.error_rate >= _LEAST_BEYOND * (1.0 - 1e-9):
            return percentile
        reach = float(norm.ppf(1.0 - self.error_rate)) * percentile.standard_error
        return replace(percentile, lower=estimate - reach, upper=estimate + reach)


def _per_time(
    truth: Array1D, guess: Array1D, decision_time: npt.ArrayLike | None
) -> npt.NDArray[np.float64]:
    """Sums per distinct time, in order: right decisions, those of the majority, decisions."""
    majority = 1.0 if truth.mean() >= 0.5 else 0.0
    rows = np.column_stack(
        [truth == guess, truth == majority, np.ones(len(truth), dtype=bool)]
    ).astype(np.float64)
    return sums_per_time(rows, decision_time)


def _accuracy_intervals(
    table: npt.NDArray[np.float64], bounds: _Bounds, horizon_bars: int, seed: int
) -> tuple[Interval, Interval]:
    right, majority, count = table.sum(axis=0)
    lead = (table[:, :1] - table[:, 1:2]) - table[:, 2:] * (right - majority) / count
    hits = table[:, :1] - table[:, 2:] * right / count
    block_bars = block_bars_for(np.hstack([lead, hits]), horizon_bars=horizon_bars)
    sums = bootstrap_sums(table, block_bars=block_bars, resamples=bounds.resamples, seed=seed)
    accuracy = bounds.interval(float(right / count), sums[:, 0] / sums[:, 2], block_bars)
    ahead = (sums[:, 0] - sums[:, 1]) / sums[:, 2]
    return accuracy, bounds.interval(float((right - majority) / count), ahead, block_bars)


def _return_interval(returns: Array1D, bounds: _Bounds, horizon_bars: int, seed: int) -> Interval:
    column = returns[:, None]
    block_bars = block_bars_for(column, horizon_bars=horizon_bars)
    sums = bootstrap_sums(column, block_bars=block_bars, resamples=bounds.resamples, seed=seed)
    return bounds.interval(float(returns.mean()), sums[:, 0] / len(returns), block_bars)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    accuracy: Interval
    majority: float
    advantage: Interval
    net_return: Interval
    decisions: int
    bars: int
    active: int  # bars with a position's return
    error_rate: float


def _decide(evidence: _Evidence, config: VerdictConfig) -> tuple[Kind, str, int | None]:
    advantage, net_return = evidence.advantage, evidence.net_return
    confidence = f"{100.0 * (1.0 - evidence.error_rate):.3g}%"
    hits = f"right on {evidence.accuracy.estimate:.2%} of {evidence.decisions:,} decision times"
    lead = f"{100 * advantage.estimate:+.2f} points against the majority's {evidence.majority:.2%}"
    gain = f"{1e4 * net_return.estimate:+.3f} bps per bar after costs"
    if not evidence.active:
        return "no edge", f"the model never traded ({hits}, {lead}).", None
    if evidence.decisions < config.minimum_decisions:
        needed = _bars_needed(evidence, config)
        few = f"fewer than {config.minimum_decisions} decision times say nothing"
        reason = f"{hits}, {lead}; {gain}; {few}: at least {needed:,} bars of test data are needed."
        return "cannot tell", reason, needed
    if advantage.estimate <= 0.0:
        return "no edge", f"{hits}, {lead}, so not above it; {gain}.", None
    if net_return.estimate <= 0.0:
        return "no edge", f"{hits}, {lead}, but {gain}: nothing is earned by it.", None
    if advantage.upper < config.smallest_edge:
        limit = f"{100 * advantage.upper:.2f} points at most with {confidence} confidence"
        least = f"less than the {100 * config.smallest_edge:.2f} that would be of interest"
        return "no edge", f"{hits}, {lead}, {limit}, {least}; {gain}.", None
    lower = f"{100 * advantage.lower:+.2f} points and {1e4 * net_return.lower:+.3f} bps"
    if advantage.lower > 0.0 and net_return.lower > 0.0 and _is_enough(evidence, config):
        reason = f"{hits}, {lead}, {gain}; at least {lower} with {confidence} confidence each."
        return "edge", reason, None
    needed = _bars_needed(evidence, config)
    settle = f"about {needed:,} bars of test data would settle it"
    reason = f"{hits}, {lead}, {gain}, but the {confidence} lower bounds are {lower}; {settle}."
    return "cannot tell", reason, needed


def _is_enough(evidence: _Evidence, config: VerdictConfig) -> bool:
    return (
        evidence.decisions >= config.minimum_decisions
        and evidence.active >= config.minimum_active_bars
    )


def _bars_needed(evidence: _Evidence, config: VerdictConfig) -> int:
    reach = float(norm.ppf(1.0 - evidence.error_rate) + norm.ppf(config.power))
    bars = [
        evidence.bars * config.minimum_decisions / evidence.decisions,
        evidence.bars * config.minimum_active_bars / evidence.active,
    ]
    for interval in (evidence.advantage, evidence.net_return):
        if interval.lower <= 0.0 < interval.estimate:
            ratio = reach * interval.standard_error / interval.estimate
            bars.append(evidence.bars * ratio**2)
    return math.ceil(min(max(bars), _MOST_BARS))
