"""One fold of a walk-forward: trained anew, its test part predicted, kept in a file of its own."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.ledger.trial import Kind, Trial
from ultimate_deep.experiments.experiment import Prepared, evaluate, with_split
from ultimate_deep.experiments.kept import JUDGED, Kept
from ultimate_deep.experiments.learners.learner import Fits
from ultimate_deep.experiments.trials import TrialBook, configuration_digest
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.files import whole_file
from ultimate_deep.market.splits import Split
from ultimate_deep.training.progress import Progress

MODEL = "model"


@dataclass(frozen=True, eq=False)
class RetrainingBook(TrialBook):
    """Counts a whole walk-forward as one trial: one way to train, and one reading.

    Every fold is another model, but none was picked: they are one strategy. It is known by its
    configuration, so that a walk-forward that was stopped after some folds is counted too.

    Args:
        walk: Which parts are trained and tested on.
    """

    walk: WalkForwardConfig = field(default_factory=WalkForwardConfig)

    @property
    def digest(self) -> str:
        """SHA-256 of the experiment and the scheme."""
        text = configuration_digest(self.config, self.fills)
        text += json.dumps(asdict(self.walk), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _trial(
        self,
        kind: Kind,
        figure: str,
        value: float | None,
        weights: str = "",
        sharpe_per_bar: float | None = None,
    ) -> Trial:
        trial = super()._trial(kind, figure, value, weights, sharpe_per_bar)
        return replace(
            trial,
            configuration=self.digest,
            weights=self.digest if weights else "",
            note=f"walk-forward, {self.walk.scheme}",
        )


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What a fold's predictors said of its test part.

    Args:
        rows: Row numbers of the test part, `(rows,)`.
        names: The model first, then the baselines that have probabilities.
        probability: Probability of up, calibrated, `(predictors, rows)`.
        thresholds: Least probability of the side taken, chosen on validation, `(predictors,)`.
        facts: JSON-able figures of the training.
    """

    rows: np.ndarray
    names: tuple[str, ...]
    probability: np.ndarray
    thresholds: np.ndarray
    facts: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        with whole_file(path) as draft, draft.open("wb") as file:
            np.savez_compressed(
                file,
                rows=self.rows,
                names=np.array(self.names),
                probability=self.probability,
                thresholds=self.thresholds,
                facts=np.array(json.dumps(self.facts)),
            )

    @classmethod
    def load(cls, path: Path) -> "FoldResult":
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(
                rows=stored["rows"],
                names=tuple(str(name) for name in stored["names"]),
                probability=stored["probability"],
                thresholds=stored["thresholds"],
                facts=json.loads(str(stored["facts"])),
            )


def run_fold(
    prepared: Prepared,
    split: Split,
    fits: Fits,
    progress: Progress,
    book: TrialBook,
    checkpoints: Path,
) -> FoldResult:
    """Train anew on a fold's training part and predict its test part.

    Args:
        prepared: All rows with their inputs.
        split: The fold's parts.
        fits: What trains; nothing that it learned before is kept.
        progress: Told what happens.
        book: Where the trial is kept.
        checkpoints: Folder of this fold's checkpoints; training goes on from the newest one there.

    Raises:
        ValueError: No training row has a label, or training diverged.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    fold = with_split(prepared, split)
    if fold.rows.names != prepared.rows.names:  # what was said of the whole does not hold here
        progress.message(f"this fold reads {how_many(len(fold.rows.names), 'feature')}")
        for line in fold.left_out.lines():
            progress.message(line)
    predictor, fitted = fits.fit(
        fold, progress, checkpoints=checkpoints, resume=checkpoints.exists()
    )
    kept = Kept(checkpoints / JUDGED, progress)
    outcome = evaluate(fold, predictor, fitted, progress, book=book, kept=kept)
    judged = [outcome.model, *(one for one in outcome.baselines if one.probability is not None)]
    return FoldResult(
        rows=split.test,
        names=tuple(one.name for one in judged),
        probability=np.stack([_known(one.probability) for one in judged]),
        thresholds=np.array([one.threshold for one in judged]),
        facts=json_safe(
            {
                "features": len(fold.rows.names),
                "train_rows": len(fold.labelled("train")),
                "validation_rows": len(fold.labelled("validation")),
                "purged": split.purged,
                "embargoed": split.embargoed,
                "validation_from": split.boundaries[0],
                "epochs": fitted.epochs_run,
                "best_epoch": fitted.best_epoch,
                "seconds": fitted.seconds,
                "validation_loss": float(fitted.history["validation_loss"].min()),
                "temperature": outcome.temperature.temperature,
                "majority_up": fold.majority_up,
                "accuracy": outcome.model.metrics["accuracy"],
                "total_return": outcome.model.metrics["total_return"],
            }
        ),
    )


def _known(probability: np.ndarray | None) -> np.ndarray:
    assert probability is not None
    return np.asarray(probability, np.float64)
