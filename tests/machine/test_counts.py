"""Singular and plural."""

import numpy as np

from ultimate_deep.machine.counts import how_many, noun_for


def test_one_is_one_and_all_others_are_many():
    assert [how_many(count, "bar") for count in (0, 1, 2, 1_200)] == [
        "0 bars", "1 bar", "2 bars", "1,200 bars",
    ]  # fmt: skip
    assert how_many(np.int64(1), "model has", "models have") == "1 model has"
    assert noun_for(1.0, "trial") == "trial"
    assert noun_for(11.3, "trial") == "trials"
