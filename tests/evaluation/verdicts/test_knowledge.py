import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_auc_score

from ultimate_deep.evaluation.verdicts.bounds import Bounds
from ultimate_deep.evaluation.verdicts.knowledge import knowledge


def drawn(rows=3_000, seed=1, strength=0.5):
    draw = np.random.default_rng(seed)
    score = draw.normal(size=rows)
    truth = 1.0 / (1.0 + np.exp(-strength * score + 0.4))
    label = (draw.random(rows) < truth).astype(float)
    return truth, label


def test_figures_are_those_of_their_definitions():
    probability, label = drawn()
    found = knowledge(probability, label)
    constant = np.full(len(label), label.mean())
    gain = log_loss(label, constant) - log_loss(label, probability)
    assert found.gain.estimate == pytest.approx(gain, rel=1e-9)
    assert found.rank.estimate == pytest.approx(roc_auc_score(label, probability) - 0.5, rel=1e-9)
    assert found.gain.lower > 0
    assert found.rank.lower > 0


def test_ties_count_half():
    draw = np.random.default_rng(2)
    probability = np.round(draw.random(500), 1)
    label = (draw.random(500) < 0.4).astype(float)
    found = knowledge(probability, label).rank.estimate
    assert found == pytest.approx(roc_auc_score(label, probability) - 0.5, rel=1e-9)


def test_the_rank_is_as_uncertain_as_delong_says():
    probability, label = drawn(rows=4_000, strength=0.3)
    up, down = probability[label == 1], probability[label == 0]
    over = (up[:, None] > down).mean(axis=1), (up[:, None] > down).mean(axis=0)
    error = np.sqrt(over[0].var(ddof=1) / len(up) + over[1].var(ddof=1) / len(down))
    assert knowledge(probability, label).rank.standard_error == pytest.approx(error, rel=0.06)


def test_a_share_of_ups_that_differs_by_symbol_is_no_knowledge():
    draw = np.random.default_rng(3)
    group = np.repeat([0, 1], 2_000)
    shares = np.where(group == 0, 0.3, 0.7)
    label = (draw.random(4_000) < shares).astype(float)
    noise = 0.01 * draw.normal(size=4_000)
    pooled = knowledge(shares + noise, label)
    assert pooled.rank.lower > 0.1
    apart = knowledge(shares + noise, label, group=group)
    assert apart.rank.lower < 0 < apart.rank.upper
    assert apart.gain.estimate < 0


def test_decisions_of_one_time_are_drawn_together():
    probability, label = drawn(rows=600)
    times = np.repeat(np.arange(600), 5)
    often = knowledge(np.repeat(probability, 5), np.repeat(label, 5), decision_time=times)
    once = knowledge(probability, label)
    assert often.decisions == once.decisions == 600
    assert often.gain.standard_error == pytest.approx(once.gain.standard_error, rel=0.05)


def test_nothing_is_claimed_more_often_than_said():
    claims = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        label = (draw.random(400) < 0.6).astype(float)
        probability = norm.cdf(0.25 + 0.2 * draw.normal(size=400))
        found = knowledge(probability, label, bounds=Bounds(0.02, 1_000), seed=seed)
        claims += found.gain.lower > 0 and found.rank.lower > 0
    assert claims <= 10  # 2% of 200 and chance


def test_one_class_has_no_rank():
    found = knowledge(np.linspace(0.2, 0.8, 50), np.ones(50))
    assert found.rank.estimate == 0.0
    assert found.gain.estimate < 0
