"""One self-contained HTML page about one trained model: the verdict first, then what it rests on.

No network, no script: style and pictures are inside the file, in light and dark.
"""

import os
from collections.abc import Callable
from html import escape
from pathlib import Path

from evaluation import plots
from evaluation.report_data import Contender, Predictions, ReportData
from evaluation.report_style import CSS
from evaluation.report_tables import (
    comparison_table,
    confusion_table,
    names_table,
    trading_table,
    verdict_cards,
)

__all__ = ["Contender", "Predictions", "ReportData", "render_report", "write_report"]

_NO_PROMISE = (
    "A backtest is one history. The intervals say how far chance alone could move its figures; "
    "they cannot say that the next years resemble this one.",
    "Fills are assumed at the next bar's open with the stated costs, in any size. Orders move "
    "real markets, and spreads widen when it matters most.",
    "The verdict counts one trained model. Every further model, threshold or feature set tried "
    "on the same test part makes a lucky result more likely than the interval says.",
    "Financing, borrowing, taxes, outages and delisted symbols are not in these numbers.",
    "An accuracy above the majority's is worth nothing by itself: what counts is what is left "
    "after costs, and whether its lower bound stays above zero.",
)


def write_report(path: str | Path, data: ReportData) -> Path:
    """Write the report to `path`, whole or not at all, and return the path.

    Args:
        path: an `.html` file in a folder that exists; replaced if it is there.
        data: see `ReportData`.
    """
    target = Path(path)
    draft = target.with_name(target.name + ".tmp")
    try:
        draft.write_text(render_report(data), encoding="utf-8")
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def render_report(data: ReportData) -> str:
    """Return the page as one HTML string."""
    body = "\n".join(section(data) for section in _SECTIONS)
    title = escape(data.title) + (" (simulated bars)" if data.simulated else "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, *parts: str, hint: str = "") -> str:
    hint = f'<p class="hint">{escape(hint)}</p>' if hint else ""
    return f"<section><h2>{escape(title)}</h2>{hint}{''.join(parts)}</section>"


def _figure(svg: str, caption: str = "") -> str:
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{caption}</figure>"


def _header(data: ReportData) -> str:
    index = data.backtest.index
    span = f"test part {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"
    heading = f'<header><h1>{escape(data.title)}</h1><p class="sub">{span}</p></header>'
    if not data.simulated:
        return heading
    return heading + (
        '<div class="banner"><b>Simulated bars.</b> These prices were drawn by a program with '
        "a known answer. Nothing here says anything about a real market.</div>"
    )


def _verdict(data: ReportData) -> str:
    kind = data.verdict.kind
    return (
        f'<section class="verdict {kind.replace(" ", "-")}"><div class="kind">'
        f'{kind.capitalize()}</div><p class="sentence">{escape(data.verdict.sentence)}</p>'
        f"{verdict_cards(data)}</section>"
    )


def _comparison(data: ReportData) -> str:
    majority = data.verdict.majority_accuracy
    return _section(
        "Beside the baselines",
        comparison_table(data),
        _figure(plots.plot_contenders(data.contenders, majority, simulated=data.simulated)),
        hint="Same test part, same bars, same costs for all. An account that is always long has "
        "no forecast to score.",
    )


def _equity(data: ReportData) -> str:
    costs = data.costs
    hint = (
        f"Decided at each close, filled at the next open, {data.mode.replace('_', '/')}; "
        f"{costs.fee_bps:g} bps fee and {costs.slippage_bps:g} bps slippage per side."
    )
    picture = plots.plot_equity(data.backtest, data.buy_and_hold, simulated=data.simulated)
    return _section("Equity and drawdown", _figure(picture), trading_table(data), hint=hint)


def _learning(data: ReportData) -> str:
    if data.history is None or data.history.empty:
        return _section("Learning curves", "<p>No epochs were recorded.</p>")
    return _section(
        "Learning curves",
        _figure(plots.plot_learning_curves(data.history, simulated=data.simulated)),
        hint="A coin has a loss of 0.6931 per label. A validation loss "
        "above the training loss is memory, not skill.",
    )


def _forecasts(data: ReportData) -> str:
    roc = plots.plot_roc(data.test, data.validation, simulated=data.simulated)
    calibration = plots.plot_calibration(
        data.test, temperature=data.temperature, simulated=data.simulated
    )
    return _section(
        "Forecasts",
        f'<div class="pair">{_figure(roc)}{_figure(calibration)}</div>',
        _figure(plots.plot_probabilities(data)),
        confusion_table(data),
        hint="Calibration bars span two standard errors; on the dashed diagonal a forecast "
        "of 55% comes true 55% of the time.",
    )


def _sweep(data: ReportData) -> str:
    return _section(
        "Fewer trades, more wins?",
        _figure(plots.plot_threshold_sweep(data)),
        hint=f"Each decision as a trade of its own, round trip {data.costs.round_trip_bps:g} bps. "
        f"Dots mark the threshold in use, {data.threshold:.3f}, chosen on validation. Where the "
        "two curves part, the threshold's promise did not hold.",
    )


def _attention(data: ReportData) -> str:
    if data.attention is None:
        return ""
    return _section(
        "Where the model looks",
        _figure(
            plots.plot_attention(data.attention, data.attention_units, simulated=data.simulated)
        ),
        hint="How much each attention head draws from the output of each unit of blocks. "
        "It describes the net; it is no proof of importance.",
    )


def _notes(data: ReportData) -> str:
    if not data.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in data.notes)
    return _section("Notes on the data and the run", f"<ul>{items}</ul>")


def _setup(data: ReportData) -> str:
    plan = "".join(f"<li>{escape(line)}</li>" for line in data.plan)
    parts = [
        names_table(data.facts),
        f"<h3>Plan</h3><ul>{plan}</ul>" if plan else "",
        _details("Configuration", names_table(data.config)),
        _details("Files beside this report", names_table(data.files)),
    ]
    return _section("What was run", *parts) if any(parts) else ""


def _details(title: str, table: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{table}</details>" if table else ""


def _no_promise(data: ReportData) -> str:
    lines = [
        *(["These bars were simulated: no market behaves by this program."] * data.simulated),
        *_NO_PROMISE,
    ]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return _section("What these numbers do not promise", f"<ul>{items}</ul>")


_SECTIONS: tuple[Callable[[ReportData], str], ...] = (
    _header,
    _verdict,
    _comparison,
    _equity,
    _sweep,
    _forecasts,
    _learning,
    _attention,
    _notes,
    _setup,
    _no_promise,
)
