"""Figures of merit from the tables, each beside what it must reach."""

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.depth.cases import PRODUCTS

TIMES_SOONER, TIMES_FASTER = 100.0, 3.0
DEPTH_GROWTH = 1.2
FLAT_WITHIN, SQUARE_ROOT_WITHIN = 1.05, 1.3
MILLION_GIB, BILLION_GIB = 8.0, 24.0
SHARE_OF_PRODUCTS, TIMES_BEST_PEER = 0.8, 1.5
PRODUCT_SHAPE = (256, 512)
TIMES_STORE_ERROR = 3.0
SAVING_SECONDS, SAVING_WIDTH = 10.0, 16

PEERS = ("plain", "remat", "remat_scope", "scan", "scan_checkpoint")
VARIANT = ["compiler", "coupling", "memory", "normalization"]


def target(text: str, figure: float, relation: str, limit: float, by: str = "") -> dict[str, Any]:
    """One line of the table of targets; a figure that is missing is not met.

    Args:
        text: What is compared.
        figure: What was measured.
        relation: `>=`, `<=` or `<`.
        limit: What it must reach.
        by: Which variant gave the figure.
    """
    holds = {">=": figure >= limit, "<=": figure <= limit, "<": figure < limit}[relation]
    if math.isnan(figure):
        holds = False
    return {
        "target": text,
        "figure": figure,
        "relation": relation,
        "limit": limit,
        "met": bool(holds),
        "by": by,
    }


