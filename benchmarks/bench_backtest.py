"""What a backtest of a million bars costs: vectorised, event-driven, and vectorbt beside them.

    taskset -c 0 python benchmarks/bench_backtest.py          # three minutes, mostly compilation
    python benchmarks/bench_backtest.py --bars 100000 --folder /tmp

Each row is a process of its own on one thread with an empty cache of compiled code, on the same
simulated bars and positions without costs, so that all accounts must end with the same value
(`final_equity`; stops are left out of that). `first_call_seconds` is the wall time of the first
call, compilation included, `cpu_seconds` the least process time of the calls after it,
`wall_seconds` the least wall time, `ratio` the process time over that of the vectorised engine.

Ours take a frame of bars and give curves, trade list and metrics. vectorbt is measured twice, on
plain arrays, which suit it best: `Portfolio.from_orders` alone, and with what ours gives too
(value, trades, total return, Sharpe ratio, maximum drawdown). Positions: `few` changes every 100
bars or so, `many` is drawn anew from long, flat and short at each bar.

Writes `benchmarks/results/backtest_<machine>.csv` and `backtest_targets_<machine>.csv`. Run it on
an idle machine. Peer: `pip install -e .[bench]`; without it its rows say so.
"""

import gc
import json
import os
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
from ultimate_deep.evaluation.backtesting.event_driven import run_event_backtest  # noqa: E402
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest  # noqa: E402
from ultimate_deep.portfolio.breakers import BreakerSpec  # noqa: E402
from ultimate_deep.portfolio.costs import CostSpec  # noqa: E402
from ultimate_deep.portfolio.stops import StopSpec  # noqa: E402

BARS, BARS_PER_YEAR, TARGET_SECONDS = 1_000_000, 365.0 * 24 * 60, 0.05
LEAST_CALLS, BUDGET_SECONDS = 5, 3.0
FREE = CostSpec(fee_bps=0.0, slippage_bps=0.0)
STOPS = StopSpec(stop_loss=0.002, take_profit=0.003)
THREADS = "NUMBA_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS"
ONE_THREAD = dict.fromkeys(THREADS.split(), "1")
VECTORISED = "vectorised"
CASES = (
    VECTORISED,
    "event-driven",
    "event-driven, stops and breakers",
    "vectorbt from_orders",
    "vectorbt from_orders, value, trades, metrics",
    "vectorbt from_signals, stops",
)
KINDS = ("few", "many")
Run = Callable[[], dict[str, Any]]


def make_frame(bars: int) -> pd.DataFrame:
    """A random walk of one-minute bars."""
    draw = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(3e-4 * draw.standard_normal(bars)))
    opens = np.append(100.0, close[:-1])
    reach = np.exp(1e-4 * np.abs(draw.standard_normal((2, bars))))
    columns = {
        "open": opens,
        "high": np.maximum(opens, close) * reach[0],
        "low": np.minimum(opens, close) / reach[1],
        "close": close,
        "volume": draw.uniform(1e3, 1e4, bars),
    }
    index = pd.date_range("2020-01-01", periods=bars, freq="min", tz="UTC", name="timestamp")
    return pd.DataFrame(columns, index=index)


def make_signal(bars: int, kind: str) -> np.ndarray:
    """Positions decided at each close, in {-1, 0, 1}."""
    draw = np.random.default_rng(1)
    signal = draw.integers(-1, 2, bars).astype(np.float64)
    if kind == "few":
        signal = signal[
            np.maximum.accumulate(np.where(draw.random(bars) < 0.015, np.arange(bars), 0))
        ]
    return signal


def ours(case: str, frame: pd.DataFrame, signal: np.ndarray) -> Run:
    """One of our engines, as a call."""
    config = BacktestConfig(mode="long_short", costs=FREE)
    if "stops" in case:
        breakers = BreakerSpec(max_drawdown=0.9, volatility_ratio=3.0)
        config = BacktestConfig(mode="long_short", costs=FREE, stops=STOPS, breakers=breakers)

    def run() -> dict[str, Any]:
        if case == VECTORISED:
            found = run_backtest(frame, signal, config, bars_per_year=BARS_PER_YEAR)
        else:
            found = run_event_backtest(
                {"X": frame}, {"X": signal}, config, bars_per_year=BARS_PER_YEAR
            )
        return {"trades": len(found.trades), "final_equity": float(found.equity[-1])}

    return run


