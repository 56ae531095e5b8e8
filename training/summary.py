"""What a run says at its end, on screen."""

import math

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from training.judge import Judgement
from training.run import Run

COLUMNS = {
    "accuracy": ("accuracy", "{:.2%}"),
    "AUC": ("roc_auc", "{:.3f}"),
    "return": ("total_return", "{:+.1%}"),
    "Sharpe": ("sharpe", "{:.2f}"),
    "drawdown": ("max_drawdown", "{:.1%}"),
    "trades": ("trades", "{:,.0f}"),
}
COLOURS = {"edge": "bold green", "no edge": "bold red", "cannot tell": "bold yellow"}


def render_summary(run: Run) -> Group:
    """Return verdict, figures beside the baselines', and where the files are."""
    outcome = run.outcome
    verdict = Text(outcome.verdict.sentence, style=COLOURS[outcome.verdict.kind])
    where = "simulated bars, after costs" if run.prepared.market.simulated else "after costs"
    table = Table(
        title=f"Test part, {where}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for judged in (outcome.model, *outcome.baselines):
        table.add_row(judged.name, *_cells(judged))
    share = outcome.model.metrics.get("share_of_edge", math.nan)
    lines: list[Text | Table] = [Text(), verdict]
    lines += [Text(f"- {caution}") for caution in run.assessment.cautions]
    lines.append(table)
    if math.isfinite(share):
        lines.append(Text(f"The model found {share:.0%} of the edge that this market has."))
    lines.append(Text(f"Report: {run.folder / 'report.html'}"))
    lines.append(Text(f"Bundle: {run.folder} (also artifacts/latest)"))
    return Group(*lines)


def _cells(judged: Judgement) -> list[str]:
    values = [(judged.metrics.get(name, math.nan), form) for name, form in COLUMNS.values()]
    return [form.format(value) if math.isfinite(value) else "-" for value, form in values]