def targets_of(case: str, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The targets of a case from its table of measurements."""
    return [{"case": case, **line} for line in JUDGES[case](_blank(table, VARIANT))]


def slope(batches: Any, growths_mib: Any) -> float:
    """KiB per row of the batch: the least-squares slope of peak memory against batch size."""
    if len(set(batches)) < 2 or not np.all(np.isfinite(growths_mib)):
        return math.nan
    return float(
        np.polyfit(np.asarray(batches, float), np.asarray(growths_mib, float), 1)[0] * 1024
    )


def activation_slopes(table: pd.DataFrame) -> pd.DataFrame:
    """One line per net and depth with its `kib_per_row`."""
    keys = ["net", *VARIANT, "depth", "width"]
    lines = [
        dict(zip(keys, _key(key), strict=True))
        | {"kib_per_row": slope(rows["batch"].to_list(), rows["growth_mib"].to_numpy(float))}
        for key, rows in _blank(table, keys).groupby(keys, sort=False)
    ]
    return pd.DataFrame(lines)


def tracing_overheads(table: pd.DataFrame) -> pd.DataFrame:
    """One line per net and depth: least seconds to the first step beyond one steady step."""
    keys = ["net", *VARIANT, "depth"]
    table = _blank(table, keys).copy()
    table["overhead_seconds"] = table["first_step_seconds"] - table["step_seconds"]
    columns = ["overhead_seconds", "build_seconds", "step_seconds"]
    return table.groupby(keys, sort=False)[columns].min().reset_index()


def step_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The fastest step of each net and shape: seconds per block and GFLOP/s in its products."""
    keys = ["net", *VARIANT, "width", "batch", "depth"]
    steps = _blank(table[table["net"] != "matrix product"], keys)
    rates = steps.groupby(keys, sort=False)["step_seconds"].min().reset_index()
    rates["block_seconds"] = rates["step_seconds"] / rates["depth"]
    products = rates["memory"].map(PRODUCTS).fillna(6)
    products = products.where(rates["net"] != "scan_checkpoint", 8)
    flops = products * 2 * rates["batch"] * rates["width"] ** 2
    rates["products_per_block"] = products.astype(int)
    rates["gflops"] = flops / rates["block_seconds"] / 1e9
    return rates


def _first_step(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table[(table["net"] == "plain") & (table["backend"] == "tensorflow")]
    ours = table[(table["net"] == "stack") & (table["backend"] == "tensorflow")]
    sooner = plain["first_step_seconds"].min() / ours["first_step_seconds"]
    faster = plain["step_seconds"].min() / ours["step_seconds"]
    # One variant has to meet both.
    balance = np.minimum(sooner / TIMES_SOONER, faster / TIMES_FASTER).to_numpy(float)
    found = [math.nan, math.nan]
    by = ""
    if not np.isnan(balance).all():
        best = int(np.nanargmax(balance))
        found = [float(sooner.iloc[best]), float(faster.iloc[best])]
        by = _words(ours.iloc[best][VARIANT])
    return [
        target("first step, times sooner than plain layers", found[0], ">=", TIMES_SOONER, by),
        target("a step, times faster than plain layers", found[1], ">=", TIMES_FASTER, by),
    ]


def _depth_tracing(table: pd.DataFrame) -> list[dict[str, Any]]:
    overheads = tracing_overheads(table)
    lines = []
    for key, rows in overheads[overheads["net"] == "stack"].groupby(VARIANT, sort=False):
        seconds = rows.set_index("depth")["overhead_seconds"]
        shallow, deep = min(seconds.index), max(d for d in seconds.index if d <= 10_000)
        text = f"time to first step beyond a step, {deep:,} over {shallow:,} blocks"
        by = _words(key)
        lines.append(target(text, float(seconds[deep] / seconds[shallow]), "<=", DEPTH_GROWTH, by))
    return lines


def _memory(table: pd.DataFrame) -> list[dict[str, Any]]:
    slopes = activation_slopes(table)
    ours = slopes[slopes["net"] == "stack"]

    def of(memory: str) -> pd.Series:
        return ours[ours["memory"] == memory].set_index("depth")["kib_per_row"]

    flat, root = of("reversible"), of("checkpoint")
    depths = f"{min(flat.index):,} to {max(flat.index):,} blocks"
    largest = max(
        (
            root[deep] / root[shallow] / math.sqrt(deep / shallow)
            for shallow in root.index
            for deep in root.index
            if deep > shallow
        ),
        default=math.nan,
    )
    # NaN in one depth must not vanish in a maximum.
    ratio = flat.max() / flat.min() if flat.notna().all() else math.nan
    return [
        target(f"reversible, largest over least slope, {depths}", ratio, "<=", FLAT_WITHIN),
        target(
            "checkpoint, growth over the square-root law, worst pair of depths",
            float(largest) if root.notna().all() else math.nan,
            "<=",
            SQUARE_ROOT_WITHIN,
        ),
    ]


def _run(limit_gib: float) -> Callable[[pd.DataFrame], list[dict[str, Any]]]:
    def judge(table: pd.DataFrame) -> list[dict[str, Any]]:
        lines = []
        for _, row in table[table["net"] == "stack"].iterrows():
            by = f"{row['depth']:,} blocks of width {row['width']}, {_words(row[VARIANT])}"
            fall = row.get("last_loss", math.nan) / row.get("first_loss", math.nan)
            lines.append(target("last loss over first", float(fall), "<", 1.0, by))
            peak = float(row.get("peak_gib", math.nan))
            lines.append(target("peak memory, GiB", peak, "<", limit_gib, by))
        return lines

    return judge


def _throughput(table: pd.DataFrame) -> list[dict[str, Any]]:
    rates = step_rates(table)
    ours = rates[rates["net"] == "stack"]
    lines = []
    # Peers are measured with layer norm only.
    rates = rates[rates["normalization"].isin(("layer", ""))]
    wanted = ours[(ours["width"] == PRODUCT_SHAPE[0]) & (ours["batch"] == PRODUCT_SHAPE[1])]
    for normalization, rows in wanted.groupby("normalization", sort=False):
        best = rows.iloc[int(np.argmax(rows["gflops"].fillna(0.0)))]
        share = best["gflops"] / table["best_gflops"].max()
        text = (
            "products of a step, share of this machine's best rate, width 256, batch 512, "
            f"normalization {normalization}"
        )
        lines.append(target(text, float(share), ">=", SHARE_OF_PRODUCTS, _words(best[VARIANT])))
    for (width, batch), rows in rates.groupby(["width", "batch"], sort=False):
        fastest = rows.groupby(rows["net"] == "stack")["block_seconds"].min()
        ratio = float(fastest.get(True, math.nan) / fastest.get(False, math.nan))
        text = f"seconds per block over the best peer's, width {width}, batch {batch}"
        lines.append(target(text, ratio, "<=", TIMES_BEST_PEER, _fastest(rows)))
    return lines


def _gradients(table: pd.DataFrame) -> list[dict[str, Any]]:
    lines = []
    if "memory" not in table:
        return [target("gradient errors", math.nan, "<=", TIMES_STORE_ERROR)]
    for compiler, rows in table.groupby("compiler", sort=False):
        additive = rows[rows["coupling"] == "additive"]
        rounded, free = (additive[additive["exact"] == exact] for exact in (True, False))
        by_memory = free.set_index("memory")
        for column in ("gradient_error", "worst_weight_error"):
            errors = by_memory[column]
            ratio = float(errors["reversible"] / errors["store"])
            text = f"reversible over store, {column.replace('_', ' ')} against float64"
            lines.append(target(text, ratio, "<=", TIMES_STORE_ERROR, str(compiler)))
        equal = bool(rounded.set_index("memory")["equal_to_store"]["reversible"])
        text = "exact mode's bits are those of store (1 is yes)"
        lines.append(target(text, float(equal), ">=", 1.0, str(compiler)))
    return lines


def _saving(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table[table["width"] == SAVING_WIDTH] if "width" in table else table
    by = f"width {SAVING_WIDTH}, .keras and .h5 together"

    def column(name: str) -> pd.Series:
        return rows[name] if name in rows else pd.Series([math.nan])

    seconds = column("total_seconds").sum(skipna=False)
    difference = column("largest_difference").max(skipna=False)
    return [
        target("save, load, predict, seconds", float(seconds), "<", SAVING_SECONDS, by),
        target("largest difference of predictions", float(difference), "<=", 0.0, by),
    ]


def _fastest(rows: pd.DataFrame) -> str:
    """Which of ours and which peer were compared."""
    names = []
    for side in (rows[rows["net"] == "stack"], rows[rows["net"] != "stack"]):
        if side["block_seconds"].notna().any():
            best = side.iloc[int(np.nanargmin(side["block_seconds"].to_numpy(float)))]
            names.append(_words(best[["net", *VARIANT]]))
    return " against ".join(names)


def _blank(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A missing label is an empty text: grouping would drop it."""
    absent = [column for column in columns if column not in table]
    return table.assign(**dict.fromkeys(absent, "")).fillna(dict.fromkeys(columns, ""))


def _words(values: Any) -> str:
    return " ".join(str(value) for value in values if value != "")


def _key(key: Hashable) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


JUDGES: dict[str, Callable[[pd.DataFrame], list[dict[str, Any]]]] = {
    "first_step": _first_step,
    "depth_tracing": _depth_tracing,
    "memory": _memory,
    "million": _run(MILLION_GIB),
    "billion": _run(BILLION_GIB),
    "throughput": _throughput,
    "gradients": _gradients,
    "saving": _saving,
}
