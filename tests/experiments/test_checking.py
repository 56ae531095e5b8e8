"""What a check refuses of a user's own features, labels and steps, and what it lets pass."""

import dataclasses
import textwrap

import numpy as np
import pytest

from ultimate_deep import plugins
from ultimate_deep.experiments.checking.bars import ODD, another_future, plain_bars, rough_bars
from ultimate_deep.experiments.checking.check import check_plugin
from ultimate_deep.machine.plugins import run_anew
from ultimate_deep.market.simulator import simulate_bars

BEGIN = """
import functools
import numpy as np
import pandas as pd
from ultimate_deep import plugins
CACHE = {}
"""


@pytest.fixture
def found(tmp_path):
    """Check a plugin of a text: what is wrong, by contract."""

    def check(text, **others):
        path = tmp_path / "mine.py"
        path.write_text(BEGIN + textwrap.dedent(text))
        for name, other in others.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(other))
        with plugins.plugins_loaded([path]):
            return {one.contract: one.problem for one in check_plugin(plugins.loaded()["mine"])}

    return check


def feature(body, warmup_bars=0):
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    return f"@plugins.feature(warmup_bars={warmup_bars})\ndef mine(bars):\n{lines}\n"


def label(body):
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    opens = '    entry = frame["open"].shift(-1)\n    end = frame["open"].shift(-1 - ahead)\n'
    begin = "@plugins.label\ndef mine(frame, spec):\n    ahead = spec.horizon_bars\n"
    return f"{begin}{opens}{lines}\n"


LOOKS_AHEAD = {
    "on flat bars": 'high, low = bars["high"], bars["low"]\n'
    'place = ((bars["close"] - low) / (high - low)).where(high > low)\n'
    "return place.bfill().fillna(0)",
    "on bars without volume": 'close = bars["close"].where(bars["volume"] > 0).bfill()\n'
    'return (close / bars["close"] - 1).fillna(0)',
    "over gaps": "later = bars.index.to_series().diff().shift(-1)\n"
    "return (later > pd.Timedelta('1h')).astype(float)",
    "on equal closes": 'move = bars["close"].diff().replace(0.0, np.nan)\n'
    "return np.sign(move).bfill().fillna(0)",
    "on bars that close where they opened": 'move = bars["close"] / bars["open"] - 1\n'
    "return move.where(move != 0).bfill().fillna(0)",
    "on jumps": 'return (bars["close"].pct_change().abs().shift(-1) > 0.08).astype(float)',
    "2,000 bars": 'mean = bars["close"].rolling(2_001, center=True).mean()\n'
    'return (bars["close"] / mean - 1).fillna(0)',
    "4,000 bars": 'return (bars["close"].shift(-4_000) / bars["close"] - 1).fillna(0)',
    "to the end of a quarter": 'quarter = bars.index.year * 4 + bars.index.quarter\n'
    'close = bars["close"].groupby(quarter)\n'
    'long = close.transform("size") > 1_700\n'
    'return (close.transform("last") / bars["close"] - 1).where(long, 0)',
    "by a cache": "key = bars.index[0]\n"
    "if len(CACHE.get(key, ())) < len(bars):\n"
    '    CACHE[key] = (bars["close"].shift(-1) / bars["close"] - 1).fillna(0.0)\n'
    "return CACHE[key].reindex(bars.index)",
}  # fmt: skip


@pytest.mark.parametrize("body", LOOKS_AHEAD.values(), ids=LOOKS_AHEAD)
def test_a_feature_that_looks_ahead_seldom_or_far_is_refused(body, found):
    said = found(feature(body))
    assert said["computes"] == ""
    assert said["knows no future"].startswith("it looks ahead: its value for bar ")


def test_the_refusal_names_the_bar_that_gave_it_away(found):
    said = found(feature(LOOKS_AHEAD["on bars without volume"]))["knows no future"]
    assert "right after " in said
    assert any(name in said for name in ODD)


