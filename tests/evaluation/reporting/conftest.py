"""One small run with everything that a report can show, assessed once."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.assessment import AssessmentInputs, assess
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.measures.metrics import classification_metrics
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.robustness.regimes import market_state
from ultimate_deep.evaluation.robustness.trade import Decisions
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
from ultimate_deep.evaluation.verdicts.verdict import judge_model
from ultimate_deep.portfolio.costs import CostSpec

TRIALS = TrialCount(
    recorded=5,
    distinct=3,
    by_kind={"training": 2, "threshold": 1},
    effective_by_kind={"training": 2.0, "threshold": 3.5},
    effective_trials=5.5,
    test_readings=2,
    sharpe_count=2,
    sharpe_variance=1e-4,
    ledgers=("~/data/ledger.sqlite",),
)


class Run:
    """Hourly bars, a forecast that knows something of them, and its account."""

    def __init__(self, *, rows=900, edge=0.6, seed=0):
        generator = np.random.default_rng(seed)
        self.probability = np.clip(0.5 + edge * generator.uniform(-0.5, 0.5, rows), 0, 1)
        self.label = (generator.random(rows) < self.probability).astype(float)
        move = np.where(self.label == 1, 1, -1) * np.abs(generator.normal(0, 0.002, rows))
        price = 100 * np.exp(np.concatenate([[0, 0], np.cumsum(move)]))
        index = pd.date_range("2024-01-01", periods=rows + 2, freq="h", tz="UTC")
        columns = dict.fromkeys(("open", "high", "low", "close"), price)
        self.frame = pd.DataFrame(columns | {"volume": 1e4}, index=index)
        state = market_state(price[:rows], window_bars=24)
        self.config = BacktestConfig(
            mode="long_short", costs=CostSpec(fee_bps=0.1, slippage_bps=0.1)
        )
        self.decisions = Decisions(
            probability=self.probability,
            label=self.label,
            return_log=move,
            decision_time=index[1 : rows + 1].tz_localize(None).to_numpy(),
            trend=state["trend"].to_numpy(),
            volatility=state["volatility"].to_numpy(),
        )
        self.account = self.trade(self.signal(self.probability), self.config)

    def signal(self, probability):
        return signal_from_probability(probability, 0.52, mode="long_short")

    def trade(self, signal, config):
        wanted = np.append(signal, [np.nan, np.nan])
        return run_backtest(self.frame, wanted, config, bars_per_year=8760.0)

    def verdict(self, probability, account, **options):
        return judge_model(
            EvidenceInputs(
                label=self.label,
                probability=probability,
                return_net=account.return_net,
                deflated=1.0,
                repeated_opens=0.0,
                **options,
            )
        )


@pytest.fixture(scope="session")
def run():
    return Run()


@pytest.fixture(scope="session")
def assessed(run):
    """A report's data with an assessment, of simulated bars."""
    verdict = run.verdict(run.probability, run.account, simulated=True, readings=2)
    duller = np.clip(0.5 + 0.5 * (run.probability - 0.5), 0, 1)
    rival = np.where(np.arange(len(duller)) % 3 == 0, 0.5, duller)
    rule = run.config
    candidates = [
        run.trade(signal_from_probability(run.probability, q, mode=rule.mode), rule).return_net
        for q in (0.5, 0.53, 0.56, 0.59)
    ]
    assessment = assess(
        AssessmentInputs(
            verdict=verdict,
            decisions=run.decisions,
            threshold=0.52,
            trade=run.trade,
            config=rule,
            account=run.account,
            trials=TRIALS,
            rivals={"a / b <rival>": rival},
            candidates=np.column_stack(candidates),
            has_volume=True,
        )
    )
    part = Predictions(
        label=run.label,
        probability=run.probability,
        probability_raw=run.probability,
        return_log=run.decisions.return_log,
    )
    held = run.trade(np.ones(len(run.label)), rule)
    metrics = classification_metrics(run.label, run.probability) | run.account.metrics
    return ReportData(
        title="assessed",
        verdict=verdict,
        simulated=True,
        test=part,
        validation=part,
        threshold=0.52,
        contenders=[
            Contender(
                name="model",
                metrics=metrics,
                accuracy=verdict.accuracy,
            ),
            Contender(name="buy and hold", metrics=held.metrics),
        ],
        backtest=run.account,
        buy_and_hold=held,
        mode="long_short",
        costs=rule.costs,
        assessment=assessment,
        schemes={"walk-forward": "<svg role='img' aria-label='1 fold'></svg>"},
        origin=Origin(
            lines=("cd ~/w && ultimate-deep run --config runs/a/config.json --yes",),
            language="shell",
            bars="0123456789abcdef" * 4,
            versions={"ultimate-deep": "0.1.0", "python": "3.11"},
            seconds={"reading bars": 1.25, "features": 0.5, "training": 61.0},
            needs=("The ledger counted 2 models.",),
        ),
    )
