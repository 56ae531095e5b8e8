"""Orders that meet a stale price: how much they are of what is traded, and what waiting does."""

import numpy as np

import ultimate_deep as ud
from ultimate_deep.pipeline.filling import stale_orders, stale_share, waiting


def test_the_share_is_of_what_is_traded():
    wanted = np.array([np.nan, 1.0, 1.0, 0.0, -1.0, np.nan])
    # Trades 1 at bar 2, 1 at bar 4, 1 at bar 5 and 1 (to flat) after the last.
    stale = np.array([True, True, True, True, False, False])
    orders = stale_orders(wanted, stale, delay_bars=1, horizon_bars=1)
    assert stale_share([orders]) == 0.25
    assert stale_share([stale_orders(wanted, stale, delay_bars=2, horizon_bars=1)]) == 0.25
    idle = stale_orders(np.zeros(6), stale, delay_bars=1, horizon_bars=1)
    assert stale_share([idle]) == 0.5
    # Symbols that are not traded do not hide the one that is.
    fresh = stale_orders(np.zeros(6), stale & False, delay_bars=1, horizon_bars=1)
    assert stale_share([orders, *[fresh] * 19]) == 0.25


def test_orders_at_stale_prices_wait_one_bar():
    wanted = np.array([1.0, -1.0, 0.5, np.nan, 1.0])
    stale = np.array([False, True, False, False, True])
    price, loud = np.arange(5.0), np.zeros(5, bool)
    found = waiting(wanted, stale, price, loud, near=0.1, delay_bars=1)
    # The first order meets a stale price and comes with the second, which is fresh and newer; so
    # does the fourth, which is none.
    np.testing.assert_array_equal(found, [np.nan, -1.0, 0.5, 0.5, 1.0])
    fresh = waiting(wanted, ~stale & False, price, loud, near=0.1, delay_bars=1)
    np.testing.assert_array_equal(fresh, wanted)


def test_they_wait_until_there_is_another_price():
    """Nobody trades in four bars, of which only the first begins with the last close."""
    wanted = np.array([1.0, 0.2, 0.3, 0.4, -1.0, -1.0])
    price = np.array([9.0, 10.0, 10.0, 10.05, 10.0, 11.0])
    stale = np.array([False, True, True, True, True, False])
    loud = np.zeros(6, bool)
    found = waiting(wanted, stale, price, loud, near=0.1, delay_bars=1)
    np.testing.assert_array_equal(found, [np.nan] * 4 + [-1.0, -1.0])
    # Each order at a price that moves comes one bar later.
    moving = waiting(wanted, stale, np.arange(6.0), loud, near=0.1, delay_bars=1)
    np.testing.assert_array_equal(moving, [np.nan, 1.0, 0.2, 0.3, -1.0, -1.0])
    # With two bars from decision to fill the first fill is the third bar's.
    late = waiting(wanted, stale, price, loud, near=0.1, delay_bars=2)
    np.testing.assert_array_equal(late, [np.nan] * 3 + [0.4, -1.0, -1.0])
    # Nobody trades in the third and fourth bar, whatever price somebody has drawn there.
    silent = np.array([False, False, True, True, False, False])
    drawn = waiting(wanted, silent, np.arange(6.0), silent, near=0.1, delay_bars=1)
    np.testing.assert_array_equal(drawn, [1.0, 1.0, 1.0, 0.4, -1.0, -1.0])


def test_bounce_in_the_quiet_hours_alone_is_no_edge(tmp_path):
    """44% of all opens repeat the close, and the account trades at no others."""
    import pandas as pd

    rows, end = 3_000, 1_000
    draw = np.random.default_rng(5)
    index = pd.date_range("2020-01-01", periods=rows, freq="h", tz="UTC", name="timestamp")
    quiet = index.hour < 11
    side = np.where(quiet, draw.choice([-1.0, 1.0], rows), 0.0)
    mid = np.cumsum(5e-4 * draw.normal(size=rows))
    close = 100.0 * np.exp(mid + 1e-3 * side)
    last = np.r_[100.0, close[:-1]]
    fresh = 100.0 * np.exp(np.r_[0.0, mid[:-1]] + 1e-4 * draw.normal(size=rows))
    opened = np.where(np.r_[False, quiet[:-1]], last, fresh)
    high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
    frame = pd.DataFrame(
        {"open": opened, "high": high, "low": low, "close": close, "volume": 1e8}, index=index
    )
    guess = pd.Series(0.5 - 0.2 * side, index)[end + 2 : -2]
    found = ud.judge(
        guess, frame, trained_until=index[end], baselines=False, artifacts=tmp_path,
        mode="long_short", threshold=0.6, costs={"fee_bps": 0.5, "slippage_bps": 0.5},
    )  # fmt: skip
    evidence = found.verdict.evidence
    assert evidence.net.lower > 0.0
    assert evidence.repeated_opens > 0.8
    assert found.verdict.kind != "edge"
    assert found.verdict.answers[2].word == "open"
