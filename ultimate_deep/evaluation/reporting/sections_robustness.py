"""The report's sections on what the net result hangs on: costs, delay, threshold, timing."""

import math

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.reporting import plots_robustness as plots
from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.grid import Check, Column, grid
from ultimate_deep.evaluation.reporting.page import details, pair, section
from ultimate_deep.evaluation.robustness.assessment import Robustness
from ultimate_deep.machine.counts import amount

_ACCOUNT = (
    Column("net_return", "net return", "{:+.2%}"),
    Column("sharpe", "Sharpe", "{:.2f}"),
    Column("net_return_bps", "net bps per bar", "{:+.3f}"),
    Column("trades", "trades", "{:,.0f}"),
)
_SURE = 0.05


def delay_check(found: Robustness) -> Check:
    """What is left when every fill comes one bar later."""
    share = found.delay.share_left
    tone = "unsure" if math.isnan(share) else "right" if share >= 0.5 else "wrong"
    if found.delay.gone is False and tone == "wrong":
        tone = "unsure"
    return Check(tone, "Delay test.", found.delay.sentence)


def robustness_checks(found: Robustness) -> list[Check]:
    """Every other finding, each with its tone."""
    costs, capital = found.costs, found.capacity
    bears = costs.break_even_bps > costs.cost_bps
    timing = found.random_entry.p_net_return
    lonely, gains = found.thresholds.lonely, not math.isnan(found.thresholds.neighbours_share)
    survives = found.regimes.table["survives"]
    works = bool((survives & (found.regimes.table["net_return_bps"] > 0)).any())
    tight = "wrong" if capital.capital_gone < capital.capital else "unsure"
    sentences = found.sentences
    tones = {
        "costs": "unsure" if math.isnan(costs.break_even_bps) else _tone(bears),
        "capacity": "right" if capital.capital_half >= capital.capital else tight,
        "thresholds": "wrong" if lonely else "right" if gains else "unsure",
        "random entry": "unsure" if math.isnan(timing) else _tone(timing <= _SURE),
        "regimes": "right" if works else "unsure",
    }
    return [Check(tone, f"{name.capitalize()}.", sentences[name]) for name, tone in tones.items()]


def _tone(good: bool) -> str:
    return "right" if good else "wrong"


def costs_section(data: ReportData) -> str:
    """Cost sweep and capacity."""
    if data.assessment is None:
        return ""
    found = data.assessment.robustness
    simulated, note = data.simulated, _note(data)
    table = grid(
        "assessment/robustness/costs/table",
        (Column("cost_bps", "cost per side, bps", "{:.3g}"), *_ACCOUNT),
        found.costs.table.to_dict(orient="records"),
        caption=f"By cost per side{note}",
        marked=_rows_where(found.costs.table["cost_bps"] == found.costs.cost_bps),
    )
    capital = grid(
        "assessment/robustness/capacity/table",
        (Column("capital", "capital", amount), *_ACCOUNT),
        found.capacity.table.to_dict(orient="records"),
        caption=f"By capital, impact coefficient {found.capacity.impact_coefficient:g}{note}",
    )
    return section(
        "Costs and capacity",
        f"<p>{found.costs.sentence}</p><p>{found.capacity.sentence}</p>",
        pair(
            plots.plot_costs(found.costs, simulated=simulated),
            plots.plot_capacity(found.capacity, simulated=simulated),
        ),
        details("By cost", table),
        details("By capital", capital if found.capacity.known else ""),
        hint="The same signals, traded again at other costs and with other capital. Impact follows "
        "the square-root law: volatility times the root of the share of volume traded.",
    )


