"""Features as files: the bits of compute_features, on any number of workers, whole or resumed."""

import json

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features.compute import compute_features
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.readers import write_bars
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.pipeline.feature_files import write_feature_files
from ultimate_deep.pipeline.feature_files_config import FeatureFilesConfig

NAMES = ("return_log_1", "rsi_14", "momentum_z_20", "return_log_1_4x")
SYMBOLS = ("AAA", "BBB", "CCC")


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bars")
    for seed, symbol in enumerate(SYMBOLS):
        write_bars(simulate_bars(700, seed=seed).bars, folder / f"{symbol}_1h.parquet")
    return folder


def config(output, **more):
    return FeatureFilesConfig(output=str(output), names=NAMES, block_rows=256, **more)


def data(folder):
    return DataConfig(path=str(folder))


def test_files_hold_the_bits_of_compute_features_on_any_number_of_workers(bars, tmp_path):
    counted, found = [], {}
    for count in (0, 2):
        found[count] = write_feature_files(
            data(bars), config(tmp_path / f"{count}"), workers=Workers(count=count),
            report=lambda done, total: counted.append((done, total)),
        )  # fmt: skip
    assert sorted(counted) == sorted([(1, 3), (2, 3), (3, 3)] * 2)
    for symbol in SYMBOLS:
        table = pd.read_parquet(found[0] / f"{symbol}.parquet").set_index("timestamp")
        frame = pd.read_parquet(bars / f"{symbol}_1h.parquet").set_index("timestamp")
        expected = compute_features(frame, NAMES, interval="1h").frame()
        pd.testing.assert_frame_equal(table, expected, check_freq=False)
        np.testing.assert_array_equal(table.to_numpy(), expected.to_numpy())
        files = [(folder / f"{symbol}.parquet").read_bytes() for folder in found.values()]
        assert files[0] == files[1]
    for folder in found.values():
        assert {path.name for path in folder.iterdir()} == {
            *(f"{symbol}.parquet" for symbol in SYMBOLS), "features.json",
        }  # fmt: skip
        told = json.loads((folder / "features.json").read_text())
        assert told["symbols"]["BBB"]["rows"] == 700
        assert told["symbols"]["BBB"]["warmup_bars"] == np.isnan(table).any(axis=1).sum()
        assert told["symbols"]["BBB"]["features"] == list(NAMES)


def test_what_was_interrupted_goes_on_to_the_same_bytes(bars, tmp_path):
    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    output = tmp_path / "features"
    with pytest.raises(KeyboardInterrupt):
        write_feature_files(data(bars), config(output), report=stop)
    with pytest.raises(FileExistsError, match="go on with --resume"):
        write_feature_files(data(bars), config(output))
    other = FeatureFilesConfig(output=str(output), names=NAMES[:2])
    with pytest.raises(ValueError, match="was begun with other names"):
        write_feature_files(data(bars), other, resume=True)
    said = []
    write_feature_files(data(bars), config(output), resume=True, say=said.append)
    assert "1 symbol to go of 3" in said
    whole = write_feature_files(data(bars), config(tmp_path / "whole"))
    for path in whole.iterdir():
        assert path.read_bytes() == (output / path.name).read_bytes()


def test_young_symbols_are_written_and_named(bars, tmp_path):
    said = []
    young = FeatureFilesConfig(output=str(tmp_path / "young"), names=("rsi_14_4x",))
    write_feature_files(data(bars / "AAA_1h.parquet"), young, say=said.append)
    assert "AAA has too few bars for some features, which are NaN" in said


def test_what_cannot_be_written_is_refused(bars, tmp_path):
    with pytest.raises(ValueError, match=r"no data\.path; name a file or a folder"):
        write_feature_files(DataConfig(), config(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        write_feature_files(data(bars), config(tmp_path / "none"), resume=True)
    both = tmp_path / "both"
    both.mkdir()
    one = simulate_bars(700, seed=1).bars.frame.reset_index()
    one.assign(symbol="AAA").to_parquet(both / "AAA.parquet")
    one.assign(symbol="AAA").to_parquet(both / "XYZ.parquet")
    with pytest.raises(ValueError, match=r"AAA is in .* and in .*, whose names mean different"):
        write_feature_files(data(both), config(tmp_path / "twice"))
    assert not (tmp_path / "twice").exists()
    (both / "AAA.parquet").write_bytes(b"none")
    (both / "XYZ.parquet").unlink()
    with pytest.raises(ValueError, match=r"AAA\.parquet"):
        write_feature_files(data(both), config(tmp_path / "broken"))
    assert not list(tmp_path.glob("broken*"))  # nothing is there to resume
    with pytest.raises(ValueError, match="block_rows must be at least 1, got 0; use 16384"):
        config(tmp_path / "none").__class__(block_rows=0)
