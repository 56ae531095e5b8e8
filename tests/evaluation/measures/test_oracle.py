"""The oracle's accuracy, its account after costs, and how often claims are right."""

import math

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.evaluation.measures.oracle import (
    expected_accuracy,
    expected_net_return,
    oracle_accuracy,
    oracle_signal,
    share_of_edge,
    share_of_net_return,
)
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.portfolio.costs import CostSpec


def test_share_of_edge_is_one_for_the_oracle_and_follows_its_definition():
    truth = np.array([0.7, 0.4, 0.55, 0.1])
    assert oracle_accuracy(truth) == pytest.approx((0.7 + 0.6 + 0.55 + 0.9) / 4)
    assert expected_accuracy(truth, [1, 1, 0, 0]) == pytest.approx((0.7 + 0.4 + 0.45 + 0.9) / 4)
    assert share_of_edge(truth, truth > 0.5) == 1.0
    assert share_of_edge(truth, truth < 0.5) == -1.0
    assert math.isnan(share_of_edge([0.5, 0.5], [1, 0]))


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("mode", ["long_flat", "long_short"])
def test_expected_net_return_is_the_mean_over_redrawn_accounts(mode, horizon):
    """Draw the returns' noise many times and let the backtest trade the same signals."""
    generator = np.random.default_rng(0)
    rows, cost = 60, 0.0004
    drift = 0.001 * generator.standard_normal(rows + horizon + 1)
    lowest = 0 if mode == "long_flat" else -1
    signal = generator.integers(lowest, 2, rows).astype(float)
    # Row t decides at close t and holds from open t + 1 on.
    mean = np.array([drift[t + 1 : t + 1 + horizon].sum() for t in range(rows)])
    stated = expected_net_return(signal, mean, cost_fraction=cost, horizon_bars=horizon)
    index = pd.date_range("2020-01-01", periods=rows + horizon + 2, freq="h", tz="UTC")
    wanted = np.concatenate([signal, np.zeros(horizon + 2)])
    config = BacktestConfig(
        mode=mode, costs=CostSpec(fee_bps=4.0, slippage_bps=0.0), horizon_bars=horizon
    )
    totals = []
    for _ in range(100):
        noise = 0.001 * generator.standard_normal(rows + horizon + 1)
        opens = np.concatenate([[1.0], np.cumprod(1.0 + drift + noise)])
        frame = pd.DataFrame({"open": opens}, index=index)
        result = run_backtest(frame, wanted, config, bars_per_year=8766)
        totals.append(result.return_net.sum() / rows)
    spread = np.std(totals) / math.sqrt(len(totals))
    # First order: positions drift by a thousandth between opens.
    assert abs(np.mean(totals) - stated) < 4 * spread + 2e-6


def test_expected_net_return_trades_each_symbol_by_itself():
    signal, mean = np.array([1.0, 1, 0, 1, 1, 1]), np.full(6, 0.002)
    alone = [
        expected_net_return(signal[part], mean[part], cost_fraction=0.001)
        for part in (slice(0, 3), slice(3, 6))
    ]
    codes = [0, 0, 0, 1, 1, 1]
    both = expected_net_return(signal, mean, cost_fraction=0.001, symbol_code=codes)
    assert both == pytest.approx(np.mean(alone))
    assert alone == pytest.approx([(2 * 0.002 - 2 * 0.001) / 3, (3 * 0.002 - 2 * 0.001) / 3])


@pytest.mark.parametrize("mode", ["long_flat", "long_short"])
def test_oracle_signal_is_the_best_of_all_thresholds(mode):
    generator = np.random.default_rng(3)
    mean = 0.0006 * generator.standard_normal(80)
    truth = 1 / (1 + np.exp(-800 * mean))
    for cost in (0.0, 0.0002, 0.0005, 0.01):
        ours = oracle_signal(truth, mean, cost_fraction=cost, mode=mode)
        tried = [
            signal_from_probability(truth, threshold, mode=mode)
            for threshold in np.linspace(0.5, 1.0, 1_001)
        ]
        best = max(expected_net_return(one, mean, cost_fraction=cost) for one in tried)
        assert expected_net_return(ours, mean, cost_fraction=cost) == pytest.approx(max(best, 0.0))
    assert not ours.any()  # 100 bps a side: it stays out
    free = oracle_signal(truth, mean, cost_fraction=0.0, mode=mode)
    np.testing.assert_array_equal(free > 0, mean > 0)


def test_on_simulated_bars_the_oracle_earns_after_costs_and_a_blurred_one_less():
    market = simulate_bars(12_000, seed=4, edge=0.12, label=LabelSpec())
    known = np.isfinite(market.probability_up)
    truth, mean = market.probability_up[known], market.expected_return[known]
    config = BacktestConfig()
    cost = config.costs.per_side_fraction
    wanted = np.zeros(len(known))
    wanted[known] = oracle_signal(truth, mean, cost_fraction=cost)
    oracle = run_backtest(market.bars.frame, wanted, config, bars_per_year=8766)
    expected = expected_net_return(wanted[known], mean, cost_fraction=cost)
    spread = oracle.return_net.std() / math.sqrt(len(oracle.return_net))
    assert abs(oracle.return_net.mean() - expected) < 4 * spread
    assert expected > 4 * spread
    blurred = np.clip(truth + 0.1 * np.random.default_rng(0).standard_normal(len(truth)), 0, 1)
    wanted[known] = signal_from_probability(blurred, 0.55)
    weaker = run_backtest(market.bars.frame, wanted, config, bars_per_year=8766)
    share = share_of_net_return(weaker.return_net, oracle.return_net)
    assert 0.2 < share < 0.95
    assert share == pytest.approx(weaker.return_net.mean() / oracle.return_net.mean())
    assert share_of_net_return(oracle.return_net, oracle.return_net) == 1.0
    assert math.isnan(share_of_net_return(oracle.return_net, -np.abs(oracle.return_net)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: expected_net_return([1.0], [0.1], cost_fraction=-1),
            "cost_fraction must be finite and not negative, got -1",
        ),
        (
            lambda: expected_net_return([1.0], [0.1], cost_fraction=0, symbol_code=[0, 1]),
            r"symbol_code must have shape \(1,\)",
        ),
        (lambda: expected_net_return([1.0], [math.nan], cost_fraction=0), "must be finite"),
        (lambda: oracle_signal([1.2], [0.1], cost_fraction=0), r"must lie in \[0, 1\]"),
        (lambda: oracle_signal([0.2], [0.1], cost_fraction=0, mode="short"), "mode must be one"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
