"""Options that all boosted trees share, whichever library grows them."""

from dataclasses import dataclass

from ultimate_deep.models.checks import check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class TreeConfig:
    """How boosted trees are grown; every library's own configuration extends this one.

    Args:
        learning_rate: What share of each tree's correction is taken.
        trees: Most trees for each horizon.
        leaves: Most leaves of a tree.
        depth: Most splits from root to leaf; 0 for no limit but the leaves'.
        l2: Penalty on the squares of leaf values.
        bins: Most distinct values told apart in a feature, 2 to 255.
        feature_share: Share of the features looked at, in (0, 1]; drawn anew where below one.
        patience: Trees without a better validation loss until growing stops; 0 grows all. The
            trees after the best validation loss are cut off either way.
        input_clip: Features are cut off at plus and minus this.
        threads: OpenMP threads, fixed so that results do not depend on the machine. More than
            the free cores made scikit-learn's trees 60 times slower; one is safe.
        seed: Seed of every draw.

    Raises:
        ValueError: A value out of range.
    """

    learning_rate: float = 0.05
    trees: int = 300
    leaves: int = 15
    depth: int = 0
    l2: float = 1.0
    bins: int = 255
    feature_share: float = 1.0
    patience: int = 30
    input_clip: float = 8.0
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "input_clip"):
            check_positive(name, getattr(self, name))
        check_range("trees", self.trees, 1)
        check_range("leaves", self.leaves, 2)
        check_range("bins", self.bins, 2, 256)
        check_range("threads", self.threads, 1)
        for name in ("depth", "l2", "patience", "seed"):
            check_range(name, getattr(self, name), 0)
        check_share("feature_share", self.feature_share)


def check_share(field: str, value: float) -> None:
    """Raise ValueError unless `0 < value <= 1`; NaN fails."""
    if not 0 < value <= 1:
        raise ValueError(f"{field} must be above 0 and at most 1; got {value!r}")
