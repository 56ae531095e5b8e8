"""The join of other symbols: causal to the bar, the same live, and the features of the pair."""

from collections import deque

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import FeatureStream, compute_features
from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.runner import evaluate, program_of
from ultimate_deep.features.families import cross_asset
from ultimate_deep.features.feature_engine import LIMIT
from ultimate_deep.features.peers import PEER_COLUMNS, PeerJoin, join_peers

HOUR = pd.Timedelta("1h")
FEATURES = {feature.name: feature for feature in cross_asset.entries()}
LENGTHS = {"daily": pd.Timedelta("1D"), "odd": pd.Timedelta("20min")}


def columns_of(frame: pd.DataFrame, nodes) -> np.ndarray:
    return bar_columns(frame, program_of(tuple(nodes)).columns)


@pytest.fixture(scope="module")
def target(make_bars) -> pd.DataFrame:
    return make_bars(500, seed=1)


@pytest.fixture(scope="module")
def peers(make_bars) -> dict[str, pd.DataFrame]:
    """Calendars of their own: gaps elsewhere, another interval, stamps off the hour."""
    return {
        "alike": make_bars(700, seed=2),
        "daily": make_bars(200, seed=3, start="2019-12-01 00:00", every="1D"),
        "odd": make_bars(1600, seed=4, start="2020-02-26 11:07", every="20min"),
    }


def slow_join(target, peers, reference, breadth_bars):
    """Every bar of the target looks through all bars of all peers."""
    rows = []
    for opened in target.index:
        now = opened + HOUR
        signs, columns = [], {}
        for symbol, bars in peers.items():
            length = LENGTHS.get(symbol, HOUR)
            closed = bars[bars.index + length <= now]
            if len(closed) <= breadth_bars:
                break
            signs.append(np.sign(closed.close.iloc[-1] - closed.close.iloc[-1 - breadth_bars]))
            if symbol == reference:
                age = (now - closed.index[-1] - length) / length
                columns = {"peer_close": closed.close.iloc[-1], "peer_age_bars": age}
        if len(signs) == len(peers):
            share = (np.array(signs) + 1.0).sum() / (2.0 * len(peers))
            rows.append({"timestamp": opened, **columns, "peers_rising": share})
    return pd.DataFrame(rows).set_index("timestamp")


@pytest.mark.parametrize("reference", ["alike", "daily", "odd"])
def test_join_is_that_of_a_slow_search(target, peers, reference):
    part = target.iloc[:140]
    got = join_peers(
        part, peers, reference=reference, interval=HOUR, peer_intervals=LENGTHS, breadth_bars=12
    )
    want = slow_join(part, peers, reference, 12)
    assert 20 < len(got) < len(part)
    pd.testing.assert_frame_equal(got[list(PEER_COLUMNS)], want, check_freq=False)
    pd.testing.assert_frame_equal(got[part.columns], part.loc[got.index])
    assert np.isfinite(got.to_numpy()).all()


def joined_by_open_time(target, peers, reference, hours):
    """The leak: a peer's bar counts from its open on, before it has closed."""
    closes = peers[reference][["close"]].set_axis(["peer_close"], axis=1)
    asked = target[[]].set_axis(target.index + hours * HOUR)
    return pd.merge_asof(asked, closes, left_index=True, right_index=True).set_axis(target.index)


def sees_the_future(join, target, peers) -> bool:
    """Whether a joined value changes when only bars of peers change that close after it."""
    whole = join(target, peers)
    for row in range(150, len(target), 29):
        now = target.index[row] + HOUR
        changed = {}
        for symbol, bars in peers.items():
            later = bars.index + LENGTHS.get(symbol, HOUR) > now
            changed[symbol] = bars.assign(close=bars["close"].where(~later, bars["close"] * 3.0))
        known = target.index[: row + 1]
        if not join(target, changed).reindex(known).equals(whole.reindex(known)):
            return True
    return False


@pytest.mark.parametrize("reference", ["alike", "daily", "odd"])
def test_only_closed_bars_are_seen(target, peers, reference):
    def ours(frame, others):
        return join_peers(
            frame, others, reference=reference, interval=HOUR, peer_intervals=LENGTHS
        )[list(PEER_COLUMNS)]

    assert not sees_the_future(ours, target, peers)

    def as_of_the_close(frame, others):
        return joined_by_open_time(frame, others, reference, hours=1)

    def as_of_the_open(frame, others):
        return joined_by_open_time(frame, others, reference, hours=0)

    assert sees_the_future(as_of_the_close, target, peers)
    # A bar that opened before the target's is over by the target's close unless it is longer.
    assert sees_the_future(as_of_the_open, target, peers) == (reference == "daily")


def test_forgetting_a_peers_own_interval_is_caught(target, peers):
    def wrong(frame, others):
        day = {"daily": others["daily"]}
        return join_peers(frame, day, reference="daily", interval=HOUR)[["peer_close"]]

    assert sees_the_future(wrong, target, peers)


