import math

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.measures.spread import (
    bounce,
    effective_spread,
    half_spread,
    nearest_told,
    repeats,
)


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
    assert not repeats(frame.iloc[:1]).any()


def walk(rows=4_000, half=0.0, seed=1):
    """Closes at bid or ask of a random walk of 10 bps a bar, and opens at the last close."""
    draw = np.random.default_rng(seed)
    mid = np.cumsum(1e-3 * draw.normal(size=rows))
    close = 100.0 * np.exp(mid + half * draw.choice([-1.0, 1.0], rows))
    return pd.DataFrame({"open": np.r_[close[0], close[:-1]], "close": close})


def test_what_rounding_ticks_and_noise_leave_apart_is_repeated():
    frame, draw = walk(), np.random.default_rng(2)
    last = frame["open"].to_numpy()
    for opened in (
        last.astype(np.float32),
        last.round(4),
        last * (1.0 + 1e-5 * draw.normal(size=4_000)),
    ):
        assert repeats(frame.assign(open=opened.astype(float)))[1:].mean() > 0.9
    rounded = frame.round(2)
    tick = rounded["open"] + 0.01 * draw.choice([-1.0, 1.0], 4_000)
    assert repeats(rounded.assign(open=tick))[1:].all()
    # One price with more digits does not hide the tick.
    odd = rounded.assign(open=tick)
    odd.loc[7, "close"] += 0.0013
    assert repeats(odd)[1:].mean() > 0.99
    fresh = frame.assign(open=last * (1.0 + 2e-4 * draw.normal(size=4_000)))
    assert repeats(fresh)[1:].mean() < 0.2


def test_closes_that_go_back_tell_of_a_bounce():
    assert bounce(walk(half=8e-4)) == pytest.approx(8e-4, rel=0.1)
    assert [bounce(walk(seed=seed)) for seed in range(20)] == [0.0] * 20
    assert bounce(walk().iloc[:2]) == 0.0
    # Nearer than a third of it is the same side.
    frame = walk(half=8e-4)
    same_side = frame.assign(open=frame["open"] * (1.0 + 2e-4))
    assert repeats(same_side)[1:].all()
    assert nearest_told(frame) == pytest.approx(8e-4 / 3.0 * frame["close"].median(), rel=0.1)
