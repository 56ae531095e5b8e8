"""One net on one process and on two: the time of a step, the part lost to exchange, and kills.

    python benchmarks/bench_workers.py                          # 5 nets, 30 kills: half an hour
    python benchmarks/bench_workers.py --nets '[mlp]' --kills 2 --seconds 2   # two minutes
    python benchmarks/bench_workers.py --transports true        # what carries the sums: 10 minutes

Every figure comes from a fresh process whose operations have one thread each, so that two workers
use two cores and one worker one. A step is the median over some seconds; what the exchange costs
is told by the fit's own process: copying out (`publish_ms`), copying in (`take_ms`), and waiting
for the last answer (`wait_ms`), which is the workers' unevenness. Weights after those steps are
compared by their digest: it must be the same for both.

Kills: a fit on two or three workers, a process of it killed (SIGKILL) after a random step, be it
the fit's own or a worker; resumed on a random number of workers it must end with the bits of an
undisturbed run, and no process may be left.

Transports: the same step on two workers as processes, whose arrays lie in shared memory, and as
Ray's actors, whose arrays travel through its object store as they would between machines; beside
them a bare all-gather of as many numbers by TensorFlow's own collectives, which is what two workers
with weights of their own would exchange.

Expected on two idle cores: equal digests, no line under "failed"; two workers take less than 0.7 of
the time of one for nets whose step takes 20 ms and more. Writes
`benchmarks/results/workers_<machine>.csv` and `workers_kills_<machine>.csv`.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.processes import ONE_THREAD  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

FEATURES, BARS, ROWS, PARTS, WARM_STEPS = 220, 64, 256, 8, 3
# name: net, preset, what it reads, XLA
NETS = {
    "mlp": ("mlp", "default", "features", False),
    "ultimate": ("ultimate", "default", "features", True),
    "lstm": ("lstm", "default", "bars", False),
    "transformer": ("transformer", "small", "bars", False),
    "wide": ("ultimate", "wide", "features", True),
}
SCRIPT = ROOT / "benchmarks" / "workers" / "small_fit.py"
LONGEST = 3600
GATHERING = ROOT / "benchmarks" / "workers" / "gathering.py"
Engine = Literal["processes", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


def measure(
    name: str, workers: int, seconds: float, rows: int, engine: Engine = "processes"
) -> dict[str, Any]:
    """Take steps for so many seconds in this process and return what they took."""
    import keras
    import numpy as np

    from ultimate_deep.models.registry import build_model, preset_config
    from ultimate_deep.training.config import FitConfig
    from ultimate_deep.training.distributed.sharing import SharedAccumulation
    from ultimate_deep.training.loop.compiled import compile_fit
    from ultimate_deep.training.settings.gradients import GradientsConfig

    net, preset, reads, xla = NETS[name]
    keras.utils.set_random_seed(0)
    shape = (FEATURES,) if reads == "features" else (BARS, FEATURES)
    model = build_model(net, {reads: shape}, config=preset_config(net, preset))
    config = FitConfig(
        batch_size=rows,
        gradients=GradientsConfig(micro_batches=PARTS),
        workers=workers,
        engine=engine,
        jit_compile=xla,
    )
    step = compile_fit(model, config).step
    x = np.random.default_rng(0).normal(size=(rows, *shape)).astype(np.float32)
    y = (x.reshape(rows, -1)[:, :1] > 0).astype(np.float32)
    tensors = step.to_tensors(x, {"y": y}, np.ones_like(y))
    began = time.perf_counter()
    for _ in range(WARM_STEPS):
        float(step.on_tensors(*tensors, 1e-3)[0])
    first_seconds = time.perf_counter() - began
    values = [np.ascontiguousarray(v.numpy()).tobytes() for v in step.variables().values()]
    digest = hashlib.sha256(b"".join(values)).hexdigest()[:16]
    members = getattr(step.participant, "members", {})
    shared = members.get("accumulation")
    team = shared.team if isinstance(shared, SharedAccumulation) else None
    exchange = None if team is None else team.new_exchange()
    times: list[float] = []
    while sum(times) < seconds:
        began = time.perf_counter()
        float(step.on_tensors(*tensors, 1e-3)[0])
        times.append(time.perf_counter() - began)
    step.participant.release()
    batches = exchange.batches if exchange is not None else 0
    row = {
        "net": name,
        "preset": preset,
        "parameters": int(model.count_params()),
        "xla": xla,
        "workers": workers,
        "engine": engine,
        "step_ms": 1e3 * float(np.median(times)),
        "steps": len(times),
        "first_steps_seconds": first_seconds,
    }
    if exchange is not None and batches:
        row |= {
            "publish_ms": 1e3 * exchange.publishing / batches,
            "wait_ms": 1e3 * exchange.waiting / batches,
            "take_ms": 1e3 * exchange.taking / batches,
            "sent_mib": exchange.sent_bytes / batches / 2**20,
            "taken_mib": exchange.taken_bytes / batches / 2**20,
        }
    return row | {"digest": digest}


def measured(
    name: str, workers: int, seconds: float, rows: int, engine: Engine = "processes"
) -> dict[str, Any]:
    """Measure a net in a fresh process and print its row."""
    command = [sys.executable, __file__, "--measure", name, "--workers", f"[{workers}]"]
    command += ["--seconds", str(seconds), "--rows", str(rows), "--engine", engine]
    row: dict[str, Any] = json.loads(_said(command))
    print(row, flush=True)
    return row


def _said(command: list[str]) -> str:
    """Return the last line that a command prints."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=LONGEST
    )
    return done.stdout.splitlines()[-1]


