"""What growing trees is going to do and take, shown before it is confirmed."""

import dataclasses
import time
from dataclasses import dataclass

import numpy as np

from ultimate_deep.machine.duration import Duration
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.loop.plan import numbers_per_row

TRIAL_ROWS, TRIAL_TREES = 20_000, (2, 10)
FEWEST_OF_CLASS = 20


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """Size and estimated time of one growth.

    Args:
        model: The trees' name.
        train_rows: Rows to grow on.
        validation_rows: Rows to stop by.
        test_rows: Rows of the test part.
        features: Numbers in a row, over all inputs.
        horizons: Horizons, each with trees of its own.
        config: How they are grown.
        first_seconds: What is done before the first tree, over all horizons.
        tree_seconds: Growing one tree of one horizon.
    """

    model: str
    train_rows: int
    validation_rows: int
    test_rows: int
    features: int
    horizons: int
    config: TreeConfig
    first_seconds: float
    tree_seconds: float

    @property
    def seconds(self) -> Duration:
        """Estimate; where it ends between the two, early stopping decides."""
        most = self.config.trees
        least = min(most, self.config.patience + 1) if self.config.patience else most
        each = self.horizons * self.tree_seconds
        return Duration(self.first_seconds + least * each, self.first_seconds + most * each)

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""
        config = self.config
        return {
            "rows": f"{self.train_rows:,} train, {self.validation_rows:,} validation, "
            f"{self.test_rows:,} test",
            "features": f"{self.features:,}",
            "trees": f"at most {config.trees:,} of {config.leaves} leaves for each of "
            f"{self.horizons} horizons, learning rate {config.learning_rate:g}",
            "threads": f"{config.threads}",
            "time": f"{self.seconds} of growing ({self.tree_seconds * 1e3:.1f} ms a tree)",
        }


def make_growth_plan(
    name: str,
    config: TreeConfig,
    train: Arrays,
    validation: Arrays,
    *,
    test_rows: int,
    weight: np.ndarray | None = None,
) -> GrowthPlan:
    """Return the plan of growing the trees called `name` on these parts; grows a few for it.

    Args:
        name: Key of `models.trees.registry.TREES`.
        config: How they are to be grown.
        train: Rows to grow on.
        validation: Rows to stop by.
        test_rows: Rows of the test part.
        weight: Weight of each training label, as `fit_trees` will be given it.
    """
    chosen = _some_rows(train)
    some = Arrays(x=train.take(chosen), y=train.y[chosen])
    some_weight = None if weight is None else weight[chosen]
    every = slice(None, None, -(-validation.rows // TRIAL_ROWS))
    watched = Arrays(x=validation.take(every), y=validation.y[every])

    def seconds_of(trees: int) -> float:
        trial = dataclasses.replace(config, trees=trees, patience=0)
        began = time.perf_counter()
        fit_trees(name, some, watched, trial, weight=some_weight)
        return (time.perf_counter() - began) / train.horizons * train.rows / some.rows

    seconds_of(1)  # what a library does once in a process, such as being loaded, is no tree's
    few, more = (seconds_of(trees) for trees in TRIAL_TREES)
    tree = max(more - few, 0.0) / (TRIAL_TREES[1] - TRIAL_TREES[0])
    return GrowthPlan(
        model=name,
        train_rows=train.rows,
        validation_rows=validation.rows,
        test_rows=test_rows,
        features=numbers_per_row(train),
        horizons=train.horizons,
        config=config,
        first_seconds=max(few - TRIAL_TREES[0] * tree, 0.0) * train.horizons,
        tree_seconds=tree,
    )


def _some_rows(train: Arrays) -> np.ndarray:
    """Return numbers of at most about `TRIAL_ROWS` rows, with every class that all rows have."""
    step = -(-train.rows // TRIAL_ROWS)
    chosen = np.arange(0, train.rows, step)
    lacking = [
        np.flatnonzero(side)[:FEWEST_OF_CLASS]
        for y in train.y.T
        for side in (y < 0.5, y > 0.5)
        if np.count_nonzero(side[chosen]) < FEWEST_OF_CLASS
    ]
    return np.unique(np.concatenate([chosen, *lacking]))
