"""The layer of Gramian angular fields against pyts and float64, in every policy and backend."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers import GafImages

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "gaf.npz"


def numbers_of(closes, window, size):
    """Windows of closes averaged in equal pieces and scaled to [-1, 1]."""
    pieces = np.lib.stride_tricks.sliding_window_view(closes, window)
    pieces = pieces.reshape(-1, size, window // size).mean(axis=2)
    low, high = pieces.min(axis=1, keepdims=True), pieces.max(axis=1, keepdims=True)
    return 2 * (pieces - low) / (high - low) - 1


def fields_of(numbers):
    """Float64 fields by arc cosine, straight from the definition."""
    angle = np.arccos(numbers.astype(np.float64))
    i, j = angle[:, :, None], angle[:, None, :]
    return np.stack([np.cos(i + j), np.sin(i - j)], axis=-1)


def hard_numbers(seed=0):
    """Float32 rows that come as close to -1 and 1 as float32 can."""
    numbers = np.random.default_rng(seed).uniform(-1, 1, (9, 24)).astype(np.float32)
    numbers[:, 0], numbers[:, 1] = 1.0, -1.0
    numbers[:, 2:5] = 1.0 - np.array([1, 2, 9], np.float32) * 2.0**-24
    numbers[:, 5] = np.nextafter(np.float32(-1), np.float32(0))
    return numbers


@pytest.mark.parametrize(("name", "size"), [("halved", 64), ("whole", 16)])
@pytest.mark.parametrize("jit", [False, True])
def test_equal_to_pyts_in_a_compiled_model(name, size, jit):
    with np.load(GOLDEN) as golden:
        closes, expected = golden[f"{name}_closes"], golden[f"{name}_fields"]
    numbers = numbers_of(closes, len(closes) - 1, size).astype(np.float32)
    model = keras.Sequential([keras.Input((size,)), GafImages()])
    model.compile(jit_compile=jit)
    assert model.output_shape == (None, size, size, 2)
    images = model.predict(numbers, verbose=0)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-5)


def test_the_root_keeps_its_digits_next_to_one():
    numbers = hard_numbers()
    np.testing.assert_allclose(GafImages()(numbers), fields_of(numbers), rtol=0, atol=3e-7)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_rounds_once_at_the_end(policy):
    numbers = hard_numbers()
    exact = GafImages()(numbers)
    mixed = GafImages(dtype=policy)(numbers)
    assert mixed.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(
        tf.cast(mixed, "float32"), tf.cast(tf.cast(exact, mixed.dtype), "float32")
    )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        kept = keras.Sequential([keras.Input((24,)), GafImages(dtype="float32")])
        np.testing.assert_array_equal(kept(numbers), exact)
    finally:
        keras.config.set_dtype_policy(before)


def test_float64_policy_computes_in_float64():
    numbers = np.random.default_rng(3).uniform(-1, 1, (4, 8))
    images = GafImages(dtype="float64")(tf.constant(numbers))
    assert images.dtype == "float64"
    np.testing.assert_allclose(images, fields_of(numbers), rtol=0, atol=1e-15)


def gradient(numbers, upstream):
    x = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(GafImages()(x) * upstream)
    return tape.gradient(total, x).numpy()


def test_gradient_is_right_inside_and_finite_at_the_ends():
    rng = np.random.default_rng(1)
    numbers = rng.uniform(-0.9, 0.9, (3, 6)).astype(np.float32)
    upstream = rng.normal(size=(3, 6, 6, 2)).astype(np.float32)
    numeric = np.empty_like(numbers)
    for j in range(6):
        step = np.zeros(6)
        step[j] = 1e-6
        ahead, behind = fields_of(numbers + step), fields_of(numbers - step)
        numeric[:, j] = ((ahead - behind) / 2e-6 * upstream).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(gradient(numbers, upstream), numeric, rtol=1e-4, atol=1e-4)
    ends = hard_numbers()
    assert np.isfinite(gradient(ends, np.ones((9, 24, 24, 2), np.float32))).all()
    assert np.isfinite(gradient(np.full((1, 4), 1.5, np.float32), 1.0)).all()


def test_outside_is_clipped_and_nan_stays():
    images = GafImages()(np.array([[1.5, -7.0, 0.0], [np.nan, 0.5, 0.0]], np.float32)).numpy()
    np.testing.assert_array_equal(images[0], GafImages()(np.array([[1.0, -1.0, 0.0]]))[0])
    assert np.isnan(images[1, 0]).all()
    assert np.isnan(images[1, :, 0]).all()
    assert np.isfinite(images[1, 1:, 1:]).all()


@pytest.mark.parametrize("ending", ["keras", "h5"])
# h5py's own notice that this format is older.
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_saved_and_loaded(tmp_path, ending):
    numbers = hard_numbers()
    model = keras.Sequential([keras.Input((24,)), GafImages(dtype="float32", name="pictures")])
    path = tmp_path / f"model.{ending}"
    model.save(path)
    loaded = keras.models.load_model(path)
    layer = loaded.get_layer("pictures")
    assert isinstance(layer, GafImages)
    assert layer.get_config() == model.get_layer("pictures").get_config()
    np.testing.assert_array_equal(loaded(numbers), model(numbers))


@pytest.mark.parametrize("shape", [(3, 4, 5), (3,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"numbers of shape \(batch, size\)"):
        GafImages()(np.zeros(shape, np.float32))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is absent")
def test_jax_gives_the_same_values_and_gradients(tmp_path, on_jax):
    numbers = hard_numbers()
    upstream = np.random.default_rng(2).normal(size=(9, 24, 24, 2)).astype(np.float32)
    source, result = tmp_path / "source.npz", tmp_path / "result.npz"
    np.savez(source, numbers=numbers, upstream=upstream)
    on_jax("gaf_jax_worker.py", source, result)()
    with np.load(result) as found:
        np.testing.assert_allclose(found["images"], GafImages()(numbers), rtol=0, atol=3e-7)
        expected = gradient(numbers, upstream)
        np.testing.assert_allclose(found["gradient"], expected, rtol=1e-3, atol=1e-3)
