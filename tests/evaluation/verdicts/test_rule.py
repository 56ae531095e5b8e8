import dataclasses
import math
from itertools import product

import pytest

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.evaluation.verdicts.knowledge import Knowledge
from ultimate_deep.evaluation.verdicts.rule import QUESTIONS, STEADY, rule


def interval(word, size=1.0):
    estimate = {"yes": size, "open": 0.5 * size, "no": -size, "same": 0.0}[word]
    error = 0.0 if word == "same" else 0.3 * size
    return Interval(
        estimate=estimate, lower=estimate - 2.0 * error, upper=estimate + 2.0 * error,
        level=0.96, standard_error=error, block_bars=1.0, resamples=4_000,
    )  # fmt: skip


def ranks_alone():
    """Forecasts that are far too sure, in the right order."""
    return Knowledge(gain=interval("no"), rank=interval("yes", 0.1), decisions=1_000)


def evidence(knows="yes", pays="yes", later="yes", **changes):
    values = {
        "knows": knows
        if isinstance(knows, Knowledge)
        else Knowledge(gain=interval(knows), rank=interval(knows, 0.1), decisions=1_000),
        "net": interval(pays, 1e-4),
        "later": interval(later, 1e-4),
        "repeated_opens": 0.0,
        "deflated": 0.999,
        "exposure": 0.0,
        "decisions": 1_000,
        "bars": 1_000,
        "active": 500,
        "error_rate": 0.02,
    }
    return Evidence(**(values | changes))


def opposite(ahead):
    return dataclasses.replace(
        ahead, estimate=-ahead.estimate, lower=-ahead.upper, upper=-ahead.lower
    )


def test_few_stale_prices_are_no_reason_where_nothing_is_earned():
    assert rule(evidence(pays="open", later="open", repeated_opens=0.05)).answers["fills"] == "yes"
    assert rule(evidence(pays="open", later="open", repeated_opens=0.5)).answers["fills"] == "open"


def test_an_edge_needs_all_five():
    assert rule(evidence()).kind == "edge"
    assert set(rule(evidence()).answers) == set(QUESTIONS)
    losing = (
        {"knows": "open"}, {"knows": "no"}, {"pays": "open"}, {"pays": "no"},
        {"repeated_opens": 0.94, "later": "no"}, {"repeated_opens": 0.94, "later": "open"},
        {"deflated": 0.97}, {"rivals": {"forest": interval("yes")}},
        {"decisions": 99}, {"active": 29},
    )  # fmt: skip
    for changes in losing:
        assert rule(evidence(**changes)).kind != "edge", changes


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"pays": "no"}, "forecasts, but not at a price you get"),
        ({"knows": "no"}, "earns, but not by forecasting"),
        ({"knows": "no", "deflated": 0.9}, "no edge"),
        ({"knows": "no", "pays": "no"}, "no edge"),
        ({"rivals": {"forest": interval("yes")}}, "earns, but others earn more simply"),
        ({"rivals": {"forest": interval("open")}}, "edge"),
        ({"knows": "open"}, "cannot tell yet"),
        ({"deflated": math.nan}, "cannot tell yet"),
        ({"repeated_opens": 0.94, "later": "no"}, "cannot tell yet"),
        ({"repeated_opens": 0.94, "later": "yes"}, "edge"),
        ({"repeated_opens": 0.4, "later": "no"}, "cannot tell yet"),
        ({"repeated_opens": 0.4, "later": "no", "patient": interval("yes", 1e-4)}, "edge"),
        ({"repeated_opens": 0.4, "patient": interval("open", 1e-4)}, "cannot tell yet"),
        ({"repeated_opens": 0.09, "later": "no"}, "cannot tell yet"),
        ({"repeated_opens": 0.09, "patient": interval("yes", 1e-4)}, "edge"),
        (
            {"repeated_opens": 0.09, "patient": interval("yes", 1e-4), "patient_total": -0.1},
            "cannot tell yet",
        ),
        ({"rivals": {STEADY: interval("no")}}, "edge"),
        ({"rivals": {STEADY: opposite(interval("open"))}}, "cannot tell yet"),
        ({"rivals": {STEADY: interval("open")}}, "earns, but others earn more simply"),
        ({"rivals": {STEADY: interval("no")}, "moved": 29}, "cannot tell yet"),
        ({"rivals": {STEADY: interval("no")}, "moved": 30}, "edge"),
        ({"rivals": {STEADY: interval("same")}}, "earns, but others earn more simply"),
        ({"spread": interval("no", 1e-4)}, "edge"),
        ({"silent": 1}, "cannot tell yet"),
        ({"silent": 1, "coefficient": 0.0}, "edge"),
        ({"silent": 1, "pays": "no"}, "forecasts, but not at a price you get"),
        (
            {"impact": interval("yes", 1e-4), "total": 0.2, "impact_total": -0.3},
            "forecasts, but not at a price you get",
        ),
        ({"seen": 1}, "cannot tell yet"),
        ({"rivals": {"buy and hold": interval("same")}}, "earns, but others earn more simply"),
        ({"repeated_opens": 0.0, "from_finer_bars": 0.91, "later": "no"}, "edge"),
        ({"decisions": 50}, "cannot tell yet"),
        ({"impact": interval("yes", 1e-4)}, "edge"),
        ({"impact": interval("open", 1e-4)}, "cannot tell yet"),
        ({"impact": interval("no", 1e-4)}, "forecasts, but not at a price you get"),
        ({"impact": interval("no", 1e-4), "volume_share": 1.5}, "cannot tell yet"),
        ({"impact": interval("yes", 1e-4), "volume_share": 1.5}, "cannot tell yet"),
        ({"coefficient": 0.0, "volume_share": 1.5}, "edge"),
        (
            {"pays": "no", "impact": interval("no", 1e-4), "volume_share": 1.5},
            "forecasts, but not at a price you get",
        ),
        ({"knows": ranks_alone()}, "cannot tell yet"),
        ({"knows": ranks_alone(), "pays": "no"}, "no edge"),
    ],
)
def test_the_word_says_which_question_failed(changes, kind):
    assert rule(evidence(**changes)).kind == kind


def test_every_rival_that_is_shown_better_is_named():
    rivals = {"hold": interval("no"), "forest": interval("yes"), "linear": interval("yes")}
    assert rule(evidence(rivals=rivals)).better == ("forest", "linear")


def test_bars_that_settle_it_are_named_where_more_would():
    open_ = rule(evidence(knows="open"))
    assert open_.bars_needed > 1_000
    # Twice the error takes four times the bars.
    wide = dataclasses.replace(interval("open", 1e-4), standard_error=6e-5, lower=-7e-5)
    once = rule(evidence(pays="open")).bars_needed
    assert rule(evidence(net=wide)).bars_needed == pytest.approx(4 * once, rel=0.01)
    # Quotes would settle what is open here, bars of the same kind would not.
    assert rule(evidence(repeated_opens=1.0, later="no")).bars_needed is None
    assert rule(evidence()).bars_needed is None


def test_the_better_the_answers_the_better_the_word():
    order = ("no", "open", "yes")
    for knows, pays, later in product(order, order, order):
        found = rule(evidence(knows=knows, pays=pays, later=later, repeated_opens=1.0))
        if found.kind == "edge":
            assert (knows, pays, later) == ("yes", "yes", "yes")
        if knows == "no" and pays == "no":
            assert found.kind == "no edge"
