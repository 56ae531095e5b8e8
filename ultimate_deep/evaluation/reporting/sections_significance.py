"""The report's sections on chance: intervals, deflated Sharpe ratio, tests, trials counted."""

import math
from collections.abc import Sequence
from functools import partial
from html import escape

from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.grid import Form, at, figure_of
from ultimate_deep.evaluation.reporting.headlines import headline
from ultimate_deep.evaluation.reporting.page import figure, section
from ultimate_deep.evaluation.reporting.plots_significance import plot_forest
from ultimate_deep.evaluation.significance.summary import SharpeSignificance
from ultimate_deep.machine.counts import chance, how_many, noun_for

_SURE = 0.95
_PERMUTED = {"accuracy": "accuracy", "information_coefficient": "information coefficient"}


def significance_section(data: ReportData) -> str:
    """Intervals of every headline metric and the tests; nothing without an assessment."""
    found = data.assessment
    if found is None:
        return ""
    note = ", simulated bars" if data.simulated else ""
    picture = figure(plot_forest(found.intervals, simulated=data.simulated))
    return section(
        "Is it more than chance?",
        f'<div class="pair">{picture}{_intervals(found, data.part, note)}</div>',
        f'<div class="pair">{_sharpe(found.sharpe, note)}{_tests(found, note)}</div>',
        _versus(found, note),
        hint="Block-bootstrap intervals keep the dependence of neighbouring bars. In the picture "
        "each figure is measured from what no skill would show, in its own standard errors.",
    )


def _intervals(found: Assessment, part: str, note: str) -> str:
    rows = []
    for name, interval in found.intervals.items():
        form, here = headline(name).form, at("assessment/intervals", name)
        estimate, lower, upper = (
            figure_of(at(here, side), getattr(interval, side), form)
            for side in ("estimate", "lower", "upper")
        )
        rows.append((escape(headline(name).title), estimate, f"{lower} to {upper}"))
    levels = {interval.level for interval in found.intervals.values()}
    level = f"{max(levels):.0%} interval" if len(levels) == 1 else "interval"
    return _table(f"{part.capitalize()}{note}", rows, ("", "estimate", level))


def _sharpe(found: SharpeSignificance, note: str) -> str:
    lines: tuple[tuple[str, str, Form], ...] = (
        ("per_year", "net Sharpe ratio a year", "{:.2f}"),
        ("probabilistic", "confidence that the true one is above zero", chance),
        ("trials", "models judged on these bars", "{:,.0f}"),
        ("expected_maximum_per_year", "best of as many without skill", "{:.2f}"),
        ("dependent_deflated", "confidence to be above that: deflated Sharpe", chance),
        ("bars", "bars of returns", "{:,.0f}"),
        ("minimum_track_record_bars", f"bars that {found.confidence:.0%} need", "{:,.0f}"),
        ("deflated_track_record_bars", "bars that it takes after the trials", "{:,.0f}"),
    )
    rows = [
        (escape(title), figure_of(at("assessment/sharpe", key), getattr(found, key), form))
        for key, title, form in lines
    ]
    return _table(f"Net Sharpe ratio{note}", rows)


def _tests(found: Assessment, note: str) -> str:
    rows = []
    for name, test in found.permutation.items():
        path = at("assessment/permutation", name, "p_value")
        title = f"{_PERMUTED.get(name, name)} at other times (shifted)"
        rows.append((escape(title), figure_of(path, test.p_value, "p = {:.4f}")))
    if (rival := found.better_rival) is not None:
        path = "assessment/better_rival/p_value"
        number = figure_of(path, rival.p_value, "p = {:.4f}")
        rows.append(("a baseline forecasts better (SPA)", number))
    if (chosen := found.overfitting) is not None:
        path = "assessment/overfitting/probability"
        title = f"chance that the best of {how_many(chosen.trials, 'threshold')} is overfitted"
        rows.append((title, figure_of(path, chosen.probability, partial(chance, digits=0))))
    return _table(f"Tests{note}", rows)


def _versus(found: Assessment, note: str) -> str:
    rows = []
    for name, test in found.versus.items():
        path = at("assessment/versus", name)
        cells = (
            figure_of(at(path, key), getattr(test, key), form)
            for key, form in (
                ("mean_difference", "{:+.5f}"),
                ("statistic", "{:+.2f}"),
                ("p_value", "{:.3f}"),
            )
        )
        rows.append((escape(name), *cells))
    caption = (
        f"Against each baseline on the same rows (Diebold-Mariano, squared error){note}; below "
        "zero the model errs less"
    )
    return _table(caption, rows, ("", "difference in error", "statistic", "p"))


def trials_section(found: TrialCount, path: str = "assessment/trials") -> str:
    """How many looks these bars have had; `path` is where the count stands in the JSON."""
    rows = [
        (
            escape(kind.replace("_", " ")),
            figure_of(at(path, "by_kind", kind), count, "{:,.0f}"),
            figure_of(
                at(path, "effective_by_kind", kind),
                found.effective_by_kind.get(kind, math.nan),
                "{:,.1f}",
            ),
        )
        for kind, count in found.by_kind.items()
    ]
    number = figure_of(at(path, "effective_trials"), found.effective_trials, "{:,.1f}")
    readings = figure_of(at(path, "test_readings"), found.test_readings, "{:,.0f}")
    distinct = figure_of(at(path, "distinct"), found.distinct, "{:,.0f}")
    noun = noun_for(found.distinct, "trial")
    judged = noun_for(found.test_readings, "model counts", "models count")
    read = found.by_kind.get("test_reading", found.test_readings)
    others = ""
    if read < found.test_readings:
        others = f" ({how_many(read, 'was', 'were')} judged here, chosen from the others)"
    return section(
        "Trials counted",
        f"<p>{readings} {judged} as judged on these bars{others}, the number that "
        f"the deflated Sharpe ratio takes; what was tried before amounts to {number} "
        f"independent {noun_for(round(found.effective_trials, 1), 'trial')}.</p>",
        _table("On these bars, this one included", rows, ("", "trials", "independent")),
        f"<p>{escape(found.where)}, {distinct} {noun} on these bars.</p>",
        hint="Every training, tuning, threshold and judged model leaves a line in the "
        "ledger. The more there are, the better the best of them looks by chance.",
    )


def _table(caption: str, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """A table of finished cells; nothing without rows."""
    if not rows:
        return ""
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="grid"><caption>{caption}</caption>'
        + (f"<thead><tr>{titles}</tr></thead>" if head else "")
        + f"<tbody>{body}</tbody></table></div>"
    )
