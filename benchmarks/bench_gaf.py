"""Gramian angular fields: time of a pair, precision, cost in a net, and files against no files.

    taskset -c 1 python benchmarks/bench_gaf.py --bars ../shared/data/{btcusd,spy}_1h.parquet
    python benchmarks/bench_gaf.py --only pair --bars bars.csv

Cases, each in a fresh process:
    pair      microseconds for both 64 x 64 fields of a 128-bar window, beside pyts
    precision distance to pyts and to long double on every twentieth window of each file
    layer     what GafImages adds to a ResNet-18 training step (batch 32)
    training  the same ResNet-18 fed from stored pictures and from 64 numbers: first file of bars

Peers: `pip install --no-deps pyts==0.13.0`; without it pair and precision stop with that advice.
Writes `benchmarks/results/gaf_<case>_<machine>.csv`. Times of computing are process time, the least
of many; fetching a batch and writing files are wall time. Ten minutes on one core.
Stored pictures are written to the system's temporary folder (TMPDIR names another).
"""

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402
from ultimate_deep.features.gaf import gaf_images, gaf_numbers  # noqa: E402
from ultimate_deep.market.config import DataConfig, LabelSpec  # noqa: E402
from ultimate_deep.market.market import Market, load_market  # noqa: E402
from ultimate_deep.pipeline.gaf_config import GafFilesConfig  # noqa: E402
from ultimate_deep.pipeline.gaf_files import write_gaf_files  # noqa: E402

WINDOW, SIZE, BATCH = 128, 64, 32
PAIRS, CACHED_PAIRS, PYTS_PAIRS, REPEATS = 2000, 32, 200, 15
BLOCK, PRECISION_EVERY = 500, 20
LAYER_STEPS, TRAINING_STEPS = 8, 10
ADVICE = "pyts is absent: pip install --no-deps pyts==0.13.0"
Rows = list[dict[str, Any]]


def pair(bars: list[str]) -> Rows:
    """Time a pair of fields, from closes to pictures."""
    closes = _closes(bars)[1][: PAIRS + WINDOW - 1]
    windows = np.lib.stride_tricks.sliding_window_view(closes, WINDOW)[:PAIRS]
    pairs = len(windows)
    images = np.empty((pairs, SIZE, SIZE, 2), np.float32)
    cached = images[:CACHED_PAIRS]

    def in_cache() -> None:
        for start in range(0, pairs - CACHED_PAIRS + 1, CACHED_PAIRS):
            block = closes[start : start + CACHED_PAIRS + WINDOW - 1]
            gaf_images(gaf_numbers(block, WINDOW, SIZE), out=cached)

    whole = pairs // CACHED_PAIRS * CACHED_PAIRS
    timed = {
        f"numba, blocks of {CACHED_PAIRS}, array reused": (in_cache, whole),
        f"numba, {pairs} at once, array reused": (
            lambda: gaf_images(gaf_numbers(closes, WINDOW, SIZE), out=images),
            pairs,
        ),
        f"numba, {pairs} at once, new array": (
            lambda: gaf_images(gaf_numbers(closes, WINDOW, SIZE)),
            pairs,
        ),
        "numba, the numbers alone": (lambda: gaf_numbers(closes, WINDOW, SIZE), pairs),
        f"memory bound: filling {pairs} pictures with ones": (lambda: images.fill(1), pairs),
    }
    rows = [
        {"what": what, "microseconds_per_pair": _least_seconds(run) / count * 1e6}
        for what, (run, count) in timed.items()
    ]
    peer = windows[:PYTS_PAIRS]
    for what, count in (("pyts, 200 at once", PYTS_PAIRS), ("pyts, one at a time", 1)):
        seconds = _least_seconds(functools.partial(_pyts, peer[:count]), repeats=5)
        rows.append({"what": what, "microseconds_per_pair": seconds / len(peer[:count]) * 1e6})
    distance = np.abs(_pyts(peer) - gaf_images(gaf_numbers(closes, WINDOW, SIZE))[: len(peer)])
    return [{**row, "largest_distance_to_pyts": float(distance.max())} for row in rows]


