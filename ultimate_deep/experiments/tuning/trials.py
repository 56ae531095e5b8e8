"""One trial of a search, and the journal from which a killed search goes on."""

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from ultimate_deep.experiments.experiment import Prepared, build, train
from ultimate_deep.experiments.tuning.searcher import Request, Result, TrialFailedError
from ultimate_deep.experiments.tuning.spaces import with_values
from ultimate_deep.machine.files import flush_to_disk
from ultimate_deep.training.loop.best_weights import best_epoch
from ultimate_deep.training.loop.checkpoint import latest_checkpoint
from ultimate_deep.training.loop.fit import TrainingDivergedError
from ultimate_deep.training.progress import Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """A finished trial."""

    request: Request
    result: Result

    def row(self) -> dict[str, Any]:
        """Return the trial's row of `trials.csv`."""
        request = dataclasses.asdict(self.request)
        values = request.pop("values")
        return {**request, **dataclasses.asdict(self.result), **values}


class Journal:
    """Finished trials in a file of one JSON line each, written through to the disk.

    A line without its end is what a killed process leaves: it is cut off, and its trial counts as
    not finished.

    Args:
        path: The file; created with the first trial.

    Raises:
        ValueError: A whole line that is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            os.truncate(path, len(whole.encode()))
        for number, line in enumerate(whole.splitlines(), start=1):
            record = self._record(line, number)
            self.records[record.request.trial] = record

    def find(self, request: Request) -> Result | None:
        """Return the result of a trial, None where it has not finished.

        Raises:
            ValueError: The trial was finished with another request.
        """
        record = self.records.get(request.trial)
        if record is None:
            return None
        then, now = _plain(record.request), _plain(request)
        if then != now:
            raise ValueError(
                f"{self.path}: trial {request.trial} was {then} and would now be {now}; the search "
                "space, the seed or what proposes its trials has changed: start a new search"
            )
        return record.result

    def append(self, record: Record) -> None:
        """Write one finished trial."""
        line = json.dumps(dataclasses.asdict(record), allow_nan=False) + "\n"
        with self.path.open("a") as file:
            file.write(line)
            flush_to_disk(file)
        self.records[record.request.trial] = record

    def table(self) -> pd.DataFrame:
        """Return one row per finished trial, in the order in which they ended."""
        return pd.DataFrame([record.row() for record in self.records.values()])

    def _record(self, line: str, number: int) -> Record:
        try:
            stored = json.loads(line)
            return Record(request=Request(**stored["request"]), result=Result(**stored["result"]))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self.path}, line {number} is no finished trial ({error}); "
                "delete the unfinished search and start a new one"
            ) from error


def run_trial(prepared: Prepared, request: Request, folder: Path) -> Result:
    """Train one configuration on train and score it on validation; the test part is not read.

    A rung is a pause of one and the same fit, not a new fit from old weights: schedule, optimizer
    and data order go on as if there had been no pause. So a trial that is interrupted, promoted or
    finished as the winner gives what one undisturbed fit would have given.

    Args:
        prepared: Data and experiment; `fit.epochs` is the length of an undisturbed fit.
        request: Values and epochs.
        folder: Checkpoints, perhaps of an interrupted attempt or of the trial that is continued.

    Raises:
        TrialFailedError: Anything but divergence, with the trial's values and the error.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    try:
        return _fit_trial(prepared, request, folder)
    except TrainingDivergedError as error:
        return Result(status="diverged", error=str(error))
    except Exception as error:
        raise TrialFailedError(
            f"{request.sentence()} failed: {type(error).__name__}: {error}"
        ) from error


class _Paused(Exception):  # noqa: N818 - no error
    """A trial has run the epochs that it was given."""


class _PauseAfter(Progress):
    """Ends a fit at the first step after a number of epochs; the checkpoint before it stays."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def step(self, epoch: int, step: int, loss: float) -> None:
        if epoch > self._epochs:
            raise _Paused


def _fit_trial(prepared: Prepared, request: Request, folder: Path) -> Result:
    config = with_values(prepared.config, request.values)
    fit = dataclasses.replace(config.fit, checkpoint_every_epochs=request.epochs)
    config = dataclasses.replace(config, fit=fit)
    keras.utils.clear_session()  # else each trial's graphs stay in memory
    prepared = dataclasses.replace(prepared, config=config)
    model = build(prepared)
    with contextlib.suppress(_Paused):
        train(
            dataclasses.replace(prepared, config=config),
            model,
            _PauseAfter(request.epochs),
            checkpoints=folder,
            resume=True,
        )
    checkpoint, _ = latest_checkpoint(folder)
    if checkpoint is None:
        raise FileNotFoundError(f"{folder} has no checkpoint after {request.epochs} epochs")
    state = checkpoint.state
    losses = [row["validation_loss"] for row in state["history"]]
    best = state["history"][best_epoch(losses, config.fit.min_delta) - 1]
    return Result(
        status="completed",
        validation_loss=best["validation_loss"],
        validation_accuracy=best["validation_accuracy"],
        validation_auc=_finite(best["validation_auc"]),
        best_epoch=int(best["epoch"]),
        epochs_run=state["epoch"],
        seconds=state["seconds"],
    )


def _finite(value: float) -> float | None:
    return value if value == value else None


def _plain(request: Request) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(request)))
