"""What a pipeline made of some bars, step by step, and what a pipeline has to be to be examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from ultimate_deep.market.bars import Bars

Step = Literal[
    "features",
    "labels",
    "split",
    "rows",
    "selection",
    "scaling",
    "model",
    "temperature",
    "threshold",
    "predictions",
    "signals",
]
STEPS: tuple[Step, ...] = get_args(Step)
PARTS = ("train", "validation", "test")

_PER_ROW = (
    "symbol_code",
    "labels",
    "label_end_time",
    "features",
    "changed_features",
    "changed_labels",
    "scaled",
    "probability",
    "signal",
)

BarsBySymbol = Mapping[str, Bars]
Times = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
# Labels of all rows and the row numbers of each part, to labels of all rows.
Relabel = Callable[[Floats, Mapping[str, Integers]], Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What each step made, rows pooled over symbols; fields of steps not run are None or empty.

    Row `i` is a decision at the close of one bar. Arrays that have one entry per row may be in
    any order, but the same for all.

    Args:
        symbols: Names of the symbols.
        symbol_code: Position of each row's symbol in `symbols`, `(rows,)`.
        decision_time: When each row is decided, UTC, `(rows,)` `datetime64[ns]`.
        names: The features, before any selection.
        features: Their values before scaling, `(rows, features)`; NaN allowed.
        labels: 0, 1 or NaN, `(rows,)`.
        label_end_time: When each label is known, `(rows,)` `datetime64[ns]`.
        train: Numbers of the training rows; likewise `validation` and `test`.
        validation: Rows that may stop the training and choose temperature and threshold.
        test: Rows on which the verdict rests.
        embargo_bars: Bars that must lie between a label's end and the next part.
        changed_features: The features where a step changed them once the split was known; None
            where none did.
        changed_labels: The labels likewise.
        selected: Names of the features that the model gets; None where nothing is selected.
        scaler: What the scaler has learnt, any arrays by name.
        scaled: What the model gets, `(rows, selected features)`.
        weights: What the model has learnt, any arrays; empty where it cannot be had.
        watched: The losses by which training was stopped, `(epochs,)`; None where there are none.
        temperature: Fitted on validation.
        threshold: Chosen on validation.
        probability: Probability of up, `(rows,)`; NaN where nothing is predicted.
        signal: Wanted position of the test rows, `(rows,)`; NaN elsewhere.
        verdict: Verdict of the test part: `edge`, `no edge`, `cannot tell`, or empty.
    """

    symbols: tuple[str, ...]
    symbol_code: Integers
    decision_time: Times
    names: tuple[str, ...]
    features: Floats
    labels: Floats
    label_end_time: Times
    train: Integers | None = None
    validation: Integers | None = None
    test: Integers | None = None
    embargo_bars: int = 0
    changed_features: Floats | None = None
    changed_labels: Floats | None = None
    selected: tuple[str, ...] | None = None
    scaler: Mapping[str, Floats] | None = None
    scaled: Floats | None = None
    weights: tuple[Floats, ...] = ()
    watched: Floats | None = None
    temperature: float | None = None
    threshold: float | None = None
    probability: Floats | None = None
    signal: Floats | None = None
    verdict: str = ""

    def __post_init__(self) -> None:
        rows = len(self.decision_time)
        for name in _PER_ROW:
            values = getattr(self, name)
            if values is not None and len(values) != rows:
                raise ValueError(
                    f"{name} has one entry per row, {rows} as decision_time has, got {len(values)}"
                )
        if self.features.ndim != 2 or self.features.shape[1] != len(self.names):
            raise ValueError(
                f"features have shape (rows, {len(self.names)}) for as many names, "
                f"got {self.features.shape}"
            )
        if rows == 0:
            raise ValueError("a trace has at least one row, got none; bring more bars")

    @property
    def part(self) -> npt.NDArray[np.int8]:
        """0 train, 1 validation, 2 test and -1 no part, for each row, `(rows,)`."""
        parts = np.full(len(self.decision_time), -1, np.int8)
        for code, name in enumerate(PARTS):
            numbers = getattr(self, name)
            if numbers is not None:
                parts[numbers] = code
        return parts

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that have left something in this trace."""
        made = {
            "split": self.test,
            "rows": self.changed_features,
            "selection": self.selected,
            "scaling": self.scaled,
            "model": self.weights or None,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "predictions": self.probability,
            "signals": self.signal,
        }
        return tuple(step for step in STEPS if step not in made or made[step] is not None)

    def begins(self, name: str) -> np.datetime64:
        """Return the first decision time of `train`, `validation` or `test`."""
        return self.decision_time[getattr(self, name)].min()


class Pipeline(Protocol):
    """From bars to a trace, the same one each time for the same bars."""

    def __call__(
        self, bars: BarsBySymbol, *, until: Step = "signals", relabel: Relabel | None = None
    ) -> Trace:
        """Walk the steps.

        Args:
            bars: Symbol to bars; nothing else may be read.
            until: The last step of interest: `labels` (no split yet), `scaling` (no model yet) or
                `signals`. Later ones may be left out.
            relabel: Changes the labels once the split is known; every later step must use these,
                while the trace holds the labels as they were.
        """
        ...
