"""What the tests of significance cost, beside arch, vectorbt and the same written out plainly.

    python benchmarks/bench_significance.py                       # everything: three minutes
    python benchmarks/bench_significance.py --only cscv intervals
    python benchmarks/bench_significance.py --scale 0.1           # shorter histories

Each case runs ours and its peers on the same simulated rows, on one thread. `cpu_seconds` is
process time, the least of three calls (one where a call takes more than five seconds); `value` is
the figure that both compute. A peer that would take hours does `done` of its steps and is
multiplied up. Writes `benchmarks/results/significance_<machine>.csv`; cases that are not run keep
their rows. Pin it to a core of an idle machine (`taskset -c 0`).
Expected on one core: deflated Sharpe of 1,000 trials and CSCV with 16 blocks in a second each,
17 intervals of 10,000 rows with 1,000 resamples in less than a second.
Peers: `pip install -e .[bench]`; one that is absent is left out and said so.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before NumPy starts its threads

import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from itertools import combinations, islice  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402
from jsonargparse import ArgumentParser  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402
from ultimate_deep.evaluation.measures import returns  # noqa: E402
from ultimate_deep.evaluation.significance.bootstrap import stationary_indices  # noqa: E402
from ultimate_deep.evaluation.significance.intervals import (  # noqa: E402
    AccountRows,
    DecisionRows,
    headline_intervals,
)
from ultimate_deep.evaluation.significance.multiple_comparison import (  # noqa: E402
    Resampling,
    model_confidence_set,
    superior_predictive_ability,
)
from ultimate_deep.evaluation.significance.overfitting import backtest_overfitting  # noqa: E402
from ultimate_deep.evaluation.significance.permutation import permute_information_coefficient  # noqa: E402
from ultimate_deep.evaluation.significance.trials import deflate_trials  # noqa: E402

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way to compute a case's figure.

    Args:
        library: Who computes it.
        rows: Number of rows judged.
        call: Returns the figure.
        share: Part of the steps that `call` does; 1 for all.
    """

    library: str
    rows: int
    call: Callable[[], float]
    share: float = 1.0


def deflated(scale: float) -> Iterator[Run]:
    """Deflated Sharpe ratio of each of 1,000 trials; the figure is the best trial's."""
    table = _trials(int(10_000 * scale))

    def ours() -> float:
        found = deflate_trials(table)
        return float(found.deflated[found.best])

    yield Run(library="ours", rows=len(table), call=ours)
    if _absent("vectorbt"):
        return
    import vectorbt as vbt  # noqa: F401  (adds the accessor)

    frame = pd.DataFrame(table, index=pd.date_range("2020", periods=len(table), freq="D"))
    call = lambda: float(frame.vbt.returns(freq="D").deflated_sharpe_ratio().max())  # noqa: E731
    yield Run(library="vectorbt", rows=len(table), call=call)


