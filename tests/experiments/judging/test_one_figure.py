"""One figure has one value wherever a report shows it, and no two sentences contradict."""

import json
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.evaluation.verdicts.rule import QUESTIONS

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


def _too_sure(truth, draw):
    right = draw.random(len(truth)) < 0.62
    return (0.5 + 0.499 * np.where(right, 1.0, -1.0) * np.sign(truth - 0.5)).rename(None)


def _bouncing() -> tuple[pd.DataFrame, pd.Series]:
    """Trades at bid or ask of a random walk, whose opens repeat the close before, and a forecast
    that knows the side of the last one.
    """
    draw = np.random.default_rng(2)
    mid = np.cumsum(8e-4 * draw.normal(size=ROWS))
    side = draw.choice([-1.0, 1.0], ROWS)
    close = 100.0 * np.exp(mid + 1.2e-3 * side)
    opened = np.r_[100.0, close[:-1]]
    frame = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * 1.0005,
            "low": np.minimum(opened, close) * 0.9995,
            "close": close,
            "volume": 1e7,
        },
        index=pd.date_range("2020-01-01", periods=ROWS, freq="h", tz="UTC"),
    )
    return frame, pd.Series(0.5 - 0.2 * side, frame.index)


OUTCOMES = {
    "edge": (_truth, {}),
    "impact is paid": (_truth, {"costs": {"impact_coefficient": 1.0}}),
    "noise": (_noise, {}),
    "wrong": (_wrong, {}),
    "never trades": (_sure_of_nothing, {"threshold": 0.8}),
    "always up": (_always_up, {}),
    "few": (_few, {}),
    "dear": (_truth, {"costs": {"fee_bps": 400.0}, "mode": "long_short"}),
    "large": (_truth, {"capital": 1.2e9, "costs": {"fee_bps": 60.0}, "mode": "long_short"}),
    "too large": (_truth, {"capital": 1e11}),
    "too sure": (_too_sure, {}),
}


NAMES = (*OUTCOMES, "stale")


