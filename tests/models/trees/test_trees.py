"""Boosted trees: what they learn, say, write and refuse, whichever library grows them."""

import dataclasses
import importlib.util
import json
import re
import sys

import numpy as np
import pytest
from scipy.special import log_expit

from ultimate_deep.models.search_space import Choice
from ultimate_deep.models.trees.booster import Sample, TreeError
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.models.trees.hist_gradient_boosting import (
    HistGradientBoosting,
    HistGradientBoostingConfig,
    bin_edges,
    bin_numbers,
    fit_classifier,
)
from ultimate_deep.models.trees.light_gbm_text import text_for_library
from ultimate_deep.models.trees.model import TREES_FILE, load_trees
from ultimate_deep.models.trees.registry import (
    TREES,
    booster_class,
    config_class,
    preset_config,
    presets,
    search_space,
)
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing.grow import fit_trees

PACKAGES = {"hist_gradient_boosting": "sklearn", "lightgbm": "lightgbm", "xgboost": "xgboost"}


def one_of(name):
    absent = importlib.util.find_spec(PACKAGES[name]) is None
    return pytest.param(name, marks=pytest.mark.skipif(absent, reason=f"{name} is not installed"))


def every_kind(test):
    """Hold all trees to `test`."""
    names = pytest.mark.parametrize("name", [one_of(name) for name in TREES])
    return pytest.mark.contract(names(test))


def market(rows, seed):
    """Two horizons: an interaction no linear model sees, and a plain threshold."""
    rng = np.random.default_rng(seed)
    x = (3.0 * rng.normal(size=(rows, 5))).astype(np.float32)
    log_odds = np.column_stack([2.0 * np.sign(x[:, 0] * x[:, 1]), 2.0 * np.sign(x[:, 2] - 1.0)])
    y = (rng.random((rows, 2)) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.float32)
    return Arrays(x=x, y=y)


TRAIN, VALIDATION, FRESH = market(1500, 0), market(500, 1), market(1000, 2)


def tiny(name, **options):
    return dataclasses.replace(preset_config(name, "tiny"), **options)


def log_loss(logits, y):
    exact = logits.astype(np.float64)
    return -np.where(y > 0.5, log_expit(exact), log_expit(-exact)).mean(axis=0)


@pytest.fixture(scope="module")
def fitted():
    """Return the fitted trees of a name, grown once."""
    grown = {}

    def get(name):
        if name not in grown:
            config = tiny(name, trees=80, learning_rate=0.2, patience=10)
            grown[name] = fit_trees(name, TRAIN, VALIDATION, config)
        return grown[name]

    return get


@every_kind
def test_declares_presets_and_a_search_space_of_its_own_fields(name):
    kind = config_class(name)
    assert issubclass(kind, TreeConfig)
    assert {"tiny", "default"} <= set(presets(name))
    assert all(type(preset_config(name, preset)) is kind for preset in presets(name))
    fields = {field.name for field in dataclasses.fields(kind)}
    space = search_space(name)
    assert space
    assert set(space) <= fields
    for field, range_ in space.items():
        ends = range_.values if isinstance(range_, Choice) else (range_.low, range_.high)
        for value in ends:
            dataclasses.replace(kind(), **{field: value})


@every_kind
def test_learns_both_horizons_from_their_own_labels(name, fitted):
    model, result = fitted(name)
    logits = model.logits(FRESH.x)
    assert logits.dtype == np.float32
    assert logits.shape == (1000, 2)
    accuracy = ((logits > 0) == (FRESH.y > 0.5)).mean(axis=0)
    assert (accuracy > 0.82).all(), accuracy  # the truth decides 88%
    assert (log_loss(logits, FRESH.y) < 0.48).all()
    assert result.history["loss"].is_monotonic_decreasing


@every_kind
def test_stops_early_and_keeps_the_trees_of_the_best_validation_loss(name, fitted):
    model, result = fitted(name)
    assert result.stopped_reason == "early stopping"
    assert result.epochs_run == len(result.history) < 80
    kept = model.describe().groupby("horizon").size()
    assert result.best_epoch == kept.max()
    one = Arrays(x=TRAIN.x, y=TRAIN.y[:, :1])
    watched = Arrays(x=VALIDATION.x, y=VALIDATION.y[:, :1])
    alone, history = fit_trees(name, one, watched, model.config)
    np.testing.assert_array_equal(alone.logits(FRESH.x)[:, 0], model.logits(FRESH.x)[:, 0])
    best = history.history["validation_loss"].min()
    measured = log_loss(alone.logits(VALIDATION.x), watched.y)[0]
    assert measured == pytest.approx(best, abs=2e-6)  # libraries report in float32


