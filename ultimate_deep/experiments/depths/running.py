"""The cells of a comparison, one after the other or side by side, each kept in a file."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ultimate_deep.experiments.depths.cells import Cell, run_cell
from ultimate_deep.experiments.depths.config import ComparisonConfig
from ultimate_deep.experiments.experiment import Prepared, prepare
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.duration import duration_sentence
from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.backend import load_backend_once
from ultimate_deep.training.progress import LineProgress, Progress

# What a compiled net costs beside its budget: building it, trial steps, judging.
OVERHEAD_SECONDS = 15.0


@dataclass(frozen=True, eq=False)
class Cells:
    """What is to be run.

    Args:
        cells: All of them, those of the same bars and seed in a row.
        where: Folder of their files, in the run's folder.
        config: Experiment of the first seed.
        comparison: What is compared.
    """

    cells: Sequence[Cell]
    where: Path
    config: ExperimentConfig
    comparison: ComparisonConfig

    def left(self) -> list[Cell]:
        """Return the cells that have no file."""
        return [cell for cell in self.cells if not (self.where / cell.file_name).exists()]


@dataclass(eq=False)
class Bars:
    """The bars of the newest cell: those of its neighbours are the same."""

    of: tuple[Any, ...] | None = None
    prepared: list[Prepared] = field(default_factory=list)

    def prepare(self, cells: Cells, cell: Cell, progress: Progress) -> Prepared:
        """Return a cell's bars, read only where they are not those of the cell before."""
        if self.of != (cell.data, cell.seed):
            self.prepared = [prepare(cell_config(cells.config, cell), progress)]
            self.of = cell.data, cell.seed
        return self.prepared[0]


def run_cells(cells: Cells, workers: Workers, progress: Progress) -> None:
    """Run every cell that has no file.

    Args:
        cells: What is run.
        workers: How many at a time.
        progress: Told what happens.
    """
    left, budget = cells.left(), cells.comparison.budget_seconds
    nets = sum(cell.entry.model is not None for cell in left)
    most = nets * (budget + OVERHEAD_SECONDS) / max(1, workers.count)
    side = f", {workers.said}" if workers.count and left else ""
    progress.message(
        f"{len(left)} of {len(cells.cells)} cells to go{side}, {nets} of them nets with {budget:g} "
        f"s each: at most about {duration_sentence(most)} (longer where one epoch takes longer "
        "than that), less where nets stop early"
    )
    began, done, trained = time.monotonic(), 0, 0

    def told(cell: Cell, result: str) -> None:
        nonlocal done, trained
        done, trained = done + 1, trained + (cell.entry.model is not None)
        rest = (nets - trained) * ((time.monotonic() - began) / trained if trained else 0.0)
        more = f"; about {duration_sentence(rest)} to go" if rest else ""
        progress.message(f"cell {done} of {len(left)}: {cell.sentence}: {result}{more}")

    if workers.count and left:
        side_by_side(
            _cell_of_worker, left, workers,
            make=_ready, given=cells, ready=load_backend_once,
            names=[cell.sentence for cell in left],
            say=progress.message, done=lambda position, result: told(left[position], result),
        )  # fmt: skip
    else:
        bars = Bars()
        for cell in left:
            told(cell, _cell(cells, bars, cell, progress))


def cell_config(config: ExperimentConfig, cell: Cell) -> ExperimentConfig:
    """Return the experiment of one cell: its bars, its seed, its own market where simulated."""
    number = cell.seed - config.seed
    data = cell.data.data
    if cell.data.simulated:
        data = dataclasses.replace(data, simulated_seed=data.simulated_seed + number)
    return dataclasses.replace(config, data=data, seed=cell.seed, baselines=False)


def _cell(cells: Cells, bars: Bars, cell: Cell, progress: Progress) -> str:
    """Run and keep one cell; return what came out, for people."""
    prepared = bars.prepare(cells, cell, progress)
    book = TrialBook.opened(cells.where.parent, prepared.market, prepared.config)
    budget, fit = cells.comparison.budget_seconds, cells.config.fit
    result = run_cell(prepared, cell, budget, progress, book, fit)
    write_json(cells.where / cell.file_name, result)
    return _result_sentence(result)


def _ready(cells: Cells) -> tuple[Cells, Bars]:
    """Return what serves cell after cell in one worker."""
    return cells, Bars()


def _cell_of_worker(own: tuple[Cells, Bars], cell: Cell, lines: TextIO) -> str:
    return _cell(*own, cell, LineProgress(lines))


def _result_sentence(result: Mapping[str, Any]) -> str:
    if result["status"] != "completed":
        return f"{result['status']} ({result['error']})"
    quality = f"accuracy {result['accuracy']:.2%}"
    if result["share_of_edge"] is not None:
        quality = f"{result['share_of_edge']:.1%} of the oracle's edge"
    said = f"{quality}, {result['verdict']}"
    if result.get("epochs"):
        cut = ", cut by the budget" if result["budget_cut"] else ""
        said += f", {how_many(result['epochs'], 'epoch')} in {result['train_seconds']:.0f} s{cut}"
    return said
