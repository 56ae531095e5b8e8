"""What models find, on real and on simulated bars, and what they cost."""

from typing import Any

import pandas as pd

from benchmarks.page.tables import RESULTS, number, read, rows_of, section, table
from ultimate_deep.models.registry import preset_of

BASELINES = (
    "majority",
    "buy and hold",
    "persistence",
    "logistic regression",
    "gradient boosting",
    "random forest",
)


def name_of(model: str) -> str:
    """Return a model's name as code, a baseline's as words."""
    return model if model in BASELINES else f"`{model}`"


def real_bars() -> str:
    """Every model on the newest hours of three files."""
    runs = pd.concat([pd.read_csv(path) for path in sorted(RESULTS.glob("real_*.csv"))])
    runs["above"] = 100 * (runs["accuracy"] - runs["majority"])
    models = runs[~runs["model"].isin(BASELINES)]
    order = models.groupby(["model", "file"])["above"].mean().groupby("model").mean()
    names = [*order.sort_values(ascending=False).index, *BASELINES]
    files = list(dict.fromkeys(runs["file"]))
    rows = [[name_of(n), *(_real_cell(runs, file, n) for file in files)] for n in names]
    decisions = runs["decisions"].dropna()
    kinds = models["verdict"].value_counts()
    counted = ", ".join(f'"{kind}" {count}' for kind, count in kinds.items())
    beside = [_beside_holding(runs[runs["file"] == file], file) for file in files]
    text = (
        "Every model with the settings of its own file, long or flat, 1 bp of fee and 1 bp of "
        "slippage per side, the newest 15% of the rows as the test part "
        f"({decisions.min():,.0f} to {decisions.max():,.0f} decisions). Points of accuracy above "
        "the better constant guess, the mean over the seeds that were run with their standard "
        "deviation, and the net Sharpe ratio in brackets; best mean first. Verdicts of "
        f"{len(models)} runs: {counted}. Measured before most presets of nets hid features and "
        "weighed labels by their return, see below."
    )
    columns = ["", "runs", "buy and hold", "runs above it", "runs above zero"]
    return section(
        "Real bars",
        "bench_real.py",
        text,
        table(["", *(f"`{file}`" for file in files)], rows),
        "Net Sharpe ratios once more, counted:",
        table(columns, beside),
    )


def half_the_bits() -> str:
    """Which presets are faster with half the bits, on this processor."""
    found = read("precision").dropna(subset=["gain"]).sort_values("gain", ascending=False)
    told = [preset_of(one.net, one.preset).half_on_cpu for one in rows_of(found)]
    taken, left = found[told], found[[not one for one in told]]
    rows = [
        [
            f"`{one.net}:{one.preset}`", f"{int(one.parameters):,}", f"{int(one.rows)}",
            f"{number(one.float32_ms)} ms", f"{number(one.bfloat16_ms)} ms", f"{one.gain:.2f}",
        ]
        for one in rows_of(taken)
    ]  # fmt: skip
    text = (
        "A step of the fit in float32 and in mixed bfloat16, in turns, on a processor that has "
        "arithmetic for it (AMX). Listed are the presets that `fit.precision: auto` trains in "
        "bfloat16 on such a processor, those that are 1.2 times as fast or more; of the other "
        f"{len(left)} that were measured it makes the steps {left['gain'].min():.2f} to "
        f"{left['gain'].max():.2f} times as fast, and `auto` is float32. Without such arithmetic "
        "it always is; on a GPU that has it never."
    )
    columns = ["", "parameters", "rows", "float32", "bfloat16", "times as fast"]
    return section("What half the bits gain", "bench_precision.py", text, table(columns, rows))


def _real_cell(runs: pd.DataFrame, file: str, model: str) -> str:
    part = runs[(runs["file"] == file) & (runs["model"] == model)]
    sharpe = f"({part['net_sharpe'].mean():z.1f})"
    if part["above"].isna().all():
        return sharpe
    spread = f" ± {part['above'].std():.1f}" if part["above"].max() > part["above"].min() else ""
    cell = f"{part['above'].mean():+z.1f}{spread} {sharpe}"
    return cell.replace(" ", "\u00a0")  # one line on a phone too


