"""Layers of members: their formulas, what they drop and draw, and how they answer together."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers import (
    AddToMembers,
    DrawMember,
    MeanOfMembers,
    MemberAnswers,
    MemberStem,
)
from ultimate_deep.models.layers.stacks.masks import random_choices

ROWS, FEATURES, MEMBERS = 6, 5, 4


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def filled(layer, seed=1):
    """Give every weight values of its own, so that leaving one out would show."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, size=weight.shape) * rng.choice([-1, 1], weight.shape))
    return {weight.name: weight.numpy().astype(np.float64) for weight in layer.weights}


def stem(**options):
    layer = MemberStem(MEMBERS, (7, 3), **{"feature_dropout": 0.0, **options})
    layer.build((None, FEATURES))
    return layer


def test_a_stem_is_its_members_one_by_one():
    layer, x = stem(), rows(ROWS, FEATURES)
    w = filled(layer)
    assert w["dense_1_kernel"].shape == (FEATURES, 7)
    found = layer(x).numpy()
    assert found.shape == (ROWS * MEMBERS, 3)
    for member in range(MEMBERS):
        y = x * w["input_scale"][member]
        for name in ("dense_1", "dense_2"):
            y = y @ w[f"{name}_kernel"] * w[f"{name}_scale"][member] + w[f"{name}_bias"][member]
            y = np.maximum(y, 0)
        np.testing.assert_allclose(found[member::MEMBERS], y, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(x, training=True), found)


def test_the_penalty_is_that_of_squares_and_of_each_features_norm():
    layer = stem(l2=0.01, feature_penalty=0.3)
    w = filled(layer)
    layer.dense_1_kernel[1].assign(np.zeros(7))
    first = np.delete(w["dense_1_kernel"], 1, axis=0)
    squares = (first**2).sum() + (w["dense_2_kernel"] ** 2).sum()
    expected = 0.01 * squares + 0.3 * np.sqrt((first**2).sum(axis=1)).sum()
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)
    with tf.GradientTape() as tape:
        loss = sum(layer.losses)
    slopes = tape.gradient(loss, layer.dense_1_kernel).numpy()
    # A feature that is left out stays out, without a slope that is not a number.
    np.testing.assert_array_equal(slopes[1], 0)
    norms = np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.delete(slopes, 1, axis=0), 0.02 * first + 0.3 * first / norms, rtol=1e-4
    )
    again = MemberStem.from_config(layer.get_config())
    again.build((None, FEATURES))
    again.set_weights(layer.get_weights())
    assert float(sum(again.losses)) == float(sum(layer.losses))
    assert stem().losses == []


def test_initial_scales_are_normal_and_each_members_own():
    layer = MemberStem(64, (3,), seed=5)
    layer.build((None, 100))
    scale = layer.input_scale.numpy()
    assert scale.std() == pytest.approx(1.0, abs=0.05)
    assert scale.mean() == pytest.approx(0.0, abs=0.05)
    assert np.linalg.matrix_rank(scale) == 64
    again, other = MemberStem(64, (3,), seed=5), MemberStem(64, (3,), seed=6)
    for one in (again, other):
        one.build((None, 100))
    np.testing.assert_array_equal(again.input_scale, scale)
    assert not np.array_equal(other.input_scale, scale)


def test_each_member_of_each_row_misses_features_of_its_own_in_training():
    rate, features, members, count = 0.3, 50, 3, 200
    layer = MemberStem(members, (features,), feature_dropout=rate)
    layer.build((None, features))
    layer.input_scale.assign(np.ones((members, features)))
    layer.dense_1_kernel.assign(np.eye(features))
    x = np.ones((count, features), "float32")
    seen = layer(x, training=True).numpy().reshape(count, members, features)
    np.testing.assert_allclose(np.unique(seen), [0, 1 / (1 - rate)], rtol=1e-6)
    assert (seen == 0).mean() == pytest.approx(rate, abs=0.01)
    for axis in (0, 1, 2):
        dropped = (seen == 0).mean(axis=axis)
        assert dropped.std() < 0.3
        pairs = np.take(seen, 0, axis) == np.take(seen, 1, axis)
        assert pairs.mean() == pytest.approx(rate**2 + (1 - rate) ** 2, abs=0.1)
    assert not np.array_equal(layer(x, training=True).numpy().reshape(seen.shape), seen)
    layer.seed_generator.state.assign([layer.seed_generator.state[0], 0])
    np.testing.assert_array_equal(layer(x, training=True).numpy().reshape(seen.shape), seen)