def transports(names: list[str], seconds: float, rows: int) -> pd.DataFrame:
    """Measure every net on two workers of each kind, and a bare all-gather of its gradients."""
    found: list[dict[str, Any]] = []
    for name in names:
        for engine in ENGINES:
            found.append(measured(name, 2, seconds, rows, engine))
        parameters = found[-1]["parameters"]
        gathered = _said([sys.executable, str(GATHERING), str(parameters), str(seconds)])
        found.append(
            {"net": name, "parameters": parameters, "engine": "collectives, bare",
             "take_ms": float(gathered)}
        )  # fmt: skip
        print(found[-1], flush=True)
    table = pd.DataFrame(found)
    columns = ["net", "parameters", "engine", "step_ms", "publish_ms", "wait_ms", "take_ms"]
    return table[[*columns, "sent_mib", "taken_mib"]]


def bench(names: list[str], workers: list[int], seconds: float, rows: int) -> pd.DataFrame:
    """Measure every net with every number of workers, each in a process of its own."""
    found = [measured(name, number, seconds, rows) for name in names for number in workers]
    table = pd.DataFrame(found).drop(columns="engine")
    alone = table[table["workers"] == 1].set_index("net")
    for column in ("step_ms", "digest"):
        table[f"alone_{column}"] = table["net"].map(alone[column])
    table["speed_up"] = table.pop("alone_step_ms") / table["step_ms"]
    table["same_bits"] = table["digest"] == table.pop("alone_digest")
    return table


