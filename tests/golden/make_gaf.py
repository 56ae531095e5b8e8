"""Write `gaf.npz`: closes, and the fields that pyts makes of them.

    pip install --no-deps pyts==0.13.0 && python tests/golden/make_gaf.py

pyts 0.13.0 (BSD), with NumPy 2.4.6 and scikit-learn 1.9.1. Its fields are float64; they are
stored as float32, which costs 3e-8.
"""

from pathlib import Path

import numpy as np
from pyts.image import GramianAngularField

# name: window, size. The second does not divide evenly; the third is not averaged at all.
CASES = {"halved": (128, 64), "uneven": (100, 32), "whole": (16, 16)}


def walk(bars: int, seed: int) -> np.ndarray:
    """Closes of a random walk, rounded to cents as exchanges do."""
    steps = np.random.default_rng(seed).normal(0.0, 0.004, bars)
    return np.round(100.0 * np.exp(np.cumsum(steps)), 2)


def main() -> None:
    """Compute and write."""
    arrays = {}
    for seed, (name, (window, size)) in enumerate(CASES.items()):
        closes = walk(window + 1, seed)
        windows = np.lib.stride_tricks.sliding_window_view(closes, window)
        fields = [
            GramianAngularField(size, method=method).fit_transform(windows)
            for method in ("summation", "difference")
        ]
        arrays[f"{name}_closes"] = closes
        arrays[f"{name}_fields"] = np.stack(fields, axis=-1).astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("gaf.npz"), **arrays)


if __name__ == "__main__":
    main()