def stream(target, peers, reference, *, restart_at=None):
    join = PeerJoin(list(peers), reference=reference, interval=HOUR, peer_intervals=LENGTHS)
    events = sorted(
        (opened + LENGTHS.get(symbol, HOUR), symbol, opened, close)
        for symbol, bars in peers.items()
        for opened, close in bars["close"].items()
    )
    rows, k = {}, 0
    for number, opened in enumerate(target.index):
        # Half an hour more than has closed: what is not known yet has to wait.
        while k < len(events) and events[k][0] <= opened + HOUR + pd.Timedelta("30min"):
            join.update(*events[k][1:])
            k += 1
        if number == restart_at:
            join = PeerJoin.restore(join.state())
        if (columns := join.columns_at(opened + HOUR)) is not None:
            rows[opened] = columns
    return pd.DataFrame(rows).T, join


@pytest.mark.parametrize("reference", ["alike", "odd"])
def test_stream_equals_batch_bit_for_bit(target, peers, reference):
    want = join_peers(target, peers, reference=reference, interval=HOUR, peer_intervals=LENGTHS)[
        list(PEER_COLUMNS)
    ]
    got, _ = stream(target, peers, reference, restart_at=444)
    assert (got.index == want.index).all()
    np.testing.assert_array_equal(got.to_numpy(), want.to_numpy())


def test_real_calendars(real_bars_folder):
    """Shares by day, currencies round the clock, gold without Sundays."""

    def load(name):
        frame = pd.read_parquet(real_bars_folder / f"{name}.parquet").set_index("timestamp")
        return frame.loc["2015-03-01":"2015-06-30"]

    target, others = load("aapl_1h"), {n: load(n) for n in ("spy_1h", "usdjpy_1h", "xauusd_1h")}
    got = join_peers(target, others, reference="xauusd_1h", interval=HOUR)
    assert 0 < len(target) - len(got) < 30
    row = got.index[200]
    gold = others["xauusd_1h"]["close"]
    assert got.loc[row, "peer_close"] == gold[gold.index <= row].iloc[-1]
    night = join_peers(
        others["usdjpy_1h"], {"spy": others["spy_1h"]}, reference="spy", interval=HOUR
    )
    assert night["peer_age_bars"].max() > 48.0


def test_bad_peers_are_refused(target, peers):
    def join(**changes):
        options = {"peers": peers, "reference": "alike", "interval": HOUR}
        return join_peers(target, **(options | {"peer_intervals": LENGTHS} | changes))

    alike = peers["alike"]
    with pytest.raises(ValueError, match=r"one of the peers.*got 'spy'"):
        join(reference="spy")
    with pytest.raises(ValueError, match="above zero"):
        join(interval=pd.Timedelta(0))
    with pytest.raises(ValueError, match="at least a microsecond"):
        join(interval=pd.Timedelta(999, unit="ns"))
    with pytest.raises(ValueError, match=r"at least their interval of 7200 s; row 1 "):
        join(peer_intervals={"alike": 2 * HOUR})
    with pytest.raises(ValueError, match=r"at least their interval"):
        join(peers={"alike": alike.iloc[::-1]}, peer_intervals=None)
    with pytest.raises(TypeError, match="tz-aware"):
        join(peers={"alike": alike.tz_localize(None)}, peer_intervals=None)
    holed = alike.assign(close=alike["close"].where(alike.index != alike.index[3], np.nan))
    with pytest.raises(ValueError, match=r"closes of alike.*row 3"):
        join(peers={"alike": holed}, peer_intervals=None)
    with pytest.raises(ValueError, match=r"closed 21 bars; bring peers"):
        join(peers={"alike": alike.iloc[:20]}, peer_intervals=None)
    with pytest.raises(ValueError, match="already; drop them"):
        join_peers(target.assign(peer_close=1.0), peers, reference="alike", interval=HOUR)


def test_late_and_false_bars_leave_the_stream_as_it_was(target, peers):
    _, join = stream(target.iloc[:60], peers, "alike")
    before = join.state()
    now = target.index[59] + HOUR
    bad = [
        ("spy", now, 1.0, "not one of the peers"),
        ("alike", now.tz_localize(None), 1.0, "tz-aware"),
        ("alike", now + HOUR, float("nan"), "finite and above zero"),
        ("alike", peers["alike"].index[3], 1.0, "late, double or overlaps"),
        ("alike", pd.Timestamp("2300-01-01", tz="UTC"), 1.0, "between 1900 and April 2262"),
    ]
    for symbol, opened, close, message in bad:
        with pytest.raises(ValueError, match=message):
            join.update(symbol, opened, close)
    with pytest.raises(ValueError, match="must not go back"):
        join.columns_at(now - HOUR)
    assert join.state() == before
    quiet = PeerJoin(["a"], reference="a", interval=HOUR, breadth_bars=1)
    assert quiet.columns_at(now) is None
    with pytest.raises(ValueError, match="asked for already"):
        quiet.update("a", now - HOUR, 1.0)


