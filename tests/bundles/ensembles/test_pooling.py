"""Averages of probabilities: equal, weighted, on disk."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from ultimate_deep.bundles.ensembles.combiner import (
    COMBINER_FILE,
    EnsembleError,
    load_combiner,
    save_combiner,
)
from ultimate_deep.bundles.ensembles.pooling import Pool, average_pool, pooled_logits

NAMES = ("net", "trees", "noise")


def members(rows, seed, horizons=1):
    """Logits of three members."""
    drawn = np.random.default_rng(seed).normal(size=(3, rows, horizons))
    return drawn.astype(np.float32)


def test_the_average_is_the_logit_of_the_mean_probability():
    logits = members(50, 0, horizons=2)
    temperature = np.array([[1.0, 2.0], [0.5, 1.0], [4.0, 1.0]])
    found = average_pool(NAMES, 2, temperature).combine(logits)
    expected = logit(expit(logits / temperature[:, None, :]).mean(axis=0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_sure_members_do_not_overflow():
    sure = np.array([[800.0, -800.0], [800.0, 0.0]])
    found = pooled_logits(sure, np.array([[0.5], [0.5]]))
    np.testing.assert_allclose(found, [800.0, logit(0.25)])
    assert pooled_logits(sure, np.array([[1.0], [0.0]]))[1] == -800.0


def test_a_row_that_one_member_cannot_predict_has_no_prediction():
    logits = members(5, 0)
    logits[1, 2] = np.nan
    found = average_pool(NAMES, 1).combine(logits)
    np.testing.assert_array_equal(np.isnan(found[:, 0]), np.arange(5) == 2)


def test_the_pool_comes_back_from_disk_bit_for_bit(tmp_path):
    logits = members(300, 6, horizons=2)
    weight = np.array([[0.1, 0.7], [0.2, 0.3], [0.7, 0.0]])
    pool = Pool(names=NAMES, weight=weight, temperature=np.full((3, 2), 1.7))
    save_combiner(pool, tmp_path / "ensemble")
    read = load_combiner(tmp_path / "ensemble")
    assert isinstance(read, Pool)
    assert read.names == NAMES
    np.testing.assert_array_equal(read.combine(logits), pool.combine(logits))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "not of schema"),
        ({"schema_version": 2}, "schema version 2"),
        ({"kind": "oracle"}, "kind 'oracle'"),
        ({"weight": [[0.5], [0.6], [0.1]]}, "sum to one"),
        ({"weight": [[1.5], [-0.5], [0.0]]}, "not negative"),
        ({"temperature": [[1.0], [0.0], [1.0]]}, "temperatures are positive"),
        ({"names": ["net", "net", "noise"]}, "names of their own"),
        ({"names": None}, "no sound combiner"),
        ({"names": ["net", 7, "noise"]}, "names of members are texts"),
        ({"temperature": [[1.0], [1e-300], [1.0]]}, "from 0.001 to 100000"),
        ({"weight": "x" * 5_000}, "no sound combiner"),
    ],
)
def test_a_wrong_file_is_refused(change, message, tmp_path):
    save_combiner(average_pool(NAMES, 1), tmp_path)
    path = tmp_path / COMBINER_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(EnsembleError, match=message) as caught:
        load_combiner(tmp_path)
    assert len(str(caught.value)) < 500
    path.write_text("{")
    with pytest.raises(EnsembleError, match="JSON"):
        load_combiner(tmp_path)


def test_other_members_are_refused():
    with pytest.raises(EnsembleError, match=r"\(3, rows, 1\)"):
        average_pool(NAMES, 1).combine(members(20, 0)[:2])
