"""A walk-forward written out: folder, page, and the few lines on screen."""

import shutil
from html import escape
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ultimate_deep.evaluation.reporting.grid import Check, Column, at, checks, figure_of, grid
from ultimate_deep.evaluation.reporting.headlines import headline
from ultimate_deep.evaluation.reporting.page import (
    bullets,
    card,
    details,
    figure,
    page_header,
    render_page,
    section,
    write_page,
)
from ultimate_deep.evaluation.reporting.pdf import pdf_beside
from ultimate_deep.evaluation.reporting.plots_schemes import plot_paths, plot_scheme
from ultimate_deep.evaluation.reporting.plots_significance import plot_forest
from ultimate_deep.evaluation.reporting.sections_origin import reproduce_section, steps_section
from ultimate_deep.evaluation.reporting.sections_significance import trials_section
from ultimate_deep.evaluation.reporting.tables import answer_checks, names_table
from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.verdicts.rule import TONES
from ultimate_deep.experiments.finished import cell
from ultimate_deep.experiments.reporting import bar_facts
from ultimate_deep.experiments.runs import CONFIG_FILE, RESULT
from ultimate_deep.experiments.summary import COLOURS, COLUMNS, answer_lines, render_ledger
from ultimate_deep.experiments.walk_forward.config import TITLES
from ultimate_deep.experiments.walk_forward.plots import plot_fold_accuracy, plot_walk_equity
from ultimate_deep.experiments.walk_forward.tables import (
    contenders,
    folds_table,
    origin_of_walk,
    paths_table,
    predictions_table,
    spread_table,
    walk_json,
)
from ultimate_deep.experiments.walk_forward.walk_forward import Walked
from ultimate_deep.machine.counts import how_many, noun_for
from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.screen import whole_line
from ultimate_deep.pipeline.judge import Judgement

NOT_A_TRADER = (
    "Training parts hold bars from after their test part: this compares models, and is not what a "
    "trader would have earned."
)
_FIGURES = (
    Column("accuracy", "accuracy", "{:.2%}"),
    Column("roc_auc", "AUC", "{:.3f}"),
    Column("total_return", "net return", "{:+.1%}"),
    Column("sharpe", "net Sharpe", "{:.2f}"),
    Column("max_drawdown", "max drawdown", "{:.1%}"),
    Column("trades", "trades", "{:,.0f}"),
)
_SCREEN = {name: column for name, column in COLUMNS.items() if name != "AUC"}  # 80 columns
_FILES = {
    "report.html": "this page",
    "walk_forward.json": "all of it for programs",
    "folds.csv": "one row per fold",
    "paths.csv": "one row per path",
    "predictions.parquet": "every decision out of sample: probability, signal, label",
    "config.json": "what was asked for",
}


def write_walk(walked: Walked) -> Path:
    """Write every file of the finished folder into a draft of it and return that."""
    folder = walked.place.path / RESULT
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one has begun to write
    folder.mkdir()
    shutil.copyfile(walked.place.path / CONFIG_FILE, folder / CONFIG_FILE)
    write_json(folder / "walk_forward.json", walk_json(walked))
    folds_table(walked).to_csv(folder / "folds.csv", index=False)
    paths_table(walked).to_csv(folder / "paths.csv", index=False)
    predictions_table(walked).to_parquet(folder / "predictions.parquet", index=False)
    page = write_page(folder / "report.html", render_walk(walked))
    if walked.prepared.config.report == "pdf":
        pdf_beside(page)
    return folder


def render_walk(walked: Walked) -> str:
    """Return the page as one HTML string."""
    simulated = walked.prepared.market.simulated
    symbols = ", ".join(walked.prepared.market.bars)
    index = walked.judged.whole.judged.backtest.index
    title = f"{TITLES[walked.walk.scheme]}: {symbols}"
    subtitle = (
        f"{how_many(len(walked.results), 'fold')}, each trained anew; tested {index[0]:%Y-%m-%d} "
        "to "
        f"{index[-1]:%Y-%m-%d}"
    )
    origin = origin_of_walk(walked)
    body = [
        page_header(title, subtitle, simulated=simulated),
        _verdict(walked),
        _scheme(walked),
        _accounts(walked),
        _paths(walked),
        _folds(walked),
        _chance(walked),
        trials_section(walked.trials, "trials"),
        _setup(walked),
        steps_section(origin),
        reproduce_section(origin),
    ]
    return render_page(title, "\n".join(body), simulated=simulated)


