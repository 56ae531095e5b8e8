"""What a report is made of: plain arrays, tables and figures, so that any caller can fill it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D, same_length, unit_interval, vector
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.reporting.looks import Look
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.signals import check_threshold
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.portfolio.costs import DEFAULT_COSTS, CostSpec
from ultimate_deep.portfolio.mode import Mode, check_mode


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """One part's decisions, pooled over symbols; every array has shape `(rows,)`.

    Args:
        label: 0, 1 or NaN (no label: not judged).
        probability: Probability of up that is traded, after the temperature; NaN where none.
        probability_raw: The same before the temperature.
        return_log: Log return from fill to exit of each decision, NaN where undefined.

    Raises:
        ValueError: Lengths that differ, probabilities outside [0, 1], labels other than 0, 1, NaN.
    """

    label: Array1D
    probability: Array1D
    probability_raw: Array1D
    return_log: Array1D

    def __post_init__(self) -> None:
        label = unit_interval("label", self.label, allow_nan=True)
        if not np.isin(label[np.isfinite(label)], [0.0, 1.0]).all():
            raise ValueError("label must be 0, 1 or NaN; give classes, not probabilities")
        columns = {
            "label": label,
            "probability": unit_interval("probability", self.probability, allow_nan=True),
            "probability_raw": unit_interval(
                "probability_raw", self.probability_raw, allow_nan=True
            ),
            "return_log": vector("return_log", self.return_log, allow_nan=True),
        }
        if len(label):
            same_length(**columns)
        for name, column in columns.items():
            object.__setattr__(self, name, column)

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Rows with a label and probabilities, shape `(rows,)`."""
        known = np.isfinite(self.label) & np.isfinite(self.probability)
        return known & np.isfinite(self.probability_raw)


@dataclass(frozen=True, eq=False, kw_only=True)
class Contender:
    """One row of the comparison on the test part.

    Args:
        name: What it is called in the table.
        metrics: Figures by name; the table shows `accuracy`, `roc_auc`, `log_loss`, `sharpe`,
            `total_return`, `max_drawdown`, `trades`, `win_rate`, `turnover`, and a dash where
            one is absent or NaN. `share_of_edge` gets a column when any row has it.
        accuracy: The interval of its accuracy (see `evaluation.verdicts.accuracy`).
    """

    name: str
    metrics: Mapping[str, float]
    accuracy: Interval | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportData:
    """Everything that `write_report` shows. Only the first seven fields have no default.

    Args:
        title: Heading, for example the run's name.
        verdict: Verdict of the test part.
        simulated: Whether the bars were simulated; said in every table and plot.
        test: The test part's decisions.
        threshold: Least probability of the side taken, chosen on validation.
        contenders: The model first, then its baselines, on the same rows and costs.
        backtest: The model's account on the test part.
        validation: The validation part's decisions.
        buy_and_hold: The account that is always long, at the same costs.
        temperature: What the logits were divided by; 1 for none.
        mode, costs: Trading rule of the backtest.
        history: One row per epoch, columns such as `loss`, `validation_loss`, `learning_rate`.
        horizons: One row for each horizon with the measures of its forecasts, `horizon_bars` first;
            shown where there are several.
        attention: Weights `(heads, units)` or `(units,)`, not negative.
        attention_units: A name for each unit.
        attention_maps: Layer to mean weights over time, `(heads, queries, keys)`.
        looks: Where a net of pictures looks at some decisions.
        facts: Short facts by name (symbols, bars, dates, rows of each part, layers, ...).
        plan: Sentences of what was planned.
        config: The experiment's configuration, nested as it is.
        notes: Sentences for people: gaps, dropped rows and features, how the threshold was found.
        files: What else lies beside the report, name to one-line description.
        assessment: What chance, the number of trials, costs, delay and timing leave of the result.
            Its delay test and deflated Sharpe ratio stand beside the verdict.
        schemes: Title to `<svg>` of each validation scheme's splits.
        origin: What was done with what times, and how to do it again.
        fitted: Sentence on the bars that baselines are fitted on; empty where none is fitted.

    Raises:
        ValueError: No contenders, a threshold outside [0.5, 1], attention of another shape.
    """

    title: str
    verdict: Verdict
    simulated: bool
    test: Predictions
    threshold: float
    contenders: Sequence[Contender]
    backtest: BacktestResult
    validation: Predictions | None = None
    buy_and_hold: BacktestResult | None = None
    temperature: float = 1.0
    mode: Mode = "long_flat"
    costs: CostSpec = DEFAULT_COSTS
    history: pd.DataFrame | None = None
    horizons: pd.DataFrame | None = None
    attention: npt.NDArray[np.floating[Any]] | None = None
    attention_units: Sequence[str] = ()
    attention_maps: Mapping[str, npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
    looks: Sequence[Look] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    plan: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    assessment: Assessment | None = None
    schemes: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None
    fitted: str = ""

    @property
    def part(self) -> str:
        """What people read for the bars that are judged: a test part holds none of training."""
        return "judged bars" if self.verdict.evidence.seen else "test part"

    def __post_init__(self) -> None:
        check_mode(self.mode)
        check_threshold(self.threshold)
        if not self.contenders:
            raise ValueError("a report needs at least one contender, got none; add the model")
        if self.attention is None:
            return
        weights = np.atleast_2d(np.asarray(self.attention, dtype=np.float64))
        if weights.ndim != 2 or not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(
                f"attention must be finite, not negative, with shape (heads, units) or (units,), "
                f"got shape {np.shape(self.attention)}; average over the batch first"
            )
        if self.attention_units and len(self.attention_units) != weights.shape[1]:
            raise ValueError(
                f"attention has {weights.shape[1]} units, got {len(self.attention_units)} names; "
                "name each of them once"
            )
        object.__setattr__(self, "attention", weights)
