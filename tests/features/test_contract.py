"""Every feature of the registry: causal, scale-free, warm when it says so, calm when nothing moves.

The checks are functions of nodes, and the same functions must reject planted canaries that look
ahead: a test that could not see a leak would prove nothing.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import FeatureStream, compute_features, feature_names, feature_table
from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.graph import COLUMNS, Node
from ultimate_deep.features.engine.runner import evaluate, program_of
from ultimate_deep.features.feature_engine import LIMIT
from ultimate_deep.features.registry import (
    COARSE_FAMILY,
    FAMILIES,
    MOST_WARMUP_BARS,
    OPTIONAL_FAMILIES,
    registry,
)

CUTS = (437, 700, 1023, 1311)


def all_nodes() -> list[Node]:
    return [feature.node for feature in registry().features.values()]


def all_names() -> list[str]:
    return list(registry().features)


every_feature = pytest.mark.contract(walks=all_names)


def all_columns() -> tuple[str, ...]:
    """The rows of `columns` in these tests: the usual six and all that some family needs."""
    return program_of(tuple(all_nodes())).columns


def whole(frame: pd.DataFrame) -> np.ndarray:
    return bar_columns(frame, all_columns())


@pytest.fixture(scope="module")
def columns(make_whole_bars) -> np.ndarray:
    return whole(make_whole_bars(1500))


def shown(columns: np.ndarray, nodes: list[Node]) -> np.ndarray:
    """What a user would get: float32 values of nodes."""
    return evaluate(nodes, columns, dtype=np.float32, limit=LIMIT)


def changed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Columns in which two matrices differ in any bit that matters (NaN equals NaN)."""
    return ~((left == right) | (np.isnan(left) & np.isnan(right))).all(axis=0)


def leaks(compute, columns: np.ndarray, cuts=CUTS) -> set[int]:
    """Feature numbers whose past changes when the future is absent, perturbed or NaN.

    Args:
        compute: Columns `(6, rows)` to features `(rows, features)`.
        columns: Bars.
        cuts: Rows at which the future begins.
    """
    whole = compute(columns)
    found: set[int] = set()
    for cut in cuts:
        past = whole[:cut]
        draw = np.random.default_rng(cut)
        perturbed = columns.copy()
        perturbed[:4, cut:] *= draw.uniform(0.5, 2.0, (4, columns.shape[1] - cut))
        perturbed[4, cut:] *= 1e6
        perturbed[5, cut:] += 86_400.0 * 31.3
        perturbed[6:, cut:] *= draw.uniform(0.5, 2.0, perturbed[6:, cut:].shape)
        poisoned = columns.copy()
        poisoned[:, cut:] = np.nan
        for other in (columns[:, :cut], perturbed, poisoned):
            found |= set(np.flatnonzero(changed(past, compute(other)[:cut])).tolist())
    return found


@every_feature
def test_no_feature_sees_the_future(columns):
    found = leaks(lambda part: shown(part, all_nodes()), columns)
    assert not found, [all_names()[k] for k in sorted(found)]


CANARIES = {
    "shift(-1)": lambda close: close.shift(-1) / close,
    "centred window": lambda close: close / close.rolling(21, center=True).mean(),
    "whole-frame z-score": lambda close: (close - close.mean()) / close.std(),
    "back-fill": lambda close: close.where(close.index % 7 == 0).bfill() / close,
    "whole-frame rank": lambda close: close.rank(),
    "last value": lambda close: close / close.iloc[-1],
}


@pytest.mark.parametrize("name", CANARIES)
def test_planted_look_ahead_is_caught(name, random_bars):
    def compute(columns):
        return CANARIES[name](pd.Series(columns[3])).to_numpy()[:, None]

    assert leaks(compute, bar_columns(random_bars)) == {0}


def test_a_causal_pandas_feature_passes_the_same_check(random_bars):
    def compute(columns):
        close = pd.Series(columns[3])
        return (close / close.rolling(21).max()).to_numpy()[:, None]

    assert leaks(compute, bar_columns(random_bars)) == set()


def scaled(columns: np.ndarray, price: float, volume: float = 1.0) -> np.ndarray:
    """Prices of the bars and the book, and volumes and sizes, in another unit."""
    result = columns.copy()
    for row, name in enumerate(all_columns()[: len(columns)]):
        if name in COLUMNS[:4] or "price" in name:
            result[row] *= price
        elif name == "peer_close":
            result[row] *= 1.0 / price
        elif name == "volume" or "size" in name:
            result[row] *= volume
    return result


@every_feature
@pytest.mark.parametrize("scale", [0.125, 2.0, 1024.0])
def test_powers_of_two_in_price_and_volume_change_no_bit(columns, scale):
    before = shown(columns, all_nodes())
    after = shown(scaled(columns, scale, 1.0 / scale), all_nodes())
    found = np.flatnonzero(changed(before, after))
    assert not found.size, [all_names()[k] for k in found]


