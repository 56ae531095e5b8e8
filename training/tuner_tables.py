"""A search's plan and its trials, for a console."""

from typing import Any

from rich.table import Table

from training.plan import duration_sentence
from training.tuner import OBJECTIVES, Found, Rung, TuneConfig
from training.tuner_spaces import range_sentence, value_sentence
from training.tuning import SearchPlan

SHOWN_TRIALS = 15


def render_search_plan(plan: SearchPlan) -> Table:
    """Return the plan as a table."""
    table = Table(
        title=f"Plan: {plan.tune.search} search over {plan.model}",
        show_header=False,
        title_justify="left",
    )
    table.add_column(style="bold")
    table.add_column()
    for name, entry in plan.space.items():
        table.add_row(name, range_sentence(entry))
    times = f", {plan.tune.iterations} times" if plan.tune.iterations > 1 else ""
    table.add_row("rungs", "; ".join(map(_rung_sentence, plan.rungs)) + times)
    table.add_row(
        "trials",
        f"{plan.trials:,} of {plan.configurations:,} configurations, at most {plan.epochs:,} "
        "epochs in all",
    )
    table.add_row("compared by", plan.tune.objective.replace("_", " "))
    table.add_row(
        "time",
        f"about {duration_sentence(plan.seconds)}, were all configurations as fast as the one "
        "given; early stopping makes it less",
    )
    return table


def render_trials(found: Found, tune: TuneConfig) -> Table:
    """Return the best trials, the winner first."""
    values = list(found.best.request.values)
    ascending = OBJECTIVES[tune.objective] == "min"
    ranked = found.trials.sort_values(
        tune.objective, ascending=ascending, na_position="last", kind="stable"
    )
    shown = ranked.head(SHOWN_TRIALS)
    table = Table(
        title=f"{len(shown)} best of {len(ranked)} trials ({found.configurations} configurations)",
        title_justify="left",
    )
    for heading in ("trial", "status", tune.objective.replace("_", " "), "epochs", *values):
        table.add_column(heading.removeprefix("model.").removeprefix("fit."))
    for row in shown.to_dict("records"):
        cells = [row["trial"], row["status"], row[tune.objective], row["epochs_run"]]
        table.add_row(*map(_cell, cells), *(_cell(row[name]) for name in values))
    return table


def _rung_sentence(rung: Rung) -> str:
    span = f"epochs {rung.start_epoch + 1} to {rung.epochs}"
    return f"{rung.trials} x {span}"


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return (
        f"{value:.5f}" if isinstance(value, float) and abs(value) >= 0.01 else value_sentence(value)
    )
