"""Folds side by side: the same bits on any number of workers, resumed on another number."""

import numpy as np
import pytest

from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.walk_forward import walk_forward
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

WALK = WalkForwardConfig(scheme="purged_k_fold", folds=3)


class Heard(Progress):
    """Keeps what is said; as somebody who presses Ctrl-C when the first fold has ended."""

    def __init__(self, *, stops: bool = False) -> None:
        self.lines, self.stops = [], stops

    def message(self, text):
        self.lines.append(text)
        if self.stops and "to go" in text and "epoch" in text:
            raise KeyboardInterrupt


def config(folder):
    return ExperimentConfig(
        artifacts=str(folder),
        name="walk",
        data=DataConfig(simulated_rows=1_200, simulated_edge=0.2),
        features=FeatureConfig(names=("return_log_1", "rsi_14", "momentum_z_20")),
        model=ModelConfig(name="mlp"),
        fit=FitConfig(epochs=2, batch_size=64),
        baselines=False,
    )


def said_of(walked):
    return [(one.rows, one.probability, one.thresholds) for one in walked.results]


def test_folds_have_the_same_bits_on_any_number_of_workers(tmp_path):
    heard = Heard()
    two = walk_forward(config(tmp_path / "two"), WALK, heard, workers=Workers(count=2))
    # The fold beside the first may have ended by then too.
    with pytest.raises(Interrupted, match=r"stopped; [12] of 3 folds (is|are) finished"):
        walk_forward(config(tmp_path / "one"), WALK, Heard(stops=True), workers=Workers(count=2))
    with pytest.raises(ValueError, match="other settings of worker_threads: resume it"):
        walk_forward(config(tmp_path / "one"), WALK, Heard(), resume=True)
    one = walk_forward(
        config(tmp_path / "one"), WALK, Heard(), resume=True, workers=Workers(count=1)
    )
    for ours, others in zip(said_of(two), said_of(one), strict=True):
        for mine, other in zip(ours, others, strict=True):
            np.testing.assert_array_equal(mine, other)
    assert "3 of 3 folds to go, 2 tasks at a time, each on one thread" in heard.lines
    for number in (1, 2, 3):
        own = [line for line in heard.lines if line.startswith(f"fold {number} of 3: ")]
        assert "training on" in own[0]
        assert sum("epoch 2/2" in line for line in own) == 1
        assert "test accuracy" in own[-1]
    assert one.trials.by_kind == two.trials.by_kind
    # Both stand in one ledger: three trials of each fold and the reading of the test parts, of
    # which stopping and going on lost none and counted none twice.
    assert one.trials.recorded - two.trials.recorded == 3 * 3 + 1
    for walked in (one, two):
        walked.place.lock.release()
