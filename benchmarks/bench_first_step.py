"""Time to the first training step: stacked layers beside the same net of plain Keras layers.

    python benchmarks/bench_first_step.py                  # 500 blocks, plain layers: minutes
    python benchmarks/bench_first_step.py --blocks 50      # under a minute

Each figure comes from a fresh process and counts, after the imports, building the model,
compiling it with AdamW and the first `train_on_batch` up to its loss; then the fastest of a
few further steps. Expected on two idle cores at 500 blocks: stacked within 15 s, and at least
20 times sooner than plain layers. Writes `benchmarks/results/first_step_<machine>.csv`.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from jsonargparse import CLI

RESULTS = Path(__file__).resolve().parent / "results"
UNITS = 10
# name: implementation, jit_compile
VARIANTS = {
    "stacked": ("stacked", False),
    "stacked, XLA": ("stacked", True),
    "plain Keras layers": ("unrolled", False),
}


def measure(implementation: str, jit: bool, blocks: int, batch_size: int, steps: int) -> None:
    """Measure one variant in this process and print a JSON line."""
    import keras
    import numpy as np

    from ultimate_deep.models.nets.ultimate import UltimateConfig, build_ultimate

    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch_size, 220)).astype("float32")
    y = (rng.random((batch_size, 1)) < 0.5).astype("float32")
    units = (blocks // UNITS,) * UNITS
    config = UltimateConfig(res_blocks_per_unit=units, implementation=implementation)

    start = time.perf_counter()
    model = build_ultimate({"features": (220,)}, config=config)
    built = time.perf_counter()
    optimizer = keras.optimizers.AdamW(1e-3)
    # Built ahead, or Keras traces the first step twice; plain layers get the same help.
    optimizer.build(model.trainable_variables)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit)
    first_loss = float(model.train_on_batch(x, y))
    first_step = time.perf_counter()
    step_seconds = []
    for _ in range(steps):
        before = time.perf_counter()
        model.train_on_batch(x, y)
        step_seconds.append(time.perf_counter() - before)
    result = {
        "build_seconds": built - start,
        "first_step_seconds": first_step - start,
        "step_seconds": min(step_seconds),
        "loss": first_loss,
        "variables": len(model.trainable_variables),
    }
    print(json.dumps(result))


def compare(blocks: int = 500, batch_size: int = 128, steps: int = 10) -> None:
    """Run every variant in a process of its own, print the table and store it.

    Args:
        blocks: Residual blocks in all, a multiple of 10.
        batch_size: Rows in a step.
        steps: Further steps, of which the fastest is given.
    """
    if blocks < UNITS or blocks % UNITS:
        raise SystemExit(f"--blocks must be a positive multiple of {UNITS}, got {blocks}")
    rows = []
    for name, (implementation, jit) in VARIANTS.items():
        print(f"{name}: {blocks} blocks ...", flush=True)
        arguments = [implementation, str(int(jit)), str(blocks), str(batch_size), str(steps)]
        output = subprocess.run(
            [sys.executable, __file__, "measure", *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        ).stdout
        rows.append({"variant": name, **json.loads(output.splitlines()[-1])})
        print(f"  first step after {rows[-1]['first_step_seconds']:.1f} s", flush=True)
    table = pd.DataFrame(rows)
    plain = table["first_step_seconds"].iloc[-1]
    table["times_sooner_than_plain"] = plain / table["first_step_seconds"]
    table.insert(1, "blocks", blocks)
    table.insert(2, "batch_size", batch_size)
    table["load_average"] = round(os.getloadavg()[0], 1)
    print(table.round(3).to_string(index=False))
    RESULTS.mkdir(exist_ok=True)
    machine = f"{platform.machine()}_{os.cpu_count()}cores_{platform.node()}"
    path = RESULTS / f"first_step_{blocks}_{machine}.csv"
    table.round(4).to_csv(path, index=False)
    print(f"written to {path}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        name, *numbers = sys.argv[2:]
        measure(name, bool(int(numbers[0])), *(int(number) for number in numbers[1:]))
    else:
        CLI(compare, as_positional=False)