@pytest.fixture(scope="module")
def pair(make_bars) -> pd.DataFrame:
    return join_peers(
        make_bars(900, seed=1), {"a": make_bars(1200, seed=2)}, reference="a", interval=HOUR
    )


def test_features_agree_with_pandas(pair):
    r = np.log(pair.close / pair.close.shift())
    p = np.log(pair.peer_close / pair.peer_close.shift())
    ratio = pair.close / pair.peer_close
    gap = (r - p).rolling(100).std(ddof=0) * np.sqrt(20.0)
    beta = r.rolling(100).cov(p) / p.rolling(100).var()
    want = {
        "peer_correlation_50": r.rolling(50).corr(p),
        "peer_beta_100": beta,
        "peer_leads_1_100": r.rolling(100).corr(p.shift()),
        "peer_follows_1_100": r.shift().rolling(100).corr(p),
        "peer_return_z_1": p / p.rolling(50).std(ddof=0),
        "peer_residual_z_100": (r - beta * p) / r.rolling(100).std(ddof=0),
        "relative_strength_20": (r - p).rolling(20).sum() / gap,
        "pair_spread_z_50": (ratio - ratio.rolling(50).mean()) / ratio.rolling(50).std(ddof=0),
        "breadth_mean_10": (2.0 * pair.peers_rising - 1.0).rolling(10).mean(),
        "peer_age_log": np.log1p(pair.peer_age_bars),
    }
    nodes = [FEATURES[name].node for name in want]
    got = evaluate(nodes, columns_of(pair, nodes))
    for k, (name, series) in enumerate(want.items()):
        rows = np.isfinite(got[:, k])
        assert rows.sum() >= 600, name
        np.testing.assert_allclose(
            got[rows, k], series.to_numpy()[rows], rtol=1e-8, atol=1e-8, err_msg=name
        )


def test_live_features_of_a_pair_are_those_of_the_batch(make_bars):
    """Both joins and both engines: bars of two symbols arrive one by one."""
    target, peer = make_bars(320, seed=1), make_bars(400, seed=2)
    want = compute_features(
        join_peers(target, {"a": peer}, reference="a", interval=HOUR), list(FEATURES)
    )
    join, live = PeerJoin(["a"], reference="a", interval=HOUR), FeatureStream(want.names)
    rows = []
    waiting = deque(peer["close"].items())
    for opened, bar in target.iterrows():
        while waiting and waiting[0][0] <= opened:
            join.update("a", *waiting.popleft())
        if (columns := join.columns_at(opened + HOUR)) is not None:
            rows.append(live.push(opened, **bar, **columns))
    np.testing.assert_array_equal(np.array(rows), want.values)
    assert np.isfinite(rows[-1]).all()


def test_a_leader_is_told_from_a_follower(make_bars):
    bars = make_bars(700, seed=5)
    for steps, name in ((-1, "peer_leads_1_100"), (1, "peer_follows_1_100")):
        frame = bars.assign(peer_close=bars.close.shift(steps).bfill().ffill(), peer_age_bars=0.0)
        node = FEATURES[name].node
        assert evaluate([node], columns_of(frame, [node]))[150:-1].min() > 0.999


def test_the_contract_of_features(pair, check_features):
    """Causal, scale-free in both prices, warm when declared, bounded, all different."""
    features = list(FEATURES.values())
    nodes = [feature.node for feature in features]
    columns = columns_of(pair, nodes)
    whole = check_features(features, columns)
    scaled = pair.copy()
    scaled[["open", "high", "low", "close"]] *= 8.0
    scaled["peer_close"] /= 1024.0
    other = evaluate(nodes, columns_of(scaled, nodes), dtype=np.float32, limit=LIMIT)
    np.testing.assert_array_equal(other, whole)
    scaled[["open", "high", "low", "close", "peer_close"]] *= 1.7
    other = evaluate(nodes, columns_of(scaled, nodes), dtype=np.float32, limit=LIMIT)
    np.testing.assert_allclose(other, whole, rtol=2e-6, atol=2e-6)
    correlation = np.corrcoef(whole[250:], rowvar=False) - np.eye(len(nodes))
    assert np.abs(correlation).max() < 0.99999
    still = pair.assign(open=2.0, high=2.0, low=2.0, close=2.0, volume=0.0)
    still = still.assign(peer_close=7.0, peer_age_bars=0.0, peers_rising=0.5)
    got = evaluate(nodes, columns_of(still, nodes))[-1]
    np.testing.assert_allclose(got, [feature.neutral for feature in features], atol=1e-9)
