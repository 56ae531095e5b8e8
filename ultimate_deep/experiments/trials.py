"""What a run tries, written into the user's ledger as it happens.

Every training, every configuration of a search, every scan of thresholds and every model that has
read a test part is a trial on those bars. A later run on the same bars finds them counted, whatever
folder it writes into.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.ledger.identity import DataIdentity
from ultimate_deep.evaluation.ledger.known import KnownLedgers
from ultimate_deep.evaluation.ledger.ledger import LedgerHead, TrialLedger
from ultimate_deep.evaluation.ledger.place import check_ledger
from ultimate_deep.evaluation.ledger.trial import Kind, Trial, TrialCount
from ultimate_deep.evaluation.ledger.union import LedgerUnion
from ultimate_deep.evaluation.significance.effective_trials import effective_trials_by_correlation
from ultimate_deep.machine.files import ForeignFileError, NoJsonError, printable, read_json
from ultimate_deep.machine.home import home_file
from ultimate_deep.machine.places import KNOWN_FOLDER, LEDGER_FILE
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.calibration import ThresholdChoice
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.training.config import WITHOUT_EFFECT
from ultimate_deep.training.result import FitResult

_WITNESSES = ("metrics.json", "walk_forward.json")  # of runs
_NOT_THE_TRIAL = ("name", "artifacts", "data", "baselines", "tables", "report", "plugins")


@dataclass(frozen=True, eq=False)
class TrialBook:
    """The ledgers, opened for one run on one data set.

    Args:
        ledger: Where trials are kept and counted.
        identity: Which bars they are made on.
        run: The run's name.
        config: What is run.
        folders: Where runs lie whose files remember how a ledger stood.
        tried: How many configurations the model was chosen from before it came here.
        fills: Digest of what orders are filled at; empty where it is the open.
    """

    ledger: LedgerUnion
    identity: DataIdentity
    run: str
    config: ExperimentConfig
    folders: tuple[Path, ...] = field(default=(), kw_only=True)
    tried: int = field(default=1, kw_only=True)
    fills: str = field(default="", kw_only=True)

    @classmethod
    def opened(
        cls,
        folder: Path,
        market: Market,
        config: ExperimentConfig,
        *,
        others: Sequence[Path] = (),
        tried: int = 1,
    ) -> "TrialBook":
        """Return the book of a run's folder, in the user's ledger.

        Args:
            folder: Folder of the run; a ledger beside it is counted too.
            market: Bars by symbol.
            config: What is run.
            others: Folders of further runs that this one is made of; the same holds for them.
            tried: How many configurations the model was chosen from before it came here.

        Raises:
            HomeError: The user's folder cannot be written.
            LedgerError: A file is no ledger.
        """
        folders = _artifacts([folder, *others])
        ledger = open_ledgers(folders)
        identity = market_identity(market)
        return cls(
            ledger, identity, folder.name, config,
            folders=folders, tried=tried, fills=market.fills_digest,
        )  # fmt: skip

    @classmethod
    def unkept(cls, market: Market, config: ExperimentConfig) -> "TrialBook":
        """Return a book in memory: it counts what is tried now and knows of nothing before.

        Its trials are held until `close`, or the end of the `with` that it was opened in.
        """
        ledger = LedgerUnion(TrialLedger(":memory:"))
        identity, fills = market_identity(market), market.fills_digest
        return cls(ledger, identity, config.name, config, fills=fills)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledgers, of every book that shares them; see `TrialLedger.close`."""
        self.ledger.close()

    def with_config(self, config: ExperimentConfig) -> "TrialBook":
        """Return the same book for another configuration of the run."""
        return dataclasses.replace(self, config=config)

    def training(self, validation_loss: float) -> None:
        """Record a training that has ended."""
        trial = self._trial("training", "validation loss", validation_loss)
        self._record(_chosen(trial, self.tried))

    def tuning(self, figure: str, value: float | None) -> None:
        """Record one configuration of a search."""
        self._record(self._trial("tuning", figure, value))

    def threshold(self, choice: ThresholdChoice) -> None:
        """Record a scan of thresholds, with how many independent ones it amounts to."""
        trial = self._trial("threshold", "validation mean net return", choice.value)
        many, effective = len(choice.table), effective_candidates(choice)
        self._record(dataclasses.replace(trial, candidates=many, effective=effective))

    def reading(
        self, weights: str, *, sharpe_per_bar: float, accuracy: float, chosen_from: int = 1
    ) -> None:
        """Record that a model has read the test part.

        Args:
            weights: Digest from `weights_digest`; the same model is counted once.
            sharpe_per_bar: Sharpe ratio of its account there, not annualised.
            accuracy: Accuracy of its decisions there.
            chosen_from: How many models may have read it, of which this one was chosen.
        """
        trial = self._trial("test reading", "accuracy", accuracy, weights, sharpe_per_bar)
        self._record(_chosen(trial, chosen_from))

    def check(self) -> list[str]:
        """Verify the ledgers, and what the bundles beside the run remember of them.

        Returns:
            A sentence for people for each ledger that was counted before and is gone, and for each
            bundle whose trials no ledger holds: its ledger was deleted since, or the bundle was
            brought from elsewhere. Either way the count is low.

        Raises:
            LedgerError: Rows of a ledger were changed, deleted or inserted.
        """
        heads = self.ledger.verify()
        notes = [
            f"{one.ledger.path} no longer holds the {one.head.trials} trials that it did: put it "
            "back. Until then they are not counted, so the figures corrected for trials flatter "
            f"(to count without them, delete {one.record})"
            for one in self.ledger.known
            if one.head not in heads
        ]
        for path in _witnesses(self.folders):
            try:
                head = _head_in(path)
            except ForeignFileError as error:
                notes.append(f"{error}; it is passed over, as no run has written it")
                continue
            if head is not None and head not in heads:
                notes.append(
                    f"no ledger holds the trials of {path.parent.name}: its ledger was deleted "
                    "since, or that run comes from elsewhere. Its trials are not counted, so the "
                    "figures corrected for trials flatter"
                )
        return [printable(note) for note in notes]

    def count(self) -> TrialCount:
        """Return how much was tried on these bars so far."""
        return self.ledger.summary(self.identity)

    def head(self) -> LedgerHead:
        """Return where the user's ledger stands, to be kept in the bundle as a witness."""
        return self.ledger.head()

    def _record(self, trial: Trial) -> None:
        """Record a trial, but for one of this very run that it does again after an interruption."""
        for before in self.ledger.own.trials(self.identity):
            if dataclasses.replace(before.trial, time=trial.time) == trial:
                return
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
            configuration=configuration_digest(self.config, self.fills),
            weights=weights,
            sharpe_per_bar=sharpe_per_bar,
            figure=figure,
            value=value,
        )


