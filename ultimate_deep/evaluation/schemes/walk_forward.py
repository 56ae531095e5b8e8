"""Walk-forward: train on the past, test on what follows, move on, train anew."""

from typing import Literal

import numpy as np

from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme

Size = int | float


class WalkForward(Scheme):
    """Test periods in the order of time, each behind its own training part.

    The last test period ends with the newest row. An expanding training part begins with the
    oldest row, a rolling one `train` decision times before its test period. An expanding first
    part takes in what does not fill a whole step; a rolling one leaves it out.

    Args:
        spans: When each row is decided and its label known.
        kind: Whether the training part keeps or drops the oldest rows as time goes on.
        train: Length of the (first) training part in distinct decision times, or as a share of
            them where it is a float below 1.
        test: Length of each test period, likewise.
        step: Length from one test period to the next, likewise; the length of a test period where
            absent, so that every later row is tested once.
        embargo_bars: Bars before each test period into which no training label may reach.

    Raises:
        ValueError: Sizes that are not positive or leave no test period, or a negative embargo.
    """

    def __init__(
        self,
        spans: Spans,
        *,
        kind: Literal["expanding", "rolling"] = "expanding",
        train: Size = 0.5,
        test: Size = 0.1,
        step: Size | None = None,
        embargo_bars: int = 0,
    ) -> None:
        super().__init__(spans, embargo_bars=embargo_bars)
        if kind not in ("expanding", "rolling"):
            raise ValueError(f"kind must be 'expanding' or 'rolling', got {kind!r}")
        count = len(spans.times)
        self.kind = kind
        self.train = _times("train", train, count)
        self.test = _times("test", test, count)
        self.step = self.test if step is None else _times("step", step, count)
        room = count - self.train - self.test
        if room < 0:
            raise ValueError(
                f"train {self.train} and test {self.test} need more than the {count} distinct "
                "decision times there are; shorten one or bring more bars"
            )
        splits = room // self.step + 1
        first = count - self.test - (splits - 1) * self.step
        self._starts = [first + number * self.step for number in range(splits)]

    def test_groups(self) -> list[tuple[tuple[int, int], ...]]:
        """Return each split's one stretch of decision times."""
        return [((start, start + self.test),) for start in self._starts]

    def candidates(self, number: int) -> np.ndarray:
        """Return the rows decided before the test period, a rolling part's newest ones only."""
        start, place = self._starts[number], self.spans.place
        oldest = start - self.train if self.kind == "rolling" else 0
        return (place >= oldest) & (place < start)


def _times(name: str, size: Size, count: int) -> int:
    """Return a size in decision times, given so or as a share."""
    times = int(size * count) if isinstance(size, float) and size < 1 else int(size)
    if times != size and not (isinstance(size, float) and 0 < size < 1):
        raise ValueError(f"{name} must be a whole number or a share below 1, got {size}")
    if times < 1:
        raise ValueError(
            f"{name} must be at least one decision time, got {size} of {count}; give a whole "
            "number, or a larger share"
        )
    return times
