"""From a file of real bars to saved predictions, as the documents ask for it by name.

    python tests/integration/test_nn_pipeline.py

runs it by itself.
"""

import sys

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.bundles.predicting import predict_bars
from ultimate_deep.experiments.judging.rejudged import backtest_bundle
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.market.market import DataConfig, load_market
from ultimate_deep.pipeline.config import (
    ExperimentConfig,
    FeatureConfig,
    HeadConfig,
    ModelConfig,
)
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

FEATURES = ("return_log_1", "rsi_14", "close_to_sma_20")
BARS = 1_200

pytestmark = pytest.mark.usefixtures("plain_figures")


def test_real_bars_go_from_file_to_saved_predictions(real_bars_folder, tmp_path):
    """Read, compute, label, split, scale, train, judge, save; then load, predict, judge again.

    `tests/bundles/test_predicting.py` asks more of it, on simulated bars.
    """
    path = tmp_path / "btcusd_1h.csv"
    frame = pd.read_parquet(real_bars_folder / "btcusd_1h.parquet").tail(BARS)
    frame.to_csv(path, index=False)
    config = ExperimentConfig(
        name="pipeline",
        artifacts=str(tmp_path),
        data=DataConfig(path=str(path)),
        features=FeatureConfig(names=FEATURES),
        inputs=InputConfig(window_bars=8),
        heads=HeadConfig(further_horizons=("4h",)),
        model=ModelConfig(name="lstm", preset="tiny"),
        fit=FitConfig(epochs=2, batch_size=64, jit_compile=False),
        baselines=False,
    )
    run = run_experiment(config, Progress())
    losses = pd.read_csv(run.folder / "history.csv")
    assert np.isfinite(losses.select_dtypes("number")).to_numpy().all()

    bundle = load_any(run.folder)
    market = load_market(DataConfig(path=str(path)), config.label)
    table = predict_bars(bundle, market)
    assert table["timestamp"].iloc[-1] == frame["timestamp"].iloc[-1]
    assert table["probability_up"].between(0, 1).all()
    assert table["probability_up_4_bars"].between(0, 1).all()
    test_part = table["decision_time"] >= run.prepared.split.boundaries[1]
    np.testing.assert_allclose(
        table.loc[test_part, "probability_up"],
        run.outcome.probability["test"],
        rtol=0,
        atol=1e-6,  # rows stand elsewhere in their batches
    )

    again = backtest_bundle(bundle, DataConfig())
    assert again.same_bars
    assert again.differing == ()


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-v"]))
