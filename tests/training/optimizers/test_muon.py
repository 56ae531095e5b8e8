"""Muon against NumPy, each layer of a stack like a matrix of its own."""

import keras
import numpy as np
import pytest

from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.training.optimizers.muon import LayerwiseMuon, matrix_shape, orthogonalized

RATE, DECAY, STEPS = 0.01, 0.1, 4


def newton_schulz(matrix):
    """The iteration in float64, one matrix at a time."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).astype(np.float64)
    x = x / np.linalg.norm(x)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


def named(name, shape, rows=None):
    variable = keras.Variable(np.random.default_rng(1).normal(size=shape), name=name)
    if rows is not None:
        mark_layers(variable, rows)
    return variable


def test_singular_values_end_near_one_and_vectors_stay():
    matrix = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    found = np.asarray(orthogonalized(keras.ops.convert_to_tensor(matrix)))
    np.testing.assert_allclose(found, newton_schulz(matrix), atol=1e-5)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    values = np.diag(u.T @ found @ v.T)
    assert ((values > 0.6) & (values < 1.3)).all()
    zero = orthogonalized(keras.ops.zeros((2, 3, 4)))
    assert not np.asarray(zero).any()


def test_steps_are_those_of_numpy_and_of_each_layer_by_itself():
    stacked, plain = named("kernel", (3, 5, 4), np.arange(3)), named("kernel", (6, 4))
    bias, head = named("bias", (4,)), named("kernel", (4, 1))
    variables = [stacked, plain, bias, head]
    expected = [v.numpy().astype(np.float64) for v in variables[:2]]
    draws = np.random.default_rng(2)
    gradients = [[draws.normal(size=v.shape).astype(np.float32) for v in variables]
                 for _ in range(STEPS)]  # fmt: skip
    adamw = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
    others = [keras.Variable(v.numpy()) for v in (bias, head)]
    adamw.build(others)
    adamw.exclude_from_weight_decay(var_list=others[:1])
    optimizer = LayerwiseMuon(RATE, weight_decay=DECAY)
    optimizer.build(variables)
    momentum = [np.zeros_like(e) for e in expected]
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
        adamw.apply([keras.ops.convert_to_tensor(g) for g in step[2:]], others)
        for place, gradient in enumerate(step[:2]):
            momentum[place] = 0.95 * momentum[place] + gradient
            moved = gradient + 0.95 * momentum[place]
            layers = moved if moved.ndim == 3 else moved[None]
            whole = np.stack([newton_schulz(layer) for layer in layers]).reshape(moved.shape)
            size = 0.2 * np.sqrt(max(moved.shape[-2:]))
            expected[place] *= 1 - RATE * DECAY
            expected[place] -= RATE * size * whole
    for variable, value in zip(variables[:2], expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-5)
    for variable, other in zip(variables[2:], others, strict=True):
        np.testing.assert_allclose(variable.numpy(), other.numpy(), rtol=1e-6)
    kept = [v.path for v in optimizer.variables]
    assert len([path for path in kept if path.endswith("velocity")]) == 2


@pytest.mark.parametrize(
    ("name", "shape", "rows", "found"),
    [
        ("kernel", (3, 8, 4), None, (24, 4)),
        ("kernel", (3, 8, 4), [0, 1, 2], (3, 8, 4)),
        ("kernel", (3, 4), [0, 0, 1], None),
        ("kernel", (4, 1), None, None),
        ("bias", (4, 4), None, None),
        ("embeddings", (9, 4), None, None),
    ],
)
def test_what_is_a_matrix(name, shape, rows, found):
    assert matrix_shape(named(name, shape, rows)) == found


def test_it_is_rebuilt_from_its_configuration():
    optimizer = LayerwiseMuon(RATE, momentum=0.9, layer_clipnorm=2.0, rate_factors={"kernel": 0.5})
    again = LayerwiseMuon.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
