"""Is depth worth it? Every model on the same split, features and budget, cell by cell.

A cell is one model on one data set with one seed. Each finished cell is a file of its own, so that
a comparison which was stopped goes on where it was.
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ultimate_deep.experiments.depths.cells import Cell, entries, run_cell
from ultimate_deep.experiments.depths.config import ComparisonConfig, data_sets
from ultimate_deep.experiments.experiment import Prepared, prepare
from ultimate_deep.experiments.runs import (
    MARKS,
    Workplace,
    new_run_folder,
    newest_unfinished,
    refuse_other_settings,
    resume_run,
    start_run,
    tidy,
)
from ultimate_deep.experiments.trials import TrialBook, check_ledgers
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.duration import duration_sentence
from ultimate_deep.machine.files import finish_folder, read_json, remove_drafts, write_json
from ultimate_deep.machine.places import check_places
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.interrupts import Interrupted
from ultimate_deep.training.progress import Progress

CELLS = "cells"
COMPARISON_FILE = MARKS["comparison"]
# What a compiled net costs beside its budget: building it, trial steps, judging.
OVERHEAD_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """A comparison whose cells are all finished.

    Args:
        place: Where it is made, and where it will be; locked until `finish`.
        config: Configuration of the experiment.
        comparison: What was compared.
        cells: One row for each cell.
    """

    place: Workplace
    config: ExperimentConfig
    comparison: ComparisonConfig
    cells: pd.DataFrame

    @property
    def folder(self) -> Path:
        """Where it will be."""
        return self.place.folder


def compare(
    config: ExperimentConfig,
    comparison: ComparisonConfig,
    progress: Progress,
    *,
    resume: bool = False,
) -> Compared:
    """Run every cell that has no file yet; the folder stays unfinished until it is written out.

    Args:
        config: Data, features, label, split, fit and costs of every cell; its `seed` is the first
            cell's, its model stays the default.
        comparison: What is compared.
        progress: Told what happens.
        resume: Go on with the newest unfinished comparison of that name.

    Raises:
        FileNotFoundError: Nothing to resume.
        LockedError: A living process works on the comparison to resume.
        ValueError: Bad bars or configuration, or other settings than those of the resumed run.
        Interrupted: Ctrl-C or SIGTERM; the finished cells are kept.
    """
    check_places(artifacts=config.artifacts)
    check_ledgers(config.artifacts)  # before the bars are read
    sets, models = data_sets(config, comparison.bars), entries(comparison)
    cells = [
        Cell(entry=entry, data=data, seed=config.seed + number)
        for number in range(comparison.seeds)
        for data in sets
        for entry in models
    ]
    tidy(Path(config.artifacts))
    with contextlib.ExitStack() as held:
        place = held.enter_context(_opened(config, comparison, resume=resume))
        where = place.path / CELLS
        where.mkdir(exist_ok=True)
        try:
            _run_cells(cells, where, config, comparison, progress)
        except KeyboardInterrupt as stop:
            done = sum((where / cell.file_name).exists() for cell in cells)
            raise Interrupted(
                f"stopped; {done} of {len(cells)} cells are finished and kept in {where}; "
                "the same command goes on with the others",
                where,
            ) from stop
        rows = [read_json(where / cell.file_name) for cell in cells]
        held.pop_all()  # `finish` lets go of the folder
    return Compared(place=place, config=config, comparison=comparison, cells=pd.DataFrame(rows))


def _opened(config: ExperimentConfig, comparison: ComparisonConfig, *, resume: bool) -> Workplace:
    """Return the folder of a new comparison, or of the newest unfinished one."""
    if not resume:
        stored = {"comparison": dataclasses.asdict(comparison)}
        return start_run(new_run_folder(config), config, {COMPARISON_FILE: stored})
    folder = newest_unfinished(Path(config.artifacts), config.name, what="comparison")
    place = resume_run(folder)
    try:
        _check_same(place.path, config, comparison)
    except BaseException:
        place.lock.release()
        raise
    return place


def finish(compared: Compared) -> None:
    """Make the finished folder appear, complete."""
    remove_drafts(compared.place.path / CELLS)
    finish_folder(compared.folder)
    compared.place.lock.release()


def _run_cells(
    cells: list[Cell],
    where: Path,
    config: ExperimentConfig,
    comparison: ComparisonConfig,
    progress: Progress,
) -> None:
    left = [cell for cell in cells if not (where / cell.file_name).exists()]
    nets = sum(cell.entry.model is not None for cell in left)
    most = nets * (comparison.budget_seconds + OVERHEAD_SECONDS)
    progress.message(
        f"{len(left)} of {len(cells)} cells to go, {nets} of them nets with "
        f"{comparison.budget_seconds:g} s each: at most about {duration_sentence(most)} (longer "
        "where one epoch takes longer than that), less where nets stop early"
    )
    prepared: Prepared | None = None
    before: Cell | None = None
    spent = trained = 0.0
    for number, cell in enumerate(left, start=1):
        if before is None or (before.data, before.seed) != (cell.data, cell.seed):
            prepared = prepare(cell_config(config, cell), progress)
        assert prepared is not None
        before, began = cell, time.monotonic()
        book = TrialBook.opened(where.parent, prepared.market, prepared.config)
        result = run_cell(prepared, cell, comparison.budget_seconds, progress, book, config.fit)
        write_json(where / cell.file_name, result)
        if cell.entry.model is not None:
            spent, trained = spent + time.monotonic() - began, trained + 1
        rest = (nets - trained) * (spent / trained if trained else 0.0)
        told = f"; about {duration_sentence(rest)} to go" if trained and rest else ""
        progress.message(
            f"cell {number} of {len(left)}: {cell.sentence}: {_result_sentence(result)}{told}"
        )


def cell_config(config: ExperimentConfig, cell: Cell) -> ExperimentConfig:
    """Return the experiment of one cell: its bars, its seed, its own market where simulated."""
    number = cell.seed - config.seed
    data = cell.data.data
    if cell.data.simulated:
        data = dataclasses.replace(data, simulated_seed=data.simulated_seed + number)
    return dataclasses.replace(config, data=data, seed=cell.seed, baselines=False)


def _check_same(unfinished: Path, config: ExperimentConfig, comparison: ComparisonConfig) -> None:
    stored = read_json(unfinished / "config.json")
    path = unfinished / COMPARISON_FILE
    stored |= read_json(path) if path.exists() else {}
    given = config.to_dict() | {"comparison": dataclasses.asdict(comparison)}
    del given["artifacts"]  # the folder may have been moved
    refuse_other_settings(unfinished, stored, given)


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
