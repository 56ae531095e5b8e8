"""A search's plan and its trials, for a console."""

import pandas as pd
from rich.table import Table

from ultimate_deep.experiments.tuning.search import Found
from ultimate_deep.experiments.tuning.searcher import OBJECTIVES, Rung
from ultimate_deep.experiments.tuning.spaces import range_sentence, value_sentence
from ultimate_deep.experiments.tuning.tune import SearchPlan
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.machine.counts import how_many

SHOWN_TRIALS = 10


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
        f"{plan.trials:,} of {how_many(plan.configurations, 'configuration')}, at most "
        f"{how_many(plan.epochs, 'epoch')} in all",
    )
    table.add_row("compared by", plan.tune.objective.replace("_", " "))
    table.add_row(
        "time",
        f"{plan.searching} of trials, were all configurations as fast as the one given; where it "
        "is a range, early stopping decides",
    )
    parts = {"the winner's training": plan.finishing} | plan.after
    rest = ", ".join(f"{name} {seconds}" for name, seconds in parts.items())
    table.add_row("afterwards", rest.replace("about ", ""))
    table.add_row("in all", str(plan.seconds))
    return table


def render_trials(found: Found, tune: TuneConfig) -> Table:
    """Return the best trials, the winner first."""
    names = list(found.best.request.values)
    ascending = OBJECTIVES[tune.objective] == "min"
    ranked = found.trials.sort_values(
        tune.objective, ascending=ascending, na_position="last", kind="stable"
    )
    shown = ranked.head(SHOWN_TRIALS)
    table = Table(
        title=f"{len(shown)} best of {how_many(len(ranked), 'trial')} "
        f"({how_many(found.configurations, 'configuration')})",
        title_justify="left",
    )
    for heading in ("trial", tune.objective.replace("_", " "), "epochs"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("values")
    for row in shown.to_dict("records"):
        values = ", ".join(f"{name.split('.')[1]} {value_sentence(row[name])}" for name in names)
        told = row[tune.objective]
        missing = row["status"] if row["status"] != "completed" else "undefined"
        epochs = row["epochs_run"]
        table.add_row(
            row["trial"],
            missing if pd.isna(told) else f"{told:.5f}",
            "-" if pd.isna(epochs) else f"{epochs:.0f}",
            values,
        )
    return table


def _rung_sentence(rung: Rung) -> str:
    first = rung.start_epoch + 1
    span = f"epoch {first}" if first == rung.epochs else f"epochs {first} to {rung.epochs}"
    return f"{rung.trials} x {span}"
