"""Shift tests: every shift written out, panels with gaps, size under dependence, power."""

import math

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.measures.metrics import accuracy
from ultimate_deep.evaluation.significance.permutation import (
    PanelRows,
    information_coefficient,
    permute_accuracy,
    permute_information_coefficient,
    permute_rank_information_coefficient,
    rank_information_coefficient,
)


def persistent(rows, phi, generator):
    noise = generator.normal(size=rows)
    for row in range(1, rows):
        noise[row] += phi * noise[row - 1]
    return noise


def test_coefficients_are_those_of_scipy():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=300), generator.integers(0, 5, size=300) + 1e6
    assert information_coefficient(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert rank_information_coefficient(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert math.isnan(information_coefficient(x, np.full(300, 0.1)))


@pytest.mark.parametrize("rows", [97, 100])
def test_every_shift_written_out(rows):
    generator = np.random.default_rng(1)
    x = generator.normal(size=rows)
    y = 0.2 * x + generator.normal(size=rows)
    shifts = range(10, rows - 9)
    for test, statistic in (
        (permute_information_coefficient, lambda a, b: stats.pearsonr(a, b).statistic),
        (permute_rank_information_coefficient, lambda a, b: stats.spearmanr(a, b).statistic),
    ):
        null = np.array([statistic(np.roll(x, shift), y) for shift in shifts])
        found = test(x, y, minimum_shift=10)
        assert found.observed == pytest.approx(statistic(x, y))
        share, worth = (null >= found.observed).mean(), found.independent_shifts
        assert found.p_value == pytest.approx((1 + worth * share) / (1 + worth), rel=1e-12)
        assert 0.3 * len(null) <= worth <= len(null)  # independent rows
        assert found.shifts == len(null)
        assert found.null_mean == pytest.approx(null.mean(), abs=1e-12)
        assert found.null_standard_deviation == pytest.approx(null.std())
        assert found.null_95 == pytest.approx(np.quantile(null, 0.95))
    label, guess = (y > 0).astype(float), (x > -0.5).astype(float)
    null = np.array([accuracy(label, np.roll(guess, shift)) for shift in shifts])
    found = permute_accuracy(label, guess, minimum_shift=10)
    assert found.observed == accuracy(label, guess)
    share, worth = (null >= found.observed - 1e-12).mean(), found.independent_shifts
    assert found.p_value == pytest.approx((1 + worth * share) / (1 + worth), rel=1e-12)
    assert found.null_mean == pytest.approx(null.mean(), abs=1e-12)


def test_panel_with_gaps_shifts_all_symbols_together():
    generator = np.random.default_rng(2)
    times, symbols = 40, 3
    present = generator.random((symbols, times)) < 0.7
    present[0] = True
    x, y = generator.normal(size=(2, symbols, times)) + 5.0
    labels, guesses = (y > 5.0).astype(float), (x > 5.2).astype(float)
    line, column = np.nonzero(present)
    order = generator.permutation(len(line))
    line, column = line[order], column[order]
    panel = PanelRows(decision_time=column * 3600, symbol=np.array(["a", "b", "c"])[line])
    moved_null, hit_null = [], []
    for shift in range(5, times - 4):
        both = np.roll(present, shift, axis=1) & present
        moved = np.roll(x, shift, axis=1)[both]
        moved_null.append(stats.pearsonr(moved, y[both]).statistic)
        hit_null.append((np.roll(guesses, shift, axis=1)[both] == labels[both]).mean())
    found = permute_information_coefficient(
        x[line, column], y[line, column], panel=panel, minimum_shift=5
    )
    assert found.times == times
    assert found.null_mean == pytest.approx(np.mean(moved_null), abs=1e-12)
    assert found.null_standard_deviation == pytest.approx(np.std(moved_null))
    hits = permute_accuracy(
        labels[line, column], guesses[line, column], panel=panel, minimum_shift=5
    )
    assert hits.null_mean == pytest.approx(np.mean(hit_null), abs=1e-12)


@pytest.mark.parametrize("binary", [False, True])
def test_size_under_dependence_where_shuffling_fails(binary):
    generator = np.random.default_rng(3)
    shifted = shuffled = 0
    for _ in range(120):
        x, y = (persistent(600, 0.97, generator) for _ in range(2))
        if binary:
            label, guess = (y > 0).astype(float), (x > 0).astype(float)
            shifted += permute_accuracy(label, guess).p_value <= 0.1
            # With both margins fixed, shuffling is Fisher's exact test.
            table = [
                [(label * guess).sum(), (label * (1 - guess)).sum()],
                [((1 - label) * guess).sum(), ((1 - label) * (1 - guess)).sum()],
            ]
            shuffled += stats.fisher_exact(table, alternative="greater").pvalue <= 0.1
        else:
            shifted += permute_information_coefficient(x, y).p_value <= 0.1
            shuffled += stats.pearsonr(x, y, alternative="greater").pvalue <= 0.1
    assert shifted <= 24  # 12 expected, and the seam costs a little
    assert shuffled >= 36


def test_power_and_one_sided_calls():
    generator = np.random.default_rng(4)
    y = generator.normal(size=4000)
    x = 0.08 * y + generator.normal(size=4000)
    for test in (permute_information_coefficient, permute_rank_information_coefficient):
        assert test(x, y).p_value < 0.01
        assert test(-x, y).p_value > 0.95
    label = (y > -1.0).astype(float)  # 84% ups
    always_up = np.ones(4000)
    found = permute_accuracy(label, always_up)
    assert found.observed > 0.8
    assert found.p_value == 1.0  # every shift does as well


def test_slow_series_are_worth_few_shifts():
    generator = np.random.default_rng(8)
    x, y = (persistent(4000, 0.98, generator) for _ in range(2))
    found = permute_information_coefficient(x, y)
    # Figures of two such series at shifts a distance d apart correlate with (1 + 0.02 d) 0.98^d,
    # which sums to about 200 over both sides.
    assert found.shifts / 400 < found.independent_shifts < found.shifts / 80
    assert found.p_value >= 1.0 / (1.0 + found.independent_shifts)


def test_default_shift_clears_the_horizon():
    generator = np.random.default_rng(5)
    found = permute_information_coefficient(*generator.normal(size=(2, 2000)), horizon_bars=24)
    assert found.minimum_shift >= 4 * 48
    assert found.shifts == 2000 - 2 * found.minimum_shift + 1


def test_errors_and_undefined_figures():
    x = np.random.default_rng(6).normal(size=50)
    flat = permute_information_coefficient(np.full(50, 0.3), x)
    assert math.isnan(flat.observed)
    assert math.isnan(flat.p_value)
    time = np.repeat(np.arange(25), 2)
    with pytest.raises(ValueError, match="symbol of each row"):
        permute_information_coefficient(x, x, panel=PanelRows(decision_time=time))
    with pytest.raises(ValueError, match="time of each row"):
        permute_information_coefficient(x, x, panel=PanelRows(symbol=time))
    with pytest.raises(ValueError, match="symbol must have shape"):
        permute_information_coefficient(x, x, panel=PanelRows(decision_time=time, symbol=["a"]))
    with pytest.raises(ValueError, match="minimum_shift"):
        permute_information_coefficient(x, x, minimum_shift=26)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        permute_accuracy(x, x)
