import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from ultimate_deep.evaluation.verdicts.claims import claim_rates


def test_claim_rates_count_and_their_bounds_are_those_of_statsmodels():
    kinds = ["edge", "no edge", "cannot tell yet", "edge", "edge", "cannot tell", "edge"]
    without, with_edge = claim_rates([0, 0, 0, 1, 1, 1, 1], kinds)
    assert (without.markets, without.claims, without.cannot_tell) == (3, 1, 1)
    assert (with_edge.markets, with_edge.claims, with_edge.cannot_tell) == (4, 3, 1)
    assert (without.has_edge, with_edge.has_edge) == (False, True)
    for claims, markets in itertools.product((0, 3, 10, 200), (200,)):
        verdicts = ["edge"] * claims + ["no edge"] * (markets - claims)
        rate, other = claim_rates(np.zeros(markets), verdicts, level=0.9)
        low, high = proportion_confint(claims, markets, alpha=0.1, method="beta")
        assert (rate.lower, rate.upper) == pytest.approx((low, high), abs=1e-9)
        assert rate.rate == claims / markets
        assert rate.p_value == pytest.approx(
            sum(binom.pmf(k, markets, 0.02) for k in range(claims, markets + 1)), abs=1e-12
        )
        assert math.isnan(other.rate)
        assert (other.lower, other.upper) == (0.0, 1.0)
    _, found = claim_rates(np.ones(200), ["edge"] * 180 + ["cannot tell"] * 20)
    assert found.p_value == pytest.approx(binom.cdf(180, 200, 0.95))
    assert found.sentence == (
        "180 claims on 200 markets with a tradeable edge: 90.0% (95% interval 85.0% to 93.8%), "
        "designed for 95%"
    )
    assert found.to_dict()["claims"] == 180


@pytest.mark.parametrize(
    ("has_edge", "kinds", "message"),
    [
        ([0, 1], ["edge"], "one verdict per market: 2 markets, 1 verdicts"),
        ([0], ["maybe"], r"a verdict is .*got \['maybe'\]"),
        ([0.5], ["edge"], "has_edge must be 0 or 1, got 0.5"),
    ],
)
def test_bad_verdicts_are_named(has_edge, kinds, message):
    with pytest.raises(ValueError, match=message):
        claim_rates(has_edge, kinds)
