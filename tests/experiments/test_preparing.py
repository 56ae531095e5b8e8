"""What is learnt from, for nets trained elsewhere; bars and judgements without Keras."""

import doctest
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep import plugins
from ultimate_deep.experiments import preparing
from ultimate_deep.experiments.checking.check import check_plugin, needs_keras

NAMES = ["return_log_1", "return_log_2", "rsi_14"]
FEATURE = """
from ultimate_deep import plugins

@plugins.feature(warmup_bars=1)
def gap(bars):
    return bars["open"] / bars["close"].shift(1) - 1
"""


def test_the_example_runs():
    found = doctest.DocTestFinder(recurse=False).find(preparing.prepare, "prepare")
    assert [len(one.examples) for one in found] == [5]
    assert doctest.DocTestRunner().run(found[0]).failed == 0


@pytest.mark.usefixtures("plain_figures")
def test_a_run_prepares_the_same(tmp_path):
    """And gives its accounts as one table, whose ends are the figures."""
    bars = ud.simulate_bars(1_200, seed=3)
    config = ud.ExperimentConfig(
        model={"name": "linear"}, features={"names": NAMES}, fit={"epochs": 1},
        baselines=False, artifacts=str(tmp_path),
    )  # fmt: skip
    prepared = ud.prepare(config, bars=bars.frame())
    net = ud.build_model("linear", prepared.inputs.shapes)
    run = ud.run(config, bars=bars.frame(), net=net, tried=7, progress=False)
    trials = json.loads((run.folder / "metrics.json").read_text())["trials"]
    assert trials["effective_by_kind"]["training"] == 7.0
    assert trials["test_readings"] == 1  # the seven were chosen from on validation
    with pytest.raises(ValueError, match="got 7 and no net; give net="):
        ud.run(config, bars=bars.frame(), tried=7, progress=False)
    for part in ("train", "validation", "test"):
        before, after = prepared.arrays(part), run.prepared.arrays(part)
        np.testing.assert_array_equal(before.x, after.x)
        np.testing.assert_array_equal(before.y, after.y)
    again = ud.backtest(run.folder, bars.frame())
    for found in (run, again):
        ends = found.equity.iloc[-1] - 1.0
        assert ends["model"] == pytest.approx(found.figures["model"]["total_return"], abs=1e-12)
        assert len(found.trades) == found.figures["model"]["trades"]
    assert list(again.equity) == ["model", "persistence", "buy and hold"]
    assert again.figures.buy_and_hold.trades == again.figures["buy and hold"]["trades"]
    with pytest.raises(AttributeError, match="no contender 'forest'; there are model, "):
        _ = again.figures.forest
    summary = json.loads((run.folder / "summary.json").read_text())
    assert summary["ledgers"] == list(run.outcome.trials.ledgers)
    assert summary["trials"]["independent"] == run.outcome.trials.effective_trials
    short = (run, run.outcome, run.assessment, run.verdict, run.prepared, again, prepared)
    assert all(len(repr(one)) < 500 for one in short)
    assert all("<" in one._repr_html_() for one in (run, run.verdict, run.prepared, run.figures))
    # Nobody knows these bars' file, and none are simulated in their place.
    with pytest.raises(ValueError, match=r"given in Python and no file .*; name it, as in --data"):
        ud.backtest(run.folder)
    # The test part of the run, on the bars that its account covers.
    assert again.equity["model"].equals(run.equity["model"])


def test_named_features_are_what_baselines_read(tmp_path):
    """Few of them need few bars, and a name that does not exist is not passed over."""
    bars = ud.simulate_bars(700, seed=3)
    index = bars.frame().index
    draw = np.random.default_rng(0)
    mine = pd.Series(draw.uniform(size=len(index)), index=index)[452:-2]
    given = {"trained_until": index[449], "artifacts": tmp_path}
    found = ud.judge(mine, bars, **given, features=["return_log_1", "return_log_2"])
    assert "random forest" in found.figures
    assert list(found.equity) == list(found.figures)
    without = ud.judge(mine, bars, **given)
    assert "random forest" not in without.figures
    assert any("features" in note for note in without.notes)
    with pytest.raises(ValueError, match="unknown features: 'nothing_1'"):
        ud.judge(mine, bars, **given, features=["nothing_1"])


def test_what_is_refused_says_from_when_on_it_is_not():
    bars = ud.simulate_bars(700, seed=3)
    index = bars.frame().index
    mine = pd.Series(0.6, index=index)[:-6]
    with pytest.raises(ValueError, match="2000-01-19 17:00:00") as refused:
        ud.judge(mine, bars, 4, trained_until=index[449], baselines=False)
    remedy = str(refused.value).split("on: ")[1]
    rest = eval(remedy, {"probabilities": mine})
    assert rest.index[0] == index[449 + 5]
    assert ud.judge(rest, bars, 4, trained_until=index[449], baselines=False).verdict


def test_a_table_is_not_read():
    with pytest.raises(ValueError, match="got DataFrame; a DataFrame is not read but given"):
        ud.read_bars(pd.DataFrame({"open": [1.0]}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="names a file"):
        ud.read_bars(())


def test_bars_features_and_judgements_need_no_keras(tmp_path):
    (tmp_path / "my_gap.py").write_text(FEATURE)
    code = """
    import sys
    import pandas as pd
    import ultimate_deep as ud
    ud.plugins.load("my_gap.py")
    bars = ud.simulate_bars(700)
    bars.frame().to_csv("bars.csv")
    bars = ud.read_bars("bars.csv")
    ud.compute_features(bars, ["gap"])
    mine = pd.Series(0.6, index=bars.frame().index)[452:-2]
    until = bars.frame().index[449]
    ud.judge(mine, bars, trained_until=until, baselines=False)
    print({"keras", "tensorflow"} & set(sys.modules))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, env=os.environ,
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert done.stdout == "set()\n"


def test_features_are_checked_without_keras(tmp_path):
    (tmp_path / "my_gap.py").write_text(FEATURE)
    with plugins.plugins_loaded([tmp_path / "my_gap.py"]):
        plugin = plugins.loaded()["my_gap"]
        assert not needs_keras(plugin)
        assert all(finding.kept for finding in check_plugin(plugin))
        plugin.registered.append("label x")
        assert not needs_keras(plugin)
        plugin.registered.append("net x")
        assert needs_keras(plugin)
        del plugin.registered[-2:]