def render_walk_summary(walked: Walked) -> Group:
    """Return verdict, folds and where the files are, for the screen."""
    whole = walked.judged.whole
    lines: list[Text | Table] = [
        Text(),
        Text(whole.verdict.sentence, style=COLOURS[whole.verdict.kind]),
    ]
    lines += answer_lines(whole.verdict)
    lines += [Text(f"- {one.sentence}") for one in _cautions(walked)]
    lines += [Text(), _screen_table(walked), render_ledger(walked.trials)]
    lines.append(whole_line(f"Report: {walked.folder / 'report.html'}"))
    return Group(*lines)


def _screen_table(walked: Walked) -> Table:
    where = "simulated bars, after costs" if walked.prepared.market.simulated else "after costs"
    title = f"{TITLES[walked.walk.scheme]}, {where}"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in (*_SCREEN, "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for part in (*walked.judged.folds, walked.judged.whole):
        table.add_row(part.name, *_cells(part.judged), part.verdict.kind)
    for rival in walked.judged.rivals:
        table.add_row(rival.name, *_cells(rival), "")
    return table


def _cells(judged: Judgement) -> list[str]:
    return [cell(judged.metrics, name) for name in _SCREEN.values()]


def _cautions(walked: Walked) -> list[Check]:
    """Return what a reader of the verdict should know first."""
    found = [] if walked.walk.past_only else [Check("unsure", "No account.", NOT_A_TRADER)]
    paths = walked.judged.paths
    if len(paths) > 1:
        losing = sum(path.judged.metrics["total_return"] < 0 for path in paths)
        edges = sum(path.verdict.kind == "edge" for path in paths)
        sentence = (
            f"Judged is {walked.judged.whole.name}, in the middle of {len(paths)} by Sharpe ratio: "
            f"an edge on {edges} of them, a loss on {losing}. They share their bars, so they "
            "are not independent."
        )
        found.append(Check("unsure", "Paths.", sentence))
    return found


def _verdict(walked: Walked) -> str:
    verdict = walked.judged.whole.verdict
    accuracy, advantage, gain = verdict.accuracy, verdict.advantage, verdict.net_return
    level = f"{accuracy.level:.0%}:"
    cards = [
        card(f"{accuracy.estimate:.2%}", "accuracy out of sample",
              f"{level} {100 * accuracy.lower:.2f} to {100 * accuracy.upper:.2f}%"),
        card(f"{100 * advantage.estimate:+.2f} points",
              f"above the majority's {verdict.majority_accuracy:.2%}",
              f"{level} {100 * advantage.lower:+.2f} to {100 * advantage.upper:+.2f}"),
        card(f"{1e4 * gain.estimate:+.3f} bps", "net return per bar",
              f"{level} {1e4 * gain.lower:+.3f} to {1e4 * gain.upper:+.3f}"),
        card(f"{verdict.decisions:,}",
             f"{noun_for(verdict.decisions, 'decision time')} judged",
             how_many(verdict.bars, "bar")),
    ]  # fmt: skip
    found = [*_cautions(walked), *answer_checks(verdict)]
    kind = verdict.kind
    return (
        f'<section class="verdict tone-{TONES[kind]}"><div class="kind">'
        f'{kind.capitalize()}</div><p class="sentence">{escape(verdict.sentence)}</p>'
        f'<div class="cards">{"".join(cards)}</div>{checks(found)}</section>'
    )


def _scheme(walked: Walked) -> str:
    simulated = walked.prepared.market.simulated
    title = TITLES[walked.walk.scheme]
    embargo = walked.prepared.config.split.embargo_bars
    return section(
        "How the bars were split",
        figure(plot_scheme(walked.scheme, title, simulated=simulated)),
        hint="No label of a training part reaches into its test part"
        + (f", nor into the {embargo} bars beside it" if embargo else "")
        + f". The newest {walked.walk.validation:.0%} of each training part is held back for "
        "early stopping, temperature and threshold.",
    )


def _accounts(walked: Walked) -> str:
    simulated = walked.prepared.market.simulated
    times = walked.scheme.spans.times
    borders = sorted({times[first] for group in walked.scheme.test_groups() for first, _ in group})
    rows = contenders(walked)
    table = grid(
        "contenders", (Column("name", ""), *_FIGURES), rows, marked=(0,),
        caption="All test parts in a row, net of costs" + (", simulated bars" * simulated),
    )  # fmt: skip
    picture = plot_walk_equity(walked.judged, borders, simulated=simulated)
    return section("Out of sample, after costs", figure(picture), table)


def _paths(walked: Walked) -> str:
    if not isinstance(walked.scheme, CombinatorialPurged) or len(walked.judged.paths) == 1:
        return ""
    simulated = walked.prepared.market.simulated
    note = ", simulated bars" * simulated
    spread, paths = spread_table(walked), paths_table(walked)
    columns = tuple(column for column in _FIGURES if column.key in spread.columns)
    return section(
        "Paths",
        grid("spread", (Column("", ""), *columns), spread.to_dict("records"),
             caption=f"How {len(paths)} paths spread{note}"),
        figure(plot_paths(walked.scheme, simulated=simulated)),
        details("Every path", grid(
            "paths", (Column("path", ""), *_FIGURES, Column("verdict", "verdict")),
            paths.to_dict("records"), caption=f"Paths{note}",
        )),
        hint="Each path is one whole history, put together from splits whose models did not see "
        "the part that they predict.",
    )  # fmt: skip


def _folds(walked: Walked) -> str:
    simulated = walked.prepared.market.simulated
    table = folds_table(walked)
    tested = [part.judged.backtest.index for part in walked.judged.folds]
    table["test_from"] = [f"{index[0]:%Y-%m-%d}" for index in tested]
    table["test_to"] = [f"{index[-1]:%Y-%m-%d}" for index in tested]  # the last bar's own day
    columns = (
        Column("fold", ""),
        Column("test_from", "test from"),
        Column("test_to", "to"),
        Column("train_rows", "trained on", "{:,.0f}"),
        Column("threshold", "threshold", "{:.3f}"),
        *(column for column in _FIGURES if column.key not in ("roc_auc", "max_drawdown")),
        Column("verdict", "verdict"),
    )
    return section(
        "Fold by fold",
        figure(plot_fold_accuracy(walked.judged.folds, simulated=simulated)),
        grid("folds", columns, table.to_dict("records"),
             caption="Each fold's own test part" + (", simulated bars" * simulated)),
        hint="One fold is a short test: most cannot tell. What counts is whether the folds agree.",
    )  # fmt: skip


def _chance(walked: Walked) -> str:
    simulated = walked.prepared.market.simulated
    rows = [
        f"<tr><td>{escape(headline(name).title)}</td><td>"
        + "</td><td>".join(
            figure_of(at("intervals", name, key), getattr(interval, key), headline(name).form)
            for key in ("estimate", "lower", "upper")
        )
        + "</td></tr>"
        for name, interval in walked.judged.intervals.items()
    ]
    note = ", simulated bars" * simulated
    table = (
        f'<div class="scroll"><table class="grid"><caption>All test parts in a row{note}</caption>'
        "<thead><tr><th></th><th>estimate</th><th>from</th><th>to</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    picture = figure(plot_forest(walked.judged.intervals, simulated=simulated))
    level = next(iter(walked.judged.intervals.values())).level
    return section(
        "Is it more than chance?",
        f'<div class="pair">{picture}{table}</div>',
        hint=f"Block-bootstrap intervals of {level:.0%} keep the dependence of neighbouring bars.",
    )


def _setup(walked: Walked) -> str:
    rows = [f"{name}: {purpose}" for name, purpose in _FILES.items()]
    # Each fold's training part says which features are of use.
    read = [result.facts["features"] for result in walked.results]
    facts = bar_facts(walked.prepared.market) | {
        "rows": f"{len(walked.prepared.rows.labels):,}",
        "features": f"{min(read)}" + (f" to {max(read)}" if max(read) > min(read) else ""),
        "seconds of training": f"{np.sum([r.facts['seconds'] for r in walked.results]):.0f}",
    }
    return section(
        "Setup",
        names_table(facts),
        details("Configuration", names_table(walked.prepared.config.to_dict())),
        details("Files", bullets(rows)),
    )
