"""Batches over windows: same order, same bits, resumable, whichever way they are read."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep.market.windows import Windows
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.batches import Batches
from ultimate_deep.training.batches.tf_data import batch_pipeline
from ultimate_deep.training.batches.window_dataset import WindowDataset

WINDOW, FEATURES = 5, 3


def two_symbols(rows_each=20, *, horizons=1, named=False):
    """Windows over two symbols in one table; none crosses from one into the other."""
    draws = np.random.default_rng(0)
    table = draws.normal(size=(2 * (rows_each + WINDOW - 1), FEATURES)).astype(np.float32)
    first = np.arange(WINDOW - 1, WINDOW - 1 + rows_each)
    windows = Windows(table, np.concatenate([first, first + len(table) // 2]), WINDOW)
    y = draws.integers(0, 2, size=(2 * rows_each, horizons)).astype(np.float32)
    weight = draws.uniform(0.5, 2.0, size=2 * rows_each).astype(np.float32)
    return Arrays(x={"bars": windows} if named else windows, y=y, weight=weight)


def batches_of(arrays=None, **options):
    return Batches(**({"arrays": arrays or two_symbols(), "batch_size": 8, "seed": 3} | options))


def expected_batches(batches, epoch):
    """The batches of an epoch, cut out by hand."""
    arrays, table, ends = batches.arrays, batches.arrays.x.table, batches.arrays.x.ends
    order = np.random.default_rng([batches.seed, epoch]).permutation(arrays.rows)
    for start in range(0, arrays.rows - batches.batch_size + 1, batches.batch_size):
        rows = order[start : start + batches.batch_size]
        x = np.stack([table[end - WINDOW + 1 : end + 1] for end in ends[rows]])
        yield x, arrays.y[rows], batches.weight[rows]


def assert_equal_batches(found, expected):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(np.asarray(mine).squeeze(), np.asarray(theirs).squeeze())


def test_batches_are_those_cut_out_by_hand():
    batches = batches_of()
    for epoch in (0, 1):
        taken = [batches.take(rows) for rows in batches.rows(epoch)]
        found = [(batch.x, batch.targets["y"], batch.weight) for batch in taken]
        assert_equal_batches(found, list(expected_batches(batches, epoch)))
    assert batches_of(batch_size=999).steps_per_epoch == 1
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        batches_of(batch_size=0)


class Recorder(keras.Model):
    """Keeps every batch that it is trained on."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.compile(run_eagerly=True)
        self.built = True

    def train_step(self, data):
        self.seen.append(tuple(np.asarray(part) for part in data))
        return {"loss": 0.0}


def test_model_fit_sees_each_epoch_in_its_own_order():
    batches = batches_of()
    model = Recorder()
    model.fit(WindowDataset(batches), epochs=3, verbose=0, shuffle=False)
    expected = [batch for epoch in range(3) for batch in expected_batches(batches, epoch)]
    assert_equal_batches(model.seen, expected)


def test_keras_own_shuffling_is_refused():
    dataset = WindowDataset(batches_of(batch_size=1))
    with pytest.raises(Exception, match=r"give model\.fit shuffle=False"):
        Recorder().fit(dataset, epochs=1, verbose=0)


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("batch", "step"), [(1, (1, 2)), (4, (2, 0))])
def test_model_fit_goes_on_in_mid_epoch(batch, step):
    batches = batches_of()
    dataset, model = WindowDataset(batches), Recorder()
    callbacks = [dataset.follower(), StopAt(1, batch)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(dataset, epochs=3, verbose=0, shuffle=False, callbacks=callbacks)
    state = dataset.state()
    assert (state["epoch"], state["step"]) == step
    resumed = WindowDataset(batches)
    resumed.restore(state)
    if state["step"]:
        once = {"initial_epoch": state["epoch"], "verbose": 0, "shuffle": False}
        with pytest.raises(ValueError, match="fit that epoch alone"):
            Recorder().fit(resumed, epochs=3, **once)
        resumed.restore(state)
        model.fit(resumed, epochs=state["epoch"] + 1, **once)
    model.fit(resumed, epochs=3, initial_epoch=2, verbose=0, shuffle=False)
    expected = [batch for epoch in range(3) for batch in expected_batches(batches, epoch)]
    assert_equal_batches(model.seen, expected)
    assert (resumed.state()["epoch"], resumed.state()["step"]) == (3, 0)
    with pytest.raises(ValueError, match="batch_size was 8, is now 4"):
        WindowDataset(batches_of(batch_size=4)).restore(state)
    with pytest.raises(ValueError, match="step below 5"):
        resumed.restore(state | {"step": 5})


def test_plain_keras_trains_with_class_and_row_weights():
    batches = batches_of(class_weights=True)
    model = keras.Sequential([keras.Input((WINDOW, FEATURES)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(WindowDataset(batches), epochs=2, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
    labels, weight = batches.arrays.y[:, 0] > 0.5, batches.weight[:, 0]
    assert weight[labels].sum() == pytest.approx(weight[~labels].sum(), rel=1e-5)
    several = batches_of(two_symbols(horizons=2), class_weights=True)
    with pytest.raises(ValueError, match="one weight for each row"):
        WindowDataset(several)


def test_the_pipeline_gives_the_same_bits_and_any_rest_of_them():
    batches = batches_of()
    everything = [batch for epoch in range(3) for batch in expected_batches(batches, epoch)]
    assert_equal_batches(list(batch_pipeline(batches, epochs=3)), everything)
    rest = batch_pipeline(batches, epochs=3, first_epoch=1, first_step=2)
    assert_equal_batches(list(rest), everything[7:])
    with pytest.raises(ValueError, match="cannot start at epoch 3"):
        batch_pipeline(batches, epochs=3, first_epoch=3)


def test_the_pipeline_reads_named_inputs_and_plain_arrays():
    named = batches_of(two_symbols(named=True))
    x, y, weight = next(iter(batch_pipeline(named, epochs=1)))
    assert x["bars"].shape == (8, WINDOW, FEATURES)
    assert y.shape == weight.shape == (8, 1)
    arrays = two_symbols()
    plain = batches_of(dataclasses.replace(arrays, x=arrays.x[:]))
    one_bar = batches_of(
        dataclasses.replace(arrays, x=Windows(arrays.x.table, arrays.x.ends, None))
    )
    bars = next(iter(batch_pipeline(plain, epochs=1)))[0]
    np.testing.assert_array_equal(bars, x["bars"])
    newest = next(iter(batch_pipeline(one_bar, epochs=1)))[0]
    np.testing.assert_array_equal(newest, bars[:, -1])
