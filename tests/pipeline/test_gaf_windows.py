"""One file of fine bars, a folder for each length: whose bars, whose labels, what is left."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features.gaf import gaf_images, gaf_numbers
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.pipeline import gaf_files, gaf_windows
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.pipeline.gaf_windows import plan_sentences, plan_windows, write_windows

LABEL = LabelSpec()


@pytest.fixture(scope="module")
def market():
    data = DataConfig(simulated_rows=4_000, simulated_interval="1min")
    bars = next(iter(load_market(data, LABEL).bars.values()))
    return Market({"BNB": dataclasses.replace(bars, symbol="BNB")})


def config_of(folder, **changes):
    given = {"windows": "15min,30min", "window_bars": 8, "size": 8, "train_fraction": 0.8}
    return GafFilesConfig(output=str(folder), **{**given, **changes})


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".log"
    }


def test_each_length_has_its_bars_its_labels_and_its_log(market, tmp_path):
    seen = []
    files = plan_windows(market, LABEL, config_of(tmp_path / "gaf"))
    folders = write_windows(files, LABEL, report=lambda *rows: seen.append(rows))
    assert [folder.name for folder in folders] == ["bnb_15m", "bnb_30m"]
    for folder, minutes in zip(folders, (15, 30), strict=True):
        frame = (
            market.frame("BNB")
            .resample(f"{minutes}min")
            .agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
        )
        rows = np.load(folder / "val_rows.npy")
        images = gaf_images(gaf_numbers(frame["close"], 8, 8, dtype=np.float32))
        np.testing.assert_array_equal(np.load(folder / "val_images.npy"), images[rows["bar"] - 7])
        labels = make_labels(frame, LABEL).values[rows["bar"]]
        np.testing.assert_array_equal(np.load(folder / "val_labels.npy")[:, 0], labels)
        closes = frame.index[rows["bar"]] + pd.Timedelta(minutes=minutes)
        np.testing.assert_array_equal(rows["decision_time"], closes.as_unit("ns").asi8)
        metadata = json.loads((folder / "metadata.json").read_text())
        assert metadata["interval"] == str(pd.Timedelta(minutes=minutes))
        log = (tmp_path / "gaf" / "logs" / f"gaf_{folder.name}.log").read_text()
        assert log.strip().endswith(f"finished: {folder}")
    assert seen[-1] == (sum(one.plan.rows for one in files),) * 2


def test_interrupted_writing_goes_on_to_the_same_bytes(market, tmp_path, monkeypatch):
    monkeypatch.setattr(gaf_files, "BLOCK_ROWS", 16)
    monkeypatch.setattr(gaf_files, "NOTED_BLOCKS", 2)
    write_windows(plan_windows(market, LABEL, config_of(tmp_path / "whole")), LABEL)
    files = plan_windows(market, LABEL, config_of(tmp_path / "cut"))

    def stop(done, total):
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"stopped; .*\.unfinished keeps \d+ of"):
        write_windows(files, LABEL, report=stop)
    # Another storage is refused before anything of it is begun.
    before = contents(tmp_path / "cut")
    other = plan_windows(market, LABEL, config_of(tmp_path / "cut", storage="uint8"))
    with pytest.raises(ValueError, match="was begun with other storage"):
        write_windows(other, LABEL, resume=True)
    assert contents(tmp_path / "cut") == before
    with pytest.raises(FileExistsError, match="--resume"):
        write_windows(files, LABEL)
    write_windows(files, LABEL, resume=True)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    # All finished: nothing is written anew.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*.npy")}
    write_windows(files, LABEL, resume=True)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_the_plan_says_what_it_takes_and_refuses_to_fill_the_disk(market, tmp_path, monkeypatch):
    files = plan_windows(market, LABEL, config_of(tmp_path / "gaf", window_bars=64, size=64))
    said = plan_sentences(files)
    assert said[0].startswith("bnb_15m: ")
    assert "all as float32" in said[-1]
    assert "numbers 0.000 GB" in said[-1]
    usage = gaf_files.shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(gaf_files.shutil, "disk_usage", lambda path: usage)
    # Each alone would have room.
    assert max(one.plan.bytes for one in files) < 8_000_000
    with pytest.raises(ValueError, match=r"has 0\.005 GB free.*--storage numbers"):
        write_windows(files, LABEL)
    assert list(tmp_path.iterdir()) == []
    assert gaf_windows.plan_sentences(files) == said


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ("90s", "multiples of the bars' length"),
        ("15min,soon", "each of windows must be a length of time, got 'soon'"),
        ("-15min", "must be above zero"),
        ("15min,900s", "two folders would be called bnb_15m"),
        ("1D", "make 2 of 1 day, at least 32 are needed"),
    ],
)
def test_lengths_that_cannot_be_are_refused(market, tmp_path, windows, message):
    with pytest.raises(ValueError, match=message):
        plan_windows(market, LABEL, config_of(tmp_path, windows=windows))
    with pytest.raises(ValueError, match="different lengths"):
        config_of(tmp_path, windows="15min, 15min")
    with pytest.raises(ValueError, match="windows names no length, got ',,'"):
        config_of(tmp_path, windows=",,")
