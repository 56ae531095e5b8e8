"""Features keep their bits: digests that were taken once, of bars that every machine makes alike.

A change of any bit is a change of every trained model's inputs. Where one is meant, the digests
are those that a failing test prints, and the changelog has a line.
"""

import hashlib

import numpy as np
import pandas as pd

from ultimate_deep.features import iter_features, timeframe_names
from ultimate_deep.features.registry import FACTORS, registry

COARSE = (
    *("return_log_3", "rsi_7", "volume_surprise_z_20", "elapsed_log_20", "day_sin", "hour_cos"),
    *("week_sin", "month_turn", "session_london", "close_location"),
)
DIGESTS = {
    "breakout": "bd667da70016ef2f",
    "cross_asset": "c25ece3148eb42c7",
    "fractional": "54e51a1998719c07",
    "interactions": "fb6007e96ae8ee1b",
    "microstructure": "e67714941333af90",
    "momentum": "356696eabc569c53",
    "moving_averages": "47e7e04f73664a1a",
    "order_book": "5395bcee65af1477",
    "polynomial": "658a2b2253a11cfd",
    "price": "6f47e1a3ed2f6a3f",
    "ranges": "6e37ee3d30d87b91",
    "risk": "d6aa6d3fa078b0b2",
    "statistics": "536432094f226a96",
    "time": "b09138a1c9428c3c",
    "trend": "09126d136a32debb",
    "volatility": "47719e67332ad6aa",
    "volume": "e0b50bacd92edb2d",
    "wavelets": "fe9a6e5e6b9528e1",
    "4x": "3f8971faecf408de",
    "5x": "83534222c41eab01",
    "15x": "83c64620ed6f35e0",
    "16x": "35cf23057705a302",
    "60x": "6a9f639ba1106baf",
}


def values_of(frame: pd.DataFrame, names, interval=None) -> np.ndarray:
    (block,) = iter_features(frame, names, interval=interval, block_rows=len(frame))
    return block.values


def digest_of(values: np.ndarray) -> str:
    """Names the bits of float32 values; NaN is NaN whatever its sign."""
    written = np.where(np.isnan(values), np.float32(np.nan), values).astype("<f4")
    return hashlib.sha256(written.tobytes()).hexdigest()[:16]


def test_every_feature_has_the_bits_of_before(make_exact_bars):
    names = list(registry().features)
    families = np.array([registry().family_of(name) for name in names])
    values = values_of(make_exact_bars(1500, "1h"), names)
    found = {str(one): digest_of(values[:, families == one]) for one in np.unique(families)}
    minutes = make_exact_bars(3000, "1min")
    for factor in FACTORS:
        coarse = values_of(minutes, timeframe_names(COARSE, (factor,)), "1min")
        found[f"{factor}x"] = digest_of(coarse)
    assert found == DIGESTS
