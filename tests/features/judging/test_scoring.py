"""Information coefficients: planted ones are found, chance is not claimed more than promised."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import spearmanr

from ultimate_deep.features.judging.config import ScoringConfig
from ultimate_deep.features.judging.scoring import Outcomes, information_coefficients, period_labels
from ultimate_deep.features.judging.stability import population_stability


def _times(rows: int, every: str = "1h") -> np.ndarray:
    index = pd.date_range("2019-01-01", periods=rows, freq=every)
    return index.to_numpy().astype("datetime64[ns]")


def _names(count: int) -> list[str]:
    return [f"f{j}" for j in range(count)]


def _score(values, returns, rows=None, horizon=1, **options):
    outcomes = Outcomes(
        return_log=returns, decision_time=_times(len(returns)), horizon_bars=horizon
    )
    rows = np.arange(len(returns)) if rows is None else rows
    return information_coefficients(
        values, rows, outcomes, names=_names(values.shape[1]), config=ScoringConfig(**options)
    )


def _persistent(draw, rows: int, columns: int, memory: float) -> np.ndarray:
    noise = draw.standard_normal((rows + 300, columns))
    return lfilter([1.0], [1.0, -memory], noise, axis=0)[300:].astype(np.float32)


@pytest.fixture(scope="module")
def planted():
    """20,000 hourly returns; Pearson IC 0.05 of feature 0, -0.05 of feature 1, 0 of the rest."""
    draw = np.random.default_rng(0)
    values = draw.standard_normal((20_000, 10)).astype(np.float32)
    signal = 0.05 * (values[:, 0].astype(np.float64) - values[:, 1])
    returns = signal + np.sqrt(1.0 - 2.0 * 0.05**2) * draw.standard_normal(20_000)
    return values, 0.01 * returns


def test_coefficients_are_scipys_over_all_rows_and_in_each_period(planted):
    values, returns = planted
    scores = _score(values, returns, period="quarter")
    expected = [spearmanr(column, returns).statistic for column in values.T]
    np.testing.assert_allclose(scores.ic, expected, atol=1e-12)
    quarter = period_labels(_times(20_000), "quarter")
    assert scores.periods == tuple(str(one) for one in quarter.unique())
    inside = np.asarray(quarter == quarter.unique()[3])
    assert scores.rows_by_period[3] == inside.sum()
    expected = spearmanr(values[inside, 1], returns[inside]).statistic
    assert scores.by_period[1, 3] == pytest.approx(expected, abs=1e-12)
    linear = _score(values, returns, method="pearson")
    np.testing.assert_allclose(
        linear.ic, [np.corrcoef(column, returns)[0, 1] for column in values.T], atol=1e-9
    )


def test_planted_coefficients_are_found_and_only_they(planted):
    scores = _score(*planted)
    assert scores.significant.tolist() == [True, True] + [False] * 8
    # Spearman of a normal pair: 6 / pi * asin(0.05 / 2); standard error 1 / sqrt(20,000).
    np.testing.assert_allclose(scores.ic[:2], [0.0478, -0.0478], atol=3 / np.sqrt(20_000))
    np.testing.assert_allclose(scores.standard_error, 1 / np.sqrt(20_000), rtol=0.1)
    assert (scores.sign_share[:2] >= 0.8).all()
    assert scores.tested == 10
    assert scores.expected_by_chance == 0.5
    frame = scores.to_frame()
    assert frame.loc[frame["t"].abs().idxmax(), "name"] in ("f0", "f1")


@pytest.mark.parametrize(("memory", "horizon"), [(0.0, 1), (0.98, 1), (0.9, 5)])
def test_false_claims_on_pure_noise_are_as_rare_as_promised(memory, horizon):
    draw = np.random.default_rng(5)
    single, families, trials, columns = [], 0, 40, 20
    for _ in range(trials):
        values = _persistent(draw, 1_500, columns, memory)
        shocks = draw.standard_t(4, 1_500 + horizon)
        returns = np.convolve(shocks, np.ones(horizon), "valid")[:1_500]
        scores = _score(values, returns, horizon=horizon)
        single.append(scores.uncorrected / columns)
        families += bool(scores.significant.any())
    # 5% promised; overlapping returns of slow features are known only to within 3 points more.
    assert 0.02 < np.mean(single) < (0.07 if horizon == 1 else 0.085)
    # Any claim in a family of pure noise is false: 5% of 40 families, with room for chance.
    assert families <= (6 if horizon == 1 else 9)


def test_without_the_overlap_rule_the_error_would_be_too_small():
    draw = np.random.default_rng(6)
    values = _persistent(draw, 6_000, 30, 0.99)
    returns = np.convolve(draw.standard_normal(6_020), np.ones(20), "valid")[:6_000]
    told, untold = (_score(values, returns, horizon=h) for h in (20, 1))
    # 20 bars shared: the true error is above three times that of independent rows.
    assert np.median(told.standard_error) * np.sqrt(6_000) > 3.0
    assert np.median(told.standard_error / untold.standard_error) > 1.2


def test_rows_outside_are_never_seen(planted):
    values, returns = planted
    rows = np.arange(500, 9_000)
    before = _score(values, returns, rows)
    other_values, other_returns = values.copy(), returns.copy()
    outside = np.setdiff1d(np.arange(20_000), rows)
    other_values[outside], other_returns[outside] = np.nan, 1e9
    after = _score(other_values, other_returns, rows)
    np.testing.assert_array_equal(before.ic, after.ic)
    np.testing.assert_array_equal(before.by_period, after.by_period)
    np.testing.assert_array_equal(before.q, after.q)


def test_symbols_are_ranked_apart_and_their_equal_times_counted_once(planted):
    values, returns = planted
    rows = np.arange(6_000)
    one = _score(values, returns, rows)
    times = _times(20_000)[:6_000]
    outcomes = Outcomes(
        return_log=np.concatenate([returns[:6_000], 50.0 * returns[:6_000] + 1.0]),
        decision_time=np.concatenate([times, times]),
        symbol_code=np.repeat([0, 1], 6_000),
    )
    two = information_coefficients(
        np.concatenate([values[:6_000]] * 2), np.arange(12_000), outcomes, names=_names(10)
    )
    np.testing.assert_allclose(two.ic, one.ic, atol=1e-12)
    np.testing.assert_allclose(two.by_period, one.by_period, atol=1e-12)
    # A copy of the same market tells nothing new.
    np.testing.assert_allclose(two.standard_error, one.standard_error, rtol=1e-9)


def test_constant_features_short_periods_and_missing_returns():
    draw = np.random.default_rng(7)
    values = draw.standard_normal((300, 3)).astype(np.float32)
    values[:, 1] = 4.0
    returns = draw.standard_normal(300)
    returns[100:120] = np.nan
    scores = _score(values, returns, period="week", least_rows=100)
    assert scores.rows == 280
    assert np.isnan(scores.ic).tolist() == [False, True, False]
    assert scores.tested == 2
    assert not scores.significant[1]
    assert np.isnan(scores.by_period[:, scores.rows_by_period < 100]).all()
    assert np.isnan(scores.by_period[1]).all()
    with pytest.raises(ValueError, match="at least 30 rows with a return, got 5"):
        _score(values, returns, np.arange(5))
    with pytest.raises(ValueError, match="period must be one of"):
        _score(values, returns, period="decade")


def test_stability_finds_the_period_that_differs():
    draw = np.random.default_rng(8)
    rows = 181 * 24  # January to June
    values = draw.standard_normal((rows, 3)).astype(np.float32)
    values[:, 2] = draw.random(rows) < 0.3
    times = _times(rows)
    april = (times >= np.datetime64("2019-04-01")) & (times < np.datetime64("2019-05-01"))
    values[april, 0] += 1.0
    found = population_stability(values, np.arange(rows), times, names=_names(3), period="month")
    worst = found.periods[int(found.psi[0].argmax())]
    assert worst == "2019-04"
    assert found.psi[0].max() > 0.25
    # Chance gives about 9 / 720 where all is alike.
    assert found.worst[1] < 0.05
    assert found.worst[2] < 0.05
    # By hand for the flag: two bins.
    part = values[april, 2]
    e, a = (values[:, 2].sum() + 0.5) / (rows + 1), (part.sum() + 0.5) / (len(part) + 1)
    by_hand = (a - e) * np.log(a / e) + (e - a) * np.log((1 - a) / (1 - e))
    assert found.psi[2, found.periods.index("2019-04")] == pytest.approx(by_hand)


def test_stability_bins_come_from_the_reference_rows():
    draw = np.random.default_rng(9)
    values = draw.standard_normal((2_000, 1)).astype(np.float32)
    values[1_000:] += 2.0
    times = _times(2_000)
    found = population_stability(
        values, np.arange(1_000), times, names=["f"], rows=np.arange(1_000, 2_000), period="year"
    )
    assert found.rows_by_period.tolist() == [1_000]
    assert found.psi[0, 0] > 2.0
