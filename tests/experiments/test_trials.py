"""Trials on the same bars find each other, whatever run or file they come from."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep.bundles.executors.net import weights_digest
from ultimate_deep.experiments.trials import (
    LEDGER_FILE,
    TrialBook,
    configuration_digest,
    effective_candidates,
)
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.pipeline.calibration import choose_threshold
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig

CONFIG = ExperimentConfig(
    data=DataConfig(simulated_rows=3_000), model=ModelConfig(name="mlp"), baselines=False
)


@pytest.fixture(scope="module")
def market() -> Market:
    return load_market(CONFIG.data, LabelSpec())


def _renamed_and_cut(market: Market) -> Market:
    (bars,) = market.bars.values()
    other = dataclasses.replace(bars, symbol="OTHER", frame=bars.frame.iloc[200:-200])
    return Market({"OTHER": other})


def test_runs_on_the_same_bars_count_each_other(tmp_path, market):
    first = TrialBook.opened(tmp_path / "a", market, CONFIG)
    first.training(0.69)
    first.reading("weights of a", sharpe_per_bar=0.01, accuracy=0.51)
    second = TrialBook.opened(tmp_path / "b", _renamed_and_cut(market), CONFIG)
    second.reading("weights of b", sharpe_per_bar=0.03, accuracy=0.52)
    assert (tmp_path / LEDGER_FILE).is_file()
    assert second.count().test_readings == 2
    assert second.count().sharpe_variance == pytest.approx(0.0002)
    first.reading("weights of a", sharpe_per_bar=0.01, accuracy=0.51)
    assert first.count().test_readings == 2


@pytest.mark.parametrize("text", ["[1, 2]", "no JSON", '{"ledger": "x"}', '{"ledger": {"a": 1}}'])
def test_another_programs_metrics_beside_the_ledger_are_left_alone(tmp_path, market, text):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text(text)
    assert TrialBook.opened(tmp_path / "a", market, CONFIG).check() == []


def test_other_bars_do_not_count(tmp_path, market):
    TrialBook.opened(tmp_path / "a", market, CONFIG).training(0.69)
    other = dataclasses.replace(CONFIG.data, simulated_seed=8)
    book = TrialBook.opened(tmp_path / "b", load_market(other, LabelSpec()), CONFIG)
    assert book.count().recorded == 0


def test_a_book_that_is_not_kept_starts_from_nothing(market):
    with TrialBook.unkept(market, CONFIG) as book, TrialBook.unkept(market, CONFIG) as another:
        book.with_config(dataclasses.replace(CONFIG, seed=1)).tuning("validation loss", 0.7)
        assert book.count().by_kind["tuning"] == 1
        assert another.count().recorded == 0


def test_names_do_not_make_another_trial_and_settings_do():
    same = dataclasses.replace(CONFIG, name="other", artifacts="elsewhere")
    assert configuration_digest(same) == configuration_digest(CONFIG)
    assert configuration_digest(dataclasses.replace(CONFIG, seed=1)) != configuration_digest(CONFIG)


def test_a_model_keeps_its_digest_when_saved_and_loaded(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    before = weights_digest(model)
    model.save(tmp_path / "model.keras")
    assert weights_digest(keras.models.load_model(tmp_path / "model.keras")) == before
    model.layers[0].kernel.assign_add(np.full((3, 4), 1e-6, np.float32))
    assert weights_digest(model) != before


def _choice(returns: np.ndarray):
    probability = np.linspace(0.4, 0.7, 500)
    choice = choose_threshold(probability, lambda threshold: 0.0, candidates=returns.shape[1])
    return dataclasses.replace(choice, returns=returns)


def test_equal_thresholds_are_one_trial_and_independent_ones_are_many():
    generator = np.random.default_rng(0)
    column = generator.normal(size=(4_000, 1))
    assert effective_candidates(_choice(np.repeat(column, 20, axis=1))) == pytest.approx(1.0)
    apart = effective_candidates(_choice(generator.normal(size=(4_000, 20))))
    assert apart == pytest.approx(20.0, rel=0.02)
    assert effective_candidates(_choice(np.zeros((4_000, 20)))) == 1.0
