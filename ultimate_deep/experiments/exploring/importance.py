"""Which features a trained model needs: its loss with each one shuffled in time.

Contiguous blocks change places within each symbol, the same for all features of a group, so
that a feature keeps its own course and loses only its tie to the label and to the other
features. The interval is a block bootstrap of the rows' differences, averaged over the
repeats: it says how far chance on these rows could move the figure, which the spread of the
repeats alone does not. A model that relies on either of two twins shows neither as needed:
shuffle them together with `group_correlation`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ultimate_deep.evaluation.significance.bootstrap import (
    Interval,
    block_bars_for,
    bootstrap_sums,
    interval_from,
)
from ultimate_deep.experiments.exploring.config import ImportanceConfig
from ultimate_deep.features.judging.selection import correlated_groups, correlation_matrix
from ultimate_deep.training.progress import Heartbeat, Progress

METRICS = ("log_loss", "auc", "accuracy")
_FEWEST_ROWS = 50
Part = TypeVar("Part")


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedRows:
    """Rows that a model is judged on, by symbol and within it by time.

    Args:
        labels: 0 or 1, `(rows,)`.
        decision_time: UTC, datetime64 `(rows,)`.
        symbol_code: Number of the row's symbol, `(rows,)`.
        horizon_bars: Bars that each label spans.

    Raises:
        ValueError: Shapes differ, or there are fewer than 50 rows or only one class.
    """

    labels: np.ndarray
    decision_time: np.ndarray
    symbol_code: np.ndarray
    horizon_bars: int = 1

    def __post_init__(self) -> None:
        lengths = {
            field.name: len(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name != "horizon_bars"
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"every row has inputs, label, time and symbol, got {lengths}; give equal lengths"
            )
        if len(self.labels) < _FEWEST_ROWS or len(np.unique(self.labels)) != 2:
            raise ValueError(
                f"importance needs at least {_FEWEST_ROWS} labelled rows of both classes, got "
                f"{len(self.labels)} rows of classes {np.unique(self.labels).tolist()}; bring "
                "more bars"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged(JudgedRows):
    """The same rows with what a model reads of them, where that is one table.

    Args:
        scaled: Model inputs, float32 `(rows, features)`.
    """

    scaled: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What shuffling one feature, or one group, costs the model; positive where it is needed.

    Attributes:
        names: The features shuffled together.
        log_loss: Rise of the log loss per row.
        auc: Fall of the area under the ROC curve.
        accuracy: Fall of the share of right calls at one half.
        log_loss_repeats: Rise of the log loss in each shuffle.
    """

    names: tuple[str, ...]
    log_loss: Interval
    auc: Interval
    accuracy: Interval
    log_loss_repeats: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Importances:
    """Permutation importance of every feature, most needed first.

    Attributes:
        entries: One per feature or group, by falling rise of the log loss.
        base: The model's own log loss, AUC and accuracy on these rows.
        rows: Number of rows judged.
        block_bars: Bars of the shuffled blocks.
        config: How the features were shuffled.
        part: What the rows are; "rows" where the caller chose them.
        note: What a reader must know about them.
    """

    entries: tuple[Importance, ...]
    base: dict[str, float]
    rows: int
    block_bars: int
    config: ImportanceConfig
    part: str = "rows"
    note: str = ""

    @property
    def needed(self) -> tuple[Importance, ...]:
        """Entries whose log loss rises beyond the interval's doubt."""
        return tuple(entry for entry in self.entries if entry.log_loss.lower > 0.0)

    @property
    def expected_by_chance(self) -> float:
        """How many of those chance alone gives where no feature is needed."""
        return len(self.entries) * (1.0 - self.config.level) / 2.0

    def to_frame(self) -> pd.DataFrame:
        """One row per entry: `names`, then estimate, lower and upper bound of each metric."""
        return pd.DataFrame(
            [
                {"names": " ".join(entry.names)}
                | {
                    f"{metric}{ending}": getattr(getattr(entry, metric), field)
                    for metric in METRICS
                    for ending, field in (
                        ("", "estimate"),
                        ("_lower", "lower"),
                        ("_upper", "upper"),
                    )
                }
                for entry in self.entries
            ]
        )


def permutation_importance(
    logits: Callable[[np.ndarray], np.ndarray],
    judged: Judged,
    names: Sequence[str],
    *,
    config: ImportanceConfig = ImportanceConfig(),
    seed: int = 0,
    progress: Progress | None = None,
) -> Importances:
    """Shuffle each feature in time and measure what the model loses.

    Args:
        logits: Inputs `(rows, features)` to logits `(rows,)` or `(rows, 1)`, in batches.
        judged: Rows to judge on.
        names: Names of the columns.
        config: How the features are shuffled.
        seed: Same seed, same shuffles.
        progress: Told how long it will take.

    Raises:
        ValueError: A name too many or too few.

    Source: Breiman (2001), Machine Learning 45(1), sec. 10; AUC's contribution by row DeLong,
    DeLong & Clarke-Pearson (1988), Biometrics 44(3), eq. 3-5.
    """
    if judged.scaled.shape[1] != len(names):
        raise ValueError(
            f"{judged.scaled.shape[1]} columns need as many names, got {len(names)}; "
            "name each of them once"
        )
    inputs = judged.scaled.copy()

    def forecast(columns: Sequence[int], order: npt.NDArray[np.int64] | None) -> np.ndarray:
        if order is None:
            return logits(inputs)
        kept = inputs[:, columns]
        inputs[:, columns] = kept[order]
        found = logits(inputs)
        inputs[:, columns] = kept
        return found

    groups = [
        (tuple(names[j] for j in group), list(group))
        for group in column_groups(judged.scaled, config.group_correlation)
    ]
    return importances_of(forecast, groups, judged, config=config, seed=seed, progress=progress)


