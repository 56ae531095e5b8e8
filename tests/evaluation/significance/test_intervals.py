"""Intervals: figures of resampled rows computed one by one, coverage, undefined figures, speed."""

import json
import math
import time

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.measures import metrics, returns
from ultimate_deep.evaluation.significance.bootstrap import stationary_indices
from ultimate_deep.evaluation.significance.intervals import (
    AccountRows,
    DecisionRows,
    IntervalConfig,
    decision_intervals,
    headline_intervals,
    return_intervals,
    trade_intervals,
)
from ultimate_deep.evaluation.significance.rank_sums import auc_columns, rank_correlation_columns

CONFIG = IntervalConfig(level=0.9, resamples=100, seed=7)


def decisions(rows=600, seed=0):
    generator = np.random.default_rng(seed)
    outcome = generator.normal(size=rows) * 0.01
    noise = generator.normal(size=rows)
    # Rounded, so that ranks have ties.
    probability = np.round(1.0 / (1.0 + np.exp(-0.5 * noise - 60.0 * outcome)), 2)
    return (outcome > 0).astype(float), probability, outcome


def account(rows=600, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_t(5, size=rows) * 0.01 + 0.0005


def resampled(found, rows):
    """The very histories behind the intervals, row by row."""
    block_bars = next(iter(found.values())).block_bars
    return stationary_indices(
        rows, block_bars=block_bars, resamples=CONFIG.resamples, seed=CONFIG.seed
    )


def assert_bounds(interval, draws, relative=1e-9):
    tail = (1.0 - CONFIG.level) / 2.0
    lower, upper = np.quantile(draws, [tail, 1.0 - tail])
    width = upper - lower
    assert interval.lower == pytest.approx(lower, abs=relative * width)
    assert interval.upper == pytest.approx(upper, abs=relative * width)
    assert interval.standard_error == pytest.approx(np.std(draws, ddof=1), rel=relative * 3)


def test_decision_figures_are_those_of_the_resampled_rows():
    label, probability, outcome = decisions()
    found = decision_intervals(
        DecisionRows(label=label, probability=probability, outcome=outcome), CONFIG
    )
    guess = (probability >= 0.5).astype(float)
    figures = {
        "accuracy": lambda i: metrics.accuracy(label[i], guess[i]),
        "balanced_accuracy": lambda i: metrics.balanced_accuracy(label[i], guess[i]),
        "log_loss": lambda i: metrics.log_loss(label[i], probability[i]),
        "brier": lambda i: metrics.brier(label[i], probability[i]),
        "information_coefficient": lambda i: stats.pearsonr(probability[i], outcome[i]).statistic,
    }
    whole = {
        "accuracy": reference.accuracy_score(label, guess),
        "balanced_accuracy": reference.balanced_accuracy_score(label, guess),
        "log_loss": reference.log_loss(label, probability),
        "brier": reference.brier_score_loss(label, probability),
        "roc_auc": reference.roc_auc_score(label, probability),
    }
    for name, value in whole.items():
        assert found[name].estimate == pytest.approx(value, rel=1e-12)
    indices = resampled(found, 600)
    for name, figure in figures.items():
        assert found[name].estimate == pytest.approx(figure(np.arange(600)), rel=1e-12)
        assert_bounds(found[name], [figure(rows) for rows in indices])
    ranked = {
        "roc_auc": lambda i: metrics.roc_auc(label[i], probability[i]),
        "rank_information_coefficient": lambda i: stats.spearmanr(probability[i], outcome[i])[0],
    }
    for name, figure in ranked.items():
        assert found[name].estimate == pytest.approx(figure(np.arange(600)), rel=1e-12)
        # Linear in the rows: terms of order 1/600 are left out, 8% of the width at most.
        assert_bounds(found[name], [figure(rows) for rows in indices], relative=0.08)


def test_return_figures_are_those_of_the_resampled_path():
    net = account()
    found = return_intervals(AccountRows(return_net=net, bars_per_year=252.0), CONFIG)
    total = lambda i: float(np.prod(1.0 + net[i])) - 1.0  # noqa: E731
    figures = {
        "sharpe": lambda i: returns.sharpe(net[i], bars_per_year=252.0),
        "sortino": lambda i: returns.sortino(net[i], bars_per_year=252.0),
        "annual_return": lambda i: returns.annual_return(total(i), rows=600, bars_per_year=252.0),
        "annual_volatility": lambda i: returns.annual_volatility(net[i], bars_per_year=252.0),
        "total_return": total,
        "mean_return_net_bps": lambda i: net[i].mean() * 1e4,
        "max_drawdown": lambda i: returns.max_drawdown(np.cumprod(1.0 + net[i])),
    }
    indices = resampled(found, 600)
    assert set(found) == set(figures)
    for name, figure in figures.items():
        assert found[name].estimate == pytest.approx(figure(np.arange(600)), rel=1e-9)
        assert_bounds(found[name], [figure(rows) for rows in indices], relative=1e-7)


def test_trade_figures_are_those_of_the_resampled_trades():
    net = account(rows=90)
    bars = AccountRows(return_net=account(), bars_per_year=252.0, trade_return_net=net)
    found = trade_intervals(bars, CONFIG)
    figures = {
        "win_rate": returns.win_rate,
        "profit_factor": returns.profit_factor,
        "average_trade_bps": lambda trades: trades.mean() * 1e4,
    }
    indices = resampled(found, 90)
    for name, figure in figures.items():
        assert found[name].estimate == pytest.approx(figure(net), rel=1e-12)
        assert_bounds(found[name], [figure(net[rows]) for rows in indices])


def test_rank_columns_have_their_defining_means():
    label, probability, outcome = decisions(rows=250)
    above, below = auc_columns(label, probability)
    auc = reference.roc_auc_score(label, probability)
    assert above.sum() / label.sum() == pytest.approx(auc)
    assert below.sum() / (1 - label).sum() == pytest.approx(auc)
    columns = rank_correlation_columns(probability, outcome)
    ranks = [(stats.rankdata(values) - 0.5) / 250 for values in (probability, outcome)]
    moments = (ranks[0] * ranks[1], ranks[0] ** 2, ranks[1] ** 2)
    for column, moment in zip(columns, moments, strict=True):
        assert column.mean() == pytest.approx(3.0 * moment.mean())


def test_rows_of_one_time_are_drawn_together():
    label, probability, outcome = decisions(rows=200)
    alone = decision_intervals(
        DecisionRows(label=label, probability=probability, outcome=outcome), CONFIG
    )
    order = np.random.default_rng(0).permutation(600)
    thrice = DecisionRows(
        label=np.tile(label, 3)[order],
        probability=np.tile(probability, 3)[order],
        outcome=np.tile(outcome, 3)[order],
        decision_time=np.tile(np.arange(200), 3)[order],
    )
    pooled = decision_intervals(thrice, CONFIG)
    for name, interval in alone.items():
        assert pooled[name].estimate == pytest.approx(interval.estimate)
        assert pooled[name].lower == pytest.approx(interval.lower)
        assert pooled[name].upper == pytest.approx(interval.upper)


@pytest.mark.parametrize(("phi", "least"), [(0.0, 0.84), (0.5, 0.80)])
def test_sharpe_interval_covers_the_truth(phi, least):
    generator = np.random.default_rng(11)
    config = IntervalConfig(level=0.9, resamples=100)
    truth, hits, runs = 0.1 * math.sqrt(1.0 - phi**2), 0, 150
    noise = generator.normal(size=(900, runs))
    for row in range(1, 900):
        noise[row] += phi * noise[row - 1]
    for path in noise[100:].T:
        interval = return_intervals(
            AccountRows(return_net=path * 0.01 + 0.001, bars_per_year=1.0), config
        )
        hits += interval["sharpe"].lower <= truth <= interval["sharpe"].upper
    # 0.9 by design; 150 runs err by 0.025, percentiles of few blocks are a little narrow.
    assert least <= hits / runs <= 0.97


def test_undefined_figures_are_nan_and_infinite_ones_infinite():
    nothing = AccountRows(return_net=np.zeros(100), bars_per_year=252.0)
    found = return_intervals(nothing, CONFIG)
    for name in ("sharpe", "sortino"):
        assert math.isnan(found[name].estimate)
        assert math.isnan(found[name].lower)
    assert found["max_drawdown"].upper == 0.0
    assert found["total_return"].estimate == 0.0
    for interval in trade_intervals(nothing, CONFIG).values():
        assert math.isnan(interval.estimate)
        assert math.isnan(interval.upper)
    winners = AccountRows(
        return_net=[0.01, 0.0], bars_per_year=252.0, trade_return_net=np.linspace(0.01, 0.02, 40)
    )
    assert trade_intervals(winners, CONFIG)["profit_factor"].lower == math.inf
    one_loss = np.full(60, 0.01)
    one_loss[30] = -0.02
    loser = AccountRows(return_net=[0.01, 0.0], bars_per_year=252.0, trade_return_net=one_loss)
    assert trade_intervals(loser, CONFIG)["profit_factor"].upper == math.inf
    _, probability, _ = decisions(rows=80)
    single = decision_intervals(DecisionRows(label=np.ones(80), probability=probability), CONFIG)
    assert math.isnan(single["roc_auc"].lower)
    assert math.isnan(single["balanced_accuracy"].estimate)
    assert 0.0 <= single["accuracy"].lower <= single["accuracy"].upper <= 1.0
    assert "information_coefficient" not in single


def test_total_loss_ends_the_account():
    net = np.full(50, 0.01)
    net[20] = -1.0
    found = return_intervals(AccountRows(return_net=net, bars_per_year=252.0), CONFIG)
    assert found["total_return"].estimate == -1.0
    assert found["total_return"].lower == -1.0
    assert found["annual_return"].lower == -1.0
    assert found["max_drawdown"].upper == 1.0


def test_ten_thousand_rows_take_a_second_and_are_json():
    label, probability, outcome = decisions(rows=10_000)
    net = account(rows=10_000)
    rows = DecisionRows(label=label, probability=probability, outcome=outcome)
    bars = AccountRows(return_net=net, bars_per_year=252.0, trade_return_net=net[:3000])
    begin = time.process_time()
    found = headline_intervals(rows, bars)
    assert time.process_time() - begin < 4.0  # 0.5 s on an idle machine
    assert len(found) == 17
    for interval in found.values():
        assert interval.lower < interval.upper
        assert interval.resamples == 1000
    assert json.loads(json.dumps(json_safe(found)))["sharpe"]["resamples"] == 1000
    assert found["roc_auc"].estimate == metrics.roc_auc(label, probability)


def test_errors_name_the_rule():
    label, probability, outcome = decisions(rows=50)
    with pytest.raises(ValueError, match="one length"):
        decision_intervals(DecisionRows(label=label, probability=probability[:3]))
    with pytest.raises(ValueError, match="outcome must be finite"):
        decision_intervals(
            DecisionRows(label=label, probability=probability, outcome=outcome * math.nan)
        )
    with pytest.raises(ValueError, match="decision_time"):
        decision_intervals(DecisionRows(label=label, probability=probability, decision_time=[1, 2]))
    with pytest.raises(ValueError, match="at least one row"):
        return_intervals(AccountRows(return_net=[], bars_per_year=252.0))
    with pytest.raises(ValueError, match="beyond each bound"):
        IntervalConfig(level=0.99, resamples=100)
    with pytest.raises(ValueError, match="level"):
        IntervalConfig(level=1.0)
    with pytest.raises(ValueError, match="horizon_bars"):
        IntervalConfig(horizon_bars=0)
