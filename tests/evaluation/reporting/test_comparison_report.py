"""Many models on one page: what is claimed after correction first, page and JSON with one voice."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.measures.metrics import classification_metrics
from ultimate_deep.evaluation.reporting.comparison import render_comparison, write_comparison_report
from ultimate_deep.evaluation.reporting.comparison_data import (
    ComparedModel,
    ComparisonData,
    FurtherTable,
)
from ultimate_deep.evaluation.reporting.grid import Column
from ultimate_deep.evaluation.reporting.json_report import report_json
from ultimate_deep.evaluation.robustness.regimes import Regimes
from ultimate_deep.evaluation.significance.intervals import (
    AccountRows,
    DecisionRows,
    IntervalConfig,
    headline_intervals,
)
from ultimate_deep.evaluation.significance.multiple_comparison import model_confidence_set
from ultimate_deep.evaluation.significance.overfitting import backtest_overfitting
from ultimate_deep.evaluation.significance.summary import sharpe_significance
from ultimate_deep.experiments.judging.comparable import rules_note
from ultimate_deep.experiments.summary import render_comparison as render_comparison_on_screen

FIGURE = re.compile(r'data-figure="([^"]+)"(?: data-scale="([^"]+)")?>([^<]*)<')
QUICK = IntervalConfig(resamples=400)


def make_model(run, name, skill, *, readings=3, baseline=False):
    probability = np.clip(0.5 + skill * (run.probability - 0.5), 0, 1)
    account = run.trade(run.signal(probability), run.config)
    verdict = run.verdict(probability, account, simulated=True, readings=readings)
    intervals = headline_intervals(
        DecisionRows(label=run.label, probability=probability),
        AccountRows(return_net=account.return_net, bars_per_year=8760.0),
        QUICK,
    )
    return ComparedModel(
        name=name,
        verdict=verdict,
        metrics=classification_metrics(run.label, probability) | account.metrics,
        intervals=intervals | {"advantage": verdict.advantage},
        sharpe=sharpe_significance(account.return_net, bars_per_year=8760.0, trials=3.0),
        backtest=account,
        share_left_after_delay=0.4,
        baseline=baseline,
        calls={
            "up_right": 300.0,
            "up_wrong": 150.0 + readings,
            "down_right": 280.0,
            "down_wrong": 170.0,
            "precision": 0.66,
            "recall": 0.64,
            "f1": 0.65,
        },
        regimes=Regimes(
            table=REGIMES,
            volatility_edges=(0.1, 0.2),
            edges_in_sample=False,
            sentence="Nothing survives.",
        ),
    )


REGIMES = pd.DataFrame(
    {
        "kind": ["trend", "volatility", "hour"],
        "regime": ["up", "low", "13"],
        "net_return_bps": [1.25, -0.5, 2.0],
        "net_lower_bps": [-1.0, np.nan, 1.0],
        "net_upper_bps": [2.5, np.nan, 3.0],
    }
)
HOPES = FurtherTable(
    title="What was hoped for",
    hint="Hopes & figures.",
    columns=(Column("target", ""), Column("measured", "measured", "{:.3f}")),
    rows=[{"target": "win rate", "measured": 0.5125}, {"target": "none", "measured": np.nan}],
)


@pytest.fixture(scope="module")
def models(run):
    return {
        "good": make_model(run, "good", 1.0),
        "bad": make_model(run, "bad / <worse>", -1.0),
        "base": make_model(run, "logistic", 0.9, baseline=True),
    }


@pytest.fixture(scope="module")
def data(run, models):
    losses = pd.DataFrame(
        {
            model.name: np.square(run.label - 0.5 - skill * (run.probability - 0.5))
            for model, skill in zip(models.values(), (1.0, -1.0, 0.9), strict=True)
        }
    )
    accounts = np.column_stack([model.backtest.return_net for model in models.values()])
    return ComparisonData(
        title="three",
        simulated=True,
        models=list(models.values()),
        confidence_set=model_confidence_set(losses),
        superior={"Hansen's SPA": 0.03},
        overfitting=backtest_overfitting(accounts),
        pairwise=np.array([[np.nan, 0.001, 0.2], [0.001, np.nan, 0.01], [0.2, 0.01, np.nan]]),
        tables=[HOPES],
        facts={"rows": "900"},
    )


@pytest.fixture(scope="module")
def page(data):
    return render_comparison(data)


def test_page_and_json_have_the_same_figures(data, page):
    fields = report_json(data)
    seen = set()
    for path, scale, text in FIGURE.findall(page):
        value = fields
        for step in unescape(path).split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            value = value[int(step)] if isinstance(value, list) else value[step]
        seen.add(unescape(path))
        if value is None:
            assert text in ("\u2013", "∞", "-∞")
            continue
        digits = len((re.search(r"\.(\d+)", text) or ["", ""])[1])
        unit = 0.01 if "%" in text else 1.0
        shown = float(re.search(r"[-+]?\d[\d,]*\.?\d*", text).group(0).replace(",", ""))
        if text.startswith(("more than", "less than")):
            assert (value > shown * unit) == text.startswith("more")
            continue
        assert abs(shown * unit - value * float(scale or 1)) <= 0.5001 * unit * 10.0**-digits
    assert len(seen) > 40
    assert {
        "looks",
        "superior/Hansen's SPA",
        "overfitting/probability",
        "pairwise/p_values/0/1",
        "models/1/sharpe/dependent_deflated",
        "models/0/intervals/sharpe/upper",
        "models/2/share_left_after_delay",
        "confidence_set/p_values/bad ~1 <worse>",
        "models/1/calls/up_wrong",
        "models/2/metrics/win_rate",
        "models/0/regimes/table/0/net_lower_bps",
        "models/2/regimes/table/1/net_return_bps",
        "tables/0/rows/0/measured",
    } <= seen
    # Hours are in each model's own report, and bounds that are unknown are not shown.
    assert not {"models/0/regimes/table/2/net_return_bps"} & seen
    assert not {"models/0/regimes/table/1/net_lower_bps"} & seen
    assert fields["claiming"] == ["good"]
    assert fields["verdict"] == "edge"


def test_the_verdict_comes_first_and_every_part_is_there(data, page):
    plain = re.sub(r"<style.*?</style>|<nav.*?</nav>|<[^>]+>", "", page, flags=re.DOTALL)
    text = unescape(plain)
    places = [
        text.index(words)
        for words in (
            data.finding,
            "Model by model",
            "Every verdict in full",
            "What each calls",
            "How far chance reaches",
            "Equity",
            "When each works",
            "What was hoped for",
            "Each against each",
            "What was run",
            "What these numbers do not promise",
        )
    ]
    assert places == sorted(places)
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) == 4
    assert all("simulated bars" in picture for picture in pictures)
    assert "#0a0b" not in page
    assert "<worse>" not in page


def test_findings_in_words(run, models):
    good, bad, base = models["good"], models["bad"], models["base"]

    def finding(*chosen):
        return ComparisonData(title="t", simulated=True, models=chosen).finding

    assert finding(good, bad, base) == (
        "1 of 2 models claims an edge: good. Each bound is corrected for 3 models judged on these "
        "bars."
    )
    assert finding(bad).startswith("The model has no edge.")
    assert finding(bad, replace(bad, name="b")).startswith("No model has an edge.")
    alone = make_model(run, "alone", 1.0, readings=1)
    assert finding(alone) == "The model claims an edge. One model was judged on these bars."
    assert "not corrected for all 2 models" in finding(alone, bad)
    unsure = replace(
        good,
        name="unsure",
        verdict=replace(good.verdict, kind="cannot tell yet", bars_needed=12_345),
    )
    both = ComparisonData(title="t", simulated=True, models=[unsure, bad])
    assert both.kind == "cannot tell yet"
    assert both.bars_needed == 12_345
    assert "Neither model claims an edge. For unsure it cannot be told; about 12,345" in (
        both.finding
    )
    three = ComparisonData(title="t", simulated=True, models=[unsure, bad, replace(bad, name="b")])
    assert three.finding.startswith("None of 3 models claims an edge. For unsure")


def test_models_that_predict_the_same_count_as_one(run, models):
    one = make_model(run, "one", 1.0, readings=1)
    same = ComparisonData(
        title="t", simulated=True, models=[one, replace(one, name="two")], distinct=1
    )
    said = "Both make the same predictions and count as one model."
    assert same.finding == f"2 of 2 models claim an edge: one and two. {said}"
    page = render_comparison(same)
    assert f"1</span></b><span>model that each bound is corrected for</span><span>{said}" in page
    unlike = replace(same, distinct=2)
    assert "not corrected for all 2 models" in unlike.finding
    three = replace(
        same,
        models=[replace(models["good"], name=name) for name in "abcd"],
        distinct=3,
    )
    assert three.finding.endswith(
        "for 3 models judged on these bars. Those that make the same predictions count as one "
        "model."
    )
    assert replace(three, distinct=4).finding.endswith("looks better than it is.")


def test_settings_that_another_rule_replaces_are_named(models):
    own = {"backtest.capital": 1_000.0, "backtest.mode": "long_flat", "backtest.limit": None}
    used = own | {"backtest.capital": 100_000.0, "backtest.limit": 0.5}
    assert rules_note([("a", used), ("b", used)]) == ""
    said = rules_note([("a", used), ("b", own), ("c", used)])
    assert said == (
        "Every model is judged by the rule of a: b with backtest.capital 100,000 instead of "
        "1,000, backtest.limit 0.5 instead of none."
    )
    data = ComparisonData(title="t", simulated=True, models=[models["good"]], rules=said)
    assert f"<p>{said}</p>" in render_comparison(data)
    assert report_json(data)["rules"] == said
    assert said in str(render_comparison_on_screen(data).renderables[1])


def test_a_baseline_claims_nothing(models):
    data = ComparisonData(title="t", simulated=True, models=[models["bad"], models["base"]])
    assert models["base"].verdict.kind == "edge"
    assert data.kind == "no edge"
    assert data.claiming == []


def test_a_single_model_without_anything_optional_is_a_clean_page(models, tmp_path):
    bare = ComparedModel(name="one", verdict=models["bad"].verdict, metrics={})
    path = tmp_path / "compare.html"
    write_comparison_report(path, ComparisonData(title="t", simulated=False, models=[bare]))
    page = path.read_text(encoding="utf-8")
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)
    assert "<svg" not in page
    assert [file.name for file in tmp_path.iterdir()] == ["compare.html"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": []}, "at least one model"),
        ({"pairwise": np.zeros((1, 1))}, r"shape \(3, 3\)"),
    ],
)
def test_bad_input_is_named(data, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(data, **changes)


def test_names_are_unique_and_known(data, models):
    with pytest.raises(ValueError, match="names of their own"):
        replace(data, models=[models["good"], models["good"]], pairwise=None)
    with pytest.raises(ValueError, match="confidence_set has models"):
        replace(data, models=[models["bad"]], pairwise=None)