def regimes_section(data: ReportData) -> str:
    """When the model works, with the number of looks counted."""
    if data.assessment is None:
        return ""
    found = data.assessment.robustness.regimes
    table, simulated = found.table, data.simulated
    hours = table["kind"] == "hour"
    pictures = (
        [
            plots.plot_regimes(
                table[~hours], "regimes", "Trend, volatility, weekday", simulated=simulated
            )
        ]
        if (~hours).any()
        else []
    )
    if hours.any():
        pictures.append(
            plots.plot_regimes(
                table[hours], "hours", "Hour of the decision, UTC", simulated=simulated
            )
        )
    shown = grid(
        "assessment/robustness/regimes/table",
        (
            Column("kind", ""),
            Column("regime", "regime"),
            Column("rows", "decisions", "{:,.0f}"),
            Column("accuracy", "accuracy", "{:.1%}", "accuracy_lower", "accuracy_upper"),
            Column("bars", "bars", "{:,.0f}"),
            Column(
                "net_return_bps", "net bps per bar", "{:+.2f}", "net_lower_bps", "net_upper_bps"
            ),
            Column("p_holm", "p, corrected", "{:.3f}"),
        ),
        table.to_dict(orient="records"),
        caption=f"By regime{_note(data)}",
        marked=_rows_where(table["survives"]),
    )
    edges = (
        "Volatility is parted at terciles of these same bars, which nobody knew beforehand."
        if found.edges_in_sample
        else f"Volatility is parted at bounds known before the {data.part}."
    )
    return section(
        "When does it work?",
        f"<p>{found.sentence}</p>",
        pair(*pictures) if pictures else "",
        details("By regime", shown),
        hint="Grey and hollow: explained by chance once all regimes are counted (Holm). A good "
        f"hour picked from this picture is no finding. {edges}",
    )


def sensitivity_section(data: ReportData) -> str:
    """Neighbouring thresholds and later fills."""
    if data.assessment is None:
        return ""
    found = data.assessment.robustness
    simulated, note = data.simulated, _note(data)
    thresholds = grid(
        "assessment/robustness/thresholds/table",
        (
            Column("threshold", "threshold", "{:.4f}"),
            Column("coverage", "bars with a signal", "{:.1%}"),
            *_ACCOUNT,
        ),
        found.thresholds.table.to_dict(orient="records"),
        caption=f"By threshold{note}",
        marked=_rows_where(found.thresholds.table["chosen"]),
    )
    delays = grid(
        "assessment/robustness/delay/table",
        (
            Column("delay_bars", "bars of delay", "{:.0f}"),
            Column("accuracy", "accuracy then", "{:.2%}", "accuracy_lower", "accuracy_upper"),
            Column("net_return", "net return", "{:+.2%}"),
            Column("sharpe", "Sharpe", "{:.2f}"),
            Column(
                "net_return_bps", "net bps per bar", "{:+.3f}", "net_lower_bps", "net_upper_bps"
            ),
        ),
        found.delay.table.to_dict(orient="records"),
        caption=f"By delay{note}",
        marked=(0,),
    )
    return section(
        "Does it hang on one number?",
        f"<p>{found.delay.sentence}</p><p>{found.thresholds.sentence}</p>",
        pair(
            plots.plot_delay(found.delay, simulated=simulated),
            plots.plot_thresholds(found.thresholds, simulated=simulated),
        ),
        delays,
        details("By threshold", thresholds),
        hint=f"A threshold picked from this table would be one picked on the {data.part}.",
    )


def timing_section(data: ReportData) -> str:
    """Random entries of equal exposure, and decisions won against decisions kept."""
    if data.assessment is None:
        return ""
    found = data.assessment.robustness
    rates = grid(
        "assessment/robustness/win_rates",
        (
            Column("threshold", "threshold", "{:.4f}"),
            Column("coverage", "decisions kept", "{:.1%}"),
            Column("trades", "decisions", "{:,.0f}"),
            Column("win_rate", "won", "{:.1%}", "win_rate_lower", "win_rate_upper"),
            Column("hit_rate", "before costs", "{:.1%}"),
            Column("net_return_bps", "net bps each", "{:+.2f}"),
        ),
        found.win_rates.to_dict(orient="records"),
        caption=f"Every decision a trade of its own, after costs{_note(data)}",
        marked=_rows_where(found.win_rates["chosen"]),
    )
    return section(
        "Luck of timing, and decisions won",
        f"<p>{found.random_entry.sentence}</p>",
        pair(
            plots.plot_random_entry(found.random_entry, simulated=data.simulated),
            plots.plot_win_rates(found.win_rates, simulated=data.simulated),
        ),
        details("Decisions won against decisions kept", rates),
        hint="Random entries keep exposure, sides and holding times and move them round in time. "
        "The band is Wilson's interval.",
    )


def _note(data: ReportData) -> str:
    return ", simulated bars" if data.simulated else ""


def _rows_where(mask: pd.Series) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask.to_numpy(dtype=bool)).tolist())
