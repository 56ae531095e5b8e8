"""Finished runs as their folders tell: nothing is loaded, nothing is judged again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ultimate_deep.experiments.runs import flat

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
FIGURES = ("accuracy", "log_loss", "total_return", "sharpe", "max_drawdown", "trades")


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
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("config.json", "metrics.json", "manifest.json")
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} is no finished run ({error}); `ultimate-deep runs list` names those there"
        ) from error
    return FinishedRun(folder=folder, config=flat(config), metrics=metrics, manifest=manifest)


def finished_runs(artifacts: Path) -> list[FinishedRun]:
    """Return every finished run of a folder, the newest first.

    Raises:
        FileNotFoundError: No such folder.
    """
    if not artifacts.is_dir():
        raise FileNotFoundError(f"no folder {artifacts}; name that of your runs with --artifacts")
    folders = [one.parent for one in artifacts.glob("*/manifest.json")]
    found = [read_run(one) for one in folders if not one.is_symlink()]
    return sorted(found, key=lambda run: run.manifest.get("created", ""), reverse=True)


def render_list(artifacts: Path, ledger: str) -> Group:
    """Return every finished run, its bars, figures and verdict, and what the ledger says."""
    found = finished_runs(artifacts)
    if not found:
        return Group(Text(f"No finished run in {artifacts}."), Text(ledger))
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("run", "model", "bars"):
        table.add_column(name, overflow="fold")
    for name in ("accuracy", "return", "Sharpe", "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in found:
        shown = [cell(run.figures, name) for name in ("accuracy", "total_return", "sharpe")]
        table.add_row(run.folder.name, run.model, run.bars, *shown, run.verdict)
    return Group(table, Text(ledger))


def render_run(run: FinishedRun) -> Group:
    """Return what a run was asked, what came out, and where its files are."""
    told = run.metrics.get("verdict", {})
    lines = [
        Text(f"{run.folder.name}: {told.get('sentence', '')}", style="bold"),
        Text(f"bars      {run.bars}"),
        Text(f"model     {run.model}, preset {run.config.get('model.preset')}"),
    ]
    lines += [Text(f"{name:<9} {text}") for name, text in run.metrics.get("plan", {}).items()]
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in run.metrics.get("test", {}).items():
        table.add_row(name, *(cell(figures, one) for one in FIGURES))
    ledger = run.metrics.get("ledger", {})
    counted = f"{ledger['trials']:,} trials were counted by then" if ledger else "no ledger"
    files = ", ".join(sorted({name.split("/")[0] for name in run.manifest.get("files", {})}))
    after = [Text(f"ledger    {counted}"), Text(f"files     {run.folder}: {files}")]
    return Group(*lines, table, *after)


def render_differences(runs: Sequence[FinishedRun]) -> Table:
    """Return the settings in which runs differ, then their figures."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for run in runs:
        table.add_column(run.folder.name, overflow="fold")
    names = dict.fromkeys(name for run in runs for name in run.config)
    for name in names:
        values = [json.dumps(run.config.get(name)) for run in runs]
        if len(set(values)) > 1 and name not in ("name", "artifacts"):
            table.add_row(name, *values)
    table.add_section()
    table.add_row("bars", *(run.bars for run in runs))
    for name in FIGURES:
        table.add_row(name, *(cell(run.figures, name) for run in runs))
    table.add_row("verdict", *(run.verdict for run in runs))
    return table


def cell(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure as people read it, a dash where it is undefined."""
    value = figures.get(name)
    known = value is not None and math.isfinite(value)
    return FORMATS[name].format(value) if known else "-"
