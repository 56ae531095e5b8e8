"""Combinatorial purged cross-validation: many backtest paths from one history."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme, equal_groups

Groups = tuple[tuple[int, int], ...]


class CombinatorialPurged(Scheme):
    """Every choice of test groups among equal groups of time is one split.

    Of `n_groups` groups each split tests `n_test_groups` and trains on the others, purged beside
    every tested stretch. Each group is tested in `path_count` splits, so that as many whole
    histories can be put together, each from predictions of models that did not see that part.

    Source: Lopez de Prado (2018), Advances in Financial Machine Learning, sec. 12.4: `C(N, k)`
    splits and `phi = C(N, k) k / N` paths.

    Args:
        spans: When each row is decided and its label known.
        n_groups: Number of groups, N.
        n_test_groups: Number of groups tested at once, k, below N.
        embargo_bars: Bars on both sides of each test period from which no row trains.

    Raises:
        ValueError: Too few or too many groups, or a negative embargo.
    """

    def __init__(
        self,
        spans: Spans,
        *,
        n_groups: int = 6,
        n_test_groups: int = 2,
        embargo_bars: int = 0,
    ) -> None:
        super().__init__(spans, embargo_bars=embargo_bars)
        if not 1 <= n_test_groups < n_groups:
            raise ValueError(
                f"n_test_groups must be between 1 and n_groups - 1, got {n_test_groups} of "
                f"{n_groups}; test fewer of them at once, or make more"
            )
        self.groups = equal_groups(spans, n_groups)
        self.tested = tuple(combinations(range(n_groups), n_test_groups))

    @property
    def path_count(self) -> int:
        """How many paths there are: as often as each group is tested."""
        return comb(len(self.groups) - 1, len(self.tested[0]) - 1)

    def test_groups(self) -> list[Groups]:
        """Return each split's groups of decision times."""
        return [tuple(self.groups[group] for group in chosen) for chosen in self.tested]

    def candidates(self, number: int) -> np.ndarray:
        """Return all rows."""
        return np.ones(len(self.spans), bool)

    def paths(self) -> npt.NDArray[np.int64]:
        """Return which split's model predicts each group on each path, `(paths, groups)`.

        A group's splits are dealt to the paths in their order, so that every pair of a split and
        one of its test groups is on one path.
        """
        members = [
            [split for split, chosen in enumerate(self.tested) if group in chosen]
            for group in range(len(self.groups))
        ]
        return np.asarray(members, np.int64).T

    def join(self, predictions: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float64]:
        """Put the splits' predictions together into whole histories, `(paths, rows)`.

        Args:
            predictions: Predictions of each split, one value for each row of its `test`, in that
                order.

        Raises:
            ValueError: Another number of splits or of rows in one.
        """
        if len(predictions) != len(self.tested):
            raise ValueError(
                f"there are {len(self.tested)} splits, got predictions of {len(predictions)}"
            )
        group_of = np.empty(len(self.spans.times), np.int64)
        for group, (first, stop) in enumerate(self.groups):
            group_of[first:stop] = group
        row_group = group_of[self.spans.place]
        paths = self.paths()
        joined = np.full((len(paths), len(self.spans)), np.nan)
        for split, chosen in enumerate(self.tested):
            values = np.asarray(predictions[split], np.float64)
            test = np.flatnonzero(np.isin(row_group, chosen))
            if values.shape != test.shape:
                raise ValueError(
                    f"split {split + 1} tests {len(test)} rows, got predictions of shape "
                    f"{values.shape}"
                )
            for group in chosen:
                path = int(np.flatnonzero(paths[:, group] == split)[0])
                inside = row_group[test] == group
                joined[path, test[inside]] = values[inside]
        return joined
