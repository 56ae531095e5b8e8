"""What a file's features are like, learnt from its training part alone."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from ultimate_deep.experiments.exploring.config import ExplorationConfig
from ultimate_deep.experiments.exploring.importance import Importances
from ultimate_deep.features import FeatureMatrix, feature_table
from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.features.judging.scoring import Outcomes, Scores, information_coefficients
from ultimate_deep.features.judging.selection import Selection, correlation_matrix, select_features
from ultimate_deep.features.judging.stability import Stability, population_stability
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.rows import (
    Rows,
    assemble_rows,
    check_feature_names,
    feature_function,
    split_rows,
)
from ultimate_deep.training.progress import Heartbeat, Progress


@dataclass(frozen=True, eq=False, kw_only=True)
class Exploration:
    """What was found on the training part.

    Attributes:
        config: What was asked for.
        market: Bars by symbol.
        names: Features in order.
        families: Family of each feature.
        warmup_bars: Leading bars without a value of each feature, `(features,)`.
        missing: Values that are absent after the warm-up, over all symbols, `(features,)`.
        left_out: Features that these bars do not allow, and why.
        train_rows: Number of rows explored.
        train_span: First and last decision among them, UTC.
        limits: Limits beyond which values are clipped.
        clipped_share: Share of the training rows beyond them, `(features,)`.
        correlation: Correlation after clipping, `(features, features)`.
        selection: Constant, duplicate and collinear features.
        scores: Information coefficients of the features.
        delayed: The same with the return that starts one bar later.
        stability: Distribution by period against that of the whole training part.
        importances: Importances of a bundle's features; None without one.
    """

    config: ExplorationConfig
    market: Market
    names: tuple[str, ...]
    families: tuple[str, ...]
    warmup_bars: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]
    left_out: dict[str, str]
    train_rows: int
    train_span: tuple[pd.Timestamp, pd.Timestamp]
    limits: RobustLimits
    clipped_share: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]
    selection: Selection
    scores: Scores
    delayed: Scores
    stability: Stability
    importances: Importances | None = None

    @property
    def claimed(self) -> tuple[int, ...]:
        """Columns whose coefficient is claimed after the correction, by falling size of t."""
        size = np.where(self.scores.significant, np.abs(self.scores.t), np.nan)
        order = np.argsort(-size, kind="stable")
        return tuple(int(j) for j in order[: int(self.scores.significant.sum())])

    @property
    def lasting(self) -> tuple[int, ...]:
        """Claimed columns that keep their sign, at the same level, one bar later."""
        level = self.config.scoring.false_discovery_rate
        same = np.sign(self.delayed.ic) == np.sign(self.scores.ic)
        return tuple(j for j in self.claimed if same[j] and self.delayed.p[j] <= level)

    @property
    def detectable(self) -> float:
        """Size of coefficient that these rows would have shown with 80% probability.

        For the typical standard error, at the level that Bonferroni's correction asks of one.
        """
        errors = self.scores.standard_error[np.isfinite(self.scores.standard_error)]
        if not len(errors):
            return float("nan")
        level = self.config.scoring.false_discovery_rate / (2.0 * len(errors))
        return float((norm.isf(level) + norm.ppf(0.8)) * np.median(errors))

    def to_frame(self) -> pd.DataFrame:
        """One row per feature, in order: family, warm-up, coefficient, stability, selection."""
        frame = self.scores.to_frame()
        frame.insert(1, "family", self.families)
        frame.insert(3, "ic_one_bar_later", self.delayed.ic)
        frame["worst_psi"] = self.stability.worst
        frame["clipped_share"] = self.clipped_share
        frame["warmup_bars"] = self.warmup_bars
        frame["missing"] = self.missing
        dropped = self.selection.dropped
        frame["kept"] = [name not in dropped for name in self.names]
        frame["reason"] = [dropped[name].reason if name in dropped else "" for name in self.names]
        return frame


@dataclass
class _Observed:
    """What passes by while features are computed."""

    missing: dict[str, int] = field(default_factory=dict)

    def note(self, matrix: FeatureMatrix, warmups: dict[str, int]) -> None:
        for column, name in enumerate(matrix.names):
            after = matrix.values[warmups.get(name, matrix.warmup_bars) :, column]
            gone = int(np.isnan(after).sum())
            self.missing[name] = self.missing.get(name, 0) + gone


def explore(config: ExplorationConfig, progress: Progress) -> Exploration:
    """Explore the features of bars; labels and values outside the training part are not used.

    Args:
        config: What and how.
        progress: Told what happens.

    Raises:
        ValueError: Bad bars, unknown features, or too few rows for the split or the coefficients.
    """
    check_feature_names(config.features.names, "features.names")  # before the bars are read
    config.data.refuse_fills()
    with progress.busy("reading bars" if config.data.paths else "simulating bars"):
        market = load_market(config.data, config.label)
    for line in market.told:
        progress.message(line)
    table = feature_table()
    warmups = dict(zip(table["name"], (int(bars) for bars in table["warmup_bars"]), strict=True))
    observed = _Observed()
    rows, split = _assemble(config, market, warmups, observed, progress)
    train = split.train[np.isfinite(rows.return_log[split.train])]
    if not len(train):
        raise ValueError("no training row has a forward return; bring more bars")
    return _explore_train(config, market, rows, train, warmups, observed, progress)


def _assemble(
    config: ExplorationConfig,
    market: Market,
    warmups: dict[str, int],
    observed: _Observed,
    progress: Progress,
) -> tuple[Rows, Split]:
    of_market = feature_function(market, config.features.names or None)

    def compute(frame: pd.DataFrame) -> FeatureMatrix:
        matrix = of_market(frame)
        observed.note(matrix, warmups)
        return matrix

    count = sum(len(bars.frame) for bars in market.bars.values())
    with progress.busy(f"computing features of {count:,} bars"):
        rows = assemble_rows(market, config.label, compute)
    return rows, split_rows(rows, config.split, market.interval)


def _explore_train(
    config: ExplorationConfig,
    market: Market,
    rows: Rows,
    train: npt.NDArray[np.int64],
    warmups: dict[str, int],
    observed: _Observed,
    progress: Progress,
) -> Exploration:
    names, count = rows.names, len(rows.names)
    with progress.busy(f"limits of {count} features on {len(train):,} training rows"):
        limits = RobustLimits.fit(rows.values, train, names=names, multiple=config.clip_multiple)
        values = rows.values[train]
        clipped = limits.apply(values)
        share = np.array([(values[:, j] != clipped[:, j]).mean() for j in range(count)])
        del values
    every = np.arange(len(train))
    times = rows.decision_time[train]
    outcomes = Outcomes(
        return_log=rows.return_log[train],
        decision_time=times,
        symbol_code=rows.symbol_code[train],
        horizon_bars=config.label.horizon_bars,
    )
    late = dataclasses.replace(outcomes, return_log=_one_bar_later(rows, train))
    scored = []
    for when, known in (("next", outcomes), ("a bar later", late)):
        with progress.busy(f"information coefficients, return {when}"):
            scored.append(
                information_coefficients(
                    clipped, every, known, names=names, config=config.scoring,
                    told=Heartbeat(progress, "scored", count, "features"),
                )
            )  # fmt: skip
    scores, delayed = scored
    with progress.busy("correlations and selection"):
        correlation = correlation_matrix(clipped, every)
        selection = select_features(
            clipped, every, names=names, preference=np.abs(scores.ic), correlation=correlation,
            config=config.selection,
        )  # fmt: skip
    with progress.busy("stability"):
        stability = population_stability(
            clipped, every, times, names=names, period=config.scoring.period,
            least_rows=config.scoring.least_rows,
            told=Heartbeat(progress, "compared", count, "features"),
        )  # fmt: skip
    return Exploration(
        config=config, market=market, names=names, families=rows.families,
        warmup_bars=np.array([warmups.get(name, 0) for name in names]),
        missing=np.array([observed.missing.get(name, 0) for name in names]),
        left_out=dict(rows.dropped), train_rows=len(train),
        train_span=(pd.Timestamp(times.min(), tz="UTC"), pd.Timestamp(times.max(), tz="UTC")),
        limits=limits, clipped_share=share, correlation=correlation, selection=selection,
        scores=scores, delayed=delayed, stability=stability,
    )  # fmt: skip


def _one_bar_later(rows: Rows, train: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Forward return of the bar after each training row's, `(training rows,)`.

    NaN where that bar is no training row, so that nothing beyond the part is read.
    """
    order = np.lexsort((rows.bar_row[train], rows.symbol_code[train]))
    ordered = train[order]
    follows = (np.diff(rows.symbol_code[ordered]) == 0) & (np.diff(rows.bar_row[ordered]) == 1)
    late = np.full(len(train), np.nan)
    late[order[:-1][follows]] = rows.return_log[ordered[1:][follows]]
    return late
