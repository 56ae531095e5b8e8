"""Contracts of a loss and of a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np

from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import build_loss

LOGITS = (-30.0, -4.0, -0.5, 0.0, 0.5, 4.0, 30.0)
ROWS = 900
CUTS = (311, 540, 777)
HORIZON_BARS = 3


def check_loss(name: str) -> Iterator[Finding]:
    """Yield what was found of a registered loss."""
    yield from _checked(f"loss {name}", name, LOSS_CONTRACTS)


def check_label(name: str) -> Iterator[Finding]:
    """Yield what was found of a registered label."""
    yield from _checked(f"label {name}", name, LABEL_CONTRACTS)


def _checked(
    subject: str, name: str, contracts: dict[str, Callable[[str], str]]
) -> Iterator[Finding]:
    for contract, check in contracts.items():
        try:
            problem = check(name)
        except Exception as error:  # of the user's code: it is the finding
            problem = f"{type(error).__name__}: {error}"
        yield Finding(subject, contract, problem)


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


def _label_ends_with_its_horizon(name: str) -> str:
    frame = simulate_bars(ROWS, seed=5).bars.frame
    spec = LabelSpec(kind=name, horizon_bars=HORIZON_BARS)
    whole = make_labels(frame, spec)
    if not np.isfinite(whole.values).any():
        return "it labels no bar of 900; give 0 or 1 where the horizon lies inside the bars"
    for cut in CUTS:
        other = frame.copy()
        draw = np.random.default_rng(cut)
        other.iloc[cut:, :4] *= draw.uniform(0.5, 2.0, len(frame) - cut)[:, None]
        # The open at which the horizon ends is known; nothing after it is.
        known = (whole.exit_row >= 0) & (whole.exit_row < cut)
        for values in (make_labels(other, spec).values, make_labels(frame.iloc[:cut], spec).values):
            now, before = values[:cut][known[:cut]], whole.values[:cut][known[:cut]]
            moved = ~((now == before) | (np.isnan(now) & np.isnan(before)))
            if moved.any():
                row = int(np.flatnonzero(known)[int(np.argmax(moved))])
                return (
                    f"it reaches beyond its horizon: the label of bar {row} changes with bars from "
                    f"{cut} on, and its horizon of {HORIZON_BARS} bars ends at the open of bar "
                    f"{int(whole.exit_row[row])}; use no later bar, so that purging knows its end"
                )
    return ""


LOSS_CONTRACTS: dict[str, Callable[[str], str]] = {
    "gives each label a finite loss": _a_loss_of_each_label,
    "falls towards the label": _falls_towards_the_label,
    "has a finite gradient": _finite_gradient,
}
LABEL_CONTRACTS: dict[str, Callable[[str], str]] = {
    "ends with its horizon": _label_ends_with_its_horizon,
}