@every_feature
@pytest.mark.parametrize("scale", [1.7, 0.003, 31_415.9])
def test_any_scale_of_prices_changes_only_rounding(columns, scale):
    before = shown(columns, all_nodes())
    after = shown(scaled(columns, scale, 3.3), all_nodes())
    # Scaling rounds every price at 1e-16; ratios of small differences magnify that.
    close = np.isclose(before, after, rtol=2e-6, atol=2e-6, equal_nan=True).all(axis=0)
    assert close.all(), [all_names()[k] for k in np.flatnonzero(~close)]


@pytest.mark.parametrize("name", ["eurusd_1m", "spy_1h"])
def test_any_scale_of_real_prices_changes_only_rounding(real_bars_folder, name):
    """Real prices move in ticks, tie often and carry rounding of their own."""
    frame = pd.read_parquet(real_bars_folder / f"{name}.parquet").set_index("timestamp")
    columns = bar_columns(frame.iloc[-6000:])
    known = registry().features
    nodes = [known[name].node for name in feature_names() if name in known]
    before = shown(columns, nodes)
    after = shown(scaled(columns, 1.7), nodes)
    close = np.isclose(before, after, rtol=2e-6, atol=2e-6, equal_nan=True).all(axis=0)
    assert close.all(), [all_names()[k] for k in np.flatnonzero(~close)]


def test_a_raw_price_is_caught_by_the_scale_check(random_bars):
    from ultimate_deep.features.engine.graph import column
    from ultimate_deep.features.engine.windows import mean

    columns = bar_columns(random_bars)
    raw = [mean(column("close"), 20)]
    assert changed(shown(columns, raw), shown(scaled(columns, 2.0), raw)).all()


@every_feature
def test_warm_up_is_the_declared_one(columns):
    values = shown(columns, all_nodes())
    for k, feature in enumerate(registry().features.values()):
        column = values[:, k]
        assert np.isnan(column[: feature.warmup_bars]).all(), feature.name
        assert np.isfinite(column[feature.warmup_bars :]).all(), feature.name
        assert feature.warmup_bars <= MOST_WARMUP_BARS, feature.name


@every_feature
def test_no_value_after_warm_up_depends_on_where_the_bars_begin(make_whole_bars):
    """Begin later: from the declared warm-up on the values are the same within 1e-9.

    Windows forget exactly; recursive averages have forgotten all but 1e-11 of what came before.
    """
    columns = whole(make_whole_bars(1500, seed=3))
    from_start = evaluate(all_nodes(), columns)
    restarted = {start: evaluate(all_nodes(), columns[:, start:]) for start in (300, 777)}
    found = []
    for k, feature in enumerate(registry().features.values()):
        spread = max(float(np.std(from_start[feature.warmup_bars :, k])), 1e-3)
        for start, later in restarted.items():
            settled = later[feature.warmup_bars :, k]
            error = np.abs(settled - from_start[start + feature.warmup_bars :, k])
            if error.max() > 1e-9 * max(spread, 1.0):
                found.append((feature.name, float(error.max() / spread)))
                break
    assert not found, found


def motionless(rows: int, volume: float) -> np.ndarray:
    columns = np.full((len(all_columns()), rows), 1.1)
    for row, name in enumerate(all_columns()):
        if name == "volume" or "size" in name:
            columns[row] = volume
            columns[row, 0] = 1.0
        elif name in ("peer_age_bars", "peers_rising"):
            columns[row] = 0.5 if name == "peers_rising" else 0.0
    columns[5] = 1.6e9 + 3600.0 * np.arange(rows)
    return columns


@every_feature
@pytest.mark.parametrize("volume", [0.0, 0.7])
def test_zero_denominators_give_the_stated_neutral_value(volume):
    values = shown(motionless(700, volume), all_nodes())
    for k, feature in enumerate(registry().features.values()):
        if feature.neutral is None:
            assert feature.inputs == ("timestamp",), feature.name
            continue
        got = np.unique(values[-150:, k])
        # 1e-6: float32 of logarithms that cancel.
        np.testing.assert_allclose(got, feature.neutral, atol=1e-6, err_msg=feature.name)


@every_feature
def test_bounds_hold(make_whole_bars):
    values = shown(whole(make_whole_bars(1500, seed=5, every="97min")), all_nodes())
    for k, feature in enumerate(registry().features.values()):
        column = values[feature.warmup_bars :, k]
        low = -np.inf if feature.low is None else feature.low
        high = np.inf if feature.high is None else feature.high
        assert column.min() >= low - 1e-6, feature.name
        assert column.max() <= high + 1e-6, feature.name
        assert column.std() > 0.0, f"{feature.name} is constant on random bars"


