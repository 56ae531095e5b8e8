"""How many rows of a batch fit into memory, measured by steps of rising size."""

import dataclasses
import gc
import math
import time
from dataclasses import dataclass

import keras
import pandas as pd

from ultimate_deep.machine.memory import peak_resident_bytes
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.array_fit import check_arrays
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.compiled import check_targets, compile_fit, training_batches
from ultimate_deep.training.progress import Progress

GIB = 2**30


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryRange:
    """What steps of rising size took.

    Args:
        table: Columns `rows`, `peak_gib` and `step_seconds`, a row for each size that was tried.
        rows: Most rows that were tried whose step stayed within the budget.
        batch_size: Rows of the fit's batch, or of the next smaller one that its parts divide.
        micro_batches: Parts into which that batch is cut so that each has at most so many.
    """

    table: pd.DataFrame
    rows: int
    batch_size: int
    micro_batches: int


def memory_range(
    model: keras.Model,
    train: Arrays,
    config: FitConfig,
    *,
    most_gib: float,
    progress: Progress | None = None,
) -> MemoryRange:
    """Take steps of 1, 2, 4 ... rows, at last of a whole batch, until the peak passes a budget.

    The peak is that of the resident memory of the whole process so far, so a budget below what it
    has already taken leaves nothing. The model is left as it was.

    Args:
        model: Built model, which is left as it was.
        train: Rows to train on.
        config: The fit; no size beyond its batch is tried.
        most_gib: The budget in GiB.
        progress: Who is told.

    Raises:
        ValueError: A step of one row passes the budget, or arrays that do not fit the model.
    """
    if not 0 < most_gib < math.inf:
        raise ValueError(f"most_gib must be above 0 and finite, got {most_gib}; give e.g. 4")
    check_arrays(model, train, "train")
    # In parts, a step has the memory of one of them, which is what is looked for.
    whole = dataclasses.replace(config.gradients, micro_batches=1)
    config = dataclasses.replace(config, gradients=whole, workers=1, engine="processes")
    step = compile_fit(model, config).step
    check_targets(step.loss, train, "train")
    batches = training_batches(model, train, config)
    kept = [(variable, to_numpy(variable)) for variable in step.variables().values()]
    told, found, peak = progress or Progress(), list[tuple[int, float, float]](), 0
    most_rows = batches.batch_size
    sizes = [2**power for power in range(most_rows.bit_length()) if 2**power < most_rows]
    try:
        for rows in (*sizes, most_rows):
            batch = batches.take(slice(0, rows))
            with told.busy(f"a step of {rows:,} rows"):
                for _ in range(2):  # the first one compiles
                    began = time.monotonic()
                    float(step(batch.x, batch.targets, batch.weight, 0.0)[0])
                    seconds = time.monotonic() - began
            gc.collect()
            # Linux counts in parts and may report some KiB less than it did before.
            peak = max(peak, peak_resident_bytes())
            found.append((rows, peak / GIB, seconds))
            if found[-1][1] > most_gib:
                break
    finally:
        for variable, value in kept:
            variable.assign(value)
    table = pd.DataFrame(found, columns=["rows", "peak_gib", "step_seconds"])
    fitting = table[table["peak_gib"] <= most_gib]
    if fitting.empty:
        raise ValueError(
            f"a step of one row takes the process to {found[0][1]:.2f} GiB, above the "
            f"{most_gib:g} GiB that it may take; allow more, or choose a smaller net or memory "
            "checkpoint"
        )
    most = int(fitting["rows"].max())
    parts = 1
    while most_rows / parts > most:
        parts *= 2
    size = most_rows - most_rows % parts
    return MemoryRange(table=table, rows=most, batch_size=size, micro_batches=parts)
