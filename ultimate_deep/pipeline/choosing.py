"""Which features the training part has a use for, learnt from its rows alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.features.judging.scoring import Outcomes, information_coefficients
from ultimate_deep.features.judging.selection import Dropped, Rule, select_features
from ultimate_deep.pipeline.config import FeatureConfig
from ultimate_deep.pipeline.rows import Rows, keep_features

_BLOCK_COLUMNS = 32  # bounds the copies of training rows
_MOST_NAMED = 12
# Limits behind correlations and coefficients, which a single huge value would decide.
_CLIP_MULTIPLE = 10.0


@dataclass(frozen=True, eq=False, kw_only=True)
class LeftOut:
    """Features that were computed and that no model is fed, and why.

    Args:
        names: Every feature that was computed, in order.
        families: Family of each.
        dropped: Name to reason, in that order.
        values: Their values, float32 `(rows, dropped)`, so that another split can ask again.
    """

    names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    dropped: Mapping[str, Dropped] = field(default_factory=dict)
    values: npt.NDArray[np.float32] | None = None

    @property
    def reasons(self) -> dict[str, str]:
        """Name to reason in words."""
        return {name: drop.reason for name, drop in self.dropped.items()}

    def lines(self) -> list[str]:
        """Return what a user is told: a line for each rule that left something out."""
        found = []
        rules: dict[Rule, str] = {
            "constant": "constant on the training part",
            "duplicate": "duplicates of others on the training part",
            "collinear": "collinear with others on the training part",
        }
        for rule, words in rules.items():
            names = [name for name, drop in self.dropped.items() if drop.rule == rule]
            if names:
                count = f"{len(names)} feature{'s' if len(names) > 1 else ''}"
                found.append(f"left out {count}: {words} ({_listed(names)})")
        return found

    def put_back(self, rows: Rows) -> Rows:
        """Return the rows with every feature that was computed, in its place."""
        if self.values is None:
            return rows
        values = np.empty((len(rows.values), len(self.names)), rows.values.dtype)
        place = {name: column for column, name in enumerate(self.names)}
        values[:, [place[name] for name in rows.names]] = rows.values
        values[:, [place[name] for name in self.dropped]] = self.values
        return dataclasses.replace(rows, values=values, names=self.names, families=self.families)


def useful_features(
    rows: Rows, train: npt.NDArray[np.int64], config: FeatureConfig, *, horizon_bars: int
) -> tuple[Rows, LeftOut]:
    """Leave out what the training rows have no use for, as the settings say.

    Args:
        rows: Pooled rows of all parts.
        train: Numbers of the training rows; nothing else of the others is looked at.
        config: What is left out.
        horizon_bars: Bars that each row's return spans.

    Raises:
        ValueError: Every feature is constant, or a selection has too few training rows.
    """
    dropped: dict[str, Dropped] = {}
    if config.drop_constant:
        names = constant_features(rows.values, train, rows.names)
        if len(names) == len(rows.names):
            raise ValueError(
                f"every feature is constant on the {len(train):,} training rows "
                f"({_listed(rows.names)}), so that nothing can be learnt from them; name others, "
                "or bring other bars"
            )
        dropped = {name: Dropped(rule="constant", instead=None, measure=1.0) for name in names}
    if config.select:
        dropped = _selected(rows, train, config, horizon_bars, dropped)
    if not dropped:
        return rows, LeftOut()
    order = [name for name in rows.names if name in dropped]
    columns = [rows.names.index(name) for name in order]
    left_out = LeftOut(
        names=rows.names,
        families=rows.families,
        dropped={name: dropped[name] for name in order},
        values=rows.values[:, columns],
    )
    return keep_features(rows, [name for name in rows.names if name not in dropped]), left_out


def constant_features(
    values: np.ndarray, train: npt.NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    """Return the features that have one value in all training rows."""
    found = []
    for start in range(0, values.shape[1], _BLOCK_COLUMNS):
        block = values[train, start : start + _BLOCK_COLUMNS]
        same = block.min(axis=0) == block.max(axis=0)
        found += [names[start + column] for column in np.flatnonzero(same).tolist()]
    return found


def _selected(
    rows: Rows,
    train: npt.NDArray[np.int64],
    config: FeatureConfig,
    horizon_bars: int,
    constant: Mapping[str, Dropped],
) -> dict[str, Dropped]:
    """What a selection drops too: of each group the feature stays that says most of the return."""
    names = [name for name in rows.names if name not in constant]
    columns = np.array([rows.names.index(name) for name in names])
    values = rows.values[np.ix_(train, columns)]
    every = np.arange(len(train))
    limits = RobustLimits.fit(
        values, every, names=names, multiple=config.clip_multiple or _CLIP_MULTIPLE
    )
    clipped = limits.apply(values)
    outcomes = Outcomes(
        return_log=rows.return_log[train],
        decision_time=rows.decision_time[train],
        symbol_code=rows.symbol_code[train],
        horizon_bars=horizon_bars,
    )
    scores = information_coefficients(clipped, every, outcomes, names=names)
    selection = select_features(
        clipped, every, names=names, preference=np.abs(scores.ic), config=config.selection
    )
    return {**constant, **selection.dropped}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
