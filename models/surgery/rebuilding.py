"""A functional model's graph with other layers in it."""

from collections.abc import Callable, Iterator
from typing import Any

import keras


def rebuilt(model: keras.Model, clone_function: Callable[[Any], Any]) -> keras.Model:
    """A model of the same graph whose layers are what `clone_function` makes of each.

    Models inside it are entered, layers that are called twice are made once. The result is not
    compiled.

    Raises:
        ValueError: The model is neither functional nor sequential, or has not been built.
    """
    if not _has_graph(model):
        raise ValueError(
            f"{getattr(model, 'name', model)!r} is not a built functional or sequential model, so "
            "its layers cannot be told apart: make one with keras.Model(inputs, outputs), or "
            "call it once"
        )
    if isinstance(model, keras.Sequential):
        ends = (model.inputs[0], model.outputs[0])
    else:
        ends = (model.input, model.output)
    # Without the compilation, which clone_model would carry over at a cost.
    bare = keras.Model(*ends, name=model.name)
    return keras.models.clone_model(bare, clone_function=clone_function, recursive=True)


def cloned_layer(layer: Any, refused: tuple[type, ...] = ()) -> Any:
    """A new layer of the same configuration, without weights.

    Raises:
        ValueError: A layer of a `refused` type lies inside, where it cannot be replaced.
    """
    inside = [part for part in layer._flatten_layers(include_self=False) if type(part) in refused]
    if inside:
        raise ValueError(
            f"{inside[0].name!r} lies inside {layer.name!r}, a {type(layer).__name__} that cannot "
            "be taken apart: build it as a functional model, layer by layer"
        )
    return type(layer).from_config(layer.get_config())


def inner_layers(model: keras.Model) -> Iterator[Any]:
    """Every layer of a model and of the models inside it, each once."""
    seen: set[int] = set()
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if isinstance(layer, keras.Model):
            waiting = [*layer.layers, *waiting]
        else:
            yield layer


def _has_graph(model: Any) -> bool:
    if isinstance(model, keras.Sequential):
        return bool(model.built)
    return isinstance(model, keras.Model) and isinstance(getattr(model, "operations", None), list)
