"""The report's tables and cards as HTML. NaN, infinities and what is absent show as a dash."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any, Literal

import numpy as np

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.measures.metrics import confusion
from ultimate_deep.evaluation.reporting.data import Contender, ReportData
from ultimate_deep.evaluation.reporting.grid import DASH, Check, at, figure_card, figure_of, show
from ultimate_deep.evaluation.reporting.headlines import figures_of, headline
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.phrases import filled_at
from ultimate_deep.evaluation.verdicts.rule import Word
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.machine.counts import how_many, noun_for, sure_of
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec

_PLAIN = {
    "sizing": asdict(SizingSpec()),
    "stops": asdict(StopSpec()),
    "breakers": asdict(BreakerSpec()),
}
_COLUMNS = (
    "roc_auc", "log_loss", "total_return", "sharpe", "max_drawdown", "trades", "win_rate",
)  # fmt: skip
_TONES: dict[Word, Literal["right", "unsure", "wrong"]] = {
    "yes": "right",
    "open": "unsure",
    "no": "wrong",
}
_TRADING = (
    "total_return", "total_return_gross", "annual_return", "annual_volatility", "sharpe", "sortino",
    "mean_return_net_bps", "max_drawdown", "exposure", "trades", "win_rate", "profit_factor",
    "average_trade_bps", "average_trade_bars", "turnover", "cost_paid",
)  # fmt: skip


def verdict_cards(data: ReportData) -> str:
    """The three figures that decide, each with its interval, and what would settle it."""
    verdict = data.verdict
    majority = figure_of("verdict/evidence/hits/majority", verdict.majority_accuracy, "{:.2%}")
    cards = [
        figure_card(
            figure_of(
                "verdict/evidence/hits/accuracy/estimate", verdict.accuracy.estimate, "{:.2%}"
            ),
            f"accuracy on the {data.part}"
            + (", bars of training among them" if verdict.evidence.seen else ""),
            _bounds("verdict/evidence/hits/accuracy", verdict.accuracy, "{:.2%}"),
        ),
        figure_card(
            figure_of(
                "verdict/evidence/hits/advantage/estimate",
                verdict.advantage.estimate,
                "{:+.2f} points",
                scale=100,
            ),
            f"above the majority's {majority}",
            _bounds("verdict/evidence/hits/advantage", verdict.advantage, "{:+.2f}", scale=100),
        ),
        figure_card(
            figure_of(
                "verdict/evidence/net/estimate",
                verdict.net_return.estimate,
                "{:+.3f} bps",
                scale=1e4,
            ),
            "net return per bar",
            _bounds("verdict/evidence/net", verdict.net_return, "{:+.3f}", scale=1e4),
        ),
        figure_card(
            figure_of("verdict/evidence/decisions", verdict.decisions, "{:,}"),
            f"{noun_for(verdict.decisions, 'decision time')} judged",
            f"{figure_of('verdict/evidence/bars', verdict.bars, '{:,}')} "
            f"{noun_for(verdict.bars, 'bar')} of net returns",
        ),
    ]
    if verdict.bars_needed is not None:
        number = figure_of("verdict/bars_needed", verdict.bars_needed, "≈ {:,}")
        cards.append(figure_card(number, "bars of test data would settle it"))
    share = data.contenders[0].metrics.get("share_of_edge", math.nan)
    if math.isfinite(share):
        number = figure_of("contenders/0/metrics/share_of_edge", share, "{:.0%}")
        cards.append(figure_card(number, "of this market's possible edge found"))
    return f'<div class="cards">{"".join(cards)}</div>'


def answer_checks(verdict: Verdict) -> list[Check]:
    """The five questions that the verdict rests on, with their answers."""
    return [Check(_TONES[one.word], one.question, one.sentence) for one in verdict.answers]


def _bounds(path: str, interval: Interval, form: str, *, scale: float = 1.0) -> str:
    lower = figure_of(at(path, "lower"), interval.lower, form, scale=scale)
    upper = figure_of(at(path, "upper"), interval.upper, form, scale=scale)
    return f"{sure_of(interval.level)}: {lower} to {upper}"


def comparison_table(data: ReportData) -> str:
    """Model and baselines, one row each."""
    columns = list(_COLUMNS)
    if any(math.isfinite(c.metrics.get("share_of_edge", math.nan)) for c in data.contenders):
        columns.insert(2, "share_of_edge")
    head = "".join(f"<th>{escape(headline(name).title)}</th>" for name in columns)
    rows = "".join(
        _comparison_row(place, contender, columns)
        for place, contender in enumerate(data.contenders)
    )
    return (
        f'<div class="scroll"><table class="comparison">'
        f"<caption>{data.part.capitalize()}{_on_simulated(data)}, net of costs</caption>"
        f"<thead><tr><th></th><th>accuracy</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _comparison_row(place: int, contender: Contender, columns: Sequence[str]) -> str:
    here, metrics = at("contenders", place), contender.metrics
    accuracy = figure_of(at(here, "metrics", "accuracy"), metrics.get("accuracy"), "{:.2%}")
    if contender.accuracy is not None:
        lower, upper = (
            figure_of(at(here, "accuracy", side), getattr(contender.accuracy, side), "{:.1%}")
            for side in ("lower", "upper")
        )
        accuracy += f"<small>{lower} to {upper}</small>"
    cells = "".join(
        f"<td>{figure_of(at(here, 'metrics', name), metrics.get(name), headline(name).form)}</td>"
        for name in columns
    )
    mark = ' class="model"' if place == 0 else ""
    return f"<tr{mark}><td>{escape(contender.name)}</td><td>{accuracy}</td>{cells}</tr>"


def trading_table(data: ReportData) -> str:
    """Every figure of the account, model beside buy and hold."""
    accounts = [("model", data.backtest)]
    if data.buy_and_hold is not None:
        accounts.append(("buy and hold", data.buy_and_hold))
    head = "".join(f"<th>{name}</th>" for name, _ in accounts)
    rows = ""
    for key in _TRADING:
        shown = headline(key)
        cells = "".join(
            f"<td>{figure_of(at('backtest', name, key), account.metrics.get(key), shown.form)}</td>"
            for name, account in accounts
        )
        rows += f"<tr><td>{escape(shown.title)}</td>{cells}</tr>"
    return (
        "<details><summary>All trading figures</summary><table>"
        f"<caption>{data.part.capitalize()}{_on_simulated(data)}, after costs</caption>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def meanings_table(data: ReportData) -> str:
    """What each figure of the model means, and what it was computed on."""
    rows = "".join(
        f"<tr><td>{escape(one.title)}</td><td>{escape(one.means)}</td>"
        f"<td>{how_many(one.rows, one.of.removesuffix('s'))}</td></tr>"
        for one in figures_of(data.contenders[0].metrics, data.assessment).values()
    )
    return f'<table class="names"><tbody>{rows}</tbody></table>'


def rule_sentence(data: ReportData) -> str:
    """How decisions became trades and what those paid: every option that is in use."""
    costs, rule = data.costs, data.config.get("backtest") or {}
    late = rule.get("latency_bars", 0)
    fill = filled_at(data.verdict.evidence)
    fill += f" and {how_many(late, 'bar')} more" if late else ""
    paid = [f"{costs.fee_bps:g} bps fee", f"{costs.slippage_bps:g} bps slippage"]
    paid += [f"half of {costs.spread_bps:g} bps spread"] if costs.spread_bps else []
    further: dict[str, Any] = {
        "impact coefficient": costs.impact,
        "borrowing, bps a year": costs.borrow_bps_per_year,
        "funding, bps a year": costs.funding_bps_per_year,
        "share of volume at most": rule.get("max_volume_share"),
    }
    for kind in ("sizing", "stops", "breakers"):
        further[kind] = ", ".join(_options_in_use(kind, rule.get(kind) or {}))
    said = "".join(f"; {name}: {value}" for name, value in further.items() if value)
    return (
        f"Decided at each close, filled at {fill}, {data.mode.replace('_', '/')}; "
        f"{', '.join(paid[:-1])} and {paid[-1]} per side{said}."
    )


def _options_in_use(kind: str, given: Mapping[str, Any]) -> list[str]:
    """Names and values that differ from what changes nothing."""
    plain = _PLAIN[kind]
    return [f"{name} {value}" for name, value in given.items() if value != plain.get(name)]


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
            number = figure_of(at("confusion", label, call), counts[label, call], "{:,}")
            cells += (
                f'<td class="cell {tone}" style="--share: {strength:.0f}%">{number}'
                f"<small>{show(share, '{:.1%}')} of {name} bars</small></td>"
            )
        body += f"<tr><th>went {name}</th>{cells}</tr>"
    return (
        '<div class="scroll"><table class="confusion">'
        f"<caption>Confusion matrix at one half, {data.part}"
        f"{_on_simulated(data)}</caption><thead><tr><th></th><th>called down</th>"
        f"<th>called up</th></tr></thead><tbody>{body}</tbody></table></div>"
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
