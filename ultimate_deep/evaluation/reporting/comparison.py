"""One self-contained HTML page about many models: what is claimed first, then what it rests on."""

import math
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.reporting.comparison_data import ComparedModel, ComparisonData
from ultimate_deep.evaluation.reporting.grid import DASH, at, figure_card, figure_of, grid
from ultimate_deep.evaluation.reporting.page import (
    bullets,
    details,
    figure,
    page_header,
    pair,
    render_page,
    section,
    write_page,
)
from ultimate_deep.evaluation.reporting.plots_comparison import drawable, plot_equities
from ultimate_deep.evaluation.reporting.plots_significance import plot_intervals
from ultimate_deep.evaluation.reporting.sections_origin import reproduce_section, steps_section
from ultimate_deep.evaluation.reporting.sections_significance import trials_section
from ultimate_deep.evaluation.reporting.tables import names_table
from ultimate_deep.evaluation.verdicts.rule import TONES
from ultimate_deep.machine.counts import chance, how_many, noun_for

_METRICS = (
    ("accuracy", "accuracy", "{:.1%}"),
    ("total_return", "net return", "{:+.1%}"),
    ("sharpe", "net Sharpe", "{:.2f}"),
    ("max_drawdown", "max drawdown", "{:.1%}"),
)
_CALLS = (
    ("calls", "up_right", "up, right", "{:,.0f}"),
    ("calls", "up_wrong", "up, wrong", "{:,.0f}"),
    ("calls", "down_right", "down, right", "{:,.0f}"),
    ("calls", "down_wrong", "down, wrong", "{:,.0f}"),
    ("calls", "precision", "precision", "{:.1%}"),
    ("calls", "recall", "recall", "{:.1%}"),
    ("metrics", "trades", "trades", "{:,.0f}"),
    ("metrics", "win_rate", "that won", "{:.1%}"),
    ("metrics", "sortino", "Sortino", "{:.2f}"),
)
# Hours and days of the week are many, and are in each model's own report.
_REGIMES = ("trend", "volatility")
_WITH_BOUNDS = ("accuracy", "total_return", "sharpe")
_NO_PROMISE = (
    "The best of many models looks good by chance alone; the corrected figures count the models "
    "and trials that the ledger knows of, not those that were tried elsewhere.",
    "All models were judged on one history. It cannot say that the next years resemble it.",
    "A model that is in the confidence set is not shown to be good: it only cannot be told from "
    "the best.",
)


def write_comparison_report(path: str | Path, data: ComparisonData) -> Path:
    """Write the report to an `.html` file, whole or not at all, and return the path."""
    return write_page(path, render_comparison(data))


def render_comparison(data: ComparisonData) -> str:
    """Return the page as one HTML string."""
    makers = (
        _header, _verdict, _table, _calls, _intervals, _equity, _regimes, _tables, _pairwise,
        _trials, _setup, _origin, _promise,
    )  # fmt: skip
    return render_page(
        data.title, "\n".join(make(data) for make in makers), simulated=data.simulated
    )


def _header(data: ComparisonData) -> str:
    count = len(data.judged)
    subtitle = f"{how_many(count, 'model')} on one test part"
    accounts = [model.backtest for model in data.models if model.backtest is not None]
    if accounts:
        first = min(account.index[0] for account in accounts)
        last = max(account.index[-1] for account in accounts)
        subtitle += f", {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return page_header(data.title, subtitle, simulated=data.simulated)


def _verdict(data: ComparisonData) -> str:
    kind = data.kind
    cards = [
        figure_card(
            figure_of("looks", data.looks, "{:,}"),
            f"{noun_for(data.looks, 'model')} that each bound is corrected for",
            escape(data.counted_once),
        ),
        *(
            figure_card(figure_of(at("superior", name), value, "p = {:.4f}"), escape(name))
            for name, value in data.superior.items()
        ),
    ]
    if data.overfitting is not None:
        form = partial(chance, digits=0)
        number = figure_of("overfitting/probability", data.overfitting.probability, form)
        cards.append(figure_card(number, "chance that the best of them is overfitted"))
    if data.confidence_set is not None:
        members = data.confidence_set.included
        count = f"{len(members)} of {len(data.models)}"
        names = escape(", ".join(members))
        cards.append(figure_card(count, "cannot be told from the best", names))
    heading = kind.capitalize()
    return (
        f'<section class="verdict tone-{TONES[kind]}"><div class="kind">{heading}</div>'
        f'<p class="sentence">{escape(data.finding)}</p><div class="cards">{"".join(cards)}</div>'
        "</section>"
    )


