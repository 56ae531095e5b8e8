"""One self-contained HTML page about one trained model: the verdict first, then what it rests on.

No network, no script: style and pictures are inside the file, in light and dark.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path

from ultimate_deep.evaluation.reporting import plots
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.evaluation.reporting.grid import checks
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
from ultimate_deep.evaluation.reporting.plots_attention import plot_attention_maps
from ultimate_deep.evaluation.reporting.plots_looks import plot_looks
from ultimate_deep.evaluation.reporting.sections_hopes import hopes_section
from ultimate_deep.evaluation.reporting.sections_horizons import horizons_section
from ultimate_deep.evaluation.reporting.sections_origin import reproduce_section, steps_section
from ultimate_deep.evaluation.reporting.sections_robustness import (
    costs_section,
    delay_check,
    regimes_section,
    robustness_checks,
    sensitivity_section,
    timing_section,
)
from ultimate_deep.evaluation.reporting.sections_significance import (
    significance_section,
    trials_section,
)
from ultimate_deep.evaluation.reporting.tables import (
    answer_checks,
    comparison_table,
    confusion_table,
    meanings_table,
    names_table,
    rule_sentence,
    trading_table,
    verdict_cards,
)
from ultimate_deep.evaluation.verdicts.rule import TONES

__all__ = ["Contender", "Predictions", "ReportData", "render_report", "write_report"]

_NO_PROMISE = (
    "A backtest is one history. The intervals say how far chance alone could move its figures; "
    "they cannot say that the next years resemble this one.",
    "Fills are assumed as stated under the equity curve. Orders move real markets, and spreads "
    "widen when it matters most.",
    "The verdict is corrected for the models whose reading of these bars is in the ledger. "
    "Whatever was tried elsewhere makes a lucky result more likely than the interval says.",
    "Taxes, outages and delisted symbols are not in these numbers, and financing only where a "
    "cost of holding is stated.",
    "An accuracy above the majority's is worth nothing by itself: what counts is what is left "
    "after costs, and whether its lower bound stays above zero.",
)


def write_report(path: str | Path, data: ReportData) -> Path:
    """Write the report to `path`, whole or not at all, and return the path.

    Args:
        path: An `.html` file in a folder that exists; replaced if it is there.
        data: What the page shows.
    """
    return write_page(path, render_report(data))


def render_report(data: ReportData) -> str:
    """Return the page as one HTML string."""
    body = "\n".join(make(data) for make in _SECTIONS)
    return render_page(data.title, body, simulated=data.simulated)


def _header(data: ReportData) -> str:
    index = data.backtest.index
    part = "no test: bars of training are among" if data.verdict.evidence.seen else "test part"
    span = f"{part} {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"
    return page_header(data.title, span, simulated=data.simulated)


def _verdict(data: ReportData) -> str:
    kind = data.verdict.kind
    return (
        f'<section class="verdict tone-{TONES[kind]}"><div class="kind">'
        f'{kind.capitalize()}</div><p class="sentence">{escape(data.verdict.sentence)}</p>'
        f"{verdict_cards(data)}{checks(answer_checks(data.verdict))}</section>"
    )


def _rests_on(data: ReportData) -> str:
    if data.assessment is None:
        return ""
    found = [delay_check(data.assessment.robustness)]
    found += robustness_checks(data.assessment.robustness)
    return section("What the verdict rests on", checks(found))


def _trials(data: ReportData) -> str:
    return trials_section(data.assessment.trials) if data.assessment is not None else ""


def _schemes(data: ReportData) -> str:
    pictures = "".join(figure(svg, title) for title, svg in data.schemes.items())
    return section("How the bars were split", pictures) if pictures else ""


def _comparison(data: ReportData) -> str:
    return section(
        "Beside the baselines",
        comparison_table(data),
        figure(plots.plot_contenders(data)),
        hint=f"Same {data.part}, same costs for all. An account that is always long has "
        f"no forecast to score. {data.fitted}".rstrip(),
    )


def _equity(data: ReportData) -> str:
    picture = plots.plot_equity(data)
    return section(
        "Equity and drawdown", figure(picture), trading_table(data), hint=rule_sentence(data)
    )


def _learning(data: ReportData) -> str:
    if data.history is None or data.history.empty:
        return section("Learning curves", "<p>No epochs were recorded.</p>")
    return section(
        "Learning curves",
        pair(*plots.plot_learning_curves(data.history, simulated=data.simulated)),
        hint="A coin has a loss of 0.6931 per label. A validation loss "
        "above the training loss is memory, not skill.",
    )


def _forecasts(data: ReportData) -> str:
    roc = plots.plot_roc(data)
    calibration = plots.plot_calibration(
        data.test, temperature=data.temperature, simulated=data.simulated
    )
    return section(
        "Forecasts",
        pair(roc, calibration),
        figure(plots.plot_probabilities(data)),
        confusion_table(data),
        hint="Calibration bars span two standard errors; on the dashed diagonal a forecast "
        "of 55% comes true 55% of the time.",
    )


def _sweep(data: ReportData) -> str:
    chosen = ", chosen on validation" if data.validation is not None else ""
    pictures = pair(*plots.plot_threshold_sweep(data))
    if not pictures:
        return ""
    return section(
        "Fewer trades, more wins?",
        pictures,
        hint=f"Each decision as a trade of its own, round trip {data.costs.round_trip_bps:g} bps. "
        f"Dots mark the threshold in use, {data.threshold:.3f}{chosen}. Where the "
        "two curves part, the threshold's promise did not hold.",
    )


def _attention(data: ReportData) -> str:
    if data.attention is None:
        return ""
    return section(
        "Where the model looks",
        figure(plots.plot_attention(data, data.attention)),
        hint="How much each attention head draws from the output of each unit of blocks. "
        "It describes the net; it is no proof of importance.",
    )


def _attention_maps(data: ReportData) -> str:
    if not data.attention_maps:
        return ""
    return section(
        "When the model looks",
        figure(plot_attention_maps(data.attention_maps, simulated=data.simulated)),
        hint="Mean weights over the first test rows; the newest bar is on the right. It describes "
        "the net; it is no proof of importance.",
    )


def _looks(data: ReportData) -> str:
    if not data.looks:
        return ""
    return section(
        "Where the net looks in its pictures",
        figure(plot_looks(data.looks, simulated=data.simulated)),
        hint="Its surest decisions of the test part: the closes of the picture's bars, the picture "
        "(its first channel), and over it, in colour, what speaks for the side that the net says "
        "(Grad-CAM). It describes the net; it is no proof of importance.",
    )


def _notes(data: ReportData) -> str:
    if not data.notes:
        return ""
    return section("Notes on the data and the run", bullets(data.notes))


def _setup(data: ReportData) -> str:
    parts = [
        names_table(data.facts),
        f"<h3>Plan</h3>{bullets(data.plan)}" if data.plan else "",
        details("What the figures mean", meanings_table(data)),
        details("Configuration", names_table(data.config)),
        details("Files beside this report", names_table(data.files)),
    ]
    return section("What was run", *parts) if any(parts) else ""


def _no_promise(data: ReportData) -> str:
    lines = [
        *(["These bars were simulated: no market behaves by this program."] * data.simulated),
        *_NO_PROMISE,
    ]
    return section("What these numbers do not promise", bullets(lines))


_SECTIONS: tuple[Callable[[ReportData], str], ...] = (
    _header,
    _verdict,
    _rests_on,
    _comparison,
    significance_section,
    _trials,
    _equity,
    costs_section,
    sensitivity_section,
    timing_section,
    regimes_section,
    _sweep,
    _forecasts,
    horizons_section,
    _learning,
    _attention,
    _attention_maps,
    _looks,
    _schemes,
    hopes_section,
    _notes,
    _setup,
    lambda data: steps_section(data.origin),
    lambda data: reproduce_section(data.origin),
    _no_promise,
)
