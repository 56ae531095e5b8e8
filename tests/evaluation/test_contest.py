"""Several models side by side: equals stay together, the better one is told, luck is said."""

import numpy as np
import pytest

from ultimate_deep.evaluation.contest import contest

ROWS = 3_000
TIMES = np.arange(ROWS).astype("datetime64[h]").astype("datetime64[ns]")


def _market(seed: int = 0):
    generator = np.random.default_rng(seed)
    truth = 0.5 + 0.15 * np.sign(generator.normal(size=ROWS))
    return generator, truth, (generator.random(ROWS) < truth).astype(float)


def _returns(generator, probability, label):
    return 0.002 * np.sign(probability - 0.5) * (2.0 * label - 1.0) + 1e-5 * generator.normal(
        size=ROWS
    )


def _contest(probability, label, generator):
    return contest(
        {name: np.square(p - label) for name, p in probability.items()},
        {name: _returns(generator, p, label) for name, p in probability.items()},
        decision_time=TIMES,
    )


def test_the_better_model_is_told_and_equals_stay_together():
    generator, truth, label = _market()
    found = _contest(
        {
            "knows": truth,
            "knows too": truth + 0.001 * generator.normal(size=ROWS),
            "guesses": 0.5 + 0.1 * generator.normal(size=ROWS).clip(-2, 2),
        },
        label,
        generator,
    )
    assert set(found.confidence_set.included) == {"knows", "knows too"}
    assert found.pairwise[0, 2] < 0.001
    assert found.pairwise[0, 1] > 0.05
    assert np.isnan(np.diag(found.pairwise)).all()
    assert max(found.superior.values()) < 0.01


def test_guessing_models_beat_no_coin_and_the_best_of_them_is_luck():
    generator, _, label = _market()
    guesses = {
        f"guess {number}": 0.5 + 0.05 * generator.normal(size=ROWS).clip(-2, 2)
        for number in range(6)
    }
    found = _contest(guesses, label, generator)
    assert min(found.superior.values()) > 0.05
    assert 0.2 < found.overfitting.probability <= 1.0


def test_one_model_and_twins_are_compared_as_far_as_they_can_be():
    generator, truth, label = _market()
    alone = _contest({"one": truth}, label, generator)
    assert alone.confidence_set is None
    assert alone.overfitting is None
    assert alone.pairwise.shape == (1, 1)
    twins = _contest({"one": truth, "twin": truth.copy()}, label, generator)
    assert twins.confidence_set is None
    assert np.isnan(twins.pairwise).all()


def test_bad_input_is_named():
    error = np.full(200, 0.25)
    times = TIMES[:200]
    with pytest.raises(ValueError, match="same models"):
        contest({"a": error}, {"b": error}, decision_time=times)
    with pytest.raises(ValueError, match="at least one model"):
        contest({}, {}, decision_time=times)
    with pytest.raises(ValueError, match="one length"):
        contest({"a": error, "b": error[1:]}, {"a": error, "b": error}, decision_time=times)
    with pytest.raises(ValueError, match="at least 50 decision times, got 20"):
        contest({"a": error[:20]}, {"a": error[:20]}, decision_time=times[:20])
