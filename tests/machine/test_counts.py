"""Singular and plural, and numbers with signs."""

import math

import numpy as np

from ultimate_deep.machine.counts import amount, chance, how_many, noun_for, signed, written


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


def test_many_percent_are_a_multiple_in_three_digits():
    assert [written(one, "{:+,.1%}") for one in (0.5, 99.9, -0.25)] == [
        "+50.0%",
        "+9,990.0%",
        "-25.0%",
    ]
    assert [written(one, "{:+,.1%}") for one in (100.0, 123.4, -12_345.0, 5.4321e9)] == [
        "+100 times", "+123 times", "-12,300 times", "+5.43 billion times",
    ]  # fmt: skip
    assert written(1.66e16, "{:+.1%}") == "+1.7\u00d710^16 times"
    assert written(5.972e34, "by {:.0%} more") == "by 6\u00d710^34 times more"
    assert written(4.381e7, "{:+.1%}") == "+43.8 million times"
    assert written(99.99999, "{:.1%}") == "100 times"
    assert [written(1e6, "{:,.0f}"), written(1e6, "{:+.2f} bps")] == [
        "1,000,000",
        "+1000000.00 bps",
    ]
    assert written(math.inf, "{:.1%}") == "inf%"


def test_large_amounts_are_words():
    assert [amount(one) for one in (0.0123, 1_234.0, 999.9e6, 9.999e8, 1.5e9, 3e12, 9.999e14)] == [
        "0.0123", "1,230", "1 billion", "1 billion", "1.5 billion", "3 trillion",
        "1\u00d710^15",
    ]  # fmt: skip
    assert amount(998.6e6) == "999,000,000"


def test_no_chance_is_certain():
    assert [chance(one) for one in (1.0, 0.99951, 0.9994, 0.5, 0.0006, 0.0004, 0.0)] == [
        "more than 99.9%", "more than 99.9%", "99.9%", "50.0%", "0.1%", "less than 0.1%",
        "less than 0.1%",
    ]  # fmt: skip
    assert [chance(one, 0) for one in (0.997, 0.42, 0.001)] == [
        "more than 99%", "42%", "less than 1%",
    ]  # fmt: skip
