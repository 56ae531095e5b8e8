"""Weights of a pool that validation has chosen, and what each member brings."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from ultimate_deep.bundles.ensembles.combiner import EnsembleError, load_combiner, save_combiner
from ultimate_deep.bundles.ensembles.pooling import Pool, average_pool
from ultimate_deep.experiments.ensembles.diversity import mean_correlation, member_table
from ultimate_deep.experiments.ensembles.pooling import fit_pool
from ultimate_deep.pipeline.calibration import log_loss_of_logits

NAMES = ("net", "trees", "noise")


def members(rows, seed, horizons=1):
    """A good member, a fair one and one that says nothing, with labels `(rows, horizons)`."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(rows, horizons))
    labels = (rng.random((rows, horizons)) < expit(truth)).astype(np.float64)
    noise = rng.normal(size=(3, rows, horizons))
    fair = (truth + 1.5 * noise[1]) / 3.25
    logits = np.stack([(truth + 0.5 * noise[0]) / 1.25, fair, 0.5 * noise[2]])
    return logits.astype(np.float32), labels


def pool_loss(weight, logits, labels, pull):
    """The loss that `fit_pool` minimises, in plain NumPy."""
    p = np.einsum("m,mr->r", weight, expit(logits.astype(np.float64)))
    right = np.where(labels > 0.5, p, 1.0 - p)
    return -np.log(right).mean() + pull * ((weight - 1.0 / len(weight)) ** 2).sum()


@pytest.mark.parametrize("pull", [0.0, 0.02])
def test_fitted_weights_are_the_best_of_the_whole_simplex(pull):
    logits, labels = members(400, 1)
    pool = fit_pool(NAMES, logits, labels, pull=pull)
    weight = pool.weight[:, 0]
    found = pool_loss(weight, logits[:, :, 0], labels[:, 0], pull)
    grid = [
        np.array([a, b, 50 - a - b]) / 50
        for a, b in itertools.product(range(51), range(51))
        if a + b <= 50
    ]
    best = min(grid, key=lambda w: pool_loss(w, logits[:, :, 0], labels[:, 0], pull))
    assert found <= pool_loss(best, logits[:, :, 0], labels[:, 0], pull) + 1e-9
    np.testing.assert_allclose(weight, best, atol=0.03)


def test_weights_say_who_is_good_and_a_strong_pull_makes_them_equal():
    logits, labels = members(2000, 2, horizons=2)
    logits[:2, :, 1] = logits[:2, :, 1][::-1]  # at the second horizon net and trees change places
    # With less pull two of three are left out, and which rounds to more is the processor's choice.
    weight = fit_pool(NAMES, logits, labels, pull=1e-2).weight
    assert weight[0, 0] > weight[1, 0] > weight[2, 0]
    assert weight[1, 1] > weight[0, 1] > weight[2, 1]
    pulled = fit_pool(NAMES, logits, labels, pull=1e4).weight
    np.testing.assert_allclose(pulled, 1 / 3, atol=1e-4)


def test_weights_of_validation_pay_on_fresh_rows():
    pool = fit_pool(NAMES, *members(2000, 3))
    logits, labels = members(4000, 4)
    up = labels[:, 0] > 0.5
    weighted, equal = (
        log_loss_of_logits(one.combine(logits)[:, 0], up) for one in (pool, average_pool(NAMES, 1))
    )
    assert weighted < equal - 0.005
    assert equal < log_loss_of_logits(logits[2, :, 0], up)


def test_rows_without_a_side_are_left_out():
    logits, labels = members(300, 5)
    some = labels.copy()
    some[::3] = np.nan
    some[1::3] = 0.5
    chosen = fit_pool(NAMES, logits[:, 2::3], labels[2::3]).weight
    np.testing.assert_array_equal(fit_pool(NAMES, logits, some).weight, chosen)


def test_impossible_questions_are_refused():
    logits, labels = members(20, 0)
    with pytest.raises(EnsembleError, match="shape"):
        fit_pool(NAMES, logits, labels[:5])
    with pytest.raises(EnsembleError, match="labels are"):
        fit_pool(NAMES, logits, labels * 0.7)
    with pytest.raises(EnsembleError, match="has a label"):
        fit_pool(NAMES, logits, labels * np.nan)
    with pytest.raises(EnsembleError, match="pull"):
        fit_pool(NAMES, logits, labels, pull=-1.0)
    logits[1, 3] = np.inf
    with pytest.raises(EnsembleError, match="member 2 is not in known row 3"):
        fit_pool(NAMES, logits, labels)


def test_the_table_says_what_each_member_brings():
    logits, labels = members(4000, 7, horizons=2)
    pool = fit_pool(NAMES, logits, labels)
    table = member_table(pool, logits, labels)
    assert list(table["member"]) == [*NAMES, "ensemble"] * 2
    assert list(table["horizon"]) == [1] * 4 + [2] * 4
    first = table[table["horizon"] == 1].set_index("member")
    up = labels[:, 0] > 0.5
    np.testing.assert_allclose(
        first.loc["net", "log_loss"], log_loss_of_logits(logits[0, :, 0], up)
    )
    np.testing.assert_array_equal(first["weight"].iloc[:3], pool.weight[:, 0])
    assert first["log_loss"].idxmin() == "ensemble"
    assert first["gain"].iloc[:3].idxmax() == "net"
    assert first.loc["net", "gain"] > 0.005
    truth = np.corrcoef(logits[:, :, 0])
    np.testing.assert_allclose(
        first["correlation"].iloc[:3], (truth.sum(axis=1) - 1.0) / 2, atol=1e-6
    )


def test_a_member_that_never_moves_has_no_correlation():
    moving = np.random.default_rng(0).normal(size=20)
    found = mean_correlation(np.stack([moving, moving, np.ones(20)]))
    assert np.isnan(found).all()  # each is compared with the one that stands still
    np.testing.assert_allclose(mean_correlation(np.stack([moving, -moving])), -1.0)
    assert np.isnan(mean_correlation(moving[None])).all()


def test_a_fitted_pool_comes_back_from_disk_bit_for_bit(tmp_path):
    logits, labels = members(300, 6, horizons=2)
    pool = fit_pool(NAMES, logits, labels, temperature=np.full((3, 2), 1.7))
    save_combiner(pool, tmp_path / "ensemble")
    read = load_combiner(tmp_path / "ensemble")
    assert isinstance(read, Pool)
    assert read.names == NAMES
    np.testing.assert_array_equal(read.combine(logits), pool.combine(logits))
