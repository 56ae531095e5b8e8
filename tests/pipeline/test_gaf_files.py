"""Pictures on disk: what is in them, where they are parted, and what an interruption leaves."""

import dataclasses
import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.features.gaf import gaf_images, gaf_numbers
from ultimate_deep.features.pictures.registry import PICTURES, picture_of
from ultimate_deep.machine.files import LOCK_FILE, FinishedError
from ultimate_deep.machine.locks import LockedError
from ultimate_deep.machine.stored_rows import StoredRows
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.market.times import utc_times
from ultimate_deep.pipeline import gaf_files
from ultimate_deep.pipeline.gaf_config import STORAGES, GafFilesConfig
from ultimate_deep.pipeline.gaf_files import write_gaf_files
from ultimate_deep.pipeline.gaf_plan import plan_gaf_files

ROOT = Path(__file__).resolve().parents[2]
LABEL = LabelSpec(horizon_bars=3)
NAMES = ["train_images", "train_labels", "val_images", "val_labels"]

# A run that ends itself without mercy after its fourth block.
KILLED = """
import os, signal, sys
from ultimate_deep.market.labels import LabelSpec
from ultimate_deep.pipeline import gaf_files
from ultimate_deep.market.market import DataConfig, load_market
gaf_files.BLOCK_ROWS, gaf_files.NOTED_BLOCKS = 32, 2
def report(done, total):
    if done >= 160:
        os.kill(os.getpid(), signal.SIGKILL)
label = LabelSpec(horizon_bars=3)
config = gaf_files.GafFilesConfig(output=sys.argv[1], window_bars=32, size=16)
gaf_files.write_gaf_files(load_market(DataConfig(simulated_rows=600), label), label, config,
                          report=report)
"""


@pytest.fixture(scope="module")
def market():
    return load_market(DataConfig(simulated_rows=600), LABEL)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(gaf_files, "BLOCK_ROWS", 32)
    monkeypatch.setattr(gaf_files, "NOTED_BLOCKS", 2)


def config_of(folder, **changes):
    settings = {"output": str(folder), "window_bars": 32, "size": 16, **changes}
    return GafFilesConfig(**settings)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_pictures_labels_and_parts(market, tmp_path):
    seen = []
    folder = write_gaf_files(
        market, LABEL, config_of(tmp_path / "gaf"), report=lambda *rows: seen.append(rows)
    )
    further = ["metadata.json", "metadata.pkl", "train_rows.npy", "val_rows.npy"]
    assert sorted(contents(folder)) == sorted([*further, *(f"{n}.npy" for n in NAMES)])
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}

    frame = next(iter(market.bars.values())).frame
    labels = make_labels(frame, LABEL)
    usable = np.flatnonzero(np.isfinite(labels.values) & (np.arange(600) >= 31))
    opens = utc_times(frame.index)
    first = usable[int(0.9 * len(usable))]
    # Decided at the close of bar t, known at the open of bar t + 1 + horizon.
    train = usable[opens[labels.exit_row[usable]] < opens[first + 1]]
    val = usable[usable >= first]
    assert train.max() == first - LABEL.horizon_bars - 1
    images = gaf_images(gaf_numbers(frame["close"], 32, 16, dtype=np.float32))
    for part, rows in (("train", train), ("val", val)):
        np.testing.assert_array_equal(arrays[f"{part}_images"], images[rows - 31])
        np.testing.assert_array_equal(arrays[f"{part}_labels"][:, 0], labels.values[rows])
        assert arrays[f"{part}_labels"].shape == (len(rows), 1)

    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["simulated"] is True
    assert metadata["purged"] == len(usable) - len(train) - len(val) == LABEL.horizon_bars
    assert metadata["parts"]["val"]["rows"] == len(val)
    assert metadata["parts"]["val"]["rows_of_label"][1] == labels.values[val].sum()
    assert pickle.loads((folder / "metadata.pkl").read_bytes()) == metadata
    kept = np.load(folder / "val_rows.npy")
    np.testing.assert_array_equal(kept["bar"], val)
    np.testing.assert_array_equal(kept["return_log"], labels.return_log[val])
    assert seen[-1] == (len(train) + len(val),) * 2


def test_symbols_are_parted_at_one_time(market, tmp_path):
    bars = next(iter(market.bars.values()))
    late = dataclasses.replace(bars, symbol="LATE", frame=bars.frame.iloc[200:] * 2.0)
    both = Market({bars.symbol: bars, "LATE": late})
    plan = plan_gaf_files(both, LABEL, config_of(tmp_path))
    train, val = plan.parts["train"], plan.parts["val"]
    assert (np.diff(train.decision_time) >= np.timedelta64(0)).all()
    assert train.label_end_time.max() < plan.boundary <= val.decision_time.min()
    assert set(train.symbol_code) == set(val.symbol_code) == {0, 1}
    folder = write_gaf_files(both, LABEL, config_of(tmp_path / "gaf"))
    images = np.load(folder / "val_images.npy")
    expected = [
        gaf_images(
            gaf_numbers(
                one.frame["close"],
                32,
                16,
                rows=val.bar_row[val.symbol_code == i],
                dtype=np.float32,
            )
        )
        for i, one in enumerate(both.bars.values())
    ]
    for i in (0, 1):
        np.testing.assert_array_equal(images[val.symbol_code == i], expected[i])


