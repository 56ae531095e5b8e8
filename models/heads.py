"""What a model is asked to say: directions, quantiles of the return, and how unsure it is."""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.layers.head_layers import OrderedQuantiles
from ultimate_deep.models.seeds import derive_seed

CLASSES = (0, 2, 3)
DOWN, FLAT, UP = range(3)


@dataclass(frozen=True, kw_only=True)
class Heads:
    """One backbone, own heads for every horizon; `Heads()` is one horizon, one logit of "up".

    Args:
        horizons: How many horizons are predicted.
        classes: 2 gives one logit of "up", 3 gives logits of down, flat and up, 0 no direction.
        quantiles: Levels in (0, 1), rising, of the return in units of its usual size; none if
            empty.
        variance: Whether each horizon also says the log variance of its logit (heteroscedastic).

    Raises:
        ValueError: A value out of range, or nothing to predict.
    """

    horizons: int = 1
    classes: int = 2
    quantiles: tuple[float, ...] = ()
    variance: bool = False

    def __post_init__(self) -> None:
        if self.horizons < 1:
            raise ValueError(
                f"Heads.horizons must be at least 1, got {self.horizons}: "
                "give one horizon per label column"
            )
        if self.classes not in CLASSES:
            raise ValueError(f"Heads.classes must be one of {CLASSES}, got {self.classes}")
        rising = all(a < b for a, b in zip(self.quantiles, self.quantiles[1:], strict=False))
        if not rising or any(not 0 < level < 1 for level in self.quantiles):
            raise ValueError(
                f"Heads.quantiles are rising levels inside (0, 1), got {self.quantiles}: "
                "use e.g. (0.1, 0.5, 0.9)"
            )
        if not self.classes and len(self.quantiles) < 3:
            raise ValueError(
                "Heads without a direction need at least three quantiles to tell one, got "
                f"{self.quantiles}: use e.g. (0.1, 0.5, 0.9)"
            )
        if self.variance and self.classes != 2:
            raise ValueError(
                f"Heads.variance is the log variance of one logit, got classes={self.classes}: "
                "use classes=2"
            )

    @property
    def plain(self) -> bool:
        """Whether the model's output is the logits alone, one tensor."""
        return self.classes == 2 and not self.quantiles and not self.variance


def prediction_heads(heads: Heads, x: Any, *, seed: int, l2: float = 0.0) -> Any:
    """The last step of every builder: the backbone's output to predictions, all float32.

    They stay in float32 under every precision policy, since a bfloat16 logit has only 8 bits.

    Args:
        heads: What to predict.
        x: `(batch, width)`, or `(batch, horizons, width)` where every horizon has its own.
        seed: Seed of the kernels.
        l2: Penalty on the kernels.

    Returns:
        Logits `(batch, horizons)` for plain heads. Otherwise a dict of those that are asked for:
        `direction` `(batch, horizons)`, or `(batch, horizons, 3)` for three classes; `quantiles`
        `(batch, horizons, levels)`, rising; `log_variance` `(batch, horizons)`.

    Raises:
        ValueError: Another number of horizons in `x`.
    """
    (outputs,) = heads_of_each(heads, [x], seed=seed, l2=l2)
    return outputs


