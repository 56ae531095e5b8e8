"""From probabilities to a judgement on one part of the rows, after costs."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.engines import run_any_backtest, sized_signal
from ultimate_deep.evaluation.measures.metrics import classification_metrics, predicted_up
from ultimate_deep.evaluation.measures.oracle import (
    expected_accuracy,
    oracle_accuracy,
    share_of_edge,
)
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.verdict import Verdict, judge_edge
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.calibration import ThresholdChoice, choose_threshold
from ultimate_deep.pipeline.rows import Rows
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec

MOST_PERIODS = 20_000  # of the accounts kept for every threshold


@dataclass(frozen=True, eq=False)
class Judgement:
    """How one predictor did on one part of the rows.

    Args:
        name: Name of the predictor.
        probability: Probability of up for the rows, `(rows,)`; None for buy and hold.
        threshold: Least probability of the side taken.
        choice: How the threshold was chosen; None where it is given.
        backtest: The portfolio of all symbols after costs.
        metrics: Classification and trading figures of the part, by name.
    """

    name: str
    probability: np.ndarray | None
    threshold: float
    choice: ThresholdChoice | None
    backtest: BacktestResult
    metrics: dict[str, float]


class Judge:
    """Judges predictors on the same rows, bars and costs.

    Args:
        market: Bars by symbol.
        rows: The pooled rows.
        part: Row numbers that are judged.
        backtest: Trading rule and costs.
    """

    def __init__(
        self, market: Market, rows: Rows, *, part: np.ndarray, backtest: BacktestConfig
    ) -> None:
        self.market = market
        self.rows = rows
        self.part = part
        self.config = backtest

    def choose_threshold(
        self, probability: np.ndarray, *, minimum_coverage: float
    ) -> ThresholdChoice:
        """Choose the threshold whose account has the best mean net return per bar on this part.

        Args:
            probability: Probability of up, for the part's rows, `(rows,)`.
            minimum_coverage: Smallest share of the rows that must be traded.
        """

        accounts: list[np.ndarray] = []

        def mean_net_return(threshold: float) -> float:
            signal = signal_from_probability(probability, threshold, mode=self.config.mode)
            return_net = self.trade(signal, probability).return_net
            accounts.append(_in_periods(return_net))
            return float(return_net.mean())

        choice = choose_threshold(
            probability,
            mean_net_return,
            mode=self.config.mode,
            minimum_coverage=minimum_coverage,
        )
        return dataclasses.replace(choice, returns=np.column_stack(accounts))

    def judge(
        self,
        name: str,
        probability: np.ndarray,
        threshold: float,
        choice: ThresholdChoice | None = None,
    ) -> Judgement:
        """Judge probabilities of the part's rows at a threshold."""
        signal = signal_from_probability(probability, threshold, mode=self.config.mode)
        result = self.trade(signal, probability)
        metrics = self._classification(probability) | dict(result.metrics)
        metrics["threshold"] = threshold
        metrics["coverage"] = float(np.mean(signal != 0))
        return Judgement(name, probability, threshold, choice, result, metrics)

    def judge_buy_and_hold(self) -> Judgement:
        """Judge being long all the time, at the same costs, without sizes, stops or breakers."""
        plain = dataclasses.replace(
            self.config,
            sizing=SizingSpec(),
            stops=StopSpec(),
            breakers=BreakerSpec(),
            max_volume_share=None,
        )
        result = self.trade(np.ones(len(self.part)), config=plain)
        return Judgement("buy and hold", None, 0.5, None, result, dict(result.metrics))

    def labels(self) -> np.ndarray:
        """Labels of the part's rows, `(rows,)`; NaN where undefined."""
        return self.rows.labels[self.part]

    def verdict(self, judged: Judgement, *, readings: int = 1, seed: int = 0) -> Verdict:
        """Return whether a predictor has an edge on this part.

        Args:
            judged: Figures of this judge, with probabilities.
            readings: Different models that have read these bars, this one included.
            seed: Seed of the bootstrap.
        """
        assert judged.probability is not None
        labels = self.labels()
        known = np.isfinite(labels)
        return judge_edge(
            labels[known],
            predicted_up(judged.probability[known]),
            judged.backtest.return_net,
            decision_time=self.rows.decision_time[self.part][known],
            horizon_bars=self.config.horizon_bars,
            seed=seed,
            simulated=self.market.simulated,
            readings=readings,
        )

    def trade(
        self,
        signal: np.ndarray,
        probability: np.ndarray | None = None,
        config: BacktestConfig | None = None,
    ) -> BacktestResult:
        """Return the portfolio that the part's signals make, each symbol with an equal share.

        Args:
            signal: Side wanted after each of the part's rows, `(rows,)`.
            probability: Probability of up, for sizes that depend on it, `(rows,)`.
            config: Other rules or costs than the judge's own.
        """
        rules = config or self.config
        codes = self.rows.symbol_code[self.part]
        traded = [
            self._traded(bars, codes == code, signal, probability, rules)
            for code, bars in enumerate(self.market.bars.values())
            if (codes == code).any()
        ]
        return run_any_backtest(
            {one.symbol: one.frame for one in traded},
            {one.symbol: one.wanted for one in traded},
            dataclasses.replace(rules, sizing=SizingSpec()),
            bars_per_year={one.symbol: one.bars_per_year for one in traded},
        )

    def _classification(self, probability: np.ndarray) -> dict[str, float]:
        labels = self.labels()
        known = np.isfinite(labels)
        metrics = classification_metrics(labels[known], probability[known])
        if self.rows.probability_up is None:
            return metrics
        truth = self.rows.probability_up[self.part]
        defined = np.isfinite(truth)
        up = predicted_up(probability[defined])
        return metrics | {
            "expected_accuracy": expected_accuracy(truth[defined], up),
            "oracle_accuracy": oracle_accuracy(truth[defined]),
            "share_of_edge": share_of_edge(truth[defined], up),
        }

    def _traded(
        self,
        bars: Bars,
        chosen: np.ndarray,
        signal: np.ndarray,
        probability: np.ndarray | None,
        rules: BacktestConfig,
    ) -> "_Traded":
        """One symbol from its first decision until its last one has been held to its horizon.

        With latency too the account ends there: the bars after it belong to the next part. Sizes
        are found on all bars, so that volatility is known from the first decision on.
        """
        bar_row = self.rows.bar_row[self.part[chosen]]
        first = int(bar_row.min())
        last = min(int(bar_row.max()) + 1 + rules.horizon_bars, len(bars.frame) - 1)
        wanted = _at(bar_row - first, signal[chosen], last + 1 - first)
        if rules.sizing.changes_signals:
            rows = len(bars.frame)
            known = None if probability is None else _at(bar_row, probability[chosen], rows)
            sized = sized_signal(
                bars.frame,
                _at(bar_row, signal[chosen], rows),
                rules.sizing,
                bars_per_year=bars.bars_per_year,
                probability=known,
            )
            wanted = sized[first : last + 1]
        frame = bars.frame.iloc[first : last + 1]
        return _Traded(bars.symbol, frame, wanted, bars.bars_per_year)


@dataclass(frozen=True, eq=False)
class _Traded:
    """What the engines need of one symbol."""

    symbol: str
    frame: pd.DataFrame
    wanted: np.ndarray
    bars_per_year: float


def _at(rows: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    """Return the values at their rows, NaN elsewhere, `(length,)`."""
    out = np.full(length, np.nan)
    out[rows] = values
    return out


def _in_periods(return_net: np.ndarray) -> np.ndarray:
    """Return sums over equal stretches of bars, at most `MOST_PERIODS` of them."""
    bars = -(-len(return_net) // MOST_PERIODS)
    return np.add.reduceat(return_net, np.arange(0, len(return_net), bars))
