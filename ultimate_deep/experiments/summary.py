"""What a run says at its end, on screen."""

import math
from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.reporting.comparison_data import ComparisonData
from ultimate_deep.evaluation.verdicts.rule import TONES
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.finished import cell, named_rows
from ultimate_deep.experiments.judging.rejudged import Rejudged
from ultimate_deep.experiments.run import Run
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.screen import whole_line

COLUMNS = {
    "accuracy": "accuracy",
    "AUC": "roc_auc",
    "return": "total_return",
    "Sharpe": "sharpe",
    "drawdown": "max_drawdown",
    "trades": "trades",
}
_COLOUR_OF = {"good": "bold green", "open": "bold yellow", "bad": "bold red"}
COLOURS = {kind: _COLOUR_OF[tone] for kind, tone in TONES.items()}


def render_summary(run: Run) -> Group:
    """Return verdict, figures beside the baselines', and where the files are."""
    outcome = run.outcome
    where = "simulated bars, after costs" if run.prepared.market.simulated else "after costs"
    table = Table(
        title=f"Test part, {where}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for judged in (outcome.model, *outcome.baselines):
        table.add_row(judged.name, *cells(judged.metrics))
    share = outcome.model.metrics.get("share_of_edge", math.nan)
    lines: list[Text | Table | Group] = [Text(), render_verdict(run.assessment), table]
    if math.isfinite(share):
        lines.append(Text(f"The model found {share:.0%} of the edge that this market has."))
    lines.append(render_ledger(outcome.trials))
    lines.append(whole_line(f"Report: {run.folder / 'report.html'}"))
    lines.append(whole_line(f"Bundle: {run.folder} (also {run.folder.parent / 'latest'})"))
    return Group(*lines)


def render_backtest(result: Rejudged) -> Group:
    """Return a backtest's figures beside buy and hold and the baselines of the run."""
    where = "simulated bars, after costs" if result.judge.market.simulated else "after costs"
    title = f"{how_many(result.rows, 'decision')}, {where}"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, metrics in result.figures.items():
        table.add_row(name, *cells(metrics))
    lines: list[Text | Table] = [table]
    lines += [Text(f"- {note}") for note in (*result.notes, result.trials.sentence)]
    if result.repeats_run and not result.differing:
        lines.append(Text("- every test figure of the run is reproduced exactly"))
    return Group(*lines)


def render_verdict(assessment: Assessment) -> Group:
    """Return the verdict, its five answers, and what else to know of costs and other forecasts."""
    verdict = assessment.verdict
    lines = [Text(verdict.sentence, style=COLOURS[verdict.kind]), *answer_lines(verdict)]
    return Group(*lines, *(Text(f"- {caution}") for caution in assessment.cautions))


def answer_lines(verdict: Verdict) -> list[Text]:
    """Return the five questions with their answers, a line each."""
    return [Text(f"- {one.question} {one.word}. {one.sentence}") for one in verdict.answers]


def render_ledger(trials: TrialCount) -> Text:
    """Return which ledgers were counted, and how many trials on these bars they hold."""
    return Text(trials.sentence)


def render_comparison(data: ComparisonData) -> Group:
    """Return what is claimed of several models, and their figures."""
    where = "simulated bars, after costs" if data.simulated else "after costs"
    table = named_rows(
        ("", *COLUMNS, "verdict"),
        [(one.name, *cells(one.metrics), one.verdict.kind) for one in data.models],
        title=f"Common test part, {where}",
    )
    lines = [Text(data.finding, style=COLOURS[data.kind])]
    lines += [Text(f"- {data.rules}")] if data.rules else []
    if data.confidence_set is not None:
        lines.append(Text(f"- Not told from the best: {', '.join(data.confidence_set.included)}."))
    lines += [whole_line(f"- {name}: p = {p:.3f}") for name, p in data.superior.items()]
    counted = [] if data.trials is None else [render_ledger(data.trials)]
    return Group(*lines, table, *counted)


def cells(metrics: Mapping[str, float]) -> list[str]:
    """Return the figures of `COLUMNS`, a dash where one is undefined."""
    return [cell(metrics, name) for name in COLUMNS.values()]
