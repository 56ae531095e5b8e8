"""What training begins with: horizons and rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.batches.horizon_weights import build_horizon_weights
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.curriculum.horizons import (
    HorizonCurriculum,
    build_horizon_curriculum,
)
from ultimate_deep.training.curriculum.losses import LossCurriculum
from ultimate_deep.training.loop.early_stopping import EarlyStopping
from ultimate_deep.training.participant import FitOutline, StepTensors
from ultimate_deep.training.settings.averaging import AveragingConfig
from ultimate_deep.training.settings.curriculum import CurriculumConfig

EPOCHS, ROWS, BATCH = 8, 100, 10


def outline(model=None, x=None, y=None):
    return FitOutline(
        model=model,
        inputs={"x": x},
        targets={"y": y},
        rows=ROWS,
        batch_size=BATCH,
        steps_per_epoch=ROWS // BATCH,
        epochs=EPOCHS,
    )


def test_horizons_come_in_one_by_one_and_a_batch_weighs_the_same():
    first = HorizonCurriculum(3, 0.5)
    first.begin(outline())
    batch = StepTensors(None, {}, tf.ones((2, 3)))
    seen = []
    for epoch in range(1, EPOCHS + 1):
        weight = first.batch(batch).weight.numpy()
        assert weight.sum() == pytest.approx(6.0)
        seen.append(int((weight[0] > 0).sum()))
        first.after_epoch(epoch, {})
    assert seen == [1, 1, 2, 3, 3, 3, 3, 3]


def test_rows_of_least_loss_come_first():
    inputs = keras.Input((1,), name="features")
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="logits")
    model = keras.Model(inputs, dense(inputs))
    x = np.linspace(-3, 3, ROWS, dtype=np.float32)[:, None]
    y = np.ones((ROWS, 1), np.float32)  # the larger x is, the less wrong the net is
    config = FitConfig(curriculum=CurriculumConfig(kind="loss", share=0.5, start_share=0.4))
    rows = np.random.default_rng(0).permutation(ROWS).reshape(-1, BATCH)
    easy = LossCurriculum(model, config)
    easy.begin(outline(model, x, y))
    assert easy.order(1, rows) is rows
    sizes = []
    for epoch in range(1, EPOCHS):
        easy.after_epoch(epoch, {})
        chosen = easy.order(epoch + 1, rows)
        sizes.append(chosen.size)
        assert set(chosen.ravel()) == set(np.arange(ROWS)[ROWS - chosen.size :])
        # The order within is the epoch's own.
        places = {row: place for place, row in enumerate(rows.ravel())}
        assert (np.diff([places[row] for row in chosen.ravel()]) > 0).all()
    assert sizes == [40, 60, 80, 100, 100, 100, 100]


@pytest.mark.parametrize("field", ["share", "start_share"])
def test_bad_shares_are_refused_by_name(field):
    with pytest.raises(ValueError, match=rf"fit.curriculum.{field} must be in \(0, 1\], got 0"):
        CurriculumConfig(kind="loss", **{field: 0.0})
    with pytest.raises(ValueError, match=f"fit.curriculum.{field} must be left out unless"):
        CurriculumConfig(**{field: 0.7})


def test_one_horizon_has_nothing_to_begin_with():
    inputs = keras.Input((1,), name="features")
    model = keras.Model(inputs, keras.layers.Dense(1, name="logits")(inputs))
    config = FitConfig(curriculum=CurriculumConfig(kind="horizons"))
    with pytest.raises(ValueError, match="got a net of one; name more as"):
        build_horizon_curriculum(config, model)
    with pytest.raises(ValueError, match="weighs horizons against each other, got a net of one"):
        build_horizon_weights(FitConfig(learned_horizon_weights=True), model)


def test_early_stopping_and_planned_epochs_wait_until_everything_is_in():
    """Twelve epochs are the course, whatever the most that there may be."""
    config = FitConfig(
        epochs=200, planned_epochs=12, curriculum=CurriculumConfig(kind="horizons", share=0.5)
    )
    assert (config.course_epochs, config.settled_epochs) == (12, 6)
    averaged = FitConfig(epochs=12, averaging=AveragingConfig(kind="swa"))
    assert averaged.settled_epochs == 9
    watch = EarlyStopping(2, 0.0, config.settled_epochs)
    watch.begin(None)
    ended = []
    for epoch in range(1, 10):
        watch.after_epoch(epoch, {"validation_loss": float(epoch)})
        ended.append(bool(watch.wants_to_stop()))
    assert ended.index(True) + 1 == 8
