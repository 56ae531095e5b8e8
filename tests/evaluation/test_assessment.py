"""An assessment answers for every model, the idle, the short and the one-sided too."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.assessment import (
    Assessment,
    AssessmentInputs,
    _versus,
    assess,
    judged_rows,
)
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.ledger.trial import KINDS, TrialCount
from ultimate_deep.evaluation.robustness.trade import Decisions
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
from ultimate_deep.evaluation.verdicts.verdict import judge_model

BARS_PER_YEAR = 8760.0


def _trials(readings: int = 1, effective: float = 1.0, variance: float = np.nan) -> TrialCount:
    return TrialCount(
        recorded=readings,
        distinct=readings,
        by_kind=dict.fromkeys(KINDS, 1),
        effective_by_kind=dict.fromkeys(KINDS, effective),
        effective_trials=effective,
        test_readings=readings,
        sharpe_count=0,
        sharpe_variance=variance,
    )


def _inputs(rows: int, *, edge: float, threshold: float = 0.5, seed: int = 0) -> AssessmentInputs:
    """Decisions that are right with chance `1/2 + edge`, and know it."""
    generator = np.random.default_rng(seed)
    index = pd.date_range("2020-01-01", periods=rows + 2, freq="h", tz="UTC")
    moves = generator.normal(0.0, 0.004, rows + 2)
    opens = 100.0 * np.exp(np.cumsum(moves))
    frame = pd.DataFrame(
        {"open": opens, "high": opens * 1.01, "low": opens * 0.99, "close": opens, "volume": 1e4},
        index=index,
    )
    ahead = moves[2:]
    label = (ahead > 0).astype(float)
    side = np.where(generator.random(rows) < 0.5 + edge, label, 1.0 - label)
    probability = np.where(side == 1.0, 0.56, 0.44) + 0.01 * generator.random(rows)
    config = BacktestConfig()

    def trade(signal, rules):
        padded = np.append(signal, [np.nan, np.nan])
        return run_backtest(frame, padded, rules, bars_per_year=BARS_PER_YEAR)

    account = trade(signal_from_probability(probability, threshold), config)
    return AssessmentInputs(
        verdict=judge_model(
            EvidenceInputs(
                label=label,
                probability=probability,
                return_net=account.return_net,
                repeated_opens=0.0,
                deflated=1.0,
            )
        ),
        decisions=Decisions(
            probability=probability,
            label=label,
            return_log=ahead,
            decision_time=index[1:-1].tz_localize(None).to_numpy(),
        ),
        threshold=threshold,
        trade=trade,
        config=config,
        account=account,
        trials=_trials(),
        rivals={"coin": np.full(rows, 0.5), "itself": probability.copy()},
        candidates=generator.normal(size=(400, 6)),
        has_volume=True,
    )


@pytest.fixture(scope="module")
def skilled() -> Assessment:
    return assess(_inputs(3_000, edge=0.15))


def test_skill_shows_in_every_part(skilled):
    assert skilled.verdict.kind == "edge"
    assert skilled.sharpe.probabilistic > 0.99
    assert skilled.permutation["accuracy"].p_value < 0.01
    assert skilled.permutation["information_coefficient"].p_value < 0.01
    assert skilled.versus["coin"].p_value < 0.01
    assert skilled.versus["coin"].mean_difference < 0.0
    assert skilled.better_rival.superior == ()
    assert skilled.robustness.random_entry.p_net_return < 0.01
    assert skilled.overfitting.trials == 6
    # These bars have no memory, so nothing is left one bar later.
    assert skilled.robustness.delay.share_left < 0.2
    assert skilled.intervals["accuracy"].lower < 0.65 < skilled.intervals["accuracy"].upper


def test_trials_deflate_the_same_sharpe_ratio(skilled):
    inputs = _inputs(3_000, edge=0.15)
    many = assess(replace(inputs, trials=_trials(readings=200)))
    spread = assess(replace(inputs, trials=_trials(readings=200, variance=0.01)))
    assert skilled.sharpe.expected_maximum_per_year == 0.0
    assert skilled.sharpe.deflated == skilled.sharpe.probabilistic
    assert skilled.sharpe.deflated >= many.sharpe.deflated
    # What losers spread is no luck of a trial without skill.
    assert spread.sharpe.deflated == many.sharpe.deflated
    bars = len(inputs.account.return_net)
    assert many.sharpe.trial_sharpe_variance_per_bar == pytest.approx(1.0 / (bars - 1))


@pytest.mark.parametrize(
    ("rows", "threshold"), [(3_000, 1.0), (12, 0.5)], ids=["never trades", "twelve rows"]
)
def test_what_is_undefined_is_left_out(rows, threshold):
    found = assess(_inputs(rows, edge=0.1, threshold=threshold))
    assert found.verdict.kind != "edge"
    text = json.dumps(json_safe(found), allow_nan=False)
    assert json.loads(text)["verdict"]["kind"] == found.verdict.kind
    if rows == 12:
        assert found.permutation == {}
        assert found.versus == {}
        assert found.better_rival is None
    else:
        assert np.isnan(found.sharpe.deflated)


def test_one_class_and_a_threshold_scan_without_trades_are_judged():
    inputs = _inputs(400, edge=0.0)
    ones = replace(inputs.decisions, label=np.ones(400))
    found = assess(replace(inputs, decisions=ones, candidates=np.zeros((400, 6))))
    assert found.overfitting is None
    assert np.isnan(found.intervals["roc_auc"].estimate)


def test_many_symbols_at_few_times_are_compared_by_time():
    symbols, times = 60, 60
    generator = np.random.default_rng(0)
    common = np.repeat(generator.normal(size=times), symbols)
    label = (common + 0.3 * generator.normal(size=symbols * times) > 0.0).astype(float)
    stamps = pd.date_range("2020-01-01", periods=times, freq="h").to_numpy()
    pooled = Decisions(
        probability=np.repeat(generator.uniform(0.4, 0.6, times), symbols),
        label=label,
        return_log=common,
        decision_time=np.repeat(stamps, symbols),
        group=np.tile(np.arange(symbols), times),
    )
    inputs = replace(
        _inputs(100, edge=0.0), decisions=pooled, rivals={"coin": np.full(symbols * times, 0.5)}
    )
    test = _versus(inputs, judged_rows(pooled))["coin"]
    assert test.times == times
    assert test.lags <= times // 3  # not the rows of one time, which move together
    assert 0.0 <= test.p_value <= 1.0