@every_kind
def test_grows_all_trees_without_patience_and_without_validation(name):
    every = tiny(name, trees=12, learning_rate=1.0, patience=0)
    _, watched = fit_trees(name, TRAIN, VALIDATION, every)
    assert watched.epochs_run == 12
    assert watched.stopped_reason == "finished"
    model, alone = fit_trees(name, TRAIN, None, every)
    assert alone.history["validation_loss"].isna().all()
    assert len(model.describe()) == 2 * 12


@every_kind
def test_same_seed_same_trees_and_another_seed_others(name):
    options = {"feature_share": 0.4, "trees": 6}
    first, again = (fit_trees(name, TRAIN, None, tiny(name, **options))[0] for _ in range(2))
    other = fit_trees(name, TRAIN, None, tiny(name, seed=1, **options))[0]
    np.testing.assert_array_equal(first.logits(FRESH.x), again.logits(FRESH.x))
    assert first.digest() == again.digest() != other.digest()


@every_kind
def test_says_nothing_new_beyond_the_clip(name, fitted):
    model, _ = fitted(name)
    far = FRESH.x.copy()
    far[np.abs(far) > 8.0] *= 100.0
    assert (far != FRESH.x).any()
    np.testing.assert_array_equal(model.logits(far), model.logits(FRESH.x))


@every_kind
def test_flat_labels_and_rows_without_weight_are_left_out(name):
    left_out = np.arange(TRAIN.rows) % 3 == 0
    y = np.where(left_out[:, None], np.float32(0.5), TRAIN.y)
    weight = np.where(left_out, 0.0, 1.0).astype(np.float32)
    some = Arrays(x=TRAIN.x[~left_out], y=TRAIN.y[~left_out])
    expected = fit_trees(name, some, None, tiny(name))[0].logits(FRESH.x)
    for arrays in (Arrays(x=TRAIN.x, y=y), Arrays(x=TRAIN.x, y=TRAIN.y, weight=weight)):
        found = fit_trees(name, arrays, None, tiny(name))[0].logits(FRESH.x)
        np.testing.assert_array_equal(found, expected)


@every_kind
def test_weights_move_the_mean_of_what_is_said(name):
    weight = np.where(TRAIN.y > 0.5, 3.0, 1.0).astype(np.float32)
    plain, _ = fit_trees(name, TRAIN, None, tiny(name))
    heavy, _ = fit_trees(name, TRAIN, None, tiny(name), weight=weight)
    shift = (heavy.logits(FRESH.x) - plain.logits(FRESH.x)).mean(axis=0)
    assert (shift > 0.5).all()  # log 3 = 1.1 for a tree that knows nothing


@every_kind
def test_comes_back_from_disk_bit_for_bit(name, fitted, tmp_path):
    model, _ = fitted(name)
    model.save(tmp_path / "trees")
    read = load_trees(tmp_path / "trees")
    np.testing.assert_array_equal(read.logits(FRESH.x), model.logits(FRESH.x))
    assert read.config == model.config
    assert read.digest() == model.digest()
    assert read.describe().equals(model.describe())
    with pytest.raises(TreeError, match="never overwritten"):
        model.save(tmp_path / "trees")


@every_kind
def test_a_table_row_for_every_tree(name, fitted):
    table = fitted(name)[0].describe()
    assert list(table.columns) == ["horizon", "tree", "leaves", "depth"]
    config = fitted(name)[0].config
    assert table["leaves"].between(2, config.leaves).all()
    assert table["leaves"].max() == config.leaves
    assert (table["depth"] < table["leaves"]).all()
    assert (2 ** table["depth"] >= table["leaves"]).all()


@every_kind
def test_depth_is_limited(name):
    model, _ = fit_trees(name, TRAIN, None, tiny(name, depth=2))
    assert model.describe()["depth"].max() == 2


@every_kind
def test_reads_named_windows_flattened(name, tmp_path):
    rng = np.random.default_rng(0)
    inputs = {
        "bars": TRAIN.x[:, :4].reshape(-1, 2, 2),
        "hints": rng.normal(size=(TRAIN.rows, 1)).astype(np.float32),
    }
    model, _ = fit_trees(name, Arrays(x=inputs, y=TRAIN.y), None, tiny(name))
    turned = {"hints": inputs["hints"], "bars": inputs["bars"]}
    np.testing.assert_array_equal(model.logits(turned), model.logits(inputs))
    assert model.features == 5
    model.save(tmp_path / "trees")
    read = load_trees(tmp_path / "trees")
    np.testing.assert_array_equal(read.logits(turned), model.logits(inputs))
    with pytest.raises(ValueError, match="take inputs"):
        read.logits(TRAIN.x)


