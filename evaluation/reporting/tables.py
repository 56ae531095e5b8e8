"""The report's tables and cards as HTML. NaN, infinities and what is absent show as a dash."""

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from evaluation.bootstrap import Interval
from evaluation.json_safe import json_safe
from evaluation.metrics import confusion
from evaluation.reporting.data import Contender, ReportData
from evaluation.reporting.page import card

DASH = "\u2013"
_COLUMNS = (
    ("roc_auc", "AUC", "{:.3f}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("total_return", "net return", "{:+.1%}"),
    ("sharpe", "net Sharpe", "{:.2f}"),
    ("max_drawdown", "max drawdown", "{:.1%}"),
    ("trades", "trades", "{:,.0f}"),
    ("win_rate", "win rate", "{:.1%}"),
)
_TRADING = (
    ("total_return", "net return", "{:+.2%}"),
    ("total_return_gross", "before costs", "{:+.2%}"),
    ("annual_return", "a year", "{:+.1%}"),
    ("annual_volatility", "volatility a year", "{:.1%}"),
    ("sharpe", "Sharpe", "{:.2f}"),
    ("sortino", "Sortino", "{:.2f}"),
    ("max_drawdown", "max drawdown", "{:.1%}"),
    ("exposure", "exposure", "{:.0%}"),
    ("trades", "trades", "{:,.0f}"),
    ("win_rate", "win rate", "{:.1%}"),
    ("profit_factor", "profit factor", "{:.2f}"),
    ("average_trade_bps", "average trade, bps", "{:+.2f}"),
    ("average_trade_bars", "bars per trade", "{:,.1f}"),
    ("turnover", "turnover, times equity", "{:,.1f}"),
    ("cost_paid", "costs, of starting capital", "{:.2%}"),
)


def show(value: float | None, form: str) -> str:
    """Return the formatted number; a dash for None and NaN, the sign for infinities."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return form.format(value)


def verdict_cards(data: ReportData) -> str:
    """The three figures that decide, each with its interval, and what would settle it."""
    verdict = data.verdict
    level = f"{verdict.accuracy.level:.0%}:"
    cards = [
        card(f"{verdict.accuracy.estimate:.2%}", "accuracy on the test part",
              f"{level} {_span(verdict.accuracy, 100, '.2f')}%"),
        card(f"{100 * verdict.advantage.estimate:+.2f} points",
              f"above the majority's {verdict.majority_accuracy:.2%}",
              f"{level} {_span(verdict.advantage, 100, '+.2f')}"),
        card(f"{1e4 * verdict.net_return.estimate:+.3f} bps", "net return per bar",
              f"{level} {_span(verdict.net_return, 1e4, '+.3f')}"),
        card(f"{verdict.decisions:,}", "decision times judged",
              f"{verdict.bars:,} bars of net returns"),
    ]  # fmt: skip
    if verdict.bars_needed is not None:
        cards.append(card(f"≈ {verdict.bars_needed:,}", "bars of test data would settle it", ""))
    share = data.contenders[0].metrics.get("share_of_edge", math.nan)
    if math.isfinite(share):
        cards.append(card(f"{share:.0%}", "of this market's possible edge found", ""))
    return f'<div class="cards">{"".join(cards)}</div>'


def _span(interval: Interval, scale: float, form: str) -> str:
    return f"{scale * interval.lower:{form}} to {scale * interval.upper:{form}}"


def comparison_table(data: ReportData) -> str:
    """Model and baselines, one row each."""
    columns = list(_COLUMNS)
    if any(math.isfinite(c.metrics.get("share_of_edge", math.nan)) for c in data.contenders):
        columns.insert(2, ("share_of_edge", "share of edge", "{:.0%}"))
    head = "".join(f"<th>{escape(title)}</th>" for _, title, _ in columns)
    rows = "".join(
        _comparison_row(contender, columns, first=place == 0)
        for place, contender in enumerate(data.contenders)
    )
    return (
        f'<div class="scroll"><table class="comparison">'
        f"<caption>Test part{_on_simulated(data)}, net of costs</caption>"
        f"<thead><tr><th></th><th>accuracy</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _comparison_row(
    contender: Contender, columns: list[tuple[str, str, str]], *, first: bool
) -> str:
    accuracy = show(contender.metrics.get("accuracy"), "{:.2%}")
    if contender.accuracy is not None:
        accuracy += f"<small>{_span(contender.accuracy, 100, '.1f')}</small>"
    cells = "".join(
        f"<td>{show(contender.metrics.get(name), form)}</td>" for name, _, form in columns
    )
    mark = ' class="model"' if first else ""
    return f"<tr{mark}><td>{escape(contender.name)}</td><td>{accuracy}</td>{cells}</tr>"


def trading_table(data: ReportData) -> str:
    """Every figure of the account, model beside buy and hold."""
    accounts = [("model", data.backtest)]
    if data.buy_and_hold is not None:
        accounts.append(("buy and hold", data.buy_and_hold))
    head = "".join(f"<th>{name}</th>" for name, _ in accounts)
    rows = ""
    for key, title, form in _TRADING:
        cells = "".join(f"<td>{show(a.metrics.get(key), form)}</td>" for _, a in accounts)
        rows += f"<tr><td>{title}</td>{cells}</tr>"
    return (
        "<details><summary>All trading figures</summary><table>"
        f"<caption>Test part{_on_simulated(data)}, after costs</caption>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def confusion_table(data: ReportData) -> str:
    """Labels against predictions at one half, with the share of each label's rows."""
    rows = data.test.judged
    if not rows.any():
        return "<p>No judged rows for a confusion matrix.</p>"
    guess = (data.test.probability[rows] >= 0.5).astype(np.float64)
    counts = confusion(data.test.label[rows], guess)
    body = ""
    for label, name in enumerate(("down", "up")):
        total = int(counts[label].sum())
        cells = ""
        for call in (0, 1):
            share = counts[label, call] / total if total else math.nan
            tone = "right" if label == call else "wrong"
            strength = 0.0 if math.isnan(share) else 6.0 + 44.0 * float(share)
            cells += (
                f'<td class="cell {tone}" style="--share: {strength:.0f}%">'
                f"{counts[label, call]:,}<small>{show(share, '{:.1%}')} of {name} bars</small></td>"
            )
        body += f"<tr><th>went {name}</th>{cells}</tr>"
    return (
        f'<table class="confusion"><caption>Confusion matrix at one half, test part'
        f"{_on_simulated(data)}</caption><thead><tr><th></th><th>called down</th>"
        f"<th>called up</th></tr></thead><tbody>{body}</tbody></table>"
    )


def names_table(values: Mapping[str, Any]) -> str:
    """Names and values in two columns; nested mappings become dotted names. Empty gives ''."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"
        for name, text in _flat(json_safe(values), "")
    )
    return f'<table class="names"><tbody>{rows}</tbody></table>' if rows else ""


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        prefix = f"{name}." if name else ""
        return [row for key, item in value.items() for row in _flat(item, prefix + key)]
    if not name:
        return []
    if isinstance(value, list):
        return [(name, ", ".join(DASH if item is None else str(item) for item in value) or DASH)]
    return [(name, DASH if value is None or value in ("", {}) else str(value))]


def _on_simulated(data: ReportData) -> str:
    return ", simulated bars" if data.simulated else ""
