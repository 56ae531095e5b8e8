"""Chains of any length as nested Keras models, so that no graph is deep.

Keras finds a functional model's layers by recursion, one call for each layer on the longest
path. Here no model has more than `STEPS_PER_MODEL` steps: longer chains become models of
models, as many levels as it takes (10,000 steps: three).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np

STEPS_PER_MODEL = 25

# The state that goes from step to step: one tensor, or two for additive coupling.
Carry = tuple[Any, ...]
Step = Callable[[Carry], Carry]


def nested(name: str, steps: Sequence[Step], carry: Carry, last: Step | None = None) -> Carry:
    """Apply `steps`, then `last`, inside a model of their own called `name`.

    Inner models are called `<name>_blocks_0001_0025` after the steps they hold.
    """
    return _nested(name, name, list(enumerate(steps, start=1)), carry, last)


def _nested(
    prefix: str, name: str, steps: list[tuple[int, Step]], carry: Carry, last: Step | None
) -> Carry:
    inputs = tuple(
        keras.Input(part.shape[1:], dtype="float32", name=f"{name}_input_{number}")
        for number, part in enumerate(carry, start=1)
    )
    inner: Carry = inputs
    for group in _groups(steps):
        if len(group) == 1:
            inner = group[0][1](inner)
        else:
            part = f"{prefix}_blocks_{group[0][0]:04d}_{group[-1][0]:04d}"
            inner = _nested(prefix, part, group, inner, None)
    if last is not None:
        inner = last(inner)
    model = keras.Model(_single(inputs), _single(inner), name=name)
    outputs = model(_single(carry))
    return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def _groups(steps: list[tuple[int, Step]]) -> list[list[tuple[int, Step]]]:
    if len(steps) <= STEPS_PER_MODEL:
        return [[step] for step in steps]
    count = min(STEPS_PER_MODEL, -(-len(steps) // STEPS_PER_MODEL))
    ends = np.linspace(0, len(steps), count + 1).round().astype(int)
    return [steps[low:high] for low, high in pairwise(ends)]


def _single(carry: Carry) -> Any:
    return carry[0] if len(carry) == 1 else list(carry)
