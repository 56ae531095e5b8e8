"""Predictions from elsewhere are judged as a run's are, and refused where they know too much."""

import json

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.experiments.baselines import majority, persistence

pytestmark = pytest.mark.usefixtures("plain_figures")

ROWS, END = 3_000, 1_499  # the last bar that training saw


@pytest.fixture(scope="module")
def bars():
    return ud.simulate_bars(ROWS, edge=0.3)


@pytest.fixture(scope="module")
def index(bars):
    return bars.frame().index


@pytest.fixture(scope="module")
def truth(bars, index):
    """The true probabilities of the bars after training, but for the last, which have no label."""
    return pd.Series(bars.probability_up["SIMULATED"], index)[END + 2 : -2]


def judged(predictions, bars, index, folder, **options):
    given = {"baselines": False, "artifacts": folder} | options
    return ud.judge(predictions, bars, trained_until=index[END], **given)


def test_who_knows_the_market_has_an_edge(bars, index, truth, tmp_path):
    found = judged(truth, bars, index, tmp_path)
    assert found.verdict.kind == "edge"
    assert found.figures["predictions"]["accuracy"] > 0.75
    assert found.figures["buy and hold"]["trades"] == 1
    assert len(found.trades) == found.figures["predictions"]["trades"]
    assert len(repr(found)) < 400
    assert "<table" in found._repr_html_()


def test_noise_has_none_and_every_look_is_counted(bars, index, truth, tmp_path):
    draw = np.random.default_rng(1)
    noise = [pd.Series(draw.uniform(0.3, 0.7, len(truth)), truth.index) for _ in range(2)]
    first = judged(noise[0], bars, index, tmp_path)
    assert first.verdict.kind != "edge"
    assert first.verdict.readings == 1
    assert judged(noise[0], bars, index, tmp_path).verdict.readings == 1  # the same predictions
    assert judged(noise[1], bars, index, tmp_path / "elsewhere").verdict.readings == 2
    best_of_ten = judged(noise[1], bars, index, tmp_path, tried=10, name="best of my ten")
    assert best_of_ten.verdict.readings == 11
    assert judged(noise[1], bars, index, tmp_path).verdict.readings == 11  # it cannot be unsaid
    with pytest.raises(ValueError, match="at least 1, got 0; give"):
        judged(noise[1], bars, index, tmp_path, tried=0)


def test_a_look_at_other_bars_or_by_other_rules_is_another_look(bars, index, truth, tmp_path):
    """Though the numbers are the same."""
    draw = np.random.default_rng(2)
    values = draw.uniform(0.3, 0.7, 500)
    moved = [pd.Series(values, truth.index[k : k + 500]) for k in (0, 1)]
    looks = [
        judged(moved[0], bars, index, tmp_path),
        judged(moved[1], bars, index, tmp_path),
        judged(moved[1], bars, index, tmp_path, mode="long_short"),
        judged(moved[1], bars, index, tmp_path, threshold=0.6),
        judged(moved[1], bars, index, tmp_path, costs={"fee_bps": 0.0}),
        judged(moved[1][:-3], bars, index, tmp_path, horizon_bars=2),
    ]
    assert [found.verdict.readings for found in looks] == [1, 2, 3, 4, 5, 6]


def test_a_day_without_an_hour_is_all_of_that_day(bars, index, truth, tmp_path):
    day = f"{index[END]:%Y-%m-%d}"
    given = {"baselines": False, "artifacts": tmp_path}
    with pytest.raises(ValueError, match="of them for bars up to it"):
        ud.judge(truth, bars, trained_until=day, **given)
    rest = truth[truth.index.normalize() > index[END].normalize()]
    assert ud.judge(rest[1:], bars, trained_until=day, **given).verdict
    for wrong in (2000, "2000", "yesterday", None, pd.NaT):
        with pytest.raises((TypeError, ValueError), match=r"trained_until must be the time of a"):
            ud.judge(truth, bars, trained_until=wrong, **given)


