"""Feeding windows to a training step: from memory, one thread, two threads, tf.data, Keras.

    python benchmarks/bench_datasets.py

Every way makes batches of 256 windows of 100 bars x 220 features (22.5 MB) out of one table of
20,000 bars and trains the same small convolution on them; `keras` is
`timeseries_dataset_from_array`, shuffled, with a prefetch of two. The ways take turns in short
rounds, so that a busy machine slows all of them alike:
    in memory    the same batch again and again: what the step itself takes
    one thread   copy a batch, then train on it
    prefetched   another thread copies the next batch meanwhile (what `training.loop.fit` does)
    tf.data      `training.batches.tf_data`
    keras        the peer

Columns: median milliseconds for a step; times the peer's; what feeding adds to the step itself;
processor time over wall time (cores kept busy); milliseconds to make one batch without training.
Writes `benchmarks/results/datasets_<machine>.csv`. Run it on an idle machine: on a busy one the
ratios hold roughly, milliseconds and cores kept busy do not (see the column `load_average`).
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402
from ultimate_deep.machine.prefetch import prefetched  # noqa: E402
from ultimate_deep.market.windows import Windows  # noqa: E402
from ultimate_deep.training.arrays import Arrays  # noqa: E402
from ultimate_deep.training.batches.batches import Batches  # noqa: E402
from ultimate_deep.training.batches.tf_data import batch_pipeline  # noqa: E402
from ultimate_deep.training.config import FitConfig  # noqa: E402
from ultimate_deep.training.loop.train_step import TrainStep  # noqa: E402
from ultimate_deep.training.participant import StepTensors  # noqa: E402

BATCH, WINDOW, FEATURES, BARS = 256, 100, 220, 20_000
FILTERS, KERNEL = 16, 5
EPOCHS = 1000
WARM_UP = 3
PEER = "keras"

Batch = tuple[Any, Any, Any]


def make_batches() -> Batches:
    """Return shuffled batches of windows over noise."""
    draws = np.random.default_rng(0)
    table = draws.normal(size=(BARS, FEATURES)).astype(np.float32)
    windows = Windows(table, np.arange(WINDOW - 1, BARS), WINDOW)
    y = draws.integers(0, 2, size=(len(windows), 1)).astype(np.float32)
    return Batches(arrays=Arrays(x=windows, y=y), batch_size=BATCH)


def make_step() -> TrainStep:
    """Return the training step of a small convolution."""
    inputs = keras.Input((WINDOW, FEATURES), name="bars")
    x = keras.layers.Conv1D(FILTERS, KERNEL, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    return TrainStep(model, FitConfig(batch_size=BATCH, jit_compile=False))


def endless_rows(batches: Batches) -> Iterator[np.ndarray]:
    """Yield the rows of one batch after another."""
    for epoch in range(EPOCHS):
        yield from batches.rows(epoch)


def ways(batches: Batches, step: TrainStep) -> dict[str, Iterator[StepTensors]]:
    """Return endless batches as tensors, by each way of making them."""

    def copied(rows: np.ndarray) -> StepTensors:
        batch = batches.take(rows)
        return step.to_tensors(batch.x, batch.targets, batch.weight)

    first = copied(batches.rows(0)[0])
    pipeline = batch_pipeline(batches, epochs=EPOCHS)
    return {
        "in memory": iter(lambda: first, None),
        "one thread": prefetched(copied, endless_rows(batches), ahead=0),
        "prefetched": prefetched(copied, endless_rows(batches)),
        "tf.data": (StepTensors(x, {"y": y}, weight) for x, y, weight in pipeline),
        PEER: peer(batches, first[2]),
    }


def peer(batches: Batches, weight: Any) -> Iterator[StepTensors]:
    """Yield the batches of Keras' own windowing, over the same table."""
    arrays = batches.arrays
    assert isinstance(arrays.x, Windows)
    dataset = keras.utils.timeseries_dataset_from_array(
        arrays.x.table, arrays.y, WINDOW, batch_size=BATCH, shuffle=True, seed=0
    )
    whole = dataset.filter(lambda x, y: len(y) == BATCH)
    return (StepTensors(x, {"y": y}, weight) for x, y in whole.repeat().prefetch(2))


def measure(rounds: int, steps: int) -> pd.DataFrame:
    """Time all ways in turns."""
    batches, step = make_batches(), make_step()
    streams = ways(batches, step)
    timed = {name: Timing() for name in streams}
    for stream in streams.values():
        run_steps(stream, step, WARM_UP)
    for _ in range(rounds):
        for name, stream in streams.items():
            timed[name].add(partial(run_steps, stream, step, steps), steps)
    making = {name: making_seconds(stream, steps) for name, stream in streams.items()}
    for stream in streams.values():
        if close := getattr(stream, "close", None):
            close()
    alone, theirs = timed["in memory"].seconds, timed[PEER].seconds
    rows = [
        {
            "way": name,
            "step_ms": 1e3 * found.seconds,
            "times_peer": found.seconds / theirs,
            "feeding_adds": found.seconds / alone - 1.0,
            "cores_busy": found.cores,
            "batch_alone_ms": 1e3 * making[name],
        }
        for name, found in timed.items()
    ]
    return pd.DataFrame(rows)


class Timing:
    """Wall and processor time of rounds."""

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._processor: list[float] = []

    def add(self, run: Callable[[], None], steps: int) -> None:
        """Run and record one round."""
        wall, processor = time.perf_counter(), time.process_time()
        run()
        self._wall.append((time.perf_counter() - wall) / steps)
        self._processor.append((time.process_time() - processor) / steps)

    @property
    def seconds(self) -> float:
        """Median wall seconds of a step."""
        return statistics.median(self._wall)

    @property
    def cores(self) -> float:
        """Cores kept busy over all rounds."""
        return sum(self._processor) / sum(self._wall)


def run_steps(stream: Iterator[StepTensors], step: TrainStep, steps: int) -> None:
    """Train on the next batches."""
    for _ in range(steps):
        loss, _ = step.on_tensors(*next(stream), 1e-3)
        float(loss)


def making_seconds(stream: Iterator[StepTensors], steps: int) -> float:
    """Return the mean wall seconds to make a batch when nothing else runs."""
    for _ in range(WARM_UP):
        next(stream)
    began = time.perf_counter()
    for _ in range(steps):
        np.asarray(next(stream)[0][0, 0])
    return (time.perf_counter() - began) / steps


def main() -> None:
    """Read the command line, measure, print and store."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10, help="steps of each way in a round")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    table = measure(options.rounds, options.steps)
    table["cores"], table["load_average"] = len(os.sched_getaffinity(0)), load
    options.folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    path = options.folder / f"datasets_{machine}.csv"
    write_table(table, path, digits=4)
    print(table.to_string(index=False), f"written to {path}", sep="\n")


if __name__ == "__main__":
    main()
