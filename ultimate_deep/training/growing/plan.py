"""What growing trees is going to do and take, shown before it is confirmed."""

import dataclasses
import time
from dataclasses import dataclass

from ultimate_deep.machine.duration import Duration
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.loop.plan import numbers_per_row

TRIAL_ROWS, TRIAL_TREES = 20_000, (2, 10)


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
    name: str, config: TreeConfig, train: Arrays, validation: Arrays, *, test_rows: int
) -> GrowthPlan:
    """Return the plan of growing the trees called `name` on these parts; grows a few for it."""
    few, more = (_seconds_of(name, config, train, validation, trees) for trees in TRIAL_TREES)
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


def _seconds_of(
    name: str, config: TreeConfig, train: Arrays, validation: Arrays, trees: int
) -> float:
    """Return the seconds of so many trees of one horizon on all rows, tried on some of them."""
    trial = dataclasses.replace(config, trees=trees, patience=0)
    some, watched = _some_rows(train), _some_rows(validation)
    began = time.perf_counter()
    fit_trees(name, some, watched, trial)
    return (time.perf_counter() - began) / train.horizons * train.rows / some.rows


def _some_rows(arrays: Arrays) -> Arrays:
    chosen = slice(None, None, -(-arrays.rows // TRIAL_ROWS))
    return Arrays(x=arrays.take(chosen), y=arrays.y[chosen])
