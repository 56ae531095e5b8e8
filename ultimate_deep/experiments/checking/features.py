"""Contracts of a feature: causal, free of scale, warm when it says, defined on a still market."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.features.compute import compute_features
from ultimate_deep.features.own import FunctionFeature
from ultimate_deep.features.registry import registry
from ultimate_deep.features.stream import FeatureStream
from ultimate_deep.market.bars import BAR_COLUMNS
from ultimate_deep.market.simulator import simulate_bars

ROWS = 1_500
CUTS = (640, 911, 1_137, 1_402)
SCALES = (0.125, 2.0, 1_024.0)
# A function's own arithmetic may round a scaled price otherwise; a graph's powers of two do not.
TOLERANCE = 2e-6


def check_feature(name: str) -> Iterator[Finding]:
    """Yield what was found of a registered feature."""
    subject, frame = f"feature {name}", simulate_bars(ROWS, seed=11).bars.frame
    for contract, check in CONTRACTS.items():
        try:
            problem = check(name, frame)
        except ValueError as error:
            problem = str(error)
        yield Finding(subject, contract, problem)
        if problem and contract == "computes":
            return  # every other contract would say the same


def _values(name: str, frame: pd.DataFrame) -> np.ndarray:
    return compute_features(frame, [name]).values[:, 0]


def _computes(name: str, frame: pd.DataFrame) -> str:
    _values(name, frame)
    return ""


def _knows_no_future(name: str, frame: pd.DataFrame) -> str:
    whole = _values(name, frame)
    for cut in CUTS:
        for what, other in (("absent", frame.iloc[:cut]), ("other", _perturbed(frame, cut))):
            values = _values(name, other)[:cut]
            moved = ~((values == whole[:cut]) | (np.isnan(values) & np.isnan(whole[:cut])))
            if moved.any():
                row = int(np.argmax(moved))
                return (
                    f"it looks ahead: its value for bar {row} is {whole[row]:.6g}, and "
                    f"{values[row]:.6g} when the bars from {cut} on are {what}; use only the bar "
                    "itself and earlier ones (shift(-1), centred windows, bfill and figures of the "
                    "whole table look ahead)"
                )
    return ""


def _perturbed(frame: pd.DataFrame, cut: int) -> pd.DataFrame:
    """Return the bars with another future: prices on other levels, other volumes."""
    draw = np.random.default_rng(cut)
    other = frame.copy()
    factor = draw.uniform(0.5, 2.0, len(frame) - cut)[:, None]
    values = other[list(BAR_COLUMNS)].to_numpy(copy=True)
    values[cut:, :4] *= factor
    values[cut:, 4] *= 1e6
    other[list(BAR_COLUMNS)] = values
    return other


def _free_of_scale(name: str, frame: pd.DataFrame) -> str:
    before = _values(name, frame)
    exact = not isinstance(registry().features[name], FunctionFeature)
    for scale in SCALES:
        scaled = frame.copy()
        scaled[list(BAR_COLUMNS[:4])] *= scale
        after = _values(name, scaled)
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


def _true_warmup(name: str, frame: pd.DataFrame) -> str:
    feature = registry().features[name]
    if not isinstance(feature, FunctionFeature):
        return ""  # a graph's warm-up follows from its windows
    assert feature.function is not None
    values = np.asarray(feature.function(frame.copy()), dtype=np.float64)
    leading = int(np.argmax(np.isfinite(values)))
    if leading != feature.warmup_bars:
        return (
            f"it declares a warm-up of {feature.warmup_bars} bars, and its first value is that of "
            f"bar {leading}; say warmup_bars={leading}, or leave no value before"
        )
    return ""


def _defined_on_a_still_market(name: str, frame: pd.DataFrame) -> str:
    still = frame.copy()
    still[list(BAR_COLUMNS[:4])] = 100.0
    values = _values(name, still)
    feature = registry().features[name]
    known = values[feature.warmup_bars :]
    if feature.neutral is not None and not np.allclose(known, feature.neutral, atol=1e-6):
        row = int(np.argmin(np.isclose(known, feature.neutral, atol=1e-6)))
        return (
            f"it declares {feature.neutral:g} for a motionless market and is {known[row]:.6g}; "
            "give that where denominators vanish, or declare the true neutral value"
        )
    return ""


def _stream_agrees(name: str, frame: pd.DataFrame) -> str:
    if isinstance(registry().features[name], FunctionFeature):
        return ""  # it has none, and asking for one says so
    whole = _values(name, frame)
    stream = FeatureStream([name])
    bars = zip(pd.DatetimeIndex(frame.index), frame[list(BAR_COLUMNS)].to_numpy(), strict=True)
    rows = np.array([stream.push(time, *map(float, values))[0] for time, values in bars])
    same = (rows == whole) | (np.isnan(rows) & np.isnan(whole))
    if not same.all():
        row = int(np.argmin(same))
        return f"its stream says {rows[row]:.9g} for bar {row} and the batch {whole[row]:.9g}"
    return ""


CONTRACTS: dict[str, Callable[[str, pd.DataFrame], str]] = {
    "computes": _computes,
    "knows no future": _knows_no_future,
    "is free of scale": _free_of_scale,
    "is warm when it says so": _true_warmup,
    "is defined on a still market": _defined_on_a_still_market,
    "streams the same bits": _stream_agrees,
}
