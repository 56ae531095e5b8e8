"""An account's Sharpe ratio among everything that was tried."""

import numpy as np
import pytest

from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.evaluation.ledger.trial import KINDS, TrialCount
from ultimate_deep.evaluation.verdicts.luck import account_sharpe
from ultimate_deep.market.simulator import simulate_bars


def tried(models, variance):
    kinds = dict.fromkeys(KINDS, float(models))
    return TrialCount(
        recorded=models,
        distinct=models,
        by_kind=dict.fromkeys(KINDS, models),
        effective_by_kind=kinds,
        effective_trials=float(models),
        test_readings=models,
        sharpe_count=models,
        sharpe_variance=variance,
    )


@pytest.fixture(scope="module")
def account():
    """A fixed position on a thousand bars, with some luck."""
    frame = simulate_bars(1_000, seed=3).bars.frame
    drift = np.cumprod(np.full(len(frame), 1.0004))
    prices = {name: frame[name] * drift for name in ("open", "high", "low", "close")}
    return run_backtest(
        frame.assign(**prices), np.ones(len(frame)), BacktestConfig(), bars_per_year=8_766.0
    )


def test_more_models_are_more_luck(account):
    found = [
        account_sharpe(account, tried(models, 1e-3), horizon_bars=1).dependent_deflated
        for models in (1, 5, 50)
    ]
    assert found[0] > found[1] > found[2]


def test_losers_that_were_judged_before_make_no_luck_of_an_edge(account):
    """A model that loses to its costs spreads the ratios, and no trial without skill the wider."""
    calm, wild = (
        account_sharpe(account, tried(5, variance), horizon_bars=1) for variance in (1e-4, 1.0)
    )
    assert wild.dependent_deflated == calm.dependent_deflated > 0.0
