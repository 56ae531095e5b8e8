"""Contracts of a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np

from ultimate_deep.experiments.checking.findings import Finding, checked
from ultimate_deep.machine.plugins import Plugin
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import build_loss

LOGITS = (-30.0, -4.0, -0.5, 0.0, 0.5, 4.0, 30.0)


def check_loss(name: str, plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of a registered loss.

    Args:
        name: Name of the loss.
        plugin: The plugin that registered it.
    """
    yield from checked(f"loss {name}", name, LOSS_CONTRACTS)


def _cases() -> tuple[np.ndarray, np.ndarray]:
    y, logits = np.meshgrid((0.0, 1.0), LOGITS, indexing="ij")
    return y.astype(np.float32).T, logits.astype(np.float32).T


def _elements(loss: Loss, y: np.ndarray, logits: np.ndarray) -> np.ndarray:
    targets, outputs = {"y": keras.ops.array(y)}, {DIRECTION: keras.ops.array(logits)}
    return np.asarray(loss.elements(targets, outputs))


def _a_loss_of_each_label(name: str) -> str:
    loss = build_loss(LossConfig(name=name), HeadShapes(horizons=2))
    y, logits = _cases()
    found = np.asarray(
        loss.elements({"y": keras.ops.array(y)}, {DIRECTION: keras.ops.array(logits)})
    )
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found).all(axis=1)))
        return f"it is {found[row]} for logits {logits[row]}; keep to logarithms, such as softplus"
    measured = loss.measured({"y": y}, {DIRECTION: logits})
    if not np.allclose(found, measured, rtol=1e-5, atol=1e-6):
        return "it gives another value each time; a loss draws nothing"
    return ""


def _falls_towards_the_label(name: str) -> str:
    loss = build_loss(LossConfig(name=name), HeadShapes(horizons=2))
    y, _ = _cases()
    right = np.where(y[:1] > 0.5, 4.0, -4.0).astype(np.float32)
    values = [
        float(
            np.sum(
                np.asarray(
                    loss.elements({"y": keras.ops.array(y[:1])}, {DIRECTION: keras.ops.array(one)})
                )
            )
        )
        for one in (right, -right)
    ]
    if values[0] < values[1]:
        return ""
    return (
        f"it is {values[0]:.6g} for logits on the side of the labels and {values[1]:.6g} against "
        "them; what is minimised must be less for the right side"
    )


def _finite_gradient(name: str) -> str:
    import tensorflow as tf

    loss = build_loss(LossConfig(name=name), HeadShapes(horizons=2))
    y, logits = _cases()
    with tf.GradientTape() as tape:
        tensor = tf.constant(logits)
        tape.watch(tensor)
        total = tf.reduce_sum(loss.elements({"y": tf.constant(y)}, {DIRECTION: tensor}))
    gradient = tape.gradient(total, tensor)
    if gradient is None:
        return "it has no gradient; write it with keras.ops, not with NumPy"
    if not np.isfinite(gradient).all():
        row = int(np.argmin(np.isfinite(gradient).all(axis=1)))
        return f"its gradient is {np.asarray(gradient)[row]} for logits {logits[row]}"
    return ""


LOSS_CONTRACTS: dict[str, Callable[[str], str]] = {
    "gives each label a finite loss": _a_loss_of_each_label,
    "falls towards the label": _falls_towards_the_label,
    "has a finite gradient": _finite_gradient,
}
