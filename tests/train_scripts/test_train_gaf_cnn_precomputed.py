"""The specification's tree of files from minute bars, and nets trained on it, end to end."""

import json
import runpy
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.commands import gaf

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "train_scripts" / "train_gaf_cnn_precomputed.py")
WINDOWS = ("15m", "30m", "60m")
NAMES = ("train_images", "train_labels", "val_images", "val_labels")


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [SCRIPT, *arguments])
    runpy.run_path(SCRIPT, run_name="__main__")


def test_minute_bars_become_pictures_nets_and_an_ensemble(tmp_path, monkeypatch, capsys):
    pictures = tmp_path / "ml" / "data" / "gaf"
    gaf.main(
        ["--data.simulated_rows", "9000", "--data.simulated_interval", "1min",
         "--windows", "15min,30min,60min", "--window_bars", "16", "--size", "16",
         "--output", str(pictures)]
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "simulated_60m: " in said
    assert "all as float32: " in said
    folders = [pictures / f"simulated_{window}" for window in WINDOWS]
    for folder in folders:
        assert {f"{name}.npy" for name in NAMES} < {path.name for path in folder.iterdir()}
        assert (folder / "metadata.pkl").is_file()
        assert np.load(folder / "val_images.npy", mmap_mode="r").shape[1:] == (16, 16, 2)
        assert (pictures / "logs" / f"gaf_{folder.name}.log").is_file()
    options = json.dumps({"base_width": 2, "blocks_per_stage": [1, 1], "head_widths": [4, 4]})
    output = tmp_path / "nets"
    run(
        monkeypatch, "--data", json.dumps([str(one) for one in folders]), "--output", str(output),
        "--preset", "tiny", "--options", options, "--fit.epochs", "1",
        "--fit.jit_compile", "false", "--yes",
    )  # fmt: skip
    said = capsys.readouterr().out
    assert said.count("ms a step") == 3
    assert "figures of the validation part" in said
    table = pd.read_csv(output / "models.csv")
    assert table["model"].tolist() == [
        *(folder.name for folder in folders), "majority of all", "mean of all",
    ]  # fmt: skip
    for folder in folders:
        net = keras.models.load_model(output / folder.name / "model.keras")
        assert net.input_shape == (None, 16)
        assert (output / "logs" / f"cnn_{folder.name}.log").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "data must name a folder of pictures"),
        (["--data", "[absent]"], "holds no finished pictures"),
        (["--data", "absent", "missing"], "absent holds no finished pictures"),
        (["--data", "[a]", "--model", "mlp"], "model"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(
    arguments, message, tmp_path, monkeypatch, capsys
):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *arguments, "--output", str(tmp_path / "nets"))
    told = f"{stop.value} {capsys.readouterr().err}"
    assert message in told
    assert list(tmp_path.iterdir()) == []
