"""The real bars are read as their list of contents says, and as their vendors ship them."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.readers import read_files

FILES = {
    "btcusd_1h": (20_111, "2017-07", "2019-10", "1h", "continuous", 8766),
    "gbpusd_1h": (57_600, "2012-11", "2022-03", "1h", "weekdays", 6196),
    "usdjpy_1h": (57_600, "2012-11", "2022-03", "1h", "weekdays", 6196),
    "audusd_1h": (57_600, "2012-11", "2022-03", "1h", "weekdays", 6196),
    "usdcad_1h": (57_600, "2012-11", "2022-03", "1h", "weekdays", 6196),
    "xauusd_1h": (57_600, "2012-05", "2022-03", "1h", "weekdays", 5879),
    "spy_1h": (40_832, "1998-01", "2021-03", "1h", "exchange", 1757),
    "aapl_1h": (40_831, "1998-01", "2021-03", "1h", "exchange", 1757),
    "btcusd_1m": (3_887, "2018-04", "2018-04", "1min", "continuous", 525_960),
    "eurusd_1m": (15_366, "2014-05", "2014-05", "1min", "weekdays", 525_960 * 5 / 7),
}


@pytest.mark.parametrize("name", FILES)
def test_real_bars_are_read(name, real_bars_folder):
    rows, first, last, interval, session, bars_per_year = FILES[name]
    symbol = name.split("_")[0].upper()
    bars = read_files(real_bars_folder / f"{name}.parquet")[symbol]
    assert len(bars) == rows
    assert bars.index[0].strftime("%Y-%m") == first
    assert bars.index[-1].strftime("%Y-%m") == last
    assert bars.interval == pd.Timedelta(interval)
    assert bars.session == session
    assert bars.bars_per_year == pytest.approx(bars_per_year, rel=1e-3)
    assert not bars.simulated
    assert bars.has_volume == (name != "eurusd_1m")
    assert any("Volume is absent" in note for note in bars.notes) == (name == "eurusd_1m")
    # Weekends and nights are closings; what is left is below one bar in forty.
    assert bars.gaps.count < rows / 40
    assert bars.gaps.longest < pd.Timedelta("7D")


def test_the_list_of_files_is_complete(real_bars_folder):
    assert {file.stem for file in real_bars_folder.glob("*.parquet")} == set(FILES)


@pytest.mark.parametrize(
    ("raw", "name", "options"),
    [
        ("cryptodatadownload_Coinbase_BTCUSD_1h.csv", "btcusd_1h", {}),
        ("ejtrader_GBPUSDh1.csv", "gbpusd_1h", {"timezone": "UTC", "price_scale": 100_000}),
        ("lean_spy_hour.csv", "spy_1h", {}),
    ],
)
def test_raw_samples_agree_with_the_canonical_bars(raw, name, options, real_bars_folder):
    symbol = name.split("_")[0].upper()
    canonical = read_files(real_bars_folder / f"{name}.parquet")[symbol].frame
    frame = read_files(real_bars_folder / "raw" / raw, **options)[symbol].frame
    assert len(frame) == 1000
    expected = canonical.loc[frame.index[0] : frame.index[-1]]
    assert list(frame.index) == list(expected.index)
    np.testing.assert_array_equal(frame["volume"], expected["volume"])
    ratio = (frame / expected)[["open", "high", "low", "close"]].to_numpy()
    # The canonical SPY is adjusted for dividends, which scales all prices of these months alike.
    scale = np.median(ratio) if symbol == "SPY" else 1.0
    np.testing.assert_allclose(ratio, scale, rtol=2e-2 if symbol == "SPY" else 1e-12)
    if symbol == "SPY":
        assert 60 < frame["close"].min() < frame["close"].max() < 130


def test_raw_samples_that_do_not_say_enough_are_refused(real_bars_folder):
    path = real_bars_folder / "raw" / "ejtrader_GBPUSDh1.csv"
    with pytest.raises(BarsError, match=r"naive time.*row 0 is 2012-11-16 05:00:00.*timezone="):
        read_files(path)
    with pytest.raises(BarsError, match=r"integer prices.*opens at 158611.*price_scale=100000"):
        read_files(path, timezone="UTC")
    with pytest.raises(BarsError, match=r"BTCUSD: the bars of btcusd_1h.parquet are of"):
        read_files(real_bars_folder)


def test_ties_of_real_hours_are_as_rare_as_known(real_bars_folder):
    frame = read_files(real_bars_folder / "spy_1h.parquet")["SPY"].frame
    labels = make_labels(frame, LabelSpec())
    defined = labels.exit_row >= 0
    assert np.isnan(labels.values[defined]).mean() == pytest.approx(0.015, abs=0.001)
