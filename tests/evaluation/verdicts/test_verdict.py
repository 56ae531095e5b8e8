"""The verdict: real edges are found, absent ones are not claimed, and the words fit the figures."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
from ultimate_deep.evaluation.verdicts.rule import KINDS, QUESTIONS, STEADY, TONES
from ultimate_deep.evaluation.verdicts.verdict import judge_model

QUICK = VerdictConfig(resamples=1000)


def predictions(seed, rows, edge, *, paid_bps=0.0, up=0.5, **changes):
    """A forecast right with chance `1/2 + edge` that says so, under clustered volatility."""
    generator = np.random.default_rng(seed)
    calm = np.convolve(generator.normal(size=rows + 19), np.ones(20) / np.sqrt(20), "valid")
    size = 0.01 * np.exp(0.5 * calm) * np.abs(generator.normal(size=rows))
    label = (generator.random(rows) < up).astype(float)
    guess = np.where(generator.random(rows) < 0.5 + edge, label, 1.0 - label)
    position = 2.0 * guess - 1.0
    turnover = np.abs(np.diff(position, prepend=0.0))
    inputs = EvidenceInputs(
        label=label,
        probability=0.5 + max(edge, 0.05) * (2.0 * guess - 1.0) * generator.random(rows),
        return_net=position * (2.0 * label - 1.0) * size - turnover * paid_bps / 1e4,
        deflated=1.0,
        repeated_opens=0.0,
        seed=seed,
    )
    return replace(inputs, **changes)


def count(edge, *, rows, repetitions, **options):
    kinds = [
        judge_model(predictions(seed, rows, edge, **options), QUICK).kind
        for seed in range(repetitions)
    ]
    return {kind: kinds.count(kind) for kind in KINDS}


def test_no_edge_is_seldom_claimed():
    found = count(0.0, rows=1000, repetitions=100)
    # Designed for at most 2% of 100; beyond the bound with chance 1e-3 only.
    assert found["edge"] <= stats.binom.ppf(0.999, 100, 0.02)
    assert found["no edge"] > found["cannot tell yet"]


def test_a_strong_edge_is_found():
    assert count(0.08, rows=2000, repetitions=20)["edge"] >= 18


def test_an_edge_that_costs_eat_is_not_claimed():
    found = count(0.08, rows=2000, repetitions=20, paid_bps=60.0)
    assert found["edge"] == 0
    assert found["forecasts, but not at a price you get"] >= 18


def test_betting_on_the_trend_alone_is_no_forecast():
    inputs = predictions(
        1, 4000, 0.0, up=0.56, probability=np.full(4000, 0.56), return_net=np.full(4000, 1e-4),
        position=np.ones(4000),
    )  # fmt: skip
    verdict = judge_model(inputs, QUICK)
    assert verdict.kind == "earns, but not by forecasting"
    assert verdict.advantage.estimate == 0.0
    assert verdict.net_return.lower > 0.0
    assert "it is long 100% of the time on average" in verdict.sentence


def test_a_model_that_never_trades_never_claims():
    verdict = judge_model(predictions(1, 4000, 0.1, return_net=np.zeros(4000)), QUICK)
    assert verdict.kind == "no edge"
    assert "never traded" in verdict.sentence


def test_a_handful_of_trades_is_not_enough():
    returns = np.zeros(4000)
    returns[100:4000:400] = 0.01
    verdict = judge_model(predictions(1, 4000, 0.1, return_net=returns), QUICK)
    assert verdict.kind == "cannot tell yet"
    assert verdict.bars_needed == 12_000
    assert "positions in fewer than 30 bars" in verdict.sentence


@pytest.mark.parametrize("right", [True, False])
def test_a_handful_of_decisions_is_not_enough_either_way(right):
    label = np.tile([0.0, 1.0], 20)
    probability = np.where(label == float(right), 0.6, 0.4)
    gain = 0.01 if right else -0.01
    inputs = EvidenceInputs(label=label, probability=probability, return_net=np.full(40, gain))
    verdict = judge_model(inputs, QUICK)
    assert verdict.kind == "cannot tell yet"
    assert verdict.bars_needed == 100
    assert "fewer than 100 decision times" in verdict.sentence


def test_a_tight_bound_below_interest_is_no_knowledge():
    inputs = predictions(4, 60_000, 0.004)
    inputs = replace(inputs, return_net=np.abs(inputs.return_net))
    verdict = judge_model(inputs, VerdictConfig(resamples=1000, smallest_rank=0.02))
    assert 0 < verdict.evidence.knows.rank.estimate < verdict.evidence.knows.rank.upper < 0.02
    assert verdict.answers[0].word == "no"


def test_bars_needed_follow_the_power_rule():
    reach = stats.norm.ppf(0.98) + stats.norm.ppf(0.8)
    weak = [judge_model(predictions(seed, 600, 0.04), QUICK) for seed in range(20)]
    open_cases = [verdict for verdict in weak if verdict.kind == "cannot tell yet"]
    assert len(open_cases) > 5
    for verdict in open_cases:
        figures = (verdict.evidence.knows.gain, verdict.evidence.knows.rank, verdict.net_return)
        by_figure = [
            600 * (reach * figure.standard_error / figure.estimate) ** 2
            for figure in figures
            if figure.lower <= 0
        ]
        assert verdict.bars_needed == int(np.ceil(max(by_figure)))
        assert f"{verdict.bars_needed:,} bars" in verdict.sentence


def test_pooled_symbols_are_drawn_together():
    times = np.arange(1500)
    inputs = predictions(3, 1500, 0.05, decision_time=times)
    alone = judge_model(inputs, QUICK)
    copies = replace(
        inputs,
        label=np.tile(inputs.label, 4),
        probability=np.tile(inputs.probability, 4),
        decision_time=np.tile(times, 4),
    )
    # Four copies of one symbol hold no more evidence than the symbol.
    copied = judge_model(copies, QUICK)
    assert copied.decisions == alone.decisions == 1500
    assert copied.advantage.lower == pytest.approx(alone.advantage.lower, abs=1e-12)
    assert copied.evidence.knows.gain.lower == pytest.approx(alone.evidence.knows.gain.lower)


def test_the_verdict_is_seeded_and_goes_into_json():
    inputs = predictions(5, 800, 0.03, simulated=True)
    verdict = judge_model(inputs, QUICK)
    assert verdict == judge_model(inputs, QUICK)
    assert verdict.sentence.startswith(f"{verdict.kind.capitalize()} (simulated bars): right on ")
    back = json.loads(json.dumps(json_safe(verdict), allow_nan=False))
    assert back["kind"] == verdict.kind
    assert back["evidence"]["hits"]["advantage"]["lower"] == verdict.advantage.lower
    assert [one["question"] for one in back["answers"]] == list(QUESTIONS.values())


def test_one_class_is_judged_without_error():
    inputs = EvidenceInputs(
        label=np.ones(300), probability=np.full(300, 0.9), return_net=np.full(300, 0.001),
        deflated=1.0,
    )  # fmt: skip
    verdict = judge_model(inputs, QUICK)
    assert verdict.kind == "earns, but not by forecasting"
    assert verdict.majority_accuracy == 1.0


def test_the_majority_is_the_class_that_was_known_before():
    inputs = predictions(6, 1000, 0.1, up=0.45)
    seen = judge_model(inputs, QUICK)
    known = judge_model(replace(inputs, majority_up=True), QUICK)
    share = np.mean(inputs.label)
    assert seen.majority_accuracy == pytest.approx(1.0 - share)
    assert known.majority_accuracy == pytest.approx(share)
    assert known.kind == seen.kind


def test_bad_input_is_named():
    def judged(label, probability, returns, **options):
        given = {"label": label, "probability": probability, "return_net": returns}
        return judge_model(EvidenceInputs(**given, **options))

    with pytest.raises(ValueError, match="one length"):
        judged([1.0, 0.0], [1.0], [0.0])
    with pytest.raises(ValueError, match="at least one bar"):
        judged([1.0], [1.0], [])
    with pytest.raises(ValueError, match="0 or 1"):
        judged([0.5], [0.7], [0.0])
    with pytest.raises(ValueError, match=r"decision_time must have shape \(2,\)"):
        judged([1.0, 0.0], [1.0, 0.0], [0.1], decision_time=[1, 2, 3])
    with pytest.raises(ValueError, match="got 2 returns of forest and 1 of the model"):
        judged([1.0, 0.0], [1.0, 0.0], [0.1], rival_return_net={"forest": [0.1, 0.2]})
    with pytest.raises(ValueError, match="at least 1, got 0"):
        judged([1.0, 0.0], [1.0, 0.0], [0.1], readings=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error_rate": 0.0}, "error_rate must lie in"),
        ({"power": 0.4}, "power must lie in"),
        ({"deflated": 1.0}, "deflated must lie in"),
        ({"smallest_rank": -0.1}, "smallest_rank must lie in"),
        ({"repeated_opens": 0.0}, "repeated_opens must lie in"),
        ({"resamples": 100}, "at least 10 histories beyond the bound.* take 500 or more"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        VerdictConfig(**options)


def test_more_readings_of_the_same_bars_ask_for_more():
    inputs = predictions(3, 6_000, 0.03)
    verdicts = [judge_model(replace(inputs, readings=count)) for count in (1, 2, 40, 4_000)]
    for figure in ("advantage", "net_return"):
        lower = [getattr(verdict, figure).lower for verdict in verdicts]
        assert all(before > after for before, after in pairwise(lower))
    gains = [verdict.evidence.knows.gain.lower for verdict in verdicts]
    assert all(before > after for before, after in pairwise(gains))
    assert [verdict.error_rate for verdict in verdicts] == [0.02, 0.01, 0.0005, 0.000005]
    # Far out the bound is that of the normal law, which percentiles of these sums follow.
    spread = verdicts[0].advantage.standard_error
    expected = verdicts[0].advantage.estimate - stats.norm.ppf(1.0 - 0.000005) * spread
    assert verdicts[-1].advantage.lower == pytest.approx(expected, rel=0.05)
    assert "Counted: 40 models" in verdicts[2].sentence
    assert "Counted" not in verdicts[0].sentence


def test_rivals_are_paired_bar_by_bar():
    inputs = predictions(7, 2000, 0.1)
    ahead = inputs.return_net + 1e-4  # always one basis point more
    both = replace(
        inputs, rival_return_net={"forest": ahead, "buy and hold": inputs.return_net - 1e-4}
    )
    verdict = judge_model(both, QUICK)
    assert verdict.kind == "earns, but others earn more simply"
    assert verdict.evidence.rivals["forest"].lower == pytest.approx(1e-4)
    assert "forest earned 1.000 bps per bar more" in verdict.sentence
    assert judge_model(replace(inputs, other_return_net={"forest": ahead}), QUICK).kind == "edge"


def test_one_that_did_as_well_is_named_in_the_headline():
    inputs = predictions(7, 2000, 0.1)
    noise = 1e-3 * np.random.default_rng(1).normal(size=2000)
    near = inputs.return_net + noise - noise.mean() + 1e-6
    verdict = judge_model(replace(inputs, rival_return_net={"a random forest": near}), QUICK)
    assert verdict.kind == "edge"
    assert "A random forest did as well or better here" in verdict.sentence


def test_opens_that_repeat_the_close_ask_for_a_later_fill():
    inputs = predictions(8, 2000, 0.1, repeated_opens=0.94)
    gone = replace(inputs, later_return_net=-np.abs(inputs.return_net) / 10)
    verdict = judge_model(gone, QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "94% of what it trades meets one that repeats the last close" in verdict.sentence
    assert verdict.bars_needed is None
    stays = replace(inputs, later_return_net=inputs.return_net * 0.6)
    assert judge_model(stays, QUICK).kind == "edge"


def test_costs_below_the_spread_that_the_bars_show_are_named():
    inputs = predictions(8, 2000, 0.1, half_spread_bps=6.0, cost_bps=2.0)
    assert "half a spread of 6.00 bps" in judge_model(inputs, QUICK).answers[1].sentence
    dear = replace(inputs, cost_bps=7.0)
    assert "half a spread" not in judge_model(dear, QUICK).answers[1].sentence


def test_a_spread_that_takes_it_all_is_in_the_headline_of_an_edge():
    inputs = predictions(8, 2000, 0.1, half_spread_bps=6.0, cost_bps=2.0)
    dear = replace(inputs, spread_return_net=inputs.return_net - 2.0 * inputs.return_net.mean())
    verdict = judge_model(dear, QUICK)
    assert verdict.kind == "edge"
    assert "half a spread of 6.00 bps, more than the 2.00 bps per side" in verdict.sentence
    assert "with that it earns -" in verdict.sentence
    cheap = replace(inputs, spread_return_net=0.9 * inputs.return_net)
    assert "half a spread" not in judge_model(cheap, QUICK).sentence


def test_an_account_that_holds_is_told_from_one_that_forecasts():
    inputs = predictions(8, 2000, 0.1)
    position = np.where(np.arange(2000) < 1999, 1.0, 0.0)
    gains, noise = inputs.return_net, 1e-3 * np.random.default_rng(1).normal(size=2000)

    def verdict(held, moves=position):
        rivals = {STEADY: held, "a logistic regression": np.zeros(2000)}
        return judge_model(replace(inputs, rival_return_net=rivals, position=moves), QUICK)

    seldom = verdict(0.2 * gains)
    assert seldom.kind == "cannot tell yet"
    assert "another than the usual one in 1 bar, too few to tell it from holding" in seldom.sentence
    moving = np.where(np.arange(2000) % 3 == 0, 0.0, 1.0)
    assert verdict(0.2 * gains, moving).kind == "edge"
    most = verdict(0.8 * gains, moving)
    assert "Of that, holding its mean position all the time earned" in most.sentence
    as_much = verdict(gains + noise - noise.mean() + 1e-6, moving)
    assert as_much.kind == "earns, but others earn more simply"
    assert "holding its mean position (+0.67) all the time earned" in as_much.sentence
    unsure = verdict(gains + noise - noise.mean() - 1e-6, moving)
    assert unsure.kind == "cannot tell yet"
    assert "which is not shown to be less" in unsure.sentence
    same = verdict(gains, moving)
    assert "holding its mean position earned the same, bar by bar" in same.sentence


def test_bars_without_volume_leave_the_impact_open():
    inputs = predictions(8, 2000, 0.1, silent=1)
    verdict = judge_model(inputs, QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "the bars of 1 symbol have no volume" in verdict.sentence
    assert "--backtest.costs.impact_coefficient 0" in verdict.sentence
    assert judge_model(replace(inputs, coefficient=0.0), QUICK).kind == "edge"


def test_an_account_that_shrinks_with_its_impact_does_not_pay():
    inputs = predictions(8, 2000, 0.1, capital=100_000.0, volume_share=0.02)
    wild = np.where(np.arange(2000) % 2 == 0, 0.9, -0.8)
    verdict = judge_model(replace(inputs, impact_return_net=wild), QUICK)
    assert verdict.answers[1].word == "no"
    assert "nothing is left with the impact of 100,000" in verdict.sentence
    assert "with the impact of its own orders: gains and losses" in verdict.answers[1].sentence


def test_the_impact_of_its_own_orders_can_take_it_all():
    size = {"capital": 100_000.0, "volume_share": 0.02}
    inputs = predictions(8, 2000, 0.1, **size)
    small = replace(inputs, impact_return_net=inputs.return_net * 0.9)
    verdict = judge_model(small, QUICK)
    assert verdict.kind == "edge"
    assert "at a capital of 100,000 it is" in verdict.answers[1].sentence
    assert "2% of what is traded in a usual bar" in verdict.answers[1].sentence
    large = replace(inputs, impact_return_net=inputs.return_net - 2.0 * inputs.return_net.mean())
    verdict = judge_model(large, QUICK)
    assert verdict.kind == "forecasts, but not at a price you get"
    assert "nothing is earned at that size" in verdict.sentence
    unsure = replace(inputs, impact_return_net=inputs.return_net - 0.9 * inputs.return_net.mean())
    verdict = judge_model(unsure, QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "with the impact of a capital of 100,000 is" in verdict.sentence
    assert verdict.bars_needed > 2000


def test_a_capital_beyond_all_that_is_traded_cannot_be_judged():
    inputs = predictions(8, 2000, 0.1, capital=100_000.0, volume_share=90.0)
    verdict = judge_model(replace(inputs, impact_return_net=-inputs.return_net), QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "is 90 times what is traded in a usual bar" in verdict.sentence
    assert "--backtest.capital" in verdict.sentence
    assert "more bars" not in verdict.sentence
    paid = replace(inputs, coefficient=0.0)
    assert judge_model(paid, QUICK).kind == "edge"
    assert "left out, as was asked" in judge_model(paid, QUICK).answers[1].sentence


def test_probabilities_that_are_too_sure_are_told_to_be_calibrated():
    inputs = predictions(8, 2000, 0.1)
    side = np.sign(np.asarray(inputs.probability) - 0.5)
    sure = replace(inputs, probability=0.5 + 0.499 * side)
    verdict = judge_model(sure, QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "probabilities that are calibrated on earlier bars would settle it" in verdict.sentence
    assert "could be chance" not in verdict.sentence
    assert judge_model(replace(inputs, probability=0.5 + 0.1 * side), QUICK).kind == "edge"


@pytest.mark.parametrize(
    ("bars_per_year", "long"), [(365.0, "years)"), (8_760.0, "month"), (1e8, "less than a month)")]
)
def test_what_would_settle_it_is_said_in_months_too(bars_per_year, long):
    weak = (predictions(seed, 400, 0.05, bars_per_year=bars_per_year) for seed in range(20))
    found = [judge_model(inputs, QUICK) for inputs in weak]
    open_ = [one for one in found if one.bars_needed is not None]
    assert len(open_) > 3
    assert all(f"{one.bars_needed:,} bars (" in one.sentence for one in open_)
    assert any(long in one.sentence for one in open_)


@pytest.mark.parametrize(
    ("deflated", "said"),
    [(0.9799, "is 0.97, not the 0.98"), (0.5, "is 0.50, not"), (0.0001, "is less than 0.01, not")],
)
def test_a_probability_is_never_rounded_up_to_what_is_asked_for(deflated, said):
    assert said in judge_model(predictions(8, 2000, 0.1, deflated=deflated), QUICK).sentence


def test_one_decision_is_not_several():
    assert "of 1 decision time, " in judge_model(predictions(8, 1, 0.1), QUICK).sentence


def test_an_account_that_only_holds_is_no_edge_of_the_model():
    inputs = predictions(7, 2000, 0.1, position=np.ones(2000))
    held = replace(inputs, rival_return_net={"buy and hold": np.asarray(inputs.return_net)})
    verdict = judge_model(held, QUICK)
    assert verdict.kind == "earns, but others earn more simply"
    assert "holding the market earned the same, bar by bar" in verdict.sentence
    assert verdict.answers[4].sentence == "The account of buy and hold is the same, bar by bar."


def test_the_market_is_said_to_have_risen_where_it_has():
    inputs = predictions(7, 2000, 0.0, position=np.ones(2000))
    gains = np.abs(np.asarray(inputs.return_net))
    rose = replace(inputs, return_net=gains, rival_return_net={"buy and hold": gains - 1e-5})
    fell = replace(rose, rival_return_net={"buy and hold": -gains})
    assert (
        "long 100% of the time on average, and the market rose" in judge_model(rose, QUICK).sentence
    )
    assert "the market rose" not in judge_model(fell, QUICK).sentence


def test_the_rival_that_is_shown_better_is_the_one_that_is_named():
    inputs = predictions(7, 2000, 0.1)
    own, draw = np.asarray(inputs.return_net), np.random.default_rng(1)
    noise = draw.normal(size=2000)
    wild = own + 2e-3 + 0.3 * (noise - noise.mean())
    both = replace(inputs, rival_return_net={"wild": wild, "steady": own + 1e-4})
    verdict = judge_model(both, QUICK)
    rivals = verdict.evidence.rivals
    assert rivals["wild"].estimate > rivals["steady"].estimate
    assert rivals["wild"].lower < 0.0
    assert "steady earned 1.000 bps per bar more" in verdict.sentence
    assert "The best simpler one, steady," in verdict.answers[4].sentence


def test_many_models_leave_no_certainty():
    verdict = judge_model(predictions(8, 4000, 0.2, readings=1000), QUICK)
    assert "99.998% confidence" in verdict.answers[1].sentence
    assert "100%" not in verdict.sentence


def test_decisions_of_several_symbols_are_not_called_times():
    inputs = predictions(8, 2000, 0.1)
    time = np.repeat(np.arange(500), 4)
    verdict = judge_model(replace(inputs, decision_time=time), QUICK)
    assert "of 2,000 decisions at 500 times, " in verdict.sentence


def test_a_log_loss_that_is_shown_better_is_knowledge_however_small_the_rank():
    """One foreseen crash in a hundred bars moves few pairs and many nats."""
    draw = np.random.default_rng(3)
    falls = draw.random(20_000) < 0.01
    told = np.where(falls, draw.random(20_000) < 0.5, False)
    label = np.where(falls, 0.0, (draw.random(20_000) < 0.5).astype(float))
    inputs = predictions(3, 20_000, 0.0)
    foreseen = replace(inputs, label=label, probability=np.where(told, 0.02, 0.5))
    verdict = judge_model(foreseen, VerdictConfig(resamples=1000, smallest_rank=0.02))
    assert verdict.evidence.knows.rank.upper < 0.02
    assert verdict.answers[0].word == "yes"


def test_an_account_that_shrinks_does_not_pay_whatever_its_average_bar():
    inputs = predictions(8, 2000, 0.1)
    wild = np.where(np.arange(2000) % 2, 0.95, -0.9)  # +2.5% on average, and ruin
    verdict = judge_model(replace(inputs, return_net=wild), QUICK)
    assert verdict.answers[1].word == "no"
    assert verdict.kind == "forecasts, but not at a price you get"
    assert "gains and losses of this size made -100% of it" in verdict.sentence


def test_what_is_too_good_is_called_a_leak():
    inputs = predictions(8, 2000, 0.5)
    assert "So much is a leak until shown otherwise" in judge_model(inputs, QUICK).sentence
    assert "leak" not in judge_model(predictions(8, 2000, 0.1), QUICK).sentence


def test_bars_of_training_are_no_test():
    verdict = judge_model(predictions(8, 2000, 0.2, seen=1_500), QUICK)
    assert verdict.kind == "cannot tell yet"
    assert "1,500 decisions of these lie before its test part" in verdict.sentence
    assert verdict.bars_needed is None


def test_every_word_has_a_tone():
    assert set(TONES) == set(KINDS)
