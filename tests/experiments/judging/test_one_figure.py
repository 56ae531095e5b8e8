"""One figure has one value wherever a report shows it, and no two sentences contradict."""

import json

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud

pytestmark = pytest.mark.usefixtures("plain_figures")

ROWS, END = 1_800, 899


@pytest.fixture(scope="module")
def bars():
    return ud.simulate_bars(ROWS, edge=0.3, seed=3)


def _truth(truth, draw):
    return truth


def _noise(truth, draw):
    return truth * 0.0 + draw.uniform(0.3, 0.7, len(truth))


def _wrong(truth, draw):
    return 1.0 - truth


def _sure_of_nothing(truth, draw):
    return truth * 0.0 + 0.51


def _always_up(truth, draw):
    return truth * 0.0 + 0.9


def _few(truth, draw):
    return truth.iloc[:60]


OUTCOMES = {
    "edge": (_truth, {}),
    "noise": (_noise, {}),
    "wrong": (_wrong, {}),
    "never trades": (_sure_of_nothing, {"threshold": 0.8}),
    "always up": (_always_up, {}),
    "few": (_few, {}),
    "dear": (_truth, {"costs": {"fee_bps": 400.0}, "mode": "long_short"}),
}


@pytest.fixture(scope="module")
def reports(bars, tmp_path_factory, plain_figures):
    index = bars.frame().index
    truth = pd.Series(bars.probability_up["SIMULATED"], index)[END + 2 : -2]
    found = {}
    for name, (make, options) in OUTCOMES.items():
        folder = tmp_path_factory.mktemp("judged")
        judged = ud.judge(
            make(truth, np.random.default_rng(1)), bars, trained_until=index[END],
            baselines=False, artifacts=folder, **options,
        )  # fmt: skip
        saved = judged.save(folder / "saved")
        found[name] = (
            json.loads((saved / "report.json").read_text()),
            (saved / "report.html").read_text(),
        )
    return found


def _values(report):
    """Yield each figure's name with every value that the report has of it."""
    said, assessed = report["verdict"]["evidence"], report["assessment"]
    model = report["contenders"][0]
    robust = assessed["robustness"]
    now, later = robust["delay"]["table"][0], robust["delay"]["table"][1]
    chosen = [row for row in robust["thresholds"]["table"] if row["chosen"]]
    account = (model["metrics"], report["backtest"]["model"])
    for bound in ("estimate", "lower", "upper"):
        own = {"estimate": "accuracy"}.get(bound, f"accuracy_{bound}")
        yield (
            f"accuracy {bound}",
            [
                said["hits"]["accuracy"][bound],
                assessed["intervals"]["accuracy"][bound],
                model["accuracy"][bound],
                now[own],
            ],
        )
        net = {"estimate": "net_return_bps"}.get(bound, f"net_{bound}_bps")
        yield (
            f"net return {bound}",
            [
                1e4 * said["net"][bound],
                assessed["intervals"]["mean_return_net_bps"][bound],
                now[net],
            ],
        )
        yield f"one bar later {bound}", [1e4 * said["later"][bound], later[net]]
    yield (
        "net return",
        [
            1e4 * said["net"]["estimate"],
            *(one["mean_return_net_bps"] for one in account),
            *(row["net_return_bps"] for row in chosen),
        ],
    )
    yield (
        "total return",
        [
            *(one["total_return"] for one in account),
            *(row["net_return"] for row in (now, *chosen)),
        ],
    )
    yield (
        "Sharpe ratio",
        [
            *(one["sharpe"] for one in account),
            *(row["sharpe"] for row in (now, *chosen)),
            assessed["sharpe"]["per_year"],
            assessed["intervals"]["sharpe"]["estimate"],
        ],
    )
    yield "deflated", [said["deflated"], assessed["sharpe"]["dependent_deflated"]]
    yield "trials", [said["trials"], assessed["sharpe"]["trials"]]
    yield (
        "win rate of trades",
        [
            account[0]["win_rate"],
            assessed["intervals"]["win_rate"]["estimate"],
        ],
    )


def _same(values):
    known = [one for one in values if one is not None]
    if len(known) < len(values):
        return not known
    return known == pytest.approx([known[0]] * len(known), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", OUTCOMES)
def test_one_figure_has_one_value(reports, name):
    report, _ = reports[name]
    for figure, values in _values(report):
        assert _same(values), (name, figure, values)


@pytest.mark.parametrize("name", OUTCOMES)
def test_one_report_has_one_level(reports, name):
    report, _ = reports[name]
    levels = set()

    def walk(value):
        if isinstance(value, dict):
            if "block_bars" in value:
                levels.add(round(value["level"], 12))
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(report)
    assert levels == {round(1.0 - 2.0 * report["verdict"]["evidence"]["error_rate"], 12)}


def test_two_values_of_one_figure_would_be_noticed(reports):
    report = json.loads(json.dumps(reports["noise"][0]))
    report["assessment"]["intervals"]["accuracy"]["lower"] += 1e-3
    wrong = [figure for figure, values in _values(report) if not _same(values)]
    assert wrong == ["accuracy lower"]


# What a report must not say together, each as words of two sentences.
CONTRADICTIONS = (
    ("eat the advantage", "does not gain even without"),
    ("Edge:", "is gone"),
    ("Edge:", "does not gain even without"),
    ("never traded", "bps per bar after costs"),
    ("No simpler one is shown to earn more", "more simply"),
    ("nothing is earned by it", "Does it pay? yes"),
    ("no better than chance", "Does it know something? yes"),
)


@pytest.mark.parametrize("name", OUTCOMES)
def test_no_two_sentences_contradict_each_other(reports, name):
    report, _ = reports[name]
    verdict = report["verdict"]
    said = " ".join(
        [
            verdict["sentence"],
            *(f"{one['question']} {one['word']}" for one in verdict["answers"]),
            *(
                one["sentence"]
                for one in report["assessment"]["robustness"].values()
                if isinstance(one, dict)
            ),
        ]
    )
    for one, other in CONTRADICTIONS:
        assert not (one in said and other in said), (name, one, other, said)


def test_each_outcome_has_its_word(reports):
    words = {name: report["verdict"]["kind"] for name, (report, _) in reports.items()}
    assert words["edge"] == "edge"
    assert words["few"] == "cannot tell yet"
    assert words["dear"] == "forecasts, but not at a price you get"
    assert words["never trades"] == "no edge"
    assert words["wrong"] == "no edge"
    assert {words["noise"], words["always up"]} <= {
        "no edge",
        "cannot tell yet",
        "earns, but not by forecasting",
    }
