"""Features, backtests, statistics and pictures, and the targets that were missed."""

import pandas as pd

from benchmarks.page.tables import RESULTS, number, read, rows_of, section, table


def cost_of_features() -> str:
    """Batch, blocks, live and cold starts of the feature engine."""
    found = read("features")
    batch = found[found["case"].isin(["batch", "blocks"])]
    rows = [
        [one.what, f"{one.bars:,.0f}", f"{number(one.cpu_seconds)} s"] for one in rows_of(batch)
    ]
    live = found[found["case"] == "live"]
    rows_live = [
        [
            f"{one.who}: {number(one.indicators if one.what != 'all features' else one.features)} "
            f"{'features' if one.what == 'all features' else 'indicators'}",
            f"{number(one.median_us)} µs",
            f"{number(one.p99_us)} µs",
        ]
        for one in rows_of(live)
    ]
    cold = found[(found["case"] == "cold") & (found["who"] == "ours")]
    rows_cold = [[one.what, f"{number(one.wall_seconds)} s"] for one in rows_of(cold)]
    text = (
        f"{found['features'].max():.0f} features on one core. Ten million bars in blocks "
        f"peak at {number(batch['peak_gib'].max(), 2)} GiB, the bars included."
    )
    return section(
        "What the features cost",
        "bench_features.py",
        text,
        table(["in batch", "bars", "processor time"], rows),
        table(["one live bar", "median", "p99"], rows_live),
        table(["until the first live bar", "time"], rows_cold),
    )


def backtests() -> str:
    """Both engines beside vectorbt."""
    found = read("backtest")
    rows = [
        [
            one.what,
            one.positions,
            "" if pd.isna(one.trades) else f"{one.trades:,.0f}",
            f"{1000 * one.cpu_seconds:,.0f} ms",
            f"{number(one.first_call_seconds)} s",
        ]
        for one in rows_of(found)
    ]
    text = (
        "1,000,000 bars on one core. The first call on a machine compiles. `from_signals` does not "
        "rebalance, so that it does less."
    )
    columns = ["", "positions", "trades", "processor time", "first call"]
    return section("Backtests", "bench_backtest.py", text, table(columns, rows))


def significance() -> str:
    """Statistics beside other libraries."""
    found = read("significance")
    names: dict[str, str] = {
        "deflated": "deflated Sharpe ratio of 1,000 trials",
        "cscv": "probability of overfitting, 1,000 trials, 16 blocks",
        "superior": "superior predictive ability",
        "confidence_set": "model confidence set",
        "intervals": "bootstrap intervals",
        "permutation": "shift test",
    }
    rows = [
        [
            names[one.case],
            one.library,
            f"{one.rows:,}",
            f"{number(one.cpu_seconds)} s" + ("" if one.done == 1 else " (extrapolated)"),
        ]
        for one in rows_of(found)
    ]
    text = "Processor time on one core."
    return section("Statistics", "bench_significance.py", text,
                   table(["", "by", "rows", "time"], rows))  # fmt: skip


def pictures() -> str:
    """Gramian angular fields."""
    pairs = read("gaf_pair")
    rows = [[one.what, f"{number(one.microseconds_per_pair)} µs"] for one in rows_of(pairs)]
    text = "Two 64 x 64 Gramian angular fields of one window."
    return section("Pictures", "bench_gaf.py", text, table(["", "a pair takes"], rows))


def missed() -> str:
    """Targets that were set beforehand and are not met."""
    rows = []
    for path in sorted(RESULTS.glob("*_targets_*.csv")):
        for one in rows_of(pd.read_csv(path)):
            if not one.met:
                by = f" ({one.by})" if hasattr(one, "by") else ""
                limit = f"{one.relation} {number(one.limit, 4)}"
                rows.append([f"{one.target}{by}", number(one.figure, 4), limit])
    text = f"""## What was aimed at and not reached

Each benchmark of features, depth, backtests and the default net writes what its figures were
to reach into `benchmarks/results/*_targets_*.csv`. {len(rows)} are missed:"""
    return f"{text}\n\n{table(['', 'is', 'was to be'], rows)}"
