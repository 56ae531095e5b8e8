"""The memory banks do what they say, and the index of past windows never tells the future."""

import dataclasses
import warnings

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models import registry
from ultimate_deep.models.layers import MemoryCell
from ultimate_deep.models.parts.episodic_parts import INDEX, fill_memory
from ultimate_deep.training.optimizers.adamw import AdamW

pytestmark = pytest.mark.usefixtures("plain_graphs")

BARS, FEATURES, ROWS = 6, 3, 60


def cell_and_state(seed=0):
    cell = MemoryCell(3, slots=4, content_width=5, long_rate=0.2, seed=seed)
    cell.build((None, 2))
    rng = np.random.default_rng(seed)
    state = [rng.normal(size=(7, size)).astype("float32") for size in cell.state_size]
    return cell, rng.normal(size=(7, 2)).astype("float32"), state


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def cosines(key, contents):
    """Of `(width,)` with every column of `(width, slots)`."""
    return key @ contents / (np.linalg.norm(key) * np.linalg.norm(contents, axis=0))


def step_by_hand(w, x, state):
    """One row of one step, one bank and one slot after the other."""
    output, c, last_reads, flat = state
    gates = np.concatenate([x, output, last_reads]) @ w["controller_kernel"] + w["controller_bias"]
    enter, keep, leave, new = gates.reshape(4, 3)
    c = sigmoid(keep) * c + sigmoid(enter) * np.tanh(new)
    output = sigmoid(leave) * np.tanh(c)
    heard = np.concatenate([x, output])
    said = (heard @ w["interface_kernel"] + w["interface_bias"]).reshape(2, 23)
    tags = (heard @ w["tags_kernel"]).reshape(2, 2, 4)
    reads, banks = [], []
    for bank, contents in enumerate(flat.reshape(2, 5, 4)):
        keys, sharpness = said[bank, :10].reshape(2, 5), np.log1p(np.exp(said[bank, 10:12]))
        read_at, write_at = (
            softmax(tags[bank, k] + sharpness[k] * cosines(keys[k], contents)) for k in (0, 1)
        )
        importance, erase = sigmoid(said[bank, 12]), sigmoid(said[bank, 13:18])
        add = np.tanh(said[bank, 18:])
        reads.append(contents @ read_at)
        kept = contents * (sigmoid(w["retention"]) if bank == 0 else 1.0)
        g = importance * (1.0 if bank == 0 else 0.2) * write_at
        banks.append(kept - kept * np.outer(erase, g) + np.outer(add, g))
    return np.concatenate([output, *reads]), np.stack(banks).ravel()


def test_a_step_agrees_with_the_equations():
    cell, x, state = cell_and_state()
    weights = {weight.name: weight.numpy() for weight in cell.weights}
    assert set(weights) >= {"initial_contents", "retention", "tags_kernel"}
    output, (_, _, _, flat) = cell(x, state)
    for row in range(len(x)):
        wanted, contents = step_by_hand(weights, x[row], [part[row] for part in state])
        np.testing.assert_allclose(output[row], wanted, atol=1e-5)
        np.testing.assert_allclose(flat[row], contents, atol=1e-5)


def test_what_is_not_important_is_not_written_and_the_long_bank_holds_longer():
    cell, x, _ = cell_and_state()
    state = cell.get_initial_state(batch_size=len(x))
    begun = np.asarray(state[3]).reshape(7, 2, 5, 4)
    np.testing.assert_array_equal(begun[0], cell.contents.numpy())
    written = np.asarray(cell(x, state)[1][3]).reshape(begun.shape)
    bias = cell.interface_bias.numpy().reshape(2, 23)
    bias[:, 12] = -1e4  # importance
    cell.interface_bias.assign(bias.ravel())
    for _ in range(3):
        _, state = cell(x, state)
    held = np.asarray(state[3]).reshape(begun.shape)
    np.testing.assert_array_equal(held[:, 1], begun[:, 1])
    np.testing.assert_allclose(held[:, 0], begun[:, 0] * sigmoid(3.0) ** 3, rtol=1e-5)
    moved = np.abs(written - begun).mean(axis=(0, 2, 3))
    assert 0 < moved[1] < 0.5 * moved[0]


def test_the_memory_refuses_rates_outside_its_range():
    for rate in (0.0, 1.5):
        with pytest.raises(ValueError, match="long_rate"):
            MemoryCell(3, long_rate=rate)


