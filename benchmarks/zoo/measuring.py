"""Size, speed and memory of one model, measured in a process of its own."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.depth.process import process_kib
from benchmarks.zoo.peers import PEERS, build_peer
from ultimate_deep.models.registry import build_model, preset_config, presets, reads
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.training.batches.gradient_pass import uses_xla
from ultimate_deep.training.config import FitConfig

OURS, PLAIN = "ours", "plain Keras"
WINDOW_BARS, FEATURES, BATCH = 100, 220, 32
LEAST_CALLS, WARM_UP = 5, 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effort:
    """How long each figure is measured, in seconds, and the most calls of one sample."""

    step_seconds: float = 2.0
    latency_calls: int = 300
    throughput_seconds: float = 1.0
    bfloat16: bool = True


def measure(name: str, preset: str, implementation: str, effort: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one model at the reference point: batch 32, 100 bars, 220 features.

    Args:
        name: Name of a registered model.
        preset: Preset of its configuration.
        implementation: `ours` or `plain Keras`.
        effort: Fields of `Effort`.
    """
    how = Effort(**effort)
    keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)  # the backend's start is not the model's
    before_mib = process_kib("VmRSS") / 2**10
    model, built = _timed(lambda: build(name, preset, implementation, "float32"))
    x, y = batch_of(model)
    step = compile_step(model)
    _, first = _timed(lambda: float(step(x, y)))
    steps = _seconds_of(lambda: float(step(x, y)), how.step_seconds)
    figures = {
        "parameters": model.count_params(),
        "build_seconds": built,
        "first_step_seconds": first,
        "step_ms": 1e3 * float(np.median(steps)),
        "peak_mib": process_kib("VmHWM") / 2**10,
        "growth_mib": process_kib("VmHWM") / 2**10 - before_mib,
    }
    figures |= _inference(model, x, how)
    if how.bfloat16 and implementation == OURS:
        figures |= _bfloat16(name, preset, figures["step_ms"], how)
    return figures


def build(name: str, preset: str, implementation: str, precision: str) -> keras.Model:
    """Return the model, ours or the plain one, for the inputs of the reference point."""
    keras.utils.set_random_seed(0)
    config = preset_config(name, preset if preset in presets(name) else "default")
    if hasattr(config, "precision"):
        config = dataclasses.replace(config, precision=precision)
    if name in PEERS and hasattr(config, "members"):
        # Keras has no layers of members: neither side begins with any.
        config = dataclasses.replace(config, members=1)
    inputs = inputs_of(name)
    if implementation == PLAIN:
        return build_peer(name, inputs, config)
    return build_model(name, inputs, config=config)


def inputs_of(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes without batch of what the model reads."""
    config = InputConfig()
    coarse = (config.coarse_window_bars, len(config.coarse_features))
    window: dict[str, tuple[int, ...]] = {"bars": (WINDOW_BARS, FEATURES)}
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "features": {"features": (FEATURES,)},
        "window": window,
        "timeframes": window | {f"bars_{factor}x": coarse for factor in config.timeframes},
        "gaf": {f"gaf_{factor}x": (config.gaf_size,) for factor in config.gaf_timeframes},
        "bar_image": {"bar_image": (6 * 20,)},
        "episodic": window | {"clock": (2,)},
    }
    return shapes[reads(name)]


def batch_of(model: keras.Model, rows: int = BATCH) -> tuple[Any, tf.Tensor]:
    """Return random inputs in the model's structure, and labels."""
    rng = np.random.default_rng(0)

    def draw(tensor: Any) -> tf.Tensor:
        shape = (rows, *tensor.shape[1:])
        if tensor.name == "clock":
            return tf.constant(np.column_stack([np.arange(rows), np.full(rows, 3600)]), tf.float32)
        if tensor.name.startswith("gaf"):
            return tf.constant(rng.uniform(-1, 1, shape), tf.float32)
        return tf.constant(rng.normal(size=shape), tf.float32)

    x = keras.tree.map_structure(draw, model.input)
    return x, tf.constant(rng.random((rows, 1)) < 0.5, tf.float32)


def compile_step(model: keras.Model) -> Callable[[Any, Any], tf.Tensor]:
    """Return one training step with AdamW, the same for both sides, compiled at its first call."""
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)

    def step(x: Any, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True)) + sum(model.losses)
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss

    return tf.function(step, autograph=False, jit_compile=uses_xla(model, FitConfig()))


def _inference(model: keras.Model, x: Any, how: Effort) -> dict[str, float]:
    jit = uses_xla(model, FitConfig())
    forward = tf.function(
        lambda x: model(x, training=False), autograph=False, jit_compile=jit, reduce_retracing=False
    )
    one = keras.tree.map_structure(lambda values: values[:1], x)
    compiled = forward.get_concrete_function(one)

    def predict_one() -> None:
        compiled(one).numpy()

    for _ in range(WARM_UP):
        predict_one()
    latencies = np.array([_timed(predict_one)[1] for _ in range(how.latency_calls)])
    whole = forward.get_concrete_function(x)
    batches = _seconds_of(lambda: whole(x).numpy(), how.throughput_seconds)
    return {
        "latency_ms": 1e3 * float(np.median(latencies)),
        "latency_p99_ms": 1e3 * float(np.quantile(latencies, 0.99)),
        "rows_per_second": BATCH / float(np.median(batches)),
    }


def _bfloat16(name: str, preset: str, step_ms: float, how: Effort) -> dict[str, float]:
    """Return the step in mixed precision and how many times faster it is."""
    model = build(name, preset, OURS, "mixed_bfloat16")
    x, y = batch_of(model)
    step = compile_step(model)
    seconds = _seconds_of(lambda: float(step(x, y)), how.step_seconds)
    mixed = 1e3 * float(np.median(seconds))
    return {"step_bfloat16_ms": mixed, "bfloat16_gain": step_ms / mixed if mixed else math.nan}


def _seconds_of(work: Callable[[], Any], limit: float) -> list[float]:
    """Return the seconds of each call, after a few that do not count, until the limit is over."""
    for _ in range(WARM_UP):
        work()
    seconds: list[float] = []
    while len(seconds) < LEAST_CALLS or sum(seconds) < limit:
        seconds.append(_timed(work)[1])
    return seconds


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