def test_a_cache_outside_of_the_plugin_is_no_way_round(found):
    body = """
    import ultimate_deep
    kept = ultimate_deep.__dict__.setdefault("_kept_of_a_test", {})
    key = bars.index[0]
    if len(kept.get(key, ())) < len(bars):
        kept[key] = (bars["close"].shift(-1) / bars["close"] - 1).fillna(0.0)
    return kept[key].reindex(bars.index)
    """
    assert found(feature(body))["knows no future"].startswith("it looks ahead")
    import ultimate_deep

    del ultimate_deep._kept_of_a_test


def test_a_cache_in_a_module_beside_it_neither(found):
    text = "import beside\n" + feature("return beside.mine(bars)")
    beside = """
    CACHE = {}
    def mine(bars):
        key = bars.index[0]
        if key not in CACHE:
            CACHE[key] = bars["close"] - bars["close"].iloc[0]
        return CACHE[key].reindex(bars.index)
    """
    assert found(text, beside=beside)["is free of scale"].startswith("it depends on the level")


HONEST = {
    "a place": (
        19,
        'low, high = bars["low"].rolling(20).min(), bars["high"].rolling(20).max()\n'
        'return ((bars["close"] - low) / (high - low)).where((high > low) | low.isna(), 0.5)',
    ),
    "4,000 bars": (4_000, 'return bars["close"] / bars["close"].rolling(4_001).mean() - 1'),
    "a fill forward": (
        0,
        'close = bars["close"].where(bars["volume"] > 0).ffill()\n'
        'return (bars["close"] / close - 1).fillna(0)',
    ),
    "a cache by content": (
        0,
        'key = bars["close"].to_numpy().tobytes()\n'
        'CACHE[key] = CACHE.get(key, (bars["close"] / bars["open"] - 1))\nreturn CACHE[key]',
    ),
}


@pytest.mark.parametrize(("warmup", "body"), HONEST.values(), ids=HONEST)
def test_an_honest_feature_is_kept(warmup, body, found):
    assert set(found(feature(body, warmup)).values()) == {""}


def test_a_feature_that_is_too_long_for_any_bars_says_so(found):
    said = found(feature('return bars["close"] / bars["open"]', 50_000))
    assert "these features need at least 50001 bars" in said["computes"]


def test_an_error_of_a_feature_is_its_finding(found):
    assert found(feature('return bars["clsoe"]')) == {"computes": "KeyError: 'clsoe'"}


KNOWN = {
    "this bar's": 'return (frame["close"] > frame["open"]).astype(float)',
    "or else the future's": 'up = (end > entry).astype(float).where(end.notna())\n'
    'return np.where(frame["close"] > frame["open"], 1.0, up)',
    "where the future moves": 'known = (frame["close"] > frame["open"]).astype(float)\n'
    "return known.where(end != entry)",
}  # fmt: skip


@pytest.mark.parametrize("body", KNOWN.values(), ids=KNOWN)
def test_a_label_that_is_known_at_its_decision_is_refused(body, found):
    said = found(label(body))
    assert said["ends with its horizon"] == ""
    assert said["is unknown at its decision"].startswith("it is known at its decision: at ")


REACHES = {
    "over bars without volume": 'opens = frame["open"].where(frame["volume"] > 0).bfill()\n'
    "return (opens.shift(-1 - ahead) > opens.shift(-1)).astype(float)",
    "by a cache": "key = frame.index[0]\n"
    "if len(CACHE.get(key, ())) < len(frame):\n"
    '    CACHE[key] = (frame["close"].shift(-20) > frame["open"]).astype(float)\n'
    "return CACHE[key].reindex(frame.index)",
    "2,000 bars": 'return (frame["close"].shift(-2_000) > frame["open"]).astype(float)',
}


@pytest.mark.parametrize("body", REACHES.values(), ids=REACHES)
def test_a_label_that_reaches_beyond_its_horizon_is_refused(body, found):
    said = found(label(body))["ends with its horizon"]
    assert said.startswith("it reaches beyond its horizon: the label of bar ")


