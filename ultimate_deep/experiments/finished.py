"""Finished runs as their folders tell: nothing is loaded, nothing is judged again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ultimate_deep.experiments.runs import flat
from ultimate_deep.machine.counts import how_many, written
from ultimate_deep.machine.files import read_json
from ultimate_deep.machine.screen import Fitting, whole_line

# How people read each figure.
FORMATS = {
    "accuracy": "{:.2%}",
    "roc_auc": "{:.3f}",
    "log_loss": "{:.4f}",
    "total_return": "{:+.1%}",
    "sharpe": "{:.2f}",
    "max_drawdown": "{:.1%}",
    "trades": "{:,.0f}",
}
# Figures are floats; JSON also has larger numbers.
_MOST = 1e300
# What people call them in a table, short enough for a narrow screen.
HEADS = {
    "accuracy": "accuracy",
    "log loss": "log_loss",
    "return": "total_return",
    "Sharpe": "sharpe",
    "drawdown": "max_drawdown",
    "trades": "trades",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedRun:
    """What a run's folder says of itself.

    Args:
        folder: Folder of the bundle.
        config: What it was asked, by dotted name.
        metrics: What came out, as `metrics.json` has it.
        manifest: Versions and files.
    """

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.config.get("model.name", ""))

    @property
    def figures(self) -> dict[str, float | None]:
        """Figures of the model on its test part."""
        return dict(self.metrics.get("test", {}).get("model", {}))

    @property
    def verdict(self) -> str:
        """What it was found to be."""
        return str(self.metrics.get("verdict", {}).get("kind", "-"))

    @property
    def bars(self) -> str:
        """Symbols, and when they end."""
        data = self.metrics.get("data", {})
        simulated = " (simulated)" if self.metrics.get("simulated") else ""
        last = max((one["to"][:10] for one in data.values()), default="")
        return f"{', '.join(data)}{simulated} to {last}"


def read_run(folder: Path) -> FinishedRun:
    """Return what a finished run's folder says.

    Raises:
        ValueError: The folder is no finished run.
    """
    try:
        config, metrics, manifest = (
            read_json(folder / name) for name in ("config.json", "metrics.json", "manifest.json")
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} is no finished run ({error}); `ultimate-deep runs list` names those there"
        ) from error
    if not all(isinstance(one, dict) for one in (config, metrics, manifest)):
        raise ValueError(
            f"{folder} is no finished run (its files hold no settings and figures); "
            "`ultimate-deep runs list` names those there"
        )
    if wrong := next(_faults(metrics, manifest), None):
        raise ValueError(
            f"{folder} is no finished run (of {wrong} its files say what no run does); "
            "`ultimate-deep runs list` names those there"
        )
    return FinishedRun(folder=folder, config=flat(config), metrics=metrics, manifest=manifest)


def _faults(metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the entries that are there and of another kind than a run writes."""
    for entry in ("verdict", "test", "data", "ledger", "plan"):
        if not isinstance(metrics.get(entry, {}), dict):
            yield entry
            return  # those below are looked for inside of them
    verdict, ledger = metrics.get("verdict", {}), metrics.get("ledger", {})
    if not all(isinstance(verdict.get(name, ""), str) for name in ("kind", "sentence")):
        yield "verdict"
    if ledger and type(ledger.get("trials")) is not int:
        yield "ledger"
    for figures in metrics.get("test", {}).values():
        if not isinstance(figures, dict) or not all(
            _is_figure(figures.get(one)) for one in FORMATS
        ):
            yield "test"
    for bars in metrics.get("data", {}).values():
        if not isinstance(bars, dict) or not isinstance(bars.get("to"), str):
            yield "data"
    if not isinstance(manifest.get("created", ""), str):
        yield "created"
    if not isinstance(manifest.get("files", {}), dict):
        yield "files"


def _is_figure(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and abs(value) < _MOST)


def finished_runs(artifacts: Path) -> tuple[list[FinishedRun], list[str]]:
    """Return every finished run of a folder, the newest first, and what is said of the others.

    Raises:
        FileNotFoundError: No such folder.
    """
    if not artifacts.is_dir():
        raise FileNotFoundError(f"no folder {artifacts}; name that of your runs with --artifacts")
    folders = [one.parent for one in artifacts.glob("*/manifest.json")]
    found, notes = [], []
    for folder in sorted(one for one in folders if not one.is_symlink()):
        try:
            found.append(read_run(folder))
        except ValueError as error:
            notes.append(f"Passed over: {error}")
    newest_first = sorted(found, key=lambda run: str(run.manifest.get("created", "")), reverse=True)
    return newest_first, notes


