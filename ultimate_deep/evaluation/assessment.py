"""All that is asked of one model's test part, in one place: the verdict and what it rests on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.measures.metrics import predicted_up
from ultimate_deep.evaluation.robustness.assessment import (
    Robustness,
    RobustnessInputs,
    assess_robustness,
)
from ultimate_deep.evaluation.robustness.trade import Decisions, Trade
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.significance.forecast_comparison import (
    DieboldMariano,
    diebold_mariano,
)
from ultimate_deep.evaluation.significance.intervals import (
    AccountRows,
    DecisionRows,
    IntervalConfig,
    headline_intervals,
)
from ultimate_deep.evaluation.significance.long_run_variance import default_lags
from ultimate_deep.evaluation.significance.multiple_comparison import (
    SuperiorPredictiveAbility,
    superior_predictive_ability,
)
from ultimate_deep.evaluation.significance.overfitting import (
    BacktestOverfitting,
    backtest_overfitting,
)
from ultimate_deep.evaluation.significance.permutation import (
    PanelRows,
    PermutationTest,
    permute_accuracy,
    permute_information_coefficient,
)
from ultimate_deep.evaluation.significance.summary import SharpeSignificance
from ultimate_deep.evaluation.verdicts.luck import account_sharpe
from ultimate_deep.evaluation.verdicts.verdict import Verdict

BLOCKS = 16  # of the combinations for the probability of overfitting
LEAST_TIMES = 50
_FINEST_LEVEL = 0.9995
Array2D = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class AssessmentInputs:
    """What is judged, and against what.

    Args:
        verdict: Verdict of the test part.
        decisions: Decisions of the test part, pooled over symbols.
        threshold: Least probability of the side taken, chosen before.
        trade: The way from signals and rule to the account.
        config: Rule and costs in use.
        account: What came of the model's own signals.
        trials: What had been tried on these bars by then, this model included.
        rivals: Name to probability of up on the same rows, shape `(rows,)`; the baselines.
        candidates: Net return per period of every threshold tried on validation, shape
            `(periods, thresholds)`; None where none were.
        has_volume: Whether the bars have volume, for the capacity.
        volatility_edges: Bounds of the volatility regimes from before the test part.
        seed: Seed of every draw.
    """

    verdict: Verdict
    decisions: Decisions
    threshold: float
    trade: Trade
    config: BacktestConfig
    account: BacktestResult
    trials: TrialCount
    rivals: Mapping[str, Array1D] = field(default_factory=dict)
    candidates: Array2D | None = None
    has_volume: bool = False
    volatility_edges: tuple[float, float] | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Assessment:
    """The verdict and everything beside it; `json_safe` turns it into plain JSON.

    Args:
        verdict: What may be claimed.
        trials: How much had been tried on these bars.
        sharpe: The net Sharpe ratio against chance and against that number of trials.
        intervals: Headline figure to its block-bootstrap interval.
        permutation: `accuracy` and `information_coefficient` against shifted forecasts.
        versus: Rival to the test of equal squared error, the model's first.
        better_rival: Test whether any rival has the smaller squared error; None without rivals.
        overfitting: Overfitting of the choice of the threshold; None where too few were tried or
            traded.
        robustness: Costs, capacity, regimes, thresholds, delay, random entry.
    """

    verdict: Verdict
    trials: TrialCount
    sharpe: SharpeSignificance
    intervals: dict[str, Interval]
    permutation: dict[str, PermutationTest]
    versus: dict[str, DieboldMariano]
    better_rival: SuperiorPredictiveAbility | None
    overfitting: BacktestOverfitting | None
    robustness: Robustness

    def __repr__(self) -> str:
        return f"<assessment: {self.verdict.sentence}>"

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader should know beside the verdict's answers, one sentence each."""
        lines = [self.robustness.costs.sentence]
        if self.better_rival is not None and self.better_rival.superior:
            lines.append(f"Better forecasts: {', '.join(self.better_rival.superior)}.")
        return tuple(line for line in lines if line)


def assess(inputs: AssessmentInputs) -> Assessment:
    """Ask everything else of a model that has its verdict.

    A few seconds for 10,000 rows. Tests that need more rows than there are, or a forecast that
    varies, are left out.
    """
    known, horizon = judged_rows(inputs.decisions), inputs.config.horizon_bars
    return Assessment(
        verdict=inputs.verdict,
        trials=inputs.trials,
        sharpe=account_sharpe(inputs.account, inputs.trials, horizon_bars=horizon),
        intervals=judged_intervals(
            inputs.verdict,
            inputs.account,
            inputs.decisions,
            horizon_bars=horizon,
            seed=inputs.seed,
        ),
        permutation=_permutation(inputs, known),
        versus=_versus(inputs, known),
        better_rival=_better_rival(inputs, known),
        overfitting=overfitting_of(inputs.candidates),
        robustness=assess_robustness(
            RobustnessInputs(
                trade=inputs.trade,
                config=inputs.config,
                decisions=inputs.decisions,
                threshold=inputs.threshold,
                has_volume=inputs.has_volume,
                volatility_edges=inputs.volatility_edges,
                error_rate=inputs.verdict.error_rate,
                accuracy=inputs.verdict.accuracy,
                delayed=(inputs.verdict.evidence.net, inputs.verdict.evidence.later),
                seed=inputs.seed,
            )
        ),
    )


def judged_rows(decisions: Decisions) -> npt.NDArray[np.intp]:
    """Row numbers with a label and a probability, in order of time."""
    known = np.flatnonzero(np.isfinite(decisions.label) & np.isfinite(decisions.probability))
    return known[np.argsort(decisions.decision_time[known], kind="stable")]