def _beside_holding(runs: pd.DataFrame, file: str) -> list[str]:
    held = runs[runs["model"] == "buy and hold"]["net_sharpe"].iloc[0]
    sharpe = runs[~runs["model"].isin(BASELINES)]["net_sharpe"]
    counts = (len(sharpe), (sharpe > held).sum(), (sharpe > 0).sum())
    return [f"`{file}`", f"{counts[0]}", f"{held:.1f}", f"{counts[1]}", f"{counts[2]}"]


def _between(lower: float, upper: float) -> str:
    return f"{100 * lower:.1f}% to {100 * upper:.1f}%"


def verdicts() -> str:
    """How often an edge is claimed on markets with and without one."""
    found = read("verdicts_summary")
    rows = [
        [
            one.group,
            "yes" if one.has_edge else "no",
            f"{one.markets}",
            f"{one.claims}",
            f"{one.cannot_tell}",
            _between(one.lower, one.upper),
        ]
        for one in rows_of(found)
    ]
    text = (
        "Simulated markets of 10,000 hourly bars that went through the whole pipeline with a small "
        "net, 2 bps per side. Designed: at most 2% of claims without an edge, 95% with one."
    )
    columns = ["simulated markets", "an edge?", "markets", "claimed", "cannot tell", "95% interval"]
    return section("Does the verdict mean anything?", "bench_verdicts.py", text,
                   table(columns, rows))  # fmt: skip


def hard_markets() -> str:
    """What a verdict claims of markets that are made to fool it."""
    found = read("evidence_summary")
    rows = []
    for (kind, bars), group in found.groupby(["kind", "bars"], sort=False):
        by_predictor = {one.predictor: one for one in rows_of(group)}
        one = next(iter(by_predictor.values()))
        shown = [by_predictor.get(name) for name in ("logistic", "trees")]
        if shown == [None, None]:  # the best of many is one predictor
            shown = [one, None]
        rows.append(
            [
                str(kind),
                f"{bars:,}",
                "yes" if one.tradable else "no",
                f"{one.markets:,}",
                *(_claimed(of) for of in shown),
                one.usual_word,
                ""
                if pd.isna(one.before_judged)
                else f"{one.before_claims:.0f}/{one.before_judged:.0f}",
            ]
        )
    hopeless = found[~found["tradable"]]
    text = (
        "Markets of hourly bars, each judged for a logistic regression and for a few trees (the "
        "best of 100 logistic regressions in one kind), and how many were called an edge, with "
        f"exact 95% bounds. Where nothing can be earned: {hopeless['claims'].sum():,} claims of "
        f"{hopeless['markets'].sum():,} verdicts. Before: what a verdict of accuracy and net "
        "return alone claimed, until November 2026, of how many."
    )
    columns = [
        "market", "bars", "an edge?", "markets", "claimed, logistic", "claimed, trees",
        "usual word", "before",
    ]  # fmt: skip
    return section("What fools a verdict?", "bench_evidence.py", text, table(columns, rows))


def _claimed(one: Any) -> str:
    return "" if one is None else f"{one.claims} ({_between(one.lower, one.upper)})"


def headlines() -> str:
    """What a verdict said of two kinds of markets, and says."""
    parts = []
    for kind, group in read("verdict_headlines").groupby("kind", sort=False):
        rows = [[f"{one.seed}", one.before, one.after] for one in rows_of(group)]
        parts.append(table([f"{kind}, seed", "until November 2026", "now"], rows))
    text = (
        "A logistic regression on ten markets of two kinds, by `benchmarks/verdicts/evidence.py`: "
        "trades that bounce between bid and ask, where nothing can be earned, and crashes of which "
        "volume tells (whose opens were drawn nearer to the last close then)."
    )
    return section("The headlines of twenty markets", "bench_evidence.py", text, *parts)