@every_kind
def test_changed_cut_and_foreign_files_are_refused(name, fitted, tmp_path):
    model, _ = fitted(name)
    folder = tmp_path / "trees"
    model.save(folder)
    path = folder / f"horizon_2{booster_class(name).SUFFIX}"
    good = path.read_bytes()
    cuts = [good[: len(good) * share // 10] for share in range(10)]
    for bad in (*cuts, good[:-200], b"tree\nnot a model"):
        path.write_bytes(bad)
        with pytest.raises(TreeError, match="missing or changed"):
            load_trees(folder)
        # A foreign file whose digest fits is refused by its own reader.
        with pytest.raises(TreeError, match="train again"):
            booster_class(name).read(path, features=5, threads=1)
    path.write_bytes(good)
    with pytest.raises(TreeError, match="features"):
        booster_class(name).read(path, features=6, threads=1)
    path.unlink()
    with pytest.raises(TreeError, match="missing or changed"):
        load_trees(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "not of schema"),
        ({"schema_version": 9}, "schema version 9"),
        ({"name": "forest"}, "no trees are called 'forest'"),
        ({"config": {"branches": 3}}, "proper entry"),
        ({"files": {}}, "lists"),
        ({"files": {"../horizon_1.npz": "0"}}, "lists"),
    ],
)
def test_a_wrong_table_of_contents_is_refused(change, message, fitted, tmp_path):
    fitted("hist_gradient_boosting")[0].save(tmp_path)
    path = tmp_path / TREES_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TreeError, match=message):
        load_trees(tmp_path)


def test_a_folder_without_trees_is_refused(tmp_path):
    with pytest.raises(TreeError, match="give a folder of trees"):
        load_trees(tmp_path)


@pytest.mark.parametrize("package", ["lightgbm", "xgboost"])
def test_an_absent_library_is_named_with_the_command(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TreeError, match=f"pip install {package}"):
        fit_trees(package, TRAIN, None, tiny(package))


@pytest.mark.parametrize("validated", [True, False])
def test_our_walk_equals_scikit_learn_bit_for_bit(validated, fitted):
    config = HistGradientBoostingConfig(trees=30, learning_rate=0.3, patience=4, threads=1)
    train = sample(TRAIN)
    theirs = fit_classifier(train, sample(VALIDATION) if validated else None, config)
    ours = HistGradientBoosting.from_sklearn(theirs)
    x = FRESH.x.copy()
    x[:20] = TRAIN.x[:20]  # rows that lie on thresholds' sides as they did in training
    np.testing.assert_array_equal(ours.margin(x), theirs.decision_function(x))
    staged = list(theirs.staged_decision_function(x))[4]
    np.testing.assert_array_equal(
        HistGradientBoosting.from_sklearn(theirs, trees=5).margin(x), staged
    )


def test_weighted_trees_are_grown_in_bins_and_cut_where_the_bins_end():
    weight = np.where(TRAIN.y[:, 0] > 0.5, 2.0, 1.0).astype(np.float32)
    train = Sample(x=TRAIN.x, y=TRAIN.y[:, 0], weight=weight)
    config = tiny("hist_gradient_boosting", trees=20, bins=40)
    edges = bin_edges(train.x, config.bins)
    numbers = bin_numbers(train.x, edges)
    assert (np.bincount(numbers[:, 0].astype(int), minlength=40) >= 36).all()  # 1500 / 40 = 37.5
    theirs = fit_classifier(Sample(x=numbers, y=train.y, weight=weight), None, config)
    ours, _ = HistGradientBoosting.grow(train, None, config)
    expected = theirs.decision_function(bin_numbers(FRESH.x, edges))
    np.testing.assert_array_equal(ours.margin(FRESH.x), expected)


def sample(arrays):
    return Sample(x=arrays.x, y=arrays.y[:, 0], weight=np.ones(arrays.rows, np.float32))


