"""Nets from written pictures: the weights of pictures drawn in the net, and what is refused."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.experiments.ensembles import precomputed
from ultimate_deep.experiments.ensembles.picture_scores import (
    direction_scores,
    pattern_scores,
    worth_of_patterns,
)
from ultimate_deep.experiments.ensembles.precomputed import (
    arrays_of,
    build_pair,
    fit_settings,
    train_precomputed,
)
from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.features.pictures.registry import picture_of
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.pipeline.gaf_files import write_gaf_files
from ultimate_deep.pipeline.gaf_folders import check_together, read_gaf_folder
from ultimate_deep.pipeline.gaf_plan import digest_of, digest_of_rows
from ultimate_deep.pipeline.gaf_windows import plan_windows, write_windows
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.progress import Progress

LABEL = LabelSpec()
SMALL = {"base_width": 2, "blocks_per_stage": (1, 1), "head_widths": (4, 4)}


@pytest.fixture(scope="module")
def market():
    return load_market(DataConfig(simulated_rows=900, simulated_interval="1min"), LABEL)


@pytest.fixture(scope="module")
def pictures(market, tmp_path_factory):
    """Two lengths of bars, as float32, and the shorter as numbers and in fewer bits."""
    parent = tmp_path_factory.mktemp("pictures")
    config = GafFilesConfig(
        output=str(parent), windows="1min,2min", window_bars=16, size=16, train_fraction=0.8
    )
    folders = write_windows(plan_windows(market, LABEL, config), LABEL)
    for storage in ("numbers", "uint8"):
        own = dataclasses.replace(config, output=str(parent / storage), windows="", storage=storage)
        folders.append(write_gaf_files(market, LABEL, own))
    return folders


def config_of(folders, output, **changes):
    given = {
        "data": tuple(map(str, folders)),
        "output": str(output),
        "preset": "tiny",
        "options": SMALL,
        "fit": FitConfig(epochs=1, batch_size=128, jit_compile=False),
    }
    return PrecomputedConfig(**{**given, **changes})


def weights_of(model):
    return [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_weights_are_those_of_pictures_drawn_in_the_net(pictures, tmp_path, precision):
    folder, _, numbers, _ = map(read_gaf_folder, pictures)
    config = config_of(pictures[:1], tmp_path)
    config = dataclasses.replace(config, fit=dataclasses.replace(config.fit, precision=precision))
    given, _ = build_pair(folder, config)
    _, drawing = build_pair(folder, config)
    of_numbers = [arrays_of(numbers, part) for part in ("train", "val")]
    for net, parts in (
        (given, [arrays_of(folder, part) for part in ("train", "val")]),
        (drawing, of_numbers),
    ):
        fit(net, *parts, fit_settings(config), checkpoint_folder=None)
    for ours, theirs in zip(weights_of(given), weights_of(drawing), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nets_are_kept_with_their_figures_and_together_with_the_ensembles(pictures, tmp_path):
    config = config_of(pictures[:2], tmp_path / "nets")
    table = train_precomputed(config, Progress())
    assert table["model"].tolist() == [
        *(one.name for one in pictures[:2]),
        "majority of all",
        "mean of all",
    ]
    assert table["best_validation_accuracy"].notna().tolist() == [True, True, False, False]
    net = keras.models.load_model(tmp_path / "nets" / pictures[0].name / "model.keras")
    folder = read_gaf_folder(pictures[0])
    numbers = read_gaf_folder(pictures[2]).pictures["val"][:]
    logits = net.predict(numbers, verbose=0)[:, 0]
    up = folder.labels["val"][:, 0] == 1
    assert table["accuracy"][0] == pytest.approx(np.mean((logits > 0) == up), abs=1e-9)
    kept = tmp_path / "nets" / pictures[0].name
    confusion = pd.read_csv(kept / "confusion.csv", index_col=0)
    assert confusion.to_numpy().sum() == len(up)
    assert confusion.loc["up", "up"] == ((logits > 0) & up).sum()
    assert json.loads((kept / "metrics.json").read_text())["pictures"] == folder.metadata
    log = (tmp_path / "nets" / "logs" / f"cnn_{pictures[0].name}.log").read_text()
    assert "epoch 1/1 loss" in log
    # Finished nets are taken as they are.
    other = dataclasses.replace(config, seed=1, fit=dataclasses.replace(config.fit, epochs=2))
    with pytest.raises(ValueError, match="is finished and was trained with other seed, fit; ask"):
        train_precomputed(other, Progress(), resume=True)
    again = train_precomputed(config, Progress(), resume=True)
    pd.testing.assert_frame_equal(again, table, check_exact=False)
    with pytest.raises(FileExistsError, match="--resume"):
        train_precomputed(config, Progress())


def test_pictures_of_another_kind_do_not_fit(pictures, market, tmp_path):
    folder = read_gaf_folder(pictures[0])
    with pytest.raises(ValueError, match=r"share their storage: .* float32, .* uint8"):
        check_together([folder, read_gaf_folder(pictures[3])])
    whole = json.loads((pictures[0] / "metadata.json").read_text())

    def broken(signed=True, **changes):
        copy = tmp_path / "copy"
        copy.mkdir(exist_ok=True)
        for file in pictures[0].glob("*.npy"):
            if not (copy / file.name).exists():
                (copy / file.name).symlink_to(file)
        told = {**whole, **changes}
        told["digest"] = digest_of(told) if signed else whole["digest"]
        (copy / "metadata.json").write_text(json.dumps(told))
        return copy

    for changes, message in (
        ({"schema": "ultimate-deep-gaf-1"}, "must be of schema ultimate-deep-gaf-3"),
        ({"normalisation": "the whole file's range"}, "of another normalisation"),
        ({"parts": {**whole["parts"], "val": {"shape": [1, 16, 16, 2]}}}, "of its metadata"),
        ({"labels": ["down"]}, "one label of down for each"),
    ):
        with pytest.raises(ValueError, match=message):
            read_gaf_folder(broken(**changes))
    with pytest.raises(ValueError, match=r"metadata\.json was changed after it was written"):
        read_gaf_folder(broken(signed=False, size=64))
    for name in ("train_labels.npy", "val_images.npy"):
        copy = broken()
        (copy / name).unlink()
        np.save(copy / name, np.load(pictures[0] / name)[::-1])
        with pytest.raises(ValueError, match=f"{name} was changed after it was written"):
            read_gaf_folder(copy)
        (copy / name).unlink()
    late = np.load(pictures[0] / "train_rows.npy")
    late["label_end_time"][3] = np.load(pictures[0] / "val_rows.npy")["decision_time"][0]
    files = {**whole["files"], "train_rows.npy": digest_of_rows(late)}
    copy = broken(files=files)
    (copy / "train_rows.npy").unlink()
    np.save(copy / "train_rows.npy", late)
    with pytest.raises(ValueError, match="is not purged"):
        read_gaf_folder(copy)
    with pytest.raises(ValueError, match="holds no finished pictures"):
        read_gaf_folder(tmp_path / "absent")
    settings = GafFilesConfig(
        output=str(tmp_path / "bars"), picture="bars", storage="numbers", window_bars=16, size=16
    )
    charts = read_gaf_folder(write_gaf_files(market, LABEL, settings))
    with pytest.raises(ValueError, match="which gaf_cnn does not draw"):
        build_pair(charts, config_of([tmp_path / "bars"], tmp_path))
    for changes, message in (
        ({"data": ()}, "must name a folder of pictures"),
        ({"data": ("a/x", "b/x")}, "different names"),
        ({"cost_bps": -1.0}, "cost_bps must be"),
    ):
        with pytest.raises(ValueError, match=message):
            config_of(pictures[:1], tmp_path, **changes)
    with pytest.raises(ValueError, match="options of gaf_cnn are"):
        build_pair(folder, config_of(pictures[:1], tmp_path, options={"depth": 3}))


def test_patterns_have_a_logit_each(market, tmp_path):
    label = LabelSpec(kind="pattern")
    settings = GafFilesConfig(
        output=str(tmp_path / "gaf"), picture="gaf_ohlc", window_bars=16, size=16
    )
    folder = read_gaf_folder(write_gaf_files(market, label, settings))
    assert folder.label_names[0] == "none"
    table = train_precomputed(config_of([folder.path], tmp_path / "nets"), Progress())
    assert {"balanced_accuracy", "worst_recall"} <= set(table.columns)
    kept = tmp_path / "nets" / "gaf"
    worth = pd.read_csv(kept / "patterns.csv")
    assert worth["rows"].sum() == len(folder.labels["val"])
    y = arrays_of(folder, "val").y
    np.testing.assert_array_equal(y.argmax(axis=1), folder.labels["val"][:, 0])
    net = keras.models.load_model(kept / "model.keras")
    assert net.input_shape == (None, picture_of("gaf_ohlc").count(16, 16))
    assert net.output_shape == (None, 9)


@pytest.mark.parametrize(("picture", "shape"), [("bars", (96,)), ("gaf", (16, 16, 2))])
def test_the_net_of_charts_reads_any_picture_and_draws_its_own(picture, shape, market, tmp_path):
    settings = GafFilesConfig(
        output=str(tmp_path / "bars"), picture=picture, window_bars=16, size=16
    )
    folder = read_gaf_folder(write_gaf_files(market, LABEL, settings))
    config = config_of([folder.path], tmp_path / "nets", model="bar_image_cnn", options={})
    given, drawing = build_pair(folder, config)
    kept = given if drawing is None else drawing
    assert kept.input_shape[1:] == shape
    assert train_precomputed(config, Progress())["rows"][0] == len(folder.labels["val"])


def test_figures_by_hand():
    up, probability = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.8, 0.4, 0.6, 0.1])
    returns = np.array([0.01, -0.02, 0.01, -0.01])
    found = direction_scores(up, probability, returns, cost_bps=10.0)
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.4, 0.4, 0.9])))
    assert found["base_log_loss"] == pytest.approx(np.log(2))
    # Sides up, down, up, down: 100, 200, 100 and 100 bps, less 20.
    assert found["net_bps"] == pytest.approx(105.0)
    assert found["win_rate"] == 1.0
    pattern, said = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    scores = pattern_scores(pattern, said)
    assert scores["accuracy"] == 0.6
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores["worst_recall"] == 0.0
    worth = worth_of_patterns(pattern, said, np.full(5, 0.001), cost_bps=1.0).set_index("pattern")
    assert worth.loc["morning_star", "net_bps"] == pytest.approx(8.0)
    assert worth.loc["morning_star", "precision"] == 0.5
    assert np.isnan(worth.loc["evening_star", "net_bps"])


def test_stored_rows_are_read_in_any_order(pictures):
    stored = read_gaf_folder(pictures[3]).pictures["train"]
    exact = read_gaf_folder(pictures[0]).pictures["train"]
    rows = np.random.default_rng(0).permutation(len(stored))[:50]
    np.testing.assert_array_equal(exact[rows], exact[:][rows])
    assert np.abs(stored[rows] - exact[rows]).max() <= 1 / 255 + 3e-7
    arrays = Arrays(x=exact, y=np.zeros((len(exact), 1), np.float32))
    other = Arrays(x=stored, y=np.zeros((len(stored), 1), np.float32))
    assert arrays.fingerprint() != other.fingerprint()
    assert precomputed.MODEL_FILE == "model.keras"


def test_declined_nothing_is_written_for_the_net(pictures, tmp_path):
    seen = []

    def confirm(plan):
        seen.append(plan.lines())
        return False

    with pytest.raises(DeclinedError):
        train_precomputed(config_of(pictures[:1], tmp_path), Progress(), confirm=confirm)
    (plan,) = seen
    assert "ms a step" in plan["epoch"]
    assert [one.name for one in tmp_path.iterdir()] == ["logs"]
