"""The shared indicators of many bars, by us and by each library: equal values, then time."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.features_peers.bars import make_bars
from benchmarks.features_peers.libraries import Call, Library, Outputs, libraries
from benchmarks.features_peers.shared import SHARED, Shared
from benchmarks.features_peers.timing import Row, Rows, least, once, say
from ultimate_deep.features import compile_engine, compute_indicators, standard_indicators
from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.graph import Node
from ultimate_deep.features.engine.runner import evaluate

Floats = npt.NDArray[np.float64]
# A peer that is further from us, as a share of the largest value, computes something else.
TOLERANCE = 1e-7
# Rows after which every library has forgotten how it began.
SETTLED_ROWS = 1000
# Measuring one indicator by one library; some of pandas-ta-classic take minutes for a call.
SECONDS_EACH = 0.6
# Libraries that take longer for all indicators are not asked to keep all results at once.
SECONDS_KEPT = 20.0


def shared(bars: int) -> Rows:
    """Each indicator by each library, one at a time; then totals and our engine at once."""
    frame = make_bars(bars)
    columns = bar_columns(frame)
    compile_engine()
    present, absent = libraries(frame)
    rows: Rows = []
    for number, one in enumerate(SHARED, start=1):
        rows += _one(one, columns, present)
        if number % 10 == 0:
            say(f"{number}/{len(SHARED)} indicators")
    for name in ("ours", *present):
        rows += _totals(rows, name, present.get(name), columns)
    return [
        *rows,
        _as_users_call_it(frame),
        *({"what": "peer", "who": name, "note": about} for name, about in absent.items()),
    ]


def _one(one: Shared, columns: Floats, present: dict[str, Library]) -> Rows:
    nodes = nodes_of([one])
    ours = evaluate(nodes, columns)
    took = least(partial(evaluate, nodes, columns), budget=SECONDS_EACH)
    rows: Rows = [{"what": one.name, "who": "ours", **took}]
    for name, library in present.items():
        call = library.call(one)
        if call:
            rows.append({"what": one.name, "who": name, **_timed(one, library, call, nodes, ours)})
    return rows


def _timed(
    one: Shared, library: Library, call: Call, nodes: list[Node], ours: npt.NDArray[np.floating]
) -> Row:
    """A library's seconds and how far its values are from ours."""
    results: list[Any] = []
    first = once(lambda: results.append(call()))
    error = largest_error(one, nodes, ours, library.arrays(results.pop()))
    row = {**least(call, budget=SECONDS_EACH, first=first), "largest_error": error}
    return row if error <= TOLERANCE else {**row, "note": "other values than ours: not counted"}


def nodes_of(chosen: list[Shared]) -> list[Node]:
    """Our nodes of indicators, output by output."""
    known = standard_indicators()
    return [known[name] for one in chosen for name in one.outputs]


def largest_error(
    one: Shared, nodes: list[Node], ours: npt.NDArray[np.floating], theirs: Outputs
) -> float:
    """Largest distance on settled rows as a share of the peer's largest value there.

    Args:
        one: The indicator to compare.
        nodes: Its nodes, an output each.
        ours: `(rows, outputs)`.
        theirs: Outputs of `rows` each; NaN on a settled row makes the result NaN.

    Raises:
        ValueError: Other outputs, or bars too few to compare.
    """
    if len(theirs) != len(nodes):
        raise ValueError(f"{one.name} has {len(nodes)} outputs; the peer gave {len(theirs)}")
    start = max(SETTLED_ROWS, *(node.settled for node in nodes))
    if start >= len(ours):
        raise ValueError(f"{one.name} needs more than {start} bars to be compared")
    errors = []
    for k, their in enumerate(theirs):
        got, want = ours[start:, k], their[start:]
        if one.since_start:
            got, want = np.diff(got), np.diff(want)
        errors.append(np.abs(got - want).max() / np.abs(want).max())
    # np.max hands NaN on; max() would lose it.
    return float(np.max(errors))


def _totals(rows: Rows, name: str, library: Library | None, columns: Floats) -> Rows:
    """Sums over the indicators that a peer has with our values, and ours of exactly those."""
    counted = [row for row in rows if row["who"] == name and "note" not in row]
    names = {row["what"] for row in counted}
    chosen = [one for one in SHARED if one.name in names]
    nodes = nodes_of(chosen)
    at_once = least(partial(evaluate, nodes, columns), budget=10.0)
    label = {"indicators": len(chosen), "outputs": len(nodes)}
    total: Row = {
        "what": "total, one at a time",
        "who": name,
        **label,
        "cpu_seconds": sum(row["cpu_seconds"] for row in counted),
        "wall_seconds": sum(row["wall_seconds"] for row in counted),
    }
    if library:
        total["largest_error"] = max(row["largest_error"] for row in counted)
    total["ratio"] = total["cpu_seconds"] / at_once["cpu_seconds"]
    say(
        f"{name}: {total['cpu_seconds']:.2f} s for {len(chosen)} indicators one at a time; "
        f"ours at once {at_once['cpu_seconds']:.2f} s"
    )
    what = f"total, all at once, those of {name}" if library else "total, all at once"
    totals: Rows = [total, {"what": what, "who": "ours", **label, **at_once}]
    if library and total["cpu_seconds"] < SECONDS_KEPT:
        # One at a time, a result is freed before the next: libraries write the same warm memory
        # again and again, while ours hands over all results at once. Here they do so too.
        calls = [call for one in chosen if (call := library.call(one))]
        kept = least(lambda: [call() for call in calls], budget=10.0)
        ratio = kept["cpu_seconds"] / at_once["cpu_seconds"]
        totals.append({"what": "total, results kept", "who": name, **label, **kept, "ratio": ratio})
    together = library.together(chosen) if library else None
    if together:
        took = least(together, budget=10.0)
        ratio = took["cpu_seconds"] / at_once["cpu_seconds"]
        totals.append({"what": "total, one query", "who": name, **label, **took, "ratio": ratio})
    return totals


def _as_users_call_it(frame: pd.DataFrame) -> Row:
    """The same from a checked frame into a frame."""
    outputs = [name for one in SHARED for name in one.outputs]
    nodes = dict(zip(outputs, nodes_of(list(SHARED)), strict=True))
    took = least(partial(compute_indicators, frame, nodes), budget=10.0)
    label = {"indicators": len(SHARED), "outputs": len(outputs)}
    return {"what": "total, all at once, compute_indicators", "who": "ours", **label, **took}
