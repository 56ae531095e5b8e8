"""Scoring on simulated markets, against the true probability instead of the realised labels."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length, unit_interval, vector
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.portfolio.mode import Mode, check_mode

MOST_THRESHOLDS = 200


def expected_accuracy(probability_up_true: npt.ArrayLike, predicted_up: npt.ArrayLike) -> float:
    """Accuracy that these predictions have on average over all labels that could have come.

    Args:
        probability_up_true: The simulator's `P(label up | bars so far)`, shape `(rows,)`.
        predicted_up: 0 or 1, shape `(rows,)`.

    Raises:
        ValueError: Shapes that differ, NaN rows (drop the undefined ones from both).
    """
    truth = unit_interval("probability_up_true", probability_up_true)
    predicted = binary("predicted_up", predicted_up)
    same_length(probability_up_true=truth, predicted_up=predicted)
    return float(np.where(predicted == 1.0, truth, 1.0 - truth).mean())


def oracle_accuracy(probability_up_true: npt.ArrayLike) -> float:
    """The best accuracy possible: that of always taking the more probable side."""
    truth = unit_interval("probability_up_true", probability_up_true)
    same_length(probability_up_true=truth)
    return float(np.maximum(truth, 1.0 - truth).mean())


def share_of_edge(probability_up_true: npt.ArrayLike, predicted_up: npt.ArrayLike) -> float:
    """Part of the possible edge that the predictions have: 1 for the oracle, 0 for a coin.

    `(expected accuracy - 1/2) / (oracle accuracy - 1/2)`, negative where the predictions are
    worse than a coin, NaN where the market has no edge to share.
    """
    possible = oracle_accuracy(probability_up_true) - 0.5
    found = expected_accuracy(probability_up_true, predicted_up) - 0.5
    return found / possible if possible > 0 else math.nan


def expected_net_return(
    signal: npt.ArrayLike,
    expected_return: npt.ArrayLike,
    *,
    cost_fraction: float,
    horizon_bars: int = 1,
    symbol_code: npt.ArrayLike | None = None,
) -> float:
    """Mean net return per bar that the signals have on average over all bars that could come.

    To first order in the returns: positions do not drift between opens. Each symbol starts and
    ends flat. With `horizon_bars = h` the position is the mean of the last `h` signals.

    Args:
        signal: Wanted position after each bar's close, shape `(rows,)`, in [-1, 1].
        expected_return: The simulator's true mean of the return from the next open to the one
            `horizon_bars` later, shape `(rows,)`, without NaN.
        cost_fraction: Fee, slippage and half the spread per side, as a fraction.
        horizon_bars: How long each decision is held.
        symbol_code: Which symbol each row belongs to, shape `(rows,)`; rows of one symbol are in
            order of time. None for one symbol.

    Raises:
        ValueError: Shapes that differ, NaN, a negative cost.
    """
    wanted, mean_return = vector("signal", signal), vector("expected_return", expected_return)
    rows = same_length(signal=wanted, expected_return=mean_return)
    codes = _codes(symbol_code, rows)
    if not (math.isfinite(cost_fraction) and cost_fraction >= 0):
        raise ValueError(
            f"cost_fraction must be finite and not negative, got {cost_fraction}; 2 bps are 0.0002"
        )
    kernel = np.ones(horizon_bars) / horizon_bars
    traded = 0.0
    for code in np.unique(codes):
        position = np.convolve(wanted[codes == code], kernel)
        traded += float(np.abs(np.diff(position, prepend=0.0, append=0.0)).sum())
    return (float(wanted @ mean_return) / horizon_bars - cost_fraction * traded) / rows


def oracle_signal(
    probability_up_true: npt.ArrayLike,
    expected_return: npt.ArrayLike,
    *,
    cost_fraction: float,
    mode: Mode = "long_flat",
    horizon_bars: int = 1,
    symbol_code: npt.ArrayLike | None = None,
) -> Array1D:
    """Return what a perfect forecaster of the probability holds under the model's own rule.

    It trades by `signal_from_probability` as models do, at the threshold that is best in
    expectation over these rows; it stays out where no threshold pays its costs. It knows every
    probability and what each is worth on average, but no realised return. A rule that also
    holds a position through weak probabilities, to save costs, can do better still.

    Args:
        probability_up_true: The simulator's probability of up, shape `(rows,)`, without NaN.
        mode: "long_flat" or "long_short".
        expected_return, cost_fraction, horizon_bars, symbol_code: The same as in
            `expected_net_return`.

    Returns:
        Signals in {-1, 0, 1}, shape `(rows,)`.

    Raises:
        ValueError: What `expected_net_return` raises, and a probability outside [0, 1].
    """
    check_mode(mode)
    truth = unit_interval("probability_up_true", probability_up_true)
    best_signal, best = np.zeros(len(truth)), 0.0
    for threshold in _thresholds(truth, mode):
        signal = signal_from_probability(truth, threshold, mode=mode)
        net = expected_net_return(
            signal,
            expected_return,
            cost_fraction=cost_fraction,
            horizon_bars=horizon_bars,
            symbol_code=symbol_code,
        )
        if net > best:
            best_signal, best = signal, net
    return best_signal


def share_of_net_return(return_net: npt.ArrayLike, oracle_return_net: npt.ArrayLike) -> float:
    """Part of the oracle's net return that the model earned on the same bars.

    Ratio of mean net returns per bar; may pass 1 by luck, is negative for a loss, and NaN where
    the oracle itself earned nothing after costs.

    Args:
        return_net: Net return per bar of the model's account, shape `(bars,)`.
        oracle_return_net: Net return of the account that trades `oracle_signal`, shape `(bars,)`.
    """
    earned = vector("return_net", return_net)
    possible = vector("oracle_return_net", oracle_return_net)
    same_length(return_net=earned, oracle_return_net=possible)
    best = float(possible.mean())
    return float(earned.mean()) / best if best > 0 else math.nan


def _codes(symbol_code: npt.ArrayLike | None, rows: int) -> npt.NDArray[Any]:
    if symbol_code is None:
        return np.zeros(rows, dtype=np.int64)
    codes = np.asarray(symbol_code)
    if codes.shape != (rows,):
        raise ValueError(
            f"symbol_code must have shape ({rows},) like the signals, got {codes.shape}"
        )
    return codes


def _thresholds(truth: Array1D, mode: Mode) -> Array1D:
    """Return thresholds worth trying, most cautious last; more than 200 are thinned evenly."""
    side = truth if mode == "long_flat" else np.maximum(truth, 1.0 - truth)
    levels = np.unique(side[side >= 0.5])
    if len(levels) > MOST_THRESHOLDS:
        levels = levels[np.linspace(0, len(levels) - 1, MOST_THRESHOLDS).astype(int)]
    return np.concatenate([[0.5], levels])