def build(precision="float32", **fields):
    config = dataclasses.replace(
        registry.preset_config("episodic_memory", "tiny"),
        **{"slots": 64, "nearest": 4, "precision": precision} | fields,
    )
    inputs = {"bars": (BARS, FEATURES), "clock": (2,)}
    return models.build_model("episodic_memory", inputs, models.Heads(horizons=2), config)


def rows(seed=0):
    """Decisions an hour apart over midnight; labels are known two hours later."""
    rng = np.random.default_rng(seed)
    bars = rng.normal(size=(ROWS, BARS, FEATURES)).astype("float32")
    seconds = 3600 * np.arange(ROWS) + 20_000 * 86_400 + 1
    clock = np.column_stack(np.divmod(seconds, 86_400)).astype("float32")
    known = np.column_stack(np.divmod(seconds + 7200, 86_400)).astype("float32")
    y = (rng.random((ROWS, 2)) < 0.5).astype("float32")
    returns = 0.01 * rng.normal(size=(ROWS, 2))
    return {"bars": bars, "clock": clock}, y, returns, known


def test_neighbours_agree_with_a_search_by_hand():
    model = build()
    x, y, returns, known = rows()
    fill_memory(model, x, y, returns, known)
    index = model.get_layer(INDEX)
    told = np.asarray(keras.Model(model.input, index.output)(x))
    keys = np.asarray(index.key_of(x["bars"]))
    np.testing.assert_allclose(np.linalg.norm(keys, axis=1), 1.0, atol=1e-5)
    outcomes = np.concatenate([y - 0.5, returns / np.sqrt((returns**2).mean(axis=0))], axis=1)
    sharpness, fading = (np.log1p(np.exp(w.numpy())) for w in (index.sharpness, index.fading))
    seconds, known_at = (np.asarray(a, "float64") @ [86_400, 1] for a in (x["clock"], known))
    np.testing.assert_allclose(told[:2], np.tile(index.nothing.numpy(), (2, 1)))
    for row in range(2, ROWS):
        past = np.flatnonzero(known_at <= seconds[row])
        assert past[-1] == row - 2
        cosine = keys[past] @ keys[row]
        age = (seconds[row] - known_at[past]) / 86_400
        score = sharpness * cosine - fading * np.log1p(age)
        best = np.argsort(-score)[:4]
        shares = softmax(score[best])
        wanted = [*(shares @ outcomes[past[best]]), shares @ cosine[best], len(best) / 4]
        np.testing.assert_allclose(told[row], wanted, atol=1e-4)


@pytest.mark.parametrize("decision", [10, 30])
def test_entries_known_later_change_nothing(decision):
    """Whatever later entries hold, the answer stays, bit for bit; one known now changes it."""
    model = build()
    x, y, returns, known = rows()
    fill_memory(model, x, y, returns, known)
    index, one = model.get_layer(INDEX), {name: a[: decision + 1] for name, a in x.items()}
    before = np.asarray(model(one))
    kept = [weight.numpy() for weight in (index.keys, index.values)]
    for first, same in ((decision - 1, True), (decision - 2, False)):
        # Every later entry looks exactly like the newest window and says the opposite.
        keys, outcomes = kept[0].copy(), kept[1].copy()
        keys[first:ROWS] = np.asarray(index.key_of(x["bars"][decision : decision + 1]))
        outcomes[first:ROWS] = 100.0
        index.fill(keys[:ROWS], outcomes[:ROWS], known)
        assert np.array_equal(model(one), before) == same


def test_labels_of_the_future_do_not_help():
    """An index full of the right answers, all known a second too late, is as good as none."""
    model = build()
    x, y, _, _ = rows()
    empty = np.asarray(model(x))
    late = np.tile(x["clock"][-1] + [0, 1], (ROWS, 1)).astype("float32")
    fill_memory(model, x, y, None, late)
    np.testing.assert_array_equal(model(x), empty)
    fill_memory(model, x, y, None, np.tile(x["clock"][-1], (ROWS, 1)))
    changed = (np.asarray(model(x)) != empty).any(axis=1)
    assert changed.tolist() == [False] * (ROWS - 1) + [True]


