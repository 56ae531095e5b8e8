"""More depth for a trained net without changing what it computes, for progressive training."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ultimate_deep.models.layers.stacks.coupled_stack import CoupledStack
from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.seeds import derive_seed
from ultimate_deep.models.surgery.rebuilding import cloned_layer, inner_layers, rebuilt

# What a branch ends with, by the part and half in its weights' names.
BRANCH_ENDS = ("dense_2", "out_1", "down_2")


def grow(
    model: keras.Model, blocks: int | Sequence[int], *, layer: str | None = None
) -> keras.Model:
    """The same function with more blocks in one of the model's stacks.

    New blocks come at the ends of the units. Their last kernels and biases are zero (under
    `rezero` their scales instead, and in a `DenseStack` what the transition reads of them), all
    their other weights are freshly drawn, so that every weight learns within a few steps. The
    old blocks keep their weights; under `1/sqrt(depth)` the constant shrinks with the new depth,
    so their last kernels and biases grow by the same factor (and an L2 penalty with them).

    Predictions are equal to float32 rounding: bit for bit where no constant depends on depth,
    within a few 1e-7 of the carry for each old block under `1/sqrt(depth)` (in `exact` mode one
    step of the grid, 2**-17, where that rounding crosses a tie). In training, masks are drawn
    anew and stochastic depth follows the new depth.

    Source: Gong et al. (2019), "Efficient Training of BERT by Progressively Stacking", PMLR 97,
    for the aim; zero-ended branches as in Goyal et al. (2017), arXiv:1706.02677, sec. 5.1, and
    Chen, Goodfellow & Shlens (2016), "Net2Net", arXiv:1511.05641, for keeping the function.

    Args:
        model: A functional or sequential model, built; `build_ultimate` makes such.
        blocks: How many more blocks: one number, spread evenly over the units (what is left
            over goes to the first ones), or one for each unit.
        layer: The name of the stack to grow; needed where the model has several, and for a
            `DenseStack`.

    Returns:
        A new model, not compiled, that shares no weights with `model`. The grown stack has
        another `seed`, or its new blocks would begin as copies of old ones.

    Raises:
        ValueError: There is no such stack, its number of units is another, or it cannot grow
            without changing the function: without skips, under `deepnorm`, or a `DenseStack`
            whose norms join all that they read.
    """
    stack = _stack_called(model, layer)
    _check_can_grow(stack)
    more = _spread(blocks, stack)
    copies: list[tuple[Any, Any]] = []
    grown: list[Any] = []

    def clone(old: Any) -> Any:
        if old is not stack:
            new = cloned_layer(old)
            copies.append((old, new))
            return new
        grown.append(_deeper(stack, more))
        return grown[0]

    result = rebuilt(model, clone)
    for old, new in copies:
        new.set_weights(old.get_weights())
    if isinstance(stack, DenseStack):
        _fill_dense(stack, grown[0])
    else:
        _fill_coupled(stack, grown[0])
    return result


def shallower(model: keras.Model, shares: float, *, layer: str | None = None) -> keras.Model:
    """A net like this one with fewer blocks in one of its stacks, the first ones of each unit.

    Args:
        model: A functional or sequential model, built.
        shares: Share of the blocks of each unit that stay, in (0, 1]; at least one of each.
        layer: The name of the stack; needed where the model has several.

    Returns:
        A new model, not compiled, with copies of the weights that stay. Under `1/sqrt(depth)` its
        blocks are larger than the model's, as they are in any net of that depth.

    Raises:
        ValueError: There is no such stack, it is a `DenseStack`, or the share is out of range.
    """
    stack = _stack_called(model, layer)
    if isinstance(stack, DenseStack):
        raise ValueError(
            f"{stack.name!r} is a DenseStack, whose blocks read all before them; name a residual "
            "or attention stack"
        )
    if not 0 < shares <= 1:
        raise ValueError(f"a share of the blocks must be in (0, 1], got {shares}; e.g. 0.25")
    units = [max(1, round(shares * unit)) for unit in stack.blocks_per_unit]
    made: list[tuple[Any, Any]] = []

    def clone(old: Any) -> Any:
        new = cloned_layer(old)
        if old is stack:
            new = type(old).from_config({**old.get_config(), "blocks_per_unit": units})
        made.append((old, new))
        return new

    result = rebuilt(model, clone)
    for old, new in made:
        if old is not stack:
            new.set_weights(old.get_weights())
            continue
        kept = _places(units, old.blocks_per_unit)
        for weight, own in zip(new.weights, old.weights, strict=True):
            weight.assign(keras.ops.convert_to_numpy(own)[kept])
    return result


def stack_of(model: keras.Model, layer: str | None = None) -> Any:
    """Return the stack that `grow` would deepen.

    Args:
        model: A functional or sequential model, built.
        layer: The name of the stack; needed where the model has several.

    Raises:
        ValueError: There is no such stack, or several.
    """
    return _stack_called(model, layer)


def places_of_blocks(old_units: Sequence[int], new_units: Sequence[int]) -> np.ndarray:
    """Return the number of each old block among those of a grown stack, int `(old blocks,)`.

    Args:
        old_units: Blocks of each unit before.
        new_units: Blocks of each unit after.
    """
    return _places(old_units, new_units)


def _stack_called(model: keras.Model, name: str | None) -> Any:
    stacks = [
        layer for layer in inner_layers(model) if isinstance(layer, CoupledStack | DenseStack)
    ]
    names = ", ".join(repr(stack.name) for stack in stacks) or "none"
    if name is None:
        chosen = [stack for stack in stacks if isinstance(stack, CoupledStack)]
        remedy = "name the one to grow with layer=..."
    else:
        chosen = [stack for stack in stacks if stack.name == name]
        remedy = "give the name of one of them"
    if len(chosen) != 1:
        raise ValueError(
            f"grow deepens one stack, and {len(chosen)} answer to layer={name!r} in model "
            f"{model.name!r}, whose stacks are {names}: {remedy}"
        )
    return chosen[0]


def _check_can_grow(stack: Any) -> None:
    if isinstance(stack, DenseStack):
        if stack.normalization not in ("batch", "none"):
            raise ValueError(
                f"{stack.name!r} has normalization={stack.normalization!r}, which joins all values "
                "that a transition reads, so that a new block's values would change it whatever "
                'their weights: only a DenseStack with normalization="batch" can grow'
            )
        return
    if stack.residual_scaling == "deepnorm":
        raise ValueError(
            f"{stack.name!r} has residual_scaling='deepnorm', whose norms lie on the carry, so "
            "that no new block can pass it on unchanged: grow another scaling, or train the "
            "deeper net anew"
        )
    if stack.coupling == "none":
        raise ValueError(
            f"{stack.name!r} has coupling='none': without skips no new block can pass its input on "
            "unchanged; grow a stack with skips, or train the deeper net anew"
        )


def _spread(blocks: int | Sequence[int], stack: Any) -> tuple[int, ...]:
    units = len(stack.blocks_per_unit)
    if isinstance(blocks, int | np.integer):
        each, left = divmod(int(blocks), units)
        more = tuple(each + (unit < left) for unit in range(units))
    else:
        more = tuple(int(number) for number in blocks)
    if len(more) != units or min(more) < 0 or sum(more) < 1:
        raise ValueError(
            "blocks must be a positive number, or one number of at least 0 for each of the "
            f"{units} units of {stack.name!r} with a positive sum; got {blocks!r}"
        )
    return more


def _deeper(stack: Any, more: tuple[int, ...]) -> Any:
    units = [old + new for old, new in zip(stack.blocks_per_unit, more, strict=True)]
    # The first draws of one seed are the same in any shape.
    seed = derive_seed(stack.seed, f"grown to {units}")
    return type(stack).from_config({**stack.get_config(), "blocks_per_unit": units, "seed": seed})


def _fill_coupled(old: Any, new: Any) -> None:
    """Give the old blocks' weights to the grown stack, and make its new blocks do nothing."""
    ends = (*BRANCH_ENDS, "dense_1") if new.coupling == "additive" else BRANCH_ENDS
    factor = old.block().branch_scale / new.block().branch_scale
    kept = _places(old.blocks_per_unit, new.blocks_per_unit)
    added = np.setdiff1d(np.arange(new.blocks), kept)
    before = {weight.name: weight for weight in old.weights}
    for weight in new.weights:
        values = np.array(keras.ops.convert_to_numpy(weight))
        ends_branch = weight.name.startswith(ends)
        values[kept] = keras.ops.convert_to_numpy(before[weight.name])
        if ends_branch and factor != 1.0:
            values[kept] *= np.float32(factor)
        silent = "residual_" if new.residual_scaling == "rezero" else ends
        if weight.name.startswith(silent):
            values[added] = 0.0
        weight.assign(values)


