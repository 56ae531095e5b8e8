"""What growing trees is going to do, shown before it is confirmed."""

from dataclasses import dataclass

from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.loop.plan import numbers_per_row


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """Size of one growth; its time is not estimated, since trees cannot be tried beforehand.

    Args:
        model: The trees' name.
        train_rows: Rows to grow on.
        validation_rows: Rows to stop by.
        test_rows: Rows of the test part.
        features: Numbers in a row, over all inputs.
        horizons: Horizons, each with trees of its own.
        config: How they are grown.
    """

    model: str
    train_rows: int
    validation_rows: int
    test_rows: int
    features: int
    horizons: int
    config: TreeConfig

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
        }


def make_growth_plan(
    name: str, config: TreeConfig, train: Arrays, validation: Arrays, *, test_rows: int
) -> GrowthPlan:
    """Return the plan of growing the trees called `name` on these parts."""
    return GrowthPlan(
        model=name,
        train_rows=train.rows,
        validation_rows=validation.rows,
        test_rows=test_rows,
        features=numbers_per_row(train),
        horizons=train.horizons,
        config=config,
    )