def test_hidden_dropout_keeps_its_share_and_masks_of_two_layers_differ():
    layer = MemberStem(2, (400, 400), feature_dropout=0.0, dropout_rate=0.25)
    layer.build((None, 400))
    layer.input_scale.assign(np.ones((2, 400)))
    for kernel in (layer.dense_1_kernel, layer.dense_2_kernel):
        kernel.assign(np.eye(400))
    found = layer(np.ones((20, 400), "float32"), training=True).numpy()
    # Both masks, the same if they had one salt.
    assert (found > 0).mean() == pytest.approx(0.75**2, abs=0.02)


@pytest.mark.parametrize("rows_known", [True, False])
def test_xla_and_plain_graphs_draw_the_same_masks(rows_known):
    layer, x = stem(feature_dropout=0.5, dropout_rate=0.2, seed=3), rows(ROWS, FEATURES)
    state = layer.seed_generator.state.numpy()
    eager = layer(x, training=True).numpy()
    spec = tf.TensorSpec((ROWS if rows_known else None, FEATURES), tf.float32)
    for jit in (False, True):
        layer.seed_generator.state.assign(state)
        traced = tf.function(
            lambda x: layer(x, training=True),
            input_signature=[spec],
            autograph=False,
            jit_compile=jit,
        )
        np.testing.assert_allclose(traced(x), eager, rtol=1e-5, atol=1e-6)
    assert (eager == 0).any()


def test_bfloat16_products_and_float32_weights():
    exact, rounded = stem(), stem(dtype=keras.DTypePolicy("mixed_bfloat16"))
    x = rows(ROWS, FEATURES)
    rounded.set_weights(exact.get_weights())
    found = rounded(x)
    assert found.dtype == "float32"
    assert {weight.dtype for weight in rounded.weights} == {"float32"}
    np.testing.assert_allclose(found, exact(x), atol=0.1)
    assert not np.array_equal(found, exact(x))


def test_one_member_a_row_is_drawn_in_training_and_all_go_on_otherwise():
    count, members = 4_000, 5
    layer = DrawMember(members, seed=2)
    x = np.arange(count * members, dtype="float32")[:, None] * np.ones((1, 3), "float32")
    np.testing.assert_array_equal(layer(x), x)
    drawn = layer(x, training=True).numpy()
    assert drawn.shape == (count, 3)
    row, member = np.divmod(drawn[:, 0], members)
    np.testing.assert_array_equal(row, np.arange(count))
    shares = np.bincount(member.astype(int), minlength=members) / count
    np.testing.assert_allclose(shares, 1 / members, atol=0.03)
    assert abs(np.corrcoef(member[1:], member[:-1])[0, 1]) < 0.05
    again = layer(x, training=True).numpy()
    assert (again == drawn).mean() == pytest.approx(1 / members, abs=0.04)


