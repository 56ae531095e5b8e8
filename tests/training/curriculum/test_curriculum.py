"""What training begins with: horizons and rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.curriculum.horizons import HorizonCurriculum
from ultimate_deep.training.curriculum.losses import LossCurriculum
from ultimate_deep.training.participant import FitOutline, StepTensors
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
        CurriculumConfig(**{field: 0.0})
