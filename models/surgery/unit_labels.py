"""What the units and blocks of a stack are called, in tables and in unrolled models alike."""

import re
from typing import Any

STEMS = {
    "residual_stack": "res",
    "dense_stack": "dense",
    "attention_stack": "attention",
    "sequential_stack": "sequential",
}


def unit_labels(stack: Any) -> list[str]:
    """`res_unit_01`, `res_unit_02`, ... for a layer called `residual_stack`.

    The first part follows the layer's name, so that two stacks of one model differ:
    `residual_stack_1` gives `res_1_unit_01`, `body` gives `body_unit_01`.
    """
    stem = re.sub("|".join(STEMS), lambda found: STEMS[found[0]], stack.name)
    return [f"{stem}_unit_{unit:02d}" for unit in range(1, len(stack.blocks_per_unit) + 1)]


def block_labels(unit_label: str, blocks: int) -> list[str]:
    """`res_unit_01_block_0001`, ... for the blocks of one unit."""
    return [f"{unit_label}_block_{block:04d}" for block in range(1, blocks + 1)]


def unit_of_label(label: str) -> str:
    """The unit's part of a label: itself for a unit, empty where it names no unit."""
    found = re.match(r".*_unit_\d+", label)
    return found[0] if found else ""


def block_of_label(label: str) -> int:
    """The block's number in a label, 0 where it names no block."""
    found = re.search(r"_block_(\d+)", label)
    return int(found[1]) if found else 0
