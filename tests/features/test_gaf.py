"""Gramian angular fields against pyts, against higher precision, and as causal features."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.features.gaf import gaf_images, gaf_numbers

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "gaf.npz"
SIZES = {"halved": (128, 64), "uneven": (100, 32), "whole": (16, 16)}


def walk(bars, seed=0, step=0.004):
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, step, bars)))


def exact_fields(closes, window, size):
    """The same fields in long double, straight from the definition."""
    windows = np.lib.stride_tricks.sliding_window_view(closes.astype(np.longdouble), window)
    bounds = [k * window // size for k in range(size + 1)]
    pieces = [windows[:, a:b].mean(axis=1) for a, b in itertools.pairwise(bounds)]
    x = np.stack(pieces, axis=1)
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    angle = np.arccos(np.clip(2 * (x - low) / (high - low) - 1, -1, 1))
    i, j = angle[:, :, None], angle[:, None, :]
    return np.stack([np.cos(i + j), np.sin(i - j)], axis=-1)


@pytest.mark.parametrize("name", SIZES)
def test_equal_to_pyts(name):
    with np.load(GOLDEN) as golden:
        closes, expected = golden[f"{name}_closes"], golden[f"{name}_fields"]
    images = gaf_images(gaf_numbers(closes, *SIZES[name]))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("step", [1e-2, 1e-4, 1e-6])
def test_quiet_prices_lose_nothing(step):
    closes = walk(200, step=step)
    expected = exact_fields(closes, 128, 64)
    exact = gaf_images(gaf_numbers(closes), dtype=np.float64)
    # The root of a rounding error: sqrt(2 * 2.2e-16) is 2.1e-8.
    np.testing.assert_allclose(exact, expected.astype(np.float64), rtol=0, atol=5e-8)
    np.testing.assert_allclose(gaf_images(gaf_numbers(closes)), exact, rtol=0, atol=2e-7)


def test_pictures_are_symmetric_and_antisymmetric_to_the_bit():
    images = gaf_images(gaf_numbers(walk(160)))
    summation, difference = images[..., 0], images[..., 1]
    np.testing.assert_array_equal(summation, summation.transpose(0, 2, 1))
    np.testing.assert_array_equal(difference, -difference.transpose(0, 2, 1))
    assert np.abs(images).max() <= 1 + 2e-7


def test_numbers_span_the_range_and_end_at_their_bar():
    closes = walk(300)
    numbers = gaf_numbers(closes, 48, 16)
    assert numbers.shape == (300 - 48 + 1, 16)
    np.testing.assert_array_equal(numbers.min(axis=1), -1.0)
    np.testing.assert_array_equal(numbers.max(axis=1), 1.0)
    rows = np.array([299, 47, 120])
    np.testing.assert_array_equal(gaf_numbers(closes, 48, 16, rows=rows), numbers[rows - 47])
    single = gaf_numbers(closes, 48, 16, dtype=np.float32)
    np.testing.assert_array_equal(single, numbers.astype(np.float32))


@pytest.mark.parametrize("cut", [128, 177, 299])
def test_the_future_changes_nothing(cut):
    closes = walk(300)
    numbers = gaf_numbers(closes)
    np.testing.assert_array_equal(gaf_numbers(closes[:cut]), numbers[: cut - 127])
    perturbed = closes.copy()
    perturbed[cut:] *= 7.0
    np.testing.assert_array_equal(gaf_numbers(perturbed)[: cut - 127], numbers[: cut - 127])
    assert not np.array_equal(gaf_numbers(perturbed)[cut - 127], numbers[cut - 127])


def test_adjusted_prices_give_the_same_pictures():
    closes = walk(200)
    images = gaf_images(gaf_numbers(closes), dtype=np.float64)
    doubled = gaf_images(gaf_numbers(closes * 2.0**-9), dtype=np.float64)
    np.testing.assert_array_equal(doubled, images)
    adjusted = gaf_images(gaf_numbers(closes * 0.0371), dtype=np.float64)
    np.testing.assert_allclose(adjusted, images, rtol=0, atol=1e-6)


@pytest.mark.parametrize("price", [0.1, 1.0, 123.456, 1e9, 0.0])
def test_a_window_without_range_is_neutral(price):
    closes = np.full(140, price)
    closes[3] = np.nextafter(price, 2 * price)  # one rounding is no range
    numbers = gaf_numbers(closes, 100, 33)
    if price:
        np.testing.assert_array_equal(numbers, 0.0)
    np.testing.assert_array_equal(numbers[4:], 0.0)
    images = gaf_images(numbers[4:])
    assert (images[..., 0] == -1).all()
    assert (images[..., 1] == 0).all()


@pytest.mark.parametrize("scale", [1e-300, 1e290])
def test_absurd_units_and_spikes_stay_finite(scale):
    closes = walk(200) * scale
    closes[[20, 150]] *= [1e4, 1e-9]
    numbers = gaf_numbers(closes)
    np.testing.assert_array_equal(numbers.max(axis=1), 1.0)
    np.testing.assert_array_equal(numbers.min(axis=1), -1.0)
    assert np.isfinite(gaf_images(numbers)).all()


def test_numbers_just_outside_are_clipped():
    images = gaf_images(np.array([[1.0000001, -1.0000001]], np.float32))
    np.testing.assert_array_equal(images[0, ..., 0], [[1, -1], [-1, 1]])
    np.testing.assert_array_equal(images[0, ..., 1], 0)


def test_a_given_array_is_filled():
    numbers = gaf_numbers(walk(140), 32, 16)
    out = np.full((len(numbers), 16, 16, 2), np.nan, np.float32)
    assert gaf_images(numbers, out=out) is out
    np.testing.assert_array_equal(out, gaf_images(numbers))
    with pytest.raises(ValueError, match="C-contiguous"):
        gaf_images(numbers, out=out[::-1])
    with pytest.raises(ValueError, match="float32 or float64"):
        gaf_images(numbers, out=out.astype(np.float16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"closes": np.ones((4, 128))}, "one series"),
        ({"closes": walk(127)}, "needs as many closes, got 127"),
        ({"closes": np.where(np.arange(200) == 150, np.nan, walk(200))}, "nan in row 150"),
        ({"closes": np.where(np.arange(200) == 9, np.inf, walk(200))}, "inf in row 9"),
        ({"closes": walk(200) * 1e299}, "at most 1e.300 in size"),
        ({"closes": walk(200), "size": 1}, "at least 2"),
        ({"closes": walk(200), "window": 63}, "window=63"),
        ({"closes": walk(200), "rows": [126]}, "got 126 in place 0"),
        ({"closes": walk(200), "rows": [127, 200]}, "got 200 in place 1"),
        ({"closes": walk(200), "rows": [130.5]}, "whole numbers"),
        ({"closes": walk(200), "dtype": np.int32}, "float32 or float64"),
    ],
)
def test_bad_windows_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gaf_numbers(**arguments)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.zeros(64), "windows, size"),
        (np.zeros((2, 4), complex), "must be real"),
        ([[0.0, 0.5], [0.5, 1.1]], "1.1 in row 1"),
        ([[0.0, np.nan]], "nan in row 0"),
    ],
)
def test_bad_numbers_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        gaf_images(numbers)