def importances_of(
    forecast: Callable[[Sequence[Part], npt.NDArray[np.int64] | None], np.ndarray],
    groups: Sequence[tuple[tuple[str, ...], Sequence[Part]]],
    judged: JudgedRows,
    *,
    config: ImportanceConfig,
    seed: int,
    progress: Progress | None,
) -> Importances:
    """Shuffle each group in time and measure what the forecast loses.

    Args:
        forecast: Parts of the inputs, and for each judged row the number of the one that these
            parts are taken from (None leaves all as it is), to logits `(rows,)` or `(rows, 1)`.
        groups: Names and parts of what is shuffled together.
        judged: Rows to judge on.
        config: How they are shuffled.
        seed: Same seed, same shuffles.
        progress: Told how long it will take.
    """
    block_bars = config.block_bars or _block_bars(len(judged.labels), judged.horizon_bars)
    draw = np.random.default_rng(seed)
    orders = [_shuffled(judged.symbol_code, block_bars, draw) for _ in range(config.repeats)]
    base = _by_row(forecast((), None), judged.labels)
    times = np.unique(judged.decision_time, return_inverse=True)[1]
    alone = all(len(names) == 1 for names, _ in groups)
    tell = Heartbeat(progress, "shuffled", len(groups), "features" if alone else "groups")
    entries = []
    for number, (names, parts) in enumerate(groups):
        differences = np.zeros((config.repeats, *base.shape))
        for repeat, order in enumerate(orders):
            differences[repeat] = _by_row(forecast(parts, order), judged.labels) - base
        entries.append(_entry(names, differences, times, judged, config, seed))
        tell(number + 1)
    entries.sort(key=lambda entry: -entry.log_loss.estimate)
    means = base.mean(axis=0)
    return Importances(
        entries=tuple(entries),
        base={"log_loss": float(means[0]), "auc": float(-means[1]), "accuracy": float(-means[2])},
        rows=len(judged.labels),
        block_bars=block_bars,
        config=config,
    )


def _by_row(logits: np.ndarray, labels: np.ndarray) -> npt.NDArray[np.float64]:
    """Each row's share of log loss, -AUC and -accuracy, `(rows, 3)`; their means are the metrics.

    The AUC's are the rows' placements, scaled so that their mean moves as the AUC does.
    """
    guess = np.asarray(logits, dtype=np.float64).reshape(len(labels))
    up = labels == 1.0
    ups, downs = int(up.sum()), int((~up).sum())
    whole = rankdata(guess)
    placed = np.empty(len(guess))
    placed[up] = (whole[up] - rankdata(guess[up])) / downs
    placed[~up] = 1.0 - (whole[~up] - rankdata(guess[~up])) / ups
    area = placed[up].mean()
    weight = len(guess) / np.where(up, ups, downs)
    return np.column_stack(
        [
            np.logaddexp(0.0, guess) - labels * guess,
            -(area + weight * (placed - area)),
            -((guess >= 0.0) == up).astype(np.float64),
        ]
    )


def _entry(
    names: tuple[str, ...],
    differences: npt.NDArray[np.float64],
    times: npt.NDArray[np.int64],
    judged: JudgedRows,
    config: ImportanceConfig,
    seed: int,
) -> Importance:
    """Means and intervals of the rows' differences `(repeats, rows, 3)`."""
    mean = differences.mean(axis=0)
    estimates = mean.mean(axis=0)
    count = np.bincount(times).astype(np.float64)
    sums = np.empty((len(count), 4))
    for place, column in enumerate((mean - estimates).T):
        sums[:, place] = np.bincount(times, weights=column)
    sums[:, 3] = count
    block_bars = block_bars_for(sums[:, :3], horizon_bars=judged.horizon_bars)
    draws = bootstrap_sums(sums, block_bars=block_bars, resamples=config.resamples, seed=seed)
    intervals = [
        interval_from(
            float(estimate),
            estimate + draws[:, place] / draws[:, 3],
            level=config.level,
            block_bars=block_bars,
        )
        for place, estimate in enumerate(estimates)
    ]
    log_loss, auc, accuracy = intervals
    return Importance(
        names=names,
        log_loss=log_loss,
        auc=auc,
        accuracy=accuracy,
        log_loss_repeats=tuple(differences[:, :, 0].mean(axis=1).tolist()),
    )


def _block_bars(rows: int, horizon_bars: int) -> int:
    wanted = max(20, 2 * horizon_bars, round(rows ** (1.0 / 3.0)))
    return max(1, min(wanted, rows // 20))


def _shuffled(
    symbol_code: np.ndarray, block_bars: int, draw: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Row numbers after blocks of each symbol have changed places, `(rows,)`.

    The first block starts at a random row of the symbol, which is taken as a circle, so that
    edges fall elsewhere in each shuffle.
    """
    order = np.empty(len(symbol_code), np.int64)
    for symbol in np.unique(symbol_code):
        own = np.flatnonzero(symbol_code == symbol)
        turned = np.roll(own, int(draw.integers(len(own))))
        blocks = np.split(turned, np.arange(block_bars, len(own), block_bars))
        order[own] = np.concatenate([blocks[j] for j in draw.permutation(len(blocks))])
    return order


def column_groups(scaled: np.ndarray, limit: float | None) -> tuple[tuple[int, ...], ...]:
    """Return columns linked by correlations of a size above a limit; None links none."""
    if limit is None:
        return tuple((column,) for column in range(scaled.shape[1]))
    return correlated_groups(correlation_matrix(scaled, np.arange(len(scaled))), limit)
