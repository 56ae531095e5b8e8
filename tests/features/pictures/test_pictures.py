"""Pictures of every kind: equal to pyts, causal, and to the bit what a net draws in float32."""

from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.features.pictures.bar_image import bar_image_numbers, bar_images
from ultimate_deep.features.pictures.markov import markov_images
from ultimate_deep.features.pictures.recurrence import recurrence_images
from ultimate_deep.features.pictures.registry import PICTURES, picture_of

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "pictures.npz"
WINDOW, SIZE = 12, 12


def bars(count=60, seed=0):
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, count)))
    opens = np.r_[100.0, closes[:-1]]
    return {
        "open": opens,
        "high": np.maximum(opens, closes) * (1 + rng.exponential(0.002, count)),
        "low": np.minimum(opens, closes) * (1 - rng.exponential(0.002, count)),
        "close": closes,
        "volume": rng.gamma(2.0, 1.0, count),
    }


def rows_of(name, series):
    first = picture_of(name).history(WINDOW) - 1
    return np.arange(first, len(series["close"]))


def test_fields_and_plots_are_those_of_pyts():
    with np.load(GOLDEN) as golden:
        numbers = golden["numbers"]
        np.testing.assert_array_equal(recurrence_images(numbers, 24)[..., 0], golden["recurrence"])
        for bins in (3, 5):
            np.testing.assert_array_equal(
                markov_images(numbers, 24, bins=bins)[..., 0], golden[f"markov_{bins}"]
            )


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_has_the_shape_and_range_that_it_tells(name):
    picture, series = picture_of(name), bars()
    rows = rows_of(name, series)
    numbers = picture.numbers(series, WINDOW, SIZE, rows)
    assert numbers.shape == (len(rows), picture.count(WINDOW, SIZE))
    assert numbers.dtype == np.float32
    images = picture.images(numbers, SIZE)
    assert images.shape == (len(rows), *picture.shape(WINDOW, SIZE))
    assert images.dtype == np.float32
    assert images.shape[-1] == len(picture.channels)
    assert picture.low - 3e-7 <= images.min() < images.max() <= picture.high + 3e-7
    out = np.full_like(images, np.nan)
    assert picture.images(numbers, SIZE, out) is out
    np.testing.assert_array_equal(out, images)
    for wrong in (out[::-1], out.astype(np.float64), out[1:]):
        with pytest.raises(ValueError, match="out must be"):
            picture.images(numbers, SIZE, wrong)


@pytest.mark.parametrize("name", PICTURES)
def test_the_future_changes_nothing_and_a_pictures_history_is_the_one_it_tells(name):
    picture, series = picture_of(name), bars()
    rows = rows_of(name, series)
    numbers = picture.numbers(series, WINDOW, SIZE, rows)
    later = {
        column: values * np.where(np.arange(60) > 40, 3.0, 1.0) for column, values in series.items()
    }
    seen = rows <= 40
    changed = picture.numbers(later, WINDOW, SIZE, rows)
    np.testing.assert_array_equal(changed[seen], numbers[seen])
    assert not np.array_equal(changed[~seen], numbers[~seen])
    # Prices before a picture's history do not count, the oldest of it does (where it is drawn).
    counted = []
    for end in range(50, 60):
        first = end - picture.history(WINDOW) + 1
        for moved in (first, first + 1):
            before = {
                column: values * np.where(np.arange(60) < moved, 1.01, 1.0)
                for column, values in series.items()
            }
            found = picture.numbers(before, WINDOW, SIZE, np.array([end]))[0]
            same = np.array_equal(found, numbers[end - 60])
            assert same or moved > first
            counted.append(not same)
    assert any(counted)


@pytest.mark.parametrize("name", PICTURES)
def test_adjusted_prices_and_other_units_of_volume_give_the_same_numbers(name):
    picture, series = picture_of(name), bars()
    rows = rows_of(name, series)
    scaled = {column: values * 2.0**-7 for column, values in series.items()}
    np.testing.assert_array_equal(
        picture.numbers(scaled, WINDOW, SIZE, rows), picture.numbers(series, WINDOW, SIZE, rows)
    )


@pytest.mark.parametrize("name", PICTURES)
def test_a_market_that_stands_still_is_drawn_and_bad_prices_are_refused(name):
    picture = picture_of(name)
    still = {column: np.full(60, 5.0) for column in picture.series}
    rows = rows_of(name, {"close": still["close"]})
    assert np.isfinite(picture.images(picture.numbers(still, WINDOW, SIZE, rows), SIZE)).all()
    broken = {column: values.copy() for column, values in bars().items()}
    broken[picture.series[0]][30] = np.nan
    with pytest.raises(ValueError, match="finite"):
        picture.numbers(broken, WINDOW, SIZE, rows)


def test_a_chart_is_drawn_pixel_by_pixel():
    series = {
        "open": np.array([2.0, 2.0, 4.0]),
        "high": np.array([4.0, 4.0, 6.0]),
        "low": np.array([1.0, 1.0, 3.0]),
        "close": np.array([2.0, 4.0, 3.0]),
        "volume": np.array([9.0, 1.0, 2.0]),
    }
    numbers = bar_image_numbers(series, 2, 10, np.array([2]))
    # Lowest low 1, highest high 6; averages of two closes are 3 and 3.5, volumes 1 and 2 of 2.
    np.testing.assert_allclose(
        numbers[0], [0.2, 0.6, 0, 0.6, 0.4, 0.5, 0.6, 1, 0.4, 0.4, 0.5, 1], rtol=1e-6
    )
    drawn = [
        "".join(".#"[int(pixel)] for pixel in row) for row in bar_images(numbers, 10)[0, ..., 0]
    ]
    assert drawn == [
        "....#.",
        "....#.",
        ".####.",
        ".#.##.",
        ".##.##",
        "##....",
        ".#....",
        "......",
        "....#.",
        ".#..#.",
    ]


@pytest.mark.parametrize("name", PICTURES)
def test_numbers_of_another_shape_are_refused(name):
    picture = picture_of(name)
    for wrong in (np.zeros(7), np.zeros((2, 13), np.float32), np.full((2, 12), np.nan)):
        with pytest.raises(ValueError, match="numbers"):
            picture.images(wrong, SIZE)


def test_unknown_kinds_bins_and_rows_are_refused():
    with pytest.raises(ValueError, match="known pictures: gaf, gaf_ohlc"):
        picture_of("gasf")
    for bins in (1, 13):
        with pytest.raises(ValueError, match="bins must be from 2 to size=12"):
            markov_images(np.zeros((1, 12), np.float32), 12, bins=bins)
    with pytest.raises(ValueError, match=r"2 \* window - 2 = 22 and the last bar 59, got 21"):
        bar_image_numbers(bars(), WINDOW, SIZE, np.array([30, 21]))
    with pytest.raises(ValueError, match="at least 10 rows"):
        bar_images(np.zeros((1, 12), np.float32), 9)
