"""Write `pictures.npz`: numbers of windows, and what pyts draws of them.

    pip install --no-deps pyts==0.13.0 && python tests/golden/make_pictures.py

pyts 0.13.0 (BSD). Its pictures are float64; they are stored as float32, which costs 3e-8.
"""

import warnings
from pathlib import Path

import numpy as np
from pyts.image import MarkovTransitionField, RecurrencePlot


def numbers() -> np.ndarray:
    """Four random walks in [-1, 1], and one of few levels, where numbers tie."""
    walks = np.cumsum(np.random.default_rng(3).normal(size=(5, 24)), axis=1)
    walks[4] = np.round(walks[4] / 2)
    low, high = walks.min(axis=1, keepdims=True), walks.max(axis=1, keepdims=True)
    return (2 * (walks - low) / (high - low) - 1).astype(np.float32)


def main() -> None:
    """Compute and write."""
    given = numbers()
    arrays = {"numbers": given, "recurrence": RecurrencePlot().fit_transform(given)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal quantiles leave a bin empty
        for bins in (3, 5):
            arrays[f"markov_{bins}"] = MarkovTransitionField(n_bins=bins).fit_transform(given)
    arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
    np.savez_compressed(Path(__file__).with_name("pictures.npz"), **arrays)


if __name__ == "__main__":
    main()