def cscv(scale: float) -> Iterator[Run]:
    """Probability of backtest overfitting of 1,000 trials, 16 blocks, 12,870 combinations."""
    table = _trials(int(10_000 * scale) // 16 * 16)
    yield Run(library="ours", rows=len(table), call=lambda: backtest_overfitting(table).probability)
    steps = 20
    call = lambda: _cscv_written_out(table, 16, steps)  # noqa: E731
    yield Run(library="NumPy, row by row", rows=len(table), call=call, share=steps / 12_870)


def _cscv_written_out(table: Array, blocks: int, steps: int) -> float:
    parts = np.split(table, blocks)
    low = 0
    for chosen in islice(combinations(range(blocks), blocks // 2), steps):
        inside = np.concatenate([parts[block] for block in chosen])
        outside = np.concatenate([part for k, part in enumerate(parts) if k not in chosen])
        first, second = (part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (inside, outside))
        rank = 1 + np.count_nonzero(second < second[first.argmax()])
        low += rank <= (table.shape[1] + 1) / 2
    return low / steps


def superior(scale: float) -> Iterator[Run]:
    """Superior predictive ability of 10 models, 1,000 resamples; the figure is the p-value."""
    benchmark, models = _losses(int(10_000 * scale))
    ours = lambda: superior_predictive_ability(benchmark, models).p_value  # noqa: E731
    yield Run(library="ours", rows=len(models), call=ours)
    from arch.bootstrap import SPA

    def arch() -> float:
        # Like ours divided by their errors, which arch does not do itself.
        gains = benchmark[:, None] - models
        test = SPA(np.zeros(len(gains)), -gains / gains.std(axis=0), block_size=_block(gains))
        test.compute()
        return float(test.pvalues["consistent"])

    yield Run(library="arch", rows=len(models), call=arch)


def confidence_set(scale: float) -> Iterator[Run]:
    """Model confidence set of 10 models; the figure is the smallest p-value."""
    _, models = _losses(int(10_000 * scale))
    block = _block(models)
    way = Resampling(block_bars=block)
    ours = lambda: min(model_confidence_set(models, resampling=way).p_values.values())  # noqa: E731
    yield Run(library="ours", rows=len(models), call=ours)
    from arch.bootstrap import MCS

    def arch() -> float:
        test = MCS(models, size=0.05, block_size=block, seed=0)
        test.compute()
        return float(test.pvalues["Pvalue"].min())

    yield Run(library="arch", rows=len(models), call=arch)


def intervals(scale: float) -> Iterator[Run]:
    """All 17 headline intervals, 1,000 resamples; the figure is the Sharpe ratio's error.

    The peers do less: the seven figures of returns only, or the Sharpe ratio alone.
    """
    for rows in (int(10_000 * scale), int(1_000_000 * scale)):
        label, probability, net = _decisions(rows)
        decisions = DecisionRows(label=label, probability=probability, outcome=net)
        account = AccountRows(
            return_net=net, bars_per_year=8760.0, trade_return_net=net[: rows // 4]
        )

        def ours(decisions: DecisionRows = decisions, account: AccountRows = account) -> float:
            return headline_intervals(decisions, account)["sharpe"].standard_error

        yield Run(library="ours, 17 figures", rows=rows, call=ours)
    net = _decisions(int(10_000 * scale))[2]
    yield Run(library="NumPy, 7 figures", rows=len(net), call=lambda: _resampled_rows(net))
    from arch.bootstrap import StationaryBootstrap

    def arch() -> float:
        draws = StationaryBootstrap(_block(net[:, None]), net, seed=0).apply(_sharpe, 1000)
        return float(draws.std())

    yield Run(library="arch, Sharpe ratio", rows=len(net), call=arch)


def _sharpe(net: Array) -> float:
    return returns.sharpe(net, bars_per_year=8760.0)


def _resampled_rows(net: Array) -> float:
    indices = stationary_indices(len(net), block_bars=_block(net[:, None]), resamples=1000, seed=0)
    figures = np.empty((1000, 7))
    for draw, rows in enumerate(indices):
        path = net[rows]
        equity = np.cumprod(1.0 + path)
        total = float(equity[-1]) - 1.0
        figures[draw] = (
            _sharpe(path),
            returns.sortino(path, bars_per_year=8760.0),
            returns.annual_return(total, rows=len(path), bars_per_year=8760.0),
            returns.annual_volatility(path, bars_per_year=8760.0),
            total,
            path.mean(),
            returns.max_drawdown(equity),
        )
    return float(figures[:, 0].std())


def permutation(scale: float) -> Iterator[Run]:
    """Information coefficient at every shift; the figure is the p-value."""
    for rows in (int(10_000 * scale), int(1_000_000 * scale)):
        _, probability, net = _decisions(rows)

        def ours(forecast: Array = probability, outcome: Array = net) -> float:
            return permute_information_coefficient(forecast, outcome).p_value

        yield Run(library="ours", rows=rows, call=ours)
    _, probability, net = _decisions(int(10_000 * scale))
    steps = 500

    def rolled() -> float:
        observed = np.corrcoef(probability, net)[0, 1]
        shifts = np.linspace(100, len(net) - 100, steps).astype(int)
        null = [np.corrcoef(np.roll(probability, shift), net)[0, 1] for shift in shifts]
        return float((1 + np.count_nonzero(null >= observed)) / (1 + steps))

    yield Run(library="NumPy, roll", rows=len(net), call=rolled, share=steps / len(net))


CASES: dict[str, Callable[[float], Iterator[Run]]] = {
    "deflated": deflated,
    "cscv": cscv,
    "superior": superior,
    "confidence_set": confidence_set,
    "intervals": intervals,
    "permutation": permutation,
}


def _trials(rows: int) -> Array:
    table = np.random.default_rng(0).normal(size=(rows, 1000)) * 0.01
    table[:, 10] += 0.0004
    return table


def _losses(rows: int) -> tuple[Array, Array]:
    noise = np.random.default_rng(1).normal(size=(rows, 11))
    return noise[:, 0], noise[:, 1:] - 0.02


def _decisions(rows: int) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(2)
    net = generator.standard_t(4, size=rows) * 0.002 + 0.00002
    probability = 1.0 / (1.0 + np.exp(-0.2 * generator.normal(size=rows) - 5.0 * net))
    return (net > 0).astype(np.float64), probability, net


def _block(columns: Array) -> float:
    return float(max(len(columns) ** (1.0 / 3.0), 1.0))


def _absent(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        print(f"{name} is not installed and left out; pip install -e .[bench]")
        return True
    return False


def measured(case: str, run: Run) -> dict[str, object]:
    """Time a run: the least process time of three calls, of one where that is slow."""
    seconds: list[float] = []
    value = float("nan")
    while len(seconds) < 3 and sum(seconds) < 5.0:
        begin = time.process_time()
        value = run.call()
        seconds.append(time.process_time() - begin)
    return {
        "case": case,
        "library": run.library,
        "rows": run.rows,
        "cpu_seconds": min(seconds) / run.share,
        "done": run.share,
        "value": value,
        "load_average": round(os.getloadavg()[0], 1),
    }


def bench(only: list[str], scale: float, folder: Path) -> pd.DataFrame:
    """Run the cases, print and store their rows.

    Args:
        only: Names of cases.
        scale: Factor on every number of rows.
        folder: Where the table is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    path = folder / f"significance_{machine}.csv"
    rows = []
    for case in only:
        for run in CASES[case](scale):
            rows.append(measured(case, run))
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows)
    if path.exists():
        earlier = pd.read_csv(path)
        table = pd.concat([earlier[~earlier["case"].isin(only)], table])
    order = {case: number for number, case in enumerate(CASES)}
    table = table.sort_values("case", key=lambda names: names.map(order), kind="stable")
    write_table(table, path)
    print(f"written to {path}")
    return table


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the rows")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is written")
    bench(**parser.parse_args().as_dict())


if __name__ == "__main__":
    main()
