"""How much faster each net's step is with half the bits, by preset, on this processor or GPU.

    python benchmarks/bench_precision.py                  # all presets but `tiny`: half an hour
    python benchmarks/bench_precision.py --nets '[lstm:wide, mlp:default]'

Steps are those of the fit, of as many rows as the preset's recipe has, on inputs of `bench_models`
(windows of 100 bars, 220 features); float32 and mixed bfloat16 take turns on the same rows, and the
third fastest tenth of each counts. Nets beyond `--most` parameters are left out. A net that is
faster on a processor says so in its preset (`half_on_cpu`), which is what `fit.precision: auto`
goes by. Each net has a process of its own, and its row is written as soon as it is there; delete
the file to measure anew. Writes `benchmarks/results/precision_<machine>.csv`. Run it on an idle
machine.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.depth.process import run_fresh  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, store_row  # noqa: E402

KEYS = ["net", "preset"]
FIGURES = ["parameters", "rows", "float32_ms", "bfloat16_ms", "gain", "load_average", "error"]
LEFT_OUT = ("tiny", "billion")
SECONDS, FEWEST, QUANTILE = 8.0, 3, 0.3


def bench(nets: list[str], seconds: float, most: int, folder: Path) -> pd.DataFrame:
    """Measure what the table lacks; return the table, greatest gain first."""
    path = folder / f"precision_{machine_name()}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*KEYS, "error"])
    known = table[table["error"].isna()]
    done = set(zip(known["net"], known["preset"], strict=True))
    for net, preset in wanted(nets):
        if (net, preset) in done:
            continue
        load = os.getloadavg()[0]
        found = run_fresh(
            "call",
            {
                "module": "benchmarks.bench_precision",
                "function": "measure",
                "net": net,
                "preset": preset,
                "seconds": seconds,
                "most": most,
            },
        )
        row = {"net": net, "preset": preset} | found | {"load_average": round(load, 1)}
        store_row(row, path, columns=[*KEYS, *FIGURES], keys=KEYS)
        print(f"{net}:{preset} " + str(found.get("error") or found.get("gain")), flush=True)
    return pd.read_csv(path).sort_values("gain", ascending=False)


def wanted(nets: list[str]) -> list[tuple[str, str]]:
    """Return nets and presets: those named, as `net:preset`, or all."""
    from ultimate_deep.models.registry import BUILDERS, presets

    if nets:
        pairs = (one.partition(":") for one in nets)
        return [(net, preset or "default") for net, _, preset in pairs]
    return [
        (net, preset)
        for net in sorted(BUILDERS)
        for preset in presets(net)
        if preset not in LEFT_OUT
    ]


def measure(net: str, preset: str, seconds: float, most: int) -> dict[str, Any]:
    """Return parameters, rows, milliseconds of a step of each, and how many times as fast."""
    import keras
    import numpy as np

    from benchmarks.zoo.fit_steps import FitSteps
    from benchmarks.zoo.measuring import OURS, batch_of, build
    from ultimate_deep.models.registry import preset_of

    rows, parameters = preset_of(net, preset).batch_size, 0
    steps: dict[str, FitSteps] = {}
    for precision in ("float32", "mixed_bfloat16"):
        model = build(net, preset, OURS, precision)
        parameters = model.count_params()
        if parameters > most:
            return {"parameters": parameters, "rows": rows, "error": f"beyond {most:,} parameters"}
        x, y = batch_of(model, rows)
        values = [np.asarray(keras.ops.convert_to_numpy(one)) for one in keras.tree.flatten(x)]
        steps[precision] = FitSteps(model, values, np.asarray(y), precision)
    taken: dict[str, list[float]] = {precision: [] for precision in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken["mixed_bfloat16"]) < FEWEST:
        for precision, one in steps.items():
            taken[precision].append(one.seconds())
    whole, half = (1e3 * float(np.quantile(one, QUANTILE)) for one in taken.values())
    return {
        "parameters": parameters,
        "rows": rows,
        "float32_ms": whole,
        "bfloat16_ms": half,
        "gain": whole / half,
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=list[str], default=[], help="as net:preset; all if left out")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of steps of each net")
    parser.add_argument("--most", type=int, default=60_000_000, help="parameters")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is kept")
    table = bench(**parser.parse_args().as_dict())
    shown = [*KEYS, "rows", "float32_ms", "bfloat16_ms", "gain"]
    print(table[shown].round(2).to_string(index=False))


if __name__ == "__main__":
    main()