def render_list(artifacts: Path, ledger: str) -> Group:
    """Return every finished run, its bars, figures and verdict, and what the ledger says."""
    found, notes = finished_runs(artifacts)
    below = [whole_line(one) for one in (*notes, ledger)]
    if not found:
        return Group(whole_line(f"No finished run in {artifacts}."), *below)
    heads = ("accuracy", "return", "Sharpe")
    rows = []
    for run in found:
        figures = [cell(run.figures, HEADS[head]) for head in heads]
        rows.append((run.folder.name, run.model, run.bars, *figures, run.verdict))
    table = named_rows(("run", "model", "bars", *heads, "verdict"), rows, words=3)
    return Group(table, *below)


def render_run(run: FinishedRun) -> Group:
    """Return what a run was asked, what came out, and where its files are."""
    told = run.metrics.get("verdict", {})
    lines: list[RenderableType] = [
        whole_line(run.folder.name, "bold"),
        Text(told.get("sentence", ""), style="bold"),
        Text(f"bars      {run.bars}"),
        Text(f"model     {run.model}, preset {run.config.get('model.preset')}"),
    ]
    lines += [Text(f"{name:<9} {text}") for name, text in run.metrics.get("plan", {}).items()]
    rows = [
        (name, *(cell(figures, HEADS[head]) for head in HEADS))
        for name, figures in run.metrics.get("test", {}).items()
    ]
    ledger = run.metrics.get("ledger", {})
    counted = (
        f"{how_many(ledger['trials'], 'trial was', 'trials were')} counted by then"
        if ledger
        else "no ledger"
    )
    files = ", ".join(sorted({name.split("/")[0] for name in run.manifest.get("files", {})}))
    return Group(
        *lines,
        named_rows(("", *HEADS), rows),
        Text(f"ledger    {counted}"),
        whole_line(f"folder    {run.folder}"),
        Text(f"files     {files}"),
    )


def render_differences(runs: Sequence[FinishedRun]) -> Fitting:
    """Return the settings in which runs differ, then their figures."""
    names = [run.folder.name for run in runs]
    settings = []
    for name in dict.fromkeys(name for run in runs for name in run.config):
        values = [json.dumps(run.config.get(name)) for run in runs]
        if len(set(values)) > 1 and name not in ("name", "artifacts"):
            settings.append((name, values))
    found = [("bars", [run.bars for run in runs])]
    found += [(head, [cell(run.figures, HEADS[head]) for run in runs]) for head in HEADS]
    found.append(("verdict", [run.verdict for run in runs]))
    table = _table(("", *names), words=len(names) + 1)
    lines: list[Text] = []
    for part in (settings, found):
        for name, cells in part:
            table.add_row(name, *cells)
            lines.append(Text(name, style="bold"))
            lines += [
                whole_line(f"  {run}  {value}") for run, value in zip(names, cells, strict=True)
            ]
        table.add_section()
    return Fitting(table, Group(*lines))


def named_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, title: str = ""
) -> Fitting:
    """Return rows under their heads; no name and no head is ever broken or cut.

    Where the screen is too narrow for that, each name stands in a line of its own, and below it
    its cells with their heads.

    Args:
        heads: What stands above each column, that of the names first.
        rows: Cells of each row, its name first.
        words: How many of the first columns are words; the others are figures.
        title: What stands above all.
    """
    table = _table(heads, words=words)
    table.title = title or None
    lines: list[RenderableType] = [Text(title, style="italic")] if title else []
    for name, *cells in rows:
        table.add_row(name, *cells)
        told = [f"{head} {one}" for head, one in zip(heads[1:], cells, strict=True)]
        lines += [whole_line(name, "bold"), Padding(Text(", ".join(told)), (0, 0, 0, 2))]
    return Fitting(table, Group(*lines))


def _table(heads: Sequence[str], *, words: int) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < words else "right", no_wrap=True)
    return table


def cell(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure as people read it, a dash where it is undefined."""
    value = figures.get(name)
    known = value is not None and math.isfinite(value)
    return written(value, FORMATS[name]) if value is not None and known else "-"
