"""Costs: what they add up to and what is refused."""

import pytest

from ultimate_deep.portfolio.costs import CostSpec


def test_costs_add_up_in_basis_points():
    costs = CostSpec(fee_bps=1.5, slippage_bps=0.5)
    assert costs.per_side_bps == 2.0
    assert costs.round_trip_bps == 4.0
    assert costs.per_side_fraction == pytest.approx(0.0002, rel=1e-15)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["fee_bps", "slippage_bps"])
def test_negative_or_undefined_costs_are_refused_by_name(name, bad):
    with pytest.raises(
        ValueError, match=f"{name} must be (finite and not negative|a finite number), got"
    ):
        CostSpec(**{name: bad})


def test_costs_that_eat_the_account_are_refused():
    with pytest.raises(ValueError, match="below 5000 per side"):
        CostSpec(fee_bps=4999.0, slippage_bps=1.0)


@pytest.mark.parametrize("bad", ["1", None, True])
def test_costs_that_are_no_numbers_are_refused(bad):
    with pytest.raises(TypeError, match="fee_bps must be a number"):
        CostSpec(fee_bps=bad)