def depths() -> str:
    """No model, trees and nets of 75 to 2,000 layers, beside what the specification hoped for."""
    rows = [
        [
            one.model,
            "" if pd.isna(one.layers) else f"{one.layers:,.0f}",
            "" if pd.isna(one.train_seconds) else f"{one.train_seconds:,.0f}",
            f"{100 * one.share_of_edge:.0f}%",
            f"{100 * one.accuracy:.1f}%",
            "" if pd.isna(one.win_rate_kept) else f"{100 * one.win_rate_kept:.1f}%",
            "" if pd.isna(one.hoped_win_rate) else f"{100 * one.hoped_win_rate:.0f}%",
            one.verdict,
        ]
        for one in rows_of(read("depth_comparison"))
    ]
    text = (
        "20,000 simulated bars, edge 0.20, one seed, four epochs for every net (one for the "
        "deepest net of attention), on a busy machine, so that seconds are for comparison alone; "
        "the decisions that are traded, and the least win rate that the specification hoped for. "
        "Residual nets find more the deeper they are and no more than trees; without skips, or "
        "densely connected, hundreds of layers learn nothing in four epochs. The ultimate net came "
        "later, with five coarse features more, with which gradient boosting finds 95%."
    )
    columns = ["model", "layers", "s", "share of the oracle's edge", "accuracy", "trades won"]
    columns += ["hoped for", "verdict"]
    script = "../train_scripts/compare_architectures.py"
    return section("Is depth worth it?", script, text, table(columns, rows))


def planted_signals() -> str:
    """Which signals each model finds."""
    found = read("learning")
    signals = list(dict.fromkeys(found["signal"]))
    signals.sort(key=["linear", "long_memory", "cross_timeframe", "interaction"].index)
    rows = []
    for model, part in found.groupby("model"):
        cells = []
        for signal in signals:
            one = part[part["signal"] == signal]
            shares = [
                f"{s:.2f}{'*' if preset == 'default' and model != 'linear' else ''}"
                for s, preset in zip(one["share_of_edge"], one["preset"], strict=True)
            ]
            cells.append(", ".join(shares) or "-")
        rows.append([f"`{model}`", *cells])
    text = (
        "Share of the oracle's edge on the last 15% of 20,000 simulated bars whose oracle is right "
        "on about 70%; preset `tiny`, or `default` where there is a star; one seed; a dash was not "
        "run; 0.8 counts as found."
    )
    return section("Which planted signals do the models find?", "bench_learning.py", text,
                   table(["", *(f"`{signal}`" for signal in signals)], rows))  # fmt: skip


def cost_of_models() -> str:
    """Time and memory of each model."""
    found = read("models_summary").sort_values("step_ms")
    rows = [
        [
            f"`{one.model}`",
            f"{one.parameters:,}",
            _beside(one.step_ms, one.step_ms_over_plain, " ms"),
            f"{number(one.latency_ms, 2)} and {number(one.latency_p99_ms, 2)} ms",
            number(one.rows_per_second, 2),
            f"{number(one.growth_mib)} MiB",
            number(one.bfloat16_gain, 2),
        ]
        for one in rows_of(found)
    ]
    text = (
        "Preset `default`, batch 32, windows of 100 bars with 220 features, pictures of three "
        "timeframes. In brackets the ratio to plain Keras layers of the same net, where there are "
        "such. The last column is how many times as fast a step is in bfloat16, on a processor "
        "that has arithmetic for it: so few rows gain nothing by it."
    )
    columns = [
        "",
        "parameters",
        "training step",
        "one sample, median and p99",
        "rows per second",
        "memory",
        "bfloat16",
    ]
    return section("What the models cost", "bench_models.py", text, table(columns, rows))


def _beside(value: float, ratio: float, unit: str) -> str:
    return f"{number(value, 2)}{unit}" + ("" if pd.isna(ratio) else f" ({ratio:.2f})")
