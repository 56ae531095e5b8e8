"""The report: one valid page without network, verdict first, clean where figures are undefined."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.evaluation.measures.metrics import classification_metrics
from ultimate_deep.evaluation.reporting.figures import thin
from ultimate_deep.evaluation.reporting.report import (
    Contender,
    Predictions,
    ReportData,
    render_report,
    write_report,
)
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
from ultimate_deep.evaluation.verdicts.verdict import judge_model
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec

QUICK = VerdictConfig(resamples=500)
VOID = {"meta", "br", "path", "use", "rect", "stop", "image", "line", "circle"}


class Page(HTMLParser):
    """Collects text, checks that every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.titles = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def make_data(*, rows=400, seed=0, label=None, threshold=0.52, simulated=False, **changes):
    generator = np.random.default_rng(seed)
    probability = generator.uniform(0.3, 0.7, rows)
    if label is None:
        label = (generator.random(rows) < probability).astype(float)
    move = np.where(label == 1.0, 1.0, -1.0) * np.abs(generator.normal(0, 0.01, rows))
    price = 100.0 * np.exp(np.concatenate([[0.0, 0.0], np.cumsum(move)]))[: rows + 1]
    index = pd.date_range("2021-03-01", periods=rows + 1, freq="h", tz="UTC")
    frame = pd.DataFrame({"open": price}, index=index)
    part = Predictions(
        label=label, probability=probability, probability_raw=probability**2, return_log=move
    )
    signal = np.append(signal_from_probability(probability, threshold), np.nan)
    account = run_backtest(frame, signal, bars_per_year=8760.0)
    hold = run_backtest(frame, np.ones(rows + 1), bars_per_year=8760.0)
    inputs = EvidenceInputs(
        label=label, probability=probability, return_net=account.return_net, simulated=simulated
    )
    verdict = judge_model(inputs, QUICK)
    metrics = classification_metrics(label, probability) | account.metrics
    fields = {
        "title": "run <7> & more",
        "verdict": verdict,
        "simulated": simulated,
        "test": part,
        "validation": part,
        "threshold": threshold,
        "contenders": [
            Contender(
                name="model",
                metrics=metrics,
                accuracy=verdict.accuracy,
            ),
            Contender(name="buy and hold", metrics=hold.metrics),
        ],
        "backtest": account,
        "buy_and_hold": hold,
        "temperature": 1.3,
        "history": pd.DataFrame({"loss": [0.7, 0.69], "validation_loss": [0.71, np.nan]}),
        "attention": generator.dirichlet(np.ones(5), size=2),
        "attention_units": ["a", "b", "c", "d", "e"],
        "facts": {"symbols": "X"},
        "plan": ["about a minute"],
        "config": {"model": {"name": "mlp", "rate": float("nan")}, "path": ()},
        "notes": ["two gaps <big>"],
        "files": {"model.keras": "the model"},
    }
    return ReportData(**(fields | changes))


@pytest.fixture(scope="module")
def plain_page():
    return render_report(make_data())


def test_the_verdict_comes_first_and_every_section_is_there(plain_page):
    data = make_data()
    page = Page(re.sub(r"<nav.*?</nav>", "", plain_page))
    places = [
        page.text.index(words)
        for words in (
            data.verdict.sentence,
            "Beside the baselines",
            "Equity and drawdown",
            "Fewer trades, more wins?",
            "Forecasts",
            "ROC",
            "forecast of up",
            "Confusion matrix",
            "Learning curves",
            "Where the model looks",
            "Notes on the data and the run",
            "What was run",
            "What these numbers do not promise",
        )
    ]
    assert places == sorted(places)
    for words in ("model.name", "mlp", "two gaps <big>", "run <7> & more", "about a minute"):
        assert words in page.text


def test_the_rule_names_every_option_in_use(plain_page):
    plain = "filled at the next open, long/flat; 1 bps fee and 1 bps slippage per side."
    assert plain in Page(plain_page).text
    rule = BacktestConfig(
        mode="long_short",
        latency_bars=2,
        costs=CostSpec(spread_bps=3.0, borrow_bps_per_year=50.0),
        sizing=SizingSpec(method="kelly"),
        stops=StopSpec(stop_loss=0.02),
    )
    config = {"backtest": dataclasses.asdict(rule)}
    data = make_data(mode=rule.mode, costs=rule.costs, config=config)
    said = (
        "filled at the next open and 2 bars more, long/short; 1 bps fee, 1 bps slippage and half "
        "of 3 bps spread per side; borrowing, bps a year: 50.0; sizing: method kelly; stops: "
        "stop_loss 0.02."
    )
    assert said in Page(render_report(data)).text


