"""What the table must reach."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

LIVE_MEDIAN_US, LIVE_P99_US = 10.0, 50.0
COLD_SECONDS, WARM_SECONDS = 20.0, 2.0
# Core-seconds for a million bars, all default features.
MILLION_SECONDS = 2.0
GIB = 3.0
PANDAS_TIMES = 10.0

Target = dict[str, Any]


def targets_of(table: pd.DataFrame) -> pd.DataFrame:
    """Each figure, its limit and whether it is reached; cases that are absent are left out."""
    return pd.DataFrame(
        [
            {
                "target": name,
                "figure": figure,
                "relation": relation,
                "limit": limit,
                "met": bool(figure <= limit if relation == "<=" else figure >= limit),
            }
            for name, figure, relation, limit in _figures(table)
        ]
    )


def _figures(table: pd.DataFrame) -> Iterator[tuple[str, float, str, float]]:
    def cell(case: str, what: str, column: str, who: str = "ours") -> Iterator[tuple[float, int]]:
        rows = table[(table["case"] == case) & (table["what"] == what) & (table["who"] == who)]
        if len(rows) and column in rows and pd.notna(rows[column].iloc[0]):
            yield float(rows[column].iloc[0]), int(rows["bars"].iloc[0])

    for seconds, bars in cell("batch", "compute_features", "cpu_seconds"):
        limit = MILLION_SECONDS * bars / 1e6
        yield f"core-seconds, all features, {bars:,} bars", seconds, "<=", limit
    blocks = "iter_features, every block dropped"
    for seconds, bars in cell("blocks", blocks, "cpu_seconds"):
        limit = MILLION_SECONDS * bars / 1e6
        yield f"core-seconds, iter_features, {bars:,} bars", seconds, "<=", limit
    for gib, bars in cell("blocks", blocks, "peak_gib"):
        yield f"peak memory with the bars, GiB, iter_features, {bars:,} bars", gib, "<=", GIB
    one, all_of = "total, results kept", "indicators both have, kept: its seconds over ours"
    for ratio, _ in cell("shared", one, "ratio", "TA-Lib"):
        yield f"TA-Lib, {all_of}", ratio, ">=", 1.0
    for ratio, _ in cell("shared", one, "ratio", "pandas"):
        yield f"pandas, {all_of}", ratio, ">=", PANDAS_TIMES
    for median, _ in cell("live", "all features", "median_us"):
        yield "microseconds of a live bar, all features, median", median, "<=", LIVE_MEDIAN_US
    for p99, _ in cell("live", "all features", "p99_us"):
        yield "microseconds of a live bar, all features, p99", p99, "<=", LIVE_P99_US
    for seconds, _ in cell("cold", "first start on a machine", "wall_seconds"):
        yield "seconds of the first start", seconds, "<=", COLD_SECONDS
    for seconds, _ in cell("cold", "later start", "wall_seconds"):
        yield "seconds of a later start", seconds, "<=", WARM_SECONDS
