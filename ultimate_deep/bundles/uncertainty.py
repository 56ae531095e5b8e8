"""How unsure a prediction is, and why: noise in the data, or models that do not agree.

Members (passes of dropout, or nets of an ensemble) each give a probability. In nats,

    total      H(mean p)              entropy of the prediction
    aleatoric  mean H(p)              what each member finds open: noise that no data removes
    epistemic  total - aleatoric      mutual information of label and member: their disagreement

Source: Depeweg et al. (2018), arXiv:1710.07283, eq. 5-7, for the decomposition; Gal & Ghahramani
(2016), arXiv:1506.02142, for dropout passes; Lakshminarayanan et al. (2017), arXiv:1612.01474,
for ensembles; Kendall & Gal (2017), arXiv:1703.04977, eq. 12, for the variance of a logit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import entr, expit, softmax

from ultimate_deep.training.losses.outputs import DIRECTION, LOG_VARIANCE, LOGITS
from ultimate_deep.training.losses.uncertainty import LOG_VARIANCE_LIMITS, quadrature

Outputs = Mapping[str, np.ndarray]
QUADRATURE_NODES = 32


@dataclass(frozen=True, kw_only=True)
class MonteCarloConfig:
    """How dropout is sampled.

    Args:
        passes: Forward passes with dropout on, at least 2; the error of a mean probability falls
            with its root.
        batch_size: Rows of a pass at once; with the seed it decides which masks meet which row.
        seed: Same seed, same passes.
    """

    passes: int = 30
    batch_size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.passes < 2:
            raise ValueError(
                f"passes must be at least 2, got {self.passes}; use e.g. 50, as one cannot disagree"
            )
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}; use e.g. 512")


@dataclass(frozen=True, kw_only=True, eq=False)
class Uncertainty:
    """A prediction with its uncertainty, all float64.

    Args:
        probability: Mean of the members: of up, `(rows, horizons)`, or of each class, `(rows,
            horizons, classes)`.
        total: Entropy of it in nats, `(rows, horizons)`; ln 2 (two classes) or ln 3 at most.
        aleatoric: Mean entropy of the members.
        epistemic: The rest, not below zero.
    """

    probability: np.ndarray
    total: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the most probable class, `(rows, horizons)`."""
        if self.probability.ndim == 2:
            return np.maximum(self.probability, 1.0 - self.probability)
        return np.asarray(self.probability.max(axis=-1))


def decompose(probability: np.ndarray) -> Uncertainty:
    """Split the uncertainty of members that say different things.

    Args:
        probability: `(members, rows, horizons)` of up, or `(members, rows, horizons, classes)`.

    Raises:
        ValueError: Other shapes, no members, or values that are no probabilities.
    """
    members = np.asarray(probability, dtype=np.float64)
    if members.ndim not in (3, 4) or not len(members):
        raise ValueError(
            "probability must have shape (members, rows, horizons) or (members, rows, horizons, "
            f"classes), got {members.shape}; stack the members first"
        )
    if not ((members >= 0.0) & (members <= 1.0)).all():
        raise ValueError(
            "probabilities must lie in [0, 1]; use probability_of_outputs on a model's logits"
        )
    mean = members.mean(axis=0)
    total = _entropy(mean, classes=members.ndim == 4)
    aleatoric = _entropy(members, classes=members.ndim == 4).mean(axis=0)
    # Entropy is concave, so that the difference is below zero by rounding only.
    epistemic = np.maximum(total - aleatoric, 0.0)
    return Uncertainty(probability=mean, total=total, aleatoric=aleatoric, epistemic=epistemic)