@pytest.fixture(scope="module")
def reports(bars, tmp_path_factory, plain_figures):
    index = bars.frame().index
    truth = pd.Series(bars.probability_up["SIMULATED"], index)[END + 2 : -2]
    given = {
        name: (make(truth, np.random.default_rng(1)), bars, index, options)
        for name, (make, options) in OUTCOMES.items()
    }
    frame, forecast = _bouncing()
    given["stale"] = (forecast[END + 2 : -2], frame, frame.index, {"mode": "long_short"})
    found = {}
    for name, (forecast, judged_bars, times, options) in given.items():
        folder = tmp_path_factory.mktemp("judged")
        judged = ud.judge(
            forecast, judged_bars, trained_until=times[END], baselines=False, artifacts=folder,
            **options,
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
        if said["impact"] is not None:
            own = [row for row in robust["capacity"]["table"] if row["capital"] == said["capital"]]
            if bound == "estimate":
                paid = 1e4 * said["impact"]["estimate"]
                yield "with impact", [paid, *(row["net_return_bps"] for row in own)]
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
    for name, figure in report["figures"].items():
        typed = [figure["value"]]
        if name in model["metrics"]:
            typed.append(model["metrics"][name])
        if figure["interval"] is not None:
            typed.append(assessed["intervals"][name]["estimate"])
        yield f"typed {name}", typed
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


@pytest.mark.parametrize("name", NAMES)
def test_one_figure_has_one_value(reports, name):
    report, _ = reports[name]
    for figure, values in _values(report):
        assert _same(values), (name, figure, values)


@pytest.mark.parametrize("name", NAMES)
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


def test_every_figure_has_its_unit_and_its_definition(reports):
    for report, page in reports.values():
        for name, figure in report["figures"].items():
            assert figure["means"].endswith("."), name
            assert figure["unit"], name
            assert figure["rows"] > 0 or figure["of"] == "trades", name
            assert escape(figure["title"]) in page


def test_two_values_of_one_figure_would_be_noticed(reports):
    report = json.loads(json.dumps(reports["noise"][0]))
    report["assessment"]["intervals"]["accuracy"]["lower"] += 1e-3
    wrong = [figure for figure, values in _values(report) if not _same(values)]
    assert wrong == ["accuracy lower"]


# What words of a report say is so, or is not.
SAYS = {
    "Edge:": {"knows": True, "pays": True, "lucky": False, "simplest": True, "fills": True},
    "Earns, but others": {"knows": True, "pays": True, "simplest": False},
    "Cannot tell yet:": {"told": False},
    "Forecasts, but not": {"knows": True, "pays": False, "told": True},
    "Earns, but not": {"knows": False, "pays": True, "told": True},
    "No edge:": {"told": True},
    "Does it know something? yes": {"knows": True, "ranks": True},
    "Does it know something? no": {"knows": False},
    "Does it know something? open": {"knows": None},
    "Does it pay? yes": {"pays": True},
    "Does it pay? no": {"pays": False},
    "Does it pay? open": {"pays": None},
    "Could you have had it? yes": {"fills": True},
    "Could you have had it? open": {"fills": None},
    "Is it more than luck? yes": {"lucky": False},
    "Is it more than luck? open": {"lucky": None},
    "Is it this model? yes": {"simplest": True},
    "Is it this model? no": {"simplest": False},
    "No simpler one is shown to earn more": {"simplest": True},
    "more simply": {"simplest": False},
    "more than chance, but": {"knows": True},
    "could be chance": {"knows": None},
    "probabilities that are calibrated": {"knows": None, "ranks": True},
    "no better than chance": {"knows": False, "ranks": False},
    "no more than always naming": {"knows": False},
    "nothing is earned by it": {"pays": False, "earns": False},
    "nothing is earned at that size": {"pays": False, "earns": True, "carries": False},
    "too much to know its impact": {"told": False},
    "lower bound of what it earns": {"pays": None},
    "needs a fill at the opening print": {"fills": None},
    "its deflated Sharpe ratio is": {"lucky": None},
    "never traded": {"trades": False},
    "per bar after costs": {"trades": True},
    "never trades, so": {"trades": False},
    "trades nothing": {"trades": False},
    "does not gain; of": {"earns": False},
    "There is no net return that a delay could take": {"earns": False},
    "There is no net return even without impact": {"earns": False},
    "Nothing is gained even without a cost": {"earns": False},
    "are charged, which is more than it can bear": {"earns": False},
    "so costs could grow": {"earns": True},
    "The net return is gone": {"earns": True, "stays": False},
    "of the net return is left": {"earns": True, "stays": True},
    "Nothing of the net return is lost": {"earns": True, "stays": True},
    "Impact does not halve": {"earns": True, "carries": True},
}
# What cannot be so at once.
EXCLUDED = (
    ({"pays": True}, {"earns": False}),
    ({"pays": True}, {"carries": False}),
    ({"pays": True}, {"trades": False}),
    ({"knows": True}, {"ranks": False}),
    ({"earns": True}, {"trades": False}),
    ({"edge": True}, {"stays": False}),
    ({"edge": True}, {"told": False}),
)


def _contradictions(said):
    """Return the pairs of words in a text that cannot both be true."""
    claims = [(words, what) for words, what in SAYS.items() if words in said]
    if "Edge:" in said:
        claims.append(("Edge:", {"edge": True}))
    found = []
    for place, (one, first) in enumerate(claims):
        for other, second in claims[place:]:
            unlike = any(first[name] != second[name] for name in first.keys() & second.keys())
            excluded = any(
                a.items() <= x.items() and b.items() <= y.items()
                for a, b in EXCLUDED
                for x, y in ((first, second), (second, first))
            )
            if unlike or excluded:
                found.append((one, other))
    return found


def _sentences(report):
    verdict, robust = report["verdict"], report["assessment"]["robustness"]
    parts = [one["sentence"] for one in robust.values() if isinstance(one, dict)]
    asked = [f"{one['question']} {one['word']}. {one['sentence']}" for one in verdict["answers"]]
    capital = robust["capacity"]
    if capital["capital_gone"] is not None and verdict["evidence"]["impact"] is not None:
        # What capacity finds is what the question of pay has found, at the account's own size.
        beyond = capital["capital_gone"] < capital["capital"]
        assert beyond == (verdict["evidence"]["impact"]["estimate"] < 0.0)
    return " ".join([verdict["sentence"], *asked, *parts])


@pytest.mark.parametrize("name", NAMES)
def test_no_two_sentences_contradict_each_other(reports, name):
    said = _sentences(reports[name][0])
    assert _contradictions(said) == [], said


def test_the_words_that_are_compared_are_said_somewhere(reports):
    said = " ".join(_sentences(report) for report, _ in reports.values())
    source = " ".join(
        path.read_text()
        for room in ("verdicts", "robustness")
        for path in sorted((Path(ud.__file__).parent / "evaluation" / room).glob("*.py"))
    ).replace('"\n            "', "")
    lost = [
        words
        for words in SAYS
        if words not in said
        and not any(part.lower() in source.lower() for part in (words, words.rstrip(":")))
        and words.split("? ")[0] + "?" not in QUESTIONS.values()
    ]
    assert lost == []


def test_the_report_of_before_would_be_noticed():
    """What a report said of bouncing trades until November 2026."""
    assert _contradictions(
        "Edge: right on 59.45% of 1,484 decision times. The net return is gone after a delay of 1 "
        "bar (+0.623 to -1.561 bps per bar): it hangs on fills right at the next open."
    ) == [("The net return is gone", "Edge:")]
    assert _contradictions(
        "No edge: right, but -0.2 bps per bar after costs: nothing is earned by it. Does it pay? "
        "yes. The mean net return per bar is zero at 9 bps; 2 are charged, so costs could grow."
    )


def test_each_outcome_has_its_word(reports):
    words = {name: report["verdict"]["kind"] for name, (report, _) in reports.items()}
    assert words["edge"] == "edge"
    assert words["few"] == "cannot tell yet"
    assert words["dear"] == "forecasts, but not at a price you get"
    assert words["large"] == "forecasts, but not at a price you get"
    assert words["too large"] == words["too sure"] == words["stale"] == "cannot tell yet"
    assert words["impact is paid"] == "edge"
    assert words["never trades"] == "no edge"
    assert words["wrong"] == "no edge"
    assert {words["noise"], words["always up"]} <= {
        "no edge",
        "cannot tell yet",
        "earns, but not by forecasting",
    }
