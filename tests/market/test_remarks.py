"""Remarks on valid bars: what a reader of results must know about the prices."""

from dataclasses import replace

from ultimate_deep.market.remarks import remarks, stale_open_share
from ultimate_deep.market.simulator import simulate_bars


def test_opens_that_repeat_the_last_close_are_remarked():
    bars = simulate_bars(600, seed=1).bars
    assert stale_open_share(bars) < 0.5
    assert not any("print" in text for text in remarks(bars))
    frame = bars.frame.copy()
    frame.loc[frame.index[1:], "open"] = frame["close"].to_numpy()[:-1]
    stale = replace(bars, frame=frame)
    assert stale_open_share(stale) == 1.0
    assert any("very print" in text for text in remarks(stale))


def test_bitcoin_hours_are_remarked_and_equities_are_not(real_bars_folder):
    from ultimate_deep.market.readers import read_files

    bitcoin = read_files(real_bars_folder / "btcusd_1h.parquet")["BTCUSD"]
    assert any("very print" in note for note in bitcoin.notes)
    spy = read_files(real_bars_folder / "spy_1h.parquet")["SPY"]
    assert not any("very print" in note for note in spy.notes)
