"""Memory and cross-timeframe models solve what needs them; the plain LSTM of the same budget fails.

Same width, batches and optimizer for both sides, and no more steps for the side that succeeds.
Chance is one half in every task; the LSTM is given what one window can give: the window itself.
"""

import dataclasses
import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models import registry
from ultimate_deep.models.nets.episodic_memory import fill_memory
from ultimate_deep.training.optimizers.adamw import AdamW

pytestmark = pytest.mark.usefixtures("plain_graphs")

SPEC = importlib.util.spec_from_file_location("planted", Path(__file__).with_name("planted.py"))
planted = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(planted)

# Only whole batches are trained on: one of another size would be traced again.
BATCH, SOLVED = 64, 0.85


def build(name, task, **fields):
    """The tiny preset on those of the task's inputs that the model reads."""
    config = dataclasses.replace(registry.preset_config(name, "tiny"), **fields)
    inputs = {key: values.shape[1:] for key, values in read(name, task).items()}
    return models.build_model(name, inputs, config=config)


def read(name, task):
    if registry.reads(name) == "window":
        return {"bars": task.x["bars"]}
    return task.x


def fed(name, task):
    x = read(name, task)
    return x if len(x) > 1 else x["bars"]


def train(name, model, task, *, epochs=1, batches=None, learning_rate=1e-2):
    """Train on the first batches, all if None."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=AdamW(learning_rate, weight_decay=0.0), loss=loss)
    rows = slice(None if batches is None else BATCH * batches)
    x = {key: values[rows] for key, values in read(name, task).items()}
    x = x if len(x) > 1 else x["bars"]
    model.fit(x, task.y[rows], batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)


def accuracy(name, model, task):
    logits = model.predict(fed(name, task), batch_size=500, verbose=0)
    return float(np.mean((logits > 0) == (task.y > 0.5)))


@pytest.fixture(scope="module")
def trends():
    return planted.trend_and_turn(BATCH * 188, seed=0), planted.trend_and_turn(2_000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs", "batches"),
    [
        ("attentive_lstm", 1, 94),
        ("cross_timeframe_transformer", 2, None),
        ("multi_scale_hybrid", 1, 94),
    ],
)
def test_coarse_trend_and_fine_turn_together(name, epochs, batches, trends):
    keras.utils.set_random_seed(0)
    model = build(name, trends[0])
    train(name, model, trends[0], epochs=epochs, batches=batches)
    assert accuracy(name, model, trends[1]) >= SOLVED


def test_the_fine_window_alone_does_not_tell_the_coarse_trend(trends):
    """2,000 rows: three standard errors of a coin are 0.034."""
    model = build("lstm", trends[0])
    train("lstm", model, trends[0], epochs=2)
    assert abs(accuracy("lstm", model, trends[1]) - 0.5) < 0.034


def recalled(name, **fields):
    keras.utils.set_random_seed(0)
    task = planted.recall(BATCH * 400, seed=0, bars=10, keys=6)
    model = build(name, task, **fields)
    train(name, model, task)
    return accuracy(name, model, planted.recall(2_000, seed=1, bars=10, keys=6))


@pytest.mark.slow
def test_a_value_is_recalled_by_its_key():
    """A window of ten bars with up to nine keys: the memory answers, the LSTM mostly guesses."""
    assert recalled("memory_augmented") >= 0.9
    assert recalled("lstm") < 0.8


TRAIN_DAYS, TEST_DAYS = BATCH * 94, 1_000


@pytest.fixture(scope="module")
def meanings():
    """All days, and their first and last part."""
    days = planted.changing_meanings(TRAIN_DAYS + TEST_DAYS, seed=0)
    first, last = (
        planted.Task({key: values[span] for key, values in days.x.items()}, days.y[span])
        for span in (slice(0, TRAIN_DAYS), slice(TRAIN_DAYS, None))
    )
    return days, first, last


@pytest.mark.slow
def test_what_a_pattern_means_now_is_recalled_from_recent_windows(meanings):
    """The index is filled up to the last day, without training; a day still sees its past only."""
    keras.utils.set_random_seed(0)
    days, first, last = meanings
    name = "episodic_memory"
    model = build(name, first, slots=TRAIN_DAYS + TEST_DAYS)
    fill_memory(model, first.x, first.y, None, planted.known_clock(first))
    train(name, model, first)
    fill_memory(model, days.x, days.y, None, planted.known_clock(days))
    assert accuracy(name, model, last) >= SOLVED
    never = np.tile(planted.known_clock(last)[-1:], (len(days.y), 1))
    fill_memory(model, days.x, days.y, None, never)
    assert accuracy(name, model, last) < 0.6


def test_the_pattern_alone_does_not_tell_what_it_means_now(meanings):
    _, first, last = meanings
    model = build("lstm", first)
    train("lstm", model, first)
    assert accuracy("lstm", model, last) < 0.6
