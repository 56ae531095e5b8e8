"""Which features add nothing: constant, duplicate and collinear ones, found on training rows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from ultimate_deep.features.judging.config import SelectionConfig
from ultimate_deep.features.judging.outliers import check_table

Rule = Literal["constant", "duplicate", "collinear"]

_BLOCK_ROWS = 16_384  # float64 rows held at once: 33 MB for 254 features


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Why a feature is left out.

    Attributes:
        rule: Which one it fell to.
        instead: The feature that is kept in its place; None for a constant one.
        measure: Share of the commonest value (constant), otherwise the correlation with `instead`.
    """

    rule: Rule
    instead: str | None
    measure: float

    @property
    def reason(self) -> str:
        """The reason in words."""
        if self.rule == "constant":
            return f"constant: one value fills {self.measure:.2%} of the training rows"
        return f"{self.rule}: correlation {self.measure:+.5f} with {self.instead}, which is kept"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is left of the features, and why the others are not.

    Attributes:
        kept: Names in their first order.
        dropped: Name to reason, in their first order.
        rows: Training rows looked at.
    """

    kept: tuple[str, ...]
    dropped: dict[str, Dropped]
    rows: int

    def named(self, rule: Rule) -> tuple[str, ...]:
        """Return the names that fell to one rule."""
        return tuple(name for name, drop in self.dropped.items() if drop.rule == rule)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        dropped = {
            name: {
                "rule": drop.rule,
                "instead": drop.instead,
                "measure": drop.measure,
                "reason": drop.reason,
            }
            for name, drop in self.dropped.items()
        }
        return {"kept": list(self.kept), "dropped": dropped, "rows": self.rows}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the selection that `to_dict` described.

        Raises:
            ValueError: An entry is missing or of another kind.
        """
        try:
            dropped = {
                name: Dropped(
                    rule=drop["rule"], instead=drop["instead"], measure=float(drop["measure"])
                )
                for name, drop in stored["dropped"].items()
            }
            return cls(kept=tuple(stored["kept"]), dropped=dropped, rows=int(stored["rows"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"a stored selection lacks or misnames an entry ({error!r}); write it with to_dict"
            ) from error


def select_features(
    values: np.ndarray,
    rows: npt.NDArray[np.int64],
    *,
    names: Sequence[str],
    preference: npt.ArrayLike | None = None,
    correlation: npt.NDArray[np.float64] | None = None,
    config: SelectionConfig = SelectionConfig(),
) -> Selection:
    """Leave out constant, duplicate and collinear features, judged on the training rows alone.

    Features are walked from the most to the least preferred. One stays unless it is constant or
    correlates with one that stays already; so of each group the most preferred one is kept, every
    dropped one names a kept one that it goes with, and no two kept ones are collinear.

    Args:
        values: Features of all rows, `(rows, features)`; the training rows must be finite.
        rows: Numbers of the training rows; no other row is looked at.
        names: Names of the features.
        preference: The higher, the sooner kept, `(features,)`, such as the size of each feature's
            information coefficient *on the training rows*; equal ones and NaN (last) keep the
            order of `names`, and without it that order decides.
        correlation: What `correlation_matrix` gave for these rows, where it is at hand.
        config: Limits beyond which a feature is dropped.

    Raises:
        ValueError: Wrong shape, no training row, or a training row with NaN or infinity.
    """
    check_table(values, rows, names)
    shares = np.array([commonest_share(values[rows, j]) for j in range(len(names))])
    if correlation is None:
        correlation = correlation_matrix(values, rows)
    count = len(names)
    if correlation.shape != (count, count):
        raise ValueError(f"correlation has shape {(count, count)}, got {correlation.shape}")
    dropped: dict[int, Dropped] = {}
    kept: list[int] = []
    for j in _order(preference, count):
        if shares[j] >= config.constant_share:
            dropped[j] = Dropped(rule="constant", instead=None, measure=float(shares[j]))
            continue
        found = _nearest(correlation[j], kept, config)
        if found is None:
            kept.append(j)
            continue
        near, rule = found
        measure = float(correlation[j, near])
        dropped[j] = Dropped(rule=rule, instead=names[near], measure=measure)
    return Selection(
        kept=tuple(names[j] for j in sorted(kept)),
        dropped={names[j]: dropped[j] for j in sorted(dropped)},
        rows=len(rows),
    )


def commonest_share(column: np.ndarray) -> float:
    """Return the share of rows that hold a column's commonest value, where it is above one half.

    A value in more than half of the rows is the median; otherwise the share of the median is
    returned, which is then not above one half either.
    """
    middle = np.partition(column, len(column) // 2)[len(column) // 2]
    return float((column == middle).mean())


def correlation_matrix(values: np.ndarray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return Pearson correlations of the training rows, float64 `(features, features)`.

    Two passes in float64 over blocks of rows, so that memory does not grow with the rows.
    A constant feature has correlation 0 with all others. Columns that are equal bit for bit
    have exactly 1. Clip outliers first: a single huge value would decide the correlation.

    Raises:
        ValueError: Wrong shape, no row, or a row with NaN or infinity.
    """
    check_table(values, rows, [str(column) for column in range(values.shape[-1])])
    mean, scale = _moments(values, rows)
    total = np.zeros((len(mean), len(mean)))
    for block in _blocks(values, rows):
        block -= mean
        block /= scale
        total += block.T @ block
    total /= len(rows)
    spread = np.sqrt(np.diag(total))
    spread[spread == 0.0] = 1.0
    total /= np.outer(spread, spread)
    np.clip(total, -1.0, 1.0, out=total)
    np.fill_diagonal(total, 1.0)
    for first, second in _equal_columns(values, rows):
        total[first, second] = total[second, first] = 1.0
    return total


def correlated_groups(
    correlation: npt.NDArray[np.float64], limit: float
) -> tuple[tuple[int, ...], ...]:
    """Return groups of columns that are linked by correlations of a size above `limit`.

    Each column is in exactly one group; a link through a third column counts. Groups are in the
    order of their first columns.
    """
    if not 0.0 < limit <= 1.0:
        raise ValueError(f"limit is the size of a correlation in (0, 1], got {limit}")
    _, labels = connected_components(np.abs(correlation) > limit, directed=False)
    groups: dict[int, list[int]] = {}
    for column, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(column)
    return tuple(tuple(group) for group in groups.values())


def _order(preference: npt.ArrayLike | None, count: int) -> list[int]:
    if preference is None:
        return list(range(count))
    wanted = np.asarray(preference, dtype=np.float64)
    if wanted.shape != (count,):
        raise ValueError(
            f"preference has one number per feature, shape ({count},), got {wanted.shape}"
        )
    wanted = np.where(np.isnan(wanted), -math.inf, wanted)
    return np.argsort(-wanted, kind="stable").tolist()


def _nearest(
    correlations: npt.NDArray[np.float64], kept: list[int], config: SelectionConfig
) -> tuple[int, Rule] | None:
    """Return the kept column that a column goes with most, and the rule, if it goes with any."""
    if not kept:
        return None
    sizes = np.abs(correlations[kept])
    most = int(sizes.argmax())
    if sizes[most] > config.duplicate_correlation or correlations[kept[most]] == 1.0:
        return kept[most], "duplicate"
    if sizes[most] > config.collinear_correlation:
        return kept[most], "collinear"
    return None


def _blocks(values: np.ndarray, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield values[rows[start : start + _BLOCK_ROWS]].astype(np.float64)


def _moments(
    values: np.ndarray, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and largest distance from the first row; the distance only keeps products in range."""
    first = values[rows[0]].astype(np.float64)
    total, reach, start = np.zeros(len(first)), np.zeros(len(first)), 0
    for block in _blocks(values, rows):
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"training rows are finite, got {block[row, column]} in row {rows[start + row]}, "
                f"feature number {column}; leave out the warm-up rows"
            )
        start += len(block)
        block -= first
        total += block.sum(axis=0)
        np.maximum(reach, np.abs(block).max(axis=0), out=reach)
    reach[reach == 0.0] = 1.0
    return first + total / len(rows), reach


def _equal_columns(values: np.ndarray, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield pairs of columns whose training rows are equal bit for bit."""
    seen: dict[int, list[int]] = {}
    for column in range(values.shape[1]):
        data = np.ascontiguousarray(values[rows, column])
        same = seen.setdefault(hash(data.tobytes()), [])
        for other in same:
            if np.array_equal(data, values[rows, other]) and data.min() != data.max():
                yield other, column
        same.append(column)
