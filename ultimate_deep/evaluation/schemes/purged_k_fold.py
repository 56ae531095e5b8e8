"""Purged K-fold: every stretch of time is the test once, and no training label reaches into it."""

import numpy as np

from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme, equal_groups


class PurgedKFold(Scheme):
    """K consecutive test periods; each is tested by what was trained on all the others.

    Training parts hold rows from after the test period too. That is right for comparing models,
    and wrong as the account of a trader, who had only the past: for that, walk forward.

    Source: Lopez de Prado (2018), Advances in Financial Machine Learning, ch. 7, snippet 7.3.

    Args:
        spans: When each row is decided and its label known.
        n_splits: How many test periods.
        embargo_bars: Bars on both sides of each test period from which no row trains.

    Raises:
        ValueError: Too few or too many splits, or a negative embargo.
    """

    def __init__(self, spans: Spans, *, n_splits: int = 5, embargo_bars: int = 0) -> None:
        super().__init__(spans, embargo_bars=embargo_bars)
        self._groups = [(group,) for group in equal_groups(spans, n_splits)]

    def test_groups(self) -> list[tuple[tuple[int, int], ...]]:
        """Return each split's one group of decision times."""
        return list(self._groups)

    def candidates(self, number: int) -> np.ndarray:
        """Return all rows."""
        return np.ones(len(self.spans), bool)
