"""What all validation schemes share: purged folds, handed out as scikit-learn's splitters do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from ultimate_deep.evaluation.schemes.purging import (
    Fold,
    Period,
    Spans,
    period_between,
    purged_fold,
)


class Scheme(ABC):
    """A way to split rows into training and test parts, several times.

    It may be given as `cv` to scikit-learn. The times are given at construction, so that `split`
    needs nothing but as many rows as there are times.

    Args:
        spans: When each row is decided and its label known.
        embargo_bars: Bars on both sides of each test period from which no row trains.

    Raises:
        ValueError: A negative embargo.
    """

    def __init__(self, spans: Spans, *, embargo_bars: int = 0) -> None:
        if embargo_bars < 0:
            raise ValueError(f"embargo_bars must not be negative, got {embargo_bars}")
        self.spans = spans
        self.embargo_bars = embargo_bars

    @abstractmethod
    def test_groups(self) -> list[tuple[tuple[int, int], ...]]:
        """Return, for each split, from where to before where its test decision times reach."""

    @abstractmethod
    def candidates(self, number: int) -> np.ndarray:
        """Return which rows a split would train on if nothing were purged, `(rows,)` bool."""

    def folds(self) -> Iterator[Fold]:
        """Yield each split with what was left out of it.

        Raises:
            ValueError: No row is left to train on.
        """
        for number, ranges in enumerate(self.test_groups()):
            periods = tuple(period_between(self.spans, *one) for one in _joined(ranges))
            fold = purged_fold(self.spans, self.candidates(number), periods, self.embargo_bars)
            if fold.train.size == 0:
                raise ValueError(
                    f"split {number + 1} of {self.get_n_splits()} has no row left to train on: "
                    f"{fold.purged.size} overlap the test period {_period_text(periods[0])} and "
                    f"{fold.embargoed.size} are embargoed; bring more bars, shorten the "
                    "labels or the embargo, or ask for fewer and longer splits"
                )
            yield fold

    def split(
        self,
        X: Any = None,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers to train on and to test on.

        Args:
            X: Anything with as many rows as there are times; not looked into. May be absent.
            y: Labels, which are not used.
            groups: Groups, which are not used.

        Raises:
            ValueError: Another number of rows, or no row left to train on.
        """
        rows = None if X is None else _row_count(X)
        if rows is not None and rows != len(self.spans):
            raise ValueError(
                f"the scheme was made for {len(self.spans)} rows and is asked to split {rows}; "
                "make it anew from the times of these rows"
            )
        for fold in self.folds():
            yield fold.train, fold.test

    def get_n_splits(
        self,
        X: Any = None,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        groups: Any = None,
    ) -> int:
        """Return how many splits there are; the arguments are not used."""
        return len(self.test_groups())


def _row_count(values: Any) -> int:
    shape = getattr(values, "shape", None)
    return int(shape[0]) if shape else len(values)


def _joined(ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Join ranges that touch, so that neighbouring test groups are one period."""
    joined: list[tuple[int, int]] = []
    for first, stop in sorted(ranges):
        if joined and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((first, stop))
    return joined


def _period_text(period: Period) -> str:
    return f"{period.start.astype('datetime64[s]')} to {period.end.astype('datetime64[s]')}"


def equal_groups(spans: Spans, groups: int) -> list[tuple[int, int]]:
    """Cut the decision times into consecutive groups of equal size, the first ones longer by one.

    Raises:
        ValueError: Fewer than two groups, or more than there are decision times.
    """
    count = len(spans.times)
    if not 2 <= groups <= count:
        raise ValueError(
            f"the number of groups must be between 2 and the {count} distinct decision times, "
            f"got {groups}; ask for a number between them"
        )
    size, longer = divmod(count, groups)
    stops = np.cumsum([size + (number < longer) for number in range(groups)]).tolist()
    return list(zip([0, *stops[:-1]], stops, strict=True))
