"""A finished comparison as tables, sentences, CSV, JSON, Markdown and plots."""

import math
import os
import platform
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy.stats import t as student

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.ledger.place import ledger_path
from ultimate_deep.experiments.depths.comparison import Compared
from ultimate_deep.experiments.depths.config import HOPED
from ultimate_deep.experiments.depths.plots import plot_comparison
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.files import unfinished_folder, write_json
from ultimate_deep.machine.home import shown_path

PERCENT, COUNT, NUMBER, SECONDS = "{:.1%}", "{:,.0f}", "{:.2f}", "{:,.1f}"
# Heading, column, form, whether the spread stands beside the mean.
Column = tuple[str, str, str, bool]
COST: tuple[Column, ...] = (
    ("layers", "layers", COUNT, False),
    ("products", "products", COUNT, False),
    ("parameters", "parameters", COUNT, False),
    ("s to first step", "first_step_seconds", SECONDS, True),
    ("s of training", "train_seconds", SECONDS, True),
    ("epochs", "epochs", "{:.1f}", False),
)
SHARE: Column = ("share of oracle's edge", "share_of_edge", PERCENT, True)
QUALITY: tuple[Column, ...] = (
    ("accuracy", "accuracy", PERCENT, True),
    ("majority's", "majority_accuracy", PERCENT, False),
    ("right, trades kept", "hit_rate_kept", PERCENT, True),
    ("win rate, trades kept", "win_rate_kept", PERCENT, True),
    ("coverage", "coverage", PERCENT, False),
    ("net Sharpe", "net_sharpe", NUMBER, True),
)
FIGURES = [name for _, name, _, _ in (*COST, SHARE, *QUALITY)]
CONFIDENCE = 0.95
NO_TARGET = "none named"
WITHOUT_STACK = ("baseline", "shallow")


