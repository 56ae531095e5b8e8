"""An account's Sharpe ratio against everything that was tried on its bars."""

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.significance.summary import SharpeSignificance, sharpe_significance


def account_sharpe(
    account: BacktestResult, trials: TrialCount, *, horizon_bars: int
) -> SharpeSignificance:
    """An account's Sharpe ratio against chance and against every model that was judged on its bars.

    A trial is a model whose reading of these bars is in the ledger, or that such a one was chosen
    from by it. What was tried on earlier bars alone (trainings, scans of thresholds) leaves the
    best of it unbiased here, and is no trial: counting it too, of 200 markets with an edge 20 were
    not found, 15 of them for this alone, and none of 200 without one was claimed either way.
    Trials without skill spread by what chance makes of an account of this length. What was recorded
    is no measure of that: models that lose to their costs, or that have skill, spread wider, and
    none of these would make the best one without skill any better.
    """
    by_chance = 1.0 / max(len(account.return_net) - 1, 1)
    return sharpe_significance(
        account.return_net,
        bars_per_year=account.bars_per_year,
        trials=float(max(trials.test_readings, 1)),
        trial_sharpe_variance_per_bar=by_chance,
        horizon_bars=horizon_bars,
    )
