"""Planted leaks: each is caught and blamed on the step that it was planted in."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS, TRAINING_CHECKS, detect_leaks
from ultimate_deep.market.config import LabelSpec, SplitSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.times import close_times

QUICK = LeakConfig(cuts=6, truncations=2)
QUICKEST = LeakConfig(cuts=2, truncations=1)
NO_CHANCE = (*DATA_CHECKS, *TRAINING_CHECKS[:1])


def _each(columns_of, add: Callable):
    """Features of every symbol: the honest ones and what `add(table, bars)` makes of them."""
    return lambda market: {symbol: add(columns_of(bars), bars) for symbol, bars in market.items()}


def _ahead(bars) -> pd.Series:
    opens = np.log(bars.frame["open"])
    return opens.shift(-2) - opens.shift(-1)


# Leaks in features: `add(table, bars)` -> table.


def _whole_frame_standard(table, bars):
    return (table - table.mean()) / table.std()


def _whole_frame_min_max(table, bars):
    return (table - table.min()) / (table.max() - table.min())


def _centred_window(table, bars):
    centred = bars.frame["close"].rolling(11, center=True).mean()
    return table.assign(centred=bars.frame["close"] / centred - 1.0)


def _tomorrow(table, bars):
    return table.assign(tomorrow=table["return_1"].shift(-1))


def _back_fill(table, bars):
    rare = table["return_5"].where(table["volume"] > 1.0)
    return table.assign(rare=rare.bfill())


def _warm_up_filled(table, bars):
    return table.bfill()


def _interpolated(table, bars):
    known = table["deviation"].where(np.arange(len(table)) % 7 == 0)
    return table.assign(known=known.interpolate())


def _coarse_stamped_early(table, bars):
    coarse = bars.frame["close"].resample("4h").last()
    return table.assign(coarse=np.log(coarse).diff().reindex(bars.frame.index, method="ffill"))


def _label_as_feature(table, bars):
    return table.assign(label=make_labels(bars.frame, LabelSpec()).values)


def _target_encoding(table, bars):
    labels = make_labels(bars.frame, LabelSpec()).values
    hour = bars.frame.index.hour
    return table.assign(hour=pd.Series(labels, bars.frame.index).groupby(hour).transform("mean"))


def _bar_count(table, bars):
    return table.assign(age=np.arange(len(table)) / len(table))


FEATURE_LEAKS = {
    "whole-frame standard scaling": _whole_frame_standard,
    "whole-frame min/max": _whole_frame_min_max,
    "centred window": _centred_window,
    "shift(-1)": _tomorrow,
    "back-fill": _back_fill,
    "back-filled warm-up": _warm_up_filled,
    "interpolation": _interpolated,
    "coarse bars stamped at their start": _coarse_stamped_early,
    "the label as a feature": _label_as_feature,
    "target encoding": _target_encoding,
    "length of the file": _bar_count,
}


@pytest.mark.parametrize("name", FEATURE_LEAKS)
def test_leaks_in_features_are_named(name, toy, columns_of, one_market):
    planted = toy(features=_each(columns_of, FEATURE_LEAKS[name]))
    report = detect_leaks(planted, one_market, QUICK, checks=DATA_CHECKS)
    assert report.step == "features", report.sentence


def test_cross_asset_join_off_by_one_is_named(toy, columns_of, two_markets):
    def joined(offset):
        def features(market):
            other = market["SECOND"]
            late = pd.Series(other.frame["close"].to_numpy(), pd.DatetimeIndex(close_times(other)))
            out = {}
            for symbol, bars in market.items():
                # The peer's bar that closes `offset` bars after this one.
                at = pd.DatetimeIndex(close_times(bars)) + offset * bars.interval
                peer = late.reindex(at, method="ffill").to_numpy()
                change = pd.Series(np.log(peer), bars.frame.index).diff()
                out[symbol] = columns_of(bars).assign(peer=change)
            return out

        return features

    honest, planted = (
        detect_leaks(toy(features=joined(offset)), two_markets, QUICK, checks=DATA_CHECKS)
        for offset in (0, 1)
    )
    assert not honest.leaking, honest.sentence
    assert planted.step == "features"
    assert planted.leaks[0].evidence["features"] == ["peer"]


# Leaks in later steps, as fields of the pipeline.


def _seen(*names):
    def scale(values, parts):
        rows = np.concatenate([parts[name] for name in names])
        return values[rows].mean(axis=0), values[rows].std(axis=0)

    return scale


def _min_max_of_all(values, parts):
    low, high = values.min(axis=0), values.max(axis=0)
    return low, high - low


def _select_on(*names):
    def select(values, labels, parts):
        rows = np.concatenate([parts[name] for name in names])
        rows = rows[np.isfinite(labels[rows])]
        score = np.abs(np.corrcoef(values[rows].T, labels[rows])[-1, :-1])
        return np.sort(np.argsort(-score)[:3])

    return select


def _whiten_all(scaled, parts):
    centred = scaled - scaled.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2].T


def _fill_with_mean_of_all(values, parts):
    far = np.abs(values) > 2.0 * values[parts["train"]].std(axis=0)
    return np.where(far, values.mean(axis=0), values)


def _without_purge(decision, end, parts):
    bounds = decision[parts["validation"]].min(), decision[parts["test"]].min()
    return {
        "train": np.flatnonzero(decision < bounds[0]),
        "validation": np.flatnonzero((decision >= bounds[0]) & (decision < bounds[1])),
        "test": parts["test"],
    }


def _shuffled_split(decision, end, parts):
    order = np.random.default_rng(0).permutation(len(decision))
    return dict(
        zip(("train", "validation", "test"), np.split(order, [len(order) // 2, -300]), strict=True)
    )


def _test_rows_in_train(decision, end, parts):
    return parts | {"train": np.concatenate([parts["train"], parts["test"][::2]])}


def _labels_of_five_bars(frame, spec):
    return make_labels(frame, LabelSpec(horizon_bars=5))


def _labels_of_the_past(frame, spec):
    labels = make_labels(frame, spec)
    up = np.append(np.nan, np.diff(frame["close"].to_numpy())) > 0
    return dataclasses.replace(labels, values=np.where(np.isfinite(labels.values), up, np.nan))


STEP_LEAKS = {
    "labels that end later than declared": ("labels", {"labels": _labels_of_five_bars,
        "end_shift_bars": 4, "label": LabelSpec(horizon_bars=5)}),
    "labels of the past": ("labels", {"labels": _labels_of_the_past}),
    "labels known at the decision": ("labels", {"end_shift_bars": 2}),
    "no purge": ("split", {"resplit": _without_purge, "label": LabelSpec(horizon_bars=8)}),
    "no embargo": ("split", {"declared_embargo": 24}),
    "shuffled split": ("split", {"resplit": _shuffled_split}),
    "test rows in train": ("split", {"resplit": _test_rows_in_train}),
    "imputed from all rows": ("rows", {"rows": _fill_with_mean_of_all}),
    "selection on all data": ("selection", {"select": _select_on("train", "validation", "test")}),
    "selection on validation too": ("selection", {"select": _select_on("train", "validation")}),
    "scaler of all rows": ("scaling", {"scale": _seen("train", "validation", "test")}),
    "scaler of train and validation": ("scaling", {"scale": _seen("train", "validation")}),
    "min/max scaler of all rows": ("scaling", {"scale": _min_max_of_all}),
    "whitening of all rows": ("scaling", {"transform": _whiten_all}),
    "early stopping on test": ("model", {"stop_on": "test"}),
    "fitted on test rows too": ("model", {"fit_on": ("train", "test")}),
    "temperature fitted on test": ("temperature", {"temperature_on": "test"}),
    "threshold picked on test": ("threshold", {"threshold_on": "test"}),
    "predictions centred on the test part": ("predictions",
        {"smooth": lambda p: np.clip(p - p.mean() + 0.5, 0.0, 1.0)}),
}  # fmt: skip


@pytest.mark.parametrize("name", STEP_LEAKS)
def test_leaks_in_later_steps_are_named(name, toy, one_market):
    step, planted = STEP_LEAKS[name]
    thorough = QUICK if step == "labels" else QUICKEST
    report = detect_leaks(toy(**planted), one_market, thorough, checks=NO_CHANCE)
    assert report.step == step, report.sentence
    assert report.verdict == f"leak in {step}"


def test_training_on_test_labels_shows_in_shuffled_labels(toy, columns_of, two_markets):
    # Enough features to learn the test rows by heart.
    def lagged(table, bars):
        lags = {f"lag_{lag}": table["return_1"].shift(lag) for lag in range(80)}
        return pd.concat([table, pd.DataFrame(lags)], axis=1)

    many = _each(columns_of, lagged)
    planted = toy(features=many, fit_on=("train", *["test"] * 8), stop_on="test")
    report = detect_leaks(planted, two_markets, QUICK, checks=TRAINING_CHECKS)
    assert "shuffled labels" in {finding.check for finding in report.leaks}


def test_an_edge_in_pure_noise_is_a_leak(toy, columns_of, one_market):
    planted = toy(features=_each(columns_of, lambda t, b: t.assign(ahead=_ahead(b) * 100)))
    report = detect_leaks(planted, one_market, QUICKEST)
    assert "pure noise" in {finding.check for finding in report.leaks}
    assert report.step == "features"


def test_features_that_ignore_the_bars_prove_nothing(toy, columns_of, one_market):
    stored = {symbol: columns_of(bars) for symbol, bars in one_market.items()}

    def from_disk(market):
        return {symbol: stored[symbol].iloc[: len(bars)] for symbol, bars in market.items()}

    report = detect_leaks(toy(features=from_disk), one_market, QUICK, checks=DATA_CHECKS)
    assert report.step == "features"
    assert "does not read the bars" in report.sentence


def test_how_far_ahead_a_feature_reads_is_told(toy, columns_of, one_market):
    def reading(bars_ahead):
        add = lambda table, bars: table.assign(ahead=bars.frame["close"].shift(-bars_ahead))  # noqa: E731
        planted = toy(features=_each(columns_of, add))
        report = detect_leaks(planted, one_market, QUICK, checks=DATA_CHECKS)
        found = [f for f in report.leaks if f.check == "poisoned future"]
        return found[0].evidence["reaches_ahead_bars"]

    assert [reading(bars) for bars in (1, 2, 7)] == [1, 2, 7]


@pytest.mark.parametrize("seed", range(4))
def test_an_honest_pipeline_passes(seed, toy):
    label = LabelSpec(horizon_bars=1 + 3 * (seed % 2))
    edge = 0.15 if seed % 3 == 0 else 0.0
    market = {"A": simulate_bars(1_500, seed=seed, edge=edge, label=label).bars}
    pipeline = toy(
        label=label,
        split_spec=SplitSpec(embargo_bars=10 * (seed % 2)),
        select=_select_on("train"),
        rows=lambda values, parts: np.clip(values, *np.quantile(values[parts["train"]], (0, 1))),
    )
    report = detect_leaks(pipeline, market, LeakConfig(seed=seed))
    assert not report.findings, report.sentence
    assert [check.outcome for check in report.checks] == ["passed"] * len(report.checks)
