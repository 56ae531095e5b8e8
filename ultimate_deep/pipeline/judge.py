"""From probabilities to a judgement on one part of the rows, after costs."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.engines import sized_signal
from ultimate_deep.evaluation.ledger.trial import TrialCount, count_trials
from ultimate_deep.evaluation.measures.metrics import classification_metrics, predicted_up
from ultimate_deep.evaluation.measures.oracle import (
    expected_accuracy,
    oracle_accuracy,
    share_of_edge,
)
from ultimate_deep.evaluation.measures.spread import half_spread
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
from ultimate_deep.evaluation.verdicts.luck import account_sharpe
from ultimate_deep.evaluation.verdicts.phrases import HOLDING
from ultimate_deep.evaluation.verdicts.rule import STEADY
from ultimate_deep.evaluation.verdicts.verdict import Verdict, judge_model
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.accounts import (
    Traded,
    held_throughout,
    impact_account,
    patient_account,
    plain_rules,
    spread_account,
    steady_account,
    traded_account,
    usual_share,
    with_first_volume,
)
from ultimate_deep.pipeline.calibration import ThresholdChoice, choose_threshold
from ultimate_deep.pipeline.rows import Rows

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
        signal: Side wanted after each row, `(rows,)`.
    """

    name: str
    probability: np.ndarray | None
    threshold: float
    choice: ThresholdChoice | None
    backtest: BacktestResult
    metrics: dict[str, float]
    signal: np.ndarray