def _fill_dense(old: DenseStack, new: DenseStack) -> None:
    """The same for packed weights: a reader's old rows are the first of its new ones."""
    readers = {
        "block": (
            old.layout.block_fans,
            new.layout.block_fans,
            _places(old.blocks_per_unit, new.blocks_per_unit),
        ),
        "transition": (
            old.layout.transition_fans,
            new.layout.transition_fans,
            np.arange(len(old.blocks_per_unit)),
        ),
    }
    before = {weight.name: weight for weight in old.weights}
    for weight in new.weights:
        values = np.array(keras.ops.convert_to_numpy(weight))
        old_fans, new_fans, places = readers[weight.name.partition("_")[0]]
        if weight.name == "transition_kernel":
            values[:] = 0.0
        if not weight.name.endswith("_bias"):
            starts = np.cumsum((0, *new_fans))[places]
            places = np.concatenate(
                [start + np.arange(fan) for start, fan in zip(starts, old_fans, strict=True)]
            )
        values[places] = keras.ops.convert_to_numpy(before[weight.name])
        weight.assign(values)


def _places(old_units: Sequence[int], new_units: Sequence[int]) -> np.ndarray:
    """The number of each old block among the new ones, int `(old blocks,)`."""
    starts = np.cumsum((0, *new_units[:-1]))
    return np.concatenate(
        [start + np.arange(number) for start, number in zip(starts, old_units, strict=True)]
    )
