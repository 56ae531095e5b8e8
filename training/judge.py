"""From probabilities to a judgement: threshold on validation, the test part once, after costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.backtest import BacktestConfig, BacktestResult, combine_backtests, run_backtest
from evaluation.metrics import classification_metrics, predicted_up
from evaluation.oracle import expected_accuracy, oracle_accuracy, share_of_edge
from evaluation.signals import signal_from_probability
from market.bars import Bars
from training.calibration import ThresholdChoice, choose_threshold
from training.dataset import Market, Rows


@dataclass(frozen=True, eq=False)
class Judgement:
    """How one predictor did on the test part.

    Args:
        name: The predictor.
        probability: Probability of up for the test rows, `(rows,)`; None for buy and hold.
        threshold: Least probability of the side taken.
        choice: How the threshold was chosen; None where it is given.
        backtest: The portfolio of all symbols after costs.
        metrics: Classification and trading figures of the test part, by name.
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
        market: The bars.
        rows: The pooled rows.
        validation: Row numbers of the validation part.
        test: Row numbers of the test part.
        backtest: Trading rule and costs.
        minimum_coverage: Smallest share of validation rows that a threshold must trade.
    """

    def __init__(
        self,
        market: Market,
        rows: Rows,
        *,
        validation: np.ndarray,
        test: np.ndarray,
        backtest: BacktestConfig,
        minimum_coverage: float,
    ) -> None:
        self.market = market
        self.rows = rows
        self.validation = validation
        self.test = test
        self.config = backtest
        self.minimum_coverage = minimum_coverage

    def choose_threshold(self, probability: np.ndarray) -> ThresholdChoice:
        """Choose the threshold whose validation backtest has the best mean net return per bar.

        Args:
            probability: Of up, for the validation rows, `(rows,)`.
        """

        def mean_net_return(threshold: float) -> float:
            signal = signal_from_probability(probability, threshold, mode=self.config.mode)
            return float(self._trade(self.validation, signal).return_net.mean())

        return choose_threshold(
            probability,
            mean_net_return,
            mode=self.config.mode,
            minimum_coverage=self.minimum_coverage,
        )

    def judge(
        self,
        name: str,
        probability: np.ndarray,
        threshold: float,
        choice: ThresholdChoice | None = None,
    ) -> Judgement:
        """Judge probabilities of the test rows at a threshold."""
        signal = signal_from_probability(probability, threshold, mode=self.config.mode)
        result = self._trade(self.test, signal)
        metrics = self._classification(probability) | dict(result.metrics)
        metrics["threshold"] = threshold
        metrics["coverage"] = float(np.mean(signal != 0))
        return Judgement(name, probability, threshold, choice, result, metrics)

    def judge_trained(self, name: str, probability: Mapping[str, np.ndarray]) -> Judgement:
        """Choose the threshold on `probability["validation"]`, then judge on `["test"]`."""
        choice = self.choose_threshold(probability["validation"])
        return self.judge(name, probability["test"], choice.threshold, choice)

    def judge_buy_and_hold(self) -> Judgement:
        """Judge being long all the time, at the same costs."""
        result = self._trade(self.test, np.ones(len(self.test)))
        return Judgement("buy and hold", None, 0.5, None, result, dict(result.metrics))

    def test_labels(self) -> np.ndarray:
        """Labels of the test rows, `(rows,)`; NaN where undefined."""
        return self.rows.labels[self.test]

    def _classification(self, probability: np.ndarray) -> dict[str, float]:
        labels = self.test_labels()
        known = np.isfinite(labels)
        metrics = classification_metrics(labels[known], probability[known])
        if self.rows.probability_up is None:
            return metrics
        truth = self.rows.probability_up[self.test]
        defined = np.isfinite(truth)
        up = predicted_up(probability[defined])
        return metrics | {
            "expected_accuracy": expected_accuracy(truth[defined], up),
            "oracle_accuracy": oracle_accuracy(truth[defined]),
            "share_of_edge": share_of_edge(truth[defined], up),
        }

    def _trade(self, part: np.ndarray, signal: np.ndarray) -> BacktestResult:
        return combine_backtests(
            [
                self._trade_symbol(bars, part[chosen], signal[chosen])
                for code, bars in enumerate(self.market.bars.values())
                if (chosen := self.rows.symbol_code[part] == code).any()
            ]
        )

    def _trade_symbol(self, bars: Bars, part: np.ndarray, signal: np.ndarray) -> BacktestResult:
        """Trade from the part's first decision until its last one has been held to its horizon."""
        bar_row = self.rows.bar_row[part]
        first = int(bar_row.min())
        last = min(int(bar_row.max()) + 1 + self.config.horizon_bars, len(bars.frame) - 1)
        frame: pd.DataFrame = bars.frame.iloc[first : last + 1]
        wanted = np.full(len(frame), np.nan)
        wanted[bar_row - first] = signal
        return run_backtest(
            frame, wanted, self.config, bars_per_year=bars.bars_per_year, symbol=bars.symbol
        )