def _chosen(trial: Trial, many: int) -> Trial:
    return dataclasses.replace(trial, candidates=many, effective=float(many))


def open_ledgers(folders: Sequence[Path] = ()) -> LedgerUnion:
    """Return the user's ledger, to be written, and all that are counted with it.

    Those are the ledgers in these folders, as older versions left them and colleagues bring them,
    and those that were met in any folder before.

    Args:
        folders: Folders of artifacts.

    Raises:
        HomeError: The user's folder cannot be written.
        LedgerError: A file is no ledger.
    """
    own = TrialLedger(home_file(LEDGER_FILE))
    known = KnownLedgers(own.path.parent / KNOWN_FOLDER)
    paths = dict.fromkeys((folder / LEDGER_FILE).resolve() for folder in folders)
    beside = [TrialLedger(path) for path in paths if path != own.path.resolve()]
    for ledger in beside:
        known.remember(ledger)
    return LedgerUnion(own, beside, known.all())


def check_ledgers(artifacts: str | Path) -> None:
    """Refuse ledgers that cannot be read or written, before the bars are read.

    Args:
        artifacts: Folder of the runs; a ledger in it is counted too.

    Raises:
        HomeError: The user's folder cannot be written.
        LedgerError: A file is no ledger, or its records are not what was written.
    """
    check_ledger()
    with open_ledgers([Path(artifacts)]) as ledgers:
        ledgers.verify()


def _artifacts(runs: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders that runs lie in, each once; a link's own, and that of its target."""
    found = (one for run in runs for one in (run.parent.resolve(), run.resolve().parent))
    return tuple(dict.fromkeys(found))


def _witnesses(folders: Sequence[Path]) -> list[Path]:
    """Return the files of runs in these folders that may remember how a ledger stood."""
    found = {path for folder in folders for name in _WITNESSES for path in folder.glob(f"*/{name}")}
    return sorted(path for path in found if not path.parent.is_symlink())


def _head_in(path: Path) -> LedgerHead | None:
    """Return where the ledger stood for a run; None for another program's file of that name.

    Raises:
        ForeignFileError: It is no regular file, cannot be read, or is nested too deeply.
    """
    try:
        head = read_json(path)["ledger"]
        return LedgerHead(int(head["trials"]), str(head["hash"]))
    except NoJsonError:
        return None
    except ForeignFileError:
        raise
    except (FileNotFoundError, ValueError, TypeError, KeyError, OverflowError):
        return None


def market_identity(market: Market) -> DataIdentity:
    """Return which data these bars are, whatever their file or symbol is called."""
    return DataIdentity.from_frames({symbol: bars.frame for symbol, bars in market.bars.items()})


def configuration_digest(config: ExperimentConfig, fills: str = "") -> str:
    """Return the SHA-256 of all that makes a trial what it is; bars, names and workers are not.

    Args:
        config: What is run.
        fills: Digest of what orders are filled at, `Market.fills_digest`; as costs are, it is a
            part of how the same bars are traded.
    """
    values = {k: v for k, v in config.to_dict().items() if k not in _NOT_THE_TRIAL}
    values["fit"] = {k: v for k, v in values["fit"].items() if k not in WITHOUT_EFFECT}
    if fills:
        values["fills"] = fills
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
        model: Predictor that has been trained.
        judged: Figures that came of it.
        unseen: Whether all bars are new to the model; else its Sharpe ratio is none to compare.
    """
    sharpe = judged.metrics["sharpe"] / math.sqrt(judged.backtest.bars_per_year)
    book.reading(
        model.digest(),
        sharpe_per_bar=sharpe if unseen else math.nan,
        accuracy=judged.metrics["accuracy"],
    )
