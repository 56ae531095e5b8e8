"""What a report on many models is made of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.reporting.grid import Column
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.robustness.regimes import Regimes
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.significance.multiple_comparison import ModelConfidenceSet
from ultimate_deep.evaluation.significance.overfitting import BacktestOverfitting
from ultimate_deep.evaluation.significance.summary import SharpeSignificance
from ultimate_deep.evaluation.verdicts.rule import KINDS, Kind
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.machine.counts import how_many


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedModel:
    """One model on the common test part.

    Args:
        name: Name that no other model has.
        verdict: Its own verdict; `readings` says how many models its bounds are corrected for.
        metrics: Figures by name (`accuracy`, `total_return`, `sharpe`, `max_drawdown`, `trades`).
        intervals: Metric name to interval; `sharpe` and `mean_return_net_bps` are drawn.
        sharpe: Its net Sharpe ratio against chance and every trial.
        backtest: Account of the model, drawn beside the others'.
        share_left_after_delay: Share of the net return per bar that is left when fills come one bar
            later (see `DelaySensitivity.share_left`); NaN where there is none to lose.
        baseline: Whether it is a baseline: shown and compared, but no claim of ours.
        calls: Numbers of decisions that it called `up_right`, `up_wrong`, `down_right` and
            `down_wrong`, and `precision`, `recall` and `f1` of its calls of up.
        regimes: When it works; None where not assessed.
    """

    name: str
    verdict: Verdict
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    sharpe: SharpeSignificance | None = None
    backtest: BacktestResult | None = None
    share_left_after_delay: float = math.nan
    baseline: bool = False
    calls: Mapping[str, float] = field(default_factory=dict)
    regimes: Regimes | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class FurtherTable:
    """A table that only this comparison has.

    Args:
        title: Heading of its section.
        hint: What it says and what not.
        columns: Its columns in order.
        rows: One mapping for each row, by the columns' keys.
    """

    title: str
    hint: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[Any, Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparisonData:
    """Everything that `write_comparison_report` shows.

    Args:
        title: Heading of the page.
        simulated: Whether the bars were simulated.
        models: Models in the order to show, at least one.
        confidence_set: Models that cannot be told from the best; None where not computed.
        superior: Name of a test of the best against all to its p-value.
        overfitting: How likely overfitting is in picking the best of these models; None where not
            computed.
        pairwise: P-values of Diebold-Mariano tests of equal squared error, shape
            `(models, models)`, NaN on the diagonal; None where they were not made.
        trials: What was tried on these bars.
        rules: Sentence on whose trading rule holds for all, and what it replaces of the others';
            empty where all have one.
        distinct: Number of models that predict what none before them does; None where all do.
        tables: Further tables, after the equity.
        facts, config, notes, files, origin: What they are in `ReportData`.

    Raises:
        ValueError: No models, a name twice, names that no model has, a matrix of another shape.
    """

    title: str
    simulated: bool
    models: Sequence[ComparedModel]
    confidence_set: ModelConfidenceSet | None = None
    superior: Mapping[str, float] = field(default_factory=dict)
    overfitting: BacktestOverfitting | None = None
    pairwise: npt.NDArray[np.float64] | None = None
    trials: TrialCount | None = None
    rules: str = ""
    distinct: int | None = None
    tables: Sequence[FurtherTable] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if not names:
            raise ValueError("a comparison needs at least one model, got none; give some")
        if len(set(names)) != len(names):
            raise ValueError(f"models must have names of their own, got {names}; rename some")
        unknown = set(self.confidence_set.included if self.confidence_set else ()) - set(names)
        if unknown:
            raise ValueError(
                f"confidence_set has models that are not compared: {sorted(unknown)}; "
                "compute it from those that are"
            )
        if self.pairwise is not None:
            matrix = np.asarray(self.pairwise, dtype=np.float64)
            if matrix.shape != (len(names), len(names)):
                raise ValueError(
                    f"pairwise must have shape ({len(names)}, {len(names)}) like the models, got "
                    f"{matrix.shape}; test every pair of them"
                )
            object.__setattr__(self, "pairwise", matrix)

    @property
    def judged(self) -> list[ComparedModel]:
        """The models that are no baselines."""
        return [model for model in self.models if not model.baseline]

    @property
    def claiming(self) -> list[str]:
        """Names of the models that claim an edge."""
        return [model.name for model in self.judged if model.verdict.kind == "edge"]

    @property
    def looks(self) -> int:
        """How many models the verdicts are corrected for: the least count among them."""
        return min((model.verdict.readings for model in self.judged), default=1)

    @property
    def kind(self) -> Kind:
        """The best that may be claimed of any model, in the order of `verdicts.rule.KINDS`."""
        return min((model.verdict.kind for model in self.judged), key=KINDS.index)

    @property
    def bars_needed(self) -> int | None:
        """Fewest bars of test data that would settle a model that cannot be told."""
        needed = [m.verdict.bars_needed for m in self.judged if m.verdict.bars_needed is not None]
        return min(needed) if needed else None

    @property
    def finding(self) -> str:
        """The verdict on all models in words, with the looks that it is corrected for."""
        return f"{self._claim()} {self._correction()}"

    def _claim(self) -> str:
        count, claiming = len(self.judged), self.claiming
        if claiming:
            of = f"{len(claiming)} of {count} models" if count > 1 else "The model"
            verb = "claims" if len(claiming) == 1 else "claim"
            return f"{of} {verb} an edge{f': {_names(claiming)}' if count > 1 else ''}."
        open_ = [model.name for model in self.judged if model.verdict.kind == "cannot tell yet"]
        if not open_:
            return "No model has an edge." if count > 1 else "The model has no edge."
        claim = f"None of {count} models claims an edge."
        if count < 3:
            claim = "Neither model claims an edge." if count == 2 else "No edge is claimed."
        claim += f" For {_names(open_)} it cannot be told"
        if self.bars_needed is None:
            return f"{claim}."
        return (
            f"{claim}; about {how_many(self.bars_needed, 'bar')} of test data would settle "
            "the nearest."
        )

    @property
    def counted_once(self) -> str:
        """Why fewer models are counted than are shown; empty where that is not so."""
        count = len(self.judged)
        if self.distinct is None or self.looks >= count or self.looks < self.distinct:
            return ""
        if self.distinct == 1:
            who = "Both" if count == 2 else f"All {count}"
            return f"{who} make the same predictions and count as one model."
        return "Those that make the same predictions count as one model."

    def _correction(self) -> str:
        several = f"Each bound is corrected for {self.looks} models judged on these bars."
        if self.counted_once:
            return f"{several} {self.counted_once}" if self.looks > 1 else self.counted_once
        if self.looks >= max(len(self.judged), 2):
            return several
        if len(self.judged) > 1:
            return (
                f"The bounds are not corrected for all {len(self.judged)} models: the best of them "
                "looks better than it is."
            )
        return "One model was judged on these bars."


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