def peer(case: str, frame: pd.DataFrame, signal: np.ndarray) -> Run:
    """Vectorbt on the same positions, as a call; raises ImportError where it is absent."""
    import vectorbt as vbt

    position = np.append(0.0, signal[:-1])
    position[-1] = 0.0
    # Arrays: with a DatetimeIndex vectorbt 1.2 on pandas 3 takes many times as long.
    opens, high, low, close = (frame[name].to_numpy() for name in ("open", "high", "low", "close"))
    changed = np.diff(position, prepend=0.0) != 0.0

    def orders() -> Any:
        return vbt.Portfolio.from_orders(
            opens, position, size_type="targetpercent", price=opens, init_cash=1.0, freq="min"
        )

    def everything() -> dict[str, Any]:
        account = orders()
        trades = account.trades.records
        figures = (account.total_return(), account.sharpe_ratio(), account.max_drawdown())
        value = account.value()
        assert all(np.isfinite(figures))
        return {"trades": len(trades), "final_equity": float(value.iloc[-1])}

    def stops() -> dict[str, Any]:
        account = vbt.Portfolio.from_signals(
            close,
            entries=changed & (position > 0),
            exits=changed & (position <= 0),
            short_entries=changed & (position < 0),
            short_exits=changed & (position >= 0),
            price=opens,
            open=opens,
            high=high,
            low=low,
            sl_stop=STOPS.stop_loss,
            tp_stop=STOPS.take_profit,
            init_cash=1.0,
            freq="min",
        )
        return {"orders": len(account.orders.records)}

    def alone() -> dict[str, Any]:
        return {"orders": len(orders().orders.records)}

    return stops if "from_signals" in case else everything if "value" in case else alone


def measure(case: str, kind: str, bars: int) -> dict[str, Any]:
    """One row of the table, measured in this process."""
    frame, signal = make_frame(bars), make_signal(bars, kind)
    try:
        run = (peer if case.startswith("vectorbt") else ours)(case, frame, signal)
    except ImportError as error:
        return {"note": f"not installed ({error}): pip install -e .[bench]"}
    began = time.perf_counter()
    row = run()
    row["first_call_seconds"] = time.perf_counter() - began
    cpu: list[float] = []
    wall: list[float] = []
    while len(cpu) < LEAST_CALLS or sum(wall) < BUDGET_SECONDS:
        gc.collect()
        started, worked = time.perf_counter(), time.process_time()
        run()
        cpu.append(time.process_time() - worked)
        wall.append(time.perf_counter() - started)
    return row | {"cpu_seconds": min(cpu), "wall_seconds": min(wall), "calls": len(cpu)}


def compare(bars: int, positions: list[str], folder: Path) -> pd.DataFrame:
    """Measure every case in a process of its own and store the table."""
    rows = []
    for kind in positions:
        for case in CASES:
            print(f"== {case}, {kind} trades, {bars:,} bars", flush=True)
            label = {"what": case, "positions": kind, "bars": bars}
            load = {"load_average": round(os.getloadavg()[0], 1)}
            rows.append(label | _in_a_process(case, kind, bars) | load)
    table = pd.DataFrame(rows).assign(cores=len(os.sched_getaffinity(0)))
    fastest = table[table["what"] == VECTORISED].set_index("positions")["cpu_seconds"]
    table.insert(3, "ratio", table["cpu_seconds"] / table["positions"].map(fastest))
    targets = targets_of(table)
    machine = machine_name()
    folder.mkdir(parents=True, exist_ok=True)
    write_table(table, folder / f"backtest_{machine}.csv")
    write_table(targets, folder / f"backtest_targets_{machine}.csv")
    print(table.to_string(index=False), targets.to_string(index=False), sep="\n\n")
    return table


def targets_of(table: pd.DataFrame) -> pd.DataFrame:
    """What the table must show, and whether it does."""
    rows = []
    for kind in table["positions"].unique():
        own = table[(table["positions"] == kind)].set_index("what")
        bars = int(own["bars"].iloc[0])
        rows.append(
            {
                "target": f"seconds of the vectorised backtest, {kind} trades, {bars:,} bars",
                "figure": own.loc[VECTORISED, "cpu_seconds"],
                "limit": TARGET_SECONDS * bars / BARS,
            }
        )
        values = own["final_equity"].drop("event-driven, stops and breakers").dropna()
        rows.append(
            {
                "target": f"largest relative difference of {len(values)} final values, {kind}",
                "figure": float(values.max() / values.min() - 1.0),
                # A million roundings, one after another.
                "limit": 1e-8,
            }
        )
    targets = pd.DataFrame(rows)
    return targets.assign(relation="<=", met=targets["figure"] <= targets["limit"])


def _in_a_process(case: str, kind: str, bars: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        child = subprocess.run(
            [sys.executable, __file__, "measure", case, kind, str(bars)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, "NUMBA_CACHE_DIR": cache},
        )
    if child.returncode:
        raise SystemExit(f"{case} ended with code {child.returncode}; see above")
    row: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Read the command line and run."""
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
        return
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--positions", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    compare(**parser.parse_args().as_dict())


if __name__ == "__main__":
    main()
