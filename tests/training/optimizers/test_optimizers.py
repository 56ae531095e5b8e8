import dataclasses
import io
import os
import signal

import keras
import numpy as np
import pytest
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.loop.checkpoint import CheckpointError
from ultimate_deep.training.loop.compiled import compile_fit, time_fit
from ultimate_deep.training.loop.fit import FitConfig, Interrupted, fit
from ultimate_deep.training.optimizers.adamw import AdamW
from ultimate_deep.training.optimizers.build import build_optimizer
from ultimate_deep.training.optimizers.lamb import LayerwiseLamb
from ultimate_deep.training.optimizers.layerwise import LayerwiseAdamW
from ultimate_deep.training.progress import LineProgress, Progress


class StackedDense(keras.layers.Layer):
    """Four dense layers whose weights lie in two stacks."""

    def build(self, input_shape):
        width = input_shape[-1]
        kernels = keras.initializers.RandomNormal(stddev=width**-0.5, seed=1)
        self.kernel = self.add_weight(name="kernel", shape=(4, width, width), initializer=kernels)
        self.bias = self.add_weight(name="bias", shape=(4, width), initializer="zeros")
        for variable in (self.kernel, self.bias):
            mark_layers(variable, np.arange(4))

    def call(self, inputs):
        kernel, bias = (ops.cast(v, inputs.dtype) for v in (self.kernel, self.bias))
        for layer in range(4):
            inputs = ops.tanh(ops.matmul(inputs, kernel[layer]) + bias[layer])
        return inputs


def stacked_model(dtype="float32"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="features")
    x = keras.layers.Dropout(0.1, seed=3)(StackedDense(dtype=dtype)(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))


def labelled(rows=256, *, seed=1):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 6)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + 0.3 * draws.normal(size=(rows, 1)) > 0).astype(np.float32))


@pytest.mark.parametrize(
    ("chosen", "kind", "norms"),
    [
        ({}, AdamW, (1.0, None, None)),
        ({"global_clipnorm": None}, AdamW, (None, None, None)),
        ({"clipping": "none"}, AdamW, (None, None, None)),
        ({"clipping": "per_layer"}, LayerwiseAdamW, (None, 1.0, None)),
        ({"clipping": "adaptive", "adaptive_clip": 0.2}, LayerwiseAdamW, (None, None, 0.2)),
        ({"optimizer": "lamb", "global_clipnorm": 2.0}, LayerwiseLamb, (2.0, None, None)),
        ({"optimizer": "lamb", "clipping": "none"}, LayerwiseLamb, (None, None, None)),
        (
            {"optimizer": "lamb", "clipping": "per_layer", "layer_clipnorm": 0.5},
            LayerwiseLamb,
            (None, 0.5, None),
        ),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_the_configuration_names_the_optimizer(chosen, kind, norms, dtype):
    optimizer = build_optimizer(stacked_model(dtype), FitConfig(learning_rate=0.25, **chosen))
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (dtype != "float32")
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    assert type(optimizer) is kind
    names = ("global_clipnorm", "layer_clipnorm", "adaptive_clip")
    assert tuple(getattr(optimizer, name, None) for name in names) == norms
    assert (float(optimizer.learning_rate), optimizer.weight_decay) == (0.25, 0.01)


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize(
    "chosen", [{}, {"clipping": "per_layer"}, {"optimizer": "lamb", "clipping": "adaptive"}]
)
def test_decay_takes_its_share_of_kernels_alone(chosen, decay):
    model = stacked_model()
    optimizer = build_optimizer(model, FitConfig(learning_rate=0.1, weight_decay=decay, **chosen))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    zeros = [ops.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        kept = 1 - 0.1 * decay if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable.numpy(), kept, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"layer_clipnorm": 0.5}, "layer_clipnorm is 0.5 but fit.clipping is 'global'"),
        ({"clipping": "per_layer", "global_clipnorm": 2.0}, "set fit.clipping to 'global'"),
        ({"clipping": "none", "adaptive_clip": 0.1}, "or leave fit.adaptive_clip out"),
        ({"clipping": "per_layer", "layer_clipnorm": float("inf")}, "layer_clipnorm must be"),
    ],
)
def test_a_norm_that_nothing_reads_is_refused(fields, match):
    with pytest.raises(ValueError, match=match):
        FitConfig(**fields)