def heads_of_each(
    heads: Heads, xs: list[Any], *, seed: int, l2: float = 0.0, prefix: str = ""
) -> list[Any]:
    """What the same heads say of each of several tensors: one set of weights reads them all.

    Args:
        heads: What to predict.
        xs: Tensors as `prediction_heads` takes them, all of one shape but for their rows.
        seed: Seed of the kernels.
        l2: Penalty on the kernels.
        prefix: Beginning of the layers' names, where a model has several sets of heads.

    Returns:
        Outputs of each tensor, as those of `prediction_heads`.

    Raises:
        ValueError: Another number of horizons in a tensor.
    """
    options: dict[str, Any] = {"seed": seed, "l2": l2}
    if heads.plain:
        return _scores(heads, xs, 1, f"{prefix}logits", **options)
    outputs: list[dict[str, Any]] = [{} for _ in xs]

    def add(head: str, found: list[Any]) -> None:
        for one, value in zip(outputs, found, strict=True):
            one[head] = value

    if heads.classes == 2:
        add("direction", _scores(heads, xs, 1, f"{prefix}logits", **options))
    elif heads.classes == 3:
        add("direction", _scores(heads, xs, 3, f"{prefix}class_logits", **options))
    if heads.quantiles:
        levels = len(heads.quantiles)
        scores = _scores(heads, xs, levels, f"{prefix}quantile_scores", **options)
        ordered = OrderedQuantiles(dtype="float32", name=f"{prefix}quantiles")
        add("quantiles", [ordered(one) for one in scores])
    if heads.variance:
        add("log_variance", _scores(heads, xs, 1, f"{prefix}log_variance", **options))
    return outputs


def direction_logits(outputs: Any) -> Any:
    """One logit of "up" for each horizon, from whatever heads a model has.

    Three classes: the logit of up less that of down, so that flat is left out. Quantiles alone:
    the middle one over the distance between the outer ones, which rises with the chance of a
    gain; a temperature gives it its scale.

    Args:
        outputs: What a model of `prediction_heads` returns.

    Returns:
        `(batch, horizons)`.
    """
    if not isinstance(outputs, dict):
        return outputs
    if "direction" in outputs:
        direction = outputs["direction"]
        if len(direction.shape) == 3:
            return direction[..., UP] - direction[..., DOWN]
        return direction
    quantiles = outputs["quantiles"]
    middle = quantiles[..., quantiles.shape[-1] // 2]
    width = quantiles[..., -1] - quantiles[..., 0]
    return middle / ops.maximum(width, 1e-6)


def horizons_of(model: keras.Model) -> int:
    """How many horizons a model of `prediction_heads` predicts."""
    return int(model.outputs[0].shape[1])


def _scores(
    heads: Heads, xs: list[Any], each: int, name: str, *, seed: int, l2: float
) -> list[Any]:
    """`(batch, horizons)`, or `(batch, horizons, each)` for more than one score each."""
    if len(xs[0].shape) == 3:
        return _own_scores(heads, xs, each, name, seed=seed, l2=l2)
    dense = _dense(heads.horizons * each, name, seed=seed, l2=l2)
    scores = [dense(x) for x in xs]
    if each == 1:
        return scores
    shape = (heads.horizons, each)
    by_horizon = keras.layers.Reshape(shape, dtype="float32", name=f"{name}_by_horizon")
    return [by_horizon(one) for one in scores]


def _own_scores(
    heads: Heads, xs: list[Any], each: int, name: str, *, seed: int, l2: float
) -> list[Any]:
    for x in xs:
        if x.shape[1] != heads.horizons:
            raise ValueError(
                f"features of {x.shape[1]} horizons meet heads of {heads.horizons}: give "
                "(batch, horizons, width), or (batch, width) for all horizons together"
            )
    limit = math.sqrt(6.0 / (xs[0].shape[-1] + each))
    dense = keras.layers.EinsumDense(
        "bhw,hwk->bhk",
        output_shape=(heads.horizons, each),
        bias_axes="hk",
        kernel_initializer=keras.initializers.RandomUniform(
            -limit, limit, seed=derive_seed(seed, name)
        ),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32",
        name=name,
    )
    scores = [dense(x) for x in xs]
    if each > 1:
        return scores
    flat = keras.layers.Reshape((heads.horizons,), dtype="float32", name=f"{name}_flat")
    return [flat(one) for one in scores]


def _dense(units: int, name: str, *, seed: int, l2: float) -> keras.layers.Layer:
    return keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.GlorotUniform(seed=derive_seed(seed, name)),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32",
        name=name,
    )
