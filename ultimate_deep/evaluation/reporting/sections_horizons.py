"""Every horizon's forecasts on one line, where a model predicts several."""

from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.grid import at, figure_of
from ultimate_deep.evaluation.reporting.page import section

_COLUMNS = {
    "rows": ("rows", "{:,.0f}"),
    "accuracy": ("accuracy", "{:.2%}"),
    "up_precision": ("precision of up", "{:.2%}"),
    "up_recall": ("recall of up", "{:.2%}"),
    "up_f1": ("F1 of up", "{:.3f}"),
    "mcc": ("MCC", "{:.3f}"),
    "confidence_ece": ("ECE", "{:.3f}"),
    "rank_ic": ("rank IC", "{:.3f}"),
    "rank_ic_p": ("its p", "{:.3f}"),
    "interval_coverage": ("inside the outer quantiles", "{:.1%}"),
}


def horizons_section(data: ReportData) -> str:
    """The measures of each horizon; nothing for a single one."""
    table = data.horizons
    if table is None or len(table) < 2:
        return ""
    columns = {name: text for name, text in _COLUMNS.items() if name in table}
    head = "".join(f"<th>{title}</th>" for title, _ in columns.values())
    lines = []
    for place, line in enumerate(table.to_dict(orient="records")):
        cells = "".join(
            f"<td>{figure_of(at('horizons', place, name), line[name], form)}</td>"
            for name, (_, form) in columns.items()
        )
        bars = figure_of(at("horizons", place, "horizon_bars"), line["horizon_bars"], "{:.0f}")
        unit = "bar" if line["horizon_bars"] == 1 else "bars"
        lines.append(f"<tr><td>{bars} {unit}</td>{cells}</tr>")
    body = (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
    return section(
        "Every horizon",
        body,
        hint="The first horizon is the one that is traded. p allows for overlapping returns.",
    )