def test_the_page_needs_no_network_and_no_script(plain_page):
    text = plain_page
    addresses = set(re.findall(r"https?://[^\"'\s)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    for forbidden in ("<script", "<link", "@import", "<img", "src=", "url(http"):
        assert forbidden not in text
    assert "#0a0b0" not in text  # every marker colour became a variable of the style sheet
    assert "var(--model)" in text


def test_ids_are_unique_and_references_resolve(plain_page):
    text = plain_page
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_simulated_bars_are_named_in_every_table_and_plot(plain_page):
    text = render_report(make_data(simulated=True))
    plots = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(plots) == 9
    for plot in plots:
        assert "simulated bars" in plot
    for caption in re.findall(r"<caption>.*?</caption>", text):
        assert "simulated bars" in caption
    assert text.count("<caption>") == 3
    assert "<b>Simulated bars.</b>" in text
    assert "(simulated bars)</title>" in text
    assert "imulated" not in plain_page


def test_the_same_data_gives_the_same_page(plain_page):
    assert render_report(make_data()) == plain_page


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"threshold": 1.0, "attention": np.zeros(40), "attention_units": ()},
            id="no trades, flat attention",
        ),
        pytest.param({"label": np.ones(400), "history": pd.DataFrame()}, id="one class, no epochs"),
        pytest.param(
            {"rows": 3, "validation": None, "buy_and_hold": None}, id="three rows of test alone"
        ),
        pytest.param(
            {"mode": "long_short", "history": pd.DataFrame({"loss": [np.nan]})},
            id="both sides, undefined loss",
        ),
        pytest.param(
            {"history": None, "attention": None, "notes": ()}
            | {"facts": {}, "config": {}, "plan": (), "files": {}},
            id="nothing optional",
        ),
    ],
)
def test_what_is_empty_or_undefined_still_gives_a_clean_page(changes):
    page = Page(render_report(make_data(**changes)))
    shown = re.sub(r"[\w.]*nan[\w]*", lambda m: "" if m.group(0) != "nan" else "nan", page.text)
    assert not re.search(r"\bnan\b|\bNaN\b|\bNone\b|\binf\b", shown)


def test_of_a_part_without_any_row_nothing_is_drawn():
    nothing = np.full(400, np.nan)
    empty = Predictions(
        label=nothing, probability=nothing, probability_raw=nothing, return_log=nothing
    )
    page = render_report(make_data(test=empty, validation=None))
    usual = render_report(make_data())
    for name in ("ROC curve", "Share of ups by forecast", "Decisions won after costs, at"):
        assert name in usual
        assert name not in page
    assert "Fewer trades, more wins?" in usual
    assert "Fewer trades, more wins?" not in page
    assert "<figure></figure>" not in page


def test_a_ruined_account_is_drawn():
    frame = pd.DataFrame(
        {"open": [1.0, 1.0, 3.0, 3.0]},
        index=pd.date_range("2020-01-01", periods=4, freq="h", tz="UTC"),
    )
    config = BacktestConfig(mode="long_short")
    ruin = run_backtest(frame, [-1.0] * 4, config, bars_per_year=8760.0)
    assert "model, -100.0%" in Page(render_report(make_data(backtest=ruin))).text


def test_the_page_stays_small_for_many_bars():
    assert len(render_report(make_data(rows=50_000))) < 1_500_000


def test_writing_replaces_whole_and_leaves_no_draft(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(path, make_data()) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_report_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(
        "ultimate_deep.evaluation.reporting.report.render_report", lambda data: 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        write_report(path, make_data())
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_thinning_keeps_the_ends_and_the_extremes():
    values = np.random.default_rng(0).normal(size=100_000)
    kept = thin(values, 500)
    assert len(kept) <= 502
    assert {0, 99_999, int(values.argmin()), int(values.argmax())} <= set(kept.tolist())
    np.testing.assert_array_equal(thin(values[:10], 500), np.arange(10))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contenders": []}, "at least one contender"),
        ({"threshold": 0.4, "backtest": None}, "threshold must lie"),
        ({"attention": -np.ones((2, 3))}, "attention must be finite"),
        ({"attention": np.ones((2, 3))}, "3 units, got 5 names"),
        ({"mode": "short"}, "mode must be one of"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        make_data(**changes)


def test_predictions_of_wrong_shape_or_range_are_named():
    good = np.full(3, 0.5)
    with pytest.raises(ValueError, match="one length"):
        Predictions(label=np.ones(2), probability=good, probability_raw=good, return_log=good)
    with pytest.raises(ValueError, match="label must be 0, 1 or NaN"):
        Predictions(label=good, probability=good, probability_raw=good, return_log=good)
    with pytest.raises(ValueError, match="logits"):
        Predictions(label=np.ones(3), probability=good * 4, probability_raw=good, return_log=good)
