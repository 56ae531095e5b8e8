"""One bar, every feature: how long a new bar takes, by us and by what else takes single bars."""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.features_peers.bars import make_bars
from benchmarks.features_peers.comparison import TOLERANCE, nodes_of
from benchmarks.features_peers.shared import SHARED
from benchmarks.features_peers.timing import Row, Rows, peer, say, spread
from ultimate_deep.features import FeatureStream
from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.runner import Runner, evaluate, program_of

# Bars before the clock starts: enough for kama_30, the slowest to settle.
HISTORY = 7000
# Bars that a user of pandas computes anew to know the last one's values.
TAIL = 600
SLOW_BARS = 40

Floats = npt.NDArray[np.float64]
Take = Callable[..., Any]
SAME = "indicators of TA-Lib's"
OUTPUTS = [name for one in SHARED for name in one.outputs]


@dataclass(frozen=True)
class Feed:
    """Bars, of which the first `history` are known before the clock starts.

    Attributes:
        frame: Table of all bars.
        columns: The same, `(6, bars)`.
        history: Bars known before.
        truth: The last bar's values by name, by the engine that takes many bars, of those
            indicators that have settled there.
    """

    frame: pd.DataFrame
    columns: Floats
    history: int
    truth: dict[str, float]


def live(bars: int, history: int = HISTORY) -> Rows:
    """`bars` single bars after a history, the clock read around each of them."""
    feed = feed_of(make_bars(history + bars), history)
    stream = FeatureStream(interval="1min")
    stream.extend(feed.frame.head(history - 1))

    def push(o: float, h: float, low: float, c: float, v: float, seconds: float) -> Any:
        return stream.push(seconds, o, h, low, c, v)

    push(*feed.columns[:, history - 1].tolist())
    say("all features")
    row = {"what": "all features", "who": "ours", "features": len(stream.names)}
    rows: Rows = [{**row, **spread(timed(push, feed.columns[:, history:]))}]
    say("ours")
    ours = _ours(feed)
    rows.append({"what": SAME, "who": "ours", **ours})
    for name, measure in PEERS.items():
        say(name)
        module, about = peer(name)
        if module is None:
            rows.append({"what": SAME, "who": name, "note": about})
            continue
        found = measure(module, feed)
        found["ratio"] = found["median_us"] / ours["median_us"]
        if not found["largest_error"] <= TOLERANCE:
            found["note"] = "other values than ours"
        rows.append({"what": SAME, "who": name, **found})
    return rows


def feed_of(frame: pd.DataFrame, history: int) -> Feed:
    """The bars with what their last one must give."""
    columns = bar_columns(frame)
    nodes = nodes_of(list(SHARED))
    # Most indicators are known at the last of some thousand bars; kama_30 needs 6,103.
    values = zip(OUTPUTS, nodes, evaluate(nodes, columns)[-1].tolist(), strict=True)
    truth = {name: value for name, node, value in values if node.settled < len(frame)}
    return Feed(frame, columns, history, truth)


def _ours(feed: Feed) -> Row:
    take, values = runner_of(feed.columns[:, : feed.history])
    taken = timed(take, feed.columns[:, feed.history :])
    last = dict(zip(OUTPUTS, values.tolist(), strict=True))
    names = [one.name for one in SHARED]
    return {**_counts(names), **spread(taken), "largest_error": _distance(last, feed)}


def runner_of(history: Floats) -> tuple[Take, Floats]:
    """Our engine on the shared indicators: what takes a bar, and where their values stand."""
    nodes = nodes_of(list(SHARED))
    runner = Runner(program_of(tuple(nodes)))
    values = np.empty(len(nodes))
    for start in range(0, history.shape[1] - 1, runner.block_rows):
        block = history[:, start : min(start + runner.block_rows, history.shape[1] - 1)]
        runner.advance(block, np.empty((block.shape[1], len(nodes))))
    bar = np.empty(6)
    buffer, write = bar.data, struct.Struct("=6d").pack_into
    live_runner = runner.advance_one

    def take(*numbers: float) -> None:
        write(buffer, 0, *numbers)
        live_runner(bar, values)

    # The executor of single bars is compiled or loaded at its first one.
    take(*history[:, -1].tolist())
    return take, values