def kills(number: int, folder: Path, seed: int = 0) -> pd.DataFrame:
    """Kill a process of a fit after a random step, so many times, and resume."""
    draws = random.Random(seed)
    whole = folder / "whole"
    _run_to_end(folder / "straight", whole, 1)
    rows = []
    for kill in range(number):
        rows.append({"kill": kill} | kill_once(folder / f"{kill}", whole.read_text(), draws))
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def kill_once(folder: Path, undisturbed: str, draws: random.Random) -> dict[str, Any]:
    """Kill a random process of a fit after a random step, resume it, and say what came of it.

    Args:
        folder: Where the fit keeps its checkpoints.
        undisturbed: What a fit leaves that nobody disturbs.
        draws: What is drawn from.
    """
    place, result = folder / "kept", folder / "result"
    workers, step = draws.choice((2, 3)), draws.randrange(1, 9)
    victim, then = draws.choice(("fit", "worker")), draws.choice((1, 2, 3, 4))
    pids, ended, said = _killed(place, result, workers, step, victim, draws)
    left = [pid for pid in pids if not _gone(pid)]
    _run_to_end(place, result, then)
    same = result.read_text() == undisturbed
    failed = bool(left) or not same or (victim == "worker" and "worker" not in said)
    return {
        "workers": workers, "step": step, "victim": victim, "status": ended, "said": said,
        "resumed_on": then, "same_bits": same, "left": len(left), "failed": failed,
    }  # fmt: skip


def _killed(
    place: Path, result: Path, workers: int, step: int, victim: str, draws: random.Random
) -> tuple[list[int], int, str]:
    """Start a fit, kill one of its processes after a step; return workers, status and words."""
    command = [sys.executable, str(SCRIPT), str(place), str(result), str(workers), "0.05"]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    fit = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert fit.stdout is not None
    pids: list[int] = []
    for _ in range(step):
        pids = [int(pid) for pid in fit.stdout.readline().split()[1:]]
    time.sleep(draws.uniform(0.0, 0.1))  # within a step, or between two
    os.kill(fit.pid if victim == "fit" else draws.choice(pids), signal.SIGKILL)
    _, said = fit.communicate(timeout=LONGEST)
    # TensorFlow's own chatter is no word of ours.
    lines = [one for one in said.splitlines() if one and not one.startswith(("I0000", "E0000"))]
    return pids, fit.returncode, lines[-1] if lines else ""


def _run_to_end(place: Path, result: Path, workers: int) -> None:
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT), str(place), str(result), str(workers), "0"]
    _run(command, environment)


def _run(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; what it says on standard error is for people."""
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=LONGEST
    )
    done.check_returncode()
    return done


def _gone(pid: int, seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def main() -> None:
    """Parse, measure, kill, write and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=list[str], default=list(NETS), help="Which nets")
    parser.add_argument("--workers", type=list[int], default=[1, 2], help="Numbers of workers")
    parser.add_argument("--seconds", type=float, default=20.0, help="Seconds of steps for each")
    parser.add_argument("--rows", type=int, default=ROWS, help="Rows of a batch")
    parser.add_argument("--kills", type=int, default=30, help="How many kills")
    parser.add_argument("--engine", type=Engine, default="processes", help="With --measure")
    parser.add_argument("--transports", type=bool, default=False, help="These alone")
    parser.add_argument("--measure", type=str, default="", help="One net, in this process")
    options = parser.parse_args()
    if options.measure:
        workers, seconds, rows = options.workers[0], options.seconds, options.rows
        row = measure(options.measure, workers, seconds, rows, options.engine)
        print(json.dumps(row))
        return
    if options.transports:
        table = transports(options.nets, options.seconds, options.rows)
        print(table.to_string(index=False))
        if options.nets == list(NETS):
            write_table(table, RESULTS / f"workers_transports_{machine_name()}.csv")
        return
    failed = False
    whole = options.nets == list(NETS) and options.workers == [1, 2] and options.kills >= 30
    if options.nets:
        table = bench(options.nets, options.workers, options.seconds, options.rows)
        print(table.drop(columns="digest").to_string(index=False))
        failed = not table["same_bits"].all()
        if whole:
            write_table(table, RESULTS / f"workers_{machine_name()}.csv")
    if options.kills:
        with tempfile.TemporaryDirectory() as scratch:
            killed = kills(options.kills, Path(scratch).resolve())
        print(killed.groupby("victim").agg(kills=("kill", "size"), failed=("failed", "sum")))
        failed = failed or bool(killed["failed"].any())
        if whole:
            write_table(killed, RESULTS / f"workers_kills_{machine_name()}.csv")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
