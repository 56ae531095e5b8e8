"""How a fit went."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """What a finished fit leaves behind, beside the model with its best weights.

    Args:
        history: One row per epoch: `epoch` (from 1), `loss` (training, mean of the epoch's
            batches), `penalty` (what the model added, such as L2), `validation_loss` (the
            configured loss, without smoothing and class weights; cross-entropies in nats, at the
            temperature that suits validation best),
            `validation_accuracy`, `validation_auc` (mean over horizons, without flat labels; NaN
            where one class is absent), `learning_rate` (of the last step), `seconds`.
        best_epoch: Epoch (from 1) of the restored weights.
        epochs_run: Number of finished epochs.
        seconds: Time spent, all parts of an interrupted run together.
        stopped_reason: `finished` or `early stopping`.
        first_step_seconds: Tracing, compiling and taking the first step, in this process; NaN
            where a finished run was only restored.
        step_seconds: Mean of the other steps, in this process; NaN where there was none.
    """

    history: pd.DataFrame
    best_epoch: int
    epochs_run: int
    seconds: float
    stopped_reason: str
    first_step_seconds: float
    step_seconds: float