def timed(take: Take, columns: Floats) -> list[int]:
    """Nanoseconds of each bar; garbage is collected as always."""
    clock = time.perf_counter_ns
    taken = []
    for bar in columns.T.tolist():
        before = clock()
        take(*bar)
        taken.append(clock() - before)
    return taken


def _talib(module: ModuleType, feed: Feed) -> Row:
    """A handle per indicator, each updated with the bar."""
    letters = dict(zip("ohlcv", feed.columns, strict=False))
    groups = module.handles({letter: x[: feed.history].copy() for letter, x in letters.items()})
    updates = [
        (tuple("ohlcv".index(letter) for letter in inputs), list(found.values()))
        for inputs, found in groups.items()
    ]
    values: list[Any] = []

    def take(*bar: float) -> None:
        values.clear()
        for chosen, several in updates:
            given = [bar[k] for k in chosen]
            values.extend([update(*given) for update in several])

    taken = timed(take, feed.columns[:, feed.history :])
    names = [name for found in groups.values() for name in found]
    last = _by_output(dict(zip(names, values, strict=True)))
    return {**_counts(names), **spread(taken), "largest_error": _distance(last, feed)}


def _talipp(module: ModuleType, feed: Feed) -> Row:
    """Objects that are given the bar one by one."""
    from talipp.ohlcv import OHLCV

    of_closes = {name: make() for name, (make, _) in module.OF_CLOSES.items()}
    of_bars = {name: make() for name, (make, _) in module.OF_BARS.items()}
    take_close = [one.add for one in of_closes.values()]
    take_bar = [one.add for one in of_bars.values()]

    def take(o: float, h: float, low: float, c: float, v: float, seconds: float) -> None:
        for add in take_close:
            add(c)
        bar = OHLCV(o, h, low, c, v)
        for add in take_bar:
            add(bar)

    timed(take, feed.columns[:, : feed.history])
    taken = timed(take, feed.columns[:, feed.history :])
    fields = {name: field for name, (_, field) in (module.OF_CLOSES | module.OF_BARS).items()}
    last = {
        name: getattr(one[-1], fields[name]) if fields[name] else one[-1]
        for name, one in (of_closes | of_bars).items()
    }
    return {**_counts(list(last)), **spread(taken), "largest_error": _distance(last, feed)}


def _pandas(module: ModuleType, feed: Feed) -> Row:
    """The last rows computed anew with every bar; sums since the first bar are left out."""
    sums = {one.name for one in SHARED if one.since_start} | {"anchored_vwap"}
    calls = {name: call for name, call in module.CALLS.items() if name not in sums}
    taken: list[int] = []
    found: dict[str, Any] = {}
    for stop in range(len(feed.frame) - SLOW_BARS + 1, len(feed.frame) + 1):
        before = time.perf_counter_ns()
        tail = feed.frame.iloc[stop - TAIL : stop]
        found = {name: call(tail) for name, call in calls.items()}
        taken.append(time.perf_counter_ns() - before)
    last = {name: float(column.iloc[-1]) for name, column in _by_output(found).items()}
    return {**_counts(list(calls)), **spread(taken), "largest_error": _distance(last, feed)}


def _by_output(found: dict[str, Any]) -> dict[str, Any]:
    """Results of calls by the names of their outputs."""
    outputs = {one.name: one.outputs for one in SHARED}
    return {
        output: value
        for name, result in found.items()
        for output, value in zip(
            outputs[name], result if isinstance(result, tuple) else (result,), strict=True
        )
    }


def _counts(names: list[str]) -> Row:
    outputs = {one.name: len(one.outputs) for one in SHARED}
    return {"indicators": len(names), "outputs": sum(outputs[name] for name in names)}


def _distance(last: dict[str, float], feed: Feed) -> float:
    """Largest distance of the last bar's values, as a share of each or of 1 where it is less.

    Sums since the first bar, which libraries start at different levels, are left out.
    """
    sums = {output for one in SHARED if one.since_start for output in one.outputs}
    errors = [
        abs(last[name] - truth) / max(abs(truth), 1.0)
        for name, truth in feed.truth.items()
        if name in last and name not in sums
    ]
    # np.max hands NaN on; max() would lose it.
    return float(np.max(errors))


PEERS: dict[str, Callable[[ModuleType, Feed], Row]] = {
    "TA-Lib": _talib,
    "talipp": _talipp,
    "pandas": _pandas,
}