LABELS = {
    "a cache by time": "key = (frame.index[0], len(frame))\n"
    "up = (end > entry).astype(float).where(end.notna())\n"
    "return CACHE.setdefault(key, up)",
    "a move": "return (end > 1.001 * entry).astype(float).where(end.notna())",
    "few decisions": "up = (end > entry).astype(float).where(end.notna())\n"
    "return up.where(np.arange(len(up)) % 50 == 0)",
    "volatility": 'moves = np.log(frame["open"]).diff().abs().rolling(ahead).sum()\n'
    "later = moves.shift(-1 - ahead)\n"
    "return (later > moves.rolling(50).mean()).astype(float).where(later.notna())",
    "volume": 'later = frame["volume"].shift(-ahead)\n'
    'return (later > frame["volume"].rolling(20).mean()).astype(float).where(later.notna())',
    "back to the mean": 'mean = frame["close"].rolling(20).mean()\n'
    'high = frame["high"].rolling(ahead).max().shift(-ahead)\n'
    'low = frame["low"].rolling(ahead).min().shift(-ahead)\n'
    "return ((low <= mean) & (mean <= high)).astype(float).where(high.notna())",
}


@pytest.mark.parametrize("body", LABELS.values(), ids=LABELS)
def test_an_honest_label_is_kept(body, found):
    assert found(label(body)) == {"ends with its horizon": "", "is unknown at its decision": ""}


@pytest.mark.parametrize(
    "line",
    [
        'column = frame["close"].where(frame["volume"] > 0).bfill().ffill() / frame["close"]',
        "key = frame.index[0]\n"
        "    if len(CACHE.get(key, ())) < len(frame):\n"
        '        CACHE[key] = (frame["close"].shift(-1) / frame["close"]).fillna(1.0)\n'
        "    column = CACHE[key].reindex(frame.index)",
    ],
    ids=["on bars without volume", "by a cache"],
)
@pytest.mark.slow
def test_steps_that_look_ahead_are_refused(line, found):
    said = found(f"""
from dataclasses import replace
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.features import compute_features

def peeks(frame):
    matrix = compute_features(frame, ["return_log_1", "rsi_14"])
    values = matrix.values.copy()
    {line}
    values[matrix.warmup_bars :, 0] = column.to_numpy()[matrix.warmup_bars :]
    return replace(matrix, values=values)

plugins.steps(Steps(features=peeks))
""")
    assert "The step features looks ahead: its feature `return_log_1`" in said["knows no future"]


def test_rough_bars_are_bars_of_every_kind_cut_after_each():
    bars = rough_bars()
    canonical = simulate_bars(100, seed=0).bars
    dataclasses.replace(canonical, frame=bars.frame)
    assert set(bars.cuts.values()) == set(ODD)
    frame, steps = bars.frame, np.diff(bars.frame.index.to_numpy()) / np.timedelta64(1, "h")
    for cut, name in bars.cuts.items():
        last = frame.iloc[cut - 1]
        flat, silent = last["high"] == last["low"], last["volume"] == 0
        if "flat" in name:
            assert flat
        if "volume" in name:
            assert silent
        if "before a gap" in name:
            assert steps[cut - 1] > 1
        if "after a gap" in name:
            assert steps[cut - 2] > 1
    assert any(cut > 4_000 and len(frame) - cut > 3_000 for cut in bars.cuts)
    cut = next(iter(bars.cuts))
    other = another_future(frame, cut)
    dataclasses.replace(canonical, frame=other)
    assert other[:cut].equals(frame[:cut])
    assert not (other[cut:].to_numpy() == frame[cut:].to_numpy()).all(axis=1).any()
    for warmup in (2_000, 6_000):
        assert len(plain_bars(warmup).frame) == 2 * warmup + 1_000
        assert min(*plain_bars(warmup).cuts, *rough_bars(warmup).cuts) > warmup + 100


def test_code_that_is_run_anew_has_kept_nothing(tmp_path):
    (tmp_path / "mine.py").write_text(BEGIN + feature("CACHE[len(CACHE)] = 1\nreturn len(CACHE)"))
    with plugins.plugins_loaded([tmp_path / "mine.py"]):
        plugin = plugins.loaded()["mine"]
        plugin.module.mine(None)
        assert plugin.module.mine(None) == 2
        run_anew(plugin)
        assert plugin.module.mine(None) == 1
        assert plugin.registered == ["feature mine"]
        (tmp_path / "mine.py").write_text("1 / 0\n")
        with pytest.raises(plugins.PluginError, match=r"ZeroDivisionError.*mine.py, line 1"):
            run_anew(plugin)
        assert "mine" not in plugins.loaded()