class Judge:
    """Judges predictors on the same rows, bars and costs.

    Args:
        market: Bars by symbol; orders are filled at their opens, or where it says, from finer bars.
        rows: The pooled rows.
        part: Row numbers that are judged.
        backtest: Trading rule and costs.
        majority_up: Class of the majority of the labels known before, or of each of the part's
            rows, `(rows,)`; None takes that of the part.
    """

    def __init__(
        self,
        market: Market,
        rows: Rows,
        *,
        part: np.ndarray,
        backtest: BacktestConfig,
        majority_up: bool | np.ndarray | None = None,
    ) -> None:
        self.market = market
        self.rows = rows
        self.part = part
        self.config = backtest
        self.majority_up = majority_up

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
        return Judgement(name, probability, threshold, choice, result, metrics, signal)

    def judge_buy_and_hold(self) -> Judgement:
        """Judge being long all the time, at the same costs, without sizes, stops or breakers.

        From each symbol's first decision to its last one, bars without one among them.
        """
        signal, rules = np.ones(len(self.part)), plain_rules(self.config)
        traded = self._by_symbol(signal, None, rules)
        result = traded_account([held_throughout(one) for one in traded], rules)
        return Judgement(HOLDING, None, 0.5, None, result, dict(result.metrics), signal)

    def labels(self) -> np.ndarray:
        """Labels of the part's rows, `(rows,)`; NaN where undefined."""
        return self.rows.labels[self.part]

    def verdict(
        self,
        judged: Judgement,
        *,
        trials: TrialCount | None = None,
        simpler: Sequence[Judgement] = (),
        others: Sequence[Judgement] = (),
        seen: int = 0,
        seed: int = 0,
    ) -> Verdict:
        """Return what may be claimed of a predictor on this part.

        Args:
            judged: Figures of this judge, with probabilities.
            trials: What had been tried on these bars, this model included; None counts it alone.
            simpler: Simpler predictors on the same part; buying and holding is one always.
            others: Predictors on the same part that are no simpler.
            seen: Rows of the part that the predictor was trained or chosen on.
            seed: Seed of the bootstrap.
        """
        assert judged.probability is not None
        labels, horizon = self.labels(), self.config.horizon_bars
        known = np.isfinite(labels)
        rows = self.part[known]
        count = trials or count_trials(())
        account, own = judged.backtest, self.config.costs.impact_coefficient
        majority = self.majority_up
        delayed = dataclasses.replace(self.config, latency_bars=self.config.latency_bars + 1)
        sharpe = account_sharpe(account, count, horizon_bars=horizon)
        traded = self._by_symbol(judged.signal, judged.probability, self.config)
        held = {one.name: one.backtest.return_net for one in simpler}
        if HOLDING not in held:
            held[HOLDING] = self.judge_buy_and_hold().backtest.return_net
        held[STEADY] = steady_account(traded, self.config).return_net
        from_finer_bars, half_spreads, shares = zip(*self._of_bars(), strict=True)
        silent = sum(math.isnan(one) for one in shares)
        half_spread_bps = 1e4 * _mean(half_spreads)
        asked = own is None and not silent
        spread = spread_account(traded, self.config, half_spread_bps)
        share, patient = patient_account(traded, self.config)
        return judge_model(
            EvidenceInputs(
                label=labels[known],
                probability=judged.probability[known],
                return_net=account.return_net,
                impact_return_net=impact_account(traded, self.config).return_net if asked else None,
                spread_return_net=None if spread is None else spread.return_net,
                coefficient=math.nan if own is None else own,
                capital=self.config.capital,
                volume_share=max((one for one in shares if one == one), default=math.nan),
                silent=silent,
                later_return_net=traded_account(traded, delayed).return_net,
                patient_return_net=(patient or account).return_net,
                rival_return_net=held,
                other_return_net={one.name: one.backtest.return_net for one in others},
                decision_time=self.rows.decision_time[rows],
                group=self.rows.symbol_code[rows],
                majority_up=majority[known] if isinstance(majority, np.ndarray) else majority,
                position=account.position,
                repeated_opens=share,
                from_finer_bars=_mean(from_finer_bars),
                half_spread_bps=half_spread_bps,
                cost_bps=self.config.costs.per_side_bps,
                deflated=sharpe.dependent_deflated,
                trials=sharpe.trials,
                horizon_bars=horizon,
                bars_per_year=account.bars_per_year,
                readings=max(count.test_readings, 1),
                simulated=self.market.simulated,
                seen=seen,
                seed=seed,
            )
        )

    def _of_bars(self) -> Iterator[tuple[float, float, float]]:
        """Yield what each symbol's bars say of its fills and their size.

        From the first decision of the part to the last: the share of prices that are of finer bars
        (NaN without any). From the first bar of all: half of the spread. From
        the first decision: a full position as a share of a usual bar's volume.
        """
        codes = self.rows.symbol_code[self.part]
        for code, (symbol, bars) in enumerate(self.market.bars.items()):
            if not (codes == code).any():
                continue
            rows = self.rows.bar_row[self.part[codes == code]]
            judged = slice(int(rows.min()), int(rows.max()) + 1)
            fills = self.market.fills.get(symbol)
            yield (
                math.nan if fills is None else float(fills.filled[judged].mean()),
                half_spread(bars.frame.iloc[judged]),
                usual_share(bars.frame.iloc[judged], self.config.capital / len(self.market.bars)),
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
        return traded_account(self._by_symbol(signal, probability, rules), rules)

    def _by_symbol(
        self, signal: np.ndarray, probability: np.ndarray | None, rules: BacktestConfig
    ) -> list[Traded]:
        """Return what the engines need of each symbol that is decided on."""
        codes = self.rows.symbol_code[self.part]
        return [
            self._traded(symbol, codes == code, signal, probability, rules)
            for code, symbol in enumerate(self.market.bars)
            if (codes == code).any()
        ]

    def _classification(self, probability: np.ndarray) -> dict[str, float]:
        labels = self.labels()
        known = np.isfinite(labels)
        if not known.any():
            raise ValueError(
                f"none of the {len(labels):,} decisions has a label: the price does not move, or "
                "the bars end before the labels do; give bars that move, and later ones"
            )
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
        symbol: str,
        chosen: np.ndarray,
        signal: np.ndarray,
        probability: np.ndarray | None,
        rules: BacktestConfig,
    ) -> Traded:
        """One symbol from its first decision until its last one has been held to its horizon.

        With latency too the account ends there: the bars after it belong to the next part. Sizes
        are found on all bars, so that volatility is known from the first decision on.
        """
        bars = self.market[symbol]
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
        frame = self.market.traded_frame(symbol).iloc[first : last + 1]
        if rules.costs.impact > 0.0 and rules.max_volume_share is None:
            frame = with_first_volume(frame)  # a part may begin in a silent night
        return Traded(symbol, frame, wanted, bars.bars_per_year)


def majority_up(labels: np.ndarray) -> bool | None:
    """Return whether most labels are up, ties too; None where none has a side.

    Args:
        labels: 0, 1 or NaN, such as those of the training part.
    """
    sided = labels[np.isfinite(labels)]
    return bool(sided.mean() >= 0.5) if len(sided) else None


def _mean(values: Iterable[float]) -> float:
    """Return the mean of what is known; NaN where nothing is."""
    known = [one for one in values if not math.isnan(one)]
    return sum(known) / len(known) if known else math.nan


def _at(rows: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    """Return the values at their rows, NaN elsewhere, `(length,)`."""
    out = np.full(length, np.nan)
    out[rows] = values
    return out


def _in_periods(return_net: np.ndarray) -> np.ndarray:
    """Return sums over equal stretches of bars, at most `MOST_PERIODS` of them."""
    bars = -(-len(return_net) // MOST_PERIODS)
    return np.add.reduceat(return_net, np.arange(0, len(return_net), bars))