def test_a_killed_run_goes_on_to_the_same_bytes(market, tmp_path):
    whole = write_gaf_files(market, LABEL, config_of(tmp_path / "whole"))
    killed = tmp_path / "killed"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(killed)], cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL
    draft = tmp_path / "killed.unfinished"
    assert not killed.exists()
    assert json.loads((draft / "progress.json").read_text())["done"] == {"train": 128, "val": 0}
    done = []
    config = config_of(killed)
    write_gaf_files(market, LABEL, config, resume=True, report=lambda *rows: done.append(rows))
    assert done[0][0] == 160
    assert contents(killed) == contents(whole)
    assert not draft.exists()


def test_finished_pictures_are_said_to_be_finished_and_ones_in_use_refused(market, tmp_path):
    config = config_of(tmp_path / "gaf")
    folder = write_gaf_files(market, LABEL, config)
    whole = contents(folder)
    for left in ("progress.json", LOCK_FILE):  # by a kill after the folder had appeared
        (folder / left).write_text("")
    with pytest.raises(FinishedError, match="gaf is finished"):
        write_gaf_files(market, LABEL, config, resume=True)
    assert contents(folder) == whole
    other = config_of(tmp_path / "gaf", window_bars=48)
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_gaf_files(market, LABEL, other, resume=True)

    def second(done, total):
        with pytest.raises(LockedError, match="is being worked on"):
            write_gaf_files(market, LABEL, config_of(tmp_path / "two"), resume=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gaf_files(market, LABEL, config_of(tmp_path / "two"), report=second)
    write_gaf_files(market, LABEL, config_of(tmp_path / "two"), resume=True)
    assert contents(tmp_path / "two") == whole


def test_ctrl_c_says_how_far_it_came_and_resumes(market, tmp_path):
    config = config_of(tmp_path / "gaf")

    def stop(done, total):
        if done >= 96:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"gaf.unfinished keeps 64 of \d+ pictures"):
        write_gaf_files(market, LABEL, config, report=stop)
    with pytest.raises(FileExistsError, match="--resume, or delete"):
        write_gaf_files(market, LABEL, config)
    other = config_of(tmp_path / "gaf", window_bars=48)
    with pytest.raises(ValueError, match="begun with other window_bars"):
        write_gaf_files(market, LABEL, other, resume=True)
    write_gaf_files(market, LABEL, config, resume=True)
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_gaf_files(market, LABEL, config)


def test_too_little_room_is_said_before_anything_is_written(market, tmp_path, monkeypatch):
    usage = gaf_files.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(gaf_files.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"need 0\.001 GB .* 0\.000 GB free.*--storage numbers"):
        write_gaf_files(market, LABEL, config_of(tmp_path / "new" / "gaf"))
    assert list(tmp_path.iterdir()) == []


def test_bad_settings_are_refused(market, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        write_gaf_files(market, LABEL, config_of(tmp_path / "gaf"), resume=True)
    with pytest.raises(ValueError, match="train part is empty"):
        write_gaf_files(market, LABEL, config_of(tmp_path / "gaf", train_fraction=0.001))
    with pytest.raises(ValueError, match="no bar has a window of 700"):
        write_gaf_files(market, LABEL, config_of(tmp_path / "gaf", window_bars=700))
    with pytest.raises(ValueError, match="at least size=16, got 8"):
        config_of(tmp_path, window_bars=8)
    assert list(tmp_path.iterdir()) == []


def test_the_script_runs(tmp_path):
    command = [sys.executable, "train_scripts/generate_gaf.py", "--output", str(tmp_path / "gaf")]
    command += ["--data.simulated_rows", "600", "--window_bars", "32", "--size", "16"]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert "of simulated bars in" in first.stdout.replace("\n", " ")
    assert len(list((tmp_path / "gaf").iterdir())) == 8


@pytest.mark.parametrize("picture", PICTURES)
def test_storage_keeps_what_it_says(market, tmp_path, picture):
    found = {}
    for storage in STORAGES:
        config = config_of(tmp_path / storage, picture=picture, storage=storage)
        folder = write_gaf_files(market, LABEL, config)
        metadata = json.loads((folder / "metadata.json").read_text())
        name = "val_numbers.npy" if storage == "numbers" else "val_images.npy"
        found[storage] = (
            StoredRows(folder / name, metadata["level_0"], metadata["level_step"])[:],
            metadata["largest_error"],
        )
    exact = found["float32"][0]
    # A net draws the same of the numbers.
    np.testing.assert_array_equal(picture_of(picture).images(found["numbers"][0], 16), exact)
    for storage in ("float16", "uint8"):
        images, largest = found[storage]
        # The error, and the rounding of decoding in float32.
        assert np.abs(images - exact).max() <= largest + 3e-7
        assert (largest == 0.0) == (picture == "bars")
