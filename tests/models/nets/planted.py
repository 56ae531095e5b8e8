"""Tasks with known answers that need what some architectures add: memory, and other timeframes."""

from typing import NamedTuple

import numpy as np


class Task(NamedTuple):
    """Inputs by name, `(rows, ...)` float32, and labels `(rows, 1)` of 0 and 1."""

    x: dict[str, np.ndarray]
    y: np.ndarray


def recall(rows, *, seed, bars=16, keys=8, noise=0.1):
    """A value written to a key somewhere in the window is asked for at its end.

    Every bar but the last shows one of `keys` directions, a value of -1 or 1 and a mark. Marked
    bars (three of four) write the value to the key, the others are distractors with a key and a
    value of their own. The last bar shows a key that was written and no value; the label is the
    value last written to it. No other value tells anything about it.

    Features: `keys` numbers of the direction, value, mark, and 1 at the question.
    """
    rng = np.random.default_rng(seed)
    row = np.arange(rows)
    shown = rng.integers(keys, size=(rows, bars))
    value = rng.choice([-1.0, 1.0], size=(rows, bars))
    marked = rng.random((rows, bars)) < 0.75
    asked_at = rng.integers(bars - 1, size=rows)
    marked[row, asked_at], marked[:, -1] = True, False
    shown[:, -1] = shown[row, asked_at]
    same = marked & (shown == shown[:, -1:])
    last = bars - 1 - np.argmax(same[:, ::-1], axis=1)
    label = value[row, last] > 0
    value[:, -1] = 0.0
    question = np.zeros((rows, bars))
    question[:, -1] = 1.0
    x = np.concatenate(
        [np.eye(keys)[shown], value[..., None], marked[..., None], question[..., None]], axis=-1
    )
    x = x + noise * rng.normal(size=x.shape)
    return Task({"bars": x.astype("float32")}, label[:, None].astype("float32"))


def changing_meanings(rows, *, seed, bars=8, patterns=32, shows=20, noise=0.2):
    """What a pattern means changes now and then; only recent windows tell what it means now.

    Each day shows one of `patterns` windows with noise. Every pattern has a meaning, up or down,
    that turns over once in `shows` of its shows on average. So up and down are as frequent for
    each pattern in the long run, and weights that know the pattern alone know nothing. The label
    is known on the next day: see `known_clock`.
    """
    rng = np.random.default_rng(seed)
    pattern = rng.normal(size=(patterns, bars, 3))
    meaning = rng.random(patterns) < 0.5
    shown = rng.integers(patterns, size=rows)
    turns = rng.random(rows) < 1 / shows
    label = np.zeros(rows)
    for day, (which, turn) in enumerate(zip(shown, turns, strict=True)):
        meaning[which] ^= turn
        label[day] = meaning[which]
    x = pattern[shown] + noise * rng.normal(size=(rows, bars, 3))
    clock = np.column_stack([10_000 + np.arange(rows), np.full(rows, 72_000)])
    inputs = {"bars": x.astype("float32"), "clock": clock.astype("float32")}
    return Task(inputs, label[:, None].astype("float32"))


def known_clock(task):
    """When the labels of `changing_meanings` are known: a day after the decision."""
    return task.x["clock"] + np.array([1, 0], "float32")


def trend_and_turn(rows, *, seed, bars=16, coarse_bars=8, factor=16):
    """Up where the last fine bars go along with the coarse trend, else down.

    Returns are independent. The coarse trend is the sum of all complete coarse bars before the
    fine window, which the fine window therefore knows nothing about; the turn is the sum of the
    last four fine bars. The label is whether their signs agree, so that neither tells anything
    without the other. Rows near a sign's change are left out.
    """
    rng = np.random.default_rng(seed)
    drawn = 2 * rows
    coarse = rng.normal(size=(drawn, coarse_bars - 1))
    fine = rng.normal(size=(drawn, bars))
    last = fine[:, -factor:].sum(axis=1, keepdims=True) / np.sqrt(factor)
    trend = coarse.sum(axis=1) / np.sqrt(coarse_bars - 1)
    turn = fine[:, -4:].sum(axis=1) / 2
    clear = np.flatnonzero((np.abs(trend) > 0.3) & (np.abs(turn) > 0.3))[:rows]
    x = {"bars": fine, "bars_16x": np.concatenate([coarse, last], axis=1)}
    x = {name: values[clear, :, None].astype("float32") for name, values in x.items()}
    label = (trend > 0) == (turn > 0)
    return Task(x, label[clear, None].astype("float32"))