def test_baselines_know_the_bars_before_and_no_others(bars, index, truth, tmp_path):
    found = judged(truth, bars, index, tmp_path, baselines=True)
    names = ["predictions", "majority", "persistence", "logistic regression", "gradient boosting"]
    assert list(found.figures)[:5] == names
    majority = next(one for one in found.rivals if one.name == "majority")
    from ultimate_deep.market.config import LabelSpec
    from ultimate_deep.market.labels import make_labels

    labels = make_labels(bars.frame(), LabelSpec()).values[: END + 1]
    from ultimate_deep.features.compute import compute_features

    warm = compute_features(bars).warmup_bars
    known = labels[warm:][np.isfinite(labels[warm:])]
    said = "Baselines are fitted on the bars up to the end of training."
    assert said in found.report(tmp_path / "report.html").read_text()
    np.testing.assert_allclose(majority.probability, known.mean())
    # With other bars after the end of training they are the same.
    other = bars.frame().copy()
    other.iloc[END + 3 :, :4] *= 3.0
    again = judged(truth, other, index, tmp_path, baselines=True)
    np.testing.assert_array_equal(
        majority.probability, next(o for o in again.rivals if o.name == "majority").probability
    )


def test_boosting_stops_by_the_newest_of_the_bars_before(bars, index, truth, tmp_path, monkeypatch):
    seen = []

    def watched(inputs):
        seen.append(inputs)
        return majority(inputs)

    named = {"majority": majority, "persistence": persistence, "gradient boosting": watched}
    monkeypatch.setattr("ultimate_deep.experiments.judging.rivals.BASELINES", named)
    judged(truth, bars, index, tmp_path, baselines=True, features=["return_log_1"])
    (inputs,) = seen
    grown, newest = len(inputs.stopping.grown_on), len(inputs.stopping.y)
    assert inputs.weight is None
    assert newest / len(inputs.y_train) == pytest.approx(1 / 6, abs=0.01)
    np.testing.assert_array_equal(inputs.stopping.y, inputs.y_train[-newest:])
    np.testing.assert_array_equal(inputs.stopping.grown_on, np.arange(grown))
    # A label ends an entry and a bar later, so that the last before reach into the newest.
    assert 0 < len(inputs.y_train) - newest - grown <= 2


@pytest.mark.parametrize("horizon", [1, 5])
def test_predictions_that_know_too_much_are_refused_and_the_remedy_works(
    bars, index, horizon, tmp_path
):
    probabilities = pd.Series(0.5, index)[: -1 - horizon]
    options = {"trained_until": index[END], "artifacts": tmp_path, "baselines": False}
    for start, what in ((0, "for bars up to it"), (END + 1, "which the labels of training reach|")):
        given = probabilities[start:]
        if start and horizon == 1:
            given = probabilities[start : start + 400]
        with pytest.raises(ValueError, match=what) as refused:
            ud.judge(given, bars, horizon, **options)
        remedy = str(refused.value).split(": ")[-1]
        kept = eval(remedy, {"probabilities": given})
        assert kept.index[0] == index[END + 1 + horizon]
        assert ud.judge(kept, bars, horizon, **options).judge.config.horizon_bars == horizon


def test_what_is_no_prediction_is_named(bars, index, truth, tmp_path):
    cases = {
        r"probability of up in \[0, 1\] or NaN, got 1.5 .*; for logits give": truth + 1.0,
        "a Series indexed by the bars' opening times": truth.to_numpy(),
        "indexed by the bars' opening times, got int64": truth.reset_index(drop=True),
        "two predictions for the bar of": pd.concat([truth, truth[:1]]),
        "at which no bar opens": truth.set_axis(truth.index + pd.Timedelta("7min")),
        "no prediction that is not NaN": truth * np.nan,
        "no bars of 'X'; the bars are of SIMULATED": {"X": truth},
    }
    cases[r"probability of up in \[0, 1\] or NaN, got 1.5 .*; for logits give"] = truth * 0 + 1.5
    for said, given in cases.items():
        with pytest.raises((ValueError, TypeError), match=said):
            judged(given, bars, index, tmp_path)
    with pytest.raises(ValueError, match=r"the bars begin at .*; give bars that begin before"):
        ud.judge(truth, bars, trained_until="1999-01-01", artifacts=tmp_path)
    with pytest.raises(TypeError, match="trained_until"):
        ud.judge(truth, bars)


