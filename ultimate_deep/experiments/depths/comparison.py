"""Is depth worth it? Every model on the same split, features and budget, cell by cell.

A cell is one model on one data set with one seed. Each finished cell is a file of its own, so that
a comparison which was stopped goes on where it was.
"""

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.experiments.depths.cells import Cell, entries
from ultimate_deep.experiments.depths.config import ComparisonConfig, data_sets
from ultimate_deep.experiments.depths.running import Cells, run_cells
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
from ultimate_deep.experiments.trials import check_ledgers
from ultimate_deep.machine.files import finish_folder, read_json, remove_drafts
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.places import check_places
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.progress import Progress

CELLS = "cells"
COMPARISON_FILE = MARKS["comparison"]


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
    workers: Workers = Workers(),
) -> Compared:
    """Run every cell that has no file yet; the folder stays unfinished until it is written out.

    Args:
        config: Data, features, label, split, fit and costs of every cell; its `seed` is the first
            cell's, its model stays the default.
        comparison: What is compared.
        progress: Told what happens.
        resume: Go on with the newest unfinished comparison of that name.
        workers: How many cells at a time; what a budget of seconds buys depends on what else the
            machine does.

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
            run_cells(Cells(cells, where, config, comparison), workers, progress)
        except KeyboardInterrupt as stop:
            done = sum((where / cell.file_name).exists() for cell in cells)
            raise Interrupted(
                f"stopped; {done} of {len(cells)} cells are finished and kept in {where}",
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


def _check_same(unfinished: Path, config: ExperimentConfig, comparison: ComparisonConfig) -> None:
    stored = read_json(unfinished / "config.json")
    path = unfinished / COMPARISON_FILE
    stored |= read_json(path) if path.exists() else {}
    given = config.to_dict() | {"comparison": dataclasses.asdict(comparison)}
    del given["artifacts"]  # the folder may have been moved
    refuse_other_settings(unfinished, stored, given)
