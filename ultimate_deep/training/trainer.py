"""The fit as an object, for those who come from the documents or from other frameworks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import tensorflow as tf

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import CheckpointError, has_checkpoint
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.progressive.stages import fit_as_configured
from ultimate_deep.training.result import FitResult

# Of a line of the history, what Keras calls otherwise.
KERAS_NAMES = {"validation_loss": "val_loss", "validation_accuracy": "val_accuracy",
               "validation_auc": "val_auc"}  # fmt: skip

# What would steer a fit of Keras, and what does the same here.
STEERING: dict[type[keras.callbacks.Callback], str] = {
    keras.callbacks.ReduceLROnPlateau: "give FitConfig(schedule=ScheduleConfig(kind='plateau'))",
    keras.callbacks.LearningRateScheduler: "give FitConfig(schedule=ScheduleConfig(...))",
    keras.callbacks.EarlyStopping: "give FitConfig(patience_epochs=...)",
    keras.callbacks.BackupAndRestore: "give the trainer checkpoints=... and call resume()",
    keras.callbacks.SwapEMAWeights: "give FitConfig(averaging=AveragingConfig(kind='ema'))",
}


class Trainer:
    """A model with what it is trained on and how; a thin class over `training.loop.fit.fit`.

    Args:
        model: Built model, which is trained in place.
        train: Rows to train on.
        validation: Rows to stop by.
        config: How to train.
        checkpoints: Folder of checkpoints; None keeps none, and cannot be resumed.
        callbacks: Callbacks of Keras. They are told of the beginning, of every epoch and of the
            end, by the names that Keras has (`val_loss`), and of the beginning of an epoch with
            its first step. Those that steer a fit of Keras are refused: settings of the fit do it.
        tensorboard: Folder that every number of the history is written into, for TensorBoard.
        progress: Who is told; nobody where absent.

    Example:
        >>> import numpy as np
        >>> from ultimate_deep.models import build_model
        >>> from ultimate_deep.training import Arrays, FitConfig
        >>> from ultimate_deep.training.trainer import Trainer
        >>> x = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
        >>> rows = Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))
        >>> trainer = Trainer(build_model("linear", {"x": (5,)}), rows, rows, FitConfig(epochs=2))
        >>> trainer.fit().epochs_run
        2
        >>> len(trainer.history)
        2
    """

    def __init__(
        self,
        model: keras.Model,
        train: Arrays,
        validation: Arrays,
        config: FitConfig = FitConfig(),
        *,
        checkpoints: Path | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        tensorboard: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        _check_callbacks(callbacks)
        self.model, self.config, self.checkpoints = model, config, checkpoints
        self._train, self._validation = train, validation
        self._callbacks, self._tensorboard = list(callbacks), tensorboard
        self._progress = progress
        self._result: FitResult | None = None

    def fit(self) -> FitResult:
        """Train from the weights that the model has, and leave it with those of its best epoch.

        Raises:
            CheckpointError: The folder of checkpoints holds some: a fit's before, which `resume`
                goes on with.
        """
        if self.checkpoints is not None and has_checkpoint(self.checkpoints):
            raise CheckpointError(
                f"{self.checkpoints} holds the checkpoints of a fit; call resume() to go on with "
                "it, or give another folder as checkpoints=..."
            )
        return self._run(resume=False)

    def resume(self) -> FitResult:
        """Go on from the newest checkpoint; from the start where there is none.

        Raises:
            ValueError: This trainer keeps no checkpoints.
            CheckpointError: A checkpoint of another run.
        """
        if self.checkpoints is None:
            raise ValueError(
                "there is nothing to resume: this trainer keeps no checkpoints; give it a folder "
                "as checkpoints=..., or call fit()"
            )
        return self._run(resume=True)

    @property
    def history(self) -> pd.DataFrame:
        """A line for every epoch of the last fit; see `FitResult`.

        Raises:
            ValueError: Nothing has been trained yet.
        """
        return self.result.history

    @property
    def result(self) -> FitResult:
        """How the last fit went.

        Raises:
            ValueError: Nothing has been trained yet.
        """
        if self._result is None:
            raise ValueError("nothing has been trained yet; call fit() first")
        return self._result

    def _run(self, *, resume: bool) -> FitResult:
        told = _Told(self._progress or Progress(), self._callbacks, self._tensorboard)
        for callback in self._callbacks:
            callback.set_model(self.model)
            callback.set_params({"epochs": self.config.most_epochs, "verbose": 0})
            callback.on_train_begin({})
        try:
            self._result = fit_as_configured(
                self.model,
                self._train,
                self._validation,
                self.config,
                checkpoint_folder=self.checkpoints,
                resume=resume,
                progress=told,
                on_epoch=told.on_epoch,
            )
        finally:
            told.close_log()
        for callback in self._callbacks:
            callback.on_train_end(told.logs)
        return self._result


def _check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    for callback in callbacks:
        for kind, remedy in STEERING.items():
            if isinstance(callback, kind):
                raise ValueError(
                    f"{kind.__name__} steers a fit of Keras, and this one does not ask it; {remedy}"
                )


class _Told(Progress):
    """Hands everything on, and every epoch to callbacks and TensorBoard too."""

    def __init__(
        self,
        progress: Progress,
        callbacks: Sequence[keras.callbacks.Callback],
        tensorboard: Path | None,
    ) -> None:
        self._progress, self._callbacks = progress, callbacks
        self._log = None if tensorboard is None else tf.summary.create_file_writer(str(tensorboard))
        self._row: Mapping[str, float] = {}
        self._begun = 0
        self.logs: dict[str, float] = {}

    def message(self, text: str) -> None:
        self._progress.message(text)

    def busy(self, text: str) -> Any:
        return self._progress.busy(text)

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        self._progress.start(epochs=epochs, steps_per_epoch=steps_per_epoch, epoch=epoch, step=step)

    def step(self, epoch: int, step: int, loss: float) -> None:
        if epoch != self._begun:
            self._begun = epoch
            for callback in self._callbacks:
                callback.on_epoch_begin(epoch - 1, {})
        self._progress.step(epoch, step, loss)

    def epoch(self, row: Mapping[str, float]) -> None:
        self._row = row
        self._progress.epoch(row)

    def close(self) -> None:
        self._progress.close()

    def on_epoch(self, epoch: int, model: keras.Model) -> None:
        """Tell callbacks and TensorBoard of an epoch, from 1, with the model as it was judged."""
        figures = {name: value for name, value in self._row.items() if name != "epoch"}
        self.logs = {KERAS_NAMES.get(name, name): value for name, value in figures.items()}
        for callback in self._callbacks:
            callback.on_epoch_end(epoch - 1, dict(self.logs))
        if self._log is not None:
            with self._log.as_default():
                for name, value in figures.items():
                    tf.summary.scalar(name, value, step=epoch)
            self._log.flush()

    def close_log(self) -> None:
        """Close TensorBoard's file."""
        if self._log is not None:
            self._log.close()