def precision(bars: list[str]) -> Rows:
    """Largest distances over every twentieth window with a range, on each file of bars."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from ultimate_deep.models.layers import GafImages

    layer = GafImages()
    rows = []
    for path in bars or [""]:
        name, closes = _closes([path] if path else [])
        every = np.lib.stride_tricks.sliding_window_view(closes, WINDOW)
        numbers = gaf_numbers(closes, WINDOW, SIZE)
        kept = np.flatnonzero(numbers.any(axis=1))[::PRECISION_EVERY]
        largest: dict[str, float] = {}
        for start in range(0, len(kept), BLOCK):
            block = kept[start : start + BLOCK]
            exact = _long_double(every[block])
            pictures = {
                "pyts": _pyts(every[block]),
                # The same windows less their first close: the same fields, no digits lost.
                "pyts, first close subtracted": _pyts(every[block] - every[block, :1]),
                "numba float32": gaf_images(numbers[block]),
                "numba float64": gaf_images(numbers[block], dtype=np.float64),
                "layer on float32 numbers": np.asarray(layer(numbers[block].astype(np.float32))),
            }
            for what, found in pictures.items():
                for against in ("pyts", "pyts, first close subtracted", "long double"):
                    truth = exact if against == "long double" else pictures[against]
                    key = f"{what}|{against}"
                    largest[key] = max(largest.get(key, 0.0), float(np.abs(found - truth).max()))
        for key, distance in largest.items():
            what, against = key.split("|")
            if what != against:
                labels = {"bars": name, "windows": len(kept), "what": what, "against": against}
                rows.append({**labels, "largest_distance": distance})
    return rows


def layer(bars: list[str]) -> Rows:
    """Time ResNet-18 steps with pictures given and with GafImages in front, alternating."""
    import keras
    import tensorflow as tf

    from ultimate_deep.models.layers import GafImages

    numbers = gaf_numbers(_closes(bars)[1][: BATCH + WINDOW - 1], WINDOW, SIZE, dtype=np.float32)
    labels = (np.arange(BATCH) % 2).astype(np.float32)[:, None]
    keras.utils.set_random_seed(0)
    nets = {
        "step": (resnet18((SIZE, SIZE, 2)), tf.constant(gaf_images(numbers))),
        "step_with_layer": (resnet18((SIZE,)), tf.constant(numbers)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(LAYER_STEPS + 2):
        for name, (net, x) in nets.items():
            start = time.process_time()
            net.train_on_batch(x, labels)
            seconds[name].append(time.process_time() - start)
    # The first two steps trace and warm up.
    figures = {f"{name}_seconds_least": min(each[2:]) for name, each in seconds.items()}
    figures |= {
        f"{name}_seconds_median": statistics.median(each[2:]) for name, each in seconds.items()
    }
    rows = []
    for compiler in ("graph", "XLA"):
        pictures = tf.function(GafImages(), jit_compile=compiler == "XLA")
        alone = _least_seconds(functools.partial(pictures, tf.constant(numbers)), repeats=60)
        labels_of_row = {"layer_compiler": compiler, "batch": BATCH, **figures}
        share = alone / figures["step_seconds_least"]
        rows.append({**labels_of_row, "layer_alone_seconds": alone, "layer_share_of_step": share})
    return rows


def training(bars: list[str], steps: int = TRAINING_STEPS) -> Rows:
    """Train the same net on the same batches from numbers and from stored pictures."""
    market = load_market(DataConfig(path=tuple(bars[:1])), LabelSpec())
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        config = GafFilesConfig(output=f"{scratch}/pictures")
        folder = write_gaf_files(market, LabelSpec(), config)
        written = time.perf_counter() - start
        return _train_both_ways(folder, market, written, steps)


def _train_both_ways(folder: Path, market: Market, written: float, steps: int) -> Rows:
    import keras

    path = folder / "train_images.npy"
    labels = np.load(folder / "train_labels.npy")
    start = time.perf_counter()
    numbers = _numbers_like(market, len(labels))
    computed = time.perf_counter() - start
    batches = np.random.default_rng(0).permutation(len(labels))[: steps * BATCH]
    batches = np.sort(batches.reshape(steps, BATCH), axis=1)

    def stored(rows: np.ndarray) -> np.ndarray:
        return np.load(path, mmap_mode="r")[rows]

    fetchers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "64 numbers, GafImages in the net": lambda rows: numbers[rows],
        "stored pictures": stored,
        # How far rounding alone leads the losses apart.
        "control: stored pictures, last bit changed": lambda rows: np.nextafter(
            stored(rows), np.float32(0)
        ),
    }
    nets = {}
    for way in fetchers:
        keras.utils.set_random_seed(0)
        nets[way] = resnet18((SIZE,) if way.startswith("64") else (SIZE, SIZE, 2))
    losses: dict[str, list[float]] = {way: [] for way in fetchers}
    fetched: dict[str, list[float]] = {way: [] for way in fetchers}
    stepped: dict[str, list[float]] = {way: [] for way in fetchers}
    np.load(path).sum()  # into the page cache
    for batch in batches:
        for way, fetch in fetchers.items():
            start = time.perf_counter()
            x = fetch(batch)
            fetched[way].append(time.perf_counter() - start)
            begun = time.process_time()
            losses[way].append(float(nets[way].train_on_batch(x, labels[batch])))
            stepped[way].append(time.process_time() - begun)
    cold = _disk_seconds(path, batches)
    return [
        {
            "way": way,
            "rows": len(labels),
            "bytes_per_row": (numbers.nbytes if way.startswith("64") else path.stat().st_size)
            / len(labels),
            "prepare_seconds": computed if way.startswith("64") else written,
            "fetch_milliseconds": statistics.median(fetched[way]) * 1e3,
            "fetch_from_disk_milliseconds": None if way.startswith("64") else cold * 1e3,
            "step_seconds_least": min(stepped[way][2:]),
            "step_seconds_median": statistics.median(stepped[way][2:]),
            "first_loss": losses[way][0],
            "last_loss": losses[way][-1],
            "largest_loss_distance_to_stored": _largest(losses[way], losses["stored pictures"]),
        }
        for way in fetchers
    ]


def _disk_seconds(path: Path, batches: np.ndarray) -> float:
    """Median wall seconds to read a batch of scattered rows that no cache of this machine holds."""
    seconds = []
    for batch in batches:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        start = time.perf_counter()
        np.load(path, mmap_mode="r")[batch].sum()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def resnet18(shape: tuple[int, ...]) -> Any:
    """A compiled ResNet-18 of plain Keras layers, one logit; of numbers where `shape` has one axis.

    Source: He et al. (2016), arXiv:1512.03385, table 1, with projections where the shape changes.
    """
    import keras
    from keras import layers

    from ultimate_deep.models.layers import GafImages

    def convolve(x: Any, channels: int, kernel: int, stride: int) -> Any:
        convolution = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)
        return layers.BatchNormalization()(convolution(x))

    inputs = keras.Input(shape)
    x = GafImages()(inputs) if len(shape) == 1 else inputs
    x = layers.ReLU()(convolve(x, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = layers.ReLU()(convolve(x, channels, 3, stride))
            y = convolve(y, channels, 3, 1)
            if x.shape[-1] != channels or stride > 1:
                x = convolve(x, channels, 1, stride)
            x = layers.ReLU()(layers.Add()([x, y]))
    logit = layers.Dense(1)(layers.GlobalAveragePooling2D()(x))
    net = keras.Model(inputs, logit)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(1e-4), loss, jit_compile=False)
    return net


def _numbers_like(market: Market, rows: int) -> np.ndarray:
    """The float32 numbers of the same training rows as the files', in memory."""
    from ultimate_deep.pipeline.gaf_plan import plan_gaf_files

    plan = plan_gaf_files(market, LabelSpec(), GafFilesConfig())
    closes = next(iter(market.bars.values())).frame["close"]
    train = plan.parts["train"]
    numbers = gaf_numbers(closes, WINDOW, SIZE, rows=train.bar_row, dtype=np.float32)
    if len(numbers) != rows:
        raise ValueError(f"the files hold {rows} rows and the bars give {len(numbers)}")
    return numbers