def _table(data: ComparisonData) -> str:
    head = "".join(f"<th>{title}</th>" for _, title, _ in _METRICS)
    rows = "".join(_row(data, place, model) for place, model in enumerate(data.models))
    note = ", simulated bars" if data.simulated else ""
    table = (
        f'<div class="scroll"><table class="comparison grid"><caption>Test part{note}, net of costs'
        f"</caption><thead><tr><th></th><th>verdict</th>{head}<th>deflated Sharpe</th>"
        "<th>left after a bar of delay</th><th>among the best</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    sentences = bullets(f"{model.name}: {model.verdict.sentence}" for model in data.models)
    return section(
        "Model by model",
        f"<p>{escape(data.rules)}</p>" if data.rules else "",
        table,
        details("Every verdict in full", sentences),
        hint="Same rows, bars and costs for all. The deflated Sharpe ratio is the chance that the "
        "true one is above the best that as many trials without skill would show.",
    )


def _row(data: ComparisonData, place: int, model: ComparedModel) -> str:
    here = at("models", place)
    cells = ""
    for key, _, form in _METRICS:
        text = figure_of(at(here, "metrics", key), model.metrics.get(key), form)
        interval = model.intervals.get(key)
        if (
            key in _WITH_BOUNDS
            and interval is not None
            and math.isfinite(interval.lower + interval.upper)
        ):
            spot = at(here, "intervals", key)
            low = figure_of(at(spot, "lower"), interval.lower, form)
            high = figure_of(at(spot, "upper"), interval.upper, form)
            text += f"<small>{low} to {high}</small>"
        cells += f"<td>{text}</td>"
    deflated = DASH
    if model.sharpe is not None:
        deflated = figure_of(
            at(here, "sharpe", "dependent_deflated"), model.sharpe.dependent_deflated, chance
        )
    left = figure_of(at(here, "share_left_after_delay"), model.share_left_after_delay, "{:.0%}")
    member = _member(data, model.name)
    kind = "baseline" if model.baseline else model.verdict.kind
    tone = "" if model.baseline else f"tone-{TONES[model.verdict.kind]}"
    mark = ' class="model"' if model.name in data.claiming else ""
    return (
        f"<tr{mark}><td>{escape(model.name)}</td>"
        f'<td class="kinds {tone}"><b>{kind}</b></td>{cells}<td>{deflated}</td><td>{left}</td>'
        f"<td>{member}</td></tr>"
    )


def _member(data: ComparisonData, name: str) -> str:
    if data.confidence_set is None:
        return DASH
    if name not in data.confidence_set.p_values:
        return DASH
    path = at("confidence_set/p_values", name)
    value = figure_of(path, data.confidence_set.p_values[name], "p = {:.3f}")
    return ("yes" if name in data.confidence_set.included else "no") + f"<small>{value}</small>"


def _calls(data: ComparisonData) -> str:
    if not any(model.calls for model in data.models):
        return ""
    head = "".join(f"<th>{title}</th>" for *_, title, _ in _CALLS)
    rows = ""
    for place, model in enumerate(data.models):
        given = {"calls": model.calls, "metrics": model.metrics}
        cells = "".join(
            f"<td>{figure_of(at('models', place, kind, key), given[kind].get(key), form)}</td>"
            for kind, key, _, form in _CALLS
        )
        rows += f"<tr><td>{escape(model.name)}</td>{cells}</tr>"
    return section(
        "What each calls",
        _wide(f"Calls and trades{_simulated(data)}", f"<th></th>{head}", rows),
        hint="Calls are decisions by the likelier side, right or wrong; precision and recall are "
        "those of up. Trades are what the trading rule made of them, net of costs.",
    )


def _regimes(data: ComparisonData) -> str:
    if any(model.regimes is None for model in data.models):
        return ""
    tables = [model.regimes.table for model in data.models if model.regimes is not None]
    head = "".join(f"<th>{escape(model.name)}</th>" for model in data.models)
    rows = ""
    for kind, regime in dict.fromkeys(
        (str(one.kind), str(one.regime)) for table in tables for one in table.itertuples()
    ):
        if kind not in _REGIMES:
            continue
        cells = ""
        for place, table in enumerate(tables):
            there = np.flatnonzero((table["kind"] == kind) & (table["regime"] == regime))
            cells += f"<td>{_bps(place, int(there[0]), table) if len(there) else DASH}</td>"
        rows += f"<tr><td>{escape(kind)}: {escape(regime)}</td>{cells}</tr>"
    if not rows:
        return ""
    return section(
        "When each works",
        _wide(f"Net bps per bar by regime{_simulated(data)}", f"<th></th>{head}", rows),
        hint="With the 95% interval of each cell alone. What survives a correction for all cells "
        "is in each model's own report.",
    )


def _bps(place: int, row: int, table: pd.DataFrame) -> str:
    spot, one = at("models", place, "regimes", "table", row), table.iloc[row]
    text = figure_of(at(spot, "net_return_bps"), float(one["net_return_bps"]), "{:+.2f}")
    if math.isfinite(float(one["net_lower_bps"])):
        low = figure_of(at(spot, "net_lower_bps"), float(one["net_lower_bps"]), "{:+.2f}")
        high = figure_of(at(spot, "net_upper_bps"), float(one["net_upper_bps"]), "{:+.2f}")
        text += f"<small>{low} to {high}</small>"
    return text


def _tables(data: ComparisonData) -> str:
    return "".join(
        section(
            one.title,
            grid(
                at("tables", place, "rows"),
                one.columns,
                one.rows,
                caption=one.title + _simulated(data),
            ),
            hint=one.hint,
        )
        for place, one in enumerate(data.tables)
    )


def _simulated(data: ComparisonData) -> str:
    return ", simulated bars" if data.simulated else ""


def _wide(caption: str, head: str, rows: str) -> str:
    return (
        f'<div class="scroll"><table class="grid"><caption>{escape(caption)}</caption><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _intervals(data: ComparisonData) -> str:
    pictures = []
    for metric, title, unit, scale in (
        ("mean_return_net_bps", "Net return per bar", "bps", 1.0),
        ("sharpe", "Net Sharpe ratio", "a year", 1.0),
        ("advantage", "Accuracy above the majority's", "points", 100.0),
    ):
        if drawable(data.models, metric):
            picture = plot_intervals(
                [model.name for model in data.models],
                [model.intervals.get(metric) for model in data.models],
                name=f"models-{metric}",
                title=title,
                unit=unit,
                scale=scale,
                simulated=data.simulated,
            )
            pictures.append(picture)
    if not pictures:
        return ""
    return section(
        "How far chance reaches",
        pair(*pictures),
        hint="Each model's own block-bootstrap interval, not corrected for the number of models. "
        "Grey and hollow reaches over zero.",
    )


def _equity(data: ComparisonData) -> str:
    if all(model.backtest is None for model in data.models):
        return ""
    return section("Equity", figure(plot_equities(data.models, simulated=data.simulated)))


def _pairwise(data: ComparisonData) -> str:
    if data.pairwise is None or len(data.models) < 2:
        return ""
    names = [escape(model.name) for model in data.models]
    rows = ""
    for row, name in enumerate(names):
        cells = ""
        for column in range(len(names)):
            value = float(data.pairwise[row, column])
            path = at("pairwise", "p_values", row, column)
            tint = f' class="cell {_tone(value)}" style="--share: 22%"' if value <= 0.05 else ""
            cells += f"<td{tint}>{figure_of(path, value, '{:.3f}')}</td>"
        rows += f"<tr><td>{name}</td>{cells}</tr>"
    head = "".join(f"<th>{name}</th>" for name in names)
    note = ", simulated bars" if data.simulated else ""
    return section(
        "Each against each",
        f'<div class="scroll"><table class="grid matrix"><caption>p-values{note}</caption><thead>'
        f"<tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
        hint="Diebold-Mariano tests of equal squared error, two-sided, not corrected for their "
        "number. Tinted at 5%; where no models differ, one pair in twenty is tinted all the same.",
    )


def _tone(p_value: float) -> str:
    return "unsure" if p_value <= 0.05 else ""


def _trials(data: ComparisonData) -> str:
    return trials_section(data.trials, "trials") if data.trials is not None else ""


def _setup(data: ComparisonData) -> str:
    parts = [
        names_table(data.facts),
        bullets(data.notes),
        details("Configuration", names_table(data.config)),
        details("Files beside this report", names_table(data.files)),
    ]
    return section("What was run", *parts) if any(parts) else ""


def _origin(data: ComparisonData) -> str:
    return steps_section(data.origin) + reproduce_section(data.origin)


def _promise(data: ComparisonData) -> str:
    first = ["These bars were simulated: no market behaves by this program."] * data.simulated
    return section("What these numbers do not promise", bullets([*first, *_NO_PROMISE]))
