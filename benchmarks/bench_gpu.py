"""Steps, memory and the gain of half the bits on a GPU: default net, wide, 10,000 and more layers.

    python benchmarks/bench_gpu.py                      # on JAX; ten minutes or so
    python benchmarks/bench_gpu.py --backend tensorflow --nets '[default, wide]'
    python benchmarks/bench_gpu.py --cpu true --nets '[default]'   # to see it run without a GPU

Each net and precision has a process of its own, so that its peak of memory is its own. Steps are
those of the fit, of as many rows as the preset's recipe has, on 220 features; the first one is told
apart, since it traces and compiles. Writes `benchmarks/results/gpu_<machine>.csv` where there is a
GPU. The documents expect mixed precision to be twice as fast in half the memory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

FEATURES, PICTURE_NUMBERS, STEPS, LONGEST = 220, 64, 20, 3_600
DEEP: dict[str, Any] = {"res_blocks_per_unit": [625] * 4}
# Net, preset and options: 500 blocks have 2,000 layers, so 2,500 have 10,000.
NETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "default": ("ultimate", "default", {}),
    "wide": ("ultimate", "wide", {}),
    "10,000 layers": ("ultimate", "default", DEEP),
    "over two million layers": ("ultimate", "million", {}),
    "GAF ResNet-18": ("gaf_cnn", "gaf_resnet18", {}),
}
PRECISIONS = ("float32", "mixed_bfloat16")
COLUMNS = [
    "case", "precision", "backend", "device", "parameters", "rows", "first_step_seconds", "step_ms",
    "peak_mib", "gain", "error",
]  # fmt: skip


def measure(case: str, precision: str) -> dict[str, Any]:
    """Take steps in this process and return what they took."""
    import keras
    import numpy as np

    from benchmarks.zoo.fit_steps import FitSteps
    from ultimate_deep.models.registry import build_model, preset_of
    from ultimate_deep.training.accelerator import peak_bytes
    from ultimate_deep.training.backend import load_backend
    from ultimate_deep.training.precision import device_sentence

    load_backend()
    name, preset, options = NETS[case]
    chosen = preset_of(name, preset)
    keras.utils.set_random_seed(0)
    config = type(chosen.config)(**(vars(chosen.config) | options | {"precision": precision}))
    pictures = name == "gaf_cnn"
    shape = {"gaf_1x": (PICTURE_NUMBERS,)} if pictures else {"features": (FEATURES,)}
    model = build_model(name, shape, config=config)
    rng = np.random.default_rng(0)
    rows = chosen.batch_size
    x = [rng.uniform(-1, 1, (rows, *one)).astype(np.float32) for one in shape.values()]
    steps = FitSteps(model, x, (rng.random((rows, 1)) < 0.5).astype(np.float32), precision)
    taken = [steps.seconds() for _ in range(STEPS)]
    peak = peak_bytes()
    return {
        "device": device_sentence(),
        "parameters": int(model.count_params()),
        "rows": rows,
        "first_step_seconds": steps.first_seconds,
        "step_ms": 1e3 * float(np.median(taken)),
        "peak_mib": None if peak is None else peak / 2**20,
    }


def bench(nets: list[str], backend: str) -> pd.DataFrame:
    """Measure every net in both precisions, each in a process of its own."""
    rows = []
    for case in nets:
        steps: dict[str, float] = {}
        for precision in PRECISIONS:
            found = _measured(case, precision, backend)
            steps[precision] = found.get("step_ms", float("nan"))
            gain = steps["float32"] / steps[precision]
            rows.append({"case": case, "precision": precision, "backend": backend} | found)
            rows[-1] |= {"gain": gain}
            print(rows[-1], flush=True)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _measured(case: str, precision: str, backend: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", case, "--precision", precision]
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["without a word"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Parse, measure, write and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=list[str], default=list(NETS), help="which of them")
    parser.add_argument(
        "--backend", type=Literal["jax", "tensorflow"], default="jax", help="Keras'"
    )
    parser.add_argument("--cpu", type=bool, default=False, help="run without a GPU, write nothing")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is kept")
    parser.add_argument("--measure", type=str, default="", help="one net, in this process")
    parser.add_argument("--precision", type=Literal[PRECISIONS], default="float32", help="its own")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.precision)))
        return
    if unknown := sorted(set(options.nets) - set(NETS)):
        parser.error(f"no net is called {unknown[0]!r}; there are {', '.join(NETS)}")
    table = bench(options.nets, options.backend)
    print(table.to_string(index=False))
    on_gpu = table["device"].astype(str).str.startswith("gpu")
    if options.cpu:
        return
    if not on_gpu.any():
        sys.exit("error: no GPU was found, so nothing is written; --cpu true only shows it run")
    write_table(table, options.folder / f"gpu_{machine_name()}.csv")


if __name__ == "__main__":
    main()
