"""Which heads a model has, read off its outputs; importable without Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DIRECTION, QUANTILES, LOG_VARIANCE = "direction", "quantiles", "log_variance"
HEADS = (DIRECTION, QUANTILES, LOG_VARIANCE)
# Beside the heads in what a forward pass gives: one logit of "up" for each horizon.
LOGITS = "logits"


@dataclass(frozen=True, kw_only=True)
class HeadShapes:
    """The sizes of a model's heads.

    Args:
        horizons: Labels in a row.
        classes: 2 for one logit of "up", 3 for logits of down, flat and up, 0 without direction.
        levels: Quantiles of each horizon; 0 without them.
        log_variance: Whether each horizon says the log variance of its logit.
    """

    horizons: int
    classes: int = 2
    levels: int = 0
    log_variance: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The heads that are there."""
        there = (self.classes > 0, self.levels > 0, self.log_variance)
        return tuple(name for name, has in zip(HEADS, there, strict=True) if has)


def by_head(outputs: Any) -> dict[str, Any]:
    """Return a model's outputs by the name of their head; one bare tensor is the direction."""
    return dict(outputs) if isinstance(outputs, Mapping) else {DIRECTION: outputs}


def head_shapes(outputs: Any) -> HeadShapes:
    """Return the heads behind a model's outputs.

    Args:
        outputs: What the model returns, or symbolic tensors of the same structure: logits
            `(batch, horizons)`, or a dict of `direction` `(batch, horizons)` or
            `(batch, horizons, 3)`, `quantiles` `(batch, horizons, levels)` and `log_variance`
            `(batch, horizons)`.

    Raises:
        ValueError: Other outputs, other shapes, or outputs that are not float32.
    """
    if isinstance(outputs, (list, tuple)):
        listed = [tuple(tensor.shape) for tensor in outputs]
        raise ValueError(
            f"the model must have one output (batch, horizons) of logits or a dict of heads, got "
            f"a list of {listed}; end it with ultimate_deep.models.heads.prediction_heads"
        )
    heads = by_head(outputs)
    unknown = sorted(set(heads) - set(HEADS))
    if unknown or not {DIRECTION, QUANTILES} & set(heads):
        raise ValueError(
            f"a model's heads are direction or quantiles, and log_variance, got {sorted(heads)}; "
            "end it with ultimate_deep.models.heads.prediction_heads"
        )
    shapes = {name: tuple(tensor.shape) for name, tensor in heads.items()}
    first = next(iter(shapes.values()))
    horizons = first[1] if len(first) > 1 else 0
    for name, tensor in heads.items():
        _check_head(name, shapes[name], horizons)
        dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
        if dtype != "float32":
            raise ValueError(
                f"{name} must be float32, got {dtype}; give the last layer dtype='float32'"
            )
    return HeadShapes(
        horizons=horizons,
        classes={0: 0, 2: 2, 3: 3}[len(shapes.get(DIRECTION, ()))],
        levels=shapes[QUANTILES][2] if QUANTILES in shapes else 0,
        log_variance=LOG_VARIANCE in shapes,
    )


def _check_head(name: str, shape: tuple[int | None, ...], horizons: int | None) -> None:
    """Refuse a head whose shape is not the one its name promises."""
    wanted = {
        DIRECTION: "(batch, horizons) or (batch, horizons, 3)",
        QUANTILES: "(batch, horizons, levels)",
        LOG_VARIANCE: "(batch, horizons)",
    }[name]
    ranks = {DIRECTION: (2, 3), QUANTILES: (3,), LOG_VARIANCE: (2,)}[name]
    right = len(shape) in ranks and shape[1] is not None and shape[1] == horizons
    if name == DIRECTION and len(shape) == 3:
        right = right and shape[2] == 3
    if not right:
        raise ValueError(
            f"{name} must have shape {wanted}, with one number of horizons for all heads, got "
            f"{shape}; end the model with ultimate_deep.models.heads.prediction_heads"
        )


def several_horizons(model: Any, said: str) -> int:
    """Return the number of a model's horizons.

    Args:
        model: A Keras model.
        said: What needs several, as a sentence begins.

    Raises:
        ValueError: There is one.
    """
    horizons = head_shapes(model.output).horizons
    if horizons < 2:
        raise ValueError(
            f"{said}, got a net of one; name more as heads.further_horizons, or leave it out"
        )
    return horizons