def _closes(bars: list[str]) -> tuple[str, np.ndarray]:
    """Name and closes of the first file; simulated bars where none is named."""
    market = load_market(DataConfig(path=tuple(bars[:1])), LabelSpec())
    one = next(iter(market.bars.values()))
    name = "simulated" if market.simulated else Path(bars[0]).stem
    return name, one.frame["close"].to_numpy(np.float64)


def _pyts(windows: np.ndarray) -> np.ndarray:
    try:
        from pyts.image import GramianAngularField  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise SystemExit(ADVICE) from error
    fields = [GramianAngularField(SIZE, method=m).fit_transform(windows) for m in ("s", "d")]
    return np.stack(fields, axis=-1)


def _long_double(windows: np.ndarray) -> np.ndarray:
    """Fields by the definition in 64-bit mantissas (on x86)."""
    pieces = windows.astype(np.longdouble).reshape(len(windows), SIZE, -1).mean(axis=2)
    low, high = pieces.min(axis=1, keepdims=True), pieces.max(axis=1, keepdims=True)
    x = ((pieces - low) - (high - pieces)) / (high - low)
    s = np.sqrt(np.clip((1 - x) * (1 + x), 0, 1))
    x_i, x_j, s_i, s_j = x[:, :, None], x[:, None, :], s[:, :, None], s[:, None, :]
    return np.stack([x_i * x_j - s_i * s_j, s_i * x_j - x_i * s_j], axis=-1)


def _least_seconds(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def _largest(one: list[float], other: list[float]) -> float:
    return float(np.abs(np.subtract(one, other)).max())


CASES: dict[str, Callable[[list[str]], Rows]] = {
    "pair": pair,
    "precision": precision,
    "layer": layer,
    "training": training,
}


def compare(only: list[str], bars: list[str], folder: Path) -> None:
    """Run every case in a process of its own, print and store its table."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    for name in only:
        print(f"== {name}", flush=True)
        command = [sys.executable, __file__, "measure", name, json.dumps(bars)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
        load = round(os.getloadavg()[0], 1)
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
        if child.returncode:
            raise SystemExit(f"{name} ended with code {child.returncode}; see above")
        table = pd.DataFrame(json.loads(child.stdout.splitlines()[-1]))
        table["cores"] = len(os.sched_getaffinity(0))
        table["load_average"] = load
        path = folder / f"gaf_{name}_{machine}.csv"
        write_table(table, path)
        print(table.to_string(index=False), f"written to {path}", sep="\n", flush=True)


def main() -> None:
    """Read the command line and run."""
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(CASES[sys.argv[2]](json.loads(sys.argv[3]))))
        return
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--bars", nargs="*", default=[], help="files of bars; else simulated")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    options = parser.parse_args()
    bars = [str(Path(path).resolve()) for path in options.bars]
    compare(options.only, bars, options.folder)


if __name__ == "__main__":
    main()