@every_feature
def test_a_spike_leaves_no_trace_once_it_has_left_every_window(make_whole_bars):
    """A 1e9 spike, then long after it: windows exactly as without it.

    Recursive averages keep (1 - alpha)^k of 1e9, so they are left out here.
    """
    from ultimate_deep.features.engine import opcodes

    @cache
    def recursive(node: Node) -> bool:
        endless = (opcodes.EXPONENTIAL, opcodes.EXPONENTIAL_VARYING)
        return node.code in endless or any(map(recursive, node.inputs))

    nodes = [node for node in all_nodes() if not recursive(node)]
    used = [all_columns().index(name) for name in program_of(tuple(nodes)).columns]
    columns = whole(make_whole_bars(1200, seed=9))
    spiked = columns.copy()
    spiked[:5, 300] *= 1e9
    spiked[6:, 300] *= 1e9
    after = 300 + max(node.settled for node in nodes) + 1
    assert len(nodes) > 150
    before = evaluate(nodes, columns[used])
    found = np.flatnonzero(changed(before[after:], evaluate(nodes, spiked[used])[after:]))
    assert not found.size


@every_feature
def test_block_size_changes_no_bit(columns):
    """However many bars are taken at once, the bits are the same."""
    few = columns[:, :900]
    together = evaluate(all_nodes(), few)
    for block_rows in (1, 7, 900):
        other = evaluate(all_nodes(), few, block_rows=block_rows)
        assert not changed(together, other).any()


@every_feature
def test_stream_equals_batch_bit_for_bit(make_whole_bars):
    """One bar at a time, by the other executor, from the same start: every feature."""
    frame = make_whole_bars(1100, seed=21)
    batch = compute_features(frame, all_names()).values
    stream = FeatureStream(all_names())
    names = stream.columns[6:]
    for row, (time, bar) in enumerate(zip(frame.index, frame.itertuples(index=False), strict=True)):
        further = {name: getattr(bar, name) for name in names}
        got = stream.push(time, bar.open, bar.high, bar.low, bar.close, bar.volume, **further)
        assert not changed(batch[row : row + 1], got[None]).any(), row


FILES = "aapl_1h audusd_1h btcusd_1h btcusd_1m eurusd_1m gbpusd_1h spy_1h usdcad_1h usdjpy_1h"


@pytest.mark.parametrize("name", [*FILES.split(), "xauusd_1h"])
def test_stream_equals_batch_on_real_bars(real_bars_folder, name):
    """Bit for bit from the same start; from the warm-up on within 1e-9 wherever it starts."""
    frame = pd.read_parquet(real_bars_folder / f"{name}.parquet").set_index("timestamp")
    frame = frame.iloc[-5000:]
    interval = pd.Timedelta(name.rpartition("_")[2].replace("m", "min"))
    names = compute_features(frame.iloc[-1000:]).names
    assert set(feature_names("timeframes")) <= set(names)
    batch = compute_features(frame, names).values
    stream, late = (FeatureStream(names, interval=interval) for _ in range(2))
    seconds = (frame.index.as_unit("us").asi8 / 1e6).tolist()
    rows = frame[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    start = 3000
    for row, (time, bar) in enumerate(zip(seconds, rows, strict=True)):
        got = stream.push(time, *bar)
        assert not changed(batch[row : row + 1], got[None]).any(), row
        if row >= start:
            later = late.push(time, *bar)
            if row >= start + late.warmup_bars:
                # 1e-9 of an earlier deviation, beside the rounding to float32.
                scale = np.maximum(np.abs(got), 1e-3)
                assert (np.abs(later - got) <= 1e-9 + 1.3e-7 * scale).all(), row


@every_feature
def test_registry_is_large_unique_and_documented():
    table = feature_table()
    assert len(table) >= 200
    assert table["name"].is_unique
    assert table["name"].str.fullmatch(r"[a-z][a-z0-9_]*").all()
    assert table["source"].str.len().min() > 5
    assert table["unit"].str.len().min() > 2
    assert table["inputs"].str.len().min() >= 3
    assert list(dict.fromkeys(table["family"])) == [*FAMILIES, COARSE_FAMILY]
    whole_table = feature_table(optional=True)
    families = [*FAMILIES, COARSE_FAMILY, *OPTIONAL_FAMILIES]
    assert list(dict.fromkeys(whole_table["family"])) == families
    assert len(whole_table) > len(table)


@every_feature
def test_no_two_features_are_the_same(make_whole_bars):
    """Neither equal nor a straight-line function of one another on random bars."""
    values = shown(whole(make_whole_bars(1500, seed=11, every="97min")), all_nodes())
    values = values[MOST_WARMUP_BARS:].astype(np.float64)
    correlation = np.abs(np.corrcoef(values, rowvar=False))
    np.fill_diagonal(correlation, 0.0)
    pairs = np.argwhere(np.triu(correlation > 0.99999))
    names = all_names()
    assert not pairs.size, [(names[i], names[j]) for i, j in pairs]
