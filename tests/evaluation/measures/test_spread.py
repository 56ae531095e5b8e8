import math

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.measures.spread import effective_spread, half_spread, repeats


def bars(spread, trades=50, rows=4_000, seed=1):
    draw = np.random.default_rng(seed)
    mid = np.cumsum(draw.normal(size=rows * trades) * 8e-4 / np.sqrt(trades))
    price = (mid + spread / 2.0 * draw.choice([-1.0, 1.0], rows * trades)).reshape(rows, trades)
    columns = {
        "open": price[:, 0], "high": price.max(axis=1), "low": price.min(axis=1),
        "close": price[:, -1],
    }  # fmt: skip
    return np.exp(pd.DataFrame(columns))


@pytest.mark.parametrize("spread", [5e-4, 2e-3, 1e-2])
def test_the_spread_of_trades_at_bid_and_ask_is_found(spread):
    assert effective_spread(bars(spread)) == pytest.approx(spread, rel=0.06)


def test_no_spread_is_nearly_none():
    assert effective_spread(bars(0.0)) < 2e-4


def test_half_of_a_spread_is_what_every_quarter_shows():
    wide, none = bars(4e-3), bars(0.0, seed=2)
    assert half_spread(wide) == pytest.approx(2e-3, rel=0.1)
    changed = pd.concat([wide.iloc[:3_000], none.iloc[:1_000] + 5.0], ignore_index=True)
    assert half_spread(changed) < 1e-4
    assert math.isnan(half_spread(wide.iloc[:8]))


def test_bars_that_do_not_move_have_no_spread_to_find():
    still = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), np.full(50, 7.0)))
    assert math.isnan(effective_spread(still))
    assert math.isnan(effective_spread(still.iloc[:2]))


def test_opens_that_repeat_the_last_close_are_told():
    frame = pd.DataFrame({"open": [1.0, 2.0, 9.0, 4.0, 5.0], "close": [2.0, 3.0, 4.0, 5.0, 6.0]})
    assert repeats(frame).tolist() == [False, True, False, True, True]
    certain = np.array([False, True, False, False, False])
    # A second trade at one price is on one side of the spread, and a near one is another price.
    assert repeats(frame, certain).tolist() == [False, True, False, True, True]
    assert not repeats(frame.iloc[:1]).any()