def test_it_writes_a_page_and_a_folder_whole(bars, index, truth, tmp_path):
    found = judged(truth, bars, index, tmp_path, name="mine", costs={"fee_bps": 3.0})
    page = found.report(tmp_path / "r.html").read_text()
    assert found.verdict.sentence.split(":")[0] in page
    assert "simulated" in page
    folder = found.save(tmp_path / "kept")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["figures"]["mine"]["accuracy"] == found.figures["mine"]["accuracy"]
    assert len(pd.read_csv(folder / "predictions.csv")) == len(found.judge.part)
    with pytest.raises(FileExistsError, match="never overwritten"):
        found.save(tmp_path / "kept")
    assert found.judge.config.costs.fee_bps == 3.0


def test_several_symbols_are_judged_together(tmp_path):
    two = ud.simulate_bars(2_000, edge=0.3, simulation={"assets": {"count": 2}})
    index = two[next(iter(two))].index
    each = {symbol: pd.Series(two.probability_up[symbol], index)[1_001:-2] for symbol in two}
    pooled = pd.concat(each)
    options = {"trained_until": index[999], "baselines": False, "artifacts": tmp_path}
    one, other = ud.judge(each, two, **options), ud.judge(pooled, two, **options)
    assert one.figures == other.figures
    assert len(one.judge.part) == 2 * len(each[next(iter(two))])


def test_trained_baselines_are_left_out_where_all_labels_before_are_of_one_side(tmp_path):
    step = np.random.default_rng(0).uniform(1e-4, 2e-3, 1_000)
    step[600:] *= np.random.default_rng(1).choice([-1.0, 1.0], 400)
    close = 100.0 * np.exp(np.cumsum(step))
    index = pd.date_range("2020-01-01", periods=1_000, freq="h", tz="UTC")
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    frame = pd.DataFrame(prices | {"volume": 1.0}, index=index)
    predictions = pd.Series(0.6, index[602:-2])
    found = ud.judge(
        predictions, frame, trained_until=index[590], artifacts=tmp_path,
        features=("return_log_1", "rsi_14"),
    )  # fmt: skip
    assert {"majority", "persistence"} <= set(found.figures)
    assert "random forest" not in found.figures
    assert any("labels before the end of training are up" in note for note in found.notes)


def test_the_majority_is_one_where_the_market_turns(tmp_path):
    """Rising bars before, falling ones after: sentence, card and table have one majority."""
    draw = np.random.default_rng(3)
    up = np.where(np.arange(900) < 600, 0.7, 0.3)
    step = 1e-3 * np.where(draw.random(900) < up, 1.0, -1.0) * draw.random(900)
    close = 100.0 * np.exp(np.cumsum(step))
    index = pd.date_range("2020-01-01", periods=900, freq="h", tz="UTC")
    opened = np.r_[100.0, close[:-1]] * np.exp(1e-5 * draw.normal(size=900))
    frame = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": 1e6,
        },
        index=index,
    )
    predictions = pd.Series(draw.uniform(0.3, 0.7, 296), index[602:-2])
    found = ud.judge(
        predictions, frame, trained_until=index[599], artifacts=tmp_path,
        features=("return_log_1", "rsi_14"),
    )  # fmt: skip
    majority = found.figures["majority"].accuracy
    assert majority < 0.4
    assert found.verdict.majority_accuracy == pytest.approx(majority, abs=0.0)
    assert f"the majority's {majority:.2%}" in found.verdict.sentence
    assert "majority_accuracy" not in found.figures["majority"]
