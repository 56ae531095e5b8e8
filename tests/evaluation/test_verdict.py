"""The verdict: real edges are found, absent ones are not claimed, and the words fit the figures."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.verdict import VerdictConfig, judge_edge

QUICK = VerdictConfig(resamples=1000)


def predictions(seed, rows, edge, *, cost_bps=0.0, up=0.5):
    """Labels, guesses right with chance `1/2 + edge`, net returns under clustered volatility."""
    generator = np.random.default_rng(seed)
    calm = np.convolve(generator.normal(size=rows + 19), np.ones(20) / np.sqrt(20), "valid")
    size = 0.01 * np.exp(0.5 * calm) * np.abs(generator.normal(size=rows))
    label = (generator.random(rows) < up).astype(float)
    guess = np.where(generator.random(rows) < 0.5 + edge, label, 1.0 - label)
    position = 2.0 * guess - 1.0
    turnover = np.abs(np.diff(position, prepend=0.0))
    return label, guess, position * (2.0 * label - 1.0) * size - turnover * cost_bps / 1e4


def count(edge, *, rows, repetitions, **options):
    kinds = [
        judge_edge(*predictions(seed, rows, edge, **options), seed=seed, config=QUICK).kind
        for seed in range(repetitions)
    ]
    return {kind: kinds.count(kind) for kind in ("edge", "no edge", "cannot tell")}


def test_no_edge_is_seldom_claimed():
    found = count(0.0, rows=1000, repetitions=200)
    # Designed for at most 2% of 200; beyond the bound with chance 1e-3 only.
    assert found["edge"] <= stats.binom.ppf(0.999, 200, 0.02)
    assert found["no edge"] > found["cannot tell"]


def test_a_strong_edge_is_found():
    assert count(0.08, rows=2000, repetitions=40)["edge"] >= 38


def test_an_edge_that_costs_eat_is_not_claimed():
    found = count(0.08, rows=1000, repetitions=40, cost_bps=60.0)
    assert found == {"edge": 0, "no edge": 40, "cannot tell": 0}


def test_betting_on_the_trend_alone_is_no_edge():
    label, _, _ = predictions(1, 4000, 0.0, up=0.56)
    verdict = judge_edge(label, np.ones(4000), np.full(4000, 1e-4), config=QUICK)
    assert verdict.kind == "no edge"
    assert verdict.advantage.estimate == 0.0
    assert verdict.net_return.lower > 0.0


def test_a_model_that_never_trades_never_claims():
    label, guess, _ = predictions(1, 4000, 0.1)
    verdict = judge_edge(label, guess, np.zeros(4000), config=QUICK)
    assert verdict.kind == "no edge"
    assert "never traded" in verdict.sentence


def test_a_handful_of_trades_is_not_enough():
    label, guess, _ = predictions(1, 4000, 0.1)
    returns = np.zeros(4000)
    returns[100:4000:400] = 0.01
    verdict = judge_edge(label, guess, returns, config=QUICK)
    assert verdict.kind == "cannot tell"
    assert verdict.bars_needed == 12_000


def test_a_handful_of_decisions_is_not_enough():
    label = np.tile([0.0, 1.0], 40)
    verdict = judge_edge(label, label, np.full(80, 0.01), config=QUICK)
    assert verdict.kind == "cannot tell"
    assert verdict.bars_needed == 100


def test_a_tight_bound_below_interest_is_no_edge():
    label, guess, returns = predictions(4, 60_000, 0.004)
    wide = VerdictConfig(resamples=1000, smallest_edge=0.02)
    verdict = judge_edge(label, guess, np.abs(returns), config=wide)
    assert 0 < verdict.advantage.estimate < verdict.advantage.upper < 0.02
    assert verdict.kind == "no edge"


def test_bars_needed_follow_the_power_rule():
    reach = stats.norm.ppf(0.98) + stats.norm.ppf(0.8)
    weak = [judge_edge(*predictions(s, 600, 0.04), seed=s, config=QUICK) for s in range(30)]
    open_cases = [verdict for verdict in weak if verdict.kind == "cannot tell"]
    assert len(open_cases) > 5
    for verdict in open_cases:
        by_figure = [
            600 * (reach * figure.standard_error / figure.estimate) ** 2
            for figure in (verdict.advantage, verdict.net_return)
            if figure.lower <= 0
        ]
        assert verdict.bars_needed == int(np.ceil(max(by_figure)))
        assert f"{verdict.bars_needed:,} bars" in verdict.sentence


def test_bars_needed_are_bars_where_decisions_are_few():
    label, guess, returns = predictions(3, 300, 0.05)
    sparse = np.zeros(3000)
    sparse[::10] = np.abs(returns)
    verdict = judge_edge(label, guess, sparse, config=QUICK)
    assert verdict.kind == "cannot tell"
    assert verdict.net_return.lower > 0.0
    reach = stats.norm.ppf(0.98) + stats.norm.ppf(0.8)
    ratio = reach * verdict.advantage.standard_error / verdict.advantage.estimate
    assert verdict.bars_needed == int(np.ceil(3000 * ratio**2)) > 3000


def test_enough_bars_settle_a_small_edge():
    # Right and majority-right are nearly independent, so their difference has variance 1/2;
    # twice the bars of the rule make up for the majority's hindsight and the second condition.
    needed = 2 * int(np.ceil(0.5 * ((2.054 + 0.842) / 0.04) ** 2))
    assert count(0.04, rows=needed, repetitions=20)["edge"] >= 15


def test_pooled_symbols_are_drawn_together():
    label, guess, returns = predictions(3, 1500, 0.05)
    times = np.arange(1500)
    alone = judge_edge(label, guess, returns, decision_time=times, config=QUICK)
    copies = judge_edge(
        np.tile(label, 4),
        np.tile(guess, 4),
        returns,
        decision_time=np.tile(times, 4),
        config=QUICK,
    )
    # Four copies of one symbol hold no more evidence than the symbol.
    assert copies.decisions == alone.decisions == 1500
    assert copies.advantage.lower == pytest.approx(alone.advantage.lower, abs=1e-12)


def test_the_verdict_is_seeded_and_goes_into_json():
    data = predictions(5, 800, 0.03)
    verdict = judge_edge(*data, seed=1, config=QUICK, simulated=True)
    assert verdict == judge_edge(*data, seed=1, config=QUICK, simulated=True)
    assert verdict.sentence.startswith(f"{verdict.kind.capitalize()} (simulated bars): right on ")
    back = json.loads(json.dumps(json_safe(verdict), allow_nan=False))
    assert back["kind"] == verdict.kind
    assert back["advantage"]["lower"] == verdict.advantage.lower


def test_one_class_is_judged_without_error():
    verdict = judge_edge(np.ones(300), np.ones(300), np.full(300, 0.001), config=QUICK)
    assert verdict.kind == "no edge"
    assert verdict.majority_accuracy == 1.0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="one length"):
        judge_edge([1.0, 0.0], [1.0], [0.0])
    with pytest.raises(ValueError, match="at least one bar"):
        judge_edge([1.0], [1.0], [])
    with pytest.raises(ValueError, match="0 or 1"):
        judge_edge([1.0], [0.7], [0.0])
    with pytest.raises(ValueError, match=r"decision_time must have shape \(2,\)"):
        judge_edge([1.0, 0.0], [1.0, 0.0], [0.1], decision_time=[1, 2, 3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error_rate": 0.0}, "error_rate must lie in"),
        ({"power": 0.4}, "power must lie in"),
        ({"smallest_edge": -0.1}, "smallest_edge must lie in"),
        ({"resamples": 100}, "at least 10 histories beyond the bound.* take 500 or more"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        VerdictConfig(**options)


def test_more_readings_of_the_same_bars_ask_for_more():
    label, guess, returns = predictions(3, 6_000, 0.03)
    verdicts = [judge_edge(label, guess, returns, readings=count) for count in (1, 2, 40, 4_000)]
    lower = [verdict.advantage.lower for verdict in verdicts]
    assert all(before > after for before, after in pairwise(lower))
    assert [verdict.error_rate for verdict in verdicts] == [0.02, 0.01, 0.0005, 0.000005]
    # Far out the bound is that of the normal law, which percentiles of these sums follow.
    spread = verdicts[0].advantage.standard_error
    expected = verdicts[0].advantage.estimate - stats.norm.ppf(1.0 - 0.000005) * spread
    assert lower[-1] == pytest.approx(expected, rel=0.05)
    assert "Counted: 40 models" in verdicts[2].sentence
    assert "Counted" not in verdicts[0].sentence
    with pytest.raises(ValueError, match="at least 1, got 0"):
        judge_edge(label, guess, returns, readings=0)


def test_a_few_decisions_are_no_evidence_against_an_edge_either():
    label = np.tile([0.0, 1.0], 20)
    wrong = judge_edge(label, 1.0 - label, np.full(40, -0.001), config=QUICK)
    assert wrong.kind == "cannot tell"
    assert wrong.bars_needed == 100
    assert "fewer than 100 decision times" in wrong.sentence