def probability_of_outputs(outputs: Outputs, *, temperature: float = 1.0) -> np.ndarray:
    """Turn one model's heads to probabilities, float64.

    With a log variance the logit is `l + s e`, e standard normal, and the probability its mean,
    by quadrature: noise in the data pulls it towards one half.

    Args:
        outputs: `direction` or else `logits`, `(rows, horizons)` or `(rows, horizons, classes)`;
            perhaps `log_variance`, `(rows, horizons)`. Other heads are not looked at.
        temperature: Divides the logits, noise included; above zero.

    Returns:
        Probability of up, of the logits' shape, or of each class.

    Raises:
        ValueError: No head of a direction, or a temperature that is not positive.
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature must be above zero, got {temperature}; use 1 for none")
    name = DIRECTION if DIRECTION in outputs else LOGITS
    if name not in outputs:
        raise ValueError(
            f"outputs must have a head {DIRECTION!r} or {LOGITS!r}, got {sorted(outputs)}; "
            "give what the model returned"
        )
    logits = np.asarray(outputs[name], dtype=np.float64)
    if logits.ndim == 3:
        return softmax(logits / temperature, axis=-1)
    if LOG_VARIANCE not in outputs:
        return expit(logits / temperature)
    limited = np.clip(outputs[LOG_VARIANCE].astype(np.float64), *LOG_VARIANCE_LIMITS)
    deviation = np.exp(limited / 2.0)
    points, log_weights = quadrature(QUADRATURE_NODES)
    mean = np.zeros_like(logits)
    for point, weight in zip(points, np.exp(log_weights), strict=True):
        mean += weight * expit((logits + point * deviation) / temperature)
    return np.clip(mean, 0.0, 1.0)


def ensemble_uncertainty(members: Sequence[Outputs], *, temperature: float = 1.0) -> Uncertainty:
    """Uncertainty of several models' outputs on the same rows.

    Args:
        members: The heads of each model, as for `probability_of_outputs`; nets of other seeds,
            other architectures or trees alike.
        temperature: Temperature of all members.

    Raises:
        ValueError: Fewer than two members, or members of other shapes.
    """
    if len(members) < 2:
        raise ValueError(f"an ensemble has at least 2 members, got {len(members)}; give more")
    chances = [probability_of_outputs(member, temperature=temperature) for member in members]
    if len({chance.shape for chance in chances}) > 1:
        raise ValueError(
            f"all members predict the same rows, got shapes {[c.shape for c in chances]}; "
            "ask each of them for the same ones"
        )
    return decompose(np.stack(chances))


def monte_carlo_uncertainty(
    model: keras.Model,
    x: Any,
    config: MonteCarloConfig = MonteCarloConfig(),
    *,
    temperature: float = 1.0,
) -> Uncertainty:
    """Uncertainty of one model with dropout; see `monte_carlo_outputs`."""
    heads = monte_carlo_outputs(model, x, config)
    passes = [{head: values[i] for head, values in heads.items()} for i in range(config.passes)]
    return ensemble_uncertainty(passes, temperature=temperature)


def monte_carlo_outputs(
    model: keras.Model, x: Any, config: MonteCarloConfig = MonteCarloConfig()
) -> dict[str, np.ndarray]:
    """Return the model's heads in several passes with dropout on and all else as in inference.

    `model(x, training=True)` alone would also switch batch norms to the batch's own moments: rows
    would see each other, and the moving statistics would move. Layers that keep such statistics
    are frozen for these passes, which makes them use what they have learned. Afterwards they are
    trainable again and all seed states stand where they stood.

    Args:
        model: Any Keras model with dropout.
        x: An array `(rows, ...)`, or a dict of such by input name.
        config: How many passes.

    Returns:
        `logits`, or the heads by name, each `(passes, rows, ...)`.

    Raises:
        ValueError: A model that draws nothing, so that all passes would be the same, or one that
            changes another state than its seeds when it trains.
    """
    named = dict(x) if isinstance(x, Mapping) else {model.inputs[0].name: x}
    seeds = _seed_states(model)
    with _statistics_frozen(model), _seeds_kept(seeds):
        forward = _compiled(model)
        before = _other_state(model)
        passes = []
        for number in range(config.passes):
            started = _set_seeds(seeds, config.seed, number)
            passes.append(_predict(model, forward, named, config.batch_size))
            _check_drawn(model, seeds, started)
        _check_unchanged(model, before)
    return {head: np.stack([one[head] for one in passes]) for head in passes[0]}


def _entropy(probability: np.ndarray, *, classes: bool) -> np.ndarray:
    if classes:
        return np.asarray(entr(probability).sum(axis=-1))
    return np.asarray(entr(probability) + entr(1.0 - probability))


def _predict(
    model: keras.Model, forward: Any, named: Mapping[str, Any], batch_size: int
) -> dict[str, np.ndarray]:
    rows = len(next(iter(named.values())))
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, rows, batch_size):
        stop = min(start + batch_size, rows)
        batch = {name: _filled(values[start:stop], batch_size) for name, values in named.items()}
        outputs = forward(keras.tree.map_structure(lambda t, b=batch: b[t.name], model.input))
        heads = outputs if isinstance(outputs, dict) else {LOGITS: outputs}
        parts.append(
            {
                head: keras.ops.convert_to_numpy(values)[: stop - start]
                for head, values in heads.items()
            }
        )
    return {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}


def _filled(values: np.ndarray, batch_size: int) -> Any:
    """A batch of one fixed size, so that it is traced once; zeros are cut off again."""
    missing = batch_size - len(values)
    if missing:
        values = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
    return keras.ops.convert_to_tensor(values)


def _compiled(model: keras.Model) -> Any:
    def forward(x: Any) -> Any:
        return model(x, training=True)

    if keras.backend.backend() != "tensorflow":
        return forward
    import tensorflow as tf

    return tf.function(forward, autograph=False)


def _seed_states(model: keras.Model) -> list[keras.Variable]:
    found = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    if not found:
        raise ValueError(_nothing_drawn(model))
    return found


def _set_seeds(seeds: Sequence[keras.Variable], seed: int, number: int) -> list[np.ndarray]:
    """Give every generator a state of its own for this pass, and return the states."""
    states = []
    for place, variable in enumerate(seeds):
        digest = hashlib.blake2b(f"{seed} {number} {place}".encode(), digest_size=4).digest()
        state = np.array([int.from_bytes(digest, "little"), 0], dtype=np.uint32)
        variable.assign(state.astype(variable.dtype))
        states.append(keras.ops.convert_to_numpy(variable.value).copy())
    return states


def _check_drawn(
    model: keras.Model, seeds: Sequence[keras.Variable], started: list[np.ndarray]
) -> None:
    now = [keras.ops.convert_to_numpy(variable.value) for variable in seeds]
    if all(np.array_equal(a, b) for a, b in zip(now, started, strict=True)):
        raise ValueError(_nothing_drawn(model))


def _nothing_drawn(model: keras.Model) -> str:
    return (
        f"model {model.name!r} has no dropout that is on, so all passes would be the same; build "
        "it with a dropout rate above zero, or use an ensemble of several seeds"
    )


def _other_state(model: keras.Model) -> dict[str, np.ndarray]:
    return {
        f"{place} {variable.path}": keras.ops.convert_to_numpy(variable.value).copy()
        for place, variable in enumerate(model.variables)
        if variable.name != "seed_generator_state"
    }


def _check_unchanged(model: keras.Model, before: Mapping[str, np.ndarray]) -> None:
    changed = [
        path for path, now in _other_state(model).items() if not np.array_equal(now, before[path])
    ]
    if changed:
        raise ValueError(
            f"model {model.name!r} changes {changed[0]!r} in a training pass even when its layer "
            "is frozen; its passes are not those of dropout alone: use an ensemble"
        )


@contextmanager
def _statistics_frozen(model: keras.Model) -> Iterator[None]:
    """Freeze the layers that keep statistics of batches."""
    layers = list(model._flatten_layers(include_self=False))  # a parent before its children
    layers_before = [(layer, layer.trainable) for layer in layers]
    variables_before = [(variable, variable.trainable) for variable in model.variables]
    try:
        for layer in layers:
            if any("moving" in variable.name for variable in layer._non_trainable_variables):
                layer.trainable = False
        yield
    finally:
        for layer, trainable in layers_before:
            layer.trainable = trainable
        for variable, trainable in variables_before:
            variable.trainable = trainable


@contextmanager
def _seeds_kept(seeds: Sequence[keras.Variable]) -> Iterator[None]:
    states = [keras.ops.convert_to_numpy(variable.value).copy() for variable in seeds]
    try:
        yield
    finally:
        for variable, state in zip(seeds, states, strict=True):
            variable.assign(state)
