"""Singular and plural, and numbers with signs."""

import math

import numpy as np

from ultimate_deep.machine.counts import how_many, noun_for, signed


def test_one_is_one_and_all_others_are_many():
    assert [how_many(count, "bar") for count in (0, 1, 2, 1_200)] == [
        "0 bars", "1 bar", "2 bars", "1,200 bars",
    ]  # fmt: skip
    assert how_many(np.int64(1), "model has", "models have") == "1 model has"
    assert noun_for(1.0, "trial") == "trial"
    assert noun_for(11.3, "trial") == "trials"


def test_a_sign_has_a_number_that_tells_it_from_zero():
    assert [signed(one) for one in (0.1234, -2.0, 0.0, -0.0005)] == [
        "+0.123", "-2.000", "+0.000", "-0.001",
    ]  # fmt: skip
    assert [signed(one) for one in (-0.0002, 0.00042, -3e-7)] == [
        "-0.0002",
        "+0.0004",
        "-0.0000003",
    ]
    assert signed(math.nan) == "+nan"
    assert signed(math.inf) == "+inf"