@pytest.mark.parametrize(
    ("array", "change", "message"),
    [
        ("left", lambda a: np.zeros_like(a), "child outside its tree"),
        ("right", lambda a: a + 10_000, "child outside its tree"),
        ("feature", lambda a: a + 3, "feature that does not exist"),
        ("value", lambda a: a * np.nan, "not finite"),
        ("value", lambda a: a[:-1], "unequal length"),
        ("value", lambda a: a.astype(object), "no arrays of trees"),
        ("threshold", lambda a: a.astype(np.float32), "threshold is float32"),
        ("first_node", lambda a: a[::-1].copy(), "one behind the other"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(array, change, message, fitted, tmp_path):
    booster = fitted("hist_gradient_boosting")[0].boosters[0]
    booster.write(tmp_path / "good.npz")
    HistGradientBoosting.read(tmp_path / "good.npz", features=5, threads=1)
    with np.load(tmp_path / "good.npz") as file:
        arrays = dict(file)
    arrays[array] = change(arrays[array])
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(TreeError, match=message):
        HistGradientBoosting.read(tmp_path / "bad.npz", features=5, threads=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("left_child=", "left_child=900 ", "splits"),
        (r"left_child=\S+", "left_child=900", "a child that does not exist"),
        (r"right_child=\S+", "right_child=0", "a child that does not exist"),
        ("left_child=", "left_child=0 #", "no list of numbers"),
        ("split_feature=", "split_feature=5#", "no list of numbers"),
        ("split_feature=\\d+", "split_feature=99999999999", "no list of numbers"),
        ("threshold=[^ ]+", "threshold=1e+999", "beyond float64"),
        ("threshold=[^ ]+", "threshold=nan", "no list of numbers"),
        ("leaf_value=[^ ]+", "leaf_value=1e+300", "add up to more than"),
        ("decision_type=2", "decision_type=3", "not of numbers"),
        ("is_linear=0", "is_linear=1", "numeric splits"),
        ("shrinkage=", "shrinkage=x", "says shrinkage"),
        ("num_leaves=", "num_leaves=9", "for each of its 9"),
        ("is_linear=0", "is_linear=0\nis_linear=0", "other lines"),
        ("feature_names=Column_0", "feature_names=Column_0 Column_0", "feature_names are not 5"),
        ("feature_infos=", "feature_infos=x ", "its head"),
        ("version=v4", "version=v4\nversion=v4", "its head"),
        ("max_feature_idx=4", "max_feature_idx=0", "1 features"),
        ("objective=binary", "objective=regression", "its head"),
        ("num_cat=0", "num_cat=1", "numeric splits"),
        ("leaf_value=", "leaf_value=0.5 ", "one leaf_value for each"),
        ("end of trees", "end of tree", "follows its trees"),
    ],
)
def test_text_that_would_crash_lightgbm_is_refused_before_it(old, new, message, fitted, tmp_path):
    pytest.importorskip("lightgbm")
    text = fitted("lightgbm")[0].boosters[0].text
    # Sizes of trees stay as they are written: the first tree is padded at its end.
    head, trees = text.split("\n\n", 1)
    sizes = int(head.split("tree_sizes=")[1].split()[0])
    if old in head:
        head = head.replace(old, new, 1)
    elif old == "end of trees":
        trees = trees.replace(old, new)
    else:
        first = re.sub(old, new, trees[:sizes], count=1)
        head = head.replace(f"tree_sizes={sizes}", f"tree_sizes={len(first)}")
        trees = first + trees[sizes:]
    path = tmp_path / "bad.txt"
    path.write_text(f"{head}\n\n{trees}")
    with pytest.raises(TreeError, match=message):
        booster_class("lightgbm").read(path, features=5, threads=1)


def test_lightgbm_says_the_same_of_the_part_that_it_is_given(fitted):
    """What it was told while growing the trees is left out."""
    lightgbm = pytest.importorskip("lightgbm")
    for booster in fitted("lightgbm")[0].boosters:
        whole = lightgbm.Booster(model_str=booster.text).predict(FRESH.x, raw_score=True)
        assert "learning_rate" in booster.text
        assert "learning_rate" not in text_for_library(booster.text)
        np.testing.assert_array_equal(booster.margin(FRESH.x), whole)


LEARNER = ("learner", "learner_model_param")
MODEL = ("learner", "gradient_booster", "model")
FIRST = (*MODEL, "trees", 0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*FIRST, "left_children", 0), 2**31 - 1, "a child that does not exist"),
        ((*FIRST, "right_children", 0), 0, "a child that does not exist"),
        ((*FIRST, "left_children", 0), -1, "one child"),
        ((*FIRST, "parents", 1), -8, "does not follow its parent"),
        ((*FIRST, "split_indices", 0), 99_999_999, "a feature that does not exist"),
        ((*FIRST, "split_conditions", 0), 1e308, "not finite in float32"),
        ((*FIRST, "split_type", 0), 1, "not of numbers"),
        ((*FIRST, "categories"), [1], "knows categories"),
        ((*FIRST, "id"), 1, "that it is this one"),
        ((*FIRST, "tree_param", "num_nodes"), "99999999999", "nodes"),
        ((*FIRST, "base_weights"), [], "numbers as base_weights"),
        ((*FIRST, "more"), [], "other entries"),
        ((*MODEL, "tree_info"), [0], "trees of one class"),
        ((*MODEL, "trees"), [], "trees of one class"),
        ((*MODEL, "iteration_indptr", 1), 7, "one for each iteration"),
        ((*LEARNER, "num_feature"), "6", "6 features, not 5"),
        ((*LEARNER, "num_class"), "3", "one class"),
        ((*LEARNER, "base_score"), "[NaN]", "base_score"),
        ((*LEARNER, "base_score"), "0", "no probability"),
        (("learner", "gradient_booster", "name"), "dart", "'dart'"),
        (("learner", "objective", "name"), "reg:squarederror", "reg:squarederror"),
        (("learner",), [], "other entries"),
        (("version",), [], "its version"),
        (("version",), [3, 2, 10**30], "its version"),
        (("version",), ["x" * 40_000] * 3, "its version"),
        (("version",), {"x": 40_000 * [1]}, "its version"),
    ],
)
def test_json_that_would_crash_xgboost_is_refused_before_it(
    place, value, message, fitted, tmp_path, monkeypatch
):
    pytest.importorskip("xgboost")
    booster = fitted("xgboost")[0].boosters[0]
    content = json.loads(booster.content)
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    monkeypatch.setattr(type(booster), "_from_content", None)  # it would be told nothing
    with pytest.raises(TreeError, match=message) as caught:
        booster_class("xgboost").read(path, features=5, threads=1)
    assert "train again" in str(caught.value)
    assert len(str(caught.value)) < 800


