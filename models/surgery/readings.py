"""What of a net with members is trained: the answers of its members, before they are averaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from ultimate_deep.models.layers.members.member_answers import MemberAnswers
from ultimate_deep.models.layers.members.member_stem import MemberStem
from ultimate_deep.models.surgery.rebuilding import inner_layers


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """The readings of a net with members.

    Args:
        model: The same layers and weights up to the members' answers: `reading_1` and so on, each
            with its heads, every output `(rows * members, ...)`, where `members` may be 1.
        weights: Weight of each reading in the training loss; they add up to 1.
    """

    model: keras.Model
    weights: tuple[float, ...]


def training_readings(model: keras.Model) -> Readings | None:
    """Return the readings that a model is trained by; None where its outputs are all there is.

    They follow from the model's graph, so that a model that was loaded, cloned or grown has them.
    """
    outputs = getattr(model, "output", None)
    heads = outputs if isinstance(outputs, Mapping) else {"": outputs}
    found = {name: _member_answers(tensor) for name, tensor in heads.items()}
    if not found or any(one is None for one in found.values()):
        return None
    layers = {name: one[0] for name, one in found.items() if one is not None}
    inputs = {name: one[1] for name, one in found.items() if one is not None}
    weights = next(iter(layers.values())).weights_of_readings
    total = sum(weights)
    each = [{name: tensors[i] for name, tensors in inputs.items()} for i in range(len(weights))]
    if not isinstance(outputs, Mapping):
        each = [one[""] for one in each]
    named = {f"reading_{number}": one for number, one in enumerate(each, start=1)}
    return Readings(
        model=keras.Model(model.input, named, name=f"{model.name}_readings"),
        weights=tuple(weight / total for weight in weights),
    )


def members_of(model: keras.Model) -> tuple[MemberStem, ...]:
    """Return the stems of members that a model has."""
    layers = inner_layers(model)
    return tuple(layer for layer in layers if isinstance(layer, MemberStem))


def _member_answers(tensor: Any) -> tuple[MemberAnswers, list[Any]] | None:
    """The layer that gives an output, and the readings that it was called on."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or not isinstance(history.operation, MemberAnswers):
        return None
    node = history.operation._inbound_nodes[history.node_index]
    return history.operation, list(node.input_tensors)
