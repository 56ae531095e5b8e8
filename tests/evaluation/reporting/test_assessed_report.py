"""The report with its assessment: verdict and delay test first, page and JSON with one voice."""

import json
import math
import re
from dataclasses import replace
from html import escape, unescape

import numpy as np
import pytest

from ultimate_deep.evaluation.reporting.grid import Check, Column, at, checks, figure_of, grid, show
from ultimate_deep.evaluation.reporting.headlines import headline
from ultimate_deep.evaluation.reporting.json_report import report_json, write_json_report
from ultimate_deep.evaluation.reporting.plots_robustness import plot_capacity
from ultimate_deep.evaluation.reporting.report import render_report
from ultimate_deep.evaluation.reporting.sections_robustness import (
    costs_section,
    delay_check,
    robustness_checks,
)
from ultimate_deep.evaluation.reporting.sections_significance import (
    significance_section,
)

FIGURE = re.compile(r'data-figure="([^"]+)"(?: data-scale="([^"]+)")?>([^<]*)<')
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.(\d+))?")


@pytest.fixture(scope="module")
def page(assessed):
    return render_report(assessed)


@pytest.fixture(scope="module")
def fields(assessed):
    return report_json(assessed)


def look_up(fields, path):
    for step in path.split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(fields, dict) and "metrics" in path and step not in fields:
            return None  # a figure that this contender does not have
        fields = fields[int(step)] if isinstance(fields, list) else fields[step]
    return fields


def check_figures(page, fields):
    """Every number of the page that names its place in the JSON is the number there."""
    seen = []
    for path, scale, text in FIGURE.findall(page):
        value = look_up(fields, unescape(path))
        seen.append(unescape(path))
        if text in ("\u2013", "∞", "-∞"):
            assert value is None, path
            continue
        found = NUMBER.search(text)
        shown = float(found.group(0).replace(",", ""))
        unit = 0.01 if "%" in text else 1.0
        if text.startswith(("more than", "less than")):
            assert (value > unit * shown) == text.startswith("more"), (path, text)
            continue
        digits = len(found.group(1) or "")
        expected = value * float(scale or 1.0)
        assert abs(shown * unit - expected) <= 0.5001 * unit * 10.0**-digits + 1e-12, (path, text)
    return seen


def test_page_and_json_have_the_same_figures(page, fields, assessed):
    seen = set(check_figures(page, fields))
    assert len(seen) > 300
    found = assessed.assessment
    for name in found.intervals:
        assert f"assessment/intervals/{name}/lower" in seen
    for name, table in (
        ("costs/table", found.robustness.costs.table),
        ("capacity/table", found.robustness.capacity.table),
        ("regimes/table", found.robustness.regimes.table),
        ("thresholds/table", found.robustness.thresholds.table),
        ("delay/table", found.robustness.delay.table),
        ("win_rates", found.robustness.win_rates),
    ):
        for row in range(len(table)):
            assert f"assessment/robustness/{name}/{row}/net_return_bps" in seen
    assert {
        "verdict/evidence/hits/advantage/lower",
        "assessment/sharpe/dependent_deflated",
        "assessment/permutation/accuracy/p_value",
        "assessment/versus/a ~1 b <rival>/p_value",
        "assessment/better_rival/p_value",
        "assessment/overfitting/probability",
        "assessment/trials/by_kind/training",
        "backtest/buy and hold/sharpe",
        "contenders/0/metrics/roc_auc",
        "confusion/1/1",
    } <= seen


def test_no_number_of_a_table_is_without_its_place_in_the_json(page):
    tables = re.findall(r'<table class="(?!names).*?</table>', page, flags=re.DOTALL)
    bare = [cell for table in tables for cell in re.findall(r"<td>([-+]?[\d,.]+%?)</td>", table)]
    assert bare == []


def test_a_drifted_figure_would_be_noticed(page, fields):
    changed = json.loads(json.dumps(fields))
    changed["assessment"]["sharpe"]["per_year"] += 0.02
    with pytest.raises(AssertionError, match="sharpe/per_year"):
        check_figures(page, changed)


def test_the_verdict_comes_first_with_its_five_answers(page, assessed):
    plain = re.sub(r"<style.*?</style>|<nav.*?</nav>|<[^>]+>", "", page, flags=re.DOTALL)
    text, found = unescape(plain), assessed.assessment.robustness
    places = [
        text.index(words)
        for words in (
            assessed.verdict.sentence,
            *(f"{one.question} {one.sentence}" for one in assessed.verdict.answers),
            "What the verdict rests on",
            found.delay.sentence,
            found.costs.sentence,
            "Beside the baselines",
            "Is it more than chance?",
            "Trials counted",
            "Equity and drawdown",
            "Costs and capacity",
            "Does it hang on one number?",
            "Luck of timing, and decisions won",
            "When does it work?",
            "Fewer trades, more wins?",
            "How the bars were split",
            "What these numbers do not promise",
        )
    ]
    assert places == sorted(places)
    first = page.split("What the verdict rests on")[0]
    assert first.count('class="checks"') == 1