class CtrlC(Progress):
    """Sends SIGINT after the second step of the third epoch."""

    def step(self, epoch, step, loss):
        if (epoch, step) == (3, 2):
            os.kill(os.getpid(), signal.SIGINT)


def test_lamb_with_adaptive_clipping_learns_and_resumes_bit_for_bit(tmp_path):
    config = FitConfig(
        epochs=6,
        batch_size=64,
        optimizer="lamb",
        learning_rate=0.05,
        clipping="adaptive",
        adaptive_clip=0.05,
        jit_compile=False,
    )
    parts = labelled(), labelled(100, seed=2)

    def run(config=config, **options):
        model = stacked_model()
        if options.pop("timed", False):
            options["compiled"] = time_fit(model, *parts, config)
        fitted = fit(model, *parts, config, **options)
        return model.get_weights(), fitted.history.drop(columns="seconds")

    weights, history = run(checkpoint_folder=None, timed=True)
    losses = history["validation_loss"].to_numpy()
    assert losses[-1] < 0.8 * losses[0]
    with pytest.raises(Interrupted):
        run(checkpoint_folder=tmp_path, progress=CtrlC())
    other = dataclasses.replace(config, clipping="none", adaptive_clip=0.01)
    with pytest.raises(CheckpointError, match=r"fit.clipping was 'adaptive', is now 'none'"):
        run(other, checkpoint_folder=tmp_path, resume=True)
    resumed, resumed_history = run(checkpoint_folder=tmp_path, resume=True)
    np.testing.assert_array_equal(resumed_history.to_numpy(), history.to_numpy())
    for one, whole in zip(resumed, weights, strict=True):
        np.testing.assert_array_equal(one, whole)


@pytest.mark.parametrize("optimizer", ["adamw", "lamb"])
def test_float16_learns_with_a_clipping_of_its_own_for_each_layer(optimizer):
    fitted = fit(
        stacked_model("mixed_float16"),
        labelled(),
        labelled(100, seed=2),
        FitConfig(
            epochs=4,
            batch_size=64,
            optimizer=optimizer,
            learning_rate=0.03,
            clipping="per_layer",
            layer_clipnorm=0.1,
            jit_compile=False,
        ),
        checkpoint_folder=None,
    )
    losses = fitted.history["validation_loss"].to_numpy()
    assert losses[-1] < 0.9 * losses[0]


def test_steps_that_overflow_in_float16_are_counted_and_move_nothing(tmp_path):
    model = stacked_model("mixed_float16")
    config = FitConfig(epochs=2, batch_size=50, learning_rate=0.03, jit_compile=False)
    compiled = compile_fit(model, config)
    scale = compiled.step.optimizer.dynamic_scale
    scale.assign(2.0**40)
    said = io.StringIO()
    found = fit(
        model, labelled(), labelled(100, seed=2), config, checkpoint_folder=tmp_path,
        progress=LineProgress(said), compiled=compiled,
    )  # fmt: skip
    first, second = found.history["overflow_steps"]
    # Each of them halves the scale, and nothing has raised it since.
    assert first + second == 40 - np.log2(float(scale)) > 3
    taken = int(compiled.step.inner_optimizer().iterations)
    assert taken == 2 * (len(labelled().y) // 50) - first - second
    assert f"{first:.0f} steps overflowed" in said.getvalue()
    plain = fit(stacked_model(), labelled(), labelled(100, seed=2), config, checkpoint_folder=None)
    assert "overflow_steps" not in plain.history
