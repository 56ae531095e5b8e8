"""Snapshots: one net, several cycles of the learning rate."""

import math

import numpy as np
import pytest

from models.mlp import MlpConfig
from models.registry import build_model
from training.ensembles.combiner import EnsembleError
from training.ensembles.pooling import average_pool
from training.ensembles.snapshot import fit_snapshots, snapshot_configs
from training.fitting.arrays import Arrays
from training.fitting.fit_config import FitConfig
from training.fitting.schedules import Schedule

CONFIG = FitConfig(epochs=6, batch_size=32, learning_rate=1e-2, jit_compile=False)


def arrays(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    y = (x[:, :1] + rng.normal(size=(rows, 1)) > 0).astype(np.float32)
    return Arrays(x=x, y=y)


def test_the_learning_rate_is_the_papers():
    total, cycles, steps_per_epoch = 24, 3, 4  # 6 epochs of 4 steps
    found = []
    for config in snapshot_configs(CONFIG, cycles):
        schedule = Schedule(
            config=config.schedule,
            peak=config.learning_rate,
            steps_per_epoch=steps_per_epoch,
            epochs=config.epochs,
        )
        found += [schedule.learning_rate(step) for step in range(schedule.total_steps)]
    length = math.ceil(total / cycles)
    expected = [
        1e-2 / 2 * (math.cos(math.pi * ((t - 1) % length) / length) + 1)
        for t in range(1, total + 1)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_epochs_are_shared_out_and_each_cycle_has_its_own_order():
    configs = snapshot_configs(CONFIG, 4)
    assert [config.epochs for config in configs] == [2, 2, 1, 1]
    assert len({config.seed for config in configs}) == 4
    for cycles in (1, 7):
        with pytest.raises(EnsembleError, match="2 cycles and one epoch each"):
            snapshot_configs(CONFIG, cycles)


def test_snapshots_differ_agree_with_the_truth_and_vote(tmp_path):
    train, validation = arrays(256, 0), arrays(128, 1)

    def run(*, resume):
        model = build_model("mlp", {"features": (4,)}, config=MlpConfig(hidden_widths=(8,)))
        return fit_snapshots(
            model, train, validation, CONFIG, cycles=2,
            checkpoint_folder=tmp_path / "checkpoints", resume=resume,
        )  # fmt: skip

    models, result = run(resume=False)
    x = arrays(200, 2)
    logits = np.stack([np.asarray(model(x.x)) for model in models])
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    assert (((logits > 0) == (x.y > 0.5)).mean(axis=(1, 2)) > 0.65).all()
    together = average_pool(("1", "2"), 1).combine(logits)
    assert (together >= logits.min(axis=0) - 1e-6).all()
    assert (together <= logits.max(axis=0) + 1e-6).all()
    assert list(result.history["cycle"]) == [1, 1, 1, 2, 2, 2]
    assert list(result.history["epoch"]) == [1, 2, 3, 4, 5, 6]
    again, _ = run(resume=True)  # finished cycles are restored, not trained anew
    for one, other in zip(models, again, strict=True):
        for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)