def test_what_a_library_says_of_a_file_is_cut(fitted, tmp_path, monkeypatch):
    pytest.importorskip("xgboost")
    booster = fitted("xgboost")[0].boosters[0]
    (tmp_path / "good.json").write_bytes(booster.content)

    def refuse(*_, **__):
        raise ValueError("x" * 40_000)

    monkeypatch.setattr(type(booster), "_from_content", refuse)
    with pytest.raises(TreeError, match="train again") as caught:
        booster_class("xgboost").read(tmp_path / "good.json", features=5, threads=1)
    assert len(str(caught.value)) < 800


def test_xgboost_says_the_same_of_the_text_that_it_is_given(fitted, tmp_path):
    pytest.importorskip("xgboost")
    for booster in fitted("xgboost")[0].boosters:
        booster.write(tmp_path / "good.json")
        again = booster_class("xgboost").read(tmp_path / "good.json", features=5, threads=1)
        np.testing.assert_array_equal(again.margin(FRESH.x), booster.margin(FRESH.x))
        assert again.content == booster.content


def test_impossible_questions_are_refused(fitted):
    model, _ = fitted("hist_gradient_boosting")
    broken = FRESH.x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3 is not"):
        model.logits(broken)
    with pytest.raises(ValueError, match="take inputs"):
        model.logits(FRESH.x[:, :4])
    name = "hist_gradient_boosting"
    up = np.column_stack([TRAIN.y[:, 0], np.ones(TRAIN.rows)]).astype(np.float32)
    with pytest.raises(TreeError, match="both classes, horizon 2"):
        fit_trees(name, Arrays(x=TRAIN.x, y=up), None, tiny(name))
    with pytest.raises(ValueError, match="2 horizons and validation 1"):
        fit_trees(name, TRAIN, Arrays(x=VALIDATION.x, y=VALIDATION.y[:, :1]), tiny(name))
    with pytest.raises(TreeError, match="configured by HistGradientBoostingConfig"):
        fit_trees(name, TRAIN, None, tiny("xgboost"))
    with pytest.raises(TreeError, match="no trees are called"):
        fit_trees("forest", TRAIN)
    with pytest.raises(TreeError, match="no preset 'huge'"):
        preset_config(name, "huge")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hist_gradient_boosting", {"learning_rate": 0.0}),
        ("hist_gradient_boosting", {"leaves": 1}),
        ("hist_gradient_boosting", {"bins": 256}),
        ("hist_gradient_boosting", {"threads": 0}),
        ("hist_gradient_boosting", {"feature_share": 1.5}),
        ("hist_gradient_boosting", {"min_leaf_rows": 0}),
        ("lightgbm", {"row_share": float("nan")}),
        ("xgboost", {"min_leaf_hessian": -1.0}),
    ],
)
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        config_class(name)(**options)
