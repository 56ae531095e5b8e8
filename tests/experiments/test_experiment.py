"""The whole path on simulated bars: what is there is found, what is not there is not claimed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.experiments.experiment import (
    build,
    evaluate,
    judge_baselines,
    prepare,
    train,
    with_split,
)
from ultimate_deep.features import FeatureMatrix, compute_features
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, as_market
from ultimate_deep.market.simulation_spec import AssetSpec, SimulationSpec
from ultimate_deep.pipeline.calibration import ThresholdChoice
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.judge import Judge
from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

QUIET = Progress()
FIT = FitConfig(epochs=12, batch_size=256, learning_rate=2e-3, patience_epochs=3)


def _config(edge: float, rows: int = 12_000, **changes) -> ExperimentConfig:
    return ExperimentConfig(
        data=DataConfig(simulated_rows=rows, simulated_edge=edge, simulated_seed=11),
        model=ModelConfig(name="mlp", options={"hidden_widths": (32,), "dropout_rate": 0.2}),
        fit=FIT,
        baselines=False,
        **changes,
    )


def _run(config: ExperimentConfig, **planted):
    prepared = prepare(config, QUIET, **planted)
    model = build(prepared)
    return prepared, evaluate(prepared, model, train(prepared, model, QUIET), QUIET)


@pytest.mark.slow
def test_strong_edge_is_found_by_a_small_net():
    _, outcome = _run(_config(0.15, rows=40_000))
    assert outcome.model.metrics["share_of_edge"] >= 0.9
    assert outcome.verdict.kind == "edge"


@pytest.mark.slow
def test_market_without_edge_gets_no_claim():
    _, outcome = _run(_config(0.0))
    assert outcome.verdict.kind == "no edge"
    assert abs(outcome.model.metrics["accuracy"] - 0.5) < 0.05


def _shuffle_training_labels(rows, split):
    labels = rows.labels.copy()
    fitted = np.concatenate([split.train, split.validation])
    labels[fitted] = np.random.default_rng(0).permutation(labels[fitted])
    return dataclasses.replace(rows, labels=labels)


def _with_tomorrow(frame) -> FeatureMatrix:
    """Plant a leak: the next open-to-open return among the features."""
    honest = compute_features(frame, ("return_log_1", "rsi_14"))
    opens = np.log(frame["open"].to_numpy())
    ahead = np.full(len(opens), 0.0, np.float32)
    ahead[:-2] = (opens[2:] - opens[1:-1]).astype(np.float32)
    ahead[: honest.warmup_bars] = np.nan
    return dataclasses.replace(
        honest,
        values=np.column_stack([honest.values, ahead]),
        names=(*honest.names, "tomorrow"),
        families=(*honest.families, "leak"),
    )


@pytest.mark.slow
def test_shuffled_labels_and_a_planted_leak_are_told_apart():
    config = _config(0.0)
    _, shuffled = _run(config, steps=Steps(rows=_shuffle_training_labels))
    _, leaking = _run(config, steps=Steps(features=_with_tomorrow))
    assert shuffled.verdict.kind != "edge"
    assert shuffled.model.metrics["roc_auc"] < 0.55
    # On a market that is known to have no edge, an edge found is a leak.
    assert leaking.verdict.kind == "edge"
    assert leaking.model.metrics["roc_auc"] > 0.9
    assert abs(leaking.model.metrics["share_of_edge"]) != pytest.approx(1.0)


def test_scaler_sees_the_training_part_alone():
    config = _config(0.1, rows=2_000)
    plain = prepare(config, QUIET)

    def spoil(rows, split):
        values = rows.values.copy()
        values[np.concatenate([split.validation, split.test])] += 1e6
        return dataclasses.replace(rows, values=values)

    spoilt = prepare(config, QUIET, steps=Steps(rows=spoil))
    np.testing.assert_array_equal(plain.scaler.center_, spoilt.scaler.center_)
    np.testing.assert_array_equal(plain.scaler.scale_, spoilt.scaler.scale_)


def test_no_label_of_an_earlier_part_reaches_a_later_one():
    prepared = prepare(_config(0.1, rows=2_000), QUIET)
    rows, split = prepared.rows, prepared.split
    for earlier, later in (("train", "validation"), ("validation", "test")):
        ends = rows.label_end_time[prepared.labelled(earlier)]
        assert ends.max() < rows.decision_time[getattr(split, later)].min()


def _choice(prepared, probability) -> ThresholdChoice:
    judge = prepared.judge("validation")
    return judge.choose_threshold(probability, minimum_coverage=0.05)


@pytest.mark.parametrize(
    "rules",
    [
        BacktestConfig(),
        BacktestConfig(latency_bars=5),
        BacktestConfig(stops=StopSpec(stop_loss=0.02)),
        BacktestConfig(sizing=SizingSpec(method="volatility_target")),
    ],
    ids=["plain", "late fills", "stops", "sized"],
)
def test_threshold_does_not_depend_on_the_test_part(rules):
    config = dataclasses.replace(_config(0.1, rows=3_000), backtest=rules)
    prepared = prepare(config, QUIET)
    probability = np.random.default_rng(1).uniform(0.3, 0.7, len(prepared.split.validation))
    before = _choice(prepared, probability)
    boundary = prepared.rows.bar_row[prepared.split.test].min() + 1
    symbol = next(iter(prepared.market.bars))
    prepared.market.bars[symbol].frame.iloc[boundary:] *= 3.0
    after = _choice(prepared, probability)
    np.testing.assert_array_equal(after.table["value"], before.table["value"])
    np.testing.assert_array_equal(after.returns, before.returns)


def test_another_split_refits_the_scaler_on_its_own_training_rows():
    prepared = prepare(_config(0.1, rows=2_000), QUIET)
    later = dataclasses.replace(
        prepared.split, train=prepared.split.train[len(prepared.split.train) // 2 :]
    )
    moved = with_split(prepared, later)
    expected = fit_scaler(prepared.rows.values, moved.labelled("train"))
    np.testing.assert_array_equal(moved.scaler.center_, expected.center_)
    assert (moved.scaler.center_ != prepared.scaler.center_).any()


def test_selected_features_alone_reach_the_model():
    config = _config(0.1, rows=2_000)
    names = ("rsi_14", "return_log_1")
    prepared = prepare(config, QUIET, steps=Steps(select=lambda rows, split: names))
    assert prepared.rows.names == names
    assert prepared.scaled.shape[1] == 2
    with pytest.raises(ValueError, match="prepare_rows"):
        with_split(prepared, prepared.split)
    with pytest.raises(ValueError, match="unknown"):
        prepare(config, QUIET, steps=Steps(select=lambda rows, split: ("nothing",)))


def test_simulated_markets_of_several_assets_and_with_a_book_reach_the_rows():
    assets = SimulationSpec(signal="linear", assets=AssetSpec(count=2, correlation=0.5))
    data = DataConfig(simulated_rows=2_000, simulated_edge=0.1, simulation=assets)
    prepared = prepare(dataclasses.replace(_config(0.1), data=data), QUIET)
    assert prepared.rows.symbols == ("SIMULATED_1", "SIMULATED_2")
    assert np.isfinite(prepared.rows.probability_up[prepared.labelled("test")]).all()
    book = dataclasses.replace(data, simulation=SimulationSpec(signal="order_book"))
    names = FeatureConfig(names=("book_imbalance_1", "rsi_14"))
    config = dataclasses.replace(_config(0.1), data=book, features=names)
    assert prepare(config, QUIET).rows.names == names.names


def test_the_judge_sizes_positions_and_takes_the_engine_that_the_options_need():
    config = _config(0.1, rows=3_000)
    prepared = prepare(config, QUIET)
    judge = prepared.judge("test")
    probability = np.random.default_rng(0).uniform(0.4, 0.7, len(judge.part))
    plain = judge.judge("plain", probability, 0.5)
    kelly = dataclasses.replace(config.backtest, sizing=SizingSpec(method="kelly"))
    sized = judge.trade((probability >= 0.5).astype(float), probability, kelly)
    assert 0 < sized.metrics["exposure"] < plain.metrics["exposure"]
    stopped = dataclasses.replace(config.backtest, stops=StopSpec(max_bars=1))
    held = judge.trade((probability >= 0.5).astype(float), probability, stopped)
    assert held.metrics["average_trade_bars"] == 1.0
    assert plain.backtest.metrics["average_trade_bars"] > 1.0
    everything = dataclasses.replace(kelly, stops=StopSpec(stop_loss=0.001))
    held = Judge(judge.market, judge.rows, part=judge.part, backtest=everything)
    assert held.judge_buy_and_hold().metrics["trades"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": {"names": ["rsi14"]}}, r"unknown features: 'rsi14' \(nearest: rsi_14"),
        ({"model": {"name": "lstm", "options": {"width": -3}}}, "width must be at least 1"),
        ({"model": {"name": "lstm", "options": {"widht": 3}}}, "no options"),
    ],
)
def test_what_is_wrong_is_refused_before_the_bars_are_read(monkeypatch, settings, said):
    def read(*arguments):
        raise AssertionError("the bars were read")

    monkeypatch.setattr("ultimate_deep.pipeline.prepared.load_market", read)
    with pytest.raises(ValueError, match=said):
        prepare(ExperimentConfig(**settings), Progress())


def _rising(rows: int) -> Market:
    step = np.random.default_rng(0).uniform(1e-4, 2e-3, rows)
    close = 100.0 * np.exp(np.cumsum(step))
    table = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": 1.0}
    index = pd.date_range("2020-01-01", periods=rows, freq="h", tz="UTC")
    return as_market(pd.DataFrame(table, index=index))


def test_baselines_of_one_side_alone_are_refused_and_can_be_left_out():
    config = ExperimentConfig(
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name="linear"),
    )
    prepared = prepare(config, QUIET, market=_rising(600))
    with pytest.raises(ValueError, match=r"all \d+ labels of the training part are up; .* false$"):
        judge_baselines(prepared, QUIET)
    without = dataclasses.replace(config, baselines=False)
    assert judge_baselines(dataclasses.replace(prepared, config=without), QUIET) == ()
