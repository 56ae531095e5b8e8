"""Half the bits on a market with a known answer: the same curves but for what seeds do."""

import dataclasses

import numpy as np
import pytest

from ultimate_deep.experiments.experiment import build, prepare, train
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

SEEDS, EPOCHS = (0, 1, 2), 4
# The loss of a net that has learnt nothing.
COIN = np.log(2.0)


@pytest.fixture(scope="module")
def prepared():
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=6_000, simulated_edge=0.2, simulated_seed=11),
        model=ModelConfig(name="mlp", options={"hidden_widths": (32,), "dropout_rate": 0.2}),
        fit=FitConfig(epochs=EPOCHS, batch_size=256, learning_rate=2e-3, patience_epochs=0),
    )
    return prepare(config, Progress())


def curves(prepared, precision):
    """Validation loss after each epoch, `(seeds, epochs)`."""
    found = []
    for seed in SEEDS:
        fit = dataclasses.replace(prepared.config.fit, precision=precision)
        config = dataclasses.replace(prepared.config, fit=fit, seed=seed)
        one = dataclasses.replace(prepared, config=config)
        fitted = train(one, build(one), Progress())
        found.append(fitted.history["validation_loss"].to_numpy())
    return np.array(found)


def test_loss_curves_of_half_the_bits_lie_within_the_spread_of_seeds(prepared):
    whole = curves(prepared, "float32")
    spread = np.ptp(whole, axis=0)
    assert whole[:, -1].max() < COIN - 0.005  # there is something to learn, and it is learnt
    for precision in ("mixed_float16", "mixed_bfloat16"):
        half = curves(prepared, precision)
        assert half.shape == whole.shape
        assert not np.array_equal(half, whole)
        assert np.all(np.abs(half.mean(axis=0) - whole.mean(axis=0)) <= spread)