def test_more_rows_than_slots_are_taken_evenly_in_time():
    model = build(slots=16)
    x, y, _, known = rows()
    shuffled = np.random.default_rng(1).permutation(ROWS)
    fill_memory(model, {n: a[shuffled] for n, a in x.items()}, y[shuffled], None, known[shuffled])
    picked = np.linspace(0, ROWS - 1, 16).round().astype(int)
    index = model.get_layer(INDEX)
    np.testing.assert_array_equal(index.known_clock.numpy(), known[picked])
    np.testing.assert_array_equal(index.values.numpy()[:, :2], y[picked] - 0.5)
    np.testing.assert_allclose(index.keys.numpy(), index.key_of(x["bars"][picked]), atol=1e-6)


def test_short_long_and_episodic_memory_stand_in_one_net(tmp_path):
    inputs = {"bars": (BARS, FEATURES), "clock": (2,)}
    config = models.config_class("memory_augmented")(width=8, episodes=64, nearest=4)
    model = models.build_model("memory_augmented", inputs, models.Heads(horizons=2), config)
    fill = registry.memory_filler("memory_augmented")
    x, y, returns, known = rows()
    empty = np.asarray(model(x))
    late = np.tile(x["clock"][-1] + [0, 1], (ROWS, 1)).astype("float32")
    fill(model, x, y, returns, late)
    np.testing.assert_array_equal(model(x), empty)
    fill(model, x, y, returns, known)
    assert (np.asarray(model(x)) != empty).any(axis=1).tolist() == [False] * 2 + [True] * (ROWS - 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(x), model(x))
    # Without a clock there are two banks, and nothing to fill.
    plain = models.build_model("memory_augmented", {"bars": inputs["bars"]}, config=config)
    before = plain.get_weights()
    fill(plain, {"bars": x["bars"]}, y[:, :1], None, known)
    assert all((a == b).all() for a, b in zip(plain.get_weights(), before, strict=True))
    assert not any(layer.name == INDEX for layer in plain.layers)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_index_is_saved_with_the_model(suffix, tmp_path):
    model = build()
    x, y, returns, known = rows()
    fill_memory(model, x, y, returns, known)
    path = tmp_path / f"model{suffix}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*HDF5.*")
        model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert (loaded.get_layer(INDEX).known_clock.numpy()[:ROWS] == known).all()


def test_clocks_are_exact_under_bfloat16():
    """A second decides; bfloat16 would round a day of 20,000 to 128 days."""
    model = build("mixed_bfloat16")
    x, y, returns, known = rows()
    fill_memory(model, x, y, returns, known)
    exact = build()
    exact.set_weights(model.get_weights())
    index = [keras.Model(m.input, m.get_layer(INDEX).output) for m in (model, exact)]
    np.testing.assert_array_equal(index[0](x), index[1](x))


def test_training_moves_what_is_learnt_and_leaves_the_table():
    model = build()
    x, y, returns, known = rows()
    fill_memory(model, x, y, returns, known)
    index = model.get_layer(INDEX)
    table = [index.keys, index.values, index.known_clock, index.projection]
    learnt = [index.nothing, index.sharpness, index.fading]
    before = [weight.numpy() for weight in table + learnt]
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=AdamW(1e-2, weight_decay=0.0), loss=loss)
    model.fit(x, y, batch_size=ROWS, epochs=2, verbose=0)
    same = [np.array_equal(w.numpy(), b) for w, b in zip(table + learnt, before, strict=True)]
    assert same == [True] * 4 + [False] * 3


def test_bad_rows_and_inputs_are_refused():
    model = build()
    x, y, returns, known = rows()
    with pytest.raises(ValueError, match="must be finite: leave undefined rows out"):
        fill_memory(model, x, y * np.nan, returns, known)
    with pytest.raises(ValueError, match="takes labels \\(rows, horizons\\)"):
        fill_memory(model, x, y[:, :1], None, known)
    with pytest.raises(ValueError, match="an index of 64 slots takes"):
        model.get_layer(INDEX).fill(np.zeros((65, 16)), np.zeros((65, 4)), np.zeros((65, 2)))
    with pytest.raises(ValueError, match="'clock' of shape \\(2,\\)"):
        models.build_model("episodic_memory", {"bars": (4, 2)})
    with pytest.raises(ValueError, match="nearest must be at least 1 and below 9"):
        models.config_class("episodic_memory")(slots=8, nearest=9)