def summarize(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set and model: means over seeds, and sample standard deviations.

    Args:
        cells: One row per cell; a diverged cell has no figures, and counts in `diverged` only.

    Returns:
        `data`, `model`, `family`, `seeds`, `diverged`, `cut` (fits that the budget cut short),
        `verdict` (each kind with its number of seeds), and for each figure its mean and
        `<figure>_spread`, NaN for one seed.
    """
    cells, rows = _complete(cells), []
    for (data, model), group in cells.groupby(["data", "model"], sort=False):
        figures = group[FIGURES].apply(pd.to_numeric)
        kinds = group["verdict"].value_counts()
        row = {
            "data": data,
            "model": model,
            "family": group["family"].iloc[0],
            "simulated": bool(group["simulated"].iloc[0]),
            "seeds": len(group),
            "diverged": int((group["status"] != "completed").sum()),
            "cut": int((group["budget_cut"] == True).sum()),  # noqa: E712 - None where no net
            "verdict": ", ".join(f"{kind} {number}" for kind, number in kinds.items()) or "-",
        }
        row |= figures.mean().to_dict()
        rows.append(row | figures.std(ddof=1).add_suffix("_spread").to_dict())
    return pd.DataFrame(rows)


def findings(cells: pd.DataFrame) -> list[str]:
    """Return what the figures say about depth, null results included, in plain sentences.

    Differences are paired by seed, with the two-sided 95% interval of Student's t. On simulated
    bars the share of the oracle's edge is compared, on real ones the accuracy; there seeds differ
    in weights and data order only, and the bars' own noise is the verdict's business.
    """
    said = []
    for data, group in _complete(cells).groupby("data", sort=False):
        simulated = bool(group["simulated"].iloc[0])
        figure = "share_of_edge" if simulated else "accuracy"
        unit = "of the oracle's edge" if simulated else "accuracy"
        table = group.assign(**{figure: pd.to_numeric(group[figure])})
        values = table.set_index(["seed", "model"])[figure].unstack()  # noqa: PD010 - nothing to pool
        layers = pd.to_numeric(group.set_index("model")["layers"]).groupby(level=0).first()
        families = group.groupby("model")["family"].first()
        for family in dict.fromkeys(group["family"]):
            nets = layers[families[families == family].index].dropna().sort_values()
            if len(nets) > 1:
                ends = (nets.index[-1], nets.index[0])
                said.append(f"{data}: {_difference(values, *ends, unit)}")
        deep = _best(values, [m for m in layers.dropna().index if families[m] not in WITHOUT_STACK])
        plain = _best(values, [m for m in values.columns if families[m] in WITHOUT_STACK])
        if deep and plain:
            said.append(
                f"{data}: the best stack against the best model without a stack, both chosen "
                f"with hindsight: {_difference(values, deep, plain, unit)}"
            )
        said.append(f"{data}: {_claims(group)}")
    return said


def render_comparison(compared: Compared) -> Group:
    """Return all tables and sentences for a console."""
    parts: list[Text | Table] = []
    summary = summarize(compared.cells)
    for data, lines in summary.groupby("data", sort=False):
        for title, headings, rows in _tables(str(data), lines, compared):
            table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
            for place, heading in enumerate(headings):
                table.add_column(heading, justify="right" if place else "left")
            for row in rows:
                table.add_row(*row)
            parts += [Text(), table]
    parts += [Text(f"- {sentence}") for sentence in (*notes(compared), *findings(compared.cells))]
    return Group(*parts)


def notes(compared: Compared) -> list[str]:
    """Return how the tables are to be read."""
    comparison, epochs = compared.comparison, compared.config.fit.epochs
    most = "the epochs of its preset" if epochs is None else how_many(epochs, "epoch")
    said = [
        f"Means over {comparison.seeds} seeds ± sample standard deviation. Every net: at most "
        f"{comparison.budget_seconds:g} s, compiling included, and {most}, but "
        "always one epoch; * marks models that the budget cost epochs, with the number of "
        "seeds.",
        "Layers are weighted layers (dense and norm); products are matrix products alone.",
        "The test part was read once by each fit; thresholds were chosen on validation. "
        f"Returns are after {compared.config.backtest.costs.per_side_bps:g} bps per side.",
        "Right: the price moved to the side taken, before costs; not at all is not right. Win "
        "rate: above zero after costs. Each decision counts as a trade of its own.",
    ]
    if not comparison.targets:
        said.append("No win rates are named to stand beside: compare.targets takes them.")
    elif comparison.targets == HOPED:
        said.append("Targets are the least win rates that the specification hopes for.")
    if not comparison.bars:
        said.append("Simulated bars only: no real bars were named with --bars.")
    return said


def write_comparison(compared: Compared) -> None:
    """Write `cells.csv`, `summary.csv`, `summary.json`, `summary.md` and `comparison.png`."""
    folder, summary = unfinished_folder(compared.folder), summarize(compared.cells)
    compared.cells.to_csv(folder / "cells.csv", index=False)
    summary.to_csv(folder / "summary.csv", index=False)
    said = findings(compared.cells)
    values = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "notes": notes(compared),
        "findings": said,
        "models": summary,
    }
    write_json(folder / "summary.json", json_safe(values))
    (folder / "summary.md").write_text(_markdown(compared, summary, said))
    plot_comparison(summary, folder / "comparison.png")


def _complete(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with every column, also those that no cell among them has."""
    wanted = dict.fromkeys([*cells.columns, *FIGURES, "verdict", "budget_cut"])
    return cells.reindex(columns=list(wanted))


def _markdown(compared: Compared, summary: pd.DataFrame, said: list[str]) -> str:
    parts = ["# Is depth worth it?\n\n![Found and paid, by layers](comparison.png)\n"]
    for data, lines in summary.groupby("data", sort=False):
        for title, headings, rows in _tables(str(data), lines, compared):
            rule = ["---", *("---:" for _ in headings[1:])]
            cells = "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))
            parts.append(f"## {title}\n\n{cells}\n")
    for heading, sentences in (("Found", said), ("To be read so", notes(compared))):
        parts.append(f"## {heading}\n\n" + "\n".join(f"- {line}" for line in sentences) + "\n")
    return "\n".join(parts)


def _tables(
    data: str, lines: pd.DataFrame, compared: Compared
) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the costs' and the results' title, headings and rows."""
    simulated = bool(lines["simulated"].iloc[0])
    told = "simulated bars" if simulated else "real bars"
    quality = ((SHARE,) if simulated else ()) + QUALITY
    costs, results = [], []
    for line in lines.to_dict("records"):
        name = str(line["model"])
        cut = f" *{line['cut']}" if line["cut"] else ""
        costs.append([name, *(_cell(line, column) for column in COST)])
        costs[-1][-1] += cut
        target = compared.comparison.targets.get(name)
        verdict = line["verdict"] + (f", diverged {line['diverged']}" if line["diverged"] else "")
        results.append(
            [
                name,
                *(_cell(line, column) for column in quality),
                verdict,
                NO_TARGET if target is None else PERCENT.format(target),
            ]
        )
    result_headings = ["model", *(heading for heading, *_ in quality), "verdict", "target"]
    return [
        (f"{data} ({told}): what it costs", ["model", *(h for h, *_ in COST)], costs),
        (f"{data} ({told}): what it finds, test part", result_headings, results),
    ]


def _cell(line: Mapping[Hashable, Any], column: Column) -> str:
    _, name, form, spread = column
    value, around = float(line[name]), float(line[f"{name}_spread"])
    if not math.isfinite(value):
        return "-"
    told = form.format(value)
    return f"{told} ± {form.format(around)}" if spread and math.isfinite(around) else told


def _best(values: pd.DataFrame, names: list[str]) -> str | None:
    means = values[names].mean().dropna()
    return str(means.idxmax()) if len(means) else None


def _difference(values: pd.DataFrame, first: str, second: str, unit: str) -> str:
    """Return how much more `first` has than `second`, and whether chance explains it."""
    paired = (values[first] - values[second]).dropna()
    means = f"{first} {values[first].mean():.1%} {unit}, {second} {values[second].mean():.1%}"
    if len(paired) < 2:
        return f"{means}: fewer than two seeds have both, so chance cannot be told apart"
    half = student.ppf((1 + CONFIDENCE) / 2, len(paired) - 1) * paired.std(ddof=1)
    half /= math.sqrt(len(paired))
    mean = paired.mean()
    points = f"{mean * 100:+.1f} points, 95% interval {(mean - half) * 100:+.1f} to "
    points += f"{(mean + half) * 100:+.1f}"
    if mean - half > 0:
        return f"{means} ({points}): {first} is better"
    if mean + half < 0:
        return f"{means} ({points}): {second} is better"
    return f"{means} ({points}): no difference that {len(paired)} seeds could tell"


def _claims(group: pd.DataFrame) -> str:
    judged = group[group["status"] == "completed"]
    claiming = judged[judged["verdict"] == "edge"]
    counts = claiming["model"].value_counts(sort=False)
    named = ", ".join(f"{model} ({number})" for model, number in counts.items())
    said = f"{len(claiming)} of {how_many(len(judged), 'run')} may claim an edge"
    return f"{said}: {named}" if named else said


def render_folder(folder: Path) -> Text:
    """Return where the files are, and the ledger that counts every fit."""
    return Text(f"Ledger: {shown_path(ledger_path())}\nTables, plot and every cell: {folder}")