def test_only_the_drawn_member_gets_a_gradient():
    layer = DrawMember(MEMBERS)
    x = tf.constant(rows(ROWS * MEMBERS, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    gradient = tape.gradient(y, x).numpy().reshape(ROWS, MEMBERS, 2)
    np.testing.assert_array_equal(np.sort(gradient, axis=1)[:, :-1], 0)
    np.testing.assert_array_equal(gradient.max(axis=1), 1)


@pytest.mark.parametrize("choices", [1, 3, 16, 65_535])
def test_choices_are_whole_numbers_in_their_range(choices):
    found = ops.convert_to_numpy(random_choices((50_000,), choices, np.array([3, 4])))
    assert found.min() >= 0
    assert found.max() <= choices - 1
    assert found.mean() == pytest.approx((choices - 1) / 2, rel=0.02)
    other = ops.convert_to_numpy(random_choices((50_000,), choices, np.array([3, 4]), salt=1))
    assert (found == other).mean() == pytest.approx(1 / choices, abs=0.01)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_answers_are_mean_probabilities_and_mean_values():
    logits = 3 * rows(ROWS * MEMBERS, 2)
    up = sigmoid(logits).reshape(ROWS, MEMBERS, 2).mean(axis=1)
    found = MemberAnswers(MEMBERS)([logits]).numpy()
    np.testing.assert_allclose(sigmoid(found), up, rtol=1e-5)
    classes = 3 * rows(ROWS * MEMBERS, 2, 3)
    odds = np.exp(classes.astype(np.float64))
    shares = (odds / odds.sum(axis=-1, keepdims=True)).reshape(ROWS, MEMBERS, 2, 3).mean(axis=1)
    found = MemberAnswers(MEMBERS)([classes]).numpy()
    np.testing.assert_allclose(np.exp(found), shares, rtol=1e-5)
    values = MemberAnswers(MEMBERS, average="value")([classes]).numpy()
    expected = classes.reshape(ROWS, MEMBERS, 2, 3).mean(axis=1)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    far = MemberAnswers(2)([np.array([[200.0], [200.0], [-200.0], [-200.0]], "float32")])
    np.testing.assert_allclose(far, [[200.0], [-200.0]], rtol=1e-5)


def test_only_the_first_reading_answers():
    first, exit_reading = rows(ROWS * MEMBERS, 1), rows(ROWS * MEMBERS, 1, seed=3)
    layer = MemberAnswers(MEMBERS, weights=(1.0, 10.0), drawn=True)
    alone = MemberAnswers(MEMBERS)([first])
    np.testing.assert_array_equal(layer([first, exit_reading]), alone)
    # In training the first reading has one member of each row.
    one = rows(ROWS, 1)
    np.testing.assert_array_equal(layer([one, exit_reading], training=True), one)
    drawn = MemberAnswers(MEMBERS)([first], training=True).numpy()
    assert all(
        value in first[row * MEMBERS : (row + 1) * MEMBERS] for row, value in enumerate(drawn)
    )


def test_the_mean_and_what_is_added_to_each_member():
    x, shared = rows(ROWS * MEMBERS, 2), rows(ROWS, 2, seed=1)
    each = x.reshape(ROWS, MEMBERS, 2)
    np.testing.assert_allclose(MeanOfMembers(MEMBERS)(x), each.mean(axis=1), rtol=1e-5, atol=1e-6)
    added = AddToMembers(MEMBERS)([x, shared]).numpy().reshape(ROWS, MEMBERS, 2)
    np.testing.assert_allclose(added, each + shared[:, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MemberStem(0, (3,)), "members must be at least 1"),
        (lambda: MemberStem(2, ()), r"widths must hold .* got \(\): give the output's width"),
        (lambda: MemberStem(2, (3,), feature_dropout=1.0), "feature_dropout must be at least 0"),
        (lambda: MemberStem(2, (3,), feature_penalty=-1.0), "feature_penalty must be at least 0"),
        (lambda: MemberStem(2, (3,)).build((None, 4, 5)), "flatten the input first"),
        (lambda: DrawMember(0), "members must be at least 1"),
        (lambda: MemberAnswers(2, average="median"), "average must be one of probability, value"),
        (lambda: MemberAnswers(2, weights=(0.0,)), "weights must be positive"),
        (lambda: MemberAnswers(2)([rows(4, 1)] * 2), "as many weights as readings"),
        (lambda: MemberAnswers(2)(rows(4, 1)), "got no list: give as many"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