def judged_intervals(
    verdict: Verdict,
    account: BacktestResult,
    decisions: Decisions,
    *,
    horizon_bars: int,
    seed: int,
) -> dict[str, Interval]:
    """Block-bootstrap intervals of the headline figures of judged decisions and their account.

    Those that the verdict has are the verdict's own, and the others are held to its level (to
    99.95% at most, beyond which too many histories would have to be drawn).
    """
    level = min(1.0 - 2.0 * verdict.error_rate, _FINEST_LEVEL)
    found = _account_intervals(
        account, decisions, level=level, horizon_bars=horizon_bars, seed=seed
    )
    own = {"accuracy": verdict.accuracy, "mean_return_net_bps": in_bps(verdict.net_return)}
    return found | own


def in_bps(interval: Interval) -> Interval:
    """Return an interval of a fraction in basis points."""
    return replace(
        interval,
        estimate=1e4 * interval.estimate,
        lower=1e4 * interval.lower,
        upper=1e4 * interval.upper,
        standard_error=1e4 * interval.standard_error,
    )


def _account_intervals(
    account: BacktestResult, decisions: Decisions, *, level: float, horizon_bars: int, seed: int
) -> dict[str, Interval]:
    known = judged_rows(decisions)
    outcome = decisions.return_log[known]
    return headline_intervals(
        DecisionRows(
            label=decisions.label[known],
            probability=decisions.probability[known],
            outcome=outcome if np.isfinite(outcome).all() else None,
            decision_time=decisions.decision_time[known],
        ),
        AccountRows(
            return_net=account.return_net,
            bars_per_year=account.bars_per_year,
            trade_return_net=account.trades["return_net"].to_numpy(),
        ),
        IntervalConfig(
            level=level,
            resamples=max(1_000, math.ceil(10.0 / (1.0 - level) - 1e-6)),
            horizon_bars=horizon_bars,
            seed=seed,
        ),
    )


def _permutation(
    inputs: AssessmentInputs, known: npt.NDArray[np.intp]
) -> dict[str, PermutationTest]:
    decisions, horizon = inputs.decisions, inputs.config.horizon_bars
    if not _enough(decisions, known, horizon):
        return {}
    assert decisions.group is not None  # set by `Decisions`
    panel = PanelRows(decision_time=decisions.decision_time[known], symbol=decisions.group[known])
    probability, outcome = decisions.probability[known], decisions.return_log[known]
    tests = {
        "accuracy": permute_accuracy(
            decisions.label[known], predicted_up(probability), panel=panel, horizon_bars=horizon
        )
    }
    if np.isfinite(outcome).all():
        tests["information_coefficient"] = permute_information_coefficient(
            probability, outcome, panel=panel, horizon_bars=horizon
        )
    return tests


def _versus(inputs: AssessmentInputs, known: npt.NDArray[np.intp]) -> dict[str, DieboldMariano]:
    decisions, horizon = inputs.decisions, inputs.config.horizon_bars
    if not _enough(decisions, known, horizon):
        return {}
    own = squared_error(decisions, decisions.probability, known)
    times, tests = decisions.decision_time[known], {}
    for name, probability in inputs.rivals.items():
        other = squared_error(decisions, probability, known)
        per_time = sums_per_time((own - other)[:, None], times)[:, 0]
        tests[name] = diebold_mariano(
            own,
            other,
            horizon_bars=horizon,
            lags=default_lags(per_time, horizon_bars=horizon),
            decision_time=times,
        )
    return tests


def _better_rival(
    inputs: AssessmentInputs, known: npt.NDArray[np.intp]
) -> SuperiorPredictiveAbility | None:
    decisions, horizon = inputs.decisions, inputs.config.horizon_bars
    own = squared_error(decisions, decisions.probability, known)
    losses = {
        name: squared_error(decisions, probability, known)
        for name, probability in inputs.rivals.items()
    }
    # A rival that differs by a constant (or not at all) cannot be tested.
    losses = {name: loss for name, loss in losses.items() if np.ptp(loss - own) > 1e-12}
    if not losses or not _enough(decisions, known, horizon):
        return None
    return superior_predictive_ability(
        own,
        pd.DataFrame(losses),
        horizon_bars=horizon,
        decision_time=decisions.decision_time[known],
        seed=inputs.seed,
    )


def squared_error(
    decisions: Decisions, probability: Array1D, rows: npt.NDArray[np.intp]
) -> Array1D:
    """Squared distance of probability and label (Brier), shape of `rows`."""
    return np.asarray(np.square(probability[rows] - decisions.label[rows]), dtype=np.float64)


def overfitting_of(candidates: Array2D | None) -> BacktestOverfitting | None:
    """Probability that picking the best of these is overfitting; None where fewer than two traded
    in ways of their own, or in too few periods.

    Args:
        candidates: Net return per period, shape `(periods, candidates)`.
    """
    if candidates is None:
        return None
    distinct = np.unique(candidates[:, candidates.std(axis=0) > 0.0], axis=1)
    if distinct.shape[1] < 2 or len(distinct) < 2 * BLOCKS:
        return None
    return backtest_overfitting(distinct, blocks=BLOCKS)


def _enough(decisions: Decisions, known: npt.NDArray[np.intp], horizon_bars: int) -> bool:
    return len(np.unique(decisions.decision_time[known])) >= least_times(horizon_bars)


def least_times(horizon_bars: int) -> int:
    """Decision times below which tests of significance say nothing."""
    return max(LEAST_TIMES, 8 * horizon_bars)
