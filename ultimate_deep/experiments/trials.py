"""What a run tries, written into the ledger of its artifacts folder as it happens.

Every training, every configuration of a search, every scan of thresholds and every model that has
read a test part is a trial on those bars. A later run on the same bars finds them counted.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.ledger.identity import DataIdentity
from ultimate_deep.evaluation.ledger.ledger import LedgerError, LedgerHead, TrialLedger
from ultimate_deep.evaluation.ledger.trial import Kind, Trial, TrialCount
from ultimate_deep.evaluation.significance.effective_trials import effective_trials_by_correlation
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.calibration import ThresholdChoice
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.training.result import FitResult

LEDGER_FILE = "ledger.sqlite"
_WITNESSES = ("metrics.json", "walk_forward.json")  # of runs, beside the ledger
_NOT_THE_TRIAL = ("name", "artifacts", "data", "baselines", "tables")


@dataclass(frozen=True, eq=False)
class TrialBook:
    """The ledger, opened for one run on one data set.

    Args:
        ledger: Where trials are kept.
        identity: Which bars they are made on.
        run: The run's name.
        config: What is run.
    """

    ledger: TrialLedger
    identity: DataIdentity
    run: str
    config: ExperimentConfig

    @classmethod
    def opened(cls, folder: Path, market: Market, config: ExperimentConfig) -> "TrialBook":
        """Return the book of a run's folder, in the ledger beside it."""
        ledger = TrialLedger(folder.parent / LEDGER_FILE)
        return cls(ledger, market_identity(market), folder.name, config)

    @classmethod
    def unkept(cls, market: Market, config: ExperimentConfig) -> "TrialBook":
        """Return a book in memory: it counts what is tried now and knows of nothing before.

        Its trials are held until `close`, or the end of the `with` that it was opened in.
        """
        return cls(TrialLedger(":memory:"), market_identity(market), config.name, config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger, of every book that shares it; see `TrialLedger.close`."""
        self.ledger.close()

    def with_config(self, config: ExperimentConfig) -> "TrialBook":
        """Return the same book for another configuration of the run."""
        return dataclasses.replace(self, config=config)

    def training(self, validation_loss: float) -> None:
        """Record a training that has ended."""
        self._record(self._trial("training", "validation loss", validation_loss))

    def tuning(self, figure: str, value: float | None) -> None:
        """Record one configuration of a search."""
        self._record(self._trial("tuning", figure, value))

    def threshold(self, choice: ThresholdChoice) -> None:
        """Record a scan of thresholds, with how many independent ones it amounts to."""
        trial = self._trial("threshold", "validation mean net return", choice.value)
        many, effective = len(choice.table), effective_candidates(choice)
        self._record(dataclasses.replace(trial, candidates=many, effective=effective))

    def reading(self, weights: str, *, sharpe_per_bar: float, accuracy: float) -> None:
        """Record that a model has read the test part.

        Args:
            weights: See `weights_digest`; the same model is counted once.
            sharpe_per_bar: Of its account there, not annualised.
            accuracy: Of its decisions there.
        """
        self._record(self._trial("test reading", "accuracy", accuracy, weights, sharpe_per_bar))

    def check(self) -> list[str]:
        """Verify the ledger, and what the bundles beside it remember of it.

        Returns:
            A sentence for people for each bundle whose trials the ledger does not hold: it was
            deleted since, or the bundle was brought from elsewhere. Either way the count is low.

        Raises:
            LedgerError: Rows of the ledger were changed, deleted or inserted.
        """
        self.ledger.verify()
        notes = []
        folder = self.ledger.path.parent
        for path in sorted(path for name in _WITNESSES for path in folder.glob(f"*/{name}")):
            head = None if path.parent.is_symlink() else _head_in(path)
            if head is None:
                continue
            try:
                self.ledger.check_witness(head.trials, head.hash)
            except LedgerError:
                notes.append(
                    f"{self.ledger.path.name} does not hold the trials of {path.parent.name}: it "
                    "was deleted since, or that run comes from elsewhere. Its trials are not "
                    "counted, so the figures corrected for trials flatter"
                )
        return notes

    def count(self) -> TrialCount:
        """Return how much was tried on these bars so far."""
        return self.ledger.summary(self.identity)

    def head(self) -> LedgerHead:
        """Return where the ledger stands, to be kept in the bundle as a witness."""
        return self.ledger.head()

    def _record(self, trial: Trial) -> None:
        self.ledger.record(self.identity, trial)

    def _trial(
        self,
        kind: Kind,
        figure: str,
        value: float | None,
        weights: str = "",
        sharpe_per_bar: float | None = None,
    ) -> Trial:
        return Trial(
            kind=kind,
            run=self.run,
            model=self.config.model.name,
            configuration=configuration_digest(self.config),
            weights=weights,
            sharpe_per_bar=sharpe_per_bar,
            figure=figure,
            value=value,
        )


def _head_in(path: Path) -> LedgerHead | None:
    """Return where the ledger stood for a run; None for another program's file of that name."""
    try:
        head = json.loads(path.read_text())["ledger"]
        return LedgerHead(int(head["trials"]), str(head["hash"]))
    except (ValueError, TypeError, KeyError):
        return None


def market_identity(market: Market) -> DataIdentity:
    """Return which data these bars are, whatever their file or symbol is called."""
    return DataIdentity.from_frames({symbol: bars.frame for symbol, bars in market.bars.items()})


def configuration_digest(config: ExperimentConfig) -> str:
    """Return the SHA-256 of all that makes a trial what it is, the bars and names left out."""
    values = {k: v for k, v in config.to_dict().items() if k not in _NOT_THE_TRIAL}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def effective_candidates(choice: ThresholdChoice) -> float:
    """Return how many independent strategies a scan's thresholds amount to, at least 1.

    Neighbouring thresholds make nearly the same trades. Thresholds whose account never moved
    are no strategies.
    """
    if choice.returns is None:
        return float(len(choice.table))
    varying = choice.returns[:, choice.returns.std(axis=0) > 0.0]
    return effective_trials_by_correlation(varying) if varying.shape[1] else 1.0


def record_trials(book: TrialBook, model: Predictor, fitted: FitResult, judged: Judgement) -> None:
    """Record a training, its scan of thresholds and its reading of the test part."""
    book.training(float(fitted.history["validation_loss"].min()))
    if judged.choice is not None:
        book.threshold(judged.choice)
    record_reading(book, model, judged)


def record_reading(
    book: TrialBook, model: Predictor, judged: Judgement, *, unseen: bool = True
) -> None:
    """Record that a model has read these bars, with what came of it.

    Args:
        book: Where trials are kept.
        model: Trained.
        judged: Its figures.
        unseen: Whether all bars are new to the model; else its Sharpe ratio is none to compare.
    """
    sharpe = judged.metrics["sharpe"] / math.sqrt(judged.backtest.bars_per_year)
    book.reading(
        model.digest(),
        sharpe_per_bar=sharpe if unseen else math.nan,
        accuracy=judged.metrics["accuracy"],
    )
