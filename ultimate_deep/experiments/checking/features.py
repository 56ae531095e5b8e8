"""Contracts of a feature: causal, free of scale, warm when it says, defined on a still market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.experiments.checking.bars import (
    CheckBars,
    another_future,
    plain_bars,
    rough_bars,
)
from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.features.compute import compute_features
from ultimate_deep.features.own import FunctionFeature
from ultimate_deep.features.registry import Feature, registry
from ultimate_deep.features.stream import FeatureStream
from ultimate_deep.machine.plugins import Plugin, run_anew
from ultimate_deep.market.bars import BAR_COLUMNS

SCALES = (0.125, 2.0, 1_024.0)
# A function's own arithmetic may round a scaled price otherwise; a graph's powers of two do not.
TOLERANCE = 2e-6


@dataclass(eq=False)
class _Case:
    """A feature, the bars that it is tried on, and what it gave.

    Args:
        name: Name of the feature.
        plugin: Brings it; run anew for each computation, so that nothing is kept between two.
        plain: Bars as simulated.
        rough: Bars as real files have them.
        given: Its values on bars cut off at each row, and on all of them, by kind of bars.
    """

    name: str
    plugin: Plugin
    plain: CheckBars
    rough: CheckBars
    given: dict[str, tuple[dict[int, np.ndarray], np.ndarray]] = field(default_factory=dict)

    @property
    def feature(self) -> Feature:
        return registry().features[self.name]

    @property
    def is_function(self) -> bool:
        return isinstance(self.feature, FunctionFeature)

    @property
    def whole(self) -> np.ndarray:
        """Its values on the plain bars."""
        return self.given["plain"][1]

    def values(self, frame: pd.DataFrame) -> np.ndarray:
        """Return its values on bars, by code that has seen no other ones."""
        if self.is_function:
            run_anew(self.plugin)
        return compute_features(frame, [self.name]).values[:, 0]


def check_feature(name: str, plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of a registered feature.

    Args:
        name: Name of the feature.
        plugin: The plugin that registered it.
    """
    subject, warmup = f"feature {name}", registry().features[name].warmup_bars
    case = _Case(name, plugin, plain_bars(warmup), rough_bars(warmup))
    for contract, check in CONTRACTS.items():
        try:
            problem = check(case)
        except ValueError as error:
            problem = str(error)
        except Exception as error:  # of the user's code: it is the finding
            problem = f"{type(error).__name__}: {error}"
        yield Finding(subject, contract, problem)
        if problem and contract == "computes":
            return  # every other contract would say the same


def _computes(case: _Case) -> str:
    """Compute on bars cut off, the fewest first: what is kept outside cannot know later ones."""
    for kind, bars in (("plain", case.plain), ("rough", case.rough)):
        pieces = {cut: case.values(bars.frame.iloc[:cut]) for cut in bars.cuts}
        case.given[kind] = (pieces, case.values(bars.frame))
    return ""


def _knows_no_future(case: _Case) -> str:
    for kind, bars in (("plain", case.plain), ("rough", case.rough)):
        pieces, whole = case.given[kind]
        for cut, before in bars.cuts.items():
            known, other = whole[:cut], another_future(bars.frame, cut)
            for what in ("absent", "other"):
                values = pieces[cut] if what == "absent" else case.values(other)[:cut]
                moved = ~((values == known) | (np.isnan(values) & np.isnan(known)))
                if moved.any():
                    row = int(np.argmax(moved))
                    return (
                        f"it looks ahead: its value for bar {row} is {known[row]:.6g}, and "
                        f"{values[row]:.6g} when the bars from {cut} on are {what}"
                        f"{f', right after {before}' if before else ''}; use only the bar itself "
                        "and earlier ones (shift(-1), centred windows, bfill and figures of the "
                        "whole table look ahead)"
                    )
    return ""


def _free_of_scale(case: _Case) -> str:
    before, exact = case.whole, not case.is_function
    for scale in SCALES:
        scaled = case.plain.frame.copy()
        scaled[list(BAR_COLUMNS[:4])] *= scale
        after = case.values(scaled)
        same = (
            (after == before) | (np.isnan(after) & np.isnan(before))
            if exact
            else np.isclose(after, before, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        )
        if not same.all():
            row = int(np.argmin(same))
            return (
                f"it depends on the level of prices: for bar {row} it is {before[row]:.6g}, and "
                f"{after[row]:.6g} with all prices times {scale:g}; divide by a price or a range, "
                "or take logarithms of ratios, so that adjusted prices give the same"
            )
    return ""


def _true_warmup(case: _Case) -> str:
    if not case.is_function:
        return ""  # a graph's warm-up follows from its windows
    run_anew(case.plugin)
    feature: Any = case.feature
    frame = case.plain.frame
    values = np.asarray(feature.function(frame.copy()), dtype=np.float64)
    leading = int(np.argmax(np.isfinite(values)))
    if leading != feature.warmup_bars:
        return (
            f"it declares a warm-up of {feature.warmup_bars} bars, and its first value is that of "
            f"bar {leading}; say warmup_bars={leading}, or leave no value before"
        )
    return ""


def _defined_on_a_still_market(case: _Case) -> str:
    still = case.plain.frame.copy()
    still[list(BAR_COLUMNS[:4])] = 100.0
    values, feature = case.values(still), case.feature
    known = values[feature.warmup_bars :]
    if feature.neutral is not None and not np.allclose(known, feature.neutral, atol=1e-6):
        row = int(np.argmin(np.isclose(known, feature.neutral, atol=1e-6)))
        return (
            f"it declares {feature.neutral:g} for a motionless market and is {known[row]:.6g}; "
            "give that where denominators vanish, or declare the true neutral value"
        )
    return ""


def _stream_agrees(case: _Case) -> str:
    if case.is_function:
        return ""  # it has none, and asking for one says so
    frame, whole = case.plain.frame, case.whole
    stream = FeatureStream([case.name])
    bars = zip(pd.DatetimeIndex(frame.index), frame[list(BAR_COLUMNS)].to_numpy(), strict=True)
    rows = np.array([stream.push(time, *map(float, values))[0] for time, values in bars])
    same = (rows == whole) | (np.isnan(rows) & np.isnan(whole))
    if not same.all():
        row = int(np.argmin(same))
        return f"its stream says {rows[row]:.9g} for bar {row} and the batch {whole[row]:.9g}"
    return ""


CONTRACTS: dict[str, Callable[[_Case], str]] = {
    "computes": _computes,
    "knows no future": _knows_no_future,
    "is free of scale": _free_of_scale,
    "is warm when it says so": _true_warmup,
    "is defined on a still market": _defined_on_a_still_market,
    "streams the same bits": _stream_agrees,
}
