"""Contracts of a label: it ends with its horizon, and nobody knows it at its decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.experiments.checking.bars import (
    CheckBars,
    another_future,
    plain_bars,
    rough_bars,
)
from ultimate_deep.experiments.checking.findings import Finding, checked
from ultimate_deep.machine.plugins import Plugin, run_anew
from ultimate_deep.market.bars import BAR_COLUMNS
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import Labels, make_labels

HORIZON_BARS = 3
DECISIONS = 16
# Logarithms of a bar's move in the futures that go steadily up or down.
STEPS = (0.003, -0.003, 0.1, -0.1)
# At so many decisions the label may stay: no future that is tried need reach what it waits for.
MOST_KNOWN = 0.25


@dataclass(frozen=True, eq=False)
class _Case:
    """A label, who brings it, and the bars that it is tried on."""

    name: str
    plugin: Plugin
    plain: CheckBars
    rough: CheckBars

    def labels(self, frame: pd.DataFrame) -> Labels:
        """Return the labels of bars, by code that has seen no other ones."""
        run_anew(self.plugin)
        return make_labels(frame, LabelSpec(kind=self.name, horizon_bars=HORIZON_BARS))


def check_label(name: str, plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of a registered label.

    Args:
        name: Name of the label.
        plugin: The plugin that registered it.
    """
    case = _Case(name, plugin, plain_bars(seed=5), rough_bars(seed=6))
    yield from checked(f"label {name}", case, CONTRACTS)


def _ends_with_its_horizon(case: _Case) -> str:
    for bars in (case.plain, case.rough):
        # The fewest bars first: what is kept outside of the plugin cannot know later ones.
        pieces = {cut: case.labels(bars.frame.iloc[:cut]).values for cut in bars.cuts}
        whole = case.labels(bars.frame)
        if not np.isfinite(whole.values).any():
            return (
                f"it labels no bar of {len(bars.frame):,}; give 0 or 1 where the horizon lies "
                "inside the bars"
            )
        for cut, last in bars.cuts.items():
            # The open at which the horizon ends is known; nothing after it is.
            known = (whole.exit_row >= 0) & (whole.exit_row < cut)
            other = case.labels(another_future(bars.frame, cut)).values
            for values in (pieces[cut], other):
                now, before = values[:cut][known[:cut]], whole.values[:cut][known[:cut]]
                moved = ~((now == before) | (np.isnan(now) & np.isnan(before)))
                if moved.any():
                    row = int(np.flatnonzero(known)[int(np.argmax(moved))])
                    return (
                        f"it reaches beyond its horizon: the label of bar {row} changes with bars "
                        f"from {cut} on{f', right after {last}' if last else ''}, and its horizon "
                        f"of {HORIZON_BARS} bars ends at the open of bar "
                        f"{int(whole.exit_row[row])}; use no later bar, so that purging knows its "
                        "end"
                    )
    return ""


def _unknown_at_its_decision(case: _Case) -> str:
    frame = case.plain.frame
    values = case.labels(frame).values
    labelled = np.flatnonzero(np.isfinite(values))
    labelled = labelled[labelled >= min(100, len(frame) // 4)]
    chosen = labelled[np.linspace(0, len(labelled) - 1, DECISIONS).astype(int)]
    known = [row for row in np.unique(chosen) if not _moves(case, int(row), values[row])]
    tried = len(np.unique(chosen))
    if len(known) <= MOST_KNOWN * tried:
        return ""
    row = int(known[0])
    return (
        f"it is known at its decision: at {len(known)} of {tried} decisions tried it is the same "
        f"whatever the bars after them are, such as {values[row]:.0f} for bar {row}; a label is "
        "what the decision turns into, from the next open on: "
        'frame["open"].shift(-1 - spec.horizon_bars) > frame["open"].shift(-1); give NaN where '
        "nothing is decided"
    )


def _moves(case: _Case, row: int, value: float) -> bool:
    """Return whether any future turns the label of the decision at a bar's close."""
    for future in _futures(case.plain.frame, row + 1):
        other = case.labels(future).values[row]
        if np.isfinite(other) and other != value:
            return True
    return False


def _futures(frame: pd.DataFrame, cut: int) -> Iterator[pd.DataFrame]:
    """Yield the bars with other ones from a row on: steady, still and wild.

    They go on from the last close without a gap, but for the wild ones, so that every price on
    their way is traded.
    """
    last, rest = float(frame["close"].iloc[cut - 1]), len(frame) - cut
    for step in (*STEPS, 0.0):
        # The way of thousands of bars would leave the numbers; it goes on for as long as matters.
        way = last * np.exp(step * np.minimum(np.arange(rest + 1), 50))
        volume = frame["volume"].iloc[cut:].to_numpy() * np.exp(30.0 * step)
        yield _spliced(frame, cut, np.column_stack([way[:-1], way[1:]]), volume)
    draw = np.random.default_rng(cut)
    for seed_volume in (1e3, 1e-3):
        moves = last * np.exp(draw.normal(0.0, 0.05, (rest, 2)))
        yield _spliced(frame, cut, moves, draw.uniform(0.1, 10.0, rest) * seed_volume)


def _spliced(
    frame: pd.DataFrame, cut: int, open_close: np.ndarray, volume: np.ndarray
) -> pd.DataFrame:
    out = frame.copy()
    low, high = open_close.min(axis=1), open_close.max(axis=1)
    values = np.column_stack([open_close[:, 0], high, low, open_close[:, 1], volume])
    out.loc[out.index[cut:], list(BAR_COLUMNS)] = values
    return out


CONTRACTS = {
    "ends with its horizon": _ends_with_its_horizon,
    "is unknown at its decision": _unknown_at_its_decision,
}