def test_simulated_bars_are_named_in_every_picture_and_table(page):
    pictures = re.findall(r"<svg role=\"img\".*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) == 16
    for picture in pictures:
        assert "simulated bars" in picture
    for caption in re.findall(r"<caption>(.*?)</caption>", page):
        assert "simulated bars" in caption or caption.startswith("On these bars")


def test_the_page_needs_no_network_and_no_script(page):
    for forbidden in ("<script", "<link", "@import", "<img", "src=", "url(http", "#0a0b"):
        assert forbidden not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_json_file_is_strict_and_replaced_whole(assessed, fields, tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    assert write_json_report(path, assessed) == path

    def fail(name):
        raise AssertionError(name)

    assert json.loads(path.read_text(encoding="utf-8"), parse_constant=fail) == fields
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert fields["kind"] == "report"
    assert fields["verdict"]["kind"] == assessed.verdict.kind


def test_what_a_short_test_part_cannot_tell_is_a_dash(assessed):
    found = assessed.assessment
    nothing = replace(
        found.sharpe,
        per_year=math.nan,
        dependent_deflated=math.nan,
        minimum_track_record_bars=math.inf,
    )
    bare = replace(
        found, sharpe=nothing, permutation={}, versus={}, better_rival=None, overfitting=None
    )
    data = replace(assessed, assessment=bare)
    part = significance_section(data)
    check_figures(part, report_json(data))
    text = re.sub(r"<[^>]+>", " ", part)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)
    assert "∞" in text
    assert "Tests" not in text


def test_marks_follow_the_findings(assessed):
    found = assessed.assessment.robustness
    tones = {}
    for share, gone in ((-0.2, True), (0.3, False), (0.8, False), (math.nan, False)):
        delay = replace(found.delay, share_left=share, gone=gone, sentence="So.")
        check = delay_check(replace(found, delay=delay))
        assert (check.name, check.sentence) == ("Delay test.", "So.")
        tones[share] = check.tone
    assert list(tones.values()) == ["wrong", "unsure", "right", "unsure"]
    dear = replace(found, costs=replace(found.costs, break_even_bps=0.1, cost_bps=0.2))
    assert robustness_checks(dear)[0].tone == "wrong"
    assert robustness_checks(found)[0].tone == "right"


def test_grids_escape_and_format():
    html = grid(
        "a/b",
        (Column("name", "<head>"), Column("x", "x", "{:.1%}", "low", "high"), Column("is", "is")),
        [{"name": "<n>", "x": 0.25, "low": 0.2, "high": math.nan, "is": np.True_}, {"x": None}],
        caption="<c>",
    )
    assert "&lt;head&gt;" in html
    assert "&lt;n&gt;" in html
    assert "&lt;c&gt;" in html
    assert '<span class="n" data-figure="a/b/0/x">25.0%</span>' in html
    assert ">20.0%</span> to " in html
    assert "<td>yes</td>" in html
    assert at("a", "b/c", 1) == "a/b~1c/1"
    assert figure_of("p", 0.5, "{:.0f} bps", scale=10) == (
        '<span class="n" data-figure="p" data-scale="10">5 bps</span>'
    )
    assert [show(value, "{:.0f}") for value in (None, math.nan, -math.inf, 2.0)] == [
        "\u2013", "\u2013", "-∞", "2",
    ]  # fmt: skip
    assert checks([]) == ""
    assert "&lt;b&gt;" in checks([Check("right", "<b>", "ok")])


def test_metrics_without_an_entry_are_still_named():
    assert headline("some_figure").title == "some figure"
    assert headline("log_loss").no_skill == pytest.approx(math.log(2))


def test_an_account_that_loses_at_every_capital_is_drawn_too(assessed):
    found = assessed.assessment.robustness.capacity
    losing = found.table.assign(net_return_bps=-np.geomspace(0.5, 3.0, len(found.table)))
    gaining = plot_capacity(found, simulated=True)
    drawn = plot_capacity(replace(found, table=losing), simulated=True)
    # A marker for each point, and no picture where there are no points.
    assert drawn.count("<use") > 3
    assert gaining.count("<use") > 3
    assert plot_capacity(replace(found, table=losing.iloc[:0]), simulated=True) == ""
    assert plot_capacity(replace(found, known=False), simulated=True) == ""


def test_bars_of_training_are_nowhere_called_a_test_part(run, assessed):
    """Where bars of training are among those judged, only what is missing is named so."""
    seen = run.verdict(run.probability, run.account, simulated=True, readings=2, seen=100)
    page = render_report(replace(assessed, verdict=seen))
    assert seen.sentence.count("test part") == 2
    rest = page.replace(escape(seen.sentence), "")
    assert "test part" not in rest.lower()
    assert "test, AUC" not in rest
    assert rest.lower().count("judged bars") > 10
    hopes = rest[rest.index('<section id="what-the-specification-hoped-for"') :]
    assert hopes.count("<td>no test</td>") == 4
    assert "test part" in render_report(assessed)


def test_large_numbers_and_chances_are_written_for_people(assessed):
    found = assessed.assessment
    capacity = found.robustness.capacity
    table = capacity.table.assign(capital=3e12, net_return=5.0e17)
    assert capacity.known
    robust = replace(found.robustness, capacity=replace(capacity, table=table))
    sharpe = replace(found.sharpe, probabilistic=1.0, dependent_deflated=0.9996)
    shown = replace(assessed, assessment=replace(found, robustness=robust, sharpe=sharpe))
    capital = costs_section(shown)
    assert ">3 trillion<" in capital
    assert ">+5\u00d710^17 times<" in capital
    assert not re.search(r"\de\+\d", capital)
    chances = significance_section(shown)
    assert chances.count(">more than 99.9%<") == 2
    assert ">100.0%<" not in chances
